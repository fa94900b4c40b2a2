//! What a pipeline says while it runs and when it ends.

use core::convert::Infallible;
use core::error::Error;
use core::fmt;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use sweet_async_core::vector_clock::{TickError, VectorClock};

use crate::TaskError;
use crate::emit::source::{RowError, SourceError};

/// How many items went where.
///
/// `taken_in = out + dropped + failed + in_flight` holds in every value of this type. What it means in one that was read
/// while the pipeline ran: each count was exact at some moment during the read, no item is counted in two places, and
/// counts never fall from one read to a later one (in flight aside). They advance by whole chunks: an item that a
/// receiver is done with still counts as in flight until its chunk is done (test:
/// `counts_balance_whenever_they_are_read`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Rows that the sender took from the source.
    pub taken_in: u64,
    /// Items that a receiver took without an error.
    pub out: u64,
    /// Rows that no receiver was given: displaced on a full edge, refused by the circuit breaker, or cut off by a kill or
    /// an error.
    pub dropped: u64,
    /// Rows that could not be read, items whose receiver answered an error, and one that it panicked on.
    pub failed: u64,
    /// Rows on the edge or in the hands of a receiver.
    pub in_flight: u64,
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            taken_in,
            out,
            dropped,
            failed,
            in_flight,
        } = self;
        write!(
            f,
            "{taken_in} in, {out} out, {dropped} dropped, {failed} failed, {in_flight} in flight"
        )
    }
}

/// The live counts of one pipeline.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    taken_in: AtomicU64,
    out: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
}

impl Ledger {
    /// Rows are about to go onto the edge. Precedes whatever is counted of them later.
    pub(crate) fn take_in(&self, rows: usize) {
        // Relaxed: the edge hands the chunk on with Release and Acquire, and the count with it.
        self.taken_in.fetch_add(rows as u64, Relaxed);
    }

    pub(crate) fn drop_rows(&self, rows: u64) {
        if rows > 0 {
            // Release: whoever reads this count with Acquire then reads a `taken_in` that includes these rows.
            self.dropped.fetch_add(rows, Release);
        }
    }

    /// A chunk is done.
    pub(crate) fn settle(&self, out: u64, dropped: u64, failed: u64) {
        // Release: as in `drop_rows`.
        self.out.fetch_add(out, Release);
        self.drop_rows(dropped);
        if failed > 0 {
            self.failed.fetch_add(failed, Release);
        }
    }

    /// What has left is read before what came in, so that nothing has left that did not come in.
    pub(crate) fn read(&self) -> Stats {
        let (out, dropped, failed) = (
            self.out.load(Acquire),
            self.dropped.load(Acquire),
            self.failed.load(Acquire),
        );
        let taken_in = self.taken_in.load(Acquire);
        let in_flight = taken_in.saturating_sub(out + dropped + failed);
        Stats {
            taken_in,
            out,
            dropped,
            failed,
            in_flight,
        }
    }
}

/// One item that did not get through.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ItemError<E = Infallible> {
    /// The row could not be read.
    Row(RowError),
    /// The receiver answered this.
    Receiver(E),
}

impl<E: fmt::Display> fmt::Display for ItemError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Row(error) => error.fmt(f),
            Self::Receiver(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for ItemError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Row(error) => Some(error),
            Self::Receiver(error) => Some(error),
        }
    }
}

/// Why a pipeline has no final event.
#[derive(Debug)]
#[non_exhaustive]
pub enum EmitError<E = Infallible> {
    /// The source cannot be read, or not further.
    Source(SourceError),
    /// An item failed, and the pipeline was told to stop at the first.
    Item(ItemError<E>),
    /// An event cannot be stamped: the clock does not know the node, or the node's count is at its end.
    Clock(TickError),
    /// The task of the sender ended badly: the source's iterator panicked, or the task was cancelled by itself.
    Sender(TaskError),
    /// The task of a receiver ended badly: its closure panicked, or the task was cancelled by itself.
    Receiver(TaskError),
}

impl<E: fmt::Display> fmt::Display for EmitError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(error) => error.fmt(f),
            Self::Item(error) => write!(f, "stopped at the first bad item: {error}"),
            Self::Clock(error) => write!(f, "an event cannot be stamped: {error}"),
            Self::Sender(error) => write!(f, "the sender ended early: {error}"),
            Self::Receiver(error) => write!(f, "a receiver ended early: {error}"),
        }
    }
}

impl<E: Error + 'static> Error for EmitError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Source(error) => Some(error),
            Self::Item(error) => Some(error),
            Self::Clock(error) => Some(error),
            Self::Sender(error) | Self::Receiver(error) => Some(error),
        }
    }
}

/// What a running pipeline tells whoever asked with [`on_event`](crate::emit::Emitter::on_event).
#[derive(Debug)]
#[non_exhaustive]
pub enum StreamingEvent<'a, E = Infallible> {
    /// A chunk is done; these are the counts now.
    Continue(Stats),
    /// An item failed.
    Error(&'a ItemError<E>),
    /// The sender was told to stop early; what is in flight will still be worked on.
    Cancelled(Stats),
    /// All data is collected. Exactly one, and the last of all, unless the pipeline fails or is killed: then its handle
    /// has the error, and there is none.
    Final(Stats),
}

/// The final event: what was collected, and how it went.
#[derive(Debug)]
#[must_use = "it carries what was collected"]
pub struct LastEvent<C, E = Infallible, S = ()> {
    pub(crate) collected: C,
    pub(crate) stats: Stats,
    pub(crate) errors: Vec<ItemError<E>>,
    pub(crate) partial: bool,
    pub(crate) stamp: S,
}

impl<C, E, const N: usize> LastEvent<C, E, VectorClock<N>> {
    /// The stamp of this event: it is after every chunk of the pipeline, and after whatever a receiver observed.
    pub const fn stamp(&self) -> &VectorClock<N> {
        &self.stamp
    }
}

impl<C, E, S> LastEvent<C, E, S> {
    /// What was collected.
    pub const fn collected(&self) -> &C {
        &self.collected
    }

    /// What was collected, by value.
    pub fn into_collected(self) -> C {
        self.collected
    }

    /// How many items went where. Nothing is in flight any more.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// The errors that were kept, [`Stats::failed`] says how many there were. Those of one worker are in the order of the
    /// source; the workers follow each other.
    #[must_use]
    pub fn errors(&self) -> &[ItemError<E>] {
        &self.errors
    }

    /// Whether the pipeline was told to stop before the source had ended.
    #[must_use]
    pub const fn is_partial(&self) -> bool {
        self.partial
    }
}
