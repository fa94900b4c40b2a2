//! smol as a [`Runtime`].

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::{Arc, Weak};

use async_executor::{Executor, LocalExecutor};
use sweet_async_api::{LocalSpawn, Moment, Refused, Root, Runtime};

use crate::held::{Held, Wakes};
use crate::inside::{Inside, Mark};
use crate::{clock, pool};

/// The executor of this process, or a chosen one.
#[derive(Clone, Debug, Default)]
pub struct Smol {
    chosen: Option<Arc<Chosen>>,
}

pub(crate) struct Chosen {
    // Its tasks hold this, so it must not hold them.
    executor: Weak<Executor<'static>>,
    root: Root,
}

impl Chosen {
    /// The executor, which is there at least as long as this is held.
    #[inline]
    pub(crate) fn executor(&self) -> Option<Arc<Executor<'static>>> {
        self.executor.upgrade()
    }
}

/// The tasks that run on the executor of this process.
static GLOBAL: Root = Root::new();

impl Smol {
    /// The executor of this process, whose threads the first task starts and which is never dropped.
    #[must_use]
    pub const fn global() -> Self {
        Self { chosen: None }
    }

    /// `executor`, for as long as somebody holds and runs it. Its tasks are counted apart from all others.
    #[must_use]
    pub fn on(executor: &Arc<Executor<'static>>) -> Self {
        Self {
            chosen: Some(Arc::new(Chosen {
                executor: Arc::downgrade(executor),
                root: Root::new(),
            })),
        }
    }
}

/// Runs `future` on this thread until it is ready. Tasks run on the threads of this process.
///
/// # Errors
/// [`Inside`] a task; `future` has not begun.
pub fn block_on<F: Future>(future: F) -> Result<F::Output, Inside> {
    let _mark = Mark::first()?;
    Ok(async_io::block_on(future))
}

impl Runtime for Smol {
    type Sleep = Sleep;
    type Spawned = ();

    #[inline]
    fn root(&self) -> &Root {
        self.chosen.as_ref().map_or(&GLOBAL, |chosen| &chosen.root)
    }

    #[inline]
    fn now(&self) -> Moment {
        clock::now()
    }

    fn sleep_until(&self, at: Moment) -> Sleep {
        Sleep {
            timer: async_io::Timer::at(clock::instant(at)),
        }
    }

    #[inline]
    fn spawn<F>(&self, future: F) -> Result<(), Refused<F>>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let held;
        let (executor, wakes) = match &self.chosen {
            None => (pool::global(), Wakes::Bare),
            Some(chosen) => {
                held = chosen.executor();
                (held.as_deref(), Wakes::NotYet(Arc::clone(chosen)))
            }
        };
        let Some(executor) = executor else {
            return Err(Refused(future));
        };
        // smol's own handle cancels when it is dropped, so it is let go of here. In one place for all executors, because
        // smol's code for a future is made once more for each.
        executor.spawn(Held { future, wakes }).detach();
        Ok(())
    }

    fn spawn_blocking<F>(&self, work: F) -> Result<(), Refused<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        blocking::unblock(work).detach();
        Ok(())
    }
}

impl LocalSpawn<Smol> for LocalExecutor<'static> {
    fn spawn_local<F>(&self, future: F) -> Result<(), Refused<F>>
    where
        F: Future<Output = ()> + 'static,
    {
        let wakes = Wakes::Bare;
        self.spawn(Held { future, wakes }).detach();
        Ok(())
    }
}

impl fmt::Debug for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chosen")
            .field("live", &self.root.live())
            .finish_non_exhaustive()
    }
}

/// A timer of smol.
#[derive(Debug)]
pub struct Sleep {
    timer: async_io::Timer,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.timer).poll(cx).map(|_| ())
    }
}

impl sweet_async_api::Sleep for Sleep {
    fn reset(mut self: Pin<&mut Self>, at: Moment) {
        self.timer.set_at(clock::instant(at));
    }
}
