//! How a model of `sweet-async-core` is run, counted and recorded.
//!
//! Under `--cfg sweet_loom` this crate offers `check`, and `Waiter` for futures; without it there is nothing here, so that a plain
//! `cargo test --workspace` builds the crate and runs no model.
#![forbid(unsafe_code)]

#[cfg(sweet_loom)]
mod check;
#[cfg(sweet_loom)]
mod waiter;

#[cfg(sweet_loom)]
pub use check::{Model, Witness, check};
#[cfg(sweet_loom)]
pub use waiter::{Bell, Waiter};
