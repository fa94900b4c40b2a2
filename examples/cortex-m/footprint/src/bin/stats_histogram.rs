//! Record and take, 64 cells; a quantile.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use footprint::{hidden, input, output, rest};
use sweet_async_core::Histogram;

static MILLIS: Histogram<64> = Histogram::new();

#[entry]
fn main() -> ! {
    let millis = hidden(&MILLIS);
    millis.record(input());
    output(millis.take().quantile(input()));
    rest()
}
