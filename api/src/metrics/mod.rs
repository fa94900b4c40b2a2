//! What a task costs, as far as it was measured.
//!
//! [`TaskBuilder::metered`](crate::TaskBuilder::metered) has a task measured, [`TaskRecord::metrics`] answers at any
//! moment, also after the end. What nobody measured is [`Measured::NotInstrumented`], never a zero that looks like a
//! measurement, and a task that is not metered allocates nothing for it.
//!
//! ```text
//!   created       woken  polled      pending       woken   polled     ended
//!      |------------------>|===========>|.............|------->|========>|
//!            queued            busy          idle      delayed     busy
//! ```
//!
//! Times are read from the clock of the task's runtime, so they are exact where time is virtual. From the first poll to
//! the last, busy, idle and delayed time add up to the time that passed.
//!
//! Who reads while the task runs gets each figure as of the end of the last poll; figures that were read together may be
//! one poll apart. After the end, and inside the task, they agree.
//!
//! # What it costs
//! Metering is one allocation and the part of the record that children and callbacks use too; a poll reads the clock
//! twice, and a wake-up once. The first poll begins when the task starts and the last ends when the task ends, which the
//! record knows anyway, so a task that never waits reads the clock no more often than one that is not metered.
//! What else is asked for is read at the beginning and the end of each poll too: the thread's clock by system calls, and what
//! its allocator counted by a call of the source, for which the task has one more allocation.
//! `benches` has the figures (group `metrics`).

mod cpu;
#[cfg(feature = "metrics-export")]
mod export;
mod io;
#[cfg(feature = "jemalloc")]
mod jemalloc;
mod measured;
mod memory;
mod meter;
mod stats;

pub use cpu::CpuUsage;
#[cfg(feature = "metrics-export")]
pub use export::Export;
pub use io::{IoMeter, IoUsage, MeteredIo, Moved};
#[cfg(feature = "jemalloc")]
pub use jemalloc::jemalloc;
pub use measured::{Measured, Metrics, TaskMetrics};
pub use memory::{MemorySource, MemorySourceError, MemoryUsage, ThreadMemory, install_memory_source};
pub(crate) use meter::Meter;
pub use stats::{ExecutionStats, RunTimes, StatsSnapshot};

#[cfg(doc)]
use crate::task::TaskRecord;

#[cfg(test)]
mod tests;
