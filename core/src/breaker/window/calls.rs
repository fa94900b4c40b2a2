//! The last N calls: a ring of packed words, one bit a call.
//!
//! The ring is written in blocks of 24 calls, one word each, numbered as they begin. The cursor says which block is being
//! filled and how far, and belongs to one generation; a call takes its bit by exchanging it. A success leaves the bit as
//! it is: zero since the block began.
//!
//! | bits   | cursor       | meaning                                                         |
//! |--------|--------------|-----------------------------------------------------------------|
//! | 0..5   | `FILL`       | calls in the block that is being filled                         |
//! | 5..13  | `AGE`        | blocks filled before it in this generation; saturates           |
//! | 13..21 | `BLOCK`      | its number                                                      |
//! | 21..32 | `GENERATION` | whose calls are counted                                         |
//!
//! | bits   | ring word | meaning                                                            |
//! |--------|-----------|--------------------------------------------------------------------|
//! | 0..24  | `MARKS`   | the calls that failed, or were slow                                |
//! | 24..32 | `BLOCK`   | the block they belong to; anything else in the ring counts as zero |

use core::fmt;

use crate::Tick;
use crate::sync::Ordering::{AcqRel, Acquire, Relaxed};
use crate::sync::{self, AtomicU32, const_fn};

use super::counting::Counting;
use super::{Counts, Entry, Noted, Settings, SnapshotError, zeros};

/// Looks back over the last calls, up to [`LastCalls::CAPACITY`] of them, exactly as many as the settings say.
///
/// `W` words hold the failures. `S`, which is 0 or `W`, words hold the slow calls; with 0 they are not noted and no slow
/// rate is judged. A success costs one compare-and-swap, a failure two more; a failure or a slow call is what opens. Who
/// loses an exchange to another recorder pauses for about a microsecond at most.
///
/// The count is exact under any number of recorders, unless one of them stands still within an operation while 255
/// blocks of 24 calls begin.
///
/// # Examples
/// ```
/// use sweet_async_core::Tick;
/// use sweet_async_core::breaker::{CircuitBreaker, LastCalls, Outcome, Recorded, Rules, SettingsError};
///
/// // A third of the last 50 calls, once there are 6; three words for the failures.
/// static CAMERA: CircuitBreaker<LastCalls<4>> = CircuitBreaker::new(LastCalls::new());
/// let settings = Rules::new().last_calls(50).minimum_calls(6).failure_rate(33).check()?;
///
/// let call = |outcome| CAMERA.try_enter(&settings, Tick::new(0)).map(|call| call.record(outcome, Tick::new(0)));
/// for outcome in [Outcome::Ok, Outcome::Failed, Outcome::Ok, Outcome::Ok, Outcome::Ok] {
///     assert_eq!(call(outcome), Ok(Recorded::Unchanged));
/// }
/// assert_eq!(CAMERA.counts(&settings, Tick::new(0)).failed, 1);
/// assert!(matches!(call(Outcome::Failed), Ok(Recorded::Opened { .. })));
/// # Ok::<(), SettingsError>(())
/// ```
pub struct LastCalls<const W: usize, const S: usize = 0> {
    cursor: AtomicU32,
    failed: [AtomicU32; W],
    slow: [AtomicU32; S],
}

impl<const W: usize, const S: usize> LastCalls<W, S> {
    /// How far it can look back.
    #[expect(clippy::cast_possible_truncation, reason = "W is at most 128")]
    pub const CAPACITY: u32 = (W as u32 - 1) * Mark::CALLS + 1;

    /// How many blocks are numbered before the numbers start over; a multiple of `W`, so that each has its place.
    #[expect(clippy::cast_possible_truncation, reason = "W is at most 128")]
    const BLOCKS: u32 = 256 / W as u32 * W as u32;

    const_fn! {
        /// No call yet. `W` from 2 to 128, and `S` equal to 0 or `W`; others do not compile.
        #[must_use]
        pub fn new() -> Self {
            const {
                assert!(W >= 2 && W <= 128, "a ring has 2 to 128 words");
                assert!(S == 0 || S == W, "slow calls take no words or as many as failures");
            }
            Self { cursor: AtomicU32::new(0), failed: zeros(), slow: zeros() }
        }
    }

    /// Takes the next bit for a call of this generation.
    #[inline]
    fn take(&self, generation: u32, is_current: impl Fn() -> bool) -> Option<Cursor> {
        // ORDERING: Acquire. If a newer generation has the window, the gate that `is_current` reads is at least as new;
        // else a late result could take the window back. Model: `breaker::late_call_changes_nothing`.
        let mut current = Cursor(self.cursor.load(Acquire));
        loop {
            if current.generation() != generation && !is_current() {
                return None;
            }
            let next = current.step(generation, Self::BLOCKS);
            // ORDERING: AcqRel; Acquire on failure. Release lets who reads a mark of a later block find the cursor as
            // far (`mark`); Acquire lets the look at the gate that follows a failed exchange see the gate as new as
            // the cursor. Models: `breaker::stale_mark_is_dropped`, `breaker::late_call_changes_nothing`.
            match self
                .cursor
                .compare_exchange_weak(current.0, next.0, AcqRel, Acquire)
            {
                Ok(_) => return Some(next),
                Err(seen) => current = Cursor(seen),
            }
            sync::back_off();
        }
    }

