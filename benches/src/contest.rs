//! What is compared, with whom, and what is to be reached.

use core::fmt;

use crate::Sample;

/// Does the work so many times and says what it took.
pub type Work = Box<dyn FnMut(u64) -> Sample>;

/// One program that does the work of a figure.
pub struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    pub(crate) work: Work,
}

/// What a contestant is to its figure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Role {
    /// This project.
    Ours,
    /// Another library, or what its user would write by hand.
    Peer,
    /// The least work that does the job, or a part of the job: nobody is faster.
    Limit,
}

/// One thing that a user waits for.
#[derive(Debug)]
pub struct Figure {
    pub(crate) name: &'static str,
    /// What is counted: a task, a call, an item.
    pub(crate) unit: &'static str,
    /// How often the work is done in one turn.
    pub(crate) times: u64,
    pub(crate) turns: usize,
    pub(crate) for_valgrind: bool,
    pub(crate) contestants: Vec<Contestant>,
    /// Each with the contestant it is for.
    pub(crate) goals: Vec<(&'static str, Goal)>,
}

/// One question about behaviour, put to several libraries by running them.
#[derive(Debug)]
pub struct Table {
    pub(crate) name: &'static str,
    /// What each of them was set up to do, and then met.
    pub(crate) asked: &'static str,
    pub(crate) answers: Vec<Answer>,
}

/// What one library did.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) who: &'static str,
    pub(crate) role: Role,
    pub(crate) did: String,
    pub(crate) as_asked: bool,
}

/// What ours is to reach.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Goal {
    /// At most this many times the time of the named contestant.
    Times(f64, &'static str),
    /// At most this many times the time of the fastest peer.
    BestPeer(f64),
    /// At most so many nanoseconds, on the machine that the figure was set for.
    Nanos(f64),
    /// At least so many times a second, on the machine that the figure was set for.
    PerSecond(f64),
    /// At most so many allocations more than the named contestant.
    MoreAllocations(f64, &'static str),
    /// Allocations of at most so many bytes more than the named contestant.
    MoreBytes(f64, &'static str),
    /// No allocation at all.
    NoAllocation,
}

/// Figures that belong together: one bench target.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Group {
    /// The name of the bench target.
    pub name: &'static str,
    /// Sets the figures up.
    pub figures: fn() -> Vec<Figure>,
    /// Runs what is compared by what it does instead of by what it takes.
    pub tables: fn() -> Vec<Table>,
}

/// The share of a turn in which threads have to run together, and how often that is tried.
const ENOUGH: f64 = 0.9;
const TRIES: u32 = 50;

impl Contestant {
    /// A contestant whose `work` measures itself, without its setting up.
    pub fn new(name: &'static str, role: Role, work: impl FnMut(u64) -> Sample + 'static) -> Self {
        Self {
            name,
            role,
            work: Box::new(work),
        }
    }

    /// The nanoseconds of one turn.
    ///
    /// Threads that do not run at the same time do not contend. Where other programs take the processors that happens,
    /// and the turn is taken again.
    pub(crate) fn turn(&mut self, times: u64) -> f64 {
        let mut best = (self.work)(times);
        for _ in 0..TRIES {
            if best.together > ENOUGH {
                break;
            }
            let next = (self.work)(times);
            if next.together > best.together {
                best = next;
            }
        }
        best.nanos
    }

    /// This project.
    pub fn ours(name: &'static str, work: impl FnMut(u64) -> Sample + 'static) -> Self {
        Self::new(name, Role::Ours, work)
    }

    /// A peer.
    pub fn peer(name: &'static str, work: impl FnMut(u64) -> Sample + 'static) -> Self {
        Self::new(name, Role::Peer, work)
    }

    /// The least work that does the job.
    pub fn limit(name: &'static str, work: impl FnMut(u64) -> Sample + 'static) -> Self {
        Self::new(name, Role::Limit, work)
    }
}

impl Figure {
    /// A figure without contestants, whose work is done `times` times in a turn.
    #[must_use]
    pub const fn new(name: &'static str, unit: &'static str, times: u64) -> Self {
        Self {
            name,
            unit,
            times,
            turns: 101,
            for_valgrind: true,
            contestants: Vec::new(),
            goals: Vec::new(),
        }
    }

    /// Fewer turns, where one takes long.
    #[must_use]
    pub const fn few_turns(mut self) -> Self {
        self.turns = 11;
        self
    }

    /// No instructions are counted, because valgrind would take too long.
    #[must_use]
    pub const fn by_time_only(mut self) -> Self {
        self.for_valgrind = false;
        self
    }

    /// One more contestant.
    #[must_use]
    pub fn with(mut self, contestant: Contestant) -> Self {
        self.contestants.push(contestant);
        self
    }

    /// One more goal, of the contestant that was added last.
    #[must_use]
    pub fn goal(mut self, goal: Goal) -> Self {
        if let Some(contestant) = self.contestants.last() {
            self.goals.push((contestant.name, goal));
        }
        self
    }
}

impl Table {
    /// A table without answers.
    #[must_use]
    pub const fn new(name: &'static str, asked: &'static str) -> Self {
        Self {
            name,
            asked,
            answers: Vec::new(),
        }
    }

    /// One more answer: what was seen, and whether that is what was asked.
    #[must_use]
    pub fn with(mut self, (who, role): (&'static str, Role), did: String, as_asked: bool) -> Self {
        self.answers.push(Answer {
            who,
            role,
            did,
            as_asked,
        });
        self
    }
}

impl Group {
    /// A group of figures.
    #[must_use]
    pub const fn new(name: &'static str, figures: fn() -> Vec<Figure>) -> Self {
        Self {
            name,
            figures,
            tables: Vec::new,
        }
    }

    /// The group with tables instead.
    #[must_use]
    pub const fn of_tables(name: &'static str, tables: fn() -> Vec<Table>) -> Self {
        Self {
            name,
            figures: Vec::new,
            tables,
        }
    }
}

impl fmt::Debug for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contestant")
            .field("name", &self.name)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ours => "ours",
            Self::Peer => "peer",
            Self::Limit => "limit",
        })
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Times(most, of) => write!(f, "≤ {most:.2} × {of}"),
            Self::BestPeer(most) => write!(f, "≤ {most:.2} × best peer"),
            Self::Nanos(most) => write!(f, "≤ {most} ns"),
            Self::PerSecond(least) => write!(f, "≥ {least} a second"),
            Self::MoreAllocations(most, of) => write!(f, "≤ {most} allocations more than {of}"),
            Self::MoreBytes(most, of) => write!(f, "≤ {most} bytes more than {of}"),
            Self::NoAllocation => write!(f, "0 allocations"),
        }
    }
}
