//! The figures of the group `stats`; see the crate's documentation for how they are measured.

use std::process::ExitCode;

use sweet_async_benches::groups::stats;

fn main() -> ExitCode {
    sweet_async_benches::main(&[stats::GROUP], env!("CARGO_BIN_EXE_allocations"))
}
