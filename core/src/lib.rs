//! Lock-free, allocation-free state machines that decide what a task may do next.
#![no_std]
#![forbid(unsafe_code)]

pub mod backoff;
pub mod breaker;
pub mod budget;
pub mod credit;
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
