//! sweet-async on Tokio.
//!
//! ```
//! use sweet_async_tokio::prelude::*;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let answer = AsyncTask::to::<u32>()
//!     .name("answer")
//!     .timeout(30.seconds())
//!     .run(|| async { 42 })
//!     .await?;
//! assert_eq!(answer, 42);
//! # Ok(())
//! # }
//! ```
//!
//! Tasks run on the Tokio runtime that is current where `run` is called, multi-thread or current-thread alike, or on the
//! one whose handle [`Tokio::on`] was given. The runtime needs its timer (`enable_time` or `enable_all`).
//!
//! Work that is not [`Send`] runs on a [`LocalSet`](tokio::task::LocalSet):
//!
//! ```
//! use std::rc::Rc;
//! use sweet_async_tokio::prelude::*;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let local = tokio::task::LocalSet::new();
//! let shared = Rc::new(41);
//! let task = AsyncTask::to::<u32>().run_local(&local, move || async move { *shared + 1 });
//! assert_eq!(local.run_until(task).await?, 42);
//! # Ok(())
//! # }
//! ```
//!
//! # What differs from other adapters
//! - Where no runtime is current, `run` does not panic, as `tokio::spawn` does: the task is rejected.
//! - A blocking closure runs on Tokio's blocking pool. Closing a Tokio runtime waits for closures that are running;
//!   `shutdown_background` or `shutdown_timeout` does not.
//! - Time is read from the processor's clock, not through `tokio::time`, unless the feature `test-util` is on; with it,
//!   `tokio::time::pause` and `advance` govern tasks too.
#![forbid(unsafe_code)]

mod clock;
mod io;
#[cfg(feature = "pool")]
mod pool;
mod runtime;

pub use io::MeteredIo;
#[cfg(feature = "pool")]
pub use pool::{Inside, Pool};
pub use runtime::{Sleep, Tokio};
#[doc(no_inline)]
pub use sweet_async_api::{Moment, Runtime, TaskBuilder, TaskId, TimeLeft, TimeLeftError};
#[doc(no_inline)]
pub use sweet_async_api::{breaker, emit, guard, hooks, live, metrics, shutdown, task, token, units};

/// Where tasks begin: `AsyncTask::to::<T>()`.
pub type AsyncTask<E> = sweet_async_api::Entry<Tokio, E>;

/// A running task on Tokio; see [`sweet_async_api::Task`].
pub type Task<T, E = core::convert::Infallible> = sweet_async_api::Task<Tokio, T, E>;

/// A running pipeline on Tokio; see [`sweet_async_api::emit::Emission`].
pub type Emission<C, E = core::convert::Infallible, S = ()> = emit::Emission<Tokio, C, E, S>;

/// A task on Tokio seen from inside; see [`sweet_async_api::Context`].
pub type Context = sweet_async_api::Context<Tokio>;

/// What most programs need, in one `use`.
pub mod prelude {
    #[doc(no_inline)]
    pub use crate::{AsyncTask, Context, Task, Tokio};
    #[doc(no_inline)]
    pub use sweet_async_api::prelude::*;
}

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
