//! Add, take, read.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use footprint::{hidden, input, output, rest};
use sweet_async_core::Counter;

static CALLS: Counter = Counter::new();

#[entry]
fn main() -> ! {
    let calls = hidden(&CALLS);
    calls.add(input());
    output((calls.take(), calls.value(), calls.is_full()));
    rest()
}
