//! Lock-free, allocation-free state machines that decide what a task may do next.
//!
//! Who may call a sensor that fails now and then, how long to wait before the next attempt, how many messages fit, when a
//! task has to stop: each of these decisions is a machine of one to a few 32-bit words. There is no std in here, no
//! allocator, no unsafe code, no clock and no executor, and without features no other crate. So a machine lives in a
//! `static`, in an interrupt, in a kernel, or in the tasks of a server.
//!
//! # Five minutes
//! The crates are not on crates.io yet; point at a clone:
//!
//! ```toml
//! [dependencies]
//! sweet-async-core = { path = "sweet-async/core" }
//! # A core without compare-and-swap, such as a Cortex-M0 (see *Targets*):
//! # sweet-async-core = { path = "sweet-async/core", features = ["portable-atomic"] }
//! ```
//!
//! An interrupt takes samples, the main loop sends them. What may go wrong between the two, somebody decides:
//!
//! ```
//! use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
//! use sweet_async_core::breaker::{CircuitBreaker, Consecutive, Outcome, Rules, Settings};
//! use sweet_async_core::pressure::{Dropped, Drops};
//! use sweet_async_core::{Backoff, Credits, Tick, backoff::Retries};
//!
//! static ROOM: Credits = Credits::of::<8>(); // the queue has room for eight samples
//! static LOST: Drops = Drops::new();
//! static RADIO: CircuitBreaker<Consecutive> = CircuitBreaker::new(Consecutive::new());
//! const RULES: Settings = match Rules::new().failures(3).open_for(5_000).check() {
//!     Ok(settings) => settings,
//!     Err(_) => panic!("refused when it is compiled, not when it runs"),
//! };
//! static MILLIS: AtomicU32 = AtomicU32::new(0); // counted up by the timer's interrupt
//!
//! fn now() -> Tick {
//!     Tick::new(MILLIS.load(Relaxed))
//! }
//!
//! /// The interrupt: takes room in the queue, or counts the sample as lost. It never waits.
//! fn on_sample(push: impl FnOnce()) {
//!     match ROOM.try_acquire(1) {
//!         Ok(()) => push(),
//!         Err(_) => LOST.add(Dropped::Newest, 1),
//!     }
//! }
//!
//! /// One turn of the main loop; answers how many ticks it may sleep.
//! fn turn(retries: &mut Retries, send: impl FnOnce() -> bool) -> u32 {
//!     let Ok(permit) = RADIO.try_enter(&RULES, now()) else { return 100 };
//!     if send() {
//!         let _ = permit.record(Outcome::Ok, now());
//!         let _ = ROOM.release(1); // the sample has left the queue
//!         *retries = Retries::under(*retries.policy());
//!         return 0;
//!     }
//!     let _ = permit.record(Outcome::Failed, now()); // the third in a row opens the breaker
//!     retries.after_failure(0, 0).unwrap_or(5_000)
//! }
//!
//! let mut retries = Retries::under(Backoff::exponential(10).cap(1_000));
//! on_sample(|| {});
//! assert_eq!(turn(&mut retries, || false), 10);
//! assert_eq!(turn(&mut retries, || false), 20);
//! assert_eq!(turn(&mut retries, || true), 0);
//! assert_eq!((ROOM.taken(), LOST.total()), (0, 0));
//! ```
//!
//! `core/examples/sensor_node.rs` is a whole node of that kind, with a rate limit, a retry budget and a stop that is
//! obeyed.
//!
//! # Which machine
//! | question | machine |
//! |---|---|
//! | has the task ended, and how; was it told to stop | [`Lifecycle`] |
//! | do children still live, may more enter, who was last | [`Group`] |
//! | may this call be made, or does the other side fail | [`CircuitBreaker`] |
//! | how long before the next attempt, and is there one | [`Backoff`] |
//! | may failing calls be retried at all | [`RetryBudget`] |
//! | may this much pass in this time | [`RateLimiter`] |
//! | how many calls at once does the other side bear | [`ConcurrencyLimit`] |
//! | is a permit, or room in a queue, left | [`Credits`] |
//! | is a queue filling up, and what happens to what does not fit | [`Pressure`], [`Overflow`] |
//! | what happened before what | [`VectorClock`], [`AtomicVectorClock`], [`HybridClock`] |
//! | which number is next | [`IdGenerator`] |
//! | which class runs next | [`Aging`] |
//! | how many workers does the load need | [`Scaler`] |
//! | how many, how high, how distributed | [`Counter`], [`Gauge`], [`Histogram`], [`ShardedCounter`] |
//! | who sleeps until there is a permit or a stop | `WaiterSet`, with the feature `waiters` |
//! | how does a message to another machine begin | [`envelope::Head`] |
//! | how does an interrupt hand items to a task | `Mailbox`, with the feature `mailbox` |
//!
//! # How a machine talks
//! A machine answers with what its caller does next, and does nothing itself: it wakes nobody, sends nothing, keeps no
//! reference. Answers that ask for an act are `#[must_use]`. What cannot be done is a typed refusal that says when it can,
//! and changes nothing. A `Debug` shows what the words mean, not the words.
//!
//! Settings are arguments, or part of the value; a configuration of numbers known to the compiler is checked by it
//! (`Credits::of::<8>()`, `Quota::of::<100, 1_000, 2>()`).
//!
//! # Time and chance
//! Time comes in as a [`Tick`], a wrapping `u32` count of a unit that the caller picks. Two ticks compare as long as they
//! are less than [`Tick::HORIZON`], half of the circle, apart; the wrap itself makes no difference. Machines that keep a
//! moment in fewer bits say so, and what happens after a longer silence:
//!
//! | what | reaches | of 1 ms | of 1 µs |
//! |---|---|---|---|
//! | [`Tick`] compares, [`Backoff`] counts | 2^31, 2^32 ticks | 24.8, 49.7 days | 35.8, 71.6 minutes |
//! | [`CircuitBreaker`]: longest open time and lease; end of the open time | 2^24; modulo 2^26 | 4.6; 18.6 hours | 16.8; 67.1 s |
//! | [`RateLimiter`]: idle time that is told from a busy one | `Quota::circle`, at most 2^32 | 49.7 days | 71.6 minutes |
//! | [`HybridClock`]: stamps compare | 2^21 ticks | 35.0 minutes | 2.1 s |
//! | [`Scaler`]: longest cool-down; time of the last change | 2^19; modulo 2^21 | 8.7; 35.0 minutes | 0.5; 2.1 s |
//!
//! Chance comes in as 32 bits, from whatever the chip has; only [`Backoff`] asks for it.
//!
//! # Interrupts, threads, cores
//! Any operation that takes `&self` may be called by any thread, core or interrupt, at the same time as any other. No
//! operation waits for another caller: an interrupt that falls into the middle of an operation on the same machine does
//! its own and returns, and the interrupted one tries once more.
//!
//! - *Wait-free*: everything that only loads; `Lifecycle::start`; `Counter::add`, `take` and `Histogram::record` below
//!   [`Counter::MAX`]; `Gauge::set`; `add` to a shard; `AtomicVectorClock::merge`; `Nodes::enroll`. (Where the processor
//!   has these exchanges as one instruction; with load-linked and store-conditional they are lock-free.)
//! - *Lock-free*: everything else. A caller starts again only because another one's change took effect in between; where
//!   there is an operating system, some pause for about a microsecond at most before they do.
//! - With `portable-atomic` on a core without compare-and-swap, an exchange is a short critical section; which one, the
//!   firmware picks.
//! - The futures of `waiters` and `mailbox` belong to one task each; waking is for everybody, interrupts too, and runs the
//!   wakers of the tasks. Interrupts use `Mailbox::try_send` and `try_recv`, which never wait.
//!
//! What each machine guarantees under concurrency is a numbered list in its module (**L1**, **C5**), and a model that loom
//! explores for each; `loom-tests/EVIDENCE.md` says what was explored and which mutants were noticed. Nothing panics:
//! there is no indexing, `unwrap` or division that could, sums saturate or are refused, and what a constant gets wrong
//! does not compile. (In a debug build, a permit of `waiters` asserts that nobody else gave its credits back.)
//!
//! # After a restart, and under other settings
//! [`CircuitBreaker`], [`RetryBudget`], [`RateLimiter`] and [`ConcurrencyLimit`] have `snapshot`, plain integers to be
//! kept wherever the firmware keeps things, and `restore`. Moments in them are relative, so the clock may start anew. The
//! settings of a breaker come with each call, so new ones hold at once and nothing is lost. A quota, a budget or bounds
//! are part of the value: `restore` what a `snapshot` said under the new ones. Credits are resized while they are in use
//! ([`Credits::resize`]). A vector clock goes on with [`AtomicVectorClock::starting_from`]. A task in a `static` runs
//! again after [`Lifecycle::restart`], and a breaker is switched by hand with `force_open`, `force_closed`,
//! `metrics_only` and `auto`.
//!
//! # Features
//! | feature | brings | and with it |
//! |---|---|---|
//! | none | every machine but the two below | no crate |
//! | `waiters` | `WaiterSet`: futures that sleep until there is a credit or a stop | `atomic-waker` |
//! | `mailbox` | `Mailbox`: a queue between tasks and interrupts; and `waiters` | `atomic_refcell` |
//! | `portable-atomic` | atomics for cores without compare-and-swap | `portable-atomic` |
//!
//! # Targets
//! | target | such as | features |
//! |---|---|---|
//! | hosted, 32 or 64 bits | Linux, macOS, Windows | none |
//! | `thumbv7m`, `thumbv7em`, `thumbv8m.main`, `thumbv8m.base` | Cortex-M3, M4, M7, M23, M33 | none |
//! | `thumbv6m` | Cortex-M0, M0+, RP2040 | `portable-atomic`, and a critical section for it |
//! | `riscv32imac` | ESP32-C6, GD32VF103 | none |
//! | `riscv32imc` | ESP32-C3 | `portable-atomic`, likewise |
//!
//! On a core without compare-and-swap the firmware adds `portable-atomic = { version = "1", features =
//! ["critical-section"] }` beside this crate, and an implementation of `critical-section` from its board's crates; with
//! one core and no privileged mode to leave, `unsafe-assume-single-core` is shorter. Only words of 32 bits are atomic, so
//! no target needs more.
//!
//! # What it costs
//! Bytes are the same on every target, except where wakers and items lie beside the words (`*`), and for the rate limiter,
//! which takes two cache lines where pointers have 64 bits. The counts are those of one call without interference;
//! another's change in between costs one load or failed exchange more.
//!
//! | machine | bytes | call | loads | stores | exchanges |
//! |---|---:|---|---:|---:|---:|
//! | `Lifecycle` | 4 | `start` | 0 | 0 | 1 |
//! | `Lifecycle` | 4 | `is_cancelled`, `snapshot` | 1 | 0 | 0 |
//! | `Lifecycle` | 4 | `cancel` | 1 | 0 | 1 |
//! | `Lifecycle` | 4 | `finish` | 1 | 0 | 1 |
//! | `Lifecycle` | 4 | `restart` | 1 | 0 | 1 |
//! | `Group` | 4 | `try_enter` | 1 | 0 | 1 |
//! | `Group` | 4 | `leave` | 1 | 0 | 1 |
//! | `Credits` | 4 | `try_acquire` | 1 | 0 | 1 |
//! | `Credits` | 4 | `try_acquire`, refused | 1 | 0 | 0 |
//! | `Credits` | 4 | `release` | 1 | 0 | 1 |
//! | `Credits` | 4 | `try_acquire_or_register` | 1 | 0 | 1 |
//! | `CircuitBreaker<Consecutive>` | 8 | `try_admit` and `record`, closed, well | 2 | 0 | 0 |
//! | `CircuitBreaker<Consecutive>` | 8 | `try_admit` and `record`, closed, failed | 3 | 0 | 1 |
//! | `CircuitBreaker<Consecutive>` | 8 | `try_admit`, refused | 1 | 0 | 0 |
//! | `CircuitBreaker<Consecutive>` | 8 | `try_admit` and `record`, probe | 3 | 0 | 3 |
//! | `CircuitBreaker<LastCalls<4>>` | 28 | `try_admit` and `record`, closed, well | 3 | 0 | 1 |
//! | `CircuitBreaker<LastCalls<4>>` | 28 | `try_admit` and `record`, closed, failed | 5 | 0 | 3 |
//! | `CircuitBreaker<LastTime<8>>` | 76 | `try_admit` and `record`, closed, well | 4 | 0 | 1 |
//! | `CircuitBreaker<AnyWindow>` | 368 | `try_admit` and `record`, closed, well | 3 | 0 | 1 |
//! | `RetryBudget` | 16 | `deposit` | 1 | 0 | 1 |
//! | `RetryBudget` | 16 | `try_withdraw` | 1 | 0 | 1 |
//! | `RateLimiter` | 24 or 128 | `check` | 1 | 0 | 1 |
//! | `RateLimiter` | 24 or 128 | `check_n`, refused | 1 | 0 | 0 |
//! | `ConcurrencyLimit<Aimd>` | 40 | `try_acquire` | 1 | 0 | 1 |
//! | `ConcurrencyLimit<Aimd>` | 40 | `ok`, `dropped` | 7 | 5 | 2 |
//! | `ConcurrencyLimit<Vegas>` | 36 | `ok`, `dropped` | 7 | 5 | 2 |
//! | `ConcurrencyLimit<Gradient2>` | 52 | `ok`, `dropped` | 7 | 5 | 2 |
//! | `Pressure` | 12 | `rise`, `fall` | 1 | 0 | 1 |
//! | `Drops` | 16 | `add` | 1 | 0 | 1 |
//! | `AtomicVectorClock<4>` | 16 | `tick` | 1 | 0 | 1 |
//! | `AtomicVectorClock<4>` | 16 | `merge` of two newer counts | 4 | 0 | 2 |
//! | `AtomicVectorClock<4>` | 16 | `snapshot` | 8 | 0 | 0 |
//! | `Nodes<4>` | 16 | `enroll` in the first slot | 0 | 0 | 1 |
//! | `HybridClock` | 8 | `tick`, `merge` | 1 | 0 | 1 |
//! | `IdGenerator` | 4 | `next`, `next_block` | 1 | 0 | 1 |
//! | `Aging` | 12 | `next` | 1 | 0 | 1 |
//! | `Scaler` | 24 | `observe`, no change | 1 | 0 | 0 |
//! | `Scaler` | 24 | `observe`, a change | 1 | 0 | 1 |
//! | `Counter` | 4 | `add` | 0 | 0 | 1 |
//! | `Gauge` | 4 | `raise`, `lower` | 1 | 0 | 1 |
//! | `Histogram` | 960 | `record` | 0 | 0 | 1 |
//! | `ShardedCounter<4>` | 320 | `add` to a shard | 0 | 1 | 0 |
//! | `Mailbox<u32, 4>` | * | `try_send`, nobody waits | 2 | 0 | 5 |
//! | `Mailbox<u32, 4>` | * | `try_recv`, nobody waits | 1 | 0 | 4 |
//!
//! A `WaiterSet<N>` is one word and `N` cells of three pointers; the cell that an item lies in has a flag of its own,
//! which is not counted here. A unit test counts all of it, and compares it with this table.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod backoff;
pub mod breaker;
pub mod budget;
pub mod credit;
pub mod envelope;
pub mod group;
pub mod hybrid_clock;
pub mod id;
pub mod lifecycle;
pub mod limit;
#[cfg(feature = "mailbox")]
pub mod mailbox;
pub mod pressure;
pub mod priority;
pub mod rate;
pub mod scaler;
pub mod stats;
mod sync;
pub mod tick;
pub mod vector_clock;
#[cfg(feature = "waiters")]
pub mod waiters;

pub use backoff::Backoff;
pub use breaker::CircuitBreaker;
pub use budget::RetryBudget;
pub use credit::Credits;
pub use group::Group;
pub use hybrid_clock::HybridClock;
pub use id::IdGenerator;
pub use lifecycle::Lifecycle;
pub use limit::ConcurrencyLimit;
#[cfg(feature = "mailbox")]
pub use mailbox::Mailbox;
pub use pressure::{Overflow, Pressure};
pub use priority::{Aging, Priority};
pub use rate::RateLimiter;
pub use scaler::Scaler;
pub use stats::{Counter, Gauge, Histogram, ShardedCounter};
pub use tick::Tick;
pub use vector_clock::{AtomicVectorClock, VectorClock};
#[cfg(feature = "waiters")]
pub use waiters::WaiterSet;
