//! What an adapter supplies: spawn, sleep, a clock, and a place for blocking work.

use core::fmt;
use core::future::Future;
use core::pin::Pin;

use crate::live::LiveTree;
use crate::task::{Rejection, TaskRef};
use crate::{Moment, Root};

/// The effects the engine needs from an executor.
///
/// An adapter implements this and nothing else; every policy lives in the engine. A value is a cheap handle: clones
/// speak of the same executor.
pub trait Runtime: Clone + Send + Sync + Unpin + 'static {
    /// The timer future of this executor.
    type Sleep: Sleep + Send;
    /// The executor's own end of a spawned future, or `()`.
    ///
    /// The engine asks it nothing. It keeps it as long as the task's handle, so that an executor that allocates a future
    /// can free it on the thread that spawned it; dropping it must let the future run on.
    type Spawned: Send + Sync + Unpin;
    /// The scope of this executor's tasks that have no parent.
    fn root(&self) -> &Root;

    /// Reads the monotonic clock. Virtual where the executor's time is.
    fn now(&self) -> Moment;

    /// A timer that fires at `at`, or at once if `at` has passed.
    fn sleep_until(&self, at: Moment) -> Self::Sleep;

    /// Starts `future` on the executor. The engine carries results and panics by itself.
    ///
    /// An executor that is shutting down may take the future and drop it unpolled; the engine notices.
    ///
    /// # Errors
    /// [`Refused`] hands the future back when there is no executor to run it.
    fn spawn<F>(&self, future: F) -> Result<Self::Spawned, Refused<F>>
    where
        F: Future<Output = ()> + Send + 'static;

    /// Runs `work` where blocking is allowed, and forgets it. It does not unwind. An executor that is shutting down
    /// may drop it uncalled.
    ///
    /// # Errors
    /// [`Refused`] hands the closure back when there is no executor to run it.
    fn spawn_blocking<F>(&self, work: F) -> Result<(), Refused<F>>
    where
        F: FnOnce() + Send + 'static;

    /// Starts `future`, which carries a task. An executor that shows its tasks, or orders them, asks `task` who it is; the
    /// others leave this method as it is.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn).
    #[inline]
    fn spawn_task<F>(&self, future: F, task: impl FnOnce() -> TaskRef) -> Result<Self::Spawned, Refused<F>>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let _ = task;
        self.spawn(future)
    }

    /// Runs `work`, which is the closure of a task. As [`spawn_task`](Self::spawn_task) is to `spawn`.
    ///
    /// # Errors
    /// As [`spawn_blocking`](Self::spawn_blocking).
    #[inline]
    fn spawn_blocking_task<F>(&self, work: F, task: impl FnOnce() -> TaskRef) -> Result<(), Refused<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        let _ = task;
        self.spawn_blocking(work)
    }

    /// Why a task was refused, or dropped before it ran. An executor whose queues are bounded says so; the others leave this
    /// method as it is.
    #[inline]
    fn refusal(&self) -> Rejection {
        Rejection::NoRuntime
    }

    /// Where the caller's code is about to run or go on: before each poll of a task's work, where the engine catches
    /// panics, and at each checkpoint. An executor for tests lets others run here, or panics on demand; the others leave
    /// this method as it is.
    #[inline]
    fn about_to_run(&self) {}

    /// What lives now: the tasks without a parent, as far as [`list_tasks`](Root::list_tasks) has them listed, and all below
    /// them, at most `limit` tasks.
    fn live_tree(&self, limit: usize) -> LiveTree {
        LiveTree::of_root(self.root(), self.now(), limit)
    }

    /// A random number, all values equally likely. Jitter is made of it; an executor for tests gives what its seed says.
    #[inline]
    fn random(&self) -> u32 {
        fastrand::u32(..)
    }
}

/// An executor whose futures stay on the thread that polls it, and so need not be [`Send`].
///
/// An adapter implements it for the type that its users have at hand. Clock, timers, and the scope of tasks without a
/// parent are those of `R`. An executor that is dropped drops its futures, and their tasks resolve.
pub trait LocalSpawn<R: Runtime> {
    /// Starts `future` on this executor. As [`Runtime::spawn`] otherwise.
    ///
    /// # Errors
    /// [`Refused`] hands the future back when this executor takes none.
    fn spawn_local<F>(&self, future: F) -> Result<R::Spawned, Refused<F>>
    where
        F: Future<Output = ()> + 'static;
}

/// A timer that can be moved, so that one timer serves a task's deadline, backoff and grace in turn.
pub trait Sleep: Future<Output = ()> {
    /// Moves the timer; a timer that had fired is armed again.
    fn reset(self: Pin<&mut Self>, at: Moment);
}

/// There was no executor to run this on; here it is back.
#[expect(
    clippy::exhaustive_structs,
    reason = "it gives back what it was given, and nothing else"
)]
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
