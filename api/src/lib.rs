//! One task model for every executor: builders, the task engine and pipelines, naming no runtime.
#![forbid(unsafe_code)]

mod moment;
mod runtime;

pub use moment::Moment;
pub use runtime::{JoinFailure, Refused, Runtime, Sleep};
