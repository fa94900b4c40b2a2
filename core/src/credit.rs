//! Bounded permits: take some, give them back, change how many there are, close.
//!
//! ```text
//!               acquire, release, resize               release, pass_on (as the head)
//!                      .-------.                              .-------.
//!                      |       v       or_register            |       v
//!   new(capacity) --> [ Open, calm ] --(not served)--> [ Open, somebody waits ]
//!                            |    ^                       |       |
//!                            |    `---------hush----------'       |
//!                            `------close----> [ Closed ] <-close-'
//!                                               |     ^
//!                                               `-----'
//!                                               release
//! ```
//!
//! | bits   | name       | meaning                                                           |
//! |--------|------------|-------------------------------------------------------------------|
//! | 31     | `CLOSED`   | set by the first `close`, never cleared                           |
//! | 30     | `WAITERS`  | somebody may wait for credits; a release has to look for them     |
//! | 15..30 | `CAPACITY` | how many credits there are                                        |
//! | 0..15  | `TAKEN`    | how many are taken; more than `CAPACITY` is debt after a shrink   |
//!
//! - **C1** `TAKEN` is the sum of what was taken less the sum of what was given back: credits are conserved.
//! - **C2** Nobody takes a credit unless `TAKEN` stays within `CAPACITY`: a shrink below what is taken admits nobody
//!   until releases have paid the debt.
//! - **C3** Nobody takes a credit once `CLOSED` is set, and `CLOSED` is never cleared.
//! - **C4** A release of more than is taken is refused and changes nothing.
//! - **C5** No wake-up is lost: as long as somebody follows the three rules below, a registered waiter whose wish fits
//!   in what is free is awake, or some caller holds a [`Released::Wake`] that it has yet to act on.
//! - **C6** A newcomer takes nothing while `WAITERS` is set: it does not overtake who registered.
//! - **C7** Whoever takes a credit sees what its former holders did before they gave it back; whoever is refused by
//!   closed credits sees what the closer did before closing.
//!
//! An operation is one read and one compare-and-swap when nobody interferes, and is lock-free: it retries only when
//! another thread's operation took effect in between (or the processor lost its reservation), after a pause of about a
//! microsecond at most that leaves the word to the winner. The models in `loom-tests/tests/credit.rs` prove the
//! invariants. Nothing allocates: the machine is one `u32` (`tests::takes_four_bytes`) in a crate without an allocator.
//! Capacity and debt live in the same word as what is taken, so that a resize and an acquire cannot disagree; the price
//! is [`Credits::MAX`]. Who has more to share out than that counts in larger units: pages instead of bytes, chunks
//! instead of items.
//!
//! # Waiting
//! The machine wakes nobody and keeps no queue. It keeps one bit, so that a release knows from the word it changes
//! anyway whether it has to look into the caller's queue. Three rules make that safe (C5):
//!
//! 1. **Enqueue, then register.** A newcomer puts its waker into the queue, then calls
//!    [`Credits::try_acquire_or_register`] as [`Turn::Newcomer`], or as [`Turn::Behind`] if it must not be served
//!    before others. On [`Admission::Registered`] it sleeps; woken, it calls again as [`Turn::Head`] and keeps its
//!    place until it is served.
//! 2. **Leave, then pass on.** Whoever leaves the queue, served or cancelled, woken or not, calls
//!    [`Credits::pass_on`] and acts on the answer. So a cancelled waiter gives its place, and a wake-up that it may
//!    have swallowed, to the next.
//! 3. **On [`Released::Wake`], look.** The caller wakes from the front of the queue as long as the wishes fit in `free`.
//!    If the queue is empty, it calls [`Credits::hush`] and looks once more: all who came in between are woken,
//!    whatever they wish for, because their registration may be erased.
//!
//! The bit errs in one direction only: it may be set although nobody waits, which costs the next release a look.
//!
//! # Fairness
//! Newcomers queue behind waiters (C6), and the order of the queue is its owner's. A waiter with a large wish is not
//! overtaken by later small ones unless the queue's owner wakes them first.

use core::error::Error;
use core::fmt;

use crate::sync::Ordering::{AcqRel, Acquire};
use crate::sync::{self, AtomicU32, const_fn};

/// Shares out a bounded number of permits.
///
/// # Examples
/// ```
/// use sweet_async_core::credit::{AcquireError, Credits, Released};
///
/// static EDGE: Credits = Credits::of::<3>();
///
/// EDGE.try_acquire(2)?;
/// assert_eq!(EDGE.try_acquire(2), Err(AcquireError::Short { free: 1 }));
/// assert_eq!(EDGE.release(2), Ok(Released::Continue));
/// assert_eq!(EDGE.free(), 3);
/// # Ok::<(), AcquireError>(())
/// ```
pub struct Credits {
    word: AtomicU32,
}

