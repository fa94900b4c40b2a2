//! How a model or a scenario of `sweet-async-core` is run, counted and recorded.
//!
//! Under `--cfg sweet_loom` this crate offers `check`, and `Waiter` for futures; under `--cfg sweet_shuttle` it offers
//! `explore`. Without them there is nothing here, so that a plain `cargo test --workspace` builds the crate and runs
//! nothing.
#![forbid(unsafe_code)]

#[cfg(sweet_loom)]
mod check;
#[cfg(any(sweet_loom, sweet_shuttle))]
mod record;
#[cfg(sweet_shuttle)]
mod scenario;
#[cfg(sweet_loom)]
mod waiter;

#[cfg(sweet_loom)]
pub use check::{Model, check};
#[cfg(any(sweet_loom, sweet_shuttle))]
pub use record::Witness;
#[cfg(sweet_shuttle)]
pub use scenario::{Scenario, explore};
#[cfg(sweet_loom)]
pub use waiter::{Bell, Waiter};
