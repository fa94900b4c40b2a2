//! When a breaker opens, for how long, and how it finds out that it may close.

use core::error::Error;
use core::fmt;

use crate::Tick;

use super::gate::Word;
use super::outcome::Counts;

/// Settings as they are put together, not checked yet.
///
/// # Examples
/// ```
/// use sweet_async_core::breaker::{Rules, Settings, SettingsError};
///
/// const SETTINGS: Settings = match Rules::new().failures(3).open_for(5_000).probes(2).check() {
///     Ok(settings) => settings,
///     Err(_) => panic!("the settings contradict each other"),
/// };
/// assert_eq!(Rules::new().probes(0).check(), Err(SettingsError::Probes));
/// # let _ = SETTINGS;
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "rules do nothing until they are checked"]
pub struct Rules {
    failures: u16,
    failure_percent: u8,
    slow_percent: u8,
    minimum: u16,
    calls: u16,
    bucket: u32,
    open: u32,
    growth: u8,
    longest: u32,
    probes: u8,
    lease: u32,
}

/// Checked settings, for any number of breakers; a constant in a firmware.
///
/// They come in with each operation, so a breaker spends no memory on them and takes new ones at once, without losing
/// what it knows. While callers bring different settings, each decision follows those of its caller.
///
/// # Examples
/// ```
/// use sweet_async_core::Tick;
/// use sweet_async_core::breaker::{CircuitBreaker, Consecutive, Outcome, Recorded, Rules};
///
/// let breaker = CircuitBreaker::new(Consecutive::new());
/// let patient = Rules::new().failures(10).check()?;
/// let _ = breaker.try_enter(&patient, Tick::new(0))?.record(Outcome::Failed, Tick::new(0));
///
/// // Changed while it runs: the failure of before counts.
/// let strict = patient.rules().failures(2).check()?;
/// let recorded = breaker.try_enter(&strict, Tick::new(1))?.record(Outcome::Failed, Tick::new(1));
/// assert!(matches!(recorded, Recorded::Opened { .. }));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Settings {
    rules: Rules,
    /// Ticks of one quantum of the lease, as a power of two.
    lease_shift: u8,
    /// Quanta after which the lease is over whenever in its quantum it began.
    lease_quanta: u8,
}

/// Why settings were refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SettingsError {
    /// No failures, or a rate outside 1 to 100.
    Threshold,
    /// A window without calls, or fewer calls in it than have to be in it before it is judged.
    Window,
    /// A bucket that is no power of two from [`Rules::MIN_BUCKET`] to [`Rules::MAX_TICKS`].
    Bucket,
    /// An open time of zero, above [`Rules::MAX_TICKS`] or above the longest, or a growth other than 1, 2, 4 or 8.
    OpenTime,
    /// No probe, or more than [`Rules::MAX_PROBES`].
    Probes,
    /// A lease of zero or above [`Rules::MAX_TICKS`].
    Lease,
}

impl Rules {
    /// The most probes that a half-open breaker lets through.
    pub const MAX_PROBES: u8 = 7;
    /// The longest open time, lease and bucket: 4.6 hours in milliseconds.
    pub const MAX_TICKS: u32 = 1 << 24;
    /// The shortest bucket of a window over time.
    pub const MIN_BUCKET: u32 = 1 << 5;

    /// Opens after 5 consecutive failures or at half of at least 10 calls in the last 64, for 30,000 ticks; one probe with a
    /// lease of as long.
    pub const fn new() -> Self {
        Self {
            failures: 5,
            failure_percent: 50,
            slow_percent: 0,
            minimum: 10,
            calls: 64,
            bucket: 1 << 10,
            open: 30_000,
            growth: 0,
            longest: 30_000,
            probes: 1,
            lease: 30_000,
        }
    }

    /// How many failures in a row open the breaker, with [`Consecutive`](super::Consecutive).
    pub const fn failures(mut self, failures: u16) -> Self {
        self.failures = failures;
        self
    }

    /// At which share of failed calls the breaker opens, in percent, with the other windows.
    pub const fn failure_rate(mut self, percent: u8) -> Self {
        self.failure_percent = percent;
        self
    }

    /// At which share of slow calls the breaker opens, in percent; a slow probe then counts as failed. Without it no
    /// call is too slow.
    pub const fn slow_rate(mut self, percent: u8) -> Self {
        // Zero stands for "not set", so a zero that is set must not look like it.
        self.slow_percent = if percent == 0 { u8::MAX } else { percent };
        self
    }

    /// How many calls have to be in the window before its rates are judged.
    pub const fn minimum_calls(mut self, minimum: u16) -> Self {
        self.minimum = minimum;
        self
    }

    /// How many calls [`LastCalls`](super::LastCalls) looks back; at most its capacity takes effect.
    pub const fn last_calls(mut self, calls: u16) -> Self {
        self.calls = calls;
        self
    }

    /// How long one bucket of [`LastTime`](super::LastTime) lasts, in ticks, a power of two.
    pub const fn bucket(mut self, ticks: u32) -> Self {
        self.bucket = ticks;
        self
    }

    /// How long the breaker stays open, in ticks, always the same.
    pub const fn open_for(mut self, ticks: u32) -> Self {
        self.open = ticks;
        self.growth = 0;
        self.longest = ticks;
        self
    }

    /// How long the breaker stays open at first, and by which factor (1, 2, 4 or 8) longer after each failed probe, up
    /// to `longest`. The time stops growing after seven probes in a row that failed. Closing starts over.
    pub const fn open_for_growing(mut self, first: u32, factor: u8, longest: u32) -> Self {
        self.open = first;
        self.growth = match factor {
            1 => 0,
            2 => 1,
            4 => 2,
            8 => 3,
            _ => u8::MAX,
        };
        self.longest = longest;
        self
    }

