//! What a task's work knows of its own task.

use alloc::sync::Arc;
use core::error::Error;
use core::fmt;
use core::future::Future;
use core::ops::Deref;
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

use sweet_async_core::lifecycle::{Level, ShieldError};

use super::builder::{SpawningTaskBuilder, TaskBuilder};
use super::combine::SpawningTask;
use super::error::{Cancellation, Cause, TaskError};
use super::handle::Task;
use super::header::{Header, Node};
use super::join::Joiner;
use super::scope::ScopeBuilder;
use super::view::TaskRef;
use super::watch::Watching;
use crate::Runtime;
use crate::live::{LiveTree, Saying, WaitsOn};
use crate::words::across;

/// A task seen from inside: whether to stop, how much time is left, and children.
///
/// Cheap to clone, and free to move into other tasks or threads. Dereferences to [`TaskRef`].
pub struct Context<R: Runtime> {
    task: TaskRef,
    runtime: R,
}

/// The task was told to stop.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stopped {
    /// Who, why, and how far.
    pub cancellation: Cancellation,
}

impl<R: Runtime> Context<R> {
    pub(super) const fn new(node: Node, runtime: R) -> Self {
        Self {
            task: TaskRef { node },
            runtime,
        }
    }

    /// The executor that the task runs on.
    #[must_use]
    pub const fn runtime(&self) -> &R {
        &self.runtime
    }

