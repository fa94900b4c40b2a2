//! The figures of the group `edge`; see the crate's documentation for how they are measured.

use std::process::ExitCode;

use sweet_async_benches::groups::edge;

fn main() -> ExitCode {
    sweet_async_benches::main(&[edge::GROUP], env!("CARGO_BIN_EXE_allocations"))
}
