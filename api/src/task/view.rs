//! A reference to any task, whatever it yields.

use alloc::sync::Arc;
use core::fmt;
use core::future::Future;
use core::ops::Deref;

use sweet_async_core::Priority;
use sweet_async_core::lifecycle::{Cancel, Level, Reason, Snapshot, State};

use super::TaskId;
use super::callbacks::Callback;
use super::error::Cancellation;
use super::header::{Node, TaskRecord};
use super::retry::Retry;
use crate::live::WaitsOn;
use crate::metrics::{IoMeter, Meter, MeteredIo, TaskMetrics};
use crate::{Moment, Refused};

/// A reference to a task, whatever it yields. Dereferences to [`TaskRecord`].
///
/// It keeps the task's record alive, not the task: a task runs and ends the same whether or not anybody refers to it.
#[derive(Clone)]
pub struct TaskRef {
    pub(super) node: Node,
}

/// The task has ended, so it cannot be cancelled any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct AlreadyEnded {
    /// How it ended.
    pub state: State,
}

/// What a cancellation request did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Request {
    /// The task has been told and will end.
    Accepted,
    /// The task is over by this request: it had not started, or it was killed hard.
    Ended,
    /// The task had been told as much before.
    Unchanged,
}

impl TaskRef {
    pub(crate) const fn of(node: Node) -> Self {
        Self { node }
    }

    pub(crate) const fn node(&self) -> &Node {
        &self.node
    }
}

