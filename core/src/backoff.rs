//! How long to wait before the next attempt, and when to stop trying.
//!
//! ```text
//!                        made < attempts                     elapsed + delay < total
//!   [ attempt failed ] ------------------> shape, cap, jitter ----------------------> wait, try again
//!            |                                     |
//!            | made >= attempts                    | elapsed + delay >= total
//!            v                                     v
//!     Stop::Exhausted                       Stop::OutOfTime
//! ```
//!
//! | shape         | before the cap, after attempt `n` = 1, 2, 3 .. | 100 units, factor 2        |
//! |---------------|-------------------------------------------------|----------------------------|
//! | immediate     | 0                                               | 0, 0, 0, 0                 |
//! | fixed         | `delay`                                         | 100, 100, 100, 100         |
//! | linear        | `step` × n                                      | 100, 200, 300, 400         |
//! | exponential   | `first` × `factor`^(n - 1)                      | 100, 200, 400, 800         |
//! | decorrelated  | between `base` and 3 × the previous delay       | at random, from 100 to 300 |
//!
//! - **B1** A delay is what the table says, exactly, where a `u32` holds it, and `u32::MAX` where it does not: nothing
//!   overflows or wraps.
//! - **B2** No delay is above the cap. Full jitter draws from 0 to the capped delay, equal jitter from half of it,
//!   rounded down, to all of it; both ends can be drawn.
//! - **B3** After `attempts` attempts there is no further delay.
//! - **B4** No delay ends at or after the total time: nobody sleeps past the end, or up to it, for an attempt that
//!   would have no time left.
//! - **B5** The same arguments give the same delay.
//!
//! The exponential shape, full and equal jitter and the decorrelated shape are those of Marc Brooker, "Exponential
//! Backoff And Jitter", AWS Architecture Blog, 2015.
//!
//! # Units
//! The unit of time is the caller's: the cap, the total time, the delays and the elapsed time are counts of the same
//! one. A `u32` holds 49 days of milliseconds or 71 minutes of microseconds.
//!
//! # Randomness
//! It comes in as an argument, 32 evenly distributed bits for each delay. A draw scales them by a multiplication and
//! keeps the high half: there is no division, and of two outcomes none is likelier by more than one part in
//! 2^32 / (width of the range).

use core::error::Error;
use core::fmt;
use core::num::NonZeroU32;

/// A policy of delays: a plain value, `const` to build, that every thread may read.
///
/// # Examples
/// ```
/// use sweet_async_core::backoff::{Backoff, Jitter, Stop};
///
/// static POLICY: Backoff = Backoff::exponential(100).cap(250).attempts(4);
///
/// assert_eq!(POLICY.next(1, 0, 0, 0), Ok(100));
/// assert_eq!(POLICY.next(2, 100, 100, 0), Ok(200));
/// assert_eq!(POLICY.next(3, 200, 300, 0), Ok(250));
/// assert_eq!(POLICY.next(4, 250, 550, 0), Err(Stop::Exhausted { attempts: 4 }));
///
/// let jittered = POLICY.jitter(Jitter::Full);
/// assert_eq!(jittered.next(2, 0, 0, u32::MAX / 2), Ok(100));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Backoff {
    shape: Shape,
    cap: u32,
    jitter: Jitter,
    attempts: Option<u32>,
    total: Option<u32>,
}

/// How chance spreads the delays of callers that failed together.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Jitter {
    /// The delay as it is.
    #[default]
    None,
    /// Anything from nothing to the whole delay: spreads most, may retry at once.
    Full,
    /// Anything from half the delay to the whole: keeps a pause in any case.
    Equal,
}

/// Why there is no further attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Stop {
    /// As many attempts were made as the policy allows.
    Exhausted {
        /// How many the policy allows.
        attempts: u32,
    },
    /// The next attempt would not begin before the total time is over.
    OutOfTime {
        /// The delay that was due.
        delay: u32,
        /// What was left of the total time.
        left: u32,
    },
}

/// One sequence of attempts under a policy: counts them and remembers the last delay.
///
/// # Examples
/// ```
/// use sweet_async_core::backoff::{Backoff, Retries};
///
/// let mut retries = Retries::under(Backoff::linear(10).attempts(3));
/// assert_eq!(retries.after_failure(0, 0), Ok(10));
/// assert_eq!(retries.after_failure(10, 0), Ok(20));
/// assert!(retries.after_failure(30, 0).is_err());
/// assert_eq!(retries.failed(), 3);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Retries {
    policy: Backoff,
    failed: u32,
    previous: u32,
}

impl Backoff {
    /// Tries again at once.
    #[must_use]
    pub const fn immediate() -> Self {
        Self::fixed(0)
    }

    /// Waits the same `delay` each time.
    #[must_use]
    pub const fn fixed(delay: u32) -> Self {
        Self::of(Shape::Fixed(delay))
    }

    /// Waits `step`, then twice `step`, then three times.
    #[must_use]
    pub const fn linear(step: u32) -> Self {
        Self::of(Shape::Linear(step))
    }

    /// Waits `first`, and twice as long each time after that.
    #[must_use]
    pub const fn exponential(first: u32) -> Self {
        Self::exponential_by(first, DOUBLE)
    }

    /// Waits `first`, and `factor` times as long each time after that; a factor of 1 stays at `first`.
    #[must_use]
    pub const fn exponential_by(first: u32, factor: NonZeroU32) -> Self {
        Self::of(Shape::Exponential { first, factor })
    }

