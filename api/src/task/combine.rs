//! What can be done with the result of a task that still runs, without waiting for it.

use core::fmt;
use core::future::{Future, pending};
use core::ops::Deref;
use core::pin::Pin;
use core::task::{self, Poll};

use sweet_async_core::lifecycle::Level;

use super::builder::launch_linked;
use super::context::{Context, Stopped};
use super::error::{Cause, TaskError};
use super::handle::{CancellationResult, Task};
use super::header::TaskRecord;
use super::plan::{Fault, Linked};
use super::traits::AsyncTask;
use super::view::TaskRef;
use super::work::IntoAsyncResult;
use crate::Runtime;

/// The owner's end of a task that was spawned, whatever kind of handle it is.
///
/// [`Task`], what `map` makes of it, and the handle of a pipeline; the [joiners](super::Joiner) take all of them.
///
/// # Examples
/// ```
/// use sweet_async_api::{Level, task::{CancellationResult, SpawningTask}};
///
/// /// Its value, if it has one by the time it is told to stop.
/// async fn last<A: SpawningTask<T, E>, T, E>(task: A) -> Option<T> {
///     match task.stop(Level::Graceful).await {
///         CancellationResult::Completed(value) => Some(value),
///         _ => None,
///     }
/// }
/// ```
pub trait SpawningTask<T, E>: AsyncTask<T, E> + Deref<Target = TaskRecord> + Unpin + Sized {
    /// What the task runs on.
    type Runtime: Runtime;

    /// The executor that the task runs on.
    fn runtime(&self) -> &Self::Runtime;

    /// What becomes of the task when this handle is dropped: it is cancelled at `level`, or runs on by itself.
    #[must_use]
    fn cancel_on_drop(self, level: Option<Level>) -> Self;

    /// A reference to the task that outlives this handle and keeps nothing running.
    fn task_ref(&self) -> TaskRef;

    /// Lets the task run on by itself.
    fn detach(self) {
        drop(self.cancel_on_drop(None));
    }

    /// Asks the task to stop at `level` and waits for its end.
    ///
    /// # Cancel safety
    /// The request stands when the future is dropped, and so does the rule for a dropped handle.
    fn stop(mut self, level: Level) -> impl Future<Output = CancellationResult<T, E>> {
        async move {
            // A task that has ended says how in its result.
            let _ = TaskRecord::cancel(&self, level);
            CancellationResult::of((&mut self).await)
        }
    }
}

/// A result that is still on its way, and what can be made of it: the methods of `Result`, for a running task.
///
/// All of them keep the task: its name, place, priority, grace period, deadline, and what a cancellation reaches.
///
/// - `map` and `map_err` start nothing. The handle that they give is the same task's, and their closure is called where
///   that handle is awaited, as if it stood behind the `await`: also a panic in it unwinds there. They obey the laws of
///   `Result` (test: `combine::results_that_are_on_their_way_obey_the_laws_of_results`).
/// - `and_then` and `or_else` start a link: a task of its own, beside this one under the same parent, which goes by this
///   one's name, priority and grace period and inherits its deadline. Cancelling the link cancels this one too. It
///   begins only after this one has ended.
///
/// # Examples
/// ```
/// use sweet_async_api::task::AsyncResult;
///
/// fn length<A: AsyncResult<String, E>, E>(text: A) -> impl AsyncResult<usize, E> {
///     text.map(|text| text.len())
/// }
/// ```
pub trait AsyncResult<T, E>: SpawningTask<T, E> {
    /// The same task, whose value is what `f` makes of it.
    fn map<U, F>(self, f: F) -> Mapped<Self, OnValue<F>>
    where
        F: FnOnce(T) -> U,
    {
        Mapped::new(self, OnValue(f))
    }

    /// The same task, whose own error is what `f` makes of it: wherever in a [`TaskError`] there is one; see
    /// [`TaskError::map`].
    fn map_err<G, F>(self, f: F) -> Mapped<Self, OnError<F>>
    where
        F: FnMut(E) -> G,
    {
        Mapped::new(self, OnError(f))
    }

