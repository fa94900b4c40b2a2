//! Vegas: enter, leave, learn.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use footprint::{hidden, input, output, rest};
use sweet_async_core::limit::{Bounds, ConcurrencyLimit, Vegas};

static LIMIT: ConcurrencyLimit<Vegas> = ConcurrencyLimit::new(Vegas::new(), Bounds::of::<1, 2, 100>());

#[entry]
fn main() -> ! {
    let limit = hidden(&LIMIT);
    match limit.try_acquire() {
        Ok(permit) => output(permit.ok(input())),
        Err(full) => output(full),
    }
    match limit.try_acquire() {
        Ok(permit) => output(permit.dropped()),
        Err(full) => output(full),
    }
    rest()
}