    /// Writes a call's bit, and begins its block if nobody has.
    fn mark<const L: usize>(&self, words: &[AtomicU32; L], slot: Cursor, set: bool) {
        let Some(word) = words.get(slot.block() as usize % W) else {
            return;
        };
        let bit = if set { 1 << (slot.fill() - 1) } else { 0 };
        // ORDERING: Acquire. If the word belongs to a later block already, the cursor read below is at least as far. No
        // model notices a weaker one, because loom remembers too few stores of the cursor; the branch that depends on it
        // is shown. Model: `breaker::stale_mark_is_dropped`.
        let mut current = Mark(word.load(Acquire));
        loop {
            let next = if current.block() == slot.block() {
                Mark(current.0 | bit)
            } else if self.holds(slot) {
                Mark::begin(slot.block(), bit)
            } else {
                return;
            };
            if next == current {
                return;
            }
            // ORDERING: AcqRel; Acquire on failure. Release publishes the cursor that the block began with to `mark`,
            // and this call's work to who counts it and opens. Models: `breaker::stale_mark_is_dropped`,
            // `breaker::opener_sees_who_failed`.
            match word.compare_exchange_weak(current.0, next.0, AcqRel, Acquire) {
                Ok(_) => return,
                Err(seen) => current = Mark(seen),
            }
        }
    }

    /// Whether the block of a slot is still one of those in the ring.
    fn holds(&self, slot: Cursor) -> bool {
        // ORDERING: Relaxed. It is at least as new as the mark that the caller has read with Acquire, which is all that
        // is asked of it. Model: `breaker::stale_mark_is_dropped`.
        let cursor = Cursor(self.cursor.load(Relaxed));
        let behind = (cursor.block() + Self::BLOCKS - slot.block()) % Self::BLOCKS;
        (behind as usize) < W
    }

    /// Marks a call that begins a block, failed or was slow, and judges the window if it failed or was slow.
    #[cold]
    fn settle(&self, slot: Cursor, entry: Entry, settings: &Settings) -> Noted {
        self.mark(&self.failed, slot, entry.failed());
        self.mark(&self.slow, slot, entry.slow());
        if !(entry.failed() || entry.slow()) {
            return Noted::Within;
        }
        // ORDERING: AcqRel. An exchange of the cursor for itself: of two recorders that made their marks at once, the
        // one that comes second here sees the mark of the first, so that one of them finds the threshold reached.
        // Model: `breaker::racing_failures_open_once`.
        let cursor = Cursor(self.cursor.fetch_or(0, AcqRel));
        if cursor.generation() != entry.generation {
            return Noted::Late;
        }
        if settings.is_over(self.count(cursor, settings), Self::CAPACITY) {
            Noted::Over
        } else {
            Noted::Within
        }
    }

    fn count(&self, cursor: Cursor, settings: &Settings) -> Counts {
        let wanted = settings.last_calls().min(Self::CAPACITY);
        let calls = cursor.calls().min(wanted);
        Counts {
            calls,
            failed: Self::marked(&self.failed, cursor, calls),
            slow: Self::marked(&self.slow, cursor, calls),
        }
    }

    /// How many of the last `calls` calls have their bit set.
    fn marked<const L: usize>(words: &[AtomicU32; L], cursor: Cursor, calls: u32) -> u32 {
        let (mut block, mut fill, mut left, mut total) = (cursor.block(), cursor.fill(), calls, 0);
        while left > 0 {
            let Some(word) = words.get(block as usize % W) else {
                break;
            };
            let taken = left.min(fill);
            // ORDERING: Acquire. Who opens because of this mark sees the work of the call that made it. Model:
            // `breaker::opener_sees_who_failed`.
            let mark = Mark(word.load(Acquire));
            if mark.block() == block {
                let newest = (mark.0 & ((1 << fill) - 1)) >> (fill - taken);
                total += newest.count_ones();
            }
            left -= taken;
            block = (block + Self::BLOCKS - 1) % Self::BLOCKS;
            fill = Mark::CALLS;
        }
        total
    }
}

impl<const W: usize, const S: usize> Counting for LastCalls<W, S> {
    #[inline]
    fn note(
        &self,
        entry: Entry,
        settings: &Settings,
        _: impl FnOnce() -> Tick,
        is_current: impl Fn() -> bool,
    ) -> Noted {
        let Some(slot) = self.take(entry.generation, is_current) else {
            return Noted::Late;
        };
        if slot.fill() > 1 && !(entry.failed() || entry.slow()) {
            return Noted::Within;
        }
        self.settle(slot, entry, settings)
    }

