//! Enter, leave, close.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use footprint::{hidden, input, output, rest};
use sweet_async_core::Group;

static SCOPE: Group = Group::new();

#[entry]
fn main() -> ! {
    let scope = hidden(&SCOPE);
    output(scope.try_enter_within(input()));
    output(scope.leave());
    output((scope.close(), scope.is_over()));
    rest()
}
