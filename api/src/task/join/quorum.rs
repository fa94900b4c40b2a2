//! So many values are enough.

use core::error::Error;
use core::fmt;

use sweet_async_core::lifecycle::Reason;

use super::{Joiner, as_listed, until};
use crate::task::combine::SpawningTask;
use crate::task::{TaskError, TaskId};

/// Waits until so many have a value, and kills the rest; answers after all have ended.
///
/// As soon as so many have failed that the others are too few, the others are killed as well. None at all is reached at
/// once, and more than there are tasks never.
///
/// # Examples
/// ```
/// use sweet_async_api::task::{Joiner, NoQuorum, Quorum, SpawningTask};
///
/// /// Whether most of them agreed to it.
/// async fn agreed<A: SpawningTask<(), E>, E>(votes: Vec<A>) -> bool {
///     let most = votes.len() / 2 + 1;
///     Quorum::of(most).join(votes).await.is_ok()
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Quorum {
    wanted: usize,
}

/// Too few tasks had a value.
#[derive(Debug)]
#[non_exhaustive]
pub struct NoQuorum<T, E> {
    /// How many were wanted.
    pub wanted: usize,
    /// Those that there were, as listed.
    pub values: Vec<(TaskId, T)>,
    /// Why the others have none, as listed; those included that were killed because it was no use any more.
    pub errors: Vec<TaskError<E>>,
}

impl Quorum {
    /// So many values.
    #[must_use]
    pub const fn of(wanted: usize) -> Self {
        Self { wanted }
    }
}

impl<T, E> Joiner<T, E> for Quorum {
    /// The first so many values, as listed.
    type Output = Result<Vec<(TaskId, T)>, NoQuorum<T, E>>;

    async fn join<A>(self, tasks: impl IntoIterator<Item = A>) -> Self::Output
    where
        A: SpawningTask<T, E>,
    {
        let Self { wanted } = self;
        let tasks = Vec::from_iter(tasks);
        let (mut values, mut errors, mut left) = (Vec::new(), Vec::new(), tasks.len());
        let verdict = |reached: usize, left: usize| {
            if reached >= wanted {
                Some(Reason::Superseded)
            } else {
                (reached + left < wanted).then_some(Reason::Sibling)
            }
        };
        until(tasks, verdict(0, left), |ended| {
            left -= 1;
            match ended.result {
                // One that ended although it was not needed any more.
                Ok(_) if values.len() >= wanted => {}
                Ok(value) => values.push((ended.place, (ended.id, value))),
                Err(error) => errors.push((ended.place, error)),
            }
            verdict(values.len(), left)
        })
        .await;
        let reached = values.len() >= wanted;
        let values = as_listed(values);
        if reached {
            return Ok(values);
        }
        Err(NoQuorum {
            wanted,
            values,
            errors: as_listed(errors),
        })
    }
}

impl<T, E> fmt::Display for NoQuorum<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "of {} tasks {} have a value, and {} were wanted",
            self.values.len() + self.errors.len(),
            self.values.len(),
            self.wanted
        )
    }
}

impl<T: fmt::Debug, E: fmt::Debug> Error for NoQuorum<T, E> {}
