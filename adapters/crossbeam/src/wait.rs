//! Waiting for a future on a thread that may block.

use alloc::task::Wake;
use core::cell::RefCell;
use core::error::Error;
use core::fmt;
use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_utils::sync::{Parker, Unparker};

use crate::here;

/// The blocking face of everything that the api offers as a future.
///
/// A task's handle, `emission.await_final_event(..)`, `edge.send(..)`, `edge.recv(..)`, `cx.cancelled()`: each can be
/// waited for on a thread that may block, with or without a limit. The thread parks; no executor is involved.
///
/// ```
/// use sweet_async_crossbeam::prelude::*;
/// use sweet_async_crossbeam::{ThreadPool, WaitError};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = ThreadPool::new()?;
/// let mut never = pool.enter(|| AsyncTask::to::<u8>().run(std::future::pending::<u8>));
/// assert_eq!(never.wait_timeout(1.millis()).err(), Some(WaitError::TimedOut));
///
/// let sum = pool.enter(|| AsyncTask::to::<u8>().run(|| 20 + 1));
/// assert_eq!(sum.wait()??, 21);
/// # Ok(())
/// # }
/// ```
pub trait Wait: Future {
    /// Blocks this thread until the future is ready.
    ///
    /// # Errors
    /// [`InsideWorker`] on a worker of a pool, which would not get to run what is waited for. Await there instead. The
    /// future is dropped unpolled; wait for `&mut task` to keep a task.
    fn wait(self) -> Result<Self::Output, InsideWorker>
    where
        Self: Sized,
    {
        here::may_block()?;
        Ok(block(self))
    }

    /// Blocks this thread until the future is ready, or for at most `limit`. Nothing is lost when the time is up: the
    /// future is there still. One that is not `Unpin` is pinned first: `pin!(edge.recv(&mut chunk)).wait_timeout(limit)`.
    ///
    /// # Errors
    /// [`WaitError`]
    fn wait_timeout(&mut self, limit: Duration) -> Result<Self::Output, WaitError>
    where
        Self: Unpin,
    {
        here::may_block()?;
        // Beyond the end of the platform's clock lies never.
        let end = Instant::now().checked_add(limit);
        block_until(Pin::new(self), end).ok_or(WaitError::TimedOut)
    }
}

impl<F: Future + ?Sized> Wait for F {}

/// This thread is a worker of a pool: if it blocked, what it waits for might never run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct InsideWorker;

/// Why a wait with a limit ended without a result.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum WaitError {
    /// The time was up.
    TimedOut,
    /// This thread is a worker of a pool.
    InsideWorker(InsideWorker),
}

/// Polls on this thread, which parks in between.
pub(crate) fn block<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        // Without an end the wait is not given up; the loop keeps it total.
        if let Some(output) = block_until(future.as_mut(), None) {
            return output;
        }
    }
}

fn block_until<F: Future + ?Sized>(mut future: Pin<&mut F>, end: Option<Instant>) -> Option<F::Output> {
    // A thread that ends has none any more.
    let kept = PAIR.try_with(|kept| kept.borrow_mut().take());
    let pair = kept.ok().flatten().unwrap_or_else(pair);
    let (parker, waker) = &pair;
    let mut cx = Context::from_waker(waker);
    let output = loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            break Some(output);
        }
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        match left {
            None => parker.park(),
            Some(Duration::ZERO) => break None,
            Some(left) => parker.park_timeout(left),
        }
    };
    let _ = PAIR.try_with(|kept| kept.replace(Some(pair)));
    output
}

struct Unpark(Unparker);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

fn pair() -> (Parker, Waker) {
    let parker = Parker::new();
    let waker = Arc::new(Unpark(parker.unparker().clone())).into();
    (parker, waker)
}

std::thread_local! {
    /// Kept for the next wait of this thread. A wait within a wait makes its own.
    static PAIR: RefCell<Option<(Parker, Waker)>> = const { RefCell::new(None) };
}

impl fmt::Display for InsideWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a worker of the pool must not block; await here, or wait in a blocking closure")
    }
}

impl Error for InsideWorker {}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("not ready within the limit"),
            Self::InsideWorker(error) => error.fmt(f),
        }
    }
}

impl Error for WaitError {}

impl From<InsideWorker> for WaitError {
    fn from(error: InsideWorker) -> Self {
        Self::InsideWorker(error)
    }
}
