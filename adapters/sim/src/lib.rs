//! A simulator for tasks: the test decides what time it is, and a seed decides who runs next.
//!
//! A first test. It runs the same tasks in a thousand orders and takes no time, although one of them sleeps for an hour:
//!
//! ```
//! use sweet_async_sim::prelude::*;
//!
//! explore(0..1_000, |sim| {
//!     sim.run(async {
//!         let slow = AsyncTask::to::<u32>().run(|cx: Context| async move {
//!             let _ = cx.sleep(1.hours()).await;
//!             40
//!         });
//!         let quick = AsyncTask::to::<u32>().run(|| 2);
//!         assert_eq!(slow.await.unwrap() + quick.await.unwrap(), 42);
//!     })
//! });
//! ```
//!
//! Code that is generic over its [`Runtime`], `async fn load<R: Runtime>(cx: &task::Context<R>)`, runs
//! here as it does on any other adapter; the `Context` of a prelude is that of one adapter.
//!
//! # Finding an order that fails
//! [`explore`](explore()) runs a test with many seeds. The first that fails is printed with the end of its log, and with how
//! to run it again: `SWEET_ASYNC_SEED=317 cargo test name_of_the_test` runs that seed alone, in the same order, and prints
//! all of its log. [`SimBuilder::find`] does the same and answers with what it [found](Found).
//!
//! A simulation in which nobody can run, with no timer set, ends with an error that [names those who are
//! stuck](Unfinished::Deadlock); so does an endless one, at its [bound of steps](SimBuilder::step_limit). A [`Strategy`] says
//! how orders are chosen: by a random walk, or by PCT, which finds in a few seeds what a random walk hardly ever meets.
//! [`Faults`] say what goes wrong: timers that are late, steps that take time, tasks that are never polled again, panics.
//!
//! # Time
//! Time is virtual. A step takes none (unless a [fault](Faults::slow_steps) says so), and when nobody can run the clock goes
//! to the next timer. It also does when all who run have only yielded for a while
//! ([`spin_limit`](SimBuilder::spin_limit)), so that a loop which yields until something has happened sees it happen. A test
//! that wants to look in between [pauses](Sim::pause) the clock, and lets time [pass](Sim::advance), [jump](Sim::jump) to
//! the next timer, or [settles](Sim::settle).
//!
//! # What is deterministic
//! One seed, one strategy and the same faults give the same run of the same program: the order of steps, the virtual time,
//! the numbers of [`Runtime::random`] (the jitter of retries is made of them), and so the
//! [`Log`], byte by byte. Seeds keep their meaning: the generator is part of this crate.
//!
//! What is not, because no executor decides it:
//! - threads that the program starts, and whatever comes from outside, files and sockets included. What another thread wakes
//!   is marked in the log; a program that waits for another thread alone is taken for a deadlock;
//! - clocks other than the simulation's: `Instant::now` goes on;
//! - the order in which a `HashMap` iterates, which differs from map to map, and anything else that is random by itself;
//! - addresses, thread ids, and the ids of tasks, which are unique in the process. The log counts tasks by itself.
//!
//! # What it does not find
//! A step is one poll, or a stretch of a blocking closure between two checkpoints; it is never interrupted. Races that need
//! two threads inside one step, and weak memory, are for loom. What it checks are the orders of a program's steps, not all
//! of them but as many as there are seeds.
//!
//! # Blocking closures
//! A closure of `spawn_blocking` runs on a thread of its own that takes turns with the simulator: only one of all threads
//! ever runs, and at each [checkpoint](sweet_async_api::Context::checkpoint) the others have their turn. Run as a whole on
//! the simulator's thread, a closure that loops until it is cancelled would loop for ever, and no order in which it is
//! cancelled between two checkpoints would ever be tried. A closure that waits for something else than a checkpoint
//! (a channel, a lock, a file that does not come) keeps its turn: after a minute of real time the run ends with
//! [an error](Unfinished::ClosureBlocks). When the simulation ends, closures that are left unwind from their checkpoints.
#![forbid(unsafe_code)]

mod builder;
mod closure;
mod explore;
mod faults;
mod log;
mod random;
mod report;
mod sim;
mod strategy;
mod timer;
mod world;

pub use builder::SimBuilder;
pub use explore::{Found, explore};
pub use faults::Faults;
pub use log::Log;
pub use report::{Held, Kind, Report, Stuck, Unfinished};
pub use sim::{Sim, yield_now};
pub use strategy::Strategy;
#[doc(no_inline)]
pub use sweet_async_api::{Moment, Runtime, TaskBuilder, TaskId, TimeLeft, TimeLeftError};
#[doc(no_inline)]
pub use sweet_async_api::{breaker, emit, guard, hooks, live, metrics, shutdown, task, token, units};
pub use timer::Sleep;

/// Where tasks begin: `AsyncTask::to::<T>()`.
pub type AsyncTask<E> = sweet_async_api::Entry<Sim, E>;

/// A running task in a simulation; see [`sweet_async_api::Task`].
pub type Task<T, E = core::convert::Infallible> = sweet_async_api::Task<Sim, T, E>;

/// A running pipeline in a simulation; see [`sweet_async_api::emit::Emission`].
pub type Emission<C, E = core::convert::Infallible, S = ()> = emit::Emission<Sim, C, E, S>;

/// A task in a simulation seen from inside; see [`sweet_async_api::Context`].
pub type Context = sweet_async_api::Context<Sim>;

/// What most tests need, in one `use`.
pub mod prelude {
    #[doc(no_inline)]
    pub use crate::{AsyncTask, Context, Faults, Sim, Strategy, Task, explore};
    #[doc(no_inline)]
    pub use sweet_async_api::prelude::*;
}
