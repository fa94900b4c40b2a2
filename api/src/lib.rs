//! One task model for every executor: builders, the task engine and pipelines, naming no runtime.
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
mod trace;
pub mod units;

pub use entry::Entry;
pub use moment::Moment;
pub use owner::{PoolBuilder, RuntimeBuilder, RuntimeOwner, StartError, StartThreads};
pub use root::{AlreadyHooked, Root};
pub use runtime::{LocalSpawn, Refused, Runtime, Sleep};
pub use shutdown::{Report, shutdown};
pub use sweet_async_core::Priority;
pub use sweet_async_core::lifecycle::{Level, Reason, Snapshot, State};
pub use task::{Context, ParseTaskIdError, Task, TaskBuilder, TaskError, TaskId};

/// What most programs need, for the preludes of the adapters.
pub mod prelude {
    #[doc(no_inline)]
    pub use crate::breaker::CircuitBreaker;
    #[doc(no_inline)]
    pub use crate::emit::{
        Borrowed, CountUnits as _, EmittingTask, EmittingTaskBuilder, Fold, LastEvent, Merge, Overflow,
        ReceiverStrategy, StreamingEvent,
    };
    pub use crate::guard::{ConcurrencyLimit, Hedge, Patience, Policy, RateLimiter, RetryBudget};
    #[doc(no_inline)]
    pub use crate::metrics::{Measured, Metrics};
    #[doc(no_inline)]
    pub use crate::task::{
        All, Any, AsyncResult as _, Cause, FirstError, Jitter, Joiner as _, Quorum, Restart, Retry,
        SpawningTask as _, Supervisor, TaskError, Verdict, Within,
    };
    #[doc(no_inline)]
    pub use crate::units::DurationUnits as _;
    #[doc(no_inline)]
    pub use crate::{Level, Priority, Runtime as _, State};
}
