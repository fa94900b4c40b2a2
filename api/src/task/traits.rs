//! What tasks have in common, for code that is generic over them.
//!
//! Handles, contexts and references have all of this as methods of their own; the traits are for functions that take any
//! of them. They are implemented once, here, so every adapter has them.

use core::future::Future;
use core::ops::Deref;
use core::time::Duration;

use sweet_async_core::Priority;
use sweet_async_core::lifecycle::{Level, State};

use super::builder::TaskBuilder;
use super::combine::Mapped;
use super::context::Context;
use super::error::{Cancellation, TaskError};
use super::handle::Task;
use super::header::TaskRecord;
use super::retry::Retry;
use super::view::{AlreadyEnded, Request, TaskRef};
use super::{Name, TaskId};
use crate::emit::{Emission, EmitBuilder};
use crate::metrics::TaskMetrics;
use crate::{Moment, Runtime};

/// Has an identity and a name.
pub trait NamedTask {
    /// Identifies the task.
    fn id(&self) -> TaskId;
    /// The name given to the builder; empty if none was.
    fn name(&self) -> &str;
}

/// Has a place among others that wait.
pub trait PrioritizedTask {
    /// How urgent the task is.
    fn priority(&self) -> Priority;
}

/// Can be asked how it is doing, without waiting.
pub trait StatusEnabledTask {
    /// Where the task is in its life. Never goes backwards.
    fn status(&self) -> State;
    /// Whether the task has ended.
    fn is_ended(&self) -> bool {
        self.status().is_terminal()
    }
}

/// Knows when things happened to it, and when it has to be done.
pub trait TimedTask {
    /// When it was made.
    fn created_at(&self) -> Moment;
    /// When it first ran; `None` until then.
    fn started_at(&self) -> Option<Moment>;
    /// When it ended; `None` until then.
    fn ended_at(&self) -> Option<Moment>;
    /// The deadline in force; `None` if there is none.
    fn deadline(&self) -> Option<Moment>;
    /// How long it ran; `None` until it has ended, and for one that never ran.
    fn ran_for(&self) -> Option<Duration> {
        Some(self.ended_at()?.since(self.started_at()?))
    }
}

/// Can be told to stop; see [the levels](super).
pub trait CancellableTask {
    /// Asks the task, and everybody below it, to stop at `level`.
    ///
    /// # Errors
    /// [`AlreadyEnded`] when there is nothing left to stop.
    fn cancel(&self, level: Level) -> Result<Request, AlreadyEnded>;
    /// Who cancelled the task, why, and how far it went; `None` if nobody did.
    fn cancellation(&self) -> Option<Cancellation>;
    /// Whether the task was told to stop.
    fn is_cancelled(&self) -> bool;
    /// Asks it to finish its section and its cleanup.
    ///
    /// # Errors
    /// [`AlreadyEnded`] when there is nothing left to stop.
    fn cancel_gracefully(&self) -> Result<Request, AlreadyEnded> {
        self.cancel(Level::Graceful)
    }
    /// Drops its work at the next await point.
    ///
    /// # Errors
    /// [`AlreadyEnded`] when there is nothing left to stop.
    fn cancel_forcefully(&self) -> Result<Request, AlreadyEnded> {
        self.cancel(Level::Kill)
    }
    /// Ends it now.
    ///
    /// # Errors
    /// [`AlreadyEnded`] when there is nothing left to stop.
    fn cancel_immediately(&self) -> Result<Request, AlreadyEnded> {
        self.cancel(Level::KillHard)
    }
}

/// May be made several times, and replaced when it has failed for good.
///
/// Whether a certain error would be tried again is the classifier's to say. That is the caller's closure and belongs to the
/// work that is under way, so a task cannot be asked; a [`Policy`](crate::guard::Policy), which several tasks share, can:
/// it is a [`Classify`](super::Classify).
pub trait RecoverableTask {
    /// The attempt that runs or ran, counted from 1; 0 before the first. Saturates at 65,535.
    fn attempt(&self) -> u16;
    /// How many attempts are made at most, the first one included; 1 without a retry.
    fn max_attempts(&self) -> u32;
    /// The rules by which the work is tried again; `None` if it is begun once.
    fn retry_strategy(&self) -> Option<Retry>;
    /// Whether an attempt has failed and another one followed or is due.
    fn is_recovering(&self) -> bool;
    /// Whether there is work to replace one that has failed for good, begun or not.
    fn has_fallback(&self) -> bool;
    /// How many attempts follow the first one at most.
    fn max_retries(&self) -> u32 {
        self.max_attempts().saturating_sub(1)
    }
    /// Which retry runs or ran, counted from 1; 0 in the first attempt and before it.
    fn current_retry(&self) -> u16 {
        self.attempt().saturating_sub(1)
    }
    /// Whether the last attempt that is made at most has begun: if it fails, no other one follows.
    fn is_exhausted(&self) -> bool {
        u32::from(self.attempt()) >= self.max_attempts()
    }
}

