//! The queue of waiters and who in it is woken.

use core::error::Error;
use core::fmt;
use core::task::Waker;

use crate::credit::{Close, Credits, OverRelease, Released, ResizeError};
use crate::lifecycle::Lifecycle;
use crate::sync::AtomicU32;
use crate::sync::Ordering::{AcqRel, Relaxed};
use crate::waiters::cell::Cell;
use crate::waiters::{Acquire, Cancelled};

/// A queue of at most `N` sleeping tasks, in one word and `N` cells for their wakers.
///
/// # Examples
/// ```
/// use core::pin::pin;
/// use core::task::{Context, Poll, Waker};
///
/// use sweet_async_core::credit::Credits;
/// use sweet_async_core::waiters::WaiterSet;
///
/// static CREDITS: Credits = Credits::of::<1>();
/// static SET: WaiterSet<4> = WaiterSet::new();
///
/// let mut task = Context::from_waker(Waker::noop());
/// let Poll::Ready(Ok(permit)) = pin!(SET.acquire(&CREDITS, 1)).poll(&mut task) else { panic!() };
/// let mut second = pin!(SET.acquire(&CREDITS, 1));
/// assert!(second.as_mut().poll(&mut task).is_pending());
/// drop(permit);
/// assert!(second.poll(&mut task).is_ready());
/// # use core::future::Future;
/// ```
pub struct WaiterSet<const N: usize> {
    word: AtomicU32,
    cells: [Cell; N],
}

/// A set in which as many wait as it has slots.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Full;

impl<const N: usize> WaiterSet<N> {
    /// The most slots that one word orders.
    pub const MAX: usize = Word::SLOTS as usize;

    /// A set in which nobody waits; no slot, or more than [`WaiterSet::MAX`], do not compile.
    #[cfg(not(sweet_loom))]
    #[must_use]
    pub const fn new() -> Self {
        const { Self::assert_size() }
        Self {
            word: AtomicU32::new(Word::EMPTY.0),
            cells: [const { Cell::new() }; N],
        }
    }

    /// A set in which nobody waits; no slot, or more than [`WaiterSet::MAX`], do not compile.
    #[cfg(sweet_loom)]
    #[must_use]
    pub fn new() -> Self {
        const { Self::assert_size() }
        Self {
            word: AtomicU32::new(Word::EMPTY.0),
            cells: core::array::from_fn(|_| Cell::new()),
        }
    }

    const fn assert_size() {
        assert!(N >= 1, "a set without a slot refuses everybody");
        assert!(N <= Self::MAX, "more slots than one word orders");
    }

    /// Waits until `wanted` credits are the caller's, behind those who came before.
    ///
    /// Nothing is taken before the first poll. Whoever gives back credits that are waited for does it through this set,
    /// by dropping a [`Permit`](crate::waiters::Permit) or by [`WaiterSet::release`].
    pub const fn acquire<'a>(&'a self, credits: &'a Credits, wanted: u32) -> Acquire<'a, N> {
        Acquire::new(self, credits, wanted)
    }

    /// Waits until `task` is told to stop, or has ended.
    ///
    /// Whoever cancels or finishes the task calls [`WaiterSet::wake_all`] after it.
    pub const fn cancelled<'a>(&'a self, task: &'a Lifecycle) -> Cancelled<'a, N> {
        Cancelled::new(self, task)
    }

    /// Gives `count` credits back and wakes the head of the queue.
    ///
    /// # Errors
    /// [`OverRelease`] when fewer are taken. Nothing changes and nobody is woken.
    pub fn release(&self, credits: &Credits, count: u32) -> Result<(), OverRelease> {
        let released = credits.release(count)?;
        self.act(credits, released);
        Ok(())
    }

    /// Changes how many credits there are and wakes the head of the queue if some are free.
    ///
    /// # Errors
    /// As [`Credits::resize`]. Nothing changes and nobody is woken.
    pub fn resize(&self, credits: &Credits, capacity: u32) -> Result<(), ResizeError> {
        let released = credits.resize(capacity)?;
        self.act(credits, released);
        Ok(())
    }

    /// Closes the credits and wakes everybody, to be refused; answers whether this caller closed.
    pub fn close(&self, credits: &Credits) -> bool {
        let close = credits.close();
        if close == Close::Wake {
            self.wake_all();
        }
        close != Close::Already
    }

    /// Wakes everybody who waits.
    ///
    /// Who enters afterwards sees what the caller did before; so a waiter that enters, and then looks at what it waits
    /// for, is woken or has seen it (W3).
    pub fn wake_all(&self) {
        let word = self.meet();
        for position in 0..word.len() {
            self.wake(word.slot_at(position));
        }
    }

    /// Wakes who waits longest, on behalf of a machine that serves the head alone.
    ///
    /// Who enters or becomes the head afterwards sees what the caller did before, as with [`WaiterSet::wake_all`].
    #[cfg(feature = "mailbox")]
    pub(crate) fn wake_head(&self) {
        if let Some(head) = self.meet().head() {
            self.wake(head);
        }
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read().len() as usize
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.read().len() == 0
    }

    /// Wakes whom an operation on the credits asks for (rule 3 of [`credit`](crate::credit#waiting)).
    pub(super) fn act(&self, credits: &Credits, released: Released) {
        if released == Released::Continue {
            return;
        }
        if let Some(head) = self.meet().head() {
            self.wake(head);
            return;
        }
        credits.hush();
        // Everybody, not the head alone: the mark of each of them may be erased, so each registers again.
        self.wake_all();
    }

