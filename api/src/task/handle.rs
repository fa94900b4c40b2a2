//! The owner's end of a running task.

use alloc::sync::Arc;
use core::fmt;
use core::future::Future;
use core::ops::Deref;
use core::pin::Pin;
use core::task::{self, Poll};

use sweet_async_core::lifecycle::{Level, Reason, State};

use super::builder::launch_linked;
use super::context::{Context, Stopped};
use super::error::{Cause, TaskError};
use super::header::{Node, TaskRecord};
use super::plan::{Fault, Linked};
use super::slot::{Found, Slot};
use super::view::TaskRef;
use super::work::IntoAsyncResult;
use crate::Runtime;

/// A running task: a future of its result, and everything a [`TaskRef`] answers.
///
/// Dropping it detaches the task, which runs on under its parent, unless the builder asked for
/// [`cancel_on_drop`](super::TaskBuilder::cancel_on_drop).
///
/// When the handle resolves, the task's work has been dropped, its children have ended and its callbacks have run. The
/// exceptions are a hard kill and a task that was cancelled before it started: the handle resolves at once.
///
/// # Cancel safety
/// Dropping a pending `await` on `&mut task` loses nothing; the result stays for the next one.
#[must_use = "a dropped handle detaches its task; await it, or say `cancel_on_drop`"]
pub struct Task<R: Runtime, T: Send + 'static, E: Send + Sync + 'static> {
    record: Arc<TaskRecord<Slot<T, E>>>,
    runtime: R,
    // Dropped after the result was taken: see `Runtime::Spawned`.
    _spawned: Option<R::Spawned>,
    taken: bool,
    cancel_on_drop: Option<Level>,
}

impl<R: Runtime, T: Send + 'static, E: Send + Sync + 'static> Task<R, T, E> {
    #[inline]
    pub(super) const fn new(
        record: Arc<TaskRecord<Slot<T, E>>>,
        runtime: R,
        spawned: Option<R::Spawned>,
        cancel_on_drop: Option<Level>,
    ) -> Self {
        Self {
            record,
            runtime,
            _spawned: spawned,
            taken: false,
            cancel_on_drop,
        }
    }

    /// A reference to the task that outlives this handle and keeps nothing running.
    #[must_use]
    pub fn task_ref(&self) -> TaskRef {
        TaskRef { node: self.node() }
    }

    fn node(&self) -> Node {
        Arc::clone(&self.record) as Node
    }

    /// Lets the task run on by itself, also if the builder asked for `cancel_on_drop`.
    pub fn detach(mut self) {
        self.cancel_on_drop = None;
    }

    /// Asks the task to stop at `level` and waits for its end.
    ///
    /// # Cancel safety
    /// The request stands when the future is dropped; the task is detached.
    pub async fn stop(mut self, level: Level) -> CancellationResult<T, E> {
        // A task that has ended says how in its result.
        let _ = self.cancel(level);
        let result = (&mut self).await;
        match result {
            Ok(value) => CancellationResult::Completed(value),
            Err(error) => match error.cause() {
                Cause::Cancelled { cancellation, .. } => {
                    let level = cancellation.level;
                    CancellationResult::Cancelled { level, error }
                }
                Cause::TimedOut(_) => CancellationResult::TimedOut(error),
                _ => CancellationResult::Failed(error),
            },
        }
    }

