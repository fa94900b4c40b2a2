//! The figures of the group `failures`; see the crate's documentation for how they are measured.

use std::process::ExitCode;

use sweet_async_benches::groups::failures;

fn main() -> ExitCode {
    sweet_async_benches::main(&[failures::GROUP], env!("CARGO_BIN_EXE_allocations"))
}
