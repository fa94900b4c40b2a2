//! Quantities written the way they are said: `30.seconds()`, `100.millis()`, `1_000.rows()`, `64.kib()`.

use core::time::Duration;

pub use crate::emit::CountUnits;

/// Turns a whole number into a [`Duration`].
///
/// Saturates at [`Duration::MAX`], far beyond any clock. For `u32` alone, so that a literal needs no suffix; for a `u64`
/// there is [`Duration::from_millis`].
///
/// # Examples
/// ```
/// use core::time::Duration;
/// use sweet_async_api::units::DurationUnits;
/// assert_eq!(30.seconds(), Duration::from_secs(30));
/// assert_eq!(2.minutes(), 120.seconds());
/// ```
pub trait DurationUnits {
    /// This many hours.
    fn hours(self) -> Duration;
    /// This many minutes.
    fn minutes(self) -> Duration;
    /// This many seconds.
    fn seconds(self) -> Duration;
    /// This many milliseconds.
    fn millis(self) -> Duration;
    /// This many microseconds.
    fn micros(self) -> Duration;
}

impl DurationUnits for u32 {
    fn hours(self) -> Duration {
        Duration::from_secs(u64::from(self) * 3_600)
    }

    fn minutes(self) -> Duration {
        Duration::from_secs(u64::from(self) * 60)
    }

    fn seconds(self) -> Duration {
        Duration::from_secs(u64::from(self))
    }

    fn millis(self) -> Duration {
        Duration::from_millis(u64::from(self))
    }

    fn micros(self) -> Duration {
        Duration::from_micros(u64::from(self))
    }
}
