//! The clock that threads share.

use core::fmt;

use crate::sync::AtomicU32;
use crate::sync::Ordering::{Acquire, Relaxed, Release};
use crate::vector_clock::{TickError, VectorClock};

/// A vector clock of `N` nodes that any thread may tick, merge into and read.
///
/// A tick is one compare-and-swap when nobody interferes, a merge at most one `fetch_max` per slot, and none where the
/// clock is ahead already. A merge is wait-free where `fetch_max` is; a tick and a snapshot are lock-free: they start
/// again only because another thread's tick or merge took effect in between (or the processor lost its reservation).
/// The models in `loom-tests/tests/vector_clock.rs` prove V2 to V6.
///
/// # What a snapshot guarantees
/// The slots are read until two passes agree. So a snapshot shows all that lies before any tick that it shows (V5):
/// the second pass reads after the tick was seen, and cannot read less than what was merged before it. Snapshots that
/// follow each other never go back (V4). Two threads may see independent ticks in different orders; their snapshots
/// are concurrent then.
///
/// It may fall *into* the merge of another thread, and then shows some of the merged counts and not yet the others. A
/// count of another node that no local tick has confirmed therefore does not prove that the snapshot contains that
/// node's whole past. Compared as a whole, such a snapshot errs to the side of [`Concurrent`]; the shortcut of looking
/// at one slot only is not valid for it. Who merges first and ticks after that, and stamps messages after the tick,
/// never sends half of what it merged itself.
///
/// [`Concurrent`]: crate::vector_clock::Causality::Concurrent
///
/// # Examples
/// ```
/// use sweet_async_core::vector_clock::{AtomicVectorClock, TickError, VectorClock};
///
/// static CLOCK: AtomicVectorClock<3> = AtomicVectorClock::new();
///
/// CLOCK.merge(&VectorClock::from_counts([0, 7, 2]));
/// assert_eq!(CLOCK.tick(0)?, 1);
/// assert_eq!(CLOCK.snapshot().counts(), &[1, 7, 2]);
/// # Ok::<(), TickError>(())
/// ```
pub struct AtomicVectorClock<const N: usize> {
    slots: [AtomicU32; N],
}

impl<const N: usize> AtomicVectorClock<N> {
    /// No event of any node.
    #[cfg(not(sweet_loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self {
            slots: [const { AtomicU32::new(0) }; N],
        }
    }

    /// No event of any node.
    #[cfg(sweet_loom)]
    #[must_use]
    pub fn new() -> Self {
        Self::starting_from(&VectorClock::new())
    }

    /// Continues from what `past` knows, for instance after a restart.
    #[must_use]
    pub fn starting_from(past: &VectorClock<N>) -> Self {
        Self {
            slots: past.counts().map(AtomicU32::new),
        }
    }

    /// Counts one event of `node`, and answers its number, from 1; no other tick of the node gets it (V3).
    ///
    /// # Errors
    /// [`TickError::UnknownNode`], [`TickError::Overflow`]. Nothing changes: a full count stays full, however many
    /// threads ask (V2).
    ///
    /// # Memory ordering
    /// Publishes what the thread did before, this clock included, to whoever sees the tick in a snapshot (V5, V6).
    pub fn tick(&self, node: usize) -> Result<u32, TickError> {
        let slot = self.slots.get(node).ok_or(TickError::UnknownNode { nodes: N })?;
        // ORDERING: Relaxed. The value is only the guess that the exchange below verifies, or full, which it stays.
        // Model: `vector_clock::ticks_count_each_event_once`.
        let mut count = slot.load(Relaxed);
        loop {
            let next = count.checked_add(1).ok_or(TickError::Overflow)?;
            // ORDERING: Release; Relaxed on failure. Release hands what the thread did and merged before to the
            // snapshot that shows the tick (V5, V6), also through later ticks, which continue the release sequence.
            // The thread itself receives nothing: it learns only a number. Models: `vector_clock::tick_confirms_merge`,
            // `vector_clock::payload_travels_with_the_tick`, `vector_clock::ticks_count_each_event_once`.
            match slot.compare_exchange_weak(count, next, Release, Relaxed) {
                Ok(_) => return Ok(next),
                Err(seen) => count = seen,
            }
        }
    }

    /// Takes over what `stamp` knows: the higher count of each node.
    ///
    /// Slot by slot: a snapshot may see a part of it before the rest.
    ///
    /// # Memory ordering
    /// Publishes what the thread did before to whoever sees in a snapshot a count that this merge has raised (V6).
    pub fn merge(&self, stamp: &VectorClock<N>) {
        for (slot, count) in self.slots.iter().zip(stamp.counts()) {
            // ORDERING: Relaxed. Whoever raised the slot to this count or beyond has published it; a snapshot that
            // happens after this read cannot read less, by coherence (V4, V5). Model:
            // `vector_clock::tick_confirms_merge`.
            if slot.load(Relaxed) < *count {
                // ORDERING: Release. Hands what the thread saw before it merged, the remote tick's payload, to the
                // snapshot that shows the count (V6). A maximum of two counts never shrinks (V2). Models:
                // `vector_clock::payload_travels_through_a_merge`, `vector_clock::snapshots_never_go_back`.
                slot.fetch_max(*count, Release);
            }
        }
    }

    /// What the clock knows: a stamp that contains the past of each tick in it (V5).
    ///
    /// # Memory ordering
    /// Receives what the threads did before the ticks and merges that the snapshot shows (V6).
    #[must_use]
    pub fn snapshot(&self) -> VectorClock<N> {
        let mut counts = self.read();
        loop {
            let again = self.read();
            if again == counts {
                return VectorClock::from_counts(counts);
            }
            counts = again;
        }
    }

    fn read(&self) -> [u32; N] {
        self.slots.each_ref().map(|slot| {
            // ORDERING: Acquire. Receives what was published with the count (V6), and lets the second pass see all
            // that was merged before a tick that the first pass saw (V5). Models: `vector_clock::tick_confirms_merge`,
            // `vector_clock::payload_travels_with_the_tick`, `vector_clock::payload_travels_through_a_merge`.
            slot.load(Acquire)
        })
    }
}

impl<const N: usize> Default for AtomicVectorClock<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> fmt::Debug for AtomicVectorClock<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AtomicVectorClock")
            .field("counts", self.snapshot().counts())
            .finish()
    }
}
