//! What there is when time is up.

use core::pin::pin;
use core::time::Duration;

use futures_util::future::{Either, select};
use futures_util::stream::StreamExt;
use sweet_async_core::lifecycle::{Level, Reason};

use super::{Ended, Joiner, as_listed, numbered};
use crate::Runtime;
use crate::task::combine::SpawningTask;
use crate::task::{TaskError, TaskId};

/// Waits for all, but no longer than this; then kills the rest, and tells who was ready and who was not.
///
/// A deadline of the task that waits, if it is earlier, ends that task and everybody below it, and nobody is told anything:
/// who wants what there is leaves some time for it.
///
/// # Examples
/// ```
/// use core::time::Duration;
/// use sweet_async_api::task::{Joiner, SpawningTask, Within};
///
/// async fn best_effort<A: SpawningTask<u32, E>, E>(parts: Vec<A>) -> u32 {
///     let partial = Within(Duration::from_secs(2)).join(parts).await;
///     partial.ready.into_iter().filter_map(|(_, result)| result.ok()).sum()
/// }
/// ```
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a rule and its one setting")]
pub struct Within(pub Duration);

/// What there was when time was up.
#[derive(Debug)]
#[non_exhaustive]
pub struct Partial<T, E> {
    /// The results of those that were ready, as listed. A task that had its value before it noticed that it was killed
    /// is among them.
    pub ready: Vec<(TaskId, Result<T, TaskError<E>>)>,
    /// Those that were not, as listed, each with the error that it ended with when it was killed.
    pub late: Vec<(TaskId, TaskError<E>)>,
}

impl<T, E> Partial<T, E> {
    /// Whether all were ready in time.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.late.is_empty()
    }
}

impl<T, E> Joiner<T, E> for Within {
    type Output = Partial<T, E>;

    async fn join<A>(self, tasks: impl IntoIterator<Item = A>) -> Self::Output
    where
        A: SpawningTask<T, E>,
    {
        let tasks = Vec::from_iter(tasks);
        let references: Vec<_> = tasks.iter().map(SpawningTask::task_ref).collect();
        let (mut ready, mut late) = (Vec::new(), Vec::new());
        if let Some(runtime) = tasks.first().map(|task| task.runtime().clone()) {
            let mut end = pin!(runtime.sleep_until(runtime.now() + self.0));
            let mut pending = numbered(tasks);
            while let Either::Left((Some(ended), _)) = select(pending.next(), end.as_mut()).await {
                let Ended { place, id, result } = ended;
                ready.push((place, (id, result)));
            }
            for task in &references {
                let _ = task.cancel_because(Level::Kill, Reason::Deadline, None);
            }
            while let Some(Ended { place, id, result }) = pending.next().await {
                match result {
                    Err(error) if error.is_cancelled() => late.push((place, (id, error))),
                    result => ready.push((place, (id, result))),
                }
            }
        }
        Partial {
            ready: as_listed(ready),
            late: as_listed(late),
        }
    }
}
