//! The owner's end of a running task.

use alloc::sync::Arc;
use core::fmt;
use core::future::Future;
use core::ops::Deref;
use core::pin::Pin;
use core::task::{self, Poll, Waker};

use sweet_async_core::lifecycle::{Level, Reason, State};

use super::combine::{AsyncResult, Mapped, OnError, OnValue, SpawningTask};
use super::error::{Cause, TaskError};
use super::header::{Node, TaskRecord};
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
    record: Arc<TaskRecord<Slot<R, T, E>>>,
    // Dropped after the result was taken: see `Runtime::Spawned`.
    _spawned: Option<R::Spawned>,
    // The result was taken out of the slot.
    taken: bool,
    cancel_on_drop: Option<Level>,
    // A result that was looked at.
    kept: Option<Box<Result<T, TaskError<E>>>>,
}

impl<R: Runtime, T: Send + 'static, E: Send + Sync + 'static> Task<R, T, E> {
    #[inline]
    pub(super) const fn new(
        record: Arc<TaskRecord<Slot<R, T, E>>>,
        spawned: Option<R::Spawned>,
        cancel_on_drop: Option<Level>,
    ) -> Self {
        Self {
            record,
            _spawned: spawned,
            taken: false,
            cancel_on_drop,
            kept: None,
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
    pub fn detach(self) {
        SpawningTask::detach(self);
    }

    /// Asks the task to stop at `level` and waits for its end.
    ///
    /// # Cancel safety
    /// The request stands when the future is dropped, and so does the rule for a dropped handle.
    pub async fn stop(self, level: Level) -> CancellationResult<T, E> {
        SpawningTask::stop(self, level).await
    }

    /// The result, if it is there: looks without waiting, and leaves it to whoever awaits the handle.
    ///
    /// `None` until the handle would resolve, and after it has given its result. The first look that finds one costs an
    /// allocation, which keeps the result beside the handle.
    pub fn peek(&mut self) -> Option<Result<&T, &TaskError<E>>> {
        if self.kept.is_none() {
            self.kept = Some(Box::new(self.try_take()?));
        }
        self.kept.as_deref().map(Result::as_ref)
    }

    /// The value, if it is there: [`peek`](Self::peek) for those whom an error is as good as nothing yet.
    pub fn value(&mut self) -> Option<&T> {
        self.peek()?.ok()
    }

    /// Takes the result if it is there, without waiting: what awaiting the handle would have given.
    ///
    /// `None` until the handle would resolve, and after it has given its result.
    pub fn try_take(&mut self) -> Option<Result<T, TaskError<E>>> {
        if self.taken {
            return self.kept.take().map(|kept| *kept);
        }
        let result = self.found(None)?;
        self.taken = true;
        Some(result)
    }

    /// The same task, whose value is what `f` makes of it; see [`AsyncResult::map`].
    pub fn map<U, F>(self, f: F) -> Mapped<Self, OnValue<F>>
    where
        F: FnOnce(T) -> U,
    {
        AsyncResult::map(self, f)
    }

    /// The same task, whose own error is what `f` makes of it; see [`AsyncResult::map_err`].
    pub fn map_err<G, F>(self, f: F) -> Mapped<Self, OnError<F>>
    where
        F: FnMut(E) -> G,
    {
        AsyncResult::map_err(self, f)
    }

    /// Starts a task that runs `next` with this one's value, and skips it with this one's error.
    ///
    /// The link is a task of its own, beside this one under the same parent. It goes by this one's name, priority and
    /// grace period and inherits its deadline. Cancelling it cancels this one too. Where nothing else says what `next`
    /// yields, name it: `let count: Task<u32, _> = first.and_then(..)`.
    pub fn and_then<U, F, O, M>(self, next: F) -> Task<R, U, E>
    where
        U: Send + 'static,
        F: FnOnce(T) -> O + Send + 'static,
        O: IntoAsyncResult<U, E, M>,
        O::Future: Send,
        M: 'static,
    {
        AsyncResult::and_then(self, next)
    }

    /// [`and_then`](Self::and_then), by the name that a row of tasks goes by.
    pub fn chain<U, F, O, M>(self, next: F) -> Task<R, U, E>
    where
        U: Send + 'static,
        F: FnOnce(T) -> O + Send + 'static,
        O: IntoAsyncResult<U, E, M>,
        O::Future: Send,
        M: 'static,
    {
        AsyncResult::and_then(self, next)
    }

    /// Starts a task that runs `next` with this one's error, and skips it with this one's value; see
    /// [`AsyncResult::or_else`] for what becomes of a timeout.
    pub fn or_else<G, F, O, M>(self, next: F) -> Task<R, T, G>
    where
        G: Send + Sync + 'static,
        F: FnOnce(TaskError<E>) -> O + Send + 'static,
        O: IntoAsyncResult<T, G, M>,
        O::Future: Send,
        M: 'static,
    {
        AsyncResult::or_else(self, next)
    }

    /// What the slot holds, or the end of a task that needs no slot any more; `None` leaves `waker`, if there is one.
    #[inline]
    fn found(&mut self, waker: Option<&Waker>) -> Option<Result<T, TaskError<E>>> {
        let ended = self.record.header().lifecycle.state().is_terminal();
        let alone = if ended {
            Arc::get_mut(&mut self.record)
        } else {
            None
        };
        let found = match (alone, waker) {
            // The driver has delivered and is gone, and nobody refers to the task besides.
            (Some(record), _) => record.slot.take_alone(),
            (None, Some(waker)) => self.record.slot.take(waker),
            (None, None) => self.record.slot.try_take(),
        };
        match found {
            Found::Result(result) => Some(result),
            Found::Taken => Some(Err(self.record.header().error(Cause::Taken))),
            // The waker is in the slot, then the word is read; a canceller writes the word, then wakes the slot.
            Found::Nothing => {
                let error = self.cut_off()?;
                self.record.slot.detach();
                Some(Err(error))
            }
        }
    }

    /// A handle that has given its result, or holds one that was looked at.
    #[cold]
    fn given(&mut self) -> Result<T, TaskError<E>> {
        match self.kept.take() {
            Some(kept) => *kept,
            None => Err(self.record.header().error(Cause::Taken)),
        }
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

impl<T, E> CancellationResult<T, E> {
    pub(super) fn of(result: Result<T, TaskError<E>>) -> Self {
        match result {
            Ok(value) => Self::Completed(value),
            Err(error) => match error.cause() {
                Cause::Cancelled { cancellation, .. } => {
                    let level = cancellation.level;
                    Self::Cancelled { level, error }
                }
                Cause::TimedOut(_) => Self::TimedOut(error),
                _ => Self::Failed(error),
            },
        }
    }
}

impl<R: Runtime, T: Send + 'static, E: Send + Sync + 'static> Future for Task<R, T, E> {
    type Output = Result<T, TaskError<E>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        if self.taken {
            return Poll::Ready(self.given());
        }
        match self.found(Some(cx.waker())) {
            Some(result) => {
                self.taken = true;
                Poll::Ready(result)
            }
            None => Poll::Pending,
        }
    }
}

impl<R: Runtime, T: Send + 'static, E: Send + Sync + 'static> SpawningTask<T, E> for Task<R, T, E> {
    type Runtime = R;

    fn runtime(&self) -> &R {
        &self.record.slot.runtime
    }

    fn cancel_on_drop(mut self, level: Option<Level>) -> Self {
        self.cancel_on_drop = level;
        self
    }

    fn task_ref(&self) -> TaskRef {
        Self::task_ref(self)
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
