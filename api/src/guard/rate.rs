//! How many attempts in a time.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use core::error::Error;
use core::fmt;
use core::time::Duration;

use sweet_async_core::Tick;
use sweet_async_core::rate::{Quota, QuotaError, RateLimiter as Machine};

use super::Patience;
use super::queue::Queue;
use crate::Moment;

/// Lets so many attempts through in a time, so many of them at once, whoever makes them.
///
/// A handle: clones speak of the same limiter. An attempt that is let through costs one load and one read-modify-write.
/// Time is counted in milliseconds; a restart of the clock is not survived. In any span of `t` at most
/// `burst + rate × t` attempts begin, whatever happens to those who wait.
///
/// # Examples
/// ```
/// use sweet_async_api::guard::{Patience, RateLimiter};
/// use sweet_async_api::units::DurationUnits;
///
/// let mails = RateLimiter::builder().name("mails").rate(100, 1.minutes()).burst(5).build()?;
/// let at_once = mails.with_patience(Patience::Refuse); // the same limiter, for those who cannot wait
/// # let _ = at_once;
/// # Ok::<(), sweet_async_api::guard::RateError>(())
/// ```
///
/// # Fairness
/// Those who wait are let through in the order in which they came; see [the module](super).
#[derive(Clone)]
pub struct RateLimiter {
    shared: Arc<Shared>,
    pub(super) patience: Patience,
}

struct Shared {
    name: Cow<'static, str>,
    machine: Machine,
    queue: Arc<Queue>,
}

/// Describes a rate limiter.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct RateLimiterBuilder {
    name: Cow<'static, str>,
    rate: Option<(u32, Duration)>,
    burst: Option<u32>,
    patience: Patience,
}

/// Why a rate limiter cannot be built as described.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RateError {
    /// No rate was given.
    NoRate,
    /// Fewer at once than pass in a millisecond, which is as exact as time is counted: the rate would not be reached.
    BurstTooSmall {
        /// The smallest burst with which it is.
        least: u32,
    },
    /// Numbers that the machine refuses.
    Quota(QuotaError),
}

/// A rate limiter did not let an attempt through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RateLimited {
    /// After how long there is room for one more. Where others wait, their turn comes before.
    pub retry_in: Duration,
}

impl RateLimiter {
    /// Describes a limiter. [`rate`](RateLimiterBuilder::rate) has to be said.
    pub const fn builder() -> RateLimiterBuilder {
        RateLimiterBuilder {
            name: Cow::Borrowed(""),
            rate: None,
            burst: None,
            patience: Patience::Deadline,
        }
    }

    /// The name given to the builder; empty if none was.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The same limiter, for those who wait otherwise.
    #[must_use]
    pub fn with_patience(&self, patience: Patience) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            patience,
        }
    }

    /// How many attempts it would let through at `now`. Out of date when it is read, if tasks are running.
    #[must_use]
    pub fn available(&self, now: Moment) -> u32 {
        self.shared.machine.available(now.tick())
    }

    /// How many attempts wait for it.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.queue.len()
    }

    pub(super) fn queue(&self) -> &Arc<Queue> {
        &self.shared.queue
    }

    /// Takes room for one attempt, or says when there is.
    pub(super) fn try_take(&self, now: Moment) -> Result<(), Moment> {
        let tick = now.tick();
        self.shared.machine.check(tick).map_err(|refused| {
            // The tick at which there is room begins where a whole millisecond does.
            let millis = now.as_nanos() / NANOS + u64::from(refused.at.since(tick));
            Moment::from_nanos(millis.saturating_mul(NANOS))
        })
    }

    /// When there is room for one more than those in line, if nobody else comes.
    pub(super) fn after_line(&self, now: Moment) -> Moment {
        let quota = self.shared.machine.quota();
        let places = u64::try_from(self.waiting()).unwrap_or(u64::MAX).max(1);
        let wait = places
            .saturating_mul(u64::from(quota.ticks()))
            .div_ceil(u64::from(quota.cells()).max(1));
        now + Duration::from_millis(wait)
    }
}

impl RateLimiterBuilder {
    /// Names the limiter, for people.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Lets `attempts` through in each `time`, in the long run. The time is counted in milliseconds, rounded up.
    pub const fn rate(mut self, attempts: u32, time: Duration) -> Self {
        self.rate = Some((attempts, time));
        self
    }

    /// Lets so many through at once after a quiet time. As few as the rate allows if not said: one, or as many as pass
    /// in a millisecond.
    pub const fn burst(mut self, attempts: u32) -> Self {
        self.burst = Some(attempts);
        self
    }

    /// What attempts do that are not let through at once. They wait for it if not said.
    pub const fn patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// Makes the limiter.
    ///
    /// # Errors
    /// [`RateError`] when the settings cannot be followed.
    pub fn build(self) -> Result<RateLimiter, RateError> {
        let (attempts, time) = self.rate.ok_or(RateError::NoRate)?;
        let ticks = u32::try_from(time.as_nanos().div_ceil(u128::from(NANOS)))
            .map_err(|_| RateError::Quota(QuotaError::TooWide))?;
        let least = attempts
            .checked_div(ticks)
            .map_or(1, |_| attempts.div_ceil(ticks));
        let burst = self.burst.unwrap_or(least);
        // A burst of nothing is the machine's to refuse.
        if (1..least).contains(&burst) {
            return Err(RateError::BurstTooSmall { least });
        }
        let quota = Quota::new(attempts, ticks, burst).map_err(RateError::Quota)?;
        Ok(RateLimiter {
            shared: Arc::new(Shared {
                name: self.name,
                machine: Machine::new(quota, Tick::new(0)),
                queue: Arc::default(),
            }),
            patience: self.patience,
        })
    }
}

/// How many nanoseconds a tick has.
const NANOS: u64 = 1_000_000;

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter")
            .field("name", &self.name())
            .field("quota", self.shared.machine.quota())
            .field("patience", &self.patience)
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for RateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRate => f.write_str("a rate limiter needs a rate; say how many attempts in which time"),
            Self::BurstTooSmall { least } => write!(
                f,
                "with so few at once the rate is not reached; allow a burst of at least {least}"
            ),
            Self::Quota(error) => error.fmt(f),
        }
    }
}

impl Error for RateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Quota(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for RateLimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "was refused by its rate limiter; try again in {:?}",
            self.retry_in
        )
    }
}

impl Error for RateLimited {}
