//! The figures of the group `pipeline`; see the crate's documentation for how they are measured.

use std::process::ExitCode;

use sweet_async_benches::groups::pipeline;

fn main() -> ExitCode {
    sweet_async_benches::main(&[pipeline::GROUP], env!("CARGO_BIN_EXE_allocations"))
}
