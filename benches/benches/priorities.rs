//! The table of the group `priorities`; see the crate's documentation for how it comes about.

use std::process::ExitCode;

use sweet_async_benches::groups::priorities;

fn main() -> ExitCode {
    sweet_async_benches::main(&[priorities::GROUP], env!("CARGO_BIN_EXE_allocations"))
}
