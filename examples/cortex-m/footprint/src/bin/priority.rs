//! Which class is next.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use footprint::{hidden, input, output, rest};
use sweet_async_core::priority::{Aging, Classes, Patience, Priority};

static NEXT: Aging = Aging::new(Patience::of::<4>());

#[entry]
fn main() -> ! {
    let next = hidden(&NEXT);
    let low = if input() > 0 {
        Classes::NONE
    } else {
        Classes::NONE.with(Priority::Low)
    };
    output(next.next(low.with(Priority::High)));
    rest()
}
