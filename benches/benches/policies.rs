//! The figures of the group `policies`; see the crate's documentation for how they are measured.

use std::process::ExitCode;

use sweet_async_benches::groups::policies;

fn main() -> ExitCode {
    sweet_async_benches::main(&[policies::GROUP], env!("CARGO_BIN_EXE_allocations"))
}