    /// Waits a random time between `base` and three times the previous delay, which counts as `base` at the beginning
    /// and whenever it was shorter.
    ///
    /// It grows like an exponential backoff of full jitter, but from where chance led before. Jitter that is set
    /// besides is applied to the time drawn, from the part of the random bits that the draw did not use.
    #[must_use]
    pub const fn decorrelated(base: u32) -> Self {
        Self::of(Shape::Decorrelated(base))
    }

    /// Never waits longer than `longest`. Unless set, only the width of the count bounds a delay.
    #[must_use]
    pub const fn cap(mut self, longest: u32) -> Self {
        self.cap = longest;
        self
    }

    /// Spreads the delays by chance. Unless set, [`Jitter::None`].
    #[must_use]
    pub const fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// Makes at most `attempts` attempts, the first one included: 1 means no retry, and so does 0. Unless set, the
    /// number of attempts is not bounded.
    #[must_use]
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// Begins no attempt `total` or more after the beginning of the first one. Unless set, time is not bounded.
    #[must_use]
    pub const fn total(mut self, total: u32) -> Self {
        self.total = Some(total);
        self
    }

    /// The delay before the next attempt.
    ///
    /// - `failed`: how many attempts failed so far, from 1 (0 is answered like 1);
    /// - `previous`: the last delay, 0 if there was none; only the decorrelated shape looks at it;
    /// - `elapsed`: the time since the first attempt began; only a policy with a total time looks at it;
    /// - `random`: 32 random bits; only jitter and the decorrelated shape look at them.
    ///
    /// # Errors
    /// [`Stop::Exhausted`] when all attempts were made (B3), else [`Stop::OutOfTime`] when the delay would end at or
    /// after the total time (B4).
    #[inline]
    pub const fn next(&self, failed: u32, previous: u32, elapsed: u32, random: u32) -> Result<u32, Stop> {
        if let Some(attempts) = self.attempts
            && failed >= attempts
        {
            return Err(Stop::Exhausted { attempts });
        }
        let delay = self.delay(failed, previous, random);
        if let Some(total) = self.total {
            let left = total.saturating_sub(elapsed);
            if delay >= left {
                return Err(Stop::OutOfTime { delay, left });
            }
        }
        Ok(delay)
    }

    const fn of(shape: Shape) -> Self {
        Self {
            shape,
            cap: u32::MAX,
            jitter: Jitter::None,
            attempts: None,
            total: None,
        }
    }

    /// Shape, cap and jitter, without the bounds on attempts and time.
    #[inline]
    const fn delay(&self, failed: u32, previous: u32, random: u32) -> u32 {
        let before = failed.saturating_sub(1);
        let (delay, random) = match self.shape {
            Shape::Fixed(delay) => (delay, random),
            Shape::Linear(step) => (step.saturating_add(step.saturating_mul(before)), random),
            Shape::Exponential { first, factor } => {
                (first.saturating_mul(factor.get().saturating_pow(before)), random)
            }
            Shape::Decorrelated(base) => {
                let previous = if previous < base { base } else { previous };
                draw(base, previous.saturating_mul(3), random)
            }
        };
        let delay = if delay < self.cap { delay } else { self.cap };
        match self.jitter {
            Jitter::None => delay,
            Jitter::Full => draw(0, delay, random).0,
            Jitter::Equal => draw(delay / 2, delay, random).0,
        }
    }
}

impl Retries {
    /// No attempt has failed yet.
    #[must_use]
    pub const fn under(policy: Backoff) -> Self {
        Self {
            policy,
            failed: 0,
            previous: 0,
        }
    }

    /// Takes note that an attempt failed, and answers how long to wait before the next one.
    ///
    /// `elapsed` and `random` are those of [`Backoff::next`]. The number of failures saturates.
    ///
    /// # Errors
    /// Those of [`Backoff::next`]. The failure counts all the same.
    pub const fn after_failure(&mut self, elapsed: u32, random: u32) -> Result<u32, Stop> {
        self.failed = self.failed.saturating_add(1);
        let answer = self.policy.next(self.failed, self.previous, elapsed, random);
        if let Ok(delay) = answer {
            self.previous = delay;
        }
        answer
    }

    /// How many attempts failed so far.
    #[must_use]
    pub const fn failed(&self) -> u32 {
        self.failed
    }

    /// The policy.
    #[must_use]
    pub const fn policy(&self) -> &Backoff {
        &self.policy
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted { attempts } => {
                write!(
                    f,
                    "all {attempts} attempts were made; allow more or handle the last failure"
                )
            }
            Self::OutOfTime { delay, left } => {
                write!(
                    f,
                    "the next attempt is due in {delay}, but only {left} of the total time is left; allow more time \
                     or handle the last failure"
                )
            }
        }
    }
}

impl Error for Stop {}

/// What a delay is before cap and jitter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Shape {
    Fixed(u32),
    Linear(u32),
    Exponential { first: u32, factor: NonZeroU32 },
    Decorrelated(u32),
}

/// A number from `low` to `high`, both included, and the random bits that it left over; `low` if `high` is below it.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the high half is at most the span, the low half is what is left over"
)]
const fn draw(low: u32, high: u32, random: u32) -> (u32, u32) {
    let span = high.saturating_sub(low);
    let product = (span as u64 + 1) * random as u64;
    (low + (product >> 32) as u32, product as u32)
}

/// The factor of an exponential backoff that names none.
const DOUBLE: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);

#[cfg(test)]
mod tests;