    fn forget(&self, generation: u32) {
        // ORDERING: Relaxed. Only a value that is left from 2,048 generations ago is of interest, and it is exchanged.
        // Model: `breaker::calls_are_counted_exactly`.
        let mut current = Cursor(self.cursor.load(Relaxed));
        while current.generation() == generation && !current.is_empty() {
            let next = current.emptied(Self::BLOCKS);
            // ORDERING: AcqRel; Acquire on failure. As in `take`, whose step this is. Model:
            // `breaker::calls_are_counted_exactly`.
            match self
                .cursor
                .compare_exchange_weak(current.0, next.0, AcqRel, Acquire)
            {
                Ok(_) => return,
                Err(seen) => current = Cursor(seen),
            }
        }
    }

    fn counts(&self, generation: u32, settings: &Settings, _: Tick) -> Counts {
        // ORDERING: Acquire. Who reads the counts sees the blocks as far as the cursor says; the numbers are out of date
        // when they are read, and nobody decides by them. Model: `breaker::calls_are_counted_exactly`.
        let cursor = Cursor(self.cursor.load(Acquire));
        if cursor.generation() == generation {
            self.count(cursor, settings)
        } else {
            Counts::default()
        }
    }

    fn export(&self, put: &mut dyn FnMut(u32)) {
        for word in core::iter::once(&self.cursor)
            .chain(&self.failed)
            .chain(&self.slow)
        {
            // ORDERING: Relaxed. A copy of words that go on changing; a mark more or less is within what a copy promises.
            // Model: `breaker::calls_are_counted_exactly`.
            put(word.load(Relaxed));
        }
    }

    fn import(&mut self, next: &mut dyn FnMut() -> Option<u32>) -> Result<(), SnapshotError> {
        let cursor = Cursor(next().ok_or(SnapshotError::TooShort)?);
        if cursor.fill() > Mark::CALLS || cursor.block() >= Self::BLOCKS {
            return Err(SnapshotError::Unknown);
        }
        self.cursor = AtomicU32::new(cursor.0);
        for word in self.failed.iter_mut().chain(&mut self.slow) {
            *word = AtomicU32::new(next().ok_or(SnapshotError::TooShort)?);
        }
        Ok(())
    }
}

impl<const W: usize, const S: usize> fmt::Debug for LastCalls<W, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // ORDERING: Acquire. As in `counts`. Model: `breaker::calls_are_counted_exactly`.
        let cursor = Cursor(self.cursor.load(Acquire));
        let calls = cursor.calls().min(Self::CAPACITY);
        f.debug_struct("LastCalls")
            .field("capacity", &Self::CAPACITY)
            .field("generation", &cursor.generation())
            .field("calls", &calls)
            .field("failed", &Self::marked(&self.failed, cursor, calls))
            .field("slow", &Self::marked(&self.slow, cursor, calls))
            .finish()
    }
}

impl<const W: usize, const S: usize> Default for LastCalls<W, S> {
    fn default() -> Self {
        Self::new()
    }
}

/// One decoded value of the cursor.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Cursor(u32);

impl Cursor {
    const FILL: u32 = (1 << 5) - 1;
    const AGE_SHIFT: u32 = 5;
    const BLOCK_SHIFT: u32 = 13;
    const BYTE: u32 = (1 << 8) - 1;
    const GENERATION_SHIFT: u32 = 21;

    const fn new(generation: u32, block: u32, age: u32, fill: u32) -> Self {
        Self(
            generation << Self::GENERATION_SHIFT | block << Self::BLOCK_SHIFT | age << Self::AGE_SHIFT | fill,
        )
    }

    #[inline]
    const fn generation(self) -> u32 {
        self.0 >> Self::GENERATION_SHIFT
    }

    const fn block(self) -> u32 {
        self.0 >> Self::BLOCK_SHIFT & Self::BYTE
    }

    const fn age(self) -> u32 {
        self.0 >> Self::AGE_SHIFT & Self::BYTE
    }

    #[inline]
    const fn fill(self) -> u32 {
        self.0 & Self::FILL
    }

    const fn is_empty(self) -> bool {
        self.0 & (Self::BYTE << Self::AGE_SHIFT | Self::FILL) == 0
    }

    const fn calls(self) -> u32 {
        self.age() * Mark::CALLS + self.fill()
    }

    /// One call more of this generation, which takes the window over in a block of its own if it is another's.
    #[inline]
    const fn step(self, generation: u32, blocks: u32) -> Self {
        let age = if self.generation() != generation {
            0
        } else if self.fill() < Mark::CALLS {
            return Self(self.0 + 1);
        } else if self.age() < Self::BYTE {
            self.age() + 1
        } else {
            Self::BYTE
        };
        Self::new(generation, self.following(blocks), age, 1)
    }

    /// No call of the same generation, before a block of its own.
    const fn emptied(self, blocks: u32) -> Self {
        Self::new(self.generation(), self.following(blocks), 0, 0)
    }

    const fn following(self, blocks: u32) -> u32 {
        if self.block() + 1 == blocks {
            0
        } else {
            self.block() + 1
        }
    }
}

/// One decoded value of a word of the ring.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Mark(u32);

impl Mark {
    /// Calls in one word.
    const CALLS: u32 = 24;

    const fn begin(block: u32, bit: u32) -> Self {
        Self(block << Self::CALLS | bit)
    }

    const fn block(self) -> u32 {
        self.0 >> Self::CALLS
    }
}
