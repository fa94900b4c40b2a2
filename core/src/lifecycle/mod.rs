//! Decides which one end a task has, and how far its cancellation went.
//!
//! ```text
//!              start            wait
//!   [ Pending ] ---> [ Running ] ---> [ Waiting ]
//!      |  |              |    ^          |  |
//!      |  |              |    `--resume--'  |
//!      |  | reject       |                  |
//!      |  `---------> [ Rejected ]          |
//!      | cancel          | finish           | finish, cancel(KillHard)
//!      | finish(TimedOut)| cancel(KillHard) |
//!      v                 v                  v
//!   [ Cancelled | TimedOut ]   [ Completed | Failed | Panicked | TimedOut | Cancelled ]
//!
//!   any end ---restart---> [ Pending ], a new run
//! ```
//!
//! | bits   | name      | meaning                                                                |
//! |--------|-----------|------------------------------------------------------------------------|
//! | 0..4   | `STATE`   | one of the nine states above                                           |
//! | 4..6   | `LEVEL`   | how far a cancellation went: none, graceful, kill, kill hard           |
//! | 6..10  | `REASON`  | why, as told by the first request                                      |
//! | 10..16 | `SHIELDS` | how many shielded sections are open                                    |
//! | 16..32 | `ATTEMPT` | which attempt runs or ran; 0 before the first, saturates at 65,535     |
//!
//! A live task with a level is *cancelling*; that is read off the word, not a state of its own, so that attempts and
//! waits go on while a graceful cancellation is under way.
//!
//! - **L1** Exactly one terminal state is entered in a run, and the word never changes after it, except by `restart`.
//! - **L2** `LEVEL` only grows within a run.
//! - **L3** `REASON` is set together with the first level and never changes within a run.
//! - **L4** After [`Lifecycle::cancel`] answered [`Cancel::Raised`] for [`Level::Kill`], no result is accepted: neither
//!   Completed nor Failed nor `TimedOut` can be the end.
//! - **L5** A task that was cancelled before it started never starts.
//! - **L6** Whoever reads a terminal state sees everything its owner wrote before it finished.
//! - **L7** `ATTEMPT` never shrinks within a run.
//! - **L8** A run follows only on the end of the one before: `restart` is refused before it, and succeeds once for it.
//!   The new run has no level, no reason, no shield and no attempt of the old one. Who restarts sees what was written
//!   before the end, and who starts the new run sees that and what was written before the restart.
//!
//! # Running again
//! A task in a `static` runs again after [`Lifecycle::restart`]. It belongs to the owner, like `start` and `finish`: to
//! whoever knows that nothing of the old run is still at work. After a hard kill that is the moment at which the work
//! has returned, not the moment of the kill, so nothing that the killed work does later can be taken for the new run.
//!
//! A run has no name. Whoever cancels means the run of that moment, and who reads twice may have slept through an end.
//! Where a late request must not meet the next run, or an end must not be missed, the owner restarts after those who
//! cancel and watch have let go; with the feature `waiters`, when `WaiterSet::is_empty` says so.
//!
//! Every operation is lock-free: a failed compare-and-swap means that another thread's succeeded. Reads are one load.
//! The table test is `lifecycle/tests.rs`, the random one `tests/model_lifecycle.rs`, the models
//! `loom-tests/tests/lifecycle.rs`.

mod word;

use core::error::Error;
use core::fmt;

use crate::sync::{
    AtomicU32,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
    const_fn,
};
use word::{Decision, Word};

/// The lifecycle of one task, in one 32-bit word.
///
/// Shared by reference between the task's owner, which starts, finishes and restarts it, and anybody who cancels or
/// looks.
///
/// # Examples
/// ```
/// use sweet_async_core::lifecycle::{Cancel, End, Level, Lifecycle, Reason, Start, State};
///
/// let task = Lifecycle::new();
/// assert_eq!(task.start(), Start::Run);
/// assert_eq!(task.cancel(Level::Graceful, Reason::Requested), Cancel::Raised);
/// assert!(task.is_cancelled());
/// task.finish(End::Completed)?;
/// assert_eq!(task.state(), State::Completed);
/// assert_eq!(task.cancel(Level::Kill, Reason::Requested), Cancel::Over(State::Completed));
/// assert_eq!(task.restart()?, State::Completed);
/// assert!(!task.is_cancelled());
/// # Ok::<(), sweet_async_core::lifecycle::FinishError>(())
/// ```
pub struct Lifecycle {
    word: AtomicU32,
}

