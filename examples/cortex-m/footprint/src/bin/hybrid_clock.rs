//! Tick and merge.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use footprint::{hidden, input, now, output, rest};
use sweet_async_core::Tick;
use sweet_async_core::hybrid_clock::{HybridClock, Stamp};

static CLOCK: HybridClock = HybridClock::of::<500>(Tick::new(0));

#[entry]
fn main() -> ! {
    let clock = hidden(&CLOCK);
    output(clock.tick(now()));
    output(clock.merge(Stamp::from_bits(input()), now()));
    rest()
}
