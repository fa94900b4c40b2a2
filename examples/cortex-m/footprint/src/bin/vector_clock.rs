//! Of three nodes, shared: tick, merge, snapshot, compare.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use footprint::{hidden, input, output, rest};
use sweet_async_core::vector_clock::{AtomicVectorClock, VectorClock};

static CLOCK: AtomicVectorClock<3> = AtomicVectorClock::new();

#[entry]
fn main() -> ! {
    let clock = hidden(&CLOCK);
    let message = VectorClock::from_counts([input(); 3]);
    clock.merge(&message);
    output(clock.tick(input() as usize));
    output(clock.snapshot().compare(&message));
    rest()
}
