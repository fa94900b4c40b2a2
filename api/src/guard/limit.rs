//! How many attempts at once.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use core::error::Error;
use core::fmt;

pub use sweet_async_core::limit::{Aimd, Gradient2, Vegas};
use sweet_async_core::limit::{
    Bounds, BoundsError, ConcurrencyLimit as Machine, Outcome, Policy, Sample, State,
};

use super::Patience;
use super::queue::Queue;
use crate::Moment;

/// Lets so many attempts run at once, whoever makes them: a fixed number, or one that is learned from how they fare.
///
/// A handle: clones speak of the same limit. An attempt that is let through costs one load and one compare-and-swap, and
/// two more when it ends; latencies are counted in microseconds. Its place is free again when it has ended, whichever way:
/// an attempt that was cancelled or dropped, or that failed for a reason of its own, teaches the limit nothing.
///
/// # Examples
/// ```
/// use sweet_async_api::guard::{ConcurrencyLimit, Gradient2, Patience};
///
/// let database = ConcurrencyLimit::fixed(20).name("database").build()?;
/// let search = ConcurrencyLimit::learned(Gradient2::new()).start(10).between(1, 200).build()?;
/// let at_once = search.with_patience(Patience::Refuse); // the same limit, for those who cannot wait
/// assert_eq!((database.limit(), at_once.limit()), (20, 10));
/// # Ok::<(), sweet_async_api::guard::LimitError>(())
/// ```
///
/// # Fairness
/// Those who wait are let through in the order in which they came; see [the module](super).
#[derive(Clone)]
pub struct ConcurrencyLimit {
    shared: Arc<Shared>,
    pub(super) patience: Patience,
}

struct Shared {
    name: Cow<'static, str>,
    machine: Machine<Rule>,
    queue: Arc<Queue>,
}

/// How a limit is learned.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Law {
    /// By calls that are lost: grows by one in each round without, shrinks by a share with each.
    Aimd(Aimd),
    /// By how much longer calls take than without load.
    Vegas(Vegas),
    /// By how much longer calls take than in the long run.
    Gradient2(Gradient2),
}

/// A law, or none.
#[derive(Clone, Copy)]
enum Rule {
    Fixed,
    Learned(Law),
}

/// Describes a concurrency limit.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct ConcurrencyLimitBuilder {
    name: Cow<'static, str>,
    law: Option<Law>,
    start: u32,
    between: (u32, u32),
    patience: Patience,
}

/// Why a concurrency limit cannot be built as described.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum LimitError {
    /// Bounds for a limit that is fixed.
    Fixed,
    /// Numbers that the machine refuses.
    Bounds(BoundsError),
}

/// A concurrency limit did not let an attempt through: as many run as may, or others wait already.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct LimitReached {
    /// How many may run at once. It is worth coming back when one of them has ended.
    pub limit: u32,
}

/// A place among those who run, given back as it is dropped.
#[derive(Debug)]
pub(crate) struct Entered {
    limit: ConcurrencyLimit,
    begun: Moment,
    /// What the limit is told as this is dropped.
    outcome: Outcome,
}

impl ConcurrencyLimit {
    /// Describes a limit that stays at `limit`.
    pub const fn fixed(limit: u32) -> ConcurrencyLimitBuilder {
        ConcurrencyLimitBuilder {
            name: Cow::Borrowed(""),
            law: None,
            start: limit,
            between: (limit, limit),
            patience: Patience::Deadline,
        }
    }

    /// Describes a limit that is learned by `law`. It starts at 10 and stays between 1 and 1,000 if nothing else is said.
    pub fn learned(law: impl Into<Law>) -> ConcurrencyLimitBuilder {
        ConcurrencyLimitBuilder {
            law: Some(law.into()),
            start: 10,
            between: (1, 1_000),
            ..Self::fixed(0)
        }
    }

