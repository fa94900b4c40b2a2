//! The work, whatever it runs on: the pipeline, how far it is, and its report.

use std::process::ExitCode;
use std::time::Instant;

use super::adapter::Emission;
use super::adapter::emit::{EmitError, LastEvent};
use super::adapter::prelude::*;
use crate::arguments::{Input, Options};
use crate::delays::Summary;
use crate::flight::{Airport, Flight};
use crate::progress::{self, Progress};
use crate::report::{Layout, Report};
use crate::{INTERRUPTED, complain, print, width};

pub(crate) async fn run(options: &Options) -> ExitCode {
    let begun = Instant::now();
    let airports = airports();
    let progress = Progress::new(&options.input, options.progress);
    let ending = watch(flights(options), progress).await;
    let took = begun.elapsed();

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
async fn watch(flights: Emission<Summary>, mut progress: Progress) -> Ending {
    let (task, mut level) = (flights.task_ref(), Level::Graceful);
    // Where no signals can be had, Ctrl-C ends the program as it always does.
    let _ = ctrlc::set_handler(move || {
        // One that has ended needs no telling.
        let _ = task.cancel(level);
        level = Level::KillHard;
    });
    let stats = flights.live_stats();
    let shown = AsyncTask::to::<()>()
        .name("progress")
        .run(|cx: Context| async move {
            while cx.sleep(Progress::EVERY).await.is_ok() {
                progress.show(stats.read());
            }
            progress.clear();
        });
    let ending = flights.await;
    // It only ends by being stopped.
    let _ = shown.stop(Level::Graceful).await;
    ending
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
