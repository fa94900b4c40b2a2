//! The figures of the group `backoff`; see the crate's documentation for how they are measured.

use std::process::ExitCode;

use sweet_async_benches::groups::backoff;

fn main() -> ExitCode {
    sweet_async_benches::main(&[backoff::GROUP], env!("CARGO_BIN_EXE_allocations"))
}
