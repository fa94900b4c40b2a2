//! One id, and a block of them.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use footprint::{hidden, input, output, rest};
use sweet_async_core::IdGenerator;

static IDS: IdGenerator = IdGenerator::new();

#[entry]
fn main() -> ! {
    let ids = hidden(&IDS);
    output(ids.next());
    output(ids.next_block(input()));
    rest()
}
