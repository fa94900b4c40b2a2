//! What accompanies a task that is watched: made with it if anybody asked, and found through its record.

use alloc::sync::Arc;
use alloc::task::Wake;
use core::task::Waker;

use atomic_waker::AtomicWaker;

use crate::metrics::{Called, Meter, Metrics};
use crate::{Moment, Runtime};

/// What accompanies a task.
pub(crate) struct Watch {
    pub(crate) meter: Option<Meter>,
    /// The executor's waker; the task itself is given one that notes when it was woken.
    executor: AtomicWaker,
}

/// The same with the clock that it is measured by, and as a waker.
struct Watched<R> {
    watch: Watch,
    runtime: R,
}

/// A [`Watched`] of whatever runtime.
pub(crate) trait Watching: Send + Sync {
    fn watch(&self) -> &Watch;

    fn now(&self) -> Moment;

    /// The waker to give to the task, which wakes `executor`.
    fn waker(self: Arc<Self>, executor: &Waker) -> Waker;
}

impl dyn Watching {
    /// A blocking closure of the task is called, on this thread.
    pub(crate) fn call(&self) -> Option<Called> {
        let meter = self.watch().meter.as_ref()?;
        Some(meter.call(self.now()))
    }

    /// It has returned.
    pub(crate) fn returned(&self, called: &Called) {
        if let Some(meter) = &self.watch().meter {
            meter.returned(called, self.now());
        }
    }
}

impl Watch {
    /// What accompanies a task whose builder asks for `metrics`, below one that is accompanied by `above`.
    pub(crate) fn start<R: Runtime>(
        metrics: Option<Metrics>,
        above: Option<&Self>,
        runtime: &R,
    ) -> Option<Arc<dyn Watching>> {
        let inherited = || {
            let meter = above?.meter.as_ref()?;
            meter.asked.children.then_some(meter.asked)
        };
        let metrics = metrics.or_else(inherited)?;
        let watch = Self {
            meter: Some(Meter::new(metrics)),
            executor: AtomicWaker::new(),
        };
        let runtime = runtime.clone();
        Some(Arc::new(Watched { watch, runtime }))
    }

    /// The task has ended: lets go of its executor, which may keep the whole task alive.
    pub(crate) fn end(&self) {
        drop(self.executor.take());
    }
}

impl<R: Runtime> Watching for Watched<R> {
    fn watch(&self) -> &Watch {
        &self.watch
    }

    fn now(&self) -> Moment {
        self.runtime.now()
    }

    fn waker(self: Arc<Self>, executor: &Waker) -> Waker {
        // In place before the stamp of the last wake-up is taken, so that a wake-up is never lost, at most its stamp.
        self.watch.executor.register(executor);
        Waker::from(self)
    }
}

impl<R: Runtime> Wake for Watched<R> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(meter) = &self.watch.meter {
            meter.woken(|| self.runtime.now());
        }
        // Taken, so only the first wake-up reaches the executor until the task is polled, which is when it is put back.
        self.watch.executor.wake();
    }
}
