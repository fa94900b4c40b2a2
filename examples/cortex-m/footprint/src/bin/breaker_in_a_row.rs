//! Failures in a row: enter, record, give back.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use footprint::{hidden, input, now, output, rest};
use sweet_async_core::breaker::{CircuitBreaker, Consecutive, Outcome, Rules, Settings};

const SETTINGS: Settings = match Rules::new().check() {
    Ok(settings) => settings,
    Err(_) => panic!("the settings contradict each other"),
};
static BREAKER: CircuitBreaker<Consecutive> = CircuitBreaker::new(Consecutive::new());

#[entry]
fn main() -> ! {
    let breaker = hidden(&BREAKER);
    match breaker.try_enter(&SETTINGS, now()) {
        Ok(permit) if input() == 0 => drop(permit),
        Ok(permit) => output(permit.record(core::hint::black_box(Outcome::Failed), now())),
        Err(refused) => output(refused),
    }
    rest()
}
