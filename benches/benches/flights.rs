//! The figures of the group `flights`; see the crate's documentation for how they are measured.

use std::process::ExitCode;

use sweet_async_benches::groups::flights;

fn main() -> ExitCode {
    sweet_async_benches::main(&[flights::GROUP], env!("CARGO_BIN_EXE_allocations"))
}
