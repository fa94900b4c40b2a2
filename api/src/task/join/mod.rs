//! Ways to wait for several tasks.

mod cycle;
mod partial;
mod quorum;
mod stream;
mod supervise;

use core::future::Future;

use futures_util::stream::{FuturesUnordered, StreamExt};
use sweet_async_core::lifecycle::{Level, Reason};

pub use self::cycle::WaitCycle;
pub use self::partial::{Partial, Within};
pub use self::quorum::{NoQuorum, Quorum};
pub use self::stream::{JoinSender, JoinStream, join_stream};
pub use self::supervise::{Escalation, GaveUp, Restart, Supervisor};
use super::TaskId;
use super::combine::SpawningTask;
use super::error::TaskError;

/// A rule for waiting for several tasks, whatever kind of handle they have. Results come in the order in which the tasks
/// were listed; [`join_stream`] gives them in the order in which they end.
pub trait Joiner<T, E> {
    /// What the rule answers.
    type Output;

    /// Waits for `tasks`.
    fn join<A>(self, tasks: impl IntoIterator<Item = A>) -> impl Future<Output = Self::Output>
    where
        A: SpawningTask<T, E>;
}

/// Waits for all, whatever becomes of them.
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
        let (mut values, mut first) = (Vec::new(), None);
        until(Vec::from_iter(tasks), None, |ended| match ended.result {
            Ok(value) => {
                values.push((ended.place, (ended.id, value)));
                None
            }
            Err(error) => {
                first.get_or_insert(error);
                Some(Reason::Sibling)
            }
        })
        .await;
        first.map_or_else(|| Ok(as_listed(values)), Err)
    }
}

impl<T, E> Joiner<T, E> for Any {
    type Output = Result<(TaskId, T), Vec<TaskError<E>>>;

    async fn join<A>(self, tasks: impl IntoIterator<Item = A>) -> Self::Output
    where
        A: SpawningTask<T, E>,
    {
        let (mut first, mut errors) = (None, Vec::new());
        until(Vec::from_iter(tasks), None, |ended| match ended.result {
            Ok(value) => {
                first.get_or_insert((ended.id, value));
                Some(Reason::Superseded)
            }
            Err(error) => {
                errors.push((ended.place, error));
                None
            }
        })
        .await;
        first.ok_or_else(|| as_listed(errors))
    }
}

/// A task that has ended, and where it was listed.
struct Ended<T, E> {
    place: usize,
    id: TaskId,
    result: Result<T, TaskError<E>>,
}

/// Waits for all; the first time `judge` gives a reason, or at once if there is one, the rest are killed.
async fn until<A, T, E>(
    tasks: Vec<A>,
    at_once: Option<Reason>,
    mut judge: impl FnMut(Ended<T, E>) -> Option<Reason>,
) where
    A: SpawningTask<T, E>,
{
    let references: Vec<_> = tasks.iter().map(SpawningTask::task_ref).collect();
    let mut told = false;
    let mut tell = |reason: Option<Reason>, by| {
        let Some(reason) = reason.filter(|_| !told) else {
            return;
        };
        told = true;
        for other in &references {
            // Those that have ended need no telling.
            let _ = other.cancel_because(Level::Kill, reason, by);
        }
    };
    tell(at_once, None);
    let mut pending = numbered(tasks);
    while let Some(ended) = pending.next().await {
        let id = ended.id;
        tell(judge(ended), Some(id));
    }
}

/// The tasks, in the order in which they end.
fn numbered<A, T, E>(tasks: Vec<A>) -> FuturesUnordered<impl Future<Output = Ended<T, E>>>
where
    A: SpawningTask<T, E>,
{
    let numbered = tasks.into_iter().enumerate();
    numbered
        .map(|(place, task)| async move {
            Ended {
                place,
                id: task.id(),
                result: task.await,
            }
        })
        .collect()
}

/// Back in the order in which the tasks were listed.
fn as_listed<K>(mut kept: Vec<(usize, K)>) -> Vec<K> {
    kept.sort_unstable_by_key(|(place, _)| *place);
    kept.into_iter().map(|(_, keep)| keep).collect()
}
