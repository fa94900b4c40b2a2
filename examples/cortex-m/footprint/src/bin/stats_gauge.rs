//! Raise, lower, set, read.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use footprint::{hidden, input, output, rest};
use sweet_async_core::Gauge;

static LEVEL: Gauge = Gauge::new();

#[entry]
fn main() -> ! {
    let level = hidden(&LEVEL);
    output((level.raise(input()), level.lower(input())));
    level.set(input());
    output(level.value());
    rest()
}
