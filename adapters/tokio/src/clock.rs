//! The adapter's monotonic clock.

use core::time::Duration;
use std::sync::LazyLock;

use sweet_async_api::Moment;
use tokio::time::Instant;

/// Reads the clock.
#[cfg(not(feature = "test-util"))]
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

/// Where on Tokio's clock a moment lies.
#[cfg(not(feature = "test-util"))]
pub(crate) fn instant(at: Moment) -> Instant {
    later(Instant::now(), at.since(now()))
}

/// Lies before any runtime can have stopped its clock: one that was paused before somebody first asked for the time would
/// stand before the start.
#[cfg(feature = "test-util")]
static START: LazyLock<Instant> = LazyLock::new(|| {
    let now = Instant::from_std(std::time::Instant::now());
    now.checked_sub(Duration::from_hours(1)).unwrap_or(now)
});

/// Reads Tokio's clock, which stands still while it is paused.
#[cfg(feature = "test-util")]
pub(crate) fn now() -> Moment {
    Moment::START + Instant::now().saturating_duration_since(*START)
}

/// Where on Tokio's clock a moment lies.
#[cfg(feature = "test-util")]
pub(crate) fn instant(at: Moment) -> Instant {
    later(*START, at.since(Moment::START))
}

/// Tokio's instants end where the platform's do; far beyond any deadline, 30 years stand for never.
fn later(from: Instant, wait: Duration) -> Instant {
    const FAR: Duration = Duration::from_hours(24 * 365 * 30);
    from + wait.min(FAR)
}
