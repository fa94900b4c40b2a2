//! The figures of the group `rate`; see the crate's documentation for how they are measured.

use std::process::ExitCode;

use sweet_async_benches::groups::rate;

fn main() -> ExitCode {
    sweet_async_benches::main(&[rate::GROUP], env!("CARGO_BIN_EXE_allocations"))
}
