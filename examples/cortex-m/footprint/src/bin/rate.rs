//! One cell, and several.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use footprint::{hidden, input, now, output, rest};
use sweet_async_core::Tick;
use sweet_async_core::rate::{Quota, RateLimiter};

static LIMITER: RateLimiter = RateLimiter::new(Quota::of::<100, 1_000, 2>(), Tick::new(0));

#[entry]
fn main() -> ! {
    let limiter = hidden(&LIMITER);
    output(limiter.check(now()));
    output(limiter.check_n(now(), input()));
    rest()
}
