//! When a slow attempt gets a second one beside it.

use alloc::sync::Arc;
use core::error::Error;
use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;

use sweet_async_core::stats::Histogram;

/// Starts another try of an attempt that takes longer than most, and takes whichever is done first.
///
/// A handle: clones speak of the same measurement. The delay is a stated one, or a percentile of how long first tries take:
/// that of the last full batch of samples, and a stated one until there is a batch. A first try that loses to its hedge
/// counts with the time that it had run by then, so that what is cut off does not make the percentile sink.
///
/// Each further try is asked of the same guards as an attempt, without waiting for any, and drawn from the same
/// [`RetryBudget`](super::RetryBudget) as retries. None is started once the task was told to stop or a try has failed,
/// or where the attempt would have no time left. Whoever loses is dropped before the result is there, and its guards are
/// told that it was cancelled.
///
/// # Examples
/// ```
/// use sweet_async_api::guard::Hedge;
/// use sweet_async_api::units::DurationUnits;
///
/// // One more try when the first takes longer than 95 of 100 do; after 200 ms until that is known.
/// let hedge = Hedge::at_percentile(95, 200.millis()).samples(100).build()?;
/// assert_eq!(hedge.delay(), 200.millis());
/// # Ok::<(), sweet_async_api::guard::HedgeError>(())
/// ```
#[derive(Clone)]
pub struct Hedge {
    shared: Arc<Shared>,
}

struct Shared {
    /// The stated delay.
    after: Duration,
    percentile: Option<u32>,
    samples: u32,
    most: u32,
    /// In microseconds.
    took: Histogram,
    seen: AtomicU32,
    /// The percentile of the last full batch, in microseconds; 0 until there is one.
    measured: AtomicU32,
}

/// Describes a hedge.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct HedgeBuilder {
    after: Duration,
    percentile: Option<u32>,
    samples: u32,
    most: u32,
}

/// Why a hedge cannot be built as described.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum HedgeError {
    /// No delay: each call would be made twice at once.
    ZeroDelay,
    /// A percentile that is none, from 1 to 99.
    Percentile,
    /// A batch of no samples.
    NoSamples,
    /// No further try, or more than [`Hedge::MOST`].
    Tries,
}

impl Hedge {
    /// The most further tries of one attempt.
    pub const MOST: u32 = 8;

    /// Describes a hedge that starts `delay` after the first try, and again as long after that.
    pub const fn after(delay: Duration) -> HedgeBuilder {
        HedgeBuilder {
            after: delay,
            percentile: None,
            samples: 100,
            most: 1,
        }
    }

    /// Describes a hedge that starts when the first try takes longer than `percentile` of 100 do, and `until_measured`
    /// after it as long as that is not known. The measured delay is too long by an eighth at most.
    pub const fn at_percentile(percentile: u32, until_measured: Duration) -> HedgeBuilder {
        HedgeBuilder {
            percentile: Some(percentile),
            ..Self::after(until_measured)
        }
    }

    /// After how long a further try starts now.
    #[must_use]
    pub fn delay(&self) -> Duration {
        // Relaxed: a number that stands alone.
        match self.shared.measured.load(Ordering::Relaxed) {
            0 => self.shared.after,
            micros => Duration::from_micros(u64::from(micros)),
        }
    }

    pub(super) fn most(&self) -> u32 {
        self.shared.most
    }

    /// A first try took so long, or at least so long.
    pub(super) fn record(&self, took: Duration) {
        let Some(percentile) = self.shared.percentile else {
            return;
        };
        self.shared
            .took
            .record(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
        // Relaxed: whoever counts a batch full takes what is there.
        let seen = self.shared.seen.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        if seen.is_multiple_of(self.shared.samples)
            && let Some(bucket) = self.shared.took.take().quantile(percentile * 10_000)
        {
            self.shared.measured.store(bucket.high.max(1), Ordering::Relaxed);
        }
    }
}

impl HedgeBuilder {
    /// How many first tries a batch has; 100 if not said.
    pub const fn samples(mut self, samples: u32) -> Self {
        self.samples = samples;
        self
    }

    /// How many further tries an attempt may have, at most [`Hedge::MOST`]; 1 if not said.
    pub const fn at_most(mut self, tries: u32) -> Self {
        self.most = tries;
        self
    }

    /// Makes the hedge.
    ///
    /// # Errors
    /// [`HedgeError`] when the settings cannot be followed.
    pub fn build(self) -> Result<Hedge, HedgeError> {
        if self.after.is_zero() {
            return Err(HedgeError::ZeroDelay);
        }
        if self
            .percentile
            .is_some_and(|percentile| !(1..=99).contains(&percentile))
        {
            return Err(HedgeError::Percentile);
        }
        if self.samples == 0 {
            return Err(HedgeError::NoSamples);
        }
        if !(1..=Hedge::MOST).contains(&self.most) {
            return Err(HedgeError::Tries);
        }
        Ok(Hedge {
            shared: Arc::new(Shared {
                after: self.after,
                percentile: self.percentile,
                samples: self.samples,
                most: self.most,
                took: Histogram::new(),
                seen: AtomicU32::new(0),
                measured: AtomicU32::new(0),
            }),
        })
    }
}

impl fmt::Debug for Hedge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hedge")
            .field("delay", &self.delay())
            .field("percentile", &self.shared.percentile)
            .field("at_most", &self.shared.most)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for HedgeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ZeroDelay => "a hedge without a delay doubles every call; say when it starts",
            Self::Percentile => "a percentile is from 1 to 99",
            Self::NoSamples => "a percentile of no samples is none; say how many a batch has",
            Self::Tries => "an attempt has from 1 to 8 further tries",
        })
    }
}

impl Error for HedgeError {}
