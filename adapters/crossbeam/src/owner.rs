//! The owner's end of a pool.

use core::fmt;
use core::future::Future;
use core::sync::atomic::Ordering::Relaxed;
use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

use sweet_async_api::task::TaskRef;
use sweet_async_api::{RuntimeOwner, shutdown};

use crate::builder::{BuildError, Builder};
use crate::here;
use crate::pool::Shared;
use crate::runtime::Threads;
use crate::scope::{self, Panicked, Scope};
use crate::wait::{InsideWorker, block};

/// Threads that run tasks.
///
/// Dropping it is [`shutdown`](Self::shutdown) without patience: tasks are killed hard, and threads that are in the
/// middle of something are waited for a second.
#[must_use = "dropping the pool stops its tasks"]
pub struct ThreadPool {
    pool: Arc<Shared>,
}

impl ThreadPool {
    /// As many workers as there are processors.
    pub fn new() -> Result<Self, BuildError> {
        Self::builder().build()
    }

    /// Describes a pool.
    pub const fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) const fn new_on(pool: Arc<Shared>) -> Self {
        Self { pool }
    }

    /// The pool as a [`Runtime`](sweet_async_api::Runtime), to be passed around. It keeps nothing running.
    #[must_use]
    pub fn handle(&self) -> Threads {
        Threads::on(Arc::clone(&self.pool))
    }

    /// Runs `work` on this thread, with this pool as the one that tasks are started on.
    pub fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        let _entered = here::enter(Arc::clone(&self.pool));
        work()
    }

    /// Runs `future` on this thread, which parks while it waits, with this pool as the one that tasks are started on.
    ///
    /// # Errors
    /// [`InsideWorker`] on a worker of any pool, which would be lost to its tasks. The future is dropped unpolled.
    pub fn block_on<F: Future>(&self, future: F) -> Result<F::Output, InsideWorker> {
        here::may_block()?;
        Ok(self.enter(|| block(future)))
    }

    /// Runs closures that may borrow, on as many threads as the pool has workers at most, this one included, and waits
    /// until all of them are over. See [`Scope`].
    ///
    /// # Errors
    /// [`Panicked`] when one of them unwound; the others were told to stop, and those that had not begun were dropped.
    pub fn scope<'env, T>(&self, work: impl FnOnce(&Scope<'_, 'env>) -> T) -> Result<T, Panicked> {
        scope::run(&self.pool, work)
    }

    /// What the pool is doing, as of about now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let pool = &self.pool;
        Stats {
            workers: pool.workers.live(),
            idle_workers: pool.workers.idle.sleeping(),
            wanted_workers: pool.workers.wanted() as usize,
            blocking_threads: pool.blocking.live(),
            waiting: pool.queues.len(),
            steals: pool.queues.steals(),
            wake_ups: pool.wake_ups.load(Relaxed),
            timer_wake_ups: pool.timer.wake_ups(),
            abandoned: pool.root.abandoned(),
        }
    }

    /// Ends the pool and says who did not stop.
    ///
    /// Its tasks end as [`shutdown`](sweet_async_api::shutdown()) says: they have `drain` to end by themselves, then three
    /// times `grace` while they are told to stop, killed, and killed hard. Then nothing is run any more: what waits is
    /// dropped, callbacks too, and threads leave when they have finished what they are doing. A thread cannot be stopped
    /// from outside: one that does not come back within `grace` is left behind, and told.
    ///
    /// Where this is called on a thread of the pool itself, nobody is waited for.
    pub fn shutdown(self, drain: Duration, grace: Duration) -> Report {
        self.end(drain, grace, grace)
    }

    fn end(&self, drain: Duration, grace: Duration, linger: Duration) -> Report {
        let pool = &self.pool;
        let inside = here::is_inside(pool);
        let within = |limit| if inside { Duration::ZERO } else { limit };
        let tasks = block(shutdown(&self.handle(), within(drain), within(grace)));
        pool.stop();
        // Beyond the end of the platform's clock lies never.
        let end = Instant::now().checked_add(within(linger));
        let threads = [&pool.workers, &pool.blocking]
            .into_iter()
            .flat_map(|crew| crew.farewell(end))
            .filter_map(|seat| {
                let task = seat.task()?;
                let thread = seat.name.clone();
                Some(Left { thread, task })
            })
            .collect();
        // What was woken while the last threads left.
        pool.drain();
        Report { tasks, threads }
    }
}

impl RuntimeOwner for ThreadPool {
    type Runtime = Threads;
    type Inside = InsideWorker;

    fn runtime(&self) -> Threads {
        self.handle()
    }

    fn block_on<F: Future>(&self, future: F) -> Result<F::Output, InsideWorker> {
        Self::block_on(self, future)
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        if !self.pool.is_stopped() {
            let _ = self.end(Duration::ZERO, Duration::ZERO, LINGER);
        }
    }
}

/// How a pool ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use = "it says who did not stop"]
pub struct Report {
    /// How its tasks ended.
    pub tasks: sweet_async_api::Report,
    /// The threads that are still in the middle of something, which cannot be stopped from outside.
    pub threads: Vec<Left>,
}

impl Report {
    /// Whether nothing is left behind.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.tasks.is_clean() && self.threads.is_empty()
    }
}

/// A thread that did not come back.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Left {
    /// The thread's name.
    pub thread: String,
    /// What it is running. The task is over; what comes of it is not published.
    pub task: TaskRef,
}

/// What a pool is doing. Each number is of its own moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Workers that live.
    pub workers: usize,
    /// Workers that sleep.
    pub idle_workers: usize,
    /// Workers that there should be.
    pub wanted_workers: usize,
    /// Threads for closures that live.
    pub blocking_threads: usize,
    /// Tasks that wait to be polled.
    pub waiting: usize,
    /// How often a worker took tasks from another one.
    pub steals: u64,
    /// How often a worker that slept woke.
    pub wake_ups: u64,
    /// How often the timer's thread woke.
    pub timer_wake_ups: u64,
    /// Closures that run on although their task is over.
    pub abandoned: usize,
}

/// How long a pool that is dropped waits for its threads.
const LINGER: Duration = Duration::from_secs(1);

impl fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPool")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
