//! The figures of the group `sim`; see the csim's documentation for how they are measured.

use std::process::ExitCode;

use sweet_async_benches::groups::sim;

fn main() -> ExitCode {
    sweet_async_benches::main(&[sim::GROUP], env!("CARGO_BIN_EXE_allocations"))
}
