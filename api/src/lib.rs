//! One task model for every executor: builders, the task engine and pipelines, naming no runtime.
#![forbid(unsafe_code)]

extern crate alloc;

pub mod emit;
mod moment;
mod runtime;

pub use moment::Moment;
pub use runtime::{JoinFailure, Refused, Runtime, Sleep};
