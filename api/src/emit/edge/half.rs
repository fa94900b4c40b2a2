//! The two ends of an edge.

use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::Ordering::{AcqRel, Relaxed};

use event_listener::{Listener, listener};
use sweet_async_core::credit::Turn;

use crate::emit::Chunk;
use crate::emit::edge::shared::{Overflow, Sent, Shared};
use crate::emit::edge::{Closed, SendError, TryRecvError};
use crate::emit::yielding::{YIELDS_BEFORE_SLEEP, yield_now};

/// Makes an edge on which at most `capacity` chunks wait (at least one).
///
/// # Examples
/// ```
/// use sweet_async_api::emit::{Overflow, Sent, edge};
/// let (sender, receiver) = edge::<Vec<u32>>(16, Overflow::Block);
/// let mut chunk = vec![1, 2, 3];
/// assert_eq!(sender.send_blocking(&mut chunk), Ok(Sent::Delivered));
/// assert!(chunk.is_empty());
/// drop(sender);
///
/// let mut chunk = Vec::new();
/// assert_eq!(receiver.recv_blocking(&mut chunk), Ok(()));
/// assert_eq!(chunk, [1, 2, 3]);
/// assert!(receiver.recv_blocking(&mut chunk).is_err());
/// ```
#[must_use]
pub fn edge<P: Chunk>(capacity: usize, overflow: Overflow) -> (EventSender<P>, EventReceiver<P>) {
    let shared = Arc::new(Shared::new(capacity, overflow));
    (
        EventSender {
            shared: Arc::clone(&shared),
        },
        EventReceiver { shared },
    )
}

/// The end of an edge that chunks go into. Clones send on the same edge; the edge closes with the last one.
pub struct EventSender<P: Chunk> {
    shared: Arc<Shared<P>>,
}

impl<P: Chunk> EventSender<P> {
    /// Sends the rows of `chunk`, waiting for room if the edge's policy is [`Overflow::Block`]. Lets other tasks run a few
    /// times before it goes to sleep.
    ///
    /// On [`Sent::Delivered`] `chunk` is an empty buffer, on [`Sent::Displaced`] it holds the rows that were displaced,
    /// and on an error it is as it was.
    ///
    /// # Cancel safety
    /// Dropped at an await, nothing was sent and `chunk` is as it was (test: `dropped_at_every_poll_loses_nothing`).
    ///
    /// # Fairness
    /// Waiting senders are woken in the order they came, half an edge of room at a time.
    pub async fn send(&self, chunk: &mut P) -> Result<Sent, SendError> {
        for _ in 0..YIELDS_BEFORE_SLEEP {
            match self.try_send(chunk) {
                Err(SendError::Full) if self.shared.overflow == Overflow::Block => yield_now().await,
                answer => return answer,
            }
        }
        let _place = Place(&self.shared);
        let mut turn = Turn::Newcomer;
        loop {
            listener!(self.shared.room => room);
            match self.shared.send_or_register(chunk, turn) {
                Some(answer) => return answer.map(|()| Sent::Delivered),
                None => room.await,
            }
            turn = Turn::Head;
        }
    }

    /// [`EventSender::send`] for a thread that may block.
    pub fn send_blocking(&self, chunk: &mut P) -> Result<Sent, SendError> {
        match self.try_send(chunk) {
            Err(SendError::Full) if self.shared.overflow == Overflow::Block => {}
            answer => return answer,
        }
        let _place = Place(&self.shared);
        let mut turn = Turn::Newcomer;
        loop {
            listener!(self.shared.room => room);
            match self.shared.send_or_register(chunk, turn) {
                Some(answer) => return answer.map(|()| Sent::Delivered),
                None => room.wait(),
            }
            turn = Turn::Head;
        }
    }

    /// [`EventSender::send`] without waiting: [`Overflow::Block`] answers [`SendError::Full`].
    pub fn try_send(&self, chunk: &mut P) -> Result<Sent, SendError> {
        match self.shared.overflow {
            Overflow::Block | Overflow::Reject => self.shared.try_send(chunk).map(|()| Sent::Delivered),
            Overflow::DropNewest => match self.shared.try_send(chunk) {
                Ok(()) => Ok(Sent::Delivered),
                Err(SendError::Full) => {
                    self.shared.count_displaced(chunk);
                    Ok(Sent::Displaced)
                }
                Err(closed) => Err(closed),
            },
            Overflow::DropOldest | Overflow::KeepLatest => self.shared.send_displacing(chunk),
        }
    }

