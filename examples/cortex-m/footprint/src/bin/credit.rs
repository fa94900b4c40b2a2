//! Acquire, release, register, pass on, hush, resize, close.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use footprint::{hidden, input, output, rest};
use sweet_async_core::credit::{Credits, Turn};

static CREDITS: Credits = Credits::of::<3>();

#[entry]
fn main() -> ! {
    let credits = hidden(&CREDITS);
    output(credits.try_acquire(input()));
    output(credits.release(input()));
    output(credits.try_acquire_or_register(input(), core::hint::black_box(Turn::Head)));
    output(credits.pass_on());
    credits.hush();
    output(credits.resize(input()));
    output((credits.close(), credits.free()));
    rest()
}
