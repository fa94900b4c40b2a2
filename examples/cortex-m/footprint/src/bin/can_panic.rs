//! Shows that a panic would be noticed: an index that may be out of bounds.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use footprint::{input, output, rest};

#[entry]
#[expect(clippy::indexing_slicing, reason = "it is meant to panic")]
fn main() -> ! {
    output([7_u8; 4][input() as usize]);
    rest()
}
