//! The state both ends of an edge share.

use core::mem;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, fence};

use concurrent_queue::{ConcurrentQueue, PopError, PushError};
use event_listener::{Event, IntoNotification};
use sweet_async_core::credit::{AcquireError, Admission, Close, Credits, Released, TooMany, Turn};

use crate::emit::Chunk;
use crate::emit::edge::{SendError, TryRecvError};

/// What a sender does when the edge is full.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Overflow {
    /// Waits for room: the source runs no faster than the receivers.
    #[default]
    Block,
    /// Refuses with [`SendError::Full`]; the chunk stays with the caller.
    Reject,
    /// Displaces the chunk being sent.
    DropNewest,
    /// Displaces the chunk that has waited longest.
    DropOldest,
    /// Displaces whatever waits: the edge holds one chunk, the latest, whatever capacity was asked for.
    KeepLatest,
}

/// What became of a chunk that was sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "an outcome: the caller handles each case")]
#[must_use = "a displaced chunk is in the caller's hands and counted as dropped"]
pub enum Sent {
    /// It waits for a receiver; the caller holds an empty chunk.
    Delivered,
    /// The edge was full: the caller now holds the chunk that was displaced, which the edge has counted.
    Displaced,
}

pub(super) struct Shared<P> {
    /// A credit is taken before a chunk goes into `full` and given back after it came out, so `full` never overflows.
    credits: Credits,
    full: ConcurrentQueue<P>,
    empty: ConcurrentQueue<P>,
    pub(super) work: Event,
    /// A receiver may wait for work. A sender has to look for it only then: looking takes a lock.
    hungry: AtomicBool,
    /// The queue of senders that `credits` speaks of.
    pub(super) room: Event,
    pub(super) overflow: Overflow,
    pub(super) senders: AtomicUsize,
    pub(super) receivers: AtomicUsize,
    displaced: AtomicU64,
    /// Waiting senders are woken once so many credits are free.
    wake_at: u32,
}

impl<P: Chunk> Shared<P> {
    pub(super) fn new(capacity: usize, overflow: Overflow) -> Self {
        let most = if overflow == Overflow::KeepLatest {
            1
        } else {
            Credits::MAX
        };
        let capacity = u32::try_from(capacity).unwrap_or(most).clamp(1, most);
        Self {
            credits: Credits::new(capacity)
                .unwrap_or_else(|TooMany { .. }| Credits::of::<{ Credits::MAX }>()),
            full: ConcurrentQueue::bounded(capacity as usize),
            // Every buffer that can be out: the waiting ones and one in the hands of a few receivers and senders. One
            // more than fits is freed, which costs an allocation later and nothing else.
            empty: ConcurrentQueue::bounded(capacity as usize + 8),
            work: Event::new(),
            hungry: AtomicBool::new(false),
            room: Event::new(),
            overflow,
            senders: AtomicUsize::new(1),
            receivers: AtomicUsize::new(1),
            displaced: AtomicU64::new(0),
            wake_at: capacity.div_ceil(2),
        }
    }

    /// Sends what `chunk` holds if there is room and nobody waits for it, else says so. Never displaces.
    pub(super) fn try_send(&self, chunk: &mut P) -> Result<(), SendError> {
        match self.credits.try_acquire(1) {
            Ok(()) => self.put(chunk),
            Err(AcquireError::Closed) => Err(SendError::Closed),
            Err(_) => Err(SendError::Full),
        }
    }

    /// Sends what `chunk` holds, or sees to it that room is told to the caller, who stands in the queue: `None`.
    pub(super) fn send_or_register(&self, chunk: &mut P, turn: Turn) -> Option<Result<(), SendError>> {
        match self.credits.try_acquire_or_register(1, turn) {
            Ok(Admission::Taken) => Some(self.put(chunk)),
            Ok(Admission::Registered) => None,
            Err(_) => Some(Err(SendError::Closed)),
        }
    }