/// Where a task is between its creation and its end.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a tenth state would be a different machine"
)]
#[repr(u8)]
pub enum State {
    /// Created, not started.
    Pending = 0,
    /// An attempt is under way.
    Running = 1,
    /// Between two attempts.
    Waiting = 2,
    /// Ended with a value.
    Completed = 3,
    /// Ended with an error of its own.
    Failed = 4,
    /// Ended by unwinding.
    Panicked = 5,
    /// Ended by a deadline.
    TimedOut = 6,
    /// Ended by a cancellation.
    Cancelled = 7,
    /// Never admitted: there was nothing to run it, or its settings contradict each other.
    Rejected = 8,
}

/// How far a cancellation goes. Levels only escalate.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(
    clippy::exhaustive_enums,
    reason = "three levels, one meaning each, are the contract"
)]
#[repr(u8)]
pub enum Level {
    /// The task is told, and may finish its section and its cleanup.
    Graceful = 1,
    /// The task is dropped at its next await point; its result is refused from now on.
    Kill = 2,
    /// The task is over now; nothing it does later can be seen.
    KillHard = 3,
}

/// Why a task was cancelled, as told by the first request.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
#[repr(u8)]
pub enum Reason {
    /// Somebody who holds the task asked for it.
    Requested = 1,
    /// The parent was cancelled, failed or ended.
    Parent = 2,
    /// A sibling failed and the group's policy cancels the rest.
    Sibling = 3,
    /// The handle was dropped and its owner had asked for cancellation on drop.
    Dropped = 4,
    /// The runtime is shutting down.
    Shutdown = 5,
    /// The executor dropped the task without running it to its end.
    Stopped = 6,
    /// Another one of several equivalent tasks won.
    Superseded = 7,
    /// The deadline of the scope passed.
    Deadline = 8,
}

/// How an owner ends its task.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the ends an owner can report; Rejected has its own operation"
)]
pub enum End {
    /// With a value.
    Completed,
    /// With an error of its own.
    Failed,
    /// By unwinding.
    Panicked,
    /// By a deadline.
    TimedOut,
    /// By a cancellation that was asked for.
    Cancelled,
}

/// What the owner does after [`Lifecycle::start`].
#[must_use = "a task that was cancelled before it started must not run"]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "callers must handle every outcome")]
pub enum Start {
    /// Run the first attempt.
    Run,
    /// Do not run: the task is in this state already.
    Over(State),
}

/// What the caller of [`Lifecycle::cancel`] does next.
#[must_use = "the task or whoever awaits it has to be woken"]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "callers must handle every outcome")]
pub enum Cancel {
    /// The level rose: wake the task, so that it sees it.
    Raised,
    /// The task is over by this call: wake the task and whoever awaits it.
    Ended,
    /// The task was told the same or more before: nothing to do.
    Unchanged,
    /// The task had ended before: nothing to do.
    Over(State),
}

/// Why a transition that the owner asked for is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum FinishError {
    /// A kill, or for a timeout any cancellation, came first: finish as [`End::Cancelled`].
    Cancelled,
    /// The task had ended before, in this state.
    Over(State),
    /// The task is not in a state from which this leads on.
    Misplaced(State),
}

/// One decoded reading of a [`Lifecycle`].
///
/// # Examples
/// ```
/// use sweet_async_core::lifecycle::{Cancel, Level, Lifecycle, Reason, Start, State};
///
/// let task = Lifecycle::new();
/// assert_eq!(task.start(), Start::Run);
/// assert_eq!(task.cancel(Level::Graceful, Reason::Deadline), Cancel::Raised);
///
/// // One load: the fields belong together.
/// let seen = task.snapshot();
/// assert_eq!((seen.state(), seen.attempt()), (State::Running, 1));
/// assert_eq!((seen.level(), seen.reason()), (Some(Level::Graceful), Some(Reason::Deadline)));
/// assert!(seen.is_cancelling() && !seen.is_shielded());
/// ```
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Snapshot(Word);

impl Lifecycle {
    const_fn! {
        /// A task that has not started.
        #[must_use]
        pub fn new() -> Self {
            Self { word: AtomicU32::new(Word::PENDING.0) }
        }
    }

