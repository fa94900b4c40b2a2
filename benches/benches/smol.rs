//! The figures of the group `smol`; see the crate's documentation for how they are measured.

use std::process::ExitCode;

use sweet_async_benches::groups::smol;

fn main() -> ExitCode {
    sweet_async_benches::main(&[smol::GROUP], env!("CARGO_BIN_EXE_allocations"))
}
