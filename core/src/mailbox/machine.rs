//! The mailbox and its operations.

use core::fmt;

use crate::mailbox::cell::Cell;
use crate::mailbox::tally::Tally;
use crate::mailbox::word::{Denied, Word};
use crate::mailbox::{Counts, Displaced, Receiving, Refused, SendError, Sending, TryRecvError};
use crate::pressure::Overflow;
use crate::sync::AtomicU32;
use crate::sync::Ordering::{AcqRel, Acquire, Release};
use crate::waiters::WaiterSet;

/// A queue of at most `N` items for any number of senders and receivers; `W` of them may wait at either end.
///
/// # Examples
/// ```
/// use sweet_async_core::mailbox::{Mailbox, SendError, TryRecvError};
///
/// static BOX: Mailbox<u8, 2> = Mailbox::new();
///
/// // From an interrupt, or anywhere else.
/// BOX.try_send(1)?;
/// BOX.try_send(2)?;
/// assert_eq!(BOX.try_send(3).map_err(|error| error.item), Err(3));
/// // From a task: `BOX.recv().await`.
/// assert_eq!(BOX.try_recv(), Ok(1));
/// BOX.close();
/// assert_eq!(BOX.try_recv(), Ok(2));
/// assert_eq!(BOX.try_recv(), Err(TryRecvError::Closed));
/// # Ok::<(), SendError<u8>>(())
/// ```
pub struct Mailbox<T, const N: usize, const W: usize = 4> {
    word: AtomicU32,
    overflow: Overflow,
    pub(super) tally: Tally,
    pub(super) cells: [Cell<T>; N],
    senders: WaiterSet<W>,
    receivers: WaiterSet<W>,
}

impl<T, const N: usize, const W: usize> Mailbox<T, N, W> {
    /// The most items that one word orders.
    pub const MAX: usize = Word::SLOTS as usize;

    /// `N`, which is at most `MAX`.
    #[expect(clippy::cast_possible_truncation, reason = "at most seven")]
    const SLOTS: u32 = N as u32;