    /// Starts a task that runs `next` with this one's value, and skips it with this one's error.
    fn and_then<U, F, O, M>(self, next: F) -> Task<Self::Runtime, U, E>
    where
        Self: Send + 'static,
        T: Send + 'static,
        U: Send + 'static,
        E: Send + Sync + 'static,
        F: FnOnce(T) -> O + Send + 'static,
        O: IntoAsyncResult<U, E, M>,
        O::Future: Send,
        M: 'static,
    {
        link(self, move |cx, result: Result<T, TaskError<E>>| async move {
            let value = result.map_err(Fault::Task)?;
            go_on(&cx)?;
            next(value).into_async_result().await.map_err(Fault::Error)
        })
    }

    /// Starts a task that runs `next` with this one's error, and skips it with this one's value.
    ///
    /// There is no time left for `next` once this task's deadline has passed, which is the link's as well: a timeout ends
    /// both, and `next` is not called. What has to follow a timeout is a [`fallback`](super::TaskBuilder::fallback).
    fn or_else<G, F, O, M>(self, next: F) -> Task<Self::Runtime, T, G>
    where
        Self: Send + 'static,
        T: Send + 'static,
        E: Send + Sync + 'static,
        G: Send + Sync + 'static,
        F: FnOnce(TaskError<E>) -> O + Send + 'static,
        O: IntoAsyncResult<T, G, M>,
        O::Future: Send,
        M: 'static,
    {
        link(self, move |cx, result: Result<T, TaskError<E>>| async move {
            let error = match result {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            go_on(&cx)?;
            if cx.remaining().is_some_and(|left| left.is_zero()) {
                // The driver sees the deadline next.
                pending::<()>().await;
            }
            next(error).into_async_result().await.map_err(Fault::Error)
        })
    }
}

impl<A, T, E> AsyncResult<T, E> for A where A: SpawningTask<T, E> {}

/// Whether a link that was told to stop meanwhile begins.
fn go_on<R: Runtime, E>(cx: &Context<R>) -> Result<(), Fault<E>> {
    cx.checkpoint().map_err(|Stopped { cancellation }| {
        Fault::Cause(Cause::Cancelled {
            cancellation,
            error: None,
        })
    })
}

/// Starts a task that goes on with the result of `first`, and stops it when it is told to stop itself.
fn link<A, T, E, U, G, F, W>(first: A, next: F) -> Task<A::Runtime, U, G>
where
    A: SpawningTask<T, E> + Send + 'static,
    T: Send + 'static,
    E: Send + Sync + 'static,
    U: Send + 'static,
    G: Send + Sync + 'static,
    F: FnOnce(Context<A::Runtime>, Result<T, TaskError<E>>) -> W + Send + 'static,
    W: Future<Output = Result<U, Fault<G>>> + Send,
{
    let (runtime, node) = (first.runtime().clone(), first.task_ref().node);
    let mut first = first.cancel_on_drop(Some(Level::Kill));
    let work = move |cx: Context<A::Runtime>| async move {
        let result = match cx.until_cancelled(&mut first).await {
            Ok(result) => result,
            Err(Stopped { cancellation }) => {
                // One that has ended gives its result all the same.
                let _ = first.cancel_because(cancellation.level, cancellation.reason, Some(cx.id()));
                (&mut first).await
            }
        };
        drop(first);
        next(cx, result).await
    };
    launch_linked(runtime, &node, Linked::new(work))
}

/// What `map` and `map_err` do to a result.
pub trait Mapping<T, E> {
    /// The value afterwards.
    type Value;
    /// The error of the task's own work afterwards.
    type Error;

    /// Does it.
    fn apply(self, result: Result<T, TaskError<E>>) -> Result<Self::Value, TaskError<Self::Error>>;
}

/// What [`map`](AsyncResult::map) does.
pub struct OnValue<F>(F);

/// What [`map_err`](AsyncResult::map_err) does.
pub struct OnError<F>(F);

impl<T, E, U, F: FnOnce(T) -> U> Mapping<T, E> for OnValue<F> {
    type Value = U;
    type Error = E;

    fn apply(self, result: Result<T, TaskError<E>>) -> Result<U, TaskError<E>> {
        result.map(self.0)
    }
}

impl<T, E, G, F: FnMut(E) -> G> Mapping<T, E> for OnError<F> {
    type Value = T;
    type Error = G;

