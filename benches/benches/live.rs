//! The figures of the group `live`; see the crate's documentation for how they are measured.

use std::process::ExitCode;

use sweet_async_benches::groups::live;

fn main() -> ExitCode {
    sweet_async_benches::main(&[live::GROUP], env!("CARGO_BIN_EXE_allocations"))
}