/// Whom the caller of [`Credits::try_acquire_or_register`] stands for.
///
/// # Examples
/// ```
/// use sweet_async_core::credit::{AcquireError, Admission, Credits, Released, Turn};
///
/// let credits = Credits::of::<1>();
/// credits.try_acquire(1)?;
/// // A task puts its waker into the caller's queue, then asks; it is the first there.
/// assert_eq!(credits.try_acquire_or_register(1, Turn::Newcomer)?, Admission::Registered);
/// // The holder is told to look into the queue, and wakes the task.
/// assert_eq!(credits.release(1), Ok(Released::Wake { free: 1 }));
/// assert_eq!(credits.try_acquire_or_register(1, Turn::Head)?, Admission::Taken);
/// // It leaves the queue and passes on; there is nothing left for others.
/// assert_eq!(credits.pass_on(), Released::Continue);
/// # Ok::<(), AcquireError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a caller is new, behind others in the queue, or the first in it"
)]
pub enum Turn {
    /// Somebody who asks for the first time; waits behind those that are registered.
    Newcomer,
    /// Somebody in the queue with others before it; takes nothing, registers only.
    Behind,
    /// A waiter that was woken from the front of the queue; takes what is free.
    Head,
}

/// What the caller of [`Credits::try_acquire_or_register`] does next.
#[must_use = "who registered has to sleep, who was served has to pass on"]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "each outcome asks something else of the caller"
)]
pub enum Admission {
    /// The credits are the caller's: leave the queue, then [`Credits::pass_on`].
    Taken,
    /// Nothing was taken and the next release will look for the caller: sleep.
    Registered,
}

/// What the caller of an operation that may have freed credits does next.
#[must_use = "free credits that nobody is told about let a waiter sleep for ever"]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "each outcome asks something else of the caller"
)]
pub enum Released {
    /// Nobody waits, or nothing is free; nothing to do.
    Continue,
    /// Somebody may wait: wake from the front of the queue as long as the wishes fit.
    Wake {
        /// How many credits were free after the operation; at least one.
        free: u32,
    },
}

/// What the caller of [`Credits::close`] does next.
#[must_use = "waiters that nobody wakes never learn that the credits are closed"]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "each outcome asks something else of the caller"
)]
pub enum Close {
    /// This caller closed and nobody waits; nothing to do.
    Continue,
    /// This caller closed and somebody may wait: wake everybody in the queue.
    Wake,
    /// Somebody closed before; nothing to do.
    Already,
}

/// Why credits were not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum AcquireError {
    /// The credits were closed.
    Closed,
    /// Fewer are free than were asked for.
    Short {
        /// How many are free.
        free: u32,
    },
    /// Enough are free, but somebody who asked before waits for them.
    Queued,
    /// More were asked for than there can ever be, [`Credits::MAX`].
    TooMany,
}

/// Why the number of credits was not changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ResizeError {
    /// The credits were closed.
    Closed,
    /// More were asked for than one word counts, [`Credits::MAX`].
    TooMany,
}

/// A capacity above [`Credits::MAX`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct TooMany;

/// A release of more credits than are taken; nothing was given back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct OverRelease {
    /// How many credits are taken.
    pub taken: u32,
}

impl Credits {
    /// The most credits that one word counts.
    pub const MAX: u32 = Word::COUNT;

    const_fn! {
        /// Open credits, `CAPACITY` of them, all free; more than [`Credits::MAX`] do not compile.
        #[must_use]
        pub fn of<const CAPACITY: u32>() -> Self {
            const { assert!(CAPACITY <= Credits::MAX, "more credits than one word counts") }
            Self { word: AtomicU32::new(Word::open(CAPACITY).0) }
        }
    }

    const_fn! {
        /// Open credits, `capacity` of them, all free.
        ///
        /// # Errors
        /// [`TooMany`] for more than [`Credits::MAX`].
        pub fn new(capacity: u32) -> Result<Self, TooMany> {
            if capacity > Self::MAX {
                return Err(TooMany);
            }
            Ok(Self { word: AtomicU32::new(Word::open(capacity).0) })
        }
    }

    /// Takes `wanted` credits, all or none, if they are free and nobody waits.
    ///
    /// Linearizable with every other operation; nothing is taken and put back on the way, so nobody is refused for the
    /// sake of a caller that is refused itself. Asking for none takes none under the same rules.
    ///
    /// # Errors
    /// [`AcquireError::Closed`] after `close`, [`AcquireError::Short`] when fewer are free, [`AcquireError::Queued`]
    /// when enough are free for somebody who waits, [`AcquireError::TooMany`] above [`Credits::MAX`]. Nothing changes.
    #[inline]
    pub fn try_acquire(&self, wanted: u32) -> Result<(), AcquireError> {
        self.transition(|word| match word.take(wanted, Turn::Newcomer) {
            Ok(next) => (Ok(()), Some(next)),
            Err(error) => (Err(error), None),
        })
    }