    fn apply(self, result: Result<T, TaskError<E>>) -> Result<T, TaskError<G>> {
        result.map_err(|error| error.map(self.0))
    }
}

/// The handle of a task, whose result will be something else; see [`AsyncResult`].
///
/// It is the task's own handle in every other respect: it answers what the task answers, cancels it, and when it is
/// dropped the task is detached or cancelled as it would have been.
///
/// # Cancel safety
/// Dropping a pending `await` on `&mut mapped` loses nothing.
#[must_use = "a dropped handle detaches its task; await it"]
pub struct Mapped<A, M> {
    task: A,
    // Taken when the result is there.
    mapping: Option<M>,
}

impl<A, M> Mapped<A, M> {
    const fn new(task: A, mapping: M) -> Self {
        Self {
            task,
            mapping: Some(mapping),
        }
    }
}

// The mapping is moved out, never pinned.
impl<A: Unpin, M> Unpin for Mapped<A, M> {}

impl<A, M, T, E> Future for Mapped<A, M>
where
    A: Future<Output = Result<T, TaskError<E>>> + Deref<Target = TaskRecord> + Unpin,
    M: Mapping<T, E>,
{
    type Output = Result<M::Value, TaskError<M::Error>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let result = task::ready!(Pin::new(&mut self.task).poll(cx));
        Poll::Ready(match self.mapping.take() {
            Some(mapping) => mapping.apply(result),
            None => Err(self.task.header().error(Cause::Taken)),
        })
    }
}

impl<A, M, T, E> SpawningTask<M::Value, M::Error> for Mapped<A, M>
where
    A: SpawningTask<T, E> + Future<Output = Result<T, TaskError<E>>>,
    M: Mapping<T, E>,
{
    type Runtime = A::Runtime;

    fn runtime(&self) -> &A::Runtime {
        self.task.runtime()
    }

    fn cancel_on_drop(mut self, level: Option<Level>) -> Self {
        self.task = self.task.cancel_on_drop(level);
        self
    }

    fn task_ref(&self) -> TaskRef {
        self.task.task_ref()
    }
}

impl<A: Deref<Target = TaskRecord>, M> Deref for Mapped<A, M> {
    type Target = TaskRecord;

    fn deref(&self) -> &TaskRecord {
        &self.task
    }
}

impl<A: fmt::Debug, M> fmt::Debug for Mapped<A, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mapped").field(&self.task).finish()
    }
}

impl<F> fmt::Debug for OnValue<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnValue")
    }
}

impl<F> fmt::Debug for OnError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnError")
    }
}

/// How a task ended, wherever that is written: a result, the answer of [`stop`](Task::stop), an entry of what
/// [`All`](super::All) gives.
///
/// From here on it is a `Result` and has all of its methods.
///
/// # Examples
/// ```
/// use sweet_async_api::task::TaskResult;
///
/// fn count<O: TaskResult<T, E>, T, E>(ended: &[O]) -> (usize, usize) {
///     let failed = ended.iter().filter(|end| end.is_err()).count();
///     (ended.len() - failed, failed)
/// }
/// ```
pub trait TaskResult<T, E>: Sized {
    /// The value, or why there is none.
    fn result(&self) -> Result<&T, &TaskError<E>>;

    /// The same, to keep.
    fn into_result(self) -> Result<T, TaskError<E>>;

    /// Whether there is a value.
    fn is_ok(&self) -> bool {
        self.result().is_ok()
    }

    /// Whether there is none.
    fn is_err(&self) -> bool {
        self.result().is_err()
    }
}

impl<T, E> TaskResult<T, E> for Result<T, TaskError<E>> {
    fn result(&self) -> Result<&T, &TaskError<E>> {
        self.as_ref()
    }

    fn into_result(self) -> Self {
        self
    }
}

impl<T, E> TaskResult<T, E> for (super::TaskId, Result<T, TaskError<E>>) {
    fn result(&self) -> Result<&T, &TaskError<E>> {
        self.1.as_ref()
    }

    fn into_result(self) -> Result<T, TaskError<E>> {
        self.1
    }
}

impl<T, E> TaskResult<T, E> for CancellationResult<T, E> {
    fn result(&self) -> Result<&T, &TaskError<E>> {
        match self {
            Self::Completed(value) => Ok(value),
            Self::Cancelled { error, .. } | Self::TimedOut(error) | Self::Failed(error) => Err(error),
        }
    }

    fn into_result(self) -> Result<T, TaskError<E>> {
        match self {
            Self::Completed(value) => Ok(value),
            Self::Cancelled { error, .. } | Self::TimedOut(error) | Self::Failed(error) => Err(error),
        }
    }
}
