//! When failed work is tried again.

use alloc::sync::Arc;
use core::time::Duration;

pub use sweet_async_core::backoff::Jitter;
use sweet_async_core::backoff::{Backoff, Stop};

use super::error::{Cause, CircuitOpen, Invalid, Limit, NoRetry, TimedOut};
use crate::guard::RateLimited;

/// How often, after how long, and how long at most failed work is tried again.
///
/// Delays are counted in milliseconds, rounded up. A wait never outlasts the task's deadline: if it would, the task ends
/// with the failure at hand. What is tried again: an error that the classifier does not refuse, an attempt that took
/// too long, and an attempt that a guard refused, once the guard says it is worth it, or, where it cannot say, after the
/// delay that is due. A panic is not. [`TaskError::no_retry`](super::TaskError::no_retry) says why it was not tried again.
///
/// # Examples
/// ```
/// use sweet_async_api::task::{Jitter, Retry};
/// use sweet_async_api::units::DurationUnits;
///
/// let retry = Retry::exponential(100.millis())
///     .max_delay(5.seconds())
///     .attempts(4)
///     .jitter(Jitter::Full)
///     .attempt_timeout(2.seconds());
/// # let _ = retry;
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Retry {
    backoff: Backoff,
    attempts: u32,
    total: Option<Duration>,
    attempt_timeout: Option<Duration>,
}

/// What to do about an error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// Try again after the delay that is due.
    Retry,
    /// Try again after this long, as the other side asked.
    RetryAfter(Duration),
    /// Do not try again: it would fail again.
    GiveUp,
}

impl Verdict {
    fn stricter(self, other: Self) -> Self {
        match (self, other) {
            (Self::GiveUp, _) | (_, Self::GiveUp) => Self::GiveUp,
            (Self::RetryAfter(one), Self::RetryAfter(other)) => Self::RetryAfter(one.max(other)),
            (Self::RetryAfter(wait), Self::Retry) | (Self::Retry, Self::RetryAfter(wait)) => {
                Self::RetryAfter(wait)
            }
            (Self::Retry, Self::Retry) => Self::Retry,
        }
    }
}

/// Decides by the error whether to try again: any `Fn(&E) -> Verdict`.
pub trait Classify<E> {
    /// What to do about `error`.
    fn classify(&self, error: &E) -> Verdict;
}

/// Tries again whatever the error was.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Always;

impl<E> Classify<E> for Always {
    fn classify(&self, _: &E) -> Verdict {
        Verdict::Retry
    }
}

impl<E, C: Classify<E>> Classify<E> for Arc<C> {
    fn classify(&self, error: &E) -> Verdict {
        (**self).classify(error)
    }
}

impl<E, F: Fn(&E) -> Verdict> Classify<E> for F {
    fn classify(&self, error: &E) -> Verdict {
        self(error)
    }
}

impl Retry {
    /// How many attempts are made if nobody says: 3, the first one included.
    pub const ATTEMPTS: u32 = 3;

    /// Tries again at once.
    #[must_use]
    pub const fn immediate() -> Self {
        Self::by(Backoff::immediate())
    }

    /// Waits the same `delay` each time.
    #[must_use]
    pub fn fixed(delay: Duration) -> Self {
        Self::by(Backoff::fixed(millis(delay)))
    }

    /// Waits `step`, then twice `step`, then three times.
    #[must_use]
    pub fn linear(step: Duration) -> Self {
        Self::by(Backoff::linear(millis(step)))
    }

    /// Waits `first`, and twice as long each time after that.
    #[must_use]
    pub fn exponential(first: Duration) -> Self {
        Self::by(Backoff::exponential(millis(first)))
    }

    /// Waits a random time between `base` and three times the previous delay.
    #[must_use]
    pub fn decorrelated(base: Duration) -> Self {
        Self::by(Backoff::decorrelated(millis(base)))
    }

    /// Never waits longer than `longest` between two attempts.
    #[must_use]
    pub fn max_delay(mut self, longest: Duration) -> Self {
        self.backoff = self.backoff.cap(millis(longest));
        self
    }

