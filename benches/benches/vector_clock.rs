//! The figures of the group `vector_clock`; see the crate's documentation for how they are measured.

use std::process::ExitCode;

use sweet_async_benches::groups::vector_clock;

fn main() -> ExitCode {
    sweet_async_benches::main(&[vector_clock::GROUP], env!("CARGO_BIN_EXE_allocations"))
}
