//! The adapter's monotonic clock.

use core::time::Duration;
use std::sync::LazyLock;
use std::time::Instant;

use sweet_async_api::Moment;

/// Reads the clock.
#[inline]
pub(crate) fn now() -> Moment {
    static CLOCK: LazyLock<(quanta::Clock, u64)> = LazyLock::new(|| {
        let clock = quanta::Clock::new();
        let start = clock.raw();
        (clock, start)
    });
    let (clock, start) = &*CLOCK;
    Moment::from_nanos(clock.delta_as_nanos(*start, clock.raw()))
}

/// Where on the clock of the timers a moment lies. It ends where the platform's does; 30 years stand for never.
pub(crate) fn instant(at: Moment) -> Instant {
    const FAR: Duration = Duration::from_hours(24 * 365 * 30);
    Instant::now() + at.since(now()).min(FAR)
}
