//! Lock-free, allocation-free state machines that decide what a task may do next.
#![no_std]
#![forbid(unsafe_code)]

pub mod lifecycle;
mod sync;
pub mod tick;

pub use tick::Tick;
