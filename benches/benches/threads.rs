//! The figures of the group `threads`; see the crate's documentation for how they are measured.

use std::process::ExitCode;

use sweet_async_benches::groups::threads;

fn main() -> ExitCode {
    sweet_async_benches::main(&[threads::GROUP], env!("CARGO_BIN_EXE_allocations"))
}
