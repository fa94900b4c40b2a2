//! A pool of threads as a [`Runtime`].

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::Arc;

use pin_project_lite::pin_project;
use sweet_async_api::task::{Rejection, TaskRef};
use sweet_async_api::{Moment, Priority, Refused, Root, Runtime};

use crate::pool::{Closure, Shared};
use crate::timer::Sleep;
use crate::{clock, here};

/// The pool that is current where this is made: on its own threads and within
/// [`enter`](crate::ThreadPool::enter) and [`block_on`](crate::ThreadPool::block_on). Where none is, tasks are rejected.
#[derive(Clone)]
pub struct Threads {
    pool: Option<Arc<Shared>>,
}

impl Threads {
    pub(crate) const fn on(pool: Arc<Shared>) -> Self {
        Self { pool: Some(pool) }
    }
}

/// The scope of tasks that no pool takes. Nobody ever lives in it for longer than a refusal takes.
static NOWHERE: Root = Root::new();

impl Default for Threads {
    #[inline]
    fn default() -> Self {
        Self { pool: here::pool() }
    }
}

impl Runtime for Threads {
    type Sleep = Sleep;
    type Spawned = ();

    #[inline]
    fn root(&self) -> &Root {
        self.pool.as_ref().map_or(&NOWHERE, |pool| &pool.root)
    }

    #[inline]
    fn now(&self) -> Moment {
        clock::now()
    }

    fn sleep_until(&self, at: Moment) -> Sleep {
        Sleep::new(self.pool.clone(), at)
    }

    fn spawn<F>(&self, future: F) -> Result<(), Refused<F>>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        match &self.pool {
            Some(pool) if pool.admits(Priority::Normal) => {
                submit(pool, Priority::Normal, future);
                Ok(())
            }
            _ => Err(Refused(future)),
        }
    }

    fn spawn_blocking<F>(&self, work: F) -> Result<(), Refused<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        self.call(None, work)
    }

    #[inline]
    fn spawn_task<F>(&self, future: F, task: impl FnOnce() -> TaskRef) -> Result<(), Refused<F>>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Some(pool) = &self.pool else {
            return Err(Refused(future));
        };
        let task = task();
        let class = task.priority();
        if !pool.admits(class) {
            return Err(Refused(future));
        }
        let task = Some(task);
        submit(pool, class, Watched { future, task });
        Ok(())
    }

    fn spawn_blocking_task<F>(&self, work: F, task: impl FnOnce() -> TaskRef) -> Result<(), Refused<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        self.call(Some(task()), work)
    }

    /// A pool that runs refuses nothing but what its queues have no room for.
    fn refusal(&self) -> Rejection {
        match &self.pool {
            Some(pool) if !pool.is_stopped() => Rejection::ScopeFull,
            _ => Rejection::NoRuntime,
        }
    }
}

impl Threads {
    fn call<F: FnOnce() + Send + 'static>(&self, task: Option<TaskRef>, work: F) -> Result<(), Refused<F>> {
        match &self.pool {
            Some(pool) if pool.has_room_for_closures() => {
                let work = Box::new(work);
                // One that is refused after all is dropped, which it reports itself.
                pool.call(Closure { task, work });
                Ok(())
            }
            _ => Err(Refused(work)),
        }
    }
}

#[inline]
fn submit<F>(pool: &Arc<Shared>, class: Priority, future: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let home = Arc::clone(pool);
    let (job, task) = async_task::Builder::new()
        .metadata(class)
        .spawn(|_| future, move |job| home.schedule(job));
    task.detach();
    pool.schedule(job);
}

pin_project! {
    /// A task's future. While it is polled, its thread says whose it is.
    struct Watched<F> {
        #[pin]
        future: F,
        task: Option<TaskRef>,
    }
}

impl<F: Future<Output = ()>> Future for Watched<F> {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        // Nobody but a worker polls it; elsewhere the task is not shown, and no more.
        here::trade(this.task);
        // The engine does not unwind.
        let polled = this.future.poll(cx);
        let stopped = here::trade(this.task);
        if stopped && polled.is_pending() {
            // Whoever stopped the pool may have woken the task before it registered its waker: it is scheduled, and dropped.
            cx.waker().wake_by_ref();
        }
        polled
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads")
            .field("pool", &self.pool.as_ref().map(|pool| &pool.settings.prefix))
            .finish_non_exhaustive()
    }
}
