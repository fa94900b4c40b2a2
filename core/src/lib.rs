//! Lock-free, allocation-free state machines that decide what a task may do next.
#![no_std]
#![forbid(unsafe_code)]

mod sync;
pub mod tick;

pub use tick::Tick;
