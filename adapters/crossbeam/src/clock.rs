//! The adapter's monotonic clock.

use std::sync::LazyLock;
use std::time::Instant;

use sweet_async_api::Moment;

/// Reads the clock: the operating system's, by which threads are also woken, so that a timer that fired has passed.
#[inline]
pub(crate) fn now() -> Moment {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let start = *START;
    Moment::START + start.elapsed()
}
