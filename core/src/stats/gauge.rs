//! A level that rises and falls.

use core::fmt;

use crate::sync::Ordering::Relaxed;
use crate::sync::{AtomicU32, const_fn};

/// Rises and falls, and stops at 0 and at `u32::MAX`.
///
/// Each change is one compare-and-swap when nobody interferes, and lock-free.
///
/// # Examples
/// ```
/// use sweet_async_core::stats::Gauge;
///
/// static QUEUED: Gauge = Gauge::new();
///
/// assert_eq!(QUEUED.raise(3), 3);
/// assert_eq!(QUEUED.lower(1), 2);
/// assert_eq!(QUEUED.lower(9), 0);
/// QUEUED.set(7);
/// assert_eq!(QUEUED.value(), 7);
/// ```
pub struct Gauge {
    pub(super) word: AtomicU32,
}

impl Gauge {
    const_fn! {
        /// A level of 0.
        #[must_use]
        pub fn new() -> Self {
            Self { word: AtomicU32::new(0) }
        }
    }

    /// Raises the level and answers the new one; what exceeds `u32::MAX` is lost (S3).
    pub fn raise(&self, by: u32) -> u32 {
        self.change(|level| level.saturating_add(by))
    }

    /// Lowers the level and answers the new one; what falls below 0 is lost (S3).
    pub fn lower(&self, by: u32) -> u32 {
        self.change(|level| level.saturating_sub(by))
    }

    /// Replaces the level; raises and lowers that follow start from it.
    pub fn set(&self, level: u32) {
        // ORDERING: Relaxed. A number that nobody reads anything else because of (S3). Model: `stats::levels_add_up`.
        self.word.store(level, Relaxed);
    }

    /// The level; may be out of date when it is read.
    #[must_use]
    pub fn value(&self) -> u32 {
        // ORDERING: Relaxed. A number that nobody reads anything else because of; `change` verifies it before it counts
        // (S3). Model: `stats::levels_add_up`.
        self.word.load(Relaxed)
    }

    fn change(&self, to: impl Fn(u32) -> u32) -> u32 {
        let mut level = self.value();
        loop {
            let next = to(level);
            // ORDERING: Relaxed, also on failure. That no change gets lost (S3) rests on the order of changes to this
            // one word, which every ordering keeps. Model: `stats::levels_add_up`.
            match self.word.compare_exchange_weak(level, next, Relaxed, Relaxed) {
                Ok(_) => return next,
                Err(seen) => level = seen,
            }
        }
    }
}

impl Default for Gauge {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Gauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gauge").field("value", &self.value()).finish()
    }
}
