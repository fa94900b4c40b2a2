//! Each cause of an error, injected for real: what comes out, how it reads, and what lies beneath it.

use core::error::Error;
use core::future::pending;
use core::time::Duration;
use std::io;

use super::Difference;
use super::stage::{Flavour, Stage, quiet_about_planned_panics, sign};
use crate::prelude::*;
use crate::task::TaskRef;
use crate::{Context, Runtime, Task, TaskBuilder};

/// What one injected failure has to look like.
struct Row {
    what: &'static str,
    error: TaskError<io::Error>,
    /// The variant, as `Debug` begins.
    variant: &'static str,
    /// The state in which the task ended.
    state: State,
    /// What the text ends with.
    text: &'static str,
    /// How the errors beneath read, one after the other.
    sources: &'static [&'static str],
}

/// The text, without how long something took where that is not known beforehand.
fn timeless<R: Runtime>(h: &Stage<R>, text: &str) -> String {
    let told = text
        .split_once("timed out after ")
        .filter(|_| h.differs(Difference::RealTime));
    match told.and_then(|(before, after)| Some((before, after.split_once(" at ")?.1))) {
        Some((before, after)) => format!("{before}timed out at {after}"),
        None => text.to_owned(),
    }
}

fn broken() -> io::Error {
    io::Error::other("the pipe broke")
}

