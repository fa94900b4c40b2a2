//! How late were the flights? Reads CSV in parallel and reports delays by origin airport and by hour.
//!
//! `cargo run --release --bin flights` reads the 50,000 flights that are shipped; `--help` says what else it does.

mod arguments;
mod delays;
mod flight;
mod progress;
mod report;
mod text;

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::pin::pin;
use std::process::ExitCode;

use console::Term;
use sweet_async_tokio::Emission;
use sweet_async_tokio::emit::{EmitError, LastEvent};
use sweet_async_tokio::prelude::*;
use tokio::runtime;
use tokio::time::{Instant, interval_at};

use arguments::{Command, HELP, Input, Options};
use delays::Summary;
use flight::{Airport, Flight};
use progress::Progress;
use report::{Layout, Report};

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
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(options.workers)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&error);
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(run(&options));
    // A thread may still wait for standard input; nothing that it reads matters any more.
    runtime.shutdown_background();
    code
}

async fn run(options: &Options) -> ExitCode {
    let begun = Instant::now();
    let airports = airports();
    let mut progress = Progress::new(&options.input, options.progress);
    let ending = watch(flights(options), &mut progress).await;
    let took = begun.elapsed();
    progress.clear();

    let last = match ending {
        Ok(last) => last,
        Err(error) => return fail(error),
    };
    let airports = match airports.await {
        Ok(airports) => airports.into_collected(),
        Err(error) => return fail(error),
    };
    let (partial, stats, errors) = (last.is_partial(), last.stats(), last.errors().to_vec());
    let report = Report {
        summary: last.into_collected(),
        airports,
        stats,
        errors,
        partial,
        took,
        bytes: progress::size(&options.input).filter(|_| !partial),
        workers: options.workers,
    };
    let layout = Layout {
        width: width(),
        top: options.top,
        errors: options.errors,
    };
    let code = match report.render(layout) {
        Ok(text) => print(&text),
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    };
    if partial {
        ExitCode::from(INTERRUPTED)
    } else {
        code
    }
}

/// Starts the pipeline: one sender finds where rows end, the receivers parse and count.
fn flights(options: &Options) -> Emission<Summary> {
    let input = options.input.clone();
    AsyncTask::emits::<Flight>()
        .name("flights")
        .grace(2.seconds())
        .keep_errors(options.errors)
        .collect_into::<Summary>()
        .sender(|source| {
            let text = match input {
                Input::Files(paths) => source.of_files(paths),
                Input::Stdin => source.of_stdin(),
            };
            text.csv().into_chunks(64.kib())
        })
        .receiver(ReceiverStrategy::parallel(options.workers), |flight, summary| {
            summary.add(flight);
        })
        .run()
}

/// Reads the names of the airports, which are part of the program.
fn airports() -> Emission<Vec<Airport>> {
    const AIRPORTS: &str = include_str!("../../../data/airports.csv");
    AsyncTask::emits::<Airport>()
        .name("airports")
        .collect_into::<Vec<Airport>>()
        .sender(|source| source.of_reader("airports.csv", AIRPORTS.as_bytes()).csv())
        .receiver(ReceiverStrategy::serial(), |airport, airports| {
            airports.add(airport);
        })
        .run()
}

/// Waits for the end of the pipeline, shows how far it is, and stops it when the user presses Ctrl-C: gracefully the
/// first time, at once the second.
async fn watch(mut flights: Emission<Summary>, progress: &mut Progress) -> Ending {
    let mut ticks = interval_at(Instant::now() + Progress::EVERY, Progress::EVERY);
    // Kept across the turns of the loop: a signal that comes while nobody listens is lost.
    let mut pressed = pin!(tokio::signal::ctrl_c());
    let mut level = Level::Graceful;
    loop {
        tokio::select! {
            biased;
            heard = &mut pressed => {
                if heard.is_err() {
                    // Where no signals can be had, Ctrl-C ends the program as it always does.
                    return flights.await;
                }
                // One that has ended needs no telling.
                let _ = flights.cancel(level);
                level = Level::KillHard;
                pressed.set(tokio::signal::ctrl_c());
            }
            ending = &mut flights => return ending,
            _ = ticks.tick() => progress.show(flights.stats()),
        }
    }
}

type Ending = Result<LastEvent<Summary>, TaskError<EmitError>>;

/// Says on standard error why there is no report.
fn fail(error: TaskError<EmitError>) -> ExitCode {
    match error.into_cause() {
        Cause::Failed(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
        Cause::Cancelled { .. } => {
            eprintln!("flights: stopped by Ctrl-C before anything could be reported");
            ExitCode::from(INTERRUPTED)
        }
        cause => {
            eprintln!("flights: the pipeline {cause}");
            ExitCode::FAILURE
        }
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
