//! The figures of the group `metrics`; see the crate's documentation for how they are measured.

use std::process::ExitCode;

use sweet_async_benches::groups::metrics;

fn main() -> ExitCode {
    sweet_async_benches::main(&[metrics::GROUP], env!("CARGO_BIN_EXE_allocations"))
}
