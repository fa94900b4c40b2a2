//! Observe.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use footprint::{hidden, input, now, output, rest};
use sweet_async_core::scaler::{Scale, ScaleError, Scaler};

const SCALE: Result<Scale, ScaleError> = match Scale::new(1, 8) {
    Ok(scale) => scale.load(4, 10),
    Err(error) => Err(error),
};
static SCALER: Scaler = match SCALE {
    Ok(scale) => Scaler::new(scale),
    Err(_) => panic!("the scale contradicts itself"),
};

#[entry]
fn main() -> ! {
    let scaler = hidden(&SCALER);
    output(scaler.observe(input(), now()));
    rest()
}