    /// Begins the first attempt of a pending task.
    #[inline]
    pub fn start(&self) -> Start {
        // ORDERING: Acquire on failure: an owner that may not start reads what the canceller wrote (L5). Acquire on
        // success: the run sees what was written before the restart (L8); starting publishes nothing. Models:
        // `lifecycle::cancel_before_start`, `lifecycle::restart_hands_over`.
        match self
            .word
            .compare_exchange(Word::PENDING.0, Word::STARTED.0, Acquire, Acquire)
        {
            Ok(_) => Start::Run,
            Err(found) => Start::Over(Word(found).state()),
        }
    }

    /// Ends the current attempt without ending the task: another one will follow.
    pub fn wait(&self) -> Result<(), FinishError> {
        self.change(Word::wait)
    }

    /// Begins the next attempt and answers with its number, counted from 1; the count saturates at 65,535.
    pub fn resume(&self) -> Result<u16, FinishError> {
        self.change(Word::resume)
    }

    /// Ends the task. Exactly one call in a run succeeds (L1).
    ///
    /// # Errors
    /// [`FinishError::Cancelled`] when a cancellation forbids this end (L4): finish as [`End::Cancelled`] instead.
    /// [`FinishError::Over`] when the task has ended; [`FinishError::Misplaced`] when it never started.
    #[inline]
    pub fn finish(&self, end: End) -> Result<(), FinishError> {
        self.change(|word| word.finish(end))
    }

    /// Refuses a task that has not started.
    pub fn reject(&self) -> Result<(), FinishError> {
        self.change(Word::reject)
    }

    /// Begins a new run after the end of the last one, and answers how that ended (L8).
    ///
    /// The task is pending again, and nothing of the old run stays in the word. Only the owner restarts, and only when
    /// nothing of the old run is still at work; the section *Running again* of the [module](self) says why.
    ///
    /// # Errors
    /// [`FinishError::Misplaced`] when the task has not ended. Nothing changes.
    pub fn restart(&self) -> Result<State, FinishError> {
        // ORDERING: Relaxed. A guess that the exchange below verifies, or a refusal, after which nobody reads anything
        // else. Model: `lifecycle::restart_hands_over`.
        let mut seen = self.word.load(Relaxed);
        loop {
            let (next, end) = Word(seen).restart()?;
            // ORDERING: AcqRel; Relaxed on failure, which is a guess again. Acquire lets the owner of the new run see
            // what the old one left, Release hands that and what was written since to who starts (L8). Model:
            // `lifecycle::restart_hands_over`.
            match self.word.compare_exchange_weak(seen, next.0, AcqRel, Relaxed) {
                Ok(_) => return Ok(end),
                Err(found) => seen = found,
            }
        }
    }

    /// Asks for cancellation at `level`.
    ///
    /// A pending task ends at once at every level; a started one only by [`Level::KillHard`]. The first reason stays
    /// (L3), a lower level than the one in force changes nothing (L2).
    pub fn cancel(&self, level: Level, reason: Reason) -> Cancel {
        match self.change(|word| word.cancel(level, reason)) {
            Ok(outcome) | Err(outcome) => outcome,
        }
    }

    /// Opens a shielded section, in which graceful cancellation and kill are postponed.
    ///
    /// # Errors
    /// [`ShieldError::TooDeep`] when 63 sections are open, [`ShieldError::NotStarted`] before the first attempt,
    /// [`ShieldError::Over`] when the task has ended.
    pub fn shield(&self) -> Result<(), ShieldError> {
        self.change(Word::shield)
    }

    /// Closes a shielded section.
    ///
    /// # Errors
    /// [`ShieldError::NotOpen`] when none is open, [`ShieldError::Over`] when the task has ended.
    pub fn unshield(&self) -> Result<(), ShieldError> {
        self.change(Word::unshield)
    }

    /// Reads the whole word once. Wait-free.
    #[inline]
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        // ORDERING: Acquire, pairs with the Release of the change that is seen, so that a reader of a terminal state
        // sees what its owner wrote (L6). Model: `lifecycle::observer_sees_the_result`.
        Snapshot(Word(self.word.load(Acquire)))
    }

    /// The state alone. Wait-free.
    #[must_use]
    pub fn state(&self) -> State {
        self.snapshot().state()
    }

    /// Whether a cancellation was asked for. One load, no barrier: for checks in hot loops.
    #[inline]
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        // ORDERING: Relaxed. The answer stands alone: a task that acts on it reads the level and the reason from the
        // same word, never from other memory. Model: `lifecycle::cancel_before_start`.
        Word(self.word.load(Relaxed)).level().is_some()
    }

    /// The one loop that changes the word.
    fn change<A, R>(&self, decide: impl Fn(Word) -> Decision<A, R>) -> Result<A, R> {
        // ORDERING: Acquire. A refusal is decided by this reading, and the refused caller then reads what the winner
        // wrote (L6). Model: `lifecycle::one_end`.
        let mut seen = self.word.load(Acquire);
        loop {
            let (next, answer) = decide(Word(seen))?;
            // ORDERING: Release on success: what this thread wrote belongs to whoever reads the new state (L6).
            // Acquire on failure, for the same reason as the load. Model: `lifecycle::observer_sees_the_result`.
            match self.word.compare_exchange_weak(seen, next.0, Release, Acquire) {
                Ok(_) => return Ok(answer),
                Err(found) => seen = found,
            }
        }
    }
}

