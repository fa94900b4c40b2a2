//! The stretch of a contestant's turn that is measured.

use std::hint::black_box;
use std::sync::OnceLock;
use std::time::Instant;

/// What the measured stretch of one turn took.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Sample {
    /// Time from start to stop.
    pub nanos: f64,
    /// The share of that time in which all threads of the work ran.
    pub together: f64,
    /// Allocations and what they asked for, where the process counts them.
    pub allocated: Allocated,
}

/// Allocations of the whole process.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "made by the process that counts")]
pub struct Allocated {
    /// How many, reallocations included.
    pub count: u64,
    /// How many bytes they asked for.
    pub bytes: u64,
}

/// Measures from [`Meter::start`] to [`Meter::stop`]. A turn measures one stretch, no more.
#[derive(Debug)]
pub struct Meter {
    allocated: Allocated,
    begun: Instant,
}

static ALLOCATED: OnceLock<fn() -> Allocated> = OnceLock::new();

impl Meter {
    /// Begins the stretch.
    #[must_use]
    pub fn start() -> Self {
        let allocated = allocated();
        instruction_mark(0);
        Self {
            allocated,
            begun: Instant::now(),
        }
    }

    /// Ends the stretch.
    #[must_use]
    pub fn stop(self) -> Sample {
        let took = self.begun.elapsed();
        instruction_mark(1);
        let now = allocated();
        Sample {
            nanos: took.as_secs_f64() * 1e9,
            together: 1.0,
            allocated: Allocated {
                count: now.count - self.allocated.count,
                bytes: now.bytes - self.allocated.bytes,
            },
        }
    }

    /// Measures all of `work`.
    pub fn measure<T>(work: impl FnOnce() -> T) -> Sample {
        let meter = Self::start();
        black_box(work());
        meter.stop()
    }
}

/// Tells the meter where the process counts its allocations.
pub fn count_allocations_with(count: fn() -> Allocated) {
    ALLOCATED.get_or_init(|| count);
}

fn allocated() -> Allocated {
    ALLOCATED.get().map_or_else(Allocated::default, |count| count())
}

/// Where valgrind cuts its count of instructions: it knows functions by name.
#[inline(never)]
fn instruction_mark(side: u8) {
    black_box(side);
}
