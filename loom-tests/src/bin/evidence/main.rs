//! Runs the loom models and their mutants, and writes or checks the evidence table.
//!
//! A model runs in a process of its own, so that a hang or an abort is that model's alone. A mutant is a patch of the
//! core or of the api's words; it is applied to a scratch copy in the target directory, never to the tree. Each worker has one copy and one
//! target directory, which all its mutants share.
#![forbid(unsafe_code)]
#![allow(
    clippy::std_instead_of_alloc,
    reason = "a program for the host, where alloc has no use of its own"
)]

#[cfg(not(any(sweet_loom, sweet_shuttle)))]
mod campaign;
#[cfg(not(any(sweet_loom, sweet_shuttle)))]
mod document;
#[cfg(not(any(sweet_loom, sweet_shuttle)))]
mod options;
#[cfg(not(any(sweet_loom, sweet_shuttle)))]
mod orderings;
#[cfg(not(any(sweet_loom, sweet_shuttle)))]
mod patch;
#[cfg(not(any(sweet_loom, sweet_shuttle)))]
mod row;
#[cfg(not(any(sweet_loom, sweet_shuttle)))]
mod scratch;
#[cfg(not(any(sweet_loom, sweet_shuttle)))]
mod trouble;
#[cfg(not(any(sweet_loom, sweet_shuttle)))]
mod verdict;

use std::process::ExitCode;

#[cfg(not(any(sweet_loom, sweet_shuttle)))]
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
#[cfg(any(sweet_loom, sweet_shuttle))]
fn main() -> ExitCode {
    eprintln!("error: the runner is built without any `--cfg`; start it by `.ci/loom`");
    ExitCode::FAILURE
}
