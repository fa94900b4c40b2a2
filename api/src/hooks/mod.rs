//! What happens to tasks, told to whoever watches: logs, statistics, alarms.
//!
//! A [`Hook`] is set for all tasks of a runtime ([`Root::set_hook`](crate::Root::set_hook)) or by a builder, for its task and
//! everybody below ([`TaskBuilder::hook`](crate::TaskBuilder::hook)). A task that nobody watches pays a load and a few branches.
//!
//! # Order
//! What happens to one task is told in this order, each as soon as it is decided and before anybody who waits for the task
//! hears of it:
//!
//! ```text
//!   Created -- Started -- [ AttemptFailed -- Waiting -- Resumed ]* -- [ AttemptFailed ] -- [ FallingBack ] -- Ended
//! ```
//!
//! An attempt that a guard has wait begins with `Queued`, and with `Admitted` if it was let through.
//!
//! [`Happening::Told`] comes in between from whoever cancels, on that one's thread. It may come from another thread after
//! `Ended`, of a request that was accepted just before. A task that ends before it starts has no `Started`; one that is
//! not let in has `Refused` alone. The handle of a task that is killed hard resolves at once, and may so before its `Ended`.

mod recorder;

use alloc::sync::Arc;
use core::fmt;
use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

use sweet_async_core::lifecycle::State;

pub use self::recorder::{Entry, FlightRecorder};
use crate::Moment;
use crate::task::{Cancellation, Cause, Limit, Rejection, TaskRecord};

/// Something that happened to a task.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Happening {
    /// It was let into its scope.
    Created,
    /// The executor runs it for the first time.
    Started,
    /// An attempt has no value.
    AttemptFailed {
        /// Which, counted from 1.
        attempt: u16,
        /// Why.
        failure: Failure,
    },
    /// Another attempt will be made.
    Waiting {
        /// When.
        until: Moment,
    },
    /// Another attempt is made.
    Resumed {
        /// Which, counted from 1.
        attempt: u16,
    },
    /// The attempt waits for a guard: a rate, or a limit of how many run at once.
    Queued {
        /// Which, counted from 1.
        attempt: u16,
    },
    /// It has waited, and the guards let it through.
    Admitted {
        /// Which, counted from 1.
        attempt: u16,
    },
    /// The work failed for good, and the fallback takes its place.
    FallingBack,
    /// It was told to stop, or to stop harder than before.
    Told(Cancellation),
    /// It is over, in this state.
    Ended(State),
    /// It was not let in, and will never run.
    Refused(Rejection),
}

/// Why an attempt has no value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Failure {
    /// The work returned an error.
    Error,
    /// The work unwound.
    Panic,
    /// Its time, or the task's, was over.
    Timeout(Limit),
    /// The circuit breaker did not let it begin.
    CircuitOpen,
    /// The concurrency limit did not let it begin.
    LimitReached,
    /// The rate limiter did not let it begin.
    RateLimited,
    /// It was not run, or not to its end, for another reason.
    Other,
}

/// Is told what happens to tasks.
///
/// Called on the thread where it happens, inside the engine: it should be quick, and must not wait. What it panics with is
/// dropped, and the task goes on.
///
/// # Examples
/// ```
/// use sweet_async_api::hooks::{Happening, Hook};
/// use sweet_async_api::task::TaskRecord;
///
/// struct Loud;
///
/// impl Hook for Loud {
///     fn happened(&self, task: &TaskRecord, what: Happening) {
///         eprintln!("{} {}: {what:?}", task.id(), task.name());
///     }
/// }
/// ```
pub trait Hook: Send + Sync {
    /// `what` happened to `task`.
    fn happened(&self, task: &TaskRecord, what: Happening);
}

impl<F: Fn(&TaskRecord, Happening) + Send + Sync> Hook for F {
    fn happened(&self, task: &TaskRecord, what: Happening) {
        self(task, what);
    }
}

impl<H: Hook + ?Sized> Hook for Arc<H> {
    fn happened(&self, task: &TaskRecord, what: Happening) {
        (**self).happened(task, what);
    }
}

/// The hooks of a task: its own first, then those of whoever is above, which all below share.
#[derive(Clone)]
pub(crate) struct Hooks {
    hook: Arc<dyn Hook>,
    above: Option<Arc<Self>>,
}

impl Hooks {
    pub(crate) fn new(hook: Arc<dyn Hook>, above: Option<Arc<Self>>) -> Self {
        Self { hook, above }
    }

    /// The same, called before `above`.
    pub(crate) fn under(&self, above: Option<Arc<Self>>) -> Arc<Self> {
        let above = match &self.above {
            None => above,
            Some(next) => Some(next.under(above)),
        };
        Arc::new(Self::new(Arc::clone(&self.hook), above))
    }

    pub(crate) fn tell(&self, task: &TaskRecord, what: Happening) {
        let mut next = Some(self);
        while let Some(Self { hook, above }) = next {
            let _ = catch_unwind(AssertUnwindSafe(|| hook.happened(task, what)));
            next = above.as_deref();
        }
    }
}

impl<E> From<&Cause<E>> for Failure {
    fn from(cause: &Cause<E>) -> Self {
        match cause {
            Cause::Failed(_) | Cause::HedgesFailed(_) => Self::Error,
            Cause::Panicked(_) => Self::Panic,
            Cause::TimedOut(timed_out) => Self::Timeout(timed_out.limit),
            Cause::CircuitOpen(_) => Self::CircuitOpen,
            Cause::LimitReached(_) => Self::LimitReached,
            Cause::RateLimited(_) => Self::RateLimited,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created => f.write_str("created"),
            Self::Started => f.write_str("started"),
            Self::AttemptFailed { attempt, failure } => write!(f, "attempt {attempt} failed: {failure}"),
            Self::Waiting { until } => {
                let until = until.since(Moment::START);
                write!(f, "waits until {}.{:06}s", until.as_secs(), until.subsec_micros())
            }
            Self::Resumed { attempt } => write!(f, "attempt {attempt} begins"),
            Self::Queued { attempt } => write!(f, "attempt {attempt} waits for a guard"),
            Self::Admitted { attempt } => write!(f, "attempt {attempt} is let through"),
            Self::FallingBack => f.write_str("falls back"),
            Self::Told(cancellation) => write!(f, "{cancellation}"),
            Self::Ended(state) => write!(f, "ended: {}", state.as_str()),
            Self::Refused(rejection) => write!(f, "{rejection}"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "it returned an error",
            Self::Panic => "it panicked",
            Self::Timeout(Limit::Attempt) => "the attempt took too long",
            Self::Timeout(_) => "its deadline passed",
            Self::CircuitOpen => "the circuit breaker refused it",
            Self::LimitReached => "the concurrency limit refused it",
            Self::RateLimited => "the rate limiter refused it",
            Self::Other => "it was not run to its end",
        })
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooks")
    }
}

impl fmt::Debug for dyn Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook")
    }
}
