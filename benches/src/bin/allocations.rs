//! Does one contestant's work with an allocator that counts, so that no time is measured with it.

use std::alloc::System;
use std::env;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use sweet_async_benches::meter::{Allocated, count_allocations_with};
use sweet_async_benches::{counted, groups};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    count_allocations_with(|| {
        let stats = ALLOCATOR.stats();
        Allocated {
            count: (stats.allocations + stats.reallocations) as u64,
            bytes: stats.bytes_allocated as u64,
        }
    });
    // The program's name and the argument that says what to do.
    let arguments: Vec<String> = env::args().skip(2).collect();
    counted::child(groups::ALL, &arguments);
}
