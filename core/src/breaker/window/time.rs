//! The last stretch of time: a ring of buckets, one word a bucket for each of the numbers that are kept.
//!
//! Time is cut into epochs, each as long as a bucket. The head says which epoch the newest bucket belongs to and whose
//! generation is counted; a result counts in the newest bucket.
//!
//! | bits   | head         | meaning                                                                 |
//! |--------|--------------|-------------------------------------------------------------------------|
//! | 0..27  | `EPOCH`      | the epoch of the newest bucket                                          |
//! | 27..32 | `GENERATION` | whose calls are counted, its low bits                                   |
//!
//! | bits   | bucket       | meaning                                                                 |
//! |--------|--------------|-------------------------------------------------------------------------|
//! | 0..20  | `COUNT`      | saturates                                                               |
//! | 20..28 | `EPOCH`      | the epoch it belongs to, its low bits; any other bucket counts as zero  |
//! | 28..32 | `GENERATION` | whose calls it counts, its low bits                                     |

use core::fmt;

use crate::Tick;
use crate::sync::Ordering::{AcqRel, Acquire};
use crate::sync::{AtomicU32, const_fn};

use super::counting::Counting;
use super::{Counts, Entry, Noted, Settings, SnapshotError, zeros};

/// Looks back over the `B` newest buckets of time, the one that is being filled included.
///
/// `B` is a power of two. `S`, which is 0 or `B`, buckets count the slow calls; with 0 they are not noted and no slow rate
/// is judged. A success costs one compare-and-swap, a failure two more; a failure or a slow call is what opens.
///
/// A bucket counts 1,048,575 calls and then saturates. A result whose tick lies up to `B` buckets before the newest counts
/// in the newest; one that lies further back, or more than `B` ahead, finds the window empty. The count is exact
/// under any number of recorders, unless one of them stands still within an operation while 256 buckets or 16
/// generations go by. After a restart the window starts empty, because its epochs belong to the clock that is gone.
///
/// # Examples
/// ```
/// use sweet_async_core::Tick;
/// use sweet_async_core::breaker::{CircuitBreaker, LastTime, Outcome, Rules, SettingsError};
///
/// // Eight buckets of 1,024 ticks: the last 7 to 8 seconds in milliseconds.
/// static UPLINK: CircuitBreaker<LastTime<8>> = CircuitBreaker::new(LastTime::new());
/// let settings = Rules::new().bucket(1_024).minimum_calls(10).failure_rate(20).check()?;
///
/// let at = |tick| UPLINK.counts(&settings, Tick::new(tick)).failed;
/// let _ = UPLINK.try_enter(&settings, Tick::new(0)).map(|call| call.record(Outcome::Failed, Tick::new(0)));
/// assert_eq!((at(0), at(8_191), at(8_192)), (1, 1, 0));
/// # Ok::<(), SettingsError>(())
/// ```
pub struct LastTime<const B: usize, const S: usize = 0> {
    head: AtomicU32,
    calls: [AtomicU32; B],
    failed: [AtomicU32; B],
    slow: [AtomicU32; S],
}

impl<const B: usize, const S: usize> LastTime<B, S> {
    /// How many buckets there are.
    #[expect(clippy::cast_possible_truncation, reason = "B is at most 64")]
    const BUCKETS: u32 = B as u32;

    const_fn! {
        /// No call yet. `B` is a power of two from 2 to 64, and `S` equal to 0 or `B`; others do not compile.
        #[must_use]
        pub fn new() -> Self {
            const {
                assert!(B >= 2 && B <= 64 && B.is_power_of_two(), "a ring has 2, 4, 8 .. 64 buckets");
                assert!(S == 0 || S == B, "slow calls take no buckets or as many as failures");
            }
            Self { head: AtomicU32::new(Head::NOBODY.0), calls: zeros(), failed: zeros(), slow: zeros() }
        }
    }

    /// Finds the bucket in which a result of this generation counts, and moves the head there if it is a newer one.
    #[inline]
    fn advance(
        &self,
        generation: u32,
        settings: &Settings,
        now: Tick,
        is_current: impl Fn() -> bool,
    ) -> Option<Head> {
        let epoch = Head::epoch_of(settings, now);
        let mut current = self.head();
        loop {
            let same = current.generation() == generation & Head::GENERATION;
            let behind = Head::distance(settings, epoch, current.epoch());
            if same && behind <= Self::BUCKETS {
                return Some(current);
            }
            if !same && !is_current() {
                return None;
            }
            let next = Head::new(generation, epoch);
            // ORDERING: AcqRel; Acquire on failure. Release lets who finds a bucket of a later epoch find the head as far
            // (`add`); Acquire lets the look at the gate after a failed exchange see the gate as new as the head.
            // Model: `breaker::buckets_are_counted_exactly`.
            match self
                .head
                .compare_exchange_weak(current.0, next.0, AcqRel, Acquire)
            {
                Ok(_) => {
                    self.empty_after(current, next, settings);
                    return Some(next);
                }
                Err(seen) => current = Head(seen),
            }
        }
    }