    /// Takes `wanted` credits, or sees to it that the next release looks for the caller.
    ///
    /// The caller stands in the queue already (rule 1). More than the capacity may be waited for: the capacity may grow.
    ///
    /// # Errors
    /// [`AcquireError::Closed`] after `close`, [`AcquireError::TooMany`] above [`Credits::MAX`]. Nothing changes; the
    /// caller leaves the queue.
    pub fn try_acquire_or_register(&self, wanted: u32, turn: Turn) -> Result<Admission, AcquireError> {
        self.transition(|word| match word.take(wanted, turn) {
            Ok(next) => (Ok(Admission::Taken), Some(next)),
            Err(AcquireError::Short { .. } | AcquireError::Queued) => {
                // Exchanged even when the bit is set already: a `hush` that comes after it sees the queue (C5).
                (Ok(Admission::Registered), Some(word.wait()))
            }
            Err(error) => (Err(error), None),
        })
    }

    /// Gives `count` credits back, also after `close`, and says whether somebody may wait for them.
    ///
    /// After a shrink it pays the debt first. Credits given back after `close` wake nobody.
    ///
    /// # Errors
    /// [`OverRelease`] when fewer are taken. Nothing changes.
    #[inline]
    pub fn release(&self, count: u32) -> Result<Released, OverRelease> {
        self.transition(|word| match word.give_back(count) {
            Ok(next) => (Ok(next.released()), Some(next)),
            Err(error) => (Err(error), None),
        })
    }

    /// Changes how many credits there are.
    ///
    /// Growing frees credits at once, and says whether somebody may wait for them. Shrinking below what is taken
    /// leaves a debt that releases pay before anybody takes a credit again (C2).
    ///
    /// # Errors
    /// [`ResizeError::Closed`] after `close`, [`ResizeError::TooMany`] above [`Credits::MAX`]. Nothing changes.
    pub fn resize(&self, capacity: u32) -> Result<Released, ResizeError> {
        self.transition(|word| match word.resize(capacity) {
            Ok(next) => (Ok(next.released()), Some(next)),
            Err(error) => (Err(error), None),
        })
    }

    /// Tells who left the queue, served or cancelled, whether the next in it may be served (rule 2).
    pub fn pass_on(&self) -> Released {
        // The word is exchanged for itself: a registration that comes after it sees all that came before, and one that
        // came before it is seen here together with its place in the queue.
        self.transition(|word| (word.released(), Some(word)))
    }

    /// Takes note that the queue was found empty; the caller then looks once more (rule 3).
    pub fn hush(&self) {
        // ORDERING: Acquire. Who registered before this put itself into the queue before that, and the caller's second
        // look has to find it there (C5); who registers after it finds the bit clear. Nothing is published: the caller
        // has only read. Model: `credit::hush_meets_the_newcomer`.
        self.word.fetch_and(!Word::WAITERS, Acquire);
    }

    /// Closes the credits: nobody takes one any more; those that are taken may still be given back.
    ///
    /// Idempotent: of all callers, one gets an answer other than [`Close::Already`].
    pub fn close(&self) -> Close {
        // ORDERING: AcqRel. Release shows the refused what the closer did before (C7), Acquire shows the closer the
        // queue of those that registered before (C5). Models: `credit::refused_sees_the_closer`,
        // `credit::close_meets_the_waiter`.
        let before = Word(self.word.fetch_or(Word::CLOSED, AcqRel));
        match (before.is_closed(), before.has_waiters()) {
            (true, _) => Close::Already,
            (false, true) => Close::Wake,
            (false, false) => Close::Continue,
        }
    }

    /// How many credits there are.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.read().capacity()
    }

    /// How many credits are taken.
    #[must_use]
    pub fn taken(&self) -> u32 {
        self.read().taken()
    }

    /// How many credits are free; zero while there is debt. It does not say whether somebody waits for them.
    #[must_use]
    pub fn free(&self) -> u32 {
        self.read().free()
    }

    /// How many credits are taken beyond the capacity, since a shrink.
    #[must_use]
    pub fn debt(&self) -> u32 {
        let word = self.read();
        word.taken().saturating_sub(word.capacity())
    }

    /// Whether the credits were closed; once true it stays true.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.read().is_closed()
    }

    fn read(&self) -> Word {
        // ORDERING: Acquire. Who is refused because of `CLOSED` sees what the closer did before (C7); it pairs with
        // the Release half of `close`. Model: `credit::refused_sees_the_closer`.
        Word(self.word.load(Acquire))
    }

    /// Applies `decide` to the current word until its answer took effect, or needs no effect.
    #[inline]
    fn transition<A>(&self, decide: impl Fn(Word) -> (A, Option<Word>)) -> A {
        let mut current = self.read();
        loop {
            let (answer, next) = match decide(current) {
                (answer, None) => return answer,
                (answer, Some(next)) => (answer, next),
            };
            // ORDERING: AcqRel; Acquire on failure. Release hands a holder's work to who takes the credit next, and a
            // waiter's place in the queue to who is told to wake; Acquire receives them (C7, C5). Models:
            // `credit::taker_sees_former_holders`, `credit::release_meets_the_waiter`.
            match self
                .word
                .compare_exchange_weak(current.0, next.0, AcqRel, Acquire)
            {
                Ok(_) => return answer,
                Err(seen) => current = Word(seen),
            }
            sync::back_off();
        }
    }
}

