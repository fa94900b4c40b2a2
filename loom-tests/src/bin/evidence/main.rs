//! Runs the loom models and their mutants, and writes or checks the evidence table.
//!
//! A model runs in a process of its own, so that a hang or an abort is that model's alone. A mutant is a patch of the
//! core; it is applied to a scratch copy in the target directory, never to the tree. Each worker has one copy and one
//! target directory, which all its mutants share.
#![forbid(unsafe_code)]
#![allow(
    clippy::std_instead_of_alloc,
    reason = "a program for the host, where alloc has no use of its own"
)]

#[cfg(not(sweet_loom))]
mod campaign;
#[cfg(not(sweet_loom))]
mod document;
#[cfg(not(sweet_loom))]
mod options;
#[cfg(not(sweet_loom))]
mod orderings;
#[cfg(not(sweet_loom))]
mod patch;
#[cfg(not(sweet_loom))]
mod row;
#[cfg(not(sweet_loom))]
mod scratch;
#[cfg(not(sweet_loom))]
mod trouble;
#[cfg(not(sweet_loom))]
mod verdict;

use std::process::ExitCode;

#[cfg(not(sweet_loom))]
fn main() -> ExitCode {
    use options::Options;

    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    match campaign::run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(trouble) => {
            eprintln!("error: {trouble}");
            ExitCode::FAILURE
        }
    }
}

/// Cargo builds a package's binaries before its integration tests, so the models' build meets this file too.
#[cfg(sweet_loom)]
fn main() -> ExitCode {
    eprintln!("error: the runner is built without `--cfg sweet_loom`; start it by `.ci/loom`");
    ExitCode::FAILURE
}
