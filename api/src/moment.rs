//! A point on a runtime's monotonic clock.

use core::fmt;
use core::ops::{Add, Sub};
use core::time::Duration;

use sweet_async_core::Tick;

/// A point on a runtime's monotonic clock: nanoseconds since that clock's own beginning.
///
/// Eight bytes, so that a task can publish its timestamps through one atomic store each. Moments of different runtimes
/// do not compare meaningfully. Arithmetic saturates: at the far end lies a moment 584 years away, which stands for
/// "never".
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Moment(u64);

impl Moment {
    /// The beginning of the clock.
    pub const START: Self = Self(0);
    /// The end of the clock, which no deadline reaches.
    pub const NEVER: Self = Self(u64::MAX);

    /// The moment `nanos` nanoseconds after the beginning of the clock.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the beginning of the clock.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The same moment as a millisecond tick, for the machines of the core.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "a tick wraps by design")]
    pub const fn tick(self) -> Tick {
        Tick::new((self.0 / 1_000_000) as u32)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl Sub for Moment {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", Duration::from_nanos(self.0))
    }
}