    /// Starts a task that runs `next` with this one's value, and skips it with this one's error.
    ///
    /// The link is a task of its own, beside this one under the same parent. It goes by this one's name, priority and
    /// grace period and inherits its deadline. Cancelling it cancels this one too. Where nothing else says what `next`
    /// yields, name it: `let count: Task<u32, _> = first.chain(..)`.
    pub fn chain<U, F, O, M>(mut self, next: F) -> Task<R, U, E>
    where
        U: Send + 'static,
        F: FnOnce(T) -> O + Send + 'static,
        O: IntoAsyncResult<U, E, M>,
        O::Future: Send,
        M: 'static,
    {
        self.cancel_on_drop = Some(Level::Kill);
        let (runtime, header) = (self.runtime.clone(), self.node());
        let link = move |cx: Context<R>| async move {
            let mut first = self;
            let result = match cx.until_cancelled(&mut first).await {
                Ok(result) => result,
                Err(Stopped { cancellation }) => {
                    // One that has ended gives its result all the same.
                    let _ = first.cancel_because(cancellation.level, cancellation.reason, Some(cx.id()));
                    (&mut first).await
                }
            };
            let value = result.map_err(Fault::Task)?;
            if let Err(Stopped { cancellation }) = cx.checkpoint() {
                return Err(Fault::Cause(Cause::Cancelled {
                    cancellation,
                    error: None,
                }));
            }
            next(value).into_async_result().await.map_err(Fault::Error)
        };
        launch_linked(runtime, &header, Linked::new(link))
    }

    /// The end of a task that is over although its driver may still have to notice.
    fn cut_off(&self) -> Option<TaskError<E>> {
        let seen = self.snapshot();
        let over = seen.state() == State::Cancelled
            && (seen.attempt() == 0 || seen.level() == Some(Level::KillHard));
        if !over {
            return None;
        }
        let cancellation = self.record.header().cancellation(seen)?;
        Some(self.record.header().error(Cause::Cancelled {
            cancellation,
            error: None,
        }))
    }
}

/// How a task ended after it was asked to stop.
#[derive(Debug)]
#[non_exhaustive]
#[must_use = "a task may have completed or failed before it stopped"]
pub enum CancellationResult<T, E> {
    /// It completed all the same; here is its value.
    Completed(T),
    /// It stopped, at this level: the one asked for, or a higher one if its grace period ended or somebody escalated.
    Cancelled {
        /// The level at which it stopped.
        level: Level,
        /// The error that its handle would have given.
        error: TaskError<E>,
    },
    /// Its deadline passed first.
    TimedOut(TaskError<E>),
    /// It failed, panicked or was rejected first.
    Failed(TaskError<E>),
}

impl<R: Runtime, T: Send + 'static, E: Send + Sync + 'static> Future for Task<R, T, E> {
    type Output = Result<T, TaskError<E>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        if self.taken {
            return Poll::Ready(Err(self.record.header().error(Cause::Taken)));
        }
        let ended = self.record.header().lifecycle.state().is_terminal();
        let alone = if ended {
            Arc::get_mut(&mut self.record)
        } else {
            None
        };
        let found = match alone {
            // The driver has delivered and is gone, and nobody refers to the task besides.
            Some(record) => record.slot.take_alone(),
            None => self.record.slot.take(cx.waker()),
        };
        let result = match found {
            Found::Result(result) => result,
            Found::Taken => Err(self.record.header().error(Cause::Taken)),
            // The waker is in the slot, then the word is read; a canceller writes the word, then wakes the slot.
            Found::Nothing => match self.cut_off() {
                Some(error) => {
                    self.record.slot.detach();
                    Err(error)
                }
                None => return Poll::Pending,
            },
        };
        self.taken = true;
        Poll::Ready(result)
    }
}

impl<R: Runtime, T: Send + 'static, E: Send + Sync + 'static> Drop for Task<R, T, E> {
    #[inline]
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        if let Some(level) = self.cancel_on_drop {
            let _ = self.cancel_because(level, Reason::Dropped, None);
        }
        self.record.slot.detach();
    }
}

impl<R: Runtime, T: Send + 'static, E: Send + Sync + 'static> Deref for Task<R, T, E> {
    type Target = TaskRecord;

    fn deref(&self) -> &TaskRecord {
        &*self.record
    }
}

impl<R: Runtime, T: Send + 'static, E: Send + Sync + 'static> fmt::Debug for Task<R, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Task").field(&&**self).finish()
    }
}
