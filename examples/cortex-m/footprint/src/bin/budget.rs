//! Deposit, withdraw, top up.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use footprint::{hidden, output, rest};
use sweet_async_core::RetryBudget;

static BUDGET: RetryBudget = RetryBudget::new(100, 50).with_floor(2);

#[entry]
fn main() -> ! {
    let budget = hidden(&BUDGET);
    budget.deposit();
    budget.top_up();
    output(budget.try_withdraw());
    rest()
}