    /// How much time is left until the deadline in force; `None` if there is none.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        Some(self.deadline()?.since(self.runtime.now()))
    }

    /// Whether to go on: a checkpoint for loops and for blocking closures. One load while nobody cancelled.
    ///
    /// # Errors
    /// [`Stopped`] once the task was told to stop and no shielded section is open.
    #[inline]
    pub fn checkpoint(&self) -> Result<(), Stopped> {
        self.runtime.about_to_run();
        self.may_go_on()
    }

    /// The same where no code of the caller runs.
    #[inline]
    pub(super) fn may_go_on(&self) -> Result<(), Stopped> {
        if !self.is_cancelled() {
            return Ok(());
        }
        self.stopped()
    }

    #[cold]
    fn stopped(&self) -> Result<(), Stopped> {
        let seen = self.snapshot();
        if seen.is_shielded() && seen.level() < Some(Level::KillHard) {
            return Ok(());
        }
        self.header()
            .cancellation(seen)
            .map_or(Ok(()), |cancellation| Err(Stopped { cancellation }))
    }

    /// Waits until the task is told to stop.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn cancelled(&self) -> Cancellation {
        loop {
            if let Some(cancellation) = self.cancellation() {
                return cancellation;
            }
            self.header().token().cancelled().await;
        }
    }

    /// Runs `work` until it is done or the task is told to stop, whichever is first.
    ///
    /// # Errors
    /// [`Stopped`] when the task was told first; `work` is dropped.
    ///
    /// # Cancel safety
    /// As that of `work`.
    pub async fn until_cancelled<F: Future>(&self, work: F) -> Result<F::Output, Stopped> {
        let mut work = pin!(work);
        let mut told = pin!(self.cancelled());
        core::future::poll_fn(|cx| {
            if let Poll::Ready(output) = work.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            told.as_mut()
                .poll(cx)
                .map(|cancellation| Err(Stopped { cancellation }))
        })
        .await
    }

    /// Runs `work` in a shielded section: graceful cancellation and kill wait until it is done.
    ///
    /// A deadline and a hard kill do not wait. Sections nest, up to 63 deep.
    ///
    /// # Errors
    /// [`ShieldError`] when the section cannot be opened; `work` has not begun then.
    ///
    /// # Cancel safety
    /// The section closes when the future is dropped; what else is lost is up to `work`.
    pub async fn shield<F: Future>(&self, work: F) -> Result<F::Output, ShieldError> {
        self.header().lifecycle.shield()?;
        let _open = Shielded {
            header: self.header(),
        };
        Ok(work.await)
    }

    /// Sleeps for `duration`, but not past the deadline and not after the task is told to stop.
    ///
    /// # Errors
    /// [`Stopped`] when the task was told first.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn sleep(&self, duration: Duration) -> Result<(), Stopped> {
        let until = self.runtime.now() + duration;
        let _saying = self.say(WaitsOn::Timer { at: until });
        self.until_cancelled(self.runtime.sleep_until(until)).await
    }

    /// Starts a child of this task; the same as `builder.parent(&cx).run(work)`.
    ///
    /// The child is in the tree before this returns and leaves it after its work was dropped. It inherits the deadline,
    /// is cancelled with its parent, and its parent does not end before it. A child of a task that was told to stop is
    /// cancelled before it starts.
    pub fn spawn_child<B, W, Args, M>(&self, builder: B, work: W) -> B::Task
    where
        B: SpawningTaskBuilder<R, W, Args, M>,
    {
        builder.run_under(self, work)
    }

    /// Starts a child and waits for it. Dropping the future detaches the child, which its parent still owns.
    ///
    /// # Errors
    /// As the child's.
    pub async fn run_child<B, W, Args, M, T, E>(&self, builder: B, work: W) -> Result<T, TaskError<E>>
    where
        B: SpawningTaskBuilder<R, W, Args, M, Task = Task<R, T, E>>,
        T: Send + 'static,
        E: Send + Sync + 'static,
    {
        let child = builder.run_under(self, work);
        let _saying = self.say(WaitsOn::Task(child.id()));
        child.await
    }

    /// Waits for `tasks` by the rule of `joiner`, and answers in the order in which they are listed.
    ///
    /// # Cancel safety
    /// Dropping the future detaches the tasks; those that are children are still owned by their parent.
    pub async fn join_children<A, T, E, J>(&self, joiner: J, tasks: impl IntoIterator<Item = A>) -> J::Output
    where
        A: SpawningTask<T, E>,
        J: Joiner<T, E>,
    {
        let _saying = self.say(WaitsOn::Tasks);
        joiner.join(tasks).await
    }

    /// Waits until no child of this task lives, those included whose handles were dropped.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn children_ended(&self) {
        if self.child_count() == 0 {
            return;
        }
        let _saying = self.say(WaitsOn::Children);
        while self.child_count() != 0 {
            let left = self.header().extra().children.left.listen();
            // See `Header::vacate`: the listener is made, then the count is read.
            across::fence();
            if self.child_count() == 0 {
                return;
            }
            left.await;
        }
    }

    /// Describes a scope within this task: children that are joined before their scope is, with rules of their own.
    pub fn scope(&self) -> ScopeBuilder<R> {
        ScopeBuilder::new(self)
    }

    /// What lives now: this task and everybody below it, at most `limit` tasks.
    #[must_use]
    pub fn live_tree(&self, limit: usize) -> LiveTree {
        LiveTree::of(&self.task, self.runtime.now(), limit)
    }

    /// Says what the task waits on until the answer is dropped.
    pub(crate) fn say(&self, waits: WaitsOn) -> Saying<'_> {
        self.header().extra().notes().say(waits)
    }

    /// A builder for a child of this task.
    ///
    /// What it yields is inferred where `run` is called on it; one that is handed to `spawn` or `run_child` says it:
    /// `cx.child::<u32, _>()`.
    pub fn child<T, E>(&self) -> TaskBuilder<R, T, E> {
        TaskBuilder::new(self.runtime.clone()).parent(self)
    }

    pub(super) fn watching(&self) -> Option<Arc<dyn Watching>> {
        self.header().watching().map(Arc::clone)
    }

    /// An error of a call that this task made.
    pub(crate) fn error_of_call<E>(&self, cause: Cause<E>, attempt: u32) -> TaskError<E> {
        let attempt = u16::try_from(attempt).unwrap_or(u16::MAX);
        TaskError::new(cause, Some(self.id()), self.header().name_to_keep(), attempt)
    }

    pub(super) const fn node(&self) -> &Node {
        &self.task.node
    }
}

/// An open shielded section.
struct Shielded<'a> {
    header: &'a Header,
}

impl Drop for Shielded<'_> {
    fn drop(&mut self) {
        // Refused only when the task is over, and then nothing is shielded.
        let _ = self.header.lifecycle.unshield();
        if self.header.lifecycle.is_cancelled() {
            self.header.driver.wake();
        }
    }
}

impl<R: Runtime> Clone for Context<R> {
    fn clone(&self) -> Self {
        Self {
            task: self.task.clone(),
            runtime: self.runtime.clone(),
        }
    }
}

impl<R: Runtime> Deref for Context<R> {
    type Target = TaskRef;

    fn deref(&self) -> &TaskRef {
        &self.task
    }
}

impl<R: Runtime> fmt::Debug for Context<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Context").field(&self.task).finish()
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the task {}", self.cancellation)
    }
}

impl Error for Stopped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cancellation)
    }
}
