//! How many attempts again.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use core::error::Error;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use sweet_async_core::budget::RetryBudget as Machine;

use crate::Moment;

/// Lets a share of the calls be retries or hedges, so that a failing service is not buried under them.
///
/// A handle: clones speak of the same budget. Share one among all tasks that call the same service. Each call pays in
/// once, with its first attempt that is let through, which is one load while the budget is full; each retry and each
/// hedge draws one out. When everything fails, the calls that reach the service are at most `1 + share` times those that
/// were made, the floor aside. See [the module](super) for what is drawn when.
///
/// # Examples
/// ```
/// use sweet_async_api::guard::RetryBudget;
/// use sweet_async_api::units::DurationUnits;
///
/// // One retry for five calls, ten in each second whatever happens, at most a hundred saved up.
/// let search = RetryBudget::builder().percent(20).floor(10, 1.seconds()).most(100).build()?;
/// assert_eq!(search.saved(), 10);
/// # Ok::<(), sweet_async_api::guard::BudgetError>(())
/// ```
#[derive(Clone)]
pub struct RetryBudget {
    shared: Arc<Shared>,
}

struct Shared {
    name: Cow<'static, str>,
    machine: Machine,
    /// How long a period of the floor is; zero if there is none.
    period: Duration,
    /// The latest period in which somebody drew, counted from 1.
    topped: AtomicU64,
}

/// Describes a retry budget.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct RetryBudgetBuilder {
    name: Cow<'static, str>,
    percent: u32,
    most: u32,
    floor: (u32, Duration),
}

/// Why a retry budget cannot be built as described.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum BudgetError {
    /// Nothing can be saved up: no retry would ever be let through.
    NothingSaved,
    /// A share of more than ten retries for each call.
    ShareTooLarge,
    /// A floor above the most that is saved up.
    FloorAboveMost,
    /// A floor in each period of no length.
    ZeroPeriod,
}

/// The retry budget is used up: what failed was not tried again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct BudgetSpent {
    /// How many more calls earn one retry, if nobody else draws it; `None` if calls earn nothing.
    pub calls: Option<u32>,
}

impl RetryBudget {
    /// Describes a budget. If nothing else is said: 20 percent, at most 100 saved up, and 10 in each second whatever
    /// happens.
    pub const fn builder() -> RetryBudgetBuilder {
        RetryBudgetBuilder {
            name: Cow::Borrowed(""),
            percent: 20,
            most: 100,
            floor: (10, Duration::from_secs(1)),
        }
    }

    /// The name given to the builder; empty if none was.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// How many retries are saved up. Out of date when it is read, if tasks are running.
    #[must_use]
    pub fn saved(&self) -> u32 {
        self.shared.machine.saved()
    }

    #[inline]
    pub(crate) fn deposit(&self) {
        self.shared.machine.deposit();
    }

    /// Whether a retry is there, also one that the floor gives.
    pub(super) fn has_one(&self, now: Moment) -> bool {
        self.top_up(now);
        self.saved() > 0
    }

    pub(crate) fn withdraw(&self, now: Moment) -> Result<(), BudgetSpent> {
        self.top_up(now);
        self.shared
            .machine
            .try_withdraw()
            .map_err(|overdrawn| BudgetSpent {
                calls: overdrawn.calls,
            })
    }

    /// Sees to the floor, once in each period in which somebody draws.
    fn top_up(&self, now: Moment) {
        let Some(number) = u128::from(now.as_nanos()).checked_div(self.shared.period.as_nanos()) else {
            return;
        };
        // As many periods as there are nanoseconds are more than the clock tells.
        let number = u64::try_from(number).unwrap_or(u64::MAX).saturating_add(1);
        // ORDERING: Relaxed. One word, of which one exchange tells who is the first in a period: not two who draw in the
        // same one, and none who is late. It publishes nothing, and what the budget holds is its own word's business.
        let before = self.shared.topped.fetch_max(number, Ordering::Relaxed);
        // The floor is there to begin with.
        if before < number && before != UNSEEN {
            self.shared.machine.top_up();
        }
    }
}

/// Nobody has drawn yet.
const UNSEEN: u64 = 0;

impl RetryBudgetBuilder {
    /// Names the budget, for people.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// How many retries and hedges a hundred calls earn, at most 1,000.
    pub const fn percent(mut self, percent: u32) -> Self {
        self.percent = percent;
        self
    }

    /// How many are saved up at most.
    pub const fn most(mut self, retries: u32) -> Self {
        self.most = retries;
        self
    }

    /// How many are there to begin with and in each `period` after that, also when there are too few calls to earn them;
    /// what was not used is not added up. A floor of 0 is none.
    pub const fn floor(mut self, retries: u32, period: Duration) -> Self {
        self.floor = (retries, period);
        self
    }

    /// Makes the budget.
    ///
    /// # Errors
    /// [`BudgetError`] when the settings cannot be followed.
    pub fn build(self) -> Result<RetryBudget, BudgetError> {
        let (floor, period) = self.floor;
        if self.most == 0 || (self.percent == 0 && floor == 0) {
            return Err(BudgetError::NothingSaved);
        }
        if self.percent > 1_000 {
            return Err(BudgetError::ShareTooLarge);
        }
        if floor > self.most {
            return Err(BudgetError::FloorAboveMost);
        }
        if floor > 0 && period.is_zero() {
            return Err(BudgetError::ZeroPeriod);
        }
        Ok(RetryBudget {
            shared: Arc::new(Shared {
                name: self.name,
                machine: Machine::new(self.percent * 10, self.most).with_floor(floor),
                period: if floor > 0 { period } else { Duration::ZERO },
                topped: AtomicU64::new(UNSEEN),
            }),
        })
    }
}

impl fmt::Debug for RetryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryBudget")
            .field("name", &self.name())
            .field("saved", &self.saved())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for BudgetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NothingSaved => {
                "a budget of nothing lets no retry through; give it a share or a floor, and room for one"
            }
            Self::ShareTooLarge => "a call earns at most ten retries; lower the percentage",
            Self::FloorAboveMost => {
                "a floor above the most that is saved up is never reached; raise the one or lower the other"
            }
            Self::ZeroPeriod => "a floor in each period needs a period; say how long it is",
        })
    }
}

impl Error for BudgetError {}

impl fmt::Display for BudgetSpent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.calls {
            Some(calls) => write!(f, "the retry budget is used up; {calls} more calls earn a retry"),
            None => f.write_str("the retry budget is used up until its floor comes back"),
        }
    }
}

impl Error for BudgetSpent {}

#[cfg(test)]
mod tests;