impl Snapshot {
    /// The state.
    #[inline]
    #[must_use]
    pub const fn state(self) -> State {
        self.0.state()
    }

    /// The level in force, if the task was cancelled.
    #[inline]
    #[must_use]
    pub const fn level(self) -> Option<Level> {
        self.0.level()
    }

    /// The first reason given, if the task was cancelled.
    #[must_use]
    pub const fn reason(self) -> Option<Reason> {
        self.0.reason()
    }

    /// The attempt that runs or ran, counted from 1; 0 before the first.
    #[must_use]
    pub const fn attempt(self) -> u16 {
        self.0.attempt()
    }

    /// Whether a shielded section is open.
    #[inline]
    #[must_use]
    pub const fn is_shielded(self) -> bool {
        self.0.shields() > 0
    }

    /// Whether the task was told to stop and has not ended.
    #[must_use]
    pub const fn is_cancelling(self) -> bool {
        self.level().is_some() && !self.state().is_terminal()
    }
}

impl State {
    /// The state with this number, the one of its `repr`.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Pending,
            1 => Self::Running,
            2 => Self::Waiting,
            3 => Self::Completed,
            4 => Self::Failed,
            5 => Self::Panicked,
            6 => Self::TimedOut,
            7 => Self::Cancelled,
            8 => Self::Rejected,
            _ => return None,
        })
    }

    /// Whether this state is an end.
    #[inline]
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        self as u8 >= Self::Completed as u8
    }

    /// The word that people read in a dump.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::TimedOut => "timed out",
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
        }
    }
}

impl Level {
    /// The level with this number, the one of its `repr`.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Graceful,
            2 => Self::Kill,
            3 => Self::KillHard,
            _ => return None,
        })
    }
}

impl Reason {
    /// The reason with this number, the one of its `repr`.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Requested,
            2 => Self::Parent,
            3 => Self::Sibling,
            4 => Self::Dropped,
            5 => Self::Shutdown,
            6 => Self::Stopped,
            7 => Self::Superseded,
            8 => Self::Deadline,
            _ => return None,
        })
    }
}

/// Why a shielded section could not be opened or closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ShieldError {
    /// 63 sections are open already.
    TooDeep,
    /// No section is open.
    NotOpen,
    /// Nothing runs yet that could be shielded.
    NotStarted,
    /// The task has ended in this state.
    Over(State),
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lifecycle").field(&self.snapshot()).finish()
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("state", &self.state())
            .field("level", &self.level())
            .field("reason", &self.reason())
            .field("attempt", &self.attempt())
            .field("shields", &self.0.shields())
            .finish()
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Graceful => "graceful",
            Self::Kill => "kill",
            Self::KillHard => "kill hard",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requested => "requested",
            Self::Parent => "parent ended",
            Self::Sibling => "sibling failed",
            Self::Dropped => "handle dropped",
            Self::Shutdown => "runtime shutting down",
            Self::Stopped => "executor stopped",
            Self::Superseded => "superseded",
            Self::Deadline => "scope deadline passed",
        })
    }
}

impl fmt::Display for FinishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled => f.write_str("a cancellation came first; finish as cancelled"),
            Self::Over(state) => write!(f, "the task has already ended: {state}"),
            Self::Misplaced(state) => write!(f, "this does not follow on the state {state}"),
        }
    }
}

impl fmt::Display for ShieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooDeep => f.write_str("63 shielded sections are open; close one first"),
            Self::NotOpen => f.write_str("no shielded section is open"),
            Self::NotStarted => f.write_str("the task has not started; open the section in its work"),
            Self::Over(state) => write!(f, "the task has already ended: {state}"),
        }
    }
}

impl Error for FinishError {}
impl Error for ShieldError {}

#[cfg(test)]
mod tests;
