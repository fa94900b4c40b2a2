//! One task model for every executor: builders, the task engine and pipelines, naming no runtime.
//!
//! Programs come here through an adapter, whose `prelude` has what most of them need and whose `AsyncTask` begins it all:
//! `AsyncTask::to::<T>()` describes a task, `AsyncTask::emits::<T>()` a pipeline.
//!
//! | to | there is |
//! |---|---|
//! | start a task, with a name, a deadline, a priority | [`TaskBuilder`], [`Task`] |
//! | look from inside: stop, time left, children | [`Context`] |
//! | stop it, and know how far | [the levels](task), [`Task::stop`], [`on_cancel`](task::TaskRecord::on_cancel), [`Context::shield`] |
//! | try again, hedge, replace | [`TaskBuilder::retry`], [`TaskBuilder::hedge`], [`TaskBuilder::fallback`] |
//! | keep away from what fails or is full | [`breaker`], [`guard`] |
//! | stop what is no task, or tasks by a tree of their own | [`token`] |
//! | go on with a result | [`Task::map`], [`Task::and_then`], [`Task::or_else`], [`Task::peek`] |
//! | wait for several | [`Context::join_children`], [`task::join_stream`], [`task::Supervisor`] |
//! | bound and join a group of children | [`Context::scope`] |
//! | talk to a child | [`Context::mail`] |
//! | run what blocks, or what is not `Send` | [`TaskBuilder::run_blocking`], [`TaskBuilder::run_local`] |
//! | read, parse and collect without holding it all | [`emit`] |
//! | see what lives, what it waits on and what it took | [`live`], [`metrics`], [`hooks`], and `tracing` by the feature of that name |
//! | end it all in order | [`shutdown()`] |
//! | write an adapter | [`Runtime`], and the feature `conformance` for its tests |
#![forbid(unsafe_code)]

extern crate alloc;

pub mod breaker;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod emit;
mod entry;
pub mod guard;
pub mod hooks;
pub mod live;
pub mod metrics;
mod moment;
mod owner;
mod root;
mod runtime;
mod shutdown;
pub mod task;
mod time_left;
pub mod token;
mod trace;
pub mod units;
mod words;

pub use entry::Entry;
pub use moment::Moment;
pub use owner::{PoolBuilder, RuntimeBuilder, RuntimeOwner, StartError, StartThreads};
pub use root::{AlreadyHooked, Root};
pub use runtime::{LocalSpawn, Refused, Runtime, Sleep};
pub use shutdown::{Report, shutdown};
pub use sweet_async_core::Priority;
pub use sweet_async_core::lifecycle::{Level, Reason, Snapshot, State};
pub use task::{Context, ParseTaskIdError, Task, TaskBuilder, TaskError, TaskId};
pub use time_left::{TimeLeft, TimeLeftError};

/// What most programs need, for the preludes of the adapters.
pub mod prelude {
    #[doc(no_inline)]
    pub use crate::breaker::CircuitBreaker;
    #[doc(no_inline)]
    pub use crate::emit::{
        Borrowed, CountUnits as _, EmittingTask, EmittingTaskBuilder, Fold, LastEvent, Merge, Overflow,
        ReceiverStrategy, StreamingEvent,
    };
    #[doc(no_inline)]
    pub use crate::guard::{ConcurrencyLimit, Hedge, Patience, Policy, RateLimiter, RetryBudget};
    #[doc(no_inline)]
    pub use crate::metrics::{Measured, Metrics};
    #[doc(no_inline)]
    pub use crate::task::{
        All, Any, AsyncResult as _, Cause, FirstError, Jitter, JoinStream, Joiner as _, Quorum, Restart,
        Retry, SpawningTask as _, Supervisor, TaskError, Verdict, Within, join_stream,
    };
    #[doc(no_inline)]
    pub use crate::token::CancellationToken;
    #[doc(no_inline)]
    pub use crate::units::DurationUnits as _;
    #[doc(no_inline)]
    pub use crate::{Level, Priority, Runtime as _, State, shutdown};
}
