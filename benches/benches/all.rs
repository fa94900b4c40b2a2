//! All figures, and with `--write` the file `RESULTS.md`.

use std::process::ExitCode;

use sweet_async_benches::groups;

fn main() -> ExitCode {
    sweet_async_benches::main(groups::ALL, env!("CARGO_BIN_EXE_allocations"))
}