    /// Empties the buckets that the head has moved over, so that none is mistaken for one of a later round.
    #[cold]
    fn empty_after(&self, before: Head, head: Head, settings: &Settings) {
        let ahead = Head::distance(settings, before.epoch(), head.epoch());
        let moved = if before.generation() == head.generation() {
            ahead.min(Self::BUCKETS)
        } else {
            Self::BUCKETS
        };
        for back in 0..moved {
            let slot = head.back(back);
            self.add(&self.calls, slot, settings, 0);
            self.add(&self.failed, slot, settings, 0);
            self.add(&self.slow, slot, settings, 0);
        }
    }

    /// Adds to the bucket of a slot, beginning it if nobody has; nothing is left to do if it has left the ring.
    #[inline]
    fn add<const L: usize>(&self, words: &[AtomicU32; L], slot: Head, settings: &Settings, more: u32) {
        let tag = Bucket::tag(slot, 0);
        let Some(word) = words.get(tag.index::<B>()) else {
            return;
        };
        // ORDERING: Acquire. If the bucket belongs to a later epoch already, the head that is read below is at least as
        // far. Model: `breaker::buckets_are_counted_exactly`.
        let mut current = Bucket(word.load(Acquire));
        loop {
            let next = if current.is_tagged(tag) {
                current.plus(more)
            } else if self.holds(slot, settings) {
                tag.plus(more)
            } else {
                return;
            };
            if next == current {
                return;
            }
            // ORDERING: AcqRel; Acquire on failure. Release publishes the head that the bucket began with, and this call's
            // work to who counts it and opens. Model: `breaker::racing_failures_in_two_buckets_open_once`.
            match word.compare_exchange_weak(current.0, next.0, AcqRel, Acquire) {
                Ok(_) => return,
                Err(seen) => current = Bucket(seen),
            }
        }
    }

    /// Whether a slot is still one of those in the ring.
    fn holds(&self, slot: Head, settings: &Settings) -> bool {
        let head = self.head();
        head.generation() == slot.generation()
            && Head::distance(settings, slot.epoch(), head.epoch()) < Self::BUCKETS
    }

    /// Takes the count out of a bucket, unless the head has left.
    fn empty(&self, word: &AtomicU32, head: Head) {
        // ORDERING: Acquire. As in `add`: the head that is read below is at least as new as the bucket.
        // Model: `breaker::buckets_are_counted_exactly`.
        let mut current = Bucket(word.load(Acquire));
        while current.count() > 0 && self.head() == head {
            // ORDERING: AcqRel; Acquire on failure. As in `add`. Model: `breaker::buckets_are_counted_exactly`.
            match word.compare_exchange_weak(current.0, current.0 & !Bucket::COUNT, AcqRel, Acquire) {
                Ok(_) => return,
                Err(seen) => current = Bucket(seen),
            }
        }
    }

    /// Sums the buckets of the window that ends `gone` epochs after the head.
    fn count(&self, head: Head, gone: u32) -> Counts {
        let sum = |words: &[AtomicU32]| {
            let mut total = 0_u32;
            for back in 0..Self::BUCKETS.saturating_sub(gone) {
                let tag = Bucket::tag(head, back);
                let Some(word) = words.get(tag.index::<B>()) else {
                    break;
                };
                // ORDERING: Acquire. Who opens because of this count sees the work of the calls in it. Model:
                // `breaker::buckets_are_counted_exactly`.
                let bucket = Bucket(word.load(Acquire));
                if bucket.is_tagged(tag) {
                    total += bucket.count();
                }
            }
            total
        };
        // Failures first: a call is counted before its failure, so that there are never more failures than calls.
        let (failed, slow) = (sum(&self.failed), sum(&self.slow));
        Counts {
            calls: sum(&self.calls),
            failed,
            slow,
        }
    }

    #[inline]
    fn head(&self) -> Head {
        // ORDERING: Acquire. What `is_current` and the buckets say afterwards is at least as new as this. Model:
        // `breaker::buckets_are_counted_exactly`.
        Head(self.head.load(Acquire))
    }
}

impl<const B: usize, const S: usize> Counting for LastTime<B, S> {
    #[inline]
    fn note(
        &self,
        entry: Entry,
        settings: &Settings,
        clock: impl FnOnce() -> Tick,
        is_current: impl Fn() -> bool,
    ) -> Noted {
        let Some(slot) = self.advance(entry.generation, settings, clock(), is_current) else {
            return Noted::Late;
        };
        self.add(&self.calls, slot, settings, 1);
        if entry.failed() {
            self.add(&self.failed, slot, settings, 1);
        }
        if entry.slow() {
            self.add(&self.slow, slot, settings, 1);
        }
        if !(entry.failed() || entry.slow()) {
            return Noted::Within;
        }
        // ORDERING: AcqRel. An exchange of the head for itself: of two recorders that counted in different buckets at
        // once, the one that comes second here sees the count of the first, so that one of them finds the threshold
        // reached. Model: `breaker::racing_failures_in_two_buckets_open_once`.
        let head = Head(self.head.fetch_or(0, AcqRel));
        if head.generation() != entry.generation & Head::GENERATION {
            return Noted::Late;
        }
        if settings.is_over(self.count(head, 0), u32::MAX) {
            Noted::Over
        } else {
            Noted::Within
        }
    }