    /// Closes the edge: nothing more goes in, receivers take what waits.
    pub fn close(&self) {
        self.shared.close();
    }

    /// Whether nothing more can be sent.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// Chunks waiting now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.waiting()
    }

    /// Chunks that can wait.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.shared.capacity()
    }

    /// Rows displaced so far by the overflow policy.
    #[must_use]
    pub fn displaced(&self) -> u64 {
        self.shared.displaced()
    }
}

impl<P: Chunk> Clone for EventSender<P> {
    fn clone(&self) -> Self {
        // Relaxed: this sender keeps the count above zero, and the clone reaches others by means that synchronize.
        self.shared.senders.fetch_add(1, Relaxed);
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<P: Chunk> Drop for EventSender<P> {
    fn drop(&mut self) {
        // AcqRel: whoever closes comes after every send of every sender, so that no chunk is refused for the close.
        if self.shared.senders.fetch_sub(1, AcqRel) == 1 {
            self.shared.close();
        }
    }
}

impl<P: Chunk> fmt::Debug for EventSender<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe("EventSender", &self.shared, f)
    }
}

/// A sender's place in the queue for room. Dropped after its listener, it lets the next one have its turn.
struct Place<'a, P: Chunk>(&'a Shared<P>);

impl<P: Chunk> Drop for Place<'_, P> {
    fn drop(&mut self) {
        self.0.left_queue();
    }
}

/// The end of an edge that chunks come out of. Clones share the work: each chunk goes to one of them. Senders are refused
/// once the last one is gone.
pub struct EventReceiver<P: Chunk> {
    shared: Arc<Shared<P>>,
}

impl<P: Chunk> EventReceiver<P> {
    /// Waits for the next chunk and exchanges it for the used buffer in `chunk`. Lets other tasks run a few times before
    /// it goes to sleep.
    ///
    /// # Cancel safety
    /// Dropped at an await, nothing was received, `chunk` is as it was, and a wake-up meant for this call goes to the
    /// next receiver (tests: `dropped_at_every_poll_loses_nothing`, `dropped_receiver_passes_the_wake_up_on`).
    pub async fn recv(&self, chunk: &mut P) -> Result<(), Closed> {
        for _ in 0..YIELDS_BEFORE_SLEEP {
            match self.shared.try_recv(chunk) {
                Ok(()) => return Ok(()),
                Err(TryRecvError::Closed) => return Err(Closed),
                Err(TryRecvError::Empty) => yield_now().await,
            }
        }
        loop {
            listener!(self.shared.work => work);
            self.shared.is_hungry();
            match self.shared.try_recv(chunk) {
                Ok(()) => return Ok(()),
                Err(TryRecvError::Closed) => return Err(Closed),
                Err(TryRecvError::Empty) => work.await,
            }
        }
    }

    /// [`EventReceiver::recv`] for a thread that may block.
    pub fn recv_blocking(&self, chunk: &mut P) -> Result<(), Closed> {
        loop {
            listener!(self.shared.work => work);
            self.shared.is_hungry();
            match self.shared.try_recv(chunk) {
                Ok(()) => return Ok(()),
                Err(TryRecvError::Closed) => return Err(Closed),
                Err(TryRecvError::Empty) => work.wait(),
            }
        }
    }

    /// [`EventReceiver::recv`] without waiting.
    pub fn try_recv(&self, chunk: &mut P) -> Result<(), TryRecvError> {
        self.shared.try_recv(chunk)
    }

    /// Closes the edge: senders are refused at once; what waits can still be received.
    pub fn close(&self) {
        self.shared.close();
    }

    /// Chunks waiting now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.waiting()
    }
}

impl<P: Chunk> Clone for EventReceiver<P> {
    fn clone(&self) -> Self {
        // Relaxed: as for a sender's clone.
        self.shared.receivers.fetch_add(1, Relaxed);
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<P: Chunk> Drop for EventReceiver<P> {
    fn drop(&mut self) {
        // AcqRel: as for a sender's drop.
        if self.shared.receivers.fetch_sub(1, AcqRel) == 1 {
            self.shared.close();
        }
    }
}

impl<P: Chunk> fmt::Debug for EventReceiver<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe("EventReceiver", &self.shared, f)
    }
}

fn describe<P: Chunk>(name: &str, shared: &Shared<P>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.debug_struct(name)
        .field("waiting", &shared.waiting())
        .field("capacity", &shared.capacity())
        .field("overflow", &shared.overflow)
        .field("closed", &shared.is_closed())
        .finish_non_exhaustive()
}