async fn row<R: Runtime>(
    what: &'static str,
    task: Task<R, (), io::Error>,
    variant: &'static str,
    state: State,
    text: &'static str,
    sources: &'static [&'static str],
) -> Row {
    let seen = task.task_ref();
    let error = task.await.unwrap_err();
    // A task that was cut off has its state already.
    assert_eq!(seen.status(), state, "{what}");
    assert_eq!(error.task(), Some(seen.id()), "{what}");
    assert_eq!(error.name(), "job", "{what}");
    Row {
        what,
        error,
        variant,
        state,
        text,
        sources,
    }
}

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) async fn each_cause_comes_out_as_itself<R: Runtime>(h: Stage<R>) {
    quiet_about_planned_panics();
    let job = || h.to::<(), io::Error>().name("job");
    let never = pending::<Result<(), io::Error>>;
    let closed = h.start(1);
    closed.runtime().root().close();
    let at_work = || {
        let (arrive, arrived) = sign();
        let work = move || async move {
            arrive.give();
            never().await
        };
        (work, arrived)
    };
    let (arrive, listens) = sign();
    let graceful = job().grace(60.seconds()).run(move |cx: Context<R>| async move {
        arrive.give();
        cx.cancelled().await;
        Err(broken())
    });
    let (work, works) = at_work();
    let killed = job().run(work);
    let (work, works_too) = at_work();
    let hard = job().run(work);
    for arrived in [listens, works, works_too] {
        arrived.given().await;
    }
    graceful.cancel(Level::Graceful).unwrap();
    killed.cancel(Level::Kill).unwrap();
    hard.cancel(Level::KillHard).unwrap();
    let again = Retry::fixed(h.units(1)).attempts(2);
    let mut table = vec![
        row(
            "an error",
            job().run(|| Err(broken())),
            "Failed",
            State::Failed,
            " failed: the pipe broke",
            &["the pipe broke"],
        )
        .await,
        row(
            "an error of the second attempt",
            job().retry(again).run(|| Err(broken())),
            "Failed",
            State::Failed,
            " in attempt 2 failed: the pipe broke",
            &["the pipe broke"],
        )
        .await,
        row(
            "a panic",
            job().run(|| -> Result<(), io::Error> { panic!("planned") }),
            "Panicked",
            State::Panicked,
            " panicked: planned",
            &["planned"],
        )
        .await,
        row(
            "a panic on a thread",
            job().run_blocking(|| -> Result<(), io::Error> { panic!("planned") }),
            "Panicked",
            State::Panicked,
            " panicked: planned",
            &["planned"],
        )
        .await,
        row(
            "a panic without a text",
            job().run(|| -> Result<(), io::Error> { std::panic::resume_unwind(Box::new(7)) }),
            "Panicked",
            State::Panicked,
            " panicked: the panic carries no text",
            &["the panic carries no text"],
        )
        .await,
        row(
            "a deadline",
            job().timeout(h.units(5)).run(never),
            "TimedOut",
            State::TimedOut,
            " timed out after 5s at its own deadline",
            &["timed out after 5s at its own deadline"],
        )
        .await,
        row(
            "the limit of an attempt",
            job().retry(again.attempt_timeout(h.units(3))).run(never),
            "TimedOut",
            State::TimedOut,
            " in attempt 2 timed out after 7s at the limit of its attempt",
            &["timed out after 7s at the limit of its attempt"],
        )
        .await,
        row(
            "a graceful cancellation",
            graceful,
            "Cancelled",
            State::Cancelled,
            " was cancelled (graceful, requested) and returned: the pipe broke",
            &["the pipe broke"],
        )
        .await,
        row(
            "a kill",
            killed,
            "Cancelled",
            State::Cancelled,
            " was cancelled (kill, requested)",
            &[],
        )
        .await,
        row(
            "a hard kill",
            hard,
            "Cancelled",
            State::Cancelled,
            " was cancelled (kill hard, requested)",
            &[],
        )
        .await,
        row(
            "a closed scope",
            TaskBuilder::new(closed.runtime()).name("job").run(never),
            "Rejected",
            State::Rejected,
            " was rejected: its scope has closed; start it where tasks are still taken",
            &["was rejected: its scope has closed; start it where tasks are still taken"],
        )
        .await,
        row(
            "a senseless setting",
            job().timeout(Duration::ZERO).run(never),
            "Rejected",
            State::Rejected,
            " was rejected: a timeout of zero ends the task before it starts; leave it out or raise it",
            &[
                "was rejected: a timeout of zero ends the task before it starts; leave it out or raise it",
                "a timeout of zero ends the task before it starts; leave it out or raise it",
            ],
        )
        .await,
        row(
            "a fallback that fails too",
            job()
                .fallback(|_| Err(io::Error::other("no cache")))
                .run(|| Err(broken())),
            "FallbackFailed",
            State::Failed,
            " failed and its fallback too: failed: the pipe broke; then failed: no cache",
            &["failed: no cache", "no cache"],
        )
        .await,
    ];
    if h.differs(Difference::OneThread) {
        let unstarted = job().run(never);
        unstarted.cancel(Level::Graceful).unwrap();
        let text = " was cancelled (graceful, requested)";
        let what = "a cancellation before the start";
        table.push(row(what, unstarted, "Cancelled", State::Cancelled, text, &[]).await);
    }
    for Row {
        what,
        error,
        variant,
        state,
        text,
        sources,
    } in table
    {
        assert!(
            format!("{:?}", error.cause()).starts_with(variant),
            "{what}: {error:?}"
        );
        let says = timeless(&h, &error.to_string());
        assert!(says.ends_with(&timeless(&h, text)), "{what}: {error}");
        let mut beneath: Vec<String> = Vec::new();
        let mut next = error.source();
        while let Some(source) = next {
            let text = source.to_string();
            // The name and the id of a task are not the same in each run.
            beneath.push(text.rsplit_once(") ").map_or(text.clone(), |(head, tail)| {
                if head.starts_with("task") {
                    tail.to_owned()
                } else {
                    text.clone()
                }
            }));
            next = source.source();
        }
        let beneath: Vec<String> = beneath.iter().map(|text| timeless(&h, text)).collect();
        let sources: Vec<String> = sources.iter().map(|text| timeless(&h, text)).collect();
        assert_eq!(beneath, sources, "{what}");
        for text in beneath
            .iter()
            .map(String::as_str)
            .chain([error.to_string().as_str()])
        {
            assert!(
                text.starts_with(|first: char| !first.is_uppercase()) && !text.ends_with('.'),
                "{what}: {text}"
            );
        }
        assert_eq!(error.is_cancelled(), state == State::Cancelled, "{what}");
        assert_eq!(error.is_timed_out(), state == State::TimedOut, "{what}");
        assert_eq!(error.is_panicked(), state == State::Panicked, "{what}");
        assert_eq!(error.is_rejected(), state == State::Rejected, "{what}");
        assert_eq!(error.failure().is_some(), variant == "Failed", "{what}");
    }
}

pub(super) fn an_error_is_one_word_and_may_go_anywhere<R: Runtime>(_: Flavour<R>) {
    const fn anywhere<T: Send + Sync + 'static>() {}
    anywhere::<TaskError>();
    anywhere::<TaskError<io::Error>>();
    anywhere::<Cause<io::Error>>();
    anywhere::<Context<R>>();
    anywhere::<TaskRef>();
    anywhere::<Task<R, (), io::Error>>();
    assert_eq!(size_of::<TaskError<io::Error>>(), size_of::<usize>());
    assert_eq!(size_of::<TaskError<[u64; 32]>>(), size_of::<usize>());
    assert_eq!(size_of::<Result<(), TaskError>>(), size_of::<usize>());
}

pub(super) async fn an_error_passes_through_the_question_mark<R: Runtime>(h: Stage<R>) {
    async fn outer<R: Runtime>(h: Stage<R>) -> Result<u32, Box<dyn Error + Send + Sync>> {
        Ok(h.to::<u32, _>().run(|| async { "x".parse::<u32>() }).await?)
    }
    let error = outer(h).await.unwrap_err();
    let task = error
        .downcast_ref::<TaskError<std::num::ParseIntError>>()
        .unwrap();
    assert!(task.failure().is_some());
}