    fn forget(&self, generation: u32) {
        let mut head = self.head();
        while head.generation() == generation & Head::GENERATION {
            // Any other generation will do: the first call of this one takes the window over.
            let next = Head::new(generation + 1, head.epoch());
            // ORDERING: AcqRel; Acquire on failure. As in `advance`, whose step this is. Model:
            // `breaker::buckets_are_counted_exactly`.
            match self.head.compare_exchange_weak(head.0, next.0, AcqRel, Acquire) {
                Ok(_) => head = next,
                Err(seen) => head = Head(seen),
            }
        }
        for word in self.calls.iter().chain(&self.failed).chain(&self.slow) {
            self.empty(word, head);
        }
    }

    fn counts(&self, generation: u32, settings: &Settings, now: Tick) -> Counts {
        let head = self.head();
        if head.generation() == generation & Head::GENERATION {
            let epoch = Head::epoch_of(settings, now);
            // A reader whose tick lags behind the head reads the window as the head has it.
            let gone = if Head::distance(settings, epoch, head.epoch()) <= Self::BUCKETS {
                0
            } else {
                Head::distance(settings, head.epoch(), epoch)
            };
            self.count(head, gone)
        } else {
            Counts::default()
        }
    }

    fn export(&self, _: &mut dyn FnMut(u32)) {}

    fn import(&mut self, _: &mut dyn FnMut() -> Option<u32>) -> Result<(), SnapshotError> {
        Ok(())
    }
}

impl<const B: usize, const S: usize> fmt::Debug for LastTime<B, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = self.head();
        let counts = self.count(head, 0);
        f.debug_struct("LastTime")
            .field("buckets", &B)
            .field("epoch", &head.epoch())
            .field("calls", &counts.calls)
            .field("failed", &counts.failed)
            .field("slow", &counts.slow)
            .finish_non_exhaustive()
    }
}

impl<const B: usize, const S: usize> Default for LastTime<B, S> {
    fn default() -> Self {
        Self::new()
    }
}

/// One decoded value of the head.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Head(u32);

impl Head {
    const EPOCH: u32 = (1 << 27) - 1;
    const GENERATION_SHIFT: u32 = 27;
    const GENERATION: u32 = (1 << 5) - 1;
    /// Not the generation that a breaker begins with, so that its first call takes the window over.
    const NOBODY: Self = Self::new(Self::GENERATION, 0);

    const fn new(generation: u32, epoch: u32) -> Self {
        Self((generation & Self::GENERATION) << Self::GENERATION_SHIFT | epoch & Self::EPOCH)
    }

    #[inline]
    const fn epoch_of(settings: &Settings, now: Tick) -> u32 {
        now.count() >> settings.bucket_shift()
    }

    /// How many epochs after `from` the epoch `to` is, round the wrap of the tick.
    #[inline]
    const fn distance(settings: &Settings, from: u32, to: u32) -> u32 {
        to.wrapping_sub(from) & u32::MAX >> settings.bucket_shift()
    }

    const fn epoch(self) -> u32 {
        self.0 & Self::EPOCH
    }

    const fn generation(self) -> u32 {
        self.0 >> Self::GENERATION_SHIFT
    }

    /// So many epochs earlier. Beyond the wrap of the tick only its low bits are right, which is all that a tag takes.
    const fn back(self, epochs: u32) -> Self {
        Self::new(self.generation(), self.epoch().wrapping_sub(epochs))
    }
}

/// One decoded value of a bucket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Bucket(u32);

impl Bucket {
    const COUNT: u32 = (1 << 20) - 1;
    const EPOCH_SHIFT: u32 = 20;
    const EPOCH: u32 = (1 << 8) - 1;
    const GENERATION_SHIFT: u32 = 28;

    /// The empty bucket that lies `back` epochs behind the head.
    #[inline]
    const fn tag(head: Head, back: u32) -> Self {
        let epoch = head.epoch().wrapping_sub(back) & Self::EPOCH;
        Self(head.generation() << Self::GENERATION_SHIFT | epoch << Self::EPOCH_SHIFT)
    }

    const fn is_tagged(self, tag: Self) -> bool {
        (self.0 ^ tag.0) & !Self::COUNT == 0
    }

    /// Where it lies in a ring of `B`, a power of two of at most 64, so that the low bits of the epoch are enough.
    const fn index<const B: usize>(self) -> usize {
        (self.0 >> Self::EPOCH_SHIFT & Self::EPOCH) as usize & (B - 1)
    }

    const fn count(self) -> u32 {
        self.0 & Self::COUNT
    }

    const fn plus(self, more: u32) -> Self {
        if self.count() + more > Self::COUNT {
            self
        } else {
            Self(self.0 + more)
        }
    }
}