    /// An empty mailbox whose senders wait for room; no slot, or more than [`Mailbox::MAX`], do not compile.
    #[cfg(not(sweet_loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self::with(Overflow::Block)
    }

    /// An empty mailbox whose senders wait for room; no slot, or more than [`Mailbox::MAX`], do not compile.
    #[cfg(sweet_loom)]
    #[must_use]
    pub fn new() -> Self {
        Self::with(Overflow::Block)
    }

    /// An empty mailbox that does what the policy says when there is no room.
    ///
    /// # Examples
    /// ```
    /// use sweet_async_core::mailbox::{Mailbox, SendError};
    /// use sweet_async_core::pressure::Overflow;
    ///
    /// static LAST_TWO: Mailbox<u8, 2> = Mailbox::with(Overflow::DropOldest);
    ///
    /// for reading in 1..=3 {
    ///     let dropped: Option<u8> = LAST_TWO.try_send(reading)?.next();
    ///     assert_eq!(dropped, (reading == 3).then_some(1));
    /// }
    /// let counts = LAST_TWO.counts();
    /// assert_eq!((counts.sent, counts.dropped, counts.held), (3, 1, 2));
    /// # Ok::<(), SendError<u8>>(())
    /// ```
    #[cfg(not(sweet_loom))]
    #[must_use]
    pub const fn with(overflow: Overflow) -> Self {
        const { Self::assert_size() }
        Self {
            word: AtomicU32::new(Word::EMPTY.0),
            overflow,
            tally: Tally::new(),
            cells: [const { Cell::new() }; N],
            senders: WaiterSet::new(),
            receivers: WaiterSet::new(),
        }
    }

    /// An empty mailbox that does what the policy says when there is no room.
    #[cfg(sweet_loom)]
    #[must_use]
    pub fn with(overflow: Overflow) -> Self {
        const { Self::assert_size() }
        Self {
            word: AtomicU32::new(Word::EMPTY.0),
            overflow,
            tally: Tally::new(),
            cells: core::array::from_fn(|_| Cell::new()),
            senders: WaiterSet::new(),
            receivers: WaiterSet::new(),
        }
    }

    const fn assert_size() {
        assert!(N >= 1, "a mailbox without a slot holds nothing");
        assert!(N <= Self::MAX, "more slots than one word orders");
    }

    /// Sends without waiting, also from an interrupt handler; answers with what was dropped for it.
    ///
    /// It does not queue: an item may enter while earlier senders wait for room.
    ///
    /// # Errors
    /// [`Refused::Closed`] after `close`, and [`Refused::Full`] when there is no room and the policy neither drops the
    /// item nor makes room. The item goes back.
    pub fn try_send(&self, item: T) -> Result<Displaced<T, N>, SendError<T>> {
        let slot = match self.transition(|word| word.admit(Self::SLOTS, self.overflow)) {
            Ok(slot) => slot,
            Err(denied) => return self.deny(denied, item),
        };
        let mut displaced = Displaced::none();
        match self.put(slot, item) {
            Ok(evicted) => displaced.push(evicted),
            // Not reached, the slot being ours (M1); what is in the cell would go to the next who uses it.
            Err(item) => {
                self.free(1 << slot);
                return Err(SendError::new(Refused::Full, item));
            }
        }
        // Before the item can be seen: it is never received without having been sent (M6).
        self.tally.sent();
        let Ok(evicted) = self.transition(|word| word.publish(slot, self.overflow)) else {
            return self.withdraw(slot, displaced);
        };
        self.clear(evicted, &mut displaced);
        self.tally.dropped(displaced.items());
        self.receivers.wake_head();
        Ok(displaced)
    }

    /// Takes the oldest item without waiting, also from an interrupt handler.
    ///
    /// It does not queue: the item may be one for which an earlier receiver was woken, which then waits on.
    ///
    /// # Errors
    /// [`TryRecvError::Closed`] after `close` if nothing is held, [`TryRecvError::Empty`] before.
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        loop {
            let slot = self.transition(|word| word.pop().ok_or_else(|| word.nothing()))?;
            let item = self.take(slot);
            self.tally.received();
            self.free(1 << slot);
            // A published slot holds an item (M1); the loop only says what would be if it did not.
            if let Some(item) = item {
                return Ok(item);
            }
        }
    }

    /// Sends, or does what the policy says; under [`Overflow::Block`] it waits for room behind those who came before.
    ///
    /// Nothing is sent before the first poll.
    pub const fn send(&self, item: T) -> Sending<'_, T, N, W> {
        Sending::new(self, item)
    }

    /// Waits for an item behind those who came before.
    pub const fn recv(&self) -> Receiving<'_, T, N, W> {
        Receiving::new(self)
    }

    /// Closes the mailbox: nothing enters any more, what is held may still be received; answers whether this caller
    /// closed it.
    pub fn close(&self) -> bool {
        // ORDERING: Release. Who is refused because of it sees what the closer did before (M5). Model:
        // `mailbox::refused_sees_the_closer`.
        let before = Word(self.word.fetch_or(Word::CLOSED, Release));
        if !before.is_closed() {
            self.senders.wake_all();
            self.receivers.wake_all();
        }
        !before.is_closed()
    }

    /// Whether the mailbox was closed; once true it stays true.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.read().is_closed()
    }

    /// How many items are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read().len() as usize
    }

    /// Whether no item is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.read().len() == 0
    }

    /// What happens to an item for which there is no room.
    #[must_use]
    pub const fn overflow(&self) -> Overflow {
        self.overflow
    }

    /// How many items went through.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.tally.read(|| self.read().len())
    }

    pub(super) const fn senders(&self) -> &WaiterSet<W> {
        &self.senders
    }

    pub(super) const fn receivers(&self) -> &WaiterSet<W> {
        &self.receivers
    }

    /// Whether nothing is held and nothing comes any more.
    pub(super) fn is_over(&self) -> bool {
        let word = self.read();
        word.is_closed() && word.len() == 0
    }

    /// Wakes the next sender on behalf of one that left, which may have been woken in its place (M7).
    pub(super) fn pass_on_to_sender(&self) {
        if self.read().serves_senders(Self::SLOTS) {
            self.senders.wake_head();
        }
    }

    /// Wakes the next receiver on behalf of one that left, which may have been woken in its place (M7).
    pub(super) fn pass_on_to_receiver(&self) {
        if self.read().serves_receivers() {
            self.receivers.wake_head();
        }
    }

    /// Does with an item that got no slot what the policy says.
    fn deny(&self, denied: Denied, item: T) -> Result<Displaced<T, N>, SendError<T>> {
        if matches!(denied, Denied::Refuse | Denied::DropNew) {
            self.tally.sent();
            self.tally.dropped(1);
        }
        match denied {
            Denied::Closed => Err(SendError::new(Refused::Closed, item)),
            Denied::Wait | Denied::Refuse => Err(SendError::new(Refused::Full, item)),
            Denied::DropNew => {
                let mut displaced = Displaced::none();
                displaced.push(Some(item));
                Ok(displaced)
            }
        }
    }

    /// Gives back an item that was in its slot already when the mailbox was closed.
    pub(super) fn withdraw(
        &self,
        slot: u32,
        mut displaced: Displaced<T, N>,
    ) -> Result<Displaced<T, N>, SendError<T>> {
        let item = self.take(slot);
        self.tally.dropped(displaced.items());
        self.free(1 << slot);
        match item {
            Some(item) => {
                self.tally.refused();
                Err(SendError {
                    item,
                    reason: Refused::Closed,
                    displaced: displaced.next(),
                })
            }
            // Not reached, the slot being ours (M1): whoever had emptied it would have the item.
            None => Ok(displaced),
        }
    }

    /// Takes out the items that went for a later one, and frees their slots.
    fn clear(&self, evicted: Word, displaced: &mut Displaced<T, N>) {
        let mut slots = 0;
        for position in 0..evicted.len() {
            let slot = evicted.slot_at(position);
            displaced.push(self.take(slot));
            slots |= 1 << slot;
        }
        if slots != 0 {
            self.free(slots);
        }
    }

    /// Gives slots of the caller back, whose cells it left empty.
    pub(super) fn free(&self, slots: u32) {
        // ORDERING: Release. Who claims one of them finds its cell empty and left alone (M1). Model:
        // `mailbox::slot_is_used_again`.
        self.word.fetch_and(!slots, Release);
        if self.overflow == Overflow::Block {
            self.senders.wake_head();
        }
    }

    pub(super) fn put(&self, slot: u32, item: T) -> Result<Option<T>, T> {
        match self.cells.get(slot as usize) {
            Some(cell) => cell.put(item),
            None => Err(item),
        }
    }

    pub(super) fn take(&self, slot: u32) -> Option<T> {
        self.cells.get(slot as usize)?.take()
    }

    fn read(&self) -> Word {
        // ORDERING: Acquire. Who finds the mailbox closed sees what the closer did before (M5). Model:
        // `mailbox::refused_sees_the_closer`.
        Word(self.word.load(Acquire))
    }

    /// Applies `decide` to the current word until its answer took effect, or is a refusal.
    pub(super) fn transition<A, E>(&self, decide: impl Fn(Word) -> Result<(A, Word), E>) -> Result<A, E> {
        let mut current = self.read();
        loop {
            let (answer, next) = decide(current)?;
            // ORDERING: AcqRel; Acquire on failure, because the next decision may be a refusal (M5). Release hands the
            // item to who takes it out. Acquire receives it, and a slot that was freed with its cell empty; to have read
            // the same word before is not enough, another item may be in the slot by now (M1). Models:
            // `mailbox::item_travels_with_its_slot`, `mailbox::same_word_may_mean_another_item`.
            match self
                .word
                .compare_exchange_weak(current.0, next.0, AcqRel, Acquire)
            {
                Ok(_) => return Ok(answer),
                Err(seen) => current = Word(seen),
            }
        }
    }
}

impl<T, const N: usize, const W: usize> Default for Mailbox<T, N, W> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const N: usize, const W: usize> fmt::Debug for Mailbox<T, N, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.read();
        f.debug_struct("Mailbox")
            .field("slots", &N)
            .field("held", &word.len())
            .field("closed", &word.is_closed())
            .field("overflow", &self.overflow)
            .field("senders", &self.senders)
            .field("receivers", &self.receivers)
            .finish_non_exhaustive()
    }
}
