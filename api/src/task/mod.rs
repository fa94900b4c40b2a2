//! Tasks: how they are described, run, watched and stopped.
//!
//! A [`TaskBuilder`] describes a task, its `run` starts it on a [`Runtime`](crate::Runtime) and gives a [`Task`], the
//! handle. The work sees itself through a [`Context`]. All decisions about a task's life are taken by one
//! [`Lifecycle`](sweet_async_core::lifecycle::Lifecycle) word; the engine around it is one future, the same on every
//! executor.
//!
//! # Rules
//! - A dropped handle detaches. A task is owned by its parent, which does not end before it.
//! - A panic in the work becomes [`Cause::Panicked`] and never unwinds into the executor.
//! - A task ends in exactly one way; the handle gives its result once.
//! - Cancelling has three levels:
//!
//! | level | async work | blocking closure |
//! |---|---|---|
//! | `Graceful` | told through its context; may finish within the grace period, then it is killed | the same, at its checkpoints |
//! | `Kill` | dropped when it next awaits; callbacks run; its result is refused | passes no further checkpoint; its result is refused |
//! | `KillHard` | over at once: the handle resolves, no callback runs | over at once; the thread is counted as abandoned until it returns |
//!
//! - A task that is cancelled before it starts never starts, at every level.
//! - Work that returns an error after it was told gracefully ends as cancelled and keeps the error; work that returns a
//!   value completes.
//! - A deadline is no cancellation: it ends the work at once, whether it is shielded or not.

mod builder;
mod callbacks;
mod combine;
mod context;
mod driver;
mod error;
mod handle;
mod header;
mod id;
mod join;
mod mail;
mod obey;
mod plan;
mod retry;
mod scope;
mod slot;
mod traits;
mod view;
mod watch;
mod wire;
mod work;

pub use builder::{Hedging, MayHedge, Retrying, Single, SpawningTaskBuilder, TaskBuilder};
pub use combine::{AsyncResult, Mapped, Mapping, OnError, OnValue, SpawningTask, TaskResult};
pub use context::{Context, Stopped};
pub use error::{
    Boxed, Cancellation, Cause, CircuitOpen, Invalid, Limit, NoRetry, Panic, Rejection, TaskError, TimedOut,
};
pub use handle::{CancellationResult, Task};
pub use header::{Awaited, TaskRecord};
pub(crate) use header::{Header, Node};
pub use id::{IdsExhausted, ParseTaskIdError, TaskId};
pub use join::{
    All, Any, Escalation, FirstError, GaveUp, JoinSender, JoinStream, Joiner, NoQuorum, Partial, Quorum,
    Restart, Supervisor, WaitCycle, Within, join_stream,
};
pub use mail::{
    Asked, BothEnds, Correlation, Envelope, Mail, Message, NoAnswer, NoMail, NotAsked, NotAwaited, NotSent,
    Ticket,
};
pub use plan::{Begun, BlockingResult, Fallback, NoFallback, Rescue};
pub(crate) use retry::{Again, Made};
pub use retry::{Always, Classify, Jitter, Retry, Verdict};
pub use scope::{FirstFailure, NoPlace, NotSpawned, Place, Scope, ScopeBuilder, ScopeError, Spawner};
#[cfg(feature = "tracing")]
pub use traits::TracingTask;
pub use traits::{
    AsyncTask, AsyncTaskBuilder, CancellableTask, ContextualizedTask, MetricsEnabledTask, NamedTask,
    PrioritizedTask, RecoverableTask, StatusEnabledTask, TimedTask,
};
pub use view::{AlreadyEnded, Request, TaskRef};
pub(crate) use watch::Watching;
pub use wire::TooLong;
pub use work::{
    AsyncFallible, AsyncValue, AsyncWork, Fallible, IntoAsyncResult, RepeatableWork, SharedWork, Value,
};

/// What an [`Envelope`] begins with, as bytes.
pub use sweet_async_core::envelope::{DecodeError, Head};

/// A task's name: a `&'static str` costs no allocation.
pub type Name = alloc::borrow::Cow<'static, str>;
