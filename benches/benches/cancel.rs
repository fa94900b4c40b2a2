//! The figures of the group `cancel`; see the crate's documentation for how they are measured.

use std::process::ExitCode;

use sweet_async_benches::groups::cancel;

fn main() -> ExitCode {
    sweet_async_benches::main(&[cancel::GROUP], env!("CARGO_BIN_EXE_allocations"))
}
