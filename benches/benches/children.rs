//! The figures of the group `children`; see the crate's documentation for how they are measured.

use std::process::ExitCode;

use sweet_async_benches::groups::children;

fn main() -> ExitCode {
    sweet_async_benches::main(&[children::GROUP], env!("CARGO_BIN_EXE_allocations"))
}
