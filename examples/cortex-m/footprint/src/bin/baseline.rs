//! Startup code, an input and an output: what is taken off the others.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use footprint::{input, output, rest};

#[entry]
fn main() -> ! {
    output(input());
    rest()
}
