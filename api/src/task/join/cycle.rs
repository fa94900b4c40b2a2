//! A wait that could never end.

use alloc::collections::BTreeMap;
use core::error::Error;
use core::fmt;
use core::iter::successors;

use crate::Runtime;
use crate::live::WaitsOn;
use crate::task::combine::SpawningTask;
use crate::task::header::Header;
use crate::task::{Context, TaskError, TaskId};

/// A task was to wait for one that cannot end before it does. Here is the handle back.
#[non_exhaustive]
pub struct WaitCycle<A> {
    /// Who waits for whom: each of them for the next, and the last, which is the first again, closes the circle.
    pub path: Vec<TaskId>,
    /// The task that was not waited for.
    pub task: A,
}

impl<R: Runtime> Context<R> {
    /// Waits for any task that has a handle here, and says so to whoever [looks](crate::live); refuses where that would never
    /// end: a task waits for its children, so one of them cannot wait for it, nor for a task that goes on with its result.
    ///
    /// Two tasks beside each other, each of which waits for the other, are not found.
    ///
    /// # Errors
    /// [`WaitCycle`] names the circle and hands the task back, which was not touched. A circle that has been broken, because
    /// the one that is waited for was killed hard, is none.
    ///
    /// # Cancel safety
    /// Dropping the future drops the handle, by its own rule; wait for `&mut task` outside of this to keep it.
    ///
    /// # Examples
    /// ```
    /// use core::convert::Infallible;
    /// use sweet_async_api::{Context, Runtime, Task};
    ///
    /// /// Waits for a task that it was given, if it is none of those that wait for this one.
    /// async fn sum<R: Runtime>(cx: Context<R>, other: Task<R, u32, Infallible>) -> u32 {
    ///     match cx.wait_for(other).await {
    ///         Ok(Ok(value)) => value + 1,
    ///         Ok(Err(_)) => 1,
    ///         Err(cycle) => {
    ///             cycle.task.detach();
    ///             0
    ///         }
    ///     }
    /// }
    /// ```
    pub async fn wait_for<A, T, E>(&self, task: A) -> Result<Result<T, TaskError<E>>, WaitCycle<A>>
    where
        A: SpawningTask<T, E>,
    {
        if let Some(path) = circle(self.header(), task.header()) {
            return Err(WaitCycle { path, task });
        }
        let _saying = self.say(WaitsOn::Task(task.id()));
        Ok(task.await)
    }
}

/// From `waiting` over `awaited` back to `waiting`, if the one cannot end without the other.
fn circle(waiting: &Header, awaited: &Header) -> Option<Vec<TaskId>> {
    let up: Vec<_> = successors(Some(waiting), |task| {
        task.parent.as_ref().map(|parent| parent.header())
    })
    .collect();
    let places: BTreeMap<_, _> = (0..).zip(&up).map(|(place, task)| (task.id, place)).collect();
    let mut path = vec![waiting.id];
    // What a task goes on with is what it waits for first.
    for link in successors(Some(awaited), |task| task.goes_on_with()) {
        if link.lifecycle.state().is_terminal() {
            return None;
        }
        path.push(link.id);
        if let Some(place) = places.get(&link.id) {
            let down = up.iter().take(*place).rev();
            path.extend(down.map(|task| task.id));
            return Some(path);
        }
    }
    None
}

impl<A> fmt::Debug for WaitCycle<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitCycle")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl<A> fmt::Display for WaitCycle<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the task would wait for itself: ")?;
        for (place, id) in self.path.iter().enumerate() {
            let before = if place == 0 { "" } else { " waits for " };
            write!(f, "{before}{id}")?;
        }
        Ok(())
    }
}

impl<A> Error for WaitCycle<A> {}