    /// How many probes have to go well before the breaker closes; no more are in flight at a time.
    pub const fn probes(mut self, probes: u8) -> Self {
        self.probes = probes;
        self
    }

    /// How long a probe may take, in ticks, before its place is given to another and its result is ignored.
    ///
    /// When all places are taken, they are given back together, when the lease of the probe that was admitted last is
    /// over; at most a quarter of the lease later.
    pub const fn lease(mut self, ticks: u32) -> Self {
        self.lease = ticks;
        self
    }

    /// Checks that the rules can be followed.
    pub const fn check(self) -> Result<Settings, SettingsError> {
        if self.failures == 0 || self.failure_percent == 0 || self.failure_percent > 100 || {
            self.slow_percent > 100
        } {
            return Err(SettingsError::Threshold);
        }
        if self.calls == 0 || self.minimum > self.calls {
            return Err(SettingsError::Window);
        }
        if !self.bucket.is_power_of_two() || self.bucket < Self::MIN_BUCKET || self.bucket > Self::MAX_TICKS {
            return Err(SettingsError::Bucket);
        }
        if self.open == 0 || self.open > self.longest || self.longest > Self::MAX_TICKS || self.growth > 3 {
            return Err(SettingsError::OpenTime);
        }
        if self.probes == 0 || self.probes > Self::MAX_PROBES {
            return Err(SettingsError::Probes);
        }
        if self.lease == 0 || self.lease > Self::MAX_TICKS {
            return Err(SettingsError::Lease);
        }
        let shift = (u32::BITS - self.lease.leading_zeros()).saturating_sub(4);
        // A quantum of one tick is exact; a longer one may have been almost over when the lease began.
        let quanta = self.lease.div_ceil(1 << shift) + if shift > 0 { 1 } else { 0 };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the shift is below 32, the quanta at most 17"
        )]
        let (lease_shift, lease_quanta) = (shift as u8, quanta as u8);
        Ok(Settings {
            rules: self,
            lease_shift,
            lease_quanta,
        })
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::new()
    }
}

impl Settings {
    /// The rules that were checked, to derive others from.
    pub const fn rules(&self) -> Rules {
        self.rules
    }

    pub(super) const fn failures(&self) -> u32 {
        self.rules.failures as u32
    }

    pub(super) const fn probes(&self) -> u32 {
        self.rules.probes as u32
    }

    pub(super) const fn last_calls(&self) -> u32 {
        self.rules.calls as u32
    }

    pub(super) const fn bucket_shift(&self) -> u32 {
        self.rules.bucket.trailing_zeros()
    }

    pub(super) const fn judges_slow(&self) -> bool {
        self.rules.slow_percent != 0
    }

    /// The open time after `streak` failed probes in a row.
    pub(super) const fn open_ticks(&self, streak: u32) -> u32 {
        let grown = (self.rules.open as u64) << (streak * self.rules.growth as u32);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it is the smaller one, and the other fits"
        )]
        if grown < self.rules.longest as u64 {
            grown as u32
        } else {
            self.rules.longest
        }
    }

    /// How far before its end an open time is recognised: its length, and as much for callers whose tick lags.
    #[inline]
    pub(super) const fn horizon(&self) -> u32 {
        self.rules.longest * 2
    }

    /// The quantum of the lease that `now` lies in.
    pub(super) const fn quantum(&self, now: Tick) -> u32 {
        (now.count() >> self.lease_shift) & Word::LEASE
    }

    /// The first tick of the quantum that is `ahead` quanta ahead of that of `now`.
    pub(super) const fn quantum_start(&self, now: Tick, ahead: u32) -> Tick {
        let start = now.count() >> self.lease_shift << self.lease_shift;
        Tick::new(start).after(ahead << self.lease_shift)
    }

    pub(super) const fn lease_quanta(&self) -> u32 {
        self.lease_quanta as u32
    }

    /// Whether a window of `capacity` calls with these counts is reason to open.
    pub(super) const fn is_over(&self, counts: Counts, capacity: u32) -> bool {
        let minimum = self.rules.minimum as u32;
        let minimum = if minimum < capacity { minimum } else { capacity };
        counts.calls >= minimum
            && (reaches(counts.failed, self.rules.failure_percent, counts.calls)
                || self.judges_slow() && reaches(counts.slow, self.rules.slow_percent, counts.calls))
    }
}

/// Whether `part` of `whole` is at least `percent` of it; nothing never is.
const fn reaches(part: u32, percent: u8, whole: u32) -> bool {
    part > 0 && part as u64 * 100 >= whole as u64 * percent as u64
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Threshold => {
                f.write_str("a threshold is out of range; take 1 failure or more, 1 to 100 percent")
            }
            Self::Window => {
                f.write_str("the window has fewer calls than the minimum; take at least 1 and the minimum")
            }
            Self::Bucket => write!(
                f,
                "the bucket is no power of two from {} to {} ticks; take the next one",
                Rules::MIN_BUCKET,
                Rules::MAX_TICKS
            ),
            Self::OpenTime => write!(
                f,
                "the open time is out of range; take 1 to {} ticks, no more than the longest, growing by 1, 2, 4 or 8",
                Rules::MAX_TICKS
            ),
            Self::Probes => write!(
                f,
                "the number of probes is out of range; take 1 to {}",
                Rules::MAX_PROBES
            ),
            Self::Lease => write!(
                f,
                "the lease is out of range; take 1 to {} ticks",
                Rules::MAX_TICKS
            ),
        }
    }
}

impl Error for SettingsError {}
