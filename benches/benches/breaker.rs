//! The figures of the group `breaker`; see the crate's documentation for how they are measured.

use std::process::ExitCode;

use sweet_async_benches::groups::breaker;

fn main() -> ExitCode {
    sweet_async_benches::main(&[breaker::GROUP], env!("CARGO_BIN_EXE_allocations"))
}
