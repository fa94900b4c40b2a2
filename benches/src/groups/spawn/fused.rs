//! The duties of a full task in one future and one shared header, and nothing more than these duties.
//!
//! No library: it knows one kind of work, no tree, no retry. It shows how near to the bare spawn one can come in safe code.

use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::{Context, Poll, Waker};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use pin_project_lite::pin_project;
use sweet_async_core::group::{Exit, Group};
use sweet_async_core::id::IdGenerator;
use sweet_async_core::lifecycle::{End, Lifecycle, State};
use tokio::time::{Instant, Sleep};
use triomphe::Arc;

static CLOCK: LazyLock<quanta::Clock> = LazyLock::new(quanta::Clock::new);
static LIVE: Group = Group::new();
static IDS: IdGenerator = IdGenerator::new();
const TIMEOUT: u64 = 30_000_000_000;

/// What the task and its owner share.
struct Header {
    lifecycle: Lifecycle,
    id: u32,
    name: &'static str,
    created: u64,
    deadline: u64,
    started: AtomicU64,
    ended: AtomicU64,
    meeting: Mutex<Meeting>,
}

/// Where the task and its owner meet.
struct Meeting {
    result: Slot,
    /// The task's own, so that a cancellation reaches it where it waits.
    task: Option<Waker>,
    timer: Option<Pin<Box<Sleep>>>,
}

enum Slot {
    Empty,
    Awaited(Waker),
    Full(Result<u64, End>),
}

/// The owner's end.
pub(super) struct Handle {
    header: Arc<Header>,
}

pin_project! {
    struct Driver<F> {
        #[pin]
        work: F,
        guard: Guard,
    }
}

/// Ends the task if nobody else did: the executor dropped it.
struct Guard {
    header: Arc<Header>,
}

pub(super) fn spawn(name: &'static str, number: u64) -> Handle {
    // Nobody closes this group, and the generator lasts for four thousand million tasks.
    let _ = LIVE.try_enter();
    let created = now();
    let header = Arc::new(Header {
        lifecycle: Lifecycle::new(),
        id: IDS.next().map_or(0, u32::from),
        name,
        created,
        deadline: created + TIMEOUT,
        started: AtomicU64::new(0),
        ended: AtomicU64::new(0),
        meeting: Mutex::new(Meeting {
            result: Slot::Empty,
            task: None,
            timer: None,
        }),
    });
    let guard = Guard {
        header: Arc::clone(&header),
    };
    let work = async move { number };
    // The result comes through the header; tokio's own way back is not needed.
    drop(tokio::spawn(Driver { work, guard }));
    Handle { header }
}

impl Header {
    fn meet(&self) -> MutexGuard<'_, Meeting> {
        self.meeting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, end: End, result: Result<u64, End>) {
        self.ended.store(now(), Ordering::Relaxed);
        let result = self.lifecycle.finish(end).map_err(|_| End::Cancelled).and(result);
        let before = core::mem::replace(&mut self.meet().result, Slot::Full(result));
        if let Slot::Awaited(owner) = before {
            owner.wake();
        }
        if let Ok(Exit::Idle | Exit::Empty) = LIVE.leave() {
            // Here one would wake who waits for all tasks.
        }
    }

    /// Whether the deadline has passed; arms the timer, for now the task waits.
    fn is_late(&self, cx: &mut Context<'_>) -> bool {
        let mut meeting = self.meet();
        meeting.task = Some(cx.waker().clone());
        let left = core::time::Duration::from_nanos(self.deadline.saturating_sub(now()));
        let timer = meeting
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + left)));
        timer.as_mut().poll(cx).is_ready()
    }
}

impl<F: Future<Output = u64>> Future for Driver<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let header = &*this.guard.header;
        if header.lifecycle.state() == State::Pending {
            let _ = header.lifecycle.start();
            header.started.store(now(), Ordering::Relaxed);
        }
        if header.lifecycle.is_cancelled() {
            header.end(End::Cancelled, Err(End::Cancelled));
            return Poll::Ready(());
        }
        match catch_unwind(AssertUnwindSafe(|| this.work.as_mut().poll(cx))) {
            Ok(Poll::Ready(result)) => header.end(End::Completed, Ok(result)),
            Err(_) => header.end(End::Panicked, Err(End::Panicked)),
            Ok(Poll::Pending) if header.is_late(cx) => header.end(End::TimedOut, Err(End::TimedOut)),
            Ok(Poll::Pending) => return Poll::Pending,
        }
        Poll::Ready(())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.header.lifecycle.state().is_terminal() {
            self.header.end(End::Cancelled, Err(End::Cancelled));
        }
    }
}

impl Future for Handle {
    type Output = u64;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u64> {
        // The task is gone: nobody else can look, and no lock is needed.
        let alone = Arc::get_mut(&mut self.header).map(|header| {
            let meeting = header.meeting.get_mut().unwrap_or_else(PoisonError::into_inner);
            core::mem::replace(&mut meeting.result, Slot::Empty)
        });
        let slot = alone.unwrap_or_else(|| {
            let mut meeting = self.header.meet();
            match core::mem::replace(&mut meeting.result, Slot::Empty) {
                full @ Slot::Full(_) => full,
                Slot::Empty | Slot::Awaited(_) => {
                    meeting.result = Slot::Awaited(cx.waker().clone());
                    Slot::Empty
                }
            }
        });
        match slot {
            Slot::Full(result) => Poll::Ready(self.digest(result)),
            Slot::Empty | Slot::Awaited(_) => Poll::Pending,
        }
    }
}

impl Handle {
    /// One number that depends on all that the task told.
    fn digest(&self, result: Result<u64, End>) -> u64 {
        let header = &*self.header;
        let [started, ended] = [&header.started, &header.ended].map(|stamp| stamp.load(Ordering::Relaxed));
        let took = (ended - started).max(started - header.created);
        result.unwrap_or(0) ^ took ^ u64::from(header.id) ^ header.name.len() as u64
    }
}

fn now() -> u64 {
    CLOCK.delta_as_nanos(0, CLOCK.raw())
}