impl fmt::Debug for Credits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.read();
        f.debug_struct("Credits")
            .field("closed", &word.is_closed())
            .field("waiters", &word.has_waiters())
            .field("capacity", &word.capacity())
            .field("taken", &word.taken())
            .finish()
    }
}

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the credits are closed; give up, they never open again"),
            Self::Short { free } => write!(f, "only {free} credits are free; wait for a release"),
            Self::Queued => f.write_str("others wait for credits; queue behind them"),
            Self::TooMany => fmt::Display::fmt(&TooMany, f),
        }
    }
}

impl Error for AcquireError {}

impl fmt::Display for ResizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the credits are closed; make new ones"),
            Self::TooMany => fmt::Display::fmt(&TooMany, f),
        }
    }
}

impl Error for ResizeError {}

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "one word counts at most {} credits; count in larger units",
            Credits::MAX
        )
    }
}

impl Error for TooMany {}

impl fmt::Display for OverRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "only {} credits are taken; give back what was taken, once",
            self.taken
        )
    }
}

impl Error for OverRelease {}

/// One decoded value of the atomic word; its methods are the transitions, free of any atomic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Word(u32);

impl Word {
    /// Set by the first `close`, never cleared.
    const CLOSED: u32 = 1 << 31;
    /// Somebody may wait for credits.
    const WAITERS: u32 = 1 << 30;
    /// Where the capacity begins; what is taken begins at bit 0.
    const CAPACITY_SHIFT: u32 = 15;
    /// Width of the capacity, and of what is taken.
    const COUNT: u32 = (1 << Self::CAPACITY_SHIFT) - 1;

    /// An open word; `capacity` is at most `COUNT`.
    const fn open(capacity: u32) -> Self {
        Self(capacity << Self::CAPACITY_SHIFT)
    }

    const fn is_closed(self) -> bool {
        self.0 & Self::CLOSED != 0
    }

    const fn has_waiters(self) -> bool {
        self.0 & Self::WAITERS != 0
    }

    const fn capacity(self) -> u32 {
        (self.0 >> Self::CAPACITY_SHIFT) & Self::COUNT
    }

    const fn taken(self) -> u32 {
        self.0 & Self::COUNT
    }

    const fn free(self) -> u32 {
        self.capacity().saturating_sub(self.taken())
    }

    const fn wait(self) -> Self {
        Self(self.0 | Self::WAITERS)
    }

    /// Never carries into the capacity: what fits in `free` leaves `taken` within it.
    const fn take(self, wanted: u32, turn: Turn) -> Result<Self, AcquireError> {
        if self.is_closed() {
            return Err(AcquireError::Closed);
        }
        if wanted > Self::COUNT {
            return Err(AcquireError::TooMany);
        }
        let free = self.free();
        if wanted > free {
            return Err(AcquireError::Short { free });
        }
        if self.has_waiters() && matches!(turn, Turn::Newcomer) {
            return Err(AcquireError::Queued);
        }
        if matches!(turn, Turn::Behind) {
            return Err(AcquireError::Queued);
        }
        Ok(Self(self.0 + wanted))
    }

    /// Never borrows from the capacity: more than `taken` is refused.
    const fn give_back(self, count: u32) -> Result<Self, OverRelease> {
        let taken = self.taken();
        if count > taken {
            return Err(OverRelease { taken });
        }
        Ok(Self(self.0 - count))
    }

    const fn resize(self, capacity: u32) -> Result<Self, ResizeError> {
        if self.is_closed() {
            return Err(ResizeError::Closed);
        }
        if capacity > Self::COUNT {
            return Err(ResizeError::TooMany);
        }
        let rest = self.0 & !(Self::COUNT << Self::CAPACITY_SHIFT);
        Ok(Self(rest | Self::open(capacity).0))
    }

    /// What to say to a caller that left the word like this.
    const fn released(self) -> Released {
        match self.free() {
            free if free > 0 && self.has_waiters() && !self.is_closed() => Released::Wake { free },
            _ => Released::Continue,
        }
    }
}

#[cfg(test)]
mod tests;
