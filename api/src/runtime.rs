//! What an adapter supplies: spawn, sleep, a clock, and a place for blocking work.

use core::any::Any;
use core::fmt;
use core::future::Future;
use core::pin::Pin;

use crate::Moment;

/// The effects the engine needs from an executor.
///
/// An adapter implements this and nothing else; every policy lives in the engine. A value is a cheap handle: clones
/// speak of the same executor.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// The timer future of this executor.
    type Sleep: Sleep + Send;
    /// The owner's end of a spawned future. Dropping it detaches: the future runs on.
    type Join<T: Send + 'static>: Future<Output = Result<T, JoinFailure>> + Send + Unpin;

    /// Reads the monotonic clock. Virtual where the executor's time is.
    fn now(&self) -> Moment;

    /// A timer that fires at `at`, or at once if `at` has passed.
    fn sleep_until(&self, at: Moment) -> Self::Sleep;

    /// Starts `future` on the executor.
    ///
    /// # Errors
    /// [`Refused`] hands the future back when there is no executor to run it. An executor that is shutting down may
    /// also take the future and drop it unpolled; the join end then resolves to [`JoinFailure::Stopped`].
    fn spawn<F>(&self, future: F) -> Result<Self::Join<F::Output>, Refused<F>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// Runs `work` where blocking is allowed.
    ///
    /// # Errors
    /// [`Refused`] hands the closure back when there is no executor to run it.
    fn spawn_blocking<F, T>(&self, work: F) -> Result<Self::Join<T>, Refused<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static;
}

/// A timer that can be moved, so that one timer serves a task's deadline, backoff and grace in turn.
pub trait Sleep: Future<Output = ()> {
    /// Moves the timer; a timer that had fired is armed again.
    fn reset(self: Pin<&mut Self>, at: Moment);
}

/// Why the output of a spawned future never came.
#[derive(Debug)]
#[non_exhaustive]
pub enum JoinFailure {
    /// It unwound; the payload is what it panicked with.
    Panicked(Box<dyn Any + Send>),
    /// The executor dropped it before it ended.
    Stopped,
}

/// There was no executor to run this on; here it is back.
pub struct Refused<W>(pub W);

impl<W> fmt::Debug for Refused<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refused")
    }
}

impl<W> fmt::Display for Refused<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no executor is running here; start the task inside one, or through a handle to one")
    }
}

impl<W> core::error::Error for Refused<W> {}
