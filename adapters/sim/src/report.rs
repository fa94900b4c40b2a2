//! Why a simulation came to no end.

use core::error::Error;
use core::fmt;

use sweet_async_api::task::Name;
use sweet_async_api::{Moment, State};

/// The main future of a simulation did not resolve.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Unfinished {
    /// Nobody can run, no timer will fire, and the main future waits: a deadlock, or a lost wake-up.
    Deadlock(Report),
    /// The bound of steps is reached: tasks that wake each other for ever, or a bound that is too low.
    StepLimit(Report),
    /// A blocking closure has blocked its thread for longer than the patience with it: it waits for something else than a
    /// checkpoint, and nobody else can run meanwhile.
    ClosureBlocks(Report),
    /// The simulation is running already, further up the stack or on another thread.
    Running,
}

/// How a simulation stood when it was given up.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// What the simulation was seeded with.
    pub seed: u64,
    /// The virtual time.
    pub at: Moment,
    /// How many steps had been made.
    pub steps: u64,
    /// Whether time was paused, so that no timer could fire.
    pub paused: bool,
    /// Those that had not ended, in the order in which they were spawned. The main future is the first.
    pub tasks: Vec<Stuck>,
}

/// A task that had not ended when its simulation was given up.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stuck {
    /// Its number in the log: 0 for the main future, then in the order of spawning.
    pub number: u32,
    /// Its name, empty if it has none.
    pub name: Name,
    /// What it is.
    pub kind: Kind,
    /// Where it was in its life; `None` for one that is no task of the engine.
    pub state: Option<State>,
    /// How many children it waited for, or would have.
    pub children: usize,
    /// How many steps it had made.
    pub polls: u64,
    /// When it made the last one, if it made any.
    pub last_polled: Option<Moment>,
    /// What kept it from running.
    pub held: Held,
}

/// What a number of the log stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// The future that was given to `run`.
    Main,
    /// A task, or a bare future that was spawned.
    Task,
    /// A closure of `spawn_blocking`.
    Closure,
}

/// What kept a task from running.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Held {
    /// It waited, and nobody had woken it.
    Waiting,
    /// Nothing: it was about to run.
    Runnable,
    /// A fault: it was never to be polled again.
    Frozen,
    /// Nothing: it is a closure that blocks its thread.
    Running,
}

impl Unfinished {
    /// How the simulation stood, unless it was not begun.
    #[must_use]
    pub const fn report(&self) -> Option<&Report> {
        match self {
            Self::Deadlock(report) | Self::StepLimit(report) | Self::ClosureBlocks(report) => Some(report),
            Self::Running => None,
        }
    }
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deadlock(report) if report.paused => {
                write!(
                    f,
                    "nobody can run, time is paused, and the main future waits{report}"
                )
            }
            Self::Deadlock(report) => {
                write!(
                    f,
                    "nobody can run, no timer is set, and the main future waits{report}"
                )
            }
            Self::StepLimit(report) => {
                write!(f, "the main future did not end within the bound of steps{report}")
            }
            Self::ClosureBlocks(report) => {
                write!(
                    f,
                    "a blocking closure keeps its turn, and waits for nothing that can come{report}"
                )
            }
            Self::Running => f.write_str("this simulation is running already"),
        }
    }
}

impl Error for Unfinished {}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " (seed {}, step {}, time {})", self.seed, self.steps, self.at)?;
        for task in &self.tasks {
            write!(f, "\n  {task}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number)?;
        match self.kind {
            Kind::Main => f.write_str(" main")?,
            Kind::Task => write!(f, " task {:?}", self.name)?,
            Kind::Closure => write!(f, " blocking closure of {:?}", self.name)?,
        }
        match self.held {
            Held::Waiting => f.write_str(" waits")?,
            Held::Runnable => f.write_str(" could run")?,
            Held::Running => f.write_str(" runs")?,
            Held::Frozen => f.write_str(" is frozen by a fault")?,
        }
        if let Some(state) = self.state {
            write!(f, ", {state}")?;
        }
        if self.children > 0 {
            write!(f, ", children: {}", self.children)?;
        }
        match self.last_polled {
            Some(last) => write!(f, ", steps: {}, the last at {last}", self.polls),
            None => f.write_str(", never begun"),
        }
    }
}