    /// The name given to the builder; empty if none was.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The same limit, for those who wait otherwise.
    #[must_use]
    pub fn with_patience(&self, patience: Patience) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            patience,
        }
    }

    /// How many attempts may run at once.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.shared.machine.limit()
    }

    /// How many attempts run now; those that wait for a rate with a place in their hands are among them.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.shared.machine.in_flight()
    }

    /// How many attempts wait for a place.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.queue.len()
    }

    pub(super) fn queue(&self) -> &Arc<Queue> {
        &self.shared.queue
    }

    pub(super) fn try_enter(&self, now: Moment) -> Result<Entered, LimitReached> {
        match self.shared.machine.try_enter() {
            Ok(()) => Ok(Entered {
                limit: self.clone(),
                begun: now,
                outcome: Outcome::Ignored,
            }),
            Err(full) => Err(LimitReached { limit: full.limit }),
        }
    }

    fn leave(&self, outcome: Outcome) {
        // Whoever holds a place entered once and leaves once, so nothing is refused here.
        if self.shared.machine.leave(outcome).is_ok_and(|free| free > 0) {
            self.shared.queue.wake_first();
        }
    }
}

impl Entered {
    /// The attempt begins now, and not when the place was taken.
    pub(super) const fn begin(&mut self, now: Moment) {
        self.begun = now;
    }

    pub(super) fn succeeded(mut self, now: Moment) {
        let micros = now.since(self.begun).as_micros();
        let latency = u32::try_from(micros).unwrap_or(u32::MAX);
        self.outcome = Outcome::Ok { latency };
    }

    /// It was lost to overload.
    pub(super) fn lost(mut self) {
        self.outcome = Outcome::Dropped;
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.limit.leave(self.outcome);
    }
}

impl ConcurrencyLimitBuilder {
    /// Names the limit, for people.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Where a learned limit starts.
    pub const fn start(mut self, limit: u32) -> Self {
        self.start = limit;
        self
    }

    /// Between what a learned limit stays, both ends included; at most 32,767.
    pub const fn between(mut self, min: u32, max: u32) -> Self {
        self.between = (min, max);
        self
    }

    /// What attempts do that are not let through at once. They wait for a place if not said.
    pub const fn patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// Makes the limit.
    ///
    /// # Errors
    /// [`LimitError`] when the settings cannot be followed.
    pub fn build(self) -> Result<ConcurrencyLimit, LimitError> {
        let (min, max) = self.between;
        if self.law.is_none() && (min, max) != (self.start, self.start) {
            return Err(LimitError::Fixed);
        }
        let bounds = Bounds::new(min, self.start, max).map_err(LimitError::Bounds)?;
        let rule = self.law.map_or(Rule::Fixed, Rule::Learned);
        Ok(ConcurrencyLimit {
            shared: Arc::new(Shared {
                name: self.name,
                machine: Machine::new(rule, bounds),
                queue: Arc::default(),
            }),
            patience: self.patience,
        })
    }
}

impl Policy for Rule {
    fn step(&self, state: &mut State, sample: Sample) -> u32 {
        match self {
            Self::Fixed => state.whole(),
            Self::Learned(Law::Aimd(law)) => law.step(state, sample),
            Self::Learned(Law::Vegas(law)) => law.step(state, sample),
            Self::Learned(Law::Gradient2(law)) => law.step(state, sample),
        }
    }
}

impl From<Aimd> for Law {
    fn from(law: Aimd) -> Self {
        Self::Aimd(law)
    }
}

impl From<Vegas> for Law {
    fn from(law: Vegas) -> Self {
        Self::Vegas(law)
    }
}

impl From<Gradient2> for Law {
    fn from(law: Gradient2) -> Self {
        Self::Gradient2(law)
    }
}

impl fmt::Debug for ConcurrencyLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrencyLimit")
            .field("name", &self.name())
            .field("limit", &self.limit())
            .field("in_flight", &self.in_flight())
            .field("patience", &self.patience)
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed => f.write_str(
                "a fixed limit neither starts nor moves elsewhere; let it be learned, or leave that out",
            ),
            Self::Bounds(error) => error.fmt(f),
        }
    }
}

impl Error for LimitError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Bounds(error) => Some(error),
            Self::Fixed => None,
        }
    }
}

impl fmt::Display for LimitReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "was refused by its concurrency limit of {}; try again when one of those that run has ended",
            self.limit
        )
    }
}

impl Error for LimitReached {}
