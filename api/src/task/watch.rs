//! What accompanies a task that is watched: made with it if anybody asked, and found through its record.

use alloc::sync::Arc;
use alloc::task::Wake;
use core::task::Waker;

use spin::mutex::SpinMutex;
use spin::relax::Yield;

use super::TaskId;
use super::header::TaskRecord;
use crate::hooks::{Happening, Hooks};
use crate::metrics::{Meter, Metrics};
use crate::trace::{self, Trace};
use crate::{Moment, Root, Runtime};

/// What a builder asks for; by itself, it is what nobody asked for.
#[derive(Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) metrics: Option<Metrics>,
    pub(crate) hooks: Option<Arc<Hooks>>,
    /// Whether it is a span, if anybody listens.
    pub(crate) traced: bool,
}

/// What accompanies a task.
pub(crate) struct Watch {
    pub(crate) meter: Option<Meter>,
    hooks: Option<Arc<Hooks>>,
    trace: Option<Trace>,
    /// The executor's waker; the task itself is given one that notes when it was woken.
    executor: SpinMutex<Option<Waker>, Yield>,
}

/// The same with the clock that it is measured by, and as a waker.
struct Watched<R> {
    watch: Watch,
    runtime: R,
}

/// Whoever a task belongs to.
#[derive(Clone, Copy)]
pub(crate) enum Above<'a> {
    /// Another task, and what accompanies it.
    Task(Option<&'a Watch>),
    Root(&'a Root),
}

/// A [`Watched`] of whatever runtime.
pub(crate) trait Watching: Send + Sync {
    fn watch(&self) -> &Watch;

    fn now(&self) -> Moment;

    /// The waker to give to the task, which wakes `executor`.
    fn waker(self: Arc<Self>, executor: &Waker) -> Waker;
}

impl dyn Watching {
    /// Runs `work`, which is the blocking closure of the task and does not unwind, on this thread.
    pub(crate) fn accompany<T>(&self, work: impl FnOnce() -> T) -> T {
        let watch = self.watch();
        let called = watch.meter.as_ref().map(|meter| meter.call(self.now()));
        let result = watch.inside(work);
        if let (Some(meter), Some(called)) = (&watch.meter, &called) {
            meter.returned(called, self.now());
        }
        result
    }
}

impl Watch {
    /// What accompanies a task whose builder asks for `own`, below one that is accompanied by `above`; `None` if nobody
    /// asks for anything.
    pub(crate) fn start<R: Runtime>(
        (id, name): (TaskId, &str),
        own: Wanted,
        above: Above<'_>,
        runtime: &R,
    ) -> Option<Arc<dyn Watching>> {
        let (asked_above, hooks_above, trace_above) = match above {
            Above::Task(None) => (None, None, None),
            Above::Task(Some(watch)) => {
                let asked = watch.meter.as_ref().map(|meter| meter.asked);
                (
                    asked.filter(|asked| asked.children),
                    watch.hooks.clone(),
                    watch.trace.as_ref(),
                )
            }
            Above::Root(root) => (None, root.hooks().map(Arc::clone), None),
        };
        let metrics = own.metrics.or(asked_above);
        let hooks = match own.hooks {
            None => hooks_above,
            Some(own) => Some(own.under(hooks_above)),
        };
        let trace = if own.traced && trace::is_on() {
            Trace::start(id, name, trace_above)
        } else {
            None
        };
        if metrics.is_none() && hooks.is_none() && trace.is_none() {
            return None;
        }
        let watch = Self {
            meter: metrics.map(Meter::new),
            hooks,
            trace,
            executor: SpinMutex::new(None),
        };
        let runtime = runtime.clone();
        Some(Arc::new(Watched { watch, runtime }))
    }

    /// Whether anybody listens to what happens: a task may be metered and no more.
    #[inline]
    pub(crate) const fn is_heard(&self) -> bool {
        self.hooks.is_some() || self.trace.is_some()
    }

    /// Tells the hooks, and says it in the task's span.
    pub(crate) fn tell(&self, task: &TaskRecord, what: Happening) {
        if let Some(trace) = &self.trace {
            trace.happened(task, what);
        }
        if let Some(hooks) = &self.hooks {
            hooks.tell(task, what);
        }
    }

    /// The task has ended: lets go of its executor, which may keep the whole task alive.
    pub(crate) fn end(&self) {
        let executor = self.executor.lock().take();
        drop(executor);
    }

    /// Whether the task has a span.
    pub(crate) const fn is_traced(&self) -> bool {
        self.trace.is_some()
    }

    /// Runs `work` inside the task's span.
    pub(crate) fn inside<T>(&self, work: impl FnOnce() -> T) -> T {
        let Some(trace) = &self.trace else {
            return work();
        };
        let entered = trace.enter();
        let result = work();
        if let Some(entered) = &entered {
            trace.exit(entered);
        }
        result
    }

    /// The last poll is over.
    pub(crate) fn close(&self) {
        if let Some(trace) = &self.trace {
            trace.close();
        }
    }

    #[cfg(feature = "tracing")]
    pub(crate) const fn trace(&self) -> Option<&Trace> {
        self.trace.as_ref()
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
        // In place before the stamp of the last wake-up is taken, so that a wake-up is never lost, at most its stamp. Wakers
        // are foreign code: cloned, woken and dropped outside the lock.
        let executor = executor.clone();
        let before = self.watch.executor.lock().replace(executor);
        drop(before);
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
        let executor = self.watch.executor.lock().take();
        if let Some(executor) = executor {
            executor.wake();
        }
    }
}