/// Can be asked what it cost.
pub trait MetricsEnabledTask {
    /// What the task cost so far, as far as it was asked to be measured.
    fn metrics(&self) -> TaskMetrics;
}

/// Is a span of `tracing`, where a subscriber listens. With the feature `tracing`.
#[cfg(feature = "tracing")]
pub trait TracingTask {
    /// Whether a subscriber listens to this task, and it is not over.
    fn is_tracing_enabled(&self) -> bool;
    /// Says `error` in the task's span, with the task's id, name and attempt, at the level ERROR. Nothing where nobody
    /// listens.
    fn record_error(&self, error: &(dyn core::error::Error + 'static));
    /// The same in passing: `read().map_err(|error| cx.handle_error(error))?`.
    fn handle_error<E: core::error::Error + 'static>(&self, error: E) -> E {
        self.record_error(&error);
        error
    }
}

/// Has a place in a tree.
pub trait ContextualizedTask {
    /// The task this one belongs to.
    fn parent(&self) -> Option<TaskRef>;
    /// The children that live now.
    fn child_tasks(&self) -> Vec<TaskRef>;
    /// How many children live now.
    fn child_count(&self) -> usize;
}

/// A running task with all of the above, and its result.
///
/// # Examples
/// ```
/// use sweet_async_api::task::{AsyncTask, CancellableTask, NamedTask, StatusEnabledTask};
///
/// async fn logged<A: AsyncTask<T, E>, T, E>(task: A) -> Option<T> {
///     let name = task.name().to_owned();
///     let result = task.await;
///     println!("{name}: {}", if result.is_ok() { "done" } else { "not done" });
///     result.ok()
/// }
/// ```
pub trait AsyncTask<T, E>:
    NamedTask
    + PrioritizedTask
    + StatusEnabledTask
    + TimedTask
    + CancellableTask
    + RecoverableTask
    + MetricsEnabledTask
    + ContextualizedTask
    + Future<Output = Result<T, TaskError<E>>>
{
}

impl<A, T, E> AsyncTask<T, E> for A where
    A: NamedTask
        + PrioritizedTask
        + StatusEnabledTask
        + TimedTask
        + CancellableTask
        + RecoverableTask
        + MetricsEnabledTask
        + ContextualizedTask
        + Future<Output = Result<T, TaskError<E>>>
{
}

/// The settings that every builder has, for functions that apply the rules of a house to any task or pipeline.
///
/// # Examples
/// ```
/// use sweet_async_api::task::AsyncTaskBuilder;
/// use sweet_async_api::units::DurationUnits;
///
/// fn by_the_house<B: AsyncTaskBuilder>(builder: B) -> B {
///     builder.timeout(30.seconds()).grace(2.seconds())
/// }
/// ```
#[must_use = "a builder does nothing until it is run"]
pub trait AsyncTaskBuilder: Sized {
    /// Names the task, for people.
    #[must_use]
    fn name(self, name: impl Into<Name>) -> Self;
    /// Says how urgent the task is.
    #[must_use]
    fn priority(self, priority: Priority) -> Self;
    /// Ends the task with a timeout error this long after it was started.
    #[must_use]
    fn timeout(self, timeout: Duration) -> Self;
    /// How long a task that is cancelled gracefully may take before it is killed.
    #[must_use]
    fn grace(self, grace: Duration) -> Self;
    /// Whether the task is a span of `tracing`, and those below it. With the feature of that name.
    #[cfg(feature = "tracing")]
    #[must_use]
    fn tracing(self, traced: bool) -> Self;
}

/// Implements the traits of a running task by way of its record.
macro_rules! by_record {
    ([$($generics:tt)*] $task:ty) => {
        impl<$($generics)*> NamedTask for $task {
            fn id(&self) -> TaskId {
                record(self).id()
            }
            fn name(&self) -> &str {
                record(self).name()
            }
        }
        impl<$($generics)*> PrioritizedTask for $task {
            fn priority(&self) -> Priority {
                record(self).priority()
            }
        }
        impl<$($generics)*> StatusEnabledTask for $task {
            fn status(&self) -> State {
                record(self).status()
            }
        }
        impl<$($generics)*> TimedTask for $task {
            fn created_at(&self) -> Moment {
                record(self).created_at()
            }
            fn started_at(&self) -> Option<Moment> {
                record(self).started_at()
            }
            fn ended_at(&self) -> Option<Moment> {
                record(self).ended_at()
            }
            fn deadline(&self) -> Option<Moment> {
                record(self).deadline()
            }
        }
        impl<$($generics)*> CancellableTask for $task {
            fn cancel(&self, level: Level) -> Result<Request, AlreadyEnded> {
                record(self).cancel(level)
            }
            fn cancellation(&self) -> Option<Cancellation> {
                record(self).cancellation()
            }
            fn is_cancelled(&self) -> bool {
                record(self).is_cancelled()
            }
        }
        impl<$($generics)*> RecoverableTask for $task {
            fn attempt(&self) -> u16 {
                record(self).attempt()
            }
            fn max_attempts(&self) -> u32 {
                record(self).max_attempts()
            }
            fn retry_strategy(&self) -> Option<Retry> {
                record(self).retry_strategy()
            }
            fn is_recovering(&self) -> bool {
                record(self).is_recovering()
            }
            fn has_fallback(&self) -> bool {
                record(self).has_fallback()
            }
        }
        impl<$($generics)*> MetricsEnabledTask for $task {
            fn metrics(&self) -> TaskMetrics {
                record(self).metrics()
            }
        }
        #[cfg(feature = "tracing")]
        impl<$($generics)*> TracingTask for $task {
            fn is_tracing_enabled(&self) -> bool {
                record(self).trace().is_some_and(crate::trace::Trace::is_open)
            }
            fn record_error(&self, error: &(dyn core::error::Error + 'static)) {
                let task = record(self);
                if let Some(trace) = task.trace() {
                    trace.error(task, error);
                }
            }
        }
        impl<$($generics)*> ContextualizedTask for $task {
            fn parent(&self) -> Option<TaskRef> {
                record(self).parent()
            }
            fn child_tasks(&self) -> Vec<TaskRef> {
                record(self).child_tasks()
            }
            fn child_count(&self) -> usize {
                record(self).child_count()
            }
        }
    };
}

by_record!([] TaskRef);
by_record!([R: Runtime] Context<R>);
by_record!([A: Deref<Target = TaskRecord>, M] Mapped<A, M>);
by_record!([R: Runtime, T: Send + 'static, E: Send + Sync + 'static] Task<R, T, E>);
by_record!([R: Runtime, C: Send + 'static, E: Send + Sync + 'static, S: Send + 'static] Emission<R, C, E, S>);

/// The record behind whatever dereferences to it.
const fn record(task: &TaskRecord) -> &TaskRecord {
    task
}

/// Implements the settings by way of a builder's own methods.
macro_rules! by_methods {
    ([$($generics:tt)*] $builder:ty) => {
        impl<$($generics)*> AsyncTaskBuilder for $builder {
            fn name(self, name: impl Into<Name>) -> Self {
                Self::name(self, name)
            }
            fn priority(self, priority: Priority) -> Self {
                Self::priority(self, priority)
            }
            fn timeout(self, timeout: Duration) -> Self {
                Self::timeout(self, timeout)
            }
            fn grace(self, grace: Duration) -> Self {
                Self::grace(self, grace)
            }
            #[cfg(feature = "tracing")]
            fn tracing(self, traced: bool) -> Self {
                Self::tracing(self, traced)
            }
        }
    };
}

by_methods!([R: Runtime, T, E, P, B] TaskBuilder<R, T, E, P, B>);
by_methods!([R: Runtime, T, E, M, K] EmitBuilder<R, T, E, M, K>);
