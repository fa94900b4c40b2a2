//! The figures of the group `credit`; see the crate's documentation for how they are measured.

use std::process::ExitCode;

use sweet_async_benches::groups::credit;

fn main() -> ExitCode {
    sweet_async_benches::main(&[credit::GROUP], env!("CARGO_BIN_EXE_allocations"))
}
