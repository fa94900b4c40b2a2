//! Claim, add, sum, give back; two cells.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use footprint::{hidden, input, output, rest};
use sweet_async_core::ShardedCounter;

static STEPS: ShardedCounter<2> = ShardedCounter::new();

#[entry]
fn main() -> ! {
    let steps = hidden(&STEPS);
    match steps.claim() {
        Ok(mut shard) => shard.add(input()),
        Err(full) => output(full),
    }
    output(steps.total());
    rest()
}
