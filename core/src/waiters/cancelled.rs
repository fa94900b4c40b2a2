//! Waiting for a task to be told to stop.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use crate::lifecycle::{Lifecycle, Snapshot};
use crate::waiters::{Full, WaiterSet};

/// Becomes the snapshot that shows the task cancelled or ended; made by [`WaiterSet::cancelled`].
///
/// It is ready at every level, and for a task that ended without being cancelled: nobody would cancel it any more.
///
/// # Errors
/// [`Full`] when every slot for waiters is taken.
///
/// # Cancel safety
/// Dropped at any time it leaves the queue and nothing else; everybody is woken, so there is nothing to pass on. Polled
/// again after it was ready, it answers again.
///
/// # Examples
/// ```
/// use core::future::Future;
/// use core::pin::pin;
/// use core::task::{Context, Poll, Waker};
///
/// use sweet_async_core::lifecycle::{Cancel, Level, Lifecycle, Reason, Start};
/// use sweet_async_core::waiters::WaiterSet;
///
/// static TASK: Lifecycle = Lifecycle::new();
/// static WATCHERS: WaiterSet<2> = WaiterSet::new();
///
/// assert_eq!(TASK.start(), Start::Run);
/// let mut task = Context::from_waker(Waker::noop()); // an executor's, in a firmware
/// let mut told = pin!(WATCHERS.cancelled(&TASK));
/// assert!(told.as_mut().poll(&mut task).is_pending());
/// // In an interrupt: first the word, then those who wait.
/// assert_eq!(TASK.cancel(Level::Graceful, Reason::Requested), Cancel::Raised);
/// WATCHERS.wake_all();
/// assert!(matches!(told.poll(&mut task), Poll::Ready(Ok(seen)) if seen.is_cancelling()));
/// ```
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct Cancelled<'a, const N: usize> {
    set: &'a WaiterSet<N>,
    task: &'a Lifecycle,
    /// The place in the queue, between the first `Pending` and the answer.
    slot: Option<u32>,
}

impl<'a, const N: usize> Cancelled<'a, N> {
    pub(super) const fn new(set: &'a WaiterSet<N>, task: &'a Lifecycle) -> Self {
        Self {
            set,
            task,
            slot: None,
        }
    }

    fn look(&self) -> Option<Snapshot> {
        let seen = self.task.snapshot();
        (seen.level().is_some() || seen.state().is_terminal()).then_some(seen)
    }

    fn leave(&mut self) {
        if let Some(slot) = self.slot.take() {
            self.set.leave(slot);
        }
    }
}

impl<const N: usize> Future for Cancelled<'_, N> {
    type Output = Result<Snapshot, Full>;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.slot.is_none() {
            if let Some(seen) = this.look() {
                return Poll::Ready(Ok(seen));
            }
            this.slot = Some(this.set.enter()?);
        }
        if let Some(slot) = this.slot {
            this.set.register(slot, task.waker());
        }
        // After the registration: who cancels later finds the waker, who cancelled before is seen here (W3).
        let Some(seen) = this.look() else {
            return Poll::Pending;
        };
        this.leave();
        Poll::Ready(Ok(seen))
    }
}

impl<const N: usize> Drop for Cancelled<'_, N> {
    fn drop(&mut self) {
        self.leave();
    }
}
