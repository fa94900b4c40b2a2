//! Rise, fall, set.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use footprint::{hidden, input, output, rest};
use sweet_async_core::pressure::{Marks, Pressure};

static EDGE: Pressure = Pressure::new(Marks::of::<2, 8>());

#[entry]
fn main() -> ! {
    let edge = hidden(&EDGE);
    output((edge.rise(input()), edge.fall(input())));
    output(edge.set(input()));
    rest()
}
