//! The figures of the group `spawn`; see the crate's documentation for how they are measured.

use std::process::ExitCode;

use sweet_async_benches::groups::spawn;

fn main() -> ExitCode {
    sweet_async_benches::main(&[spawn::GROUP], env!("CARGO_BIN_EXE_allocations"))
}
