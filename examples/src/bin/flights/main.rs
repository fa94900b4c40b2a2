//! How late were the flights? Reads CSV in parallel and reports delays by origin airport and by hour.
//!
//! `cargo run --release --bin flights` reads the 50,000 flights that are shipped; `--help` says what else it does.
//!
//! The pipeline is in `work.rs`. It is compiled once for each adapter; what changes is what `adapter` stands for in its
//! `use`. Here are the arguments, and what starts the executor.
#![expect(clippy::duplicate_mod, reason = "the same work on all adapters")]

mod arguments;
mod delays;
mod flight;
mod progress;
mod report;
mod text;

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use console::Term;
use sweet_async_crossbeam::ThreadPool;
use sweet_async_examples::On;
use sweet_async_sim::Sim;
use tokio::runtime;

use arguments::{Command, HELP, Options};

#[path = "."]
mod on_tokio {
    use sweet_async_tokio as adapter;
    #[path = "work.rs"]
    pub(crate) mod work;
}
#[path = "."]
mod on_smol {
    use sweet_async_smol as adapter;
    #[path = "work.rs"]
    pub(crate) mod work;
}
#[path = "."]
mod on_threads {
    use sweet_async_crossbeam as adapter;
    #[path = "work.rs"]
    pub(crate) mod work;
}
#[path = "."]
mod on_sim {
    use sweet_async_sim as adapter;
    #[path = "work.rs"]
    pub(crate) mod work;
}

fn main() -> ExitCode {
    let options = match arguments::parse(env::args_os().skip(1)) {
        Ok(Command::Help) => return print(HELP),
        Ok(Command::Version) => return print(concat!("flights ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Command::Report(options)) => options,
        Err(error) => {
            complain(&error);
            eprintln!("Try `flights --help`.");
            return ExitCode::from(WRONG_USAGE);
        }
    };
    run(&options).unwrap_or_else(|error| {
        complain(&*error);
        ExitCode::FAILURE
    })
}

/// Runs the work on the adapter that was asked for. A thread may wait for standard input still when it is done; nothing
/// that it reads matters any more.
fn run(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    match options.on {
        On::Tokio => {
            let runtime = runtime::Builder::new_multi_thread()
                .worker_threads(options.workers)
                .enable_all()
                .build()?;
            let code = runtime.block_on(on_tokio::work::run(options));
            runtime.shutdown_background();
            Ok(code)
        }
        On::Smol => Ok(sweet_async_smol::block_on(on_smol::work::run(options))?),
        On::Threads => {
            let threads = options.workers.try_into()?;
            let pool = ThreadPool::builder().workers(threads..=threads).build()?;
            Ok(pool.block_on(on_threads::work::run(options))?)
        }
        On::Sim => Ok(Sim::new(0).run(on_sim::work::run(options))?),
    }
}

fn complain(error: &dyn Error) {
    eprintln!("flights: {error}");
}

/// Writes to standard output. Whoever closed it, as `head` does, has read enough.
fn print(text: &str) -> ExitCode {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Columns of the terminal; what most are wide where there is none.
fn width() -> usize {
    Term::stdout()
        .size_checked()
        .map_or(80, |(_, columns)| usize::from(columns))
}

const WRONG_USAGE: u8 = 2;

/// As a shell reports a program that SIGINT ended.
const INTERRUPTED: u8 = 130;