    /// Sends what `chunk` holds in the place of the longest waiting chunk, which the caller gets. (If the edge is closed
    /// between the two, the longest waiting one is displaced and not handed over, and the caller keeps its own.)
    pub(super) fn send_displacing(&self, chunk: &mut P) -> Result<Sent, SendError> {
        loop {
            match self.try_send(chunk) {
                Ok(()) => return Ok(Sent::Delivered),
                Err(SendError::Full) => {}
                Err(closed) => return Err(closed),
            }
            // None is left if the receivers are taking them: then there is room by now.
            if let Ok(oldest) = self.full.pop() {
                self.count_displaced(&oldest);
                // The credit of the oldest now stands for the newest.
                self.put(chunk)?;
                self.keep(mem::replace(chunk, oldest));
                return Ok(Sent::Displaced);
            }
            core::hint::spin_loop();
        }
    }

    /// Puts a chunk for which a credit was taken.
    fn put(&self, chunk: &mut P) -> Result<(), SendError> {
        // The queue takes values, not places: the rows move in, and move back out of a refusal.
        match self.full.push(mem::take(chunk)) {
            Ok(()) => {
                if let Ok(buffer) = self.empty.pop() {
                    *chunk = buffer;
                }
                self.feed();
                Ok(())
            }
            Err(PushError::Full(refused) | PushError::Closed(refused)) => {
                *chunk = refused;
                self.give_back(0);
                Err(SendError::Closed)
            }
        }
    }

    /// Wakes a receiver for a chunk that was put, if one may wait.
    fn feed(&self) {
        // SeqCst: either this load sees the receiver's mark, or the receiver, which looks once more after its own fence
        // in `is_hungry`, sees the chunk.
        fence(SeqCst);
        if self.hungry.load(Relaxed) && self.work.notify(1.additional().relaxed()) == 0 {
            // Nobody is left to be woken. Who stood in line in between loses the mark and is woken in its stead, however
            // many; who comes later marks itself after this, because the line has a lock.
            self.hungry.store(false, Relaxed);
            self.work.notify(usize::MAX);
        }
    }

    /// Marks that a receiver stands in line for work; it then looks once more.
    pub(super) fn is_hungry(&self) {
        self.hungry.store(true, Relaxed);
        // SeqCst: as in `feed`.
        fence(SeqCst);
    }

    /// Gives a credit back, and wakes waiting senders if so many are free.
    fn give_back(&self, wake_at: u32) {
        if let Ok(released @ Released::Wake { free }) = self.credits.release(1)
            && free >= wake_at
        {
            self.wake(released);
        }
    }

    fn wake(&self, released: Released) {
        if let Released::Wake { free } = released
            && self.room.notify(free.additional()) == 0
        {
            self.credits.hush();
            // The hush may have erased the marks of several who came meanwhile; each of them looks again.
            self.room.notify(usize::MAX);
        }
    }

    /// A sender has left the queue, served or dropped.
    pub(super) fn left_queue(&self) {
        self.wake(self.credits.pass_on());
    }

    pub(super) fn count_displaced(&self, chunk: &P) {
        // Relaxed: a sum that nothing else is read by.
        self.displaced.fetch_add(chunk.rows() as u64, Relaxed);
    }

    /// Rows displaced so far.
    pub(super) fn displaced(&self) -> u64 {
        self.displaced.load(Relaxed)
    }

    /// Exchanges the caller's used buffer for a waiting chunk.
    pub(super) fn try_recv(&self, chunk: &mut P) -> Result<(), TryRecvError> {
        match self.full.pop() {
            Ok(next) => {
                self.give_back(self.wake_at);
                self.keep(mem::replace(chunk, next));
                Ok(())
            }
            Err(PopError::Empty) => Err(TryRecvError::Empty),
            Err(PopError::Closed) => Err(TryRecvError::Closed),
        }
    }

    /// Keeps a used buffer for a sender.
    fn keep(&self, mut used: P) {
        used.clear();
        // Where there is no room to keep it, it is freed.
        drop(self.empty.push(used));
    }

    /// Ends sending; what waits can still be received. Wakes everyone.
    pub(super) fn close(&self) {
        let first = self.credits.close() != Close::Already;
        if first {
            self.full.close();
            self.work.notify(usize::MAX);
            self.room.notify(usize::MAX);
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.credits.is_closed()
    }

    pub(super) fn waiting(&self) -> usize {
        self.full.len()
    }

    pub(super) fn capacity(&self) -> usize {
        self.credits.capacity() as usize
    }
}
