//! How many items went through a mailbox.

use crate::sync::Ordering::{Acquire, Relaxed, Release};
use crate::sync::{AtomicU32, const_fn};

/// What went through a mailbox, read at one moment; each count wraps, and so does their difference.
///
/// `sent = received + dropped + held + in_hand()`, at every moment; nothing is in hand when nobody is in the middle of
/// an operation.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Counts {
    /// Items that entered, or that the policy dropped for want of room. An item that goes back to a sender that may
    /// wait, or because the mailbox is closed, is not among them.
    pub sent: u32,
    /// Items that a receiver got.
    pub received: u32,
    /// Items that the policy dropped: refused, dropped as they came, or displaced by a later one.
    pub dropped: u32,
    /// Items that wait to be received.
    pub held: u32,
}

impl Counts {
    /// How many items are in the middle of being sent, received or dropped, or were while the counts were read.
    #[must_use]
    pub const fn in_hand(&self) -> u32 {
        self.sent
            .wrapping_sub(self.received)
            .wrapping_sub(self.dropped)
            .wrapping_sub(self.held)
    }
}

/// The counts that the word does not keep.
///
/// An item is counted as sent before it can be seen, and as received or dropped after it can no longer be. So who reads
/// in the opposite order never finds more gone and held than were sent (M6).
#[derive(Debug)]
pub(super) struct Tally {
    sent: AtomicU32,
    received: AtomicU32,
    dropped: AtomicU32,
}

impl Tally {
    const_fn! {
        pub(super) fn new() -> Self {
            Self {
                sent: AtomicU32::new(0),
                received: AtomicU32::new(0),
                dropped: AtomicU32::new(0),
            }
        }
    }

    pub(super) fn sent(&self) {
        // ORDERING: Relaxed. The exchange that publishes the item publishes this count (M6). Model:
        // `mailbox::counts_never_exceed`.
        self.sent.fetch_add(1, Relaxed);
    }

    /// Takes one back that was counted and then refused.
    pub(super) fn refused(&self) {
        // ORDERING: Relaxed. Too high a count was no harm, and nobody reads anything else because of it (M6). Model:
        // `mailbox::close_meets_the_sender`.
        self.sent.fetch_sub(1, Relaxed);
    }

    pub(super) fn received(&self) {
        // ORDERING: Release. Who reads this count finds the item gone, and counted as sent (M6). Model:
        // `mailbox::counts_never_exceed`.
        self.received.fetch_add(1, Release);
    }

    pub(super) fn dropped(&self, items: u32) {
        // ORDERING: Release. Who reads this count finds the items gone, and counted as sent (M6). Model:
        // `mailbox::counts_never_exceed`.
        self.dropped.fetch_add(items, Release);
    }

    pub(super) fn read(&self, held: impl FnOnce() -> u32) -> Counts {
        // ORDERING: Acquire. What is counted here is gone from what is read below, and counted there as sent (M6). Model:
        // `mailbox::counts_never_exceed`.
        let received = self.received.load(Acquire);
        // ORDERING: Acquire, as above. Model: `mailbox::counts_never_exceed`.
        let dropped = self.dropped.load(Acquire);
        let held = held();
        Counts {
            // ORDERING: Relaxed. It is read last, and nothing after it (M6). Model: `mailbox::counts_never_exceed`.
            sent: self.sent.load(Relaxed),
            received,
            dropped,
            held,
        }
    }
}
