//! sweet-async on threads: a work-stealing pool, and no async runtime.
//!
//! ```
//! use sweet_async_crossbeam::prelude::*;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     ThreadPool::new()?.block_on(async {
//!         let answer = AsyncTask::to::<u32>()
//!             .name("answer")
//!             .timeout(30.seconds())
//!             .run(|| async { 42 })
//!             .await?;
//!         assert_eq!(answer, 42);
//!         Ok(())
//!     })?
//! }
//! ```
//!
//! Within [`ThreadPool::block_on`] and on the pool's own threads a program reads as it does on Tokio, but for the `use`.
//! A program without `async` starts tasks within [`ThreadPool::enter`] and waits for them with [`Wait`]:
//!
//! ```
//! use sweet_async_crossbeam::prelude::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = ThreadPool::new()?;
//! let (left, right) = pool.enter(|| {
//!     let sum = |numbers: std::ops::Range<u64>| AsyncTask::to::<u64>().run(move || numbers.sum::<u64>());
//!     (sum(0..1_000), sum(1_000..2_000))
//! });
//! assert_eq!(left.wait()?? + right.wait()??, 1_999_000);
//! # Ok(())
//! # }
//! ```
//!
//! Closures that borrow from the stack go into a [`Scope`].
//!
//! # How it runs
//! - *Workers* poll tasks. Each has a queue of its own, from which others steal; tasks of a class other than normal, and
//!   what comes from outside, go through shared queues that all see. Which class is next is the decision of
//!   [`Aging`](sweet_async_core::priority::Aging), asked by each worker before each task: the most urgent, but none is
//!   passed over by a worker more than [`patience`](Builder::patience) and four times in a row.
//! - *Threads for closures* run what blocks (`run_blocking`): one for each that runs, up to a bound.
//! - Of both there are as many as the [`Scaler`](sweet_async_core::scaler::Scaler) wants, within the bounds of the
//!   [`Builder`]. Whoever has nothing to do sleeps until it is woken; nothing polls.
//! - One thread waits for the next deadline, and wakes for nothing but that and an earlier one.
//! - [`current`] is the task that a thread is running, wherever it was spawned.
//!
//! # What a cancellation does to a closure on a thread
//! Nothing can stop a thread from outside. A graceful cancellation and a kill are seen at the closure's next
//! `cx.checkpoint()`; with a kill its result is refused. A hard kill and a deadline fence it: the handle resolves at once,
//! what the closure returns is never published, and it is counted in [`Stats::abandoned`] until it returns. When the pool
//! is shut down, a thread that does not come back is left behind and named in the [`Report`].
//!
//! # What differs from other adapters
//! | | threads | Tokio |
//! |---|---|---|
//! | where no executor is current | the task is rejected | the same |
//! | priority | decides which task a worker takes next; nothing that runs is interrupted | data that the task carries |
//! | a bounded queue is full | the task is rejected: [`Rejection::ScopeFull`](task::Rejection::ScopeFull) | there is no bound |
//! | waiting on a worker | a typed error, [`InsideWorker`] | Tokio's own `block_on` panics |
//! | a blocking closure at shutdown | left behind and told | waited for, unless shut down in the background |
//! | I/O | none: bring an executor, or block in a closure | Tokio's |
//! | time in tests | real | virtual, if asked |
//!
//! Those that the suite of all adapters knows stand in `sweet_async_api::conformance`.
//!
//! # Limits
//! - A scope starts threads, because a borrow cannot be handed to a thread that outlives it without unsafe code: its first
//!   closure costs some ten microseconds.
//! - The bound of [`Builder::queue_capacity`] is for tasks that have not begun: one that is woken is always taken back.
#![forbid(unsafe_code)]

extern crate alloc;

mod builder;
mod clock;
mod crew;
mod here;
mod idle;
mod owner;
mod pool;
mod queues;
mod runtime;
mod scope;
mod sync;
mod timer;
mod wait;
mod worker;

pub use builder::{BuildError, Builder};
pub use here::current;
pub use owner::{Left, Report, Stats, ThreadPool};
pub use runtime::Threads;
pub use scope::{Cancelled, Panicked, Scope};
#[doc(no_inline)]
pub use sweet_async_api::{Moment, Runtime, TaskBuilder, TaskId, TimeLeft, TimeLeftError};
#[doc(no_inline)]
pub use sweet_async_api::{breaker, emit, guard, hooks, live, metrics, shutdown, task, token, units};
pub use timer::Sleep;
pub use wait::{InsideWorker, Wait, WaitError};

/// Where tasks begin: `AsyncTask::to::<T>()`.
pub type AsyncTask<E> = sweet_async_api::Entry<Threads, E>;

/// A running task on threads; see [`sweet_async_api::Task`].
pub type Task<T, E = core::convert::Infallible> = sweet_async_api::Task<Threads, T, E>;

/// A running pipeline on threads; see [`sweet_async_api::emit::Emission`].
pub type Emission<C, E = core::convert::Infallible, S = ()> = emit::Emission<Threads, C, E, S>;

/// A task on threads seen from inside; see [`sweet_async_api::Context`].
pub type Context = sweet_async_api::Context<Threads>;

/// What most programs need, in one `use`.
pub mod prelude {
    #[doc(no_inline)]
    pub use crate::{AsyncTask, Context, Task, ThreadPool, Threads, Wait};
    #[doc(no_inline)]
    pub use sweet_async_api::prelude::*;
}