    /// Makes at most this many attempts, the first one included.
    #[must_use]
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self.backoff = self.backoff.attempts(attempts);
        self
    }

    /// Spreads the delays by chance.
    #[must_use]
    pub const fn jitter(mut self, jitter: Jitter) -> Self {
        self.backoff = self.backoff.jitter(jitter);
        self
    }

    /// Begins no attempt this long or longer after the first one began.
    #[must_use]
    pub fn total(mut self, total: Duration) -> Self {
        self.backoff = self.backoff.total(millis(total));
        self.total = Some(total);
        self
    }

    /// Gives up an attempt that takes longer than this; it counts as failed.
    #[must_use]
    pub const fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = Some(timeout);
        self
    }

    const fn by(backoff: Backoff) -> Self {
        Self {
            backoff: backoff.attempts(Self::ATTEMPTS),
            attempts: Self::ATTEMPTS,
            total: None,
            attempt_timeout: None,
        }
    }

    /// How many attempts are made at most, the first one included.
    #[must_use]
    pub const fn max_attempts(&self) -> u32 {
        self.attempts
    }

    pub(crate) const fn has_total(&self) -> bool {
        self.total.is_some()
    }

    pub(crate) const fn limit(&self) -> Option<Duration> {
        self.attempt_timeout
    }

    /// Whether the settings make sense, also together with the task's timeout.
    pub(crate) fn check(&self, timeout: Option<Duration>) -> Result<(), Invalid> {
        if self.attempts == 0 {
            return Err(Invalid::ZeroAttempts);
        }
        match (self.attempt_timeout, timeout) {
            (Some(Duration::ZERO), _) => Err(Invalid::ZeroAttemptTimeout),
            (Some(attempt), Some(all)) if attempt >= all => Err(Invalid::AttemptTimeoutTooLong),
            _ => Ok(()),
        }
    }

    /// What to do after an attempt.
    pub(crate) fn next<E>(
        &self,
        classify: &impl Classify<E>,
        cause: &Cause<E>,
        made: Made,
        random: impl FnOnce() -> u32,
    ) -> Again {
        let verdict = Self::judge(classify, cause);
        Again {
            overloaded: matches!((cause, verdict), (Cause::Failed(_), Verdict::RetryAfter(_))),
            delay: self.delay(verdict, made, random).map_err(Some),
        }
    }

    fn judge<E>(classify: &impl Classify<E>, cause: &Cause<E>) -> Verdict {
        match cause {
            Cause::Failed(error) => classify.classify(error),
            // The strictest of them.
            Cause::HedgesFailed(all) => all
                .iter()
                .map(|cause| Self::judge(classify, cause))
                .reduce(Verdict::stricter)
                .unwrap_or(Verdict::GiveUp),
            Cause::TimedOut(TimedOut {
                limit: Limit::Attempt,
                ..
            })
            | Cause::LimitReached(_) => Verdict::Retry,
            Cause::CircuitOpen(CircuitOpen { retry_in: Some(wait) })
            | Cause::RateLimited(RateLimited { retry_in: wait }) => Verdict::RetryAfter(*wait),
            _ => Verdict::GiveUp,
        }
    }

    fn delay(&self, verdict: Verdict, made: Made, random: impl FnOnce() -> u32) -> Result<Duration, NoRetry> {
        if verdict == Verdict::GiveUp {
            return Err(NoRetry::Permanent);
        }
        let due = self
            .backoff
            .next(made.attempts, millis(made.previous), millis(made.spent), random());
        let due = due.map_err(|stop| match stop {
            Stop::OutOfTime { .. } => NoRetry::TotalTime,
            _ => NoRetry::Attempts,
        })?;
        match verdict {
            Verdict::RetryAfter(wait) => {
                let in_time = self
                    .total
                    .is_none_or(|total| made.spent.saturating_add(wait) < total);
                in_time.then_some(wait).ok_or(NoRetry::TotalTime)
            }
            _ => Ok(Duration::from_millis(u64::from(due))),
        }
    }
}

/// What was done so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Made {
    /// How many attempts were made.
    pub(crate) attempts: u32,
    /// The last delay.
    pub(crate) previous: Duration,
    /// The time since the first attempt began.
    pub(crate) spent: Duration,
}

/// What to do after an attempt that failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Again {
    /// After how long to try again, or why not; there is nothing to say of work that is begun once.
    pub(crate) delay: Result<Duration, Option<NoRetry>>,
    /// The other side said that it has too much to do.
    pub(crate) overloaded: bool,
}

impl Again {
    /// Of work that is begun once.
    pub(crate) const NEVER: Self = Self {
        delay: Err(None),
        overloaded: false,
    };
}

/// Whole milliseconds, rounded up; saturates at 49 days.
fn millis(duration: Duration) -> u32 {
    let whole = duration.as_nanos().div_ceil(1_000_000);
    u32::try_from(whole).unwrap_or(u32::MAX)
}
