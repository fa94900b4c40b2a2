//! What an overflow asks for, and its counts.
#![no_std]
#![no_main]

use core::hint::black_box;

use cortex_m_rt::entry;
use footprint::{hidden, input, output, rest};
use sweet_async_core::pressure::{Dropped, Drops, Overflow};

static DROPS: Drops = Drops::new();

#[entry]
fn main() -> ! {
    let drops = hidden(&DROPS);
    output(black_box(Overflow::DropOldest).decide(input() > 0));
    drops.add(black_box(Dropped::Oldest), input());
    output((drops.count(black_box(Dropped::Newest)), drops.total()));
    rest()
}
