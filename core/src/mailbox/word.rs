//! What one word says about the slots, and what each operation makes of it.

use crate::mailbox::TryRecvError;
use crate::pressure::{Action, Overflow};

/// One decoded value of the atomic word; its methods are the transitions, free of any atomic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Word(pub(super) u32);

/// Why a send got no slot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Denied {
    /// The mailbox was closed.
    Closed,
    /// There is no room, and the policy says to wait for it.
    Wait,
    /// There is no room, and the policy says to give the item back; or there is nothing that could make room.
    Refuse,
    /// There is no room, and the policy says to drop the item.
    DropNew,
}

/// The mailbox was closed between the claim of a slot and its publication.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct ClosedMeanwhile;

impl Word {
    /// How many slots there can be: as many as have a bit of their own and a number of three bits in the order.
    pub(super) const SLOTS: u32 = 7;
    /// Open and empty.
    pub(super) const EMPTY: Self = Self(0);
    /// Set by the first `close`, never cleared.
    pub(super) const CLOSED: u32 = 1 << 31;
    /// Width of one slot in the order.
    const WIDTH: u32 = 3;
    /// The slots that are not free.
    const CLAIMED: u32 = (1 << Self::SLOTS) - 1;
    /// Where the order begins.
    const ORDER_SHIFT: u32 = Self::SLOTS;
    /// Where the length begins, above the order.
    const LEN_SHIFT: u32 = Self::ORDER_SHIFT + Self::SLOTS * Self::WIDTH;
    /// One held item.
    const ONE: u32 = 1 << Self::LEN_SHIFT;
    /// The held items, oldest first.
    const ORDER: u32 = Self::ONE - (1 << Self::ORDER_SHIFT);

    pub(super) const fn is_closed(self) -> bool {
        self.0 & Self::CLOSED != 0
    }

    /// How many items are held.
    pub(super) const fn len(self) -> u32 {
        (self.0 & !Self::CLOSED) >> Self::LEN_SHIFT
    }

    /// The slot of the held item at `position`, the oldest being at zero.
    pub(super) const fn slot_at(self, position: u32) -> u32 {
        (self.0 >> (Self::ORDER_SHIFT + position * Self::WIDTH)) & Self::SLOTS
    }

    /// Whether one of so many slots is free.
    pub(super) const fn has_room(self, slots: u32) -> bool {
        self.0.trailing_ones() < slots
    }

    /// Why there is no item to take out.
    pub(super) const fn nothing(self) -> TryRecvError {
        if self.is_closed() {
            return TryRecvError::Closed;
        }
        TryRecvError::Empty
    }

    /// Whether a receiver has its answer without waiting.
    pub(super) const fn serves_receivers(self) -> bool {
        self.len() > 0 || self.is_closed()
    }

    /// Whether a sender has its answer without waiting.
    pub(super) const fn serves_senders(self, slots: u32) -> bool {
        self.has_room(slots) || self.is_closed()
    }

    /// Gives a sender a slot of its own: a free one or, as the policy says, that of the oldest item.
    pub(super) const fn admit(self, slots: u32, overflow: Overflow) -> Result<(u32, Self), Denied> {
        if self.is_closed() {
            return Err(Denied::Closed);
        }
        match overflow.decide(!self.has_room(slots)) {
            Action::Wait => Err(Denied::Wait),
            Action::Refuse => Err(Denied::Refuse),
            Action::DropNew => Err(Denied::DropNew),
            Action::Push | Action::EvictOldest | Action::EvictAll => {
                match (self.has_room(slots), self.pop()) {
                    (true, _) => Ok(self.claim()),
                    (false, Some(evicted)) => Ok(evicted),
                    (false, None) => Err(Denied::Refuse),
                }
            }
        }
    }

    /// Makes the item in a claimed slot the youngest of those that are held; answers with the word whose items all went
    /// for it, which is `EMPTY` but for [`Overflow::KeepLatest`].
    pub(super) const fn publish(
        self,
        slot: u32,
        overflow: Overflow,
    ) -> Result<(Self, Self), ClosedMeanwhile> {
        if self.is_closed() {
            return Err(ClosedMeanwhile);
        }
        if matches!(overflow, Overflow::KeepLatest) {
            return Ok((self, self.without_items().push(slot)));
        }
        Ok((Self::EMPTY, self.push(slot)))
    }

    /// Takes the oldest item out; its slot stays claimed, now by the caller.
    pub(super) const fn pop(self) -> Option<(u32, Self)> {
        if self.len() == 0 {
            return None;
        }
        let order = ((self.0 & Self::ORDER) >> Self::WIDTH) & Self::ORDER;
        Some((self.slot_at(0), Self((self.0 & !Self::ORDER | order) - Self::ONE)))
    }

    /// The first free slot becomes the caller's; there is one.
    const fn claim(self) -> (u32, Self) {
        let slot = self.0.trailing_ones();
        (slot, Self(self.0 | 1 << slot))
    }

    /// Never carries out of `LEN`: the slot is claimed and not among those that are held.
    const fn push(self, slot: u32) -> Self {
        let position = Self::ORDER_SHIFT + self.len() * Self::WIDTH;
        Self((self.0 | slot << position) + Self::ONE)
    }

    const fn without_items(self) -> Self {
        Self(self.0 & (Self::CLOSED | Self::CLAIMED))
    }
}
