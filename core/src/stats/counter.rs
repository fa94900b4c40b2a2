//! A count of events.

use core::fmt;

use crate::sync::Ordering::Relaxed;
use crate::sync::{AtomicU32, const_fn};

/// Counts up, and stops at [`Counter::MAX`].
///
/// # Examples
/// ```
/// use sweet_async_core::stats::Counter;
///
/// static CALLS: Counter = Counter::new();
///
/// CALLS.increment();
/// CALLS.add(41);
/// assert_eq!(CALLS.value(), 42);
/// assert_eq!(CALLS.take(), 42);
/// CALLS.add(u32::MAX);
/// assert!(CALLS.is_full() && CALLS.value() == Counter::MAX);
/// ```
pub struct Counter {
    pub(super) word: AtomicU32,
}

impl Counter {
    /// The highest count: 2^31. The other half of the word takes what comes in while a full counter is put back there.
    pub const MAX: u32 = 1 << 31;

    const_fn! {
        /// Nothing counted.
        #[must_use]
        pub fn new() -> Self {
            Self { word: AtomicU32::new(0) }
        }
    }

    /// Counts one.
    #[inline]
    pub fn increment(&self) {
        self.add(1);
    }

    /// Counts `count`; what exceeds [`Counter::MAX`] is not counted (S1).
    #[inline]
    pub fn add(&self, count: u32) {
        if count > STEP {
            return self.add_much(count);
        }
        // ORDERING: Relaxed. The sum alone keeps S1 and S2: nobody reads anything else because of it. Models:
        // `stats::taken_once`, `stats::full_stays_full`.
        let before = self.word.fetch_add(count, Relaxed);
        if before > Self::MAX - count {
            self.settle();
        }
    }

    /// Reads and starts again from nothing (S2). A full counter answers [`Counter::MAX`].
    pub fn take(&self) -> u32 {
        // ORDERING: Relaxed. The exchange gives each count to one taker (S2); nobody reads anything else because of it.
        // Model: `stats::taken_once`.
        self.word.swap(0, Relaxed).min(Self::MAX)
    }

    /// Takes what `from` counted and adds it here (S2). In between the counts are in neither of the two.
    pub fn absorb(&self, from: &Self) {
        if from.value() > 0 {
            self.add(from.take());
        }
    }

    /// What was counted; may be out of date when it is read.
    #[must_use]
    #[inline]
    pub fn value(&self) -> u32 {
        self.read().min(Self::MAX)
    }

    /// Whether the count reached [`Counter::MAX`], so that it says "at least".
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.read() >= Self::MAX
    }

    /// Adds what could carry a full word round: checks first.
    #[cold]
    fn add_much(&self, count: u32) {
        let mut word = self.read();
        while word < Self::MAX {
            let next = word.saturating_add(count).min(Self::MAX);
            // ORDERING: Relaxed, also on failure. As in `add`: the exchanged number is all there is (S1, S2). Model:
            // `stats::much_at_once`.
            match self.word.compare_exchange_weak(word, next, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(seen) => word = seen,
            }
        }
    }

    /// Puts a word beyond the end back to it. An exchange and no store: somebody may have taken the count by now.
    #[cold]
    fn settle(&self) {
        let mut word = self.read();
        while word > Self::MAX {
            // ORDERING: Relaxed, also on failure. Both numbers read as the same count, so a taker before or after gets
            // the same (S1, S2). Model: `stats::taken_from_full`.
            match self.word.compare_exchange_weak(word, Self::MAX, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(seen) => word = seen,
            }
        }
    }

    #[inline]
    fn read(&self) -> u32 {
        // ORDERING: Relaxed. A number that nobody reads anything else because of; exchanges verify it before it counts.
        // Models: `stats::much_at_once`, `stats::taken_from_full`.
        self.word.load(Relaxed)
    }
}

impl Default for Counter {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counter")
            .field("value", &self.value())
            .field("full", &self.is_full())
            .finish()
    }
}

/// The most that is added ahead of its check: so many callers as fit into the upper half may do it at once (S1).
const STEP: u32 = 1 << 16;
