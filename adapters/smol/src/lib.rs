//! sweet-async on the executor of smol.
//!
//! ```
//! use sweet_async_smol::prelude::*;
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! let answer = sweet_async_smol::block_on(async {
//!     AsyncTask::to::<u32>()
//!         .name("answer")
//!         .timeout(30.seconds())
//!         .run(|| async { 42 })
//!         .await
//! })??;
//! assert_eq!(answer, 42);
//! # Ok(())
//! # }
//! ```
//!
//! Tasks run on the threads of this process that the first task starts: as many as the environment variable
//! `SMOL_THREADS` says, or as there are processors. [`Pool`] has threads of its own, which end with it. Who has an
//! [`Executor`](async_executor::Executor) and runs it gives it to [`Smol::on`]; work that is not [`Send`] runs on a
//! [`LocalExecutor`](async_executor::LocalExecutor), by `run_local`.
//!
//! # What differs from other adapters
//! - A thread pool is always there: a task is rejected only on a [`Pool`] or an executor that is gone.
//! - [`block_on`] and its like are refused inside a task, where they could wait for the thread that they hold.
//! - A blocking closure runs on the threads of the crate `blocking`, up to 500 of them, which belong to no executor: one
//!   that waits in the queue when its executor goes away is not begun, one that runs goes on.
//! - An executor that may go away, a [`Pool`]'s too, costs a task one allocation more, for a waker that keeps the executor
//!   while it is used. Without it a wake that meets the end of the executor could leave a task that never ends; a
//!   `LocalExecutor` cannot be kept, so nobody on another thread should wake its tasks while it is dropped.
//! - Time is real: there is no clock to stop. The simulator is for that.
#![forbid(unsafe_code)]

extern crate alloc;

mod clock;
mod held;
mod inside;
mod pool;
mod runtime;

pub use inside::Inside;
pub use pool::Pool;
pub use runtime::{Sleep, Smol, block_on};
#[doc(no_inline)]
pub use sweet_async_api::{Moment, Runtime, TaskBuilder, TaskId, TimeLeft, TimeLeftError};
#[doc(no_inline)]
pub use sweet_async_api::{breaker, emit, guard, hooks, live, metrics, shutdown, task, token, units};

/// Where tasks begin: `AsyncTask::to::<T>()`.
pub type AsyncTask<E> = sweet_async_api::Entry<Smol, E>;

/// A running task on smol; see [`sweet_async_api::Task`].
pub type Task<T, E = core::convert::Infallible> = sweet_async_api::Task<Smol, T, E>;

/// A running pipeline on smol; see [`sweet_async_api::emit::Emission`].
pub type Emission<C, E = core::convert::Infallible, S = ()> = emit::Emission<Smol, C, E, S>;

/// A task on smol seen from inside; see [`sweet_async_api::Context`].
pub type Context = sweet_async_api::Context<Smol>;

/// What most programs need, in one `use`.
pub mod prelude {
    #[doc(no_inline)]
    pub use crate::{AsyncTask, Context, Smol, Task};
    #[doc(no_inline)]
    pub use sweet_async_api::prelude::*;
}