    /// Takes the last place in the queue (W1, W2).
    pub(super) fn enter(&self) -> Result<u32, Full> {
        self.transition(|word| {
            if word.len() as usize >= N {
                return Err(Full);
            }
            Ok((word.slot_at(word.len()), word.enter()))
        })
    }

    /// Gives up the place in the queue that `enter` answered with; only its owner calls this, once.
    pub(super) fn leave(&self, slot: u32) {
        if let Some(cell) = self.cell(slot) {
            cell.clear();
        }
        let left = self.transition(|word| word.leave(slot).map(|next| ((), next)).ok_or(()));
        debug_assert_eq!(left, Ok(()), "a waiter left twice");
    }

    /// Keeps `waker` for the owner of `slot`.
    pub(super) fn register(&self, slot: u32, waker: &Waker) {
        if let Some(cell) = self.cell(slot) {
            cell.register(waker);
        }
    }

    pub(super) fn is_head(&self, slot: u32) -> bool {
        self.read().head() == Some(slot)
    }

    fn wake(&self, slot: u32) {
        if let Some(cell) = self.cell(slot) {
            cell.wake();
        }
    }

    fn cell(&self, slot: u32) -> Option<&Cell> {
        self.cells.get(slot as usize)
    }

    fn read(&self) -> Word {
        // ORDERING: Relaxed. The answer stands alone: who acts on being the head reads nothing that its predecessor
        // wrote, and gets to see that it left through the word of the credits, or in a mailbox through the wake-up that
        // follows on the leaving (W3). Models: `waiters::served_head_wakes_the_next`,
        // `mailbox::served_receiver_wakes_the_next`.
        Word(self.word.load(Relaxed))
    }

    /// Reads the queue on behalf of somebody who wakes.
    fn meet(&self) -> Word {
        // ORDERING: AcqRel, exchanged for itself. Release lets who enters after this see what the caller did before it,
        // Acquire finds who entered before (W3); a load could miss the newcomer that misses the caller's work. Model:
        // `waiters::cancel_meets_the_waiter`.
        Word(self.word.fetch_or(0, AcqRel))
    }

    /// Applies `decide` to the current word until its answer took effect, or is a refusal.
    fn transition<A, E>(&self, decide: impl Fn(Word) -> Result<(A, Word), E>) -> Result<A, E> {
        let mut current = self.read();
        loop {
            let (answer, next) = decide(current)?;
            // ORDERING: AcqRel; Relaxed on failure, because a refusal reads nothing else. Acquire receives what was done
            // before a wake-up that came before the entry (W3). Release and Acquire together hand a slot over with its
            // cell cleared (W1); loom's own cell is in order without that, so no model can notice its absence.
            // Models: `waiters::cancel_meets_the_waiter`, `waiters::slots_are_not_shared`.
            match self
                .word
                .compare_exchange_weak(current.0, next.0, AcqRel, Relaxed)
            {
                Ok(_) => return Ok(answer),
                Err(seen) => current = Word(seen),
            }
        }
    }
}

impl<const N: usize> Default for WaiterSet<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> fmt::Debug for WaiterSet<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.read();
        f.debug_struct("WaiterSet")
            .field("slots", &N)
            .field("waiting", &word.len())
            .field("head", &word.head())
            .finish()
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("every slot for waiters is taken; try later or make the set larger")
    }
}

impl Error for Full {}

/// One decoded value of the atomic word; its methods are the transitions, free of any atomic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Word(pub(super) u32);

impl Word {
    /// How many slots three bits name, and how many of them fit below the length.
    const SLOTS: u32 = 8;
    /// Width of one slot in the order.
    const WIDTH: u32 = 3;
    /// Where the length begins.
    const LEN_SHIFT: u32 = Self::SLOTS * Self::WIDTH;
    /// One waiter.
    const ONE: u32 = 1 << Self::LEN_SHIFT;
    /// Nobody waits; the slots are in the order of their numbers.
    pub(super) const EMPTY: Self = Self(0o76_543_210);

    pub(super) const fn len(self) -> u32 {
        self.0 >> Self::LEN_SHIFT
    }

    /// The slot at `position`; from the length on, the free ones.
    pub(super) const fn slot_at(self, position: u32) -> u32 {
        (self.0 >> (position * Self::WIDTH)) & (Self::SLOTS - 1)
    }

    pub(super) const fn head(self) -> Option<u32> {
        if self.len() == 0 {
            return None;
        }
        Some(self.slot_at(0))
    }

    /// The first free slot becomes the last that waits. Never carries out of `LEN`: the caller is refused before.
    pub(super) const fn enter(self) -> Self {
        Self(self.0 + Self::ONE)
    }

    /// Those behind `slot` move up, and it becomes the first that is free; `None` if it does not wait.
    pub(super) const fn leave(self, slot: u32) -> Option<Self> {
        let len = self.len();
        let mut position = 0;
        while position < len && self.slot_at(position) != slot {
            position += 1;
        }
        if position == len {
            return None;
        }
        let mut next = self;
        while position + 1 < len {
            next = next.with(position, next.slot_at(position + 1));
            position += 1;
        }
        Some(Self(next.with(position, slot).0 - Self::ONE))
    }

    const fn with(self, position: u32, slot: u32) -> Self {
        let shift = position * Self::WIDTH;
        Self((self.0 & !((Self::SLOTS - 1) << shift)) | (slot << shift))
    }
}
