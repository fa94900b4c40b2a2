//! The next delay, exponential with a cap and full jitter.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use footprint::{hidden, input, output, rest};
use sweet_async_core::backoff::{Backoff, Jitter};

static POLICY: Backoff = Backoff::exponential(100)
    .cap(250)
    .attempts(4)
    .jitter(Jitter::Full);

#[entry]
fn main() -> ! {
    let policy = hidden(&POLICY);
    output(policy.next(input(), 0, 0, input()));
    rest()
}