impl TaskRecord {
    /// Identifies the task.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.header().id
    }

    /// The name given to the builder; empty if none was.
    #[must_use]
    pub fn name(&self) -> &str {
        self.header().name()
    }

    /// How urgent the task is.
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.header().priority
    }

    /// Where the task is in its life. Never goes backwards.
    #[must_use]
    pub fn status(&self) -> State {
        self.header().lifecycle.state()
    }

    /// State, cancellation and attempt, all of one moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.header().lifecycle.snapshot()
    }

    /// Whether the task has ended.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.status().is_terminal()
    }

    /// The attempt that runs or ran, counted from 1; 0 before the first.
    #[must_use]
    pub fn attempt(&self) -> u16 {
        self.snapshot().attempt()
    }

    /// How many attempts are made at most, the first one included; 1 without a retry.
    #[must_use]
    pub fn max_attempts(&self) -> u32 {
        self.header().retry().map_or(1, Retry::max_attempts)
    }

    /// The rules by which the work is tried again; `None` if it is begun once.
    #[must_use]
    pub fn retry_strategy(&self) -> Option<Retry> {
        self.header().retry().copied()
    }

    /// Whether an attempt has failed and another one followed or is due.
    #[must_use]
    pub fn is_recovering(&self) -> bool {
        let seen = self.snapshot();
        seen.state() == State::Waiting || (seen.attempt() > 1 && !seen.state().is_terminal())
    }

    /// Whether the last attempt that is made at most has begun: if it fails, no other one follows.
    ///
    /// That none follows may be known only as one has failed: by its error, because of a deadline, or for want of a retry
    /// budget. [`TaskError::no_retry`](super::TaskError::no_retry) says so then.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        u32::from(self.attempt()) >= self.max_attempts()
    }

    /// Whether the builder was given a [`fallback`](super::TaskBuilder::fallback), begun or not.
    #[must_use]
    pub fn has_fallback(&self) -> bool {
        self.header().kind.has_fallback()
    }

    /// When `run` was called.
    #[must_use]
    pub fn created_at(&self) -> Moment {
        self.header().created
    }

    /// When the executor first ran the task; `None` until then.
    #[must_use]
    pub fn started_at(&self) -> Option<Moment> {
        self.header().started()
    }

    /// When the task ended; `None` until then, and for one that was killed hard until its executor noticed.
    #[must_use]
    pub fn ended_at(&self) -> Option<Moment> {
        self.header().ended()
    }

    /// The deadline in force, its own or an inherited one; `None` if there is none.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        let at = self.header().deadline;
        (at != Moment::NEVER).then_some(at)
    }

    /// Whether the task was told to stop. One load.
    #[inline]
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.header().lifecycle.is_cancelled()
    }

    /// Who cancelled the task, why, and how far it went; `None` if nobody did.
    #[must_use]
    pub fn cancellation(&self) -> Option<Cancellation> {
        self.header().cancellation(self.snapshot())
    }

    /// Asks the task, and everybody below it, to stop at `level`.
    ///
    /// # Errors
    /// [`AlreadyEnded`] when there is nothing left to stop.
    pub fn cancel(&self, level: Level) -> Result<Request, AlreadyEnded> {
        self.cancel_because(level, Reason::Requested, None)
    }

    /// The same, with a reason and the task that asks. The first reason stays.
    ///
    /// # Errors
    /// [`AlreadyEnded`] when there is nothing left to stop.
    pub fn cancel_because(
        &self,
        level: Level,
        reason: Reason,
        by: Option<TaskId>,
    ) -> Result<Request, AlreadyEnded> {
        match self.cancel_tree(level, reason, by) {
            Cancel::Raised => Ok(Request::Accepted),
            Cancel::Ended => Ok(Request::Ended),
            Cancel::Unchanged => Ok(Request::Unchanged),
            Cancel::Over(state) => Err(AlreadyEnded { state }),
        }
    }

    /// Registers what runs when the task is cancelled gracefully or killed.
    ///
    /// Callbacks run one after the other in the order of registration, on the task's own executor, each exactly once,
    /// after the task's children have left, beside the work that is ending or after it. A panic in one does not keep
    /// the next from running. One that is registered while the task is being cancelled runs as well. After the work is
    /// gone they have one grace period; then those that are left are dropped. A hard kill runs none.
    ///
    /// # Errors
    /// Hands the callback back when the task has ended.
    pub fn on_cancel<F, W>(&self, callback: F) -> Result<(), Refused<F>>
    where
        F: FnOnce(Cancellation) -> W + Send + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        if self.header().extra_if_any().is_none() && self.is_ended() {
            return Err(Refused(callback));
        }
        let Some(extra) = self.header().extra_unless_sealed() else {
            return Err(Refused(callback));
        };
        {
            let mut callbacks = extra.lock_callbacks();
            if callbacks.is_closed() {
                return Err(Refused(callback));
            }
            let boxed: Callback = Box::new(move |cancellation| Box::pin(callback(cancellation)));
            callbacks.register(boxed);
        }
        let seen = self.snapshot();
        if seen.level().is_some() {
            self.header().driver.wake();
        } else if seen.state().is_terminal() {
            // It ended as this one was registered, and its driver may not have looked: nothing will call it.
            extra.give_up_callbacks();
        }
        Ok(())
    }

    /// What the task cost so far, as far as it is [metered](super::TaskBuilder::metered).
    #[must_use]
    pub fn metrics(&self) -> TaskMetrics {
        let header = self.header();
        let mut metrics = TaskMetrics {
            queued: header.started().map(|started| started.since(header.created)),
            attempts: self.attempt(),
            ..TaskMetrics::default()
        };
        if let Some(meter) = header.watch().and_then(|watch| watch.meter.as_ref()) {
            meter.read(&mut metrics);
        }
        metrics
    }

    /// What the task waits on, as far as the engine or the task itself says so; `None` if its work runs, or waits for
    /// something that nobody named. Two loads, and a short lock if the task has said something.
    #[must_use]
    pub fn waits_on(&self) -> Option<WaitsOn> {
        self.header().waits_on(self.snapshot())
    }

    /// Has what is read from `inner`, or written to it, counted for this task, if it is metered.
    pub fn metered_io<I>(&self, inner: I) -> MeteredIo<I> {
        MeteredIo::new(inner, self.io_meter())
    }

    /// Counts for this task, if it is metered: what readers and writers of other traits are made of.
    #[must_use]
    pub fn io_meter(&self) -> IoMeter {
        let watching = self.header().watching();
        let metered = watching.filter(|watching| {
            let meter = watching.watch().meter.as_ref();
            // From here on a zero is a measurement.
            meter.map(Meter::io).is_some()
        });
        IoMeter::new(metered.map(Arc::clone))
    }

    /// The task this one belongs to.
    #[must_use]
    pub fn parent(&self) -> Option<TaskRef> {
        self.header().parent.as_ref().map(|parent| TaskRef {
            node: Arc::clone(parent),
        })
    }

    /// Whether the task belongs to another one.
    #[must_use]
    pub fn has_parent(&self) -> bool {
        self.header().parent.is_some()
    }

    /// The children that live now. Takes a short lock that children also take as they enter and leave.
    #[must_use]
    pub fn child_tasks(&self) -> Vec<TaskRef> {
        let children = self.header().children();
        children.into_iter().map(|node| TaskRef { node }).collect()
    }

    /// How many children live now. One load. A child is counted a moment before it is listed.
    #[must_use]
    pub fn child_count(&self) -> usize {
        self.header().child_count()
    }
}

impl Deref for TaskRef {
    type Target = TaskRecord;

    fn deref(&self) -> &TaskRecord {
        &self.node
    }
}

impl fmt::Debug for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TaskRef").field(&&**self).finish()
    }
}

impl fmt::Debug for TaskRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskRecord")
            .field("id", &self.id())
            .field("name", &self.name())
            .field("lifecycle", &self.snapshot())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for AlreadyEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the task has already ended: {}", self.state)
    }
}

impl core::error::Error for AlreadyEnded {}
