//! Ways to wait for several tasks.

use core::future::Future;

use futures_util::stream::{FuturesUnordered, StreamExt};
use sweet_async_core::lifecycle::{Level, Reason};

use super::TaskId;
use super::combine::SpawningTask;
use super::error::TaskError;

/// A rule for waiting for several tasks, whatever kind of handle they have. Results come in the order in which the tasks were listed.
pub trait Joiner<T, E> {
    /// What the rule answers.
    type Output;

    /// Waits for `tasks`.
    fn join<A>(self, tasks: impl IntoIterator<Item = A>) -> impl Future<Output = Self::Output>
    where
        A: SpawningTask<T, E>;
}

/// Waits for all, whatever becomes of them. With a [`retry`](super::TaskBuilder::retry) on each task this is
/// supervision: one that fails is started again by itself and disturbs no other.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "a rule without settings")]
pub struct All;

/// Waits for all, and kills the rest as soon as one fails; the answer is the first error, after all have ended.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "a rule without settings")]
pub struct FirstError;

/// Waits for the first value and kills the rest; all errors if there is none, after all have ended.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "a rule without settings")]
pub struct Any;

impl<T, E> Joiner<T, E> for All {
    type Output = Vec<(TaskId, Result<T, TaskError<E>>)>;

    async fn join<A>(self, tasks: impl IntoIterator<Item = A>) -> Self::Output
    where
        A: SpawningTask<T, E>,
    {
        // They run already, so awaiting one after the other takes as long as the slowest.
        let tasks: Vec<_> = tasks.into_iter().collect();
        let mut results = Vec::with_capacity(tasks.len());
        for task in tasks {
            results.push((task.id(), task.await));
        }
        results
    }
}

impl<T, E> Joiner<T, E> for FirstError {
    type Output = Result<Vec<(TaskId, T)>, TaskError<E>>;

    async fn join<A>(self, tasks: impl IntoIterator<Item = A>) -> Self::Output
    where
        A: SpawningTask<T, E>,
    {
        let mut first = None;
        let ended = until(tasks, |_, result| match result {
            Ok(value) => Ok(value),
            Err(error) => {
                first.get_or_insert(error);
                Err(Reason::Sibling)
            }
        })
        .await;
        first.map_or(Ok(ended), Err)
    }
}

impl<T, E> Joiner<T, E> for Any {
    type Output = Result<(TaskId, T), Vec<TaskError<E>>>;

    async fn join<A>(self, tasks: impl IntoIterator<Item = A>) -> Self::Output
    where
        A: SpawningTask<T, E>,
    {
        let mut first = None;
        let errors = until(tasks, |id, result| match result {
            Ok(value) => {
                first.get_or_insert((id, value));
                Err(Reason::Superseded)
            }
            Err(error) => Ok(error),
        })
        .await;
        match first {
            Some(value) => Ok(value),
            None => Err(errors.into_iter().map(|(_, error)| error).collect()),
        }
    }
}

/// Waits for all; the first time `judge` gives a reason, the rest are killed. Answers with what `judge` kept, in order.
async fn until<A, T, E, K>(
    tasks: impl IntoIterator<Item = A>,
    mut judge: impl FnMut(TaskId, Result<T, TaskError<E>>) -> Result<K, Reason>,
) -> Vec<(TaskId, K)>
where
    A: SpawningTask<T, E>,
{
    let mut references = Vec::new();
    let mut pending: FuturesUnordered<_> = tasks
        .into_iter()
        .enumerate()
        .map(|(place, task)| {
            references.push(task.task_ref());
            async move { (place, task.id(), task.await) }
        })
        .collect();
    let mut kept = Vec::with_capacity(references.len());
    let mut told = false;
    while let Some((place, id, result)) = pending.next().await {
        match judge(id, result) {
            Ok(keep) => kept.push((place, id, keep)),
            Err(reason) if !told => {
                told = true;
                for other in &references {
                    // Those that have ended need no telling.
                    let _ = other.cancel_because(Level::Kill, reason, Some(id));
                }
            }
            Err(_) => {}
        }
    }
    kept.sort_unstable_by_key(|(place, ..)| *place);
    kept.into_iter().map(|(_, id, keep)| (id, keep)).collect()
}
