//! Each cause of an error, injected for real: what comes out, how it reads, and what lies beneath it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::error::Error;
use std::future::pending;
use std::io;
use std::time::Duration;

use common::quiet_about_planned_panics;
use sweet_async_api::{Refused, Runtime, TaskBuilder};
use sweet_async_tokio::prelude::*;
use sweet_async_tokio::task::Stopped;
use sweet_async_tokio::units::DurationUnits;
use tokio::task::yield_now;

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

fn broken() -> io::Error {
    io::Error::other("the pipe broke")
}

async fn row(
    what: &'static str,
    task: Task<(), io::Error>,
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

#[tokio::test(start_paused = true)]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn each_cause_comes_out_as_itself() {
    quiet_about_planned_panics();
    let job = || AsyncTask::<io::Error>::to::<()>().name("job");
    let never = pending::<Result<(), io::Error>>;
    let closed = Tokio::on(tokio::runtime::Handle::current());
    closed.root().close();
    let graceful = job().run(|cx: Context| async move {
        cx.cancelled().await;
        Err(broken())
    });
    let killed = job().run(never);
    let hard = job().run(never);
    yield_now().await;
    graceful.cancel(Level::Graceful).unwrap();
    killed.cancel(Level::Kill).unwrap();
    hard.cancel(Level::KillHard).unwrap();
    let unstarted = job().run(never);
    unstarted.cancel(Level::Graceful).unwrap();
    let again = Retry::fixed(1.seconds()).attempts(2);
    let table = [
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
            job().timeout(5.seconds()).run(never),
            "TimedOut",
            State::TimedOut,
            " timed out after 5s at its own deadline",
            &["timed out after 5s at its own deadline"],
        )
        .await,
        row(
            "the limit of an attempt",
            job().retry(again.attempt_timeout(3.seconds())).run(never),
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
            "a cancellation before the start",
            unstarted,
            "Cancelled",
            State::Cancelled,
            " was cancelled (graceful, requested)",
            &[],
        )
        .await,
        row(
            "a closed scope",
            TaskBuilder::new(closed).name("job").run(never),
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
        assert!(error.to_string().ends_with(text), "{what}: {error}");
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

#[test]
fn what_is_refused_says_what_to_do() {
    let task = AsyncTask::to::<()>().run(|| ());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let error = runtime.block_on(task).unwrap_err();
    assert!(
        error.to_string().ends_with(
            "was rejected: no executor runs here; start it inside one, or through a handle to one"
        ),
        "{error}"
    );
    assert!(Refused(()).to_string().contains("start the task inside one"));
    let (mut twice, cx) = {
        let _inside = runtime.enter();
        let (give, take) = std::sync::mpsc::channel();
        let task = AsyncTask::to::<()>().run(move |cx: Context| give.send(cx).unwrap());
        runtime.block_on(yield_now());
        (task, take.recv().unwrap())
    };
    runtime.block_on(&mut twice).unwrap();
    let taken = runtime.block_on(&mut twice).unwrap_err();
    assert!(taken.to_string().ends_with("await a handle once"), "{taken}");
    let ended = cx.cancel(Level::Kill).unwrap_err();
    assert_eq!(ended.to_string(), "the task has already ended: completed");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_task_is_told_by_whom_and_why() {
    let parent = AsyncTask::to::<Stopped>().run(|cx: Context| async move {
        let child = cx
            .child::<Stopped, _>()
            .run(|cx: Context| async move { cx.sleep(10.seconds()).await.unwrap_err() });
        child.await.unwrap()
    });
    yield_now().await;
    yield_now().await;
    parent.cancel(Level::Graceful).unwrap();
    let id = parent.id();
    let stopped = parent.await.unwrap();
    assert_eq!(stopped.cancellation.by, Some(id));
    assert_eq!(
        stopped.to_string(),
        format!("the task was cancelled (graceful, parent ended by task {id})")
    );
    assert!(stopped.source().is_some());
}

#[test]
fn an_error_is_one_word_and_may_go_anywhere() {
    const fn anywhere<T: Send + Sync + 'static>() {}
    anywhere::<TaskError>();
    anywhere::<TaskError<io::Error>>();
    anywhere::<Cause<io::Error>>();
    anywhere::<Context>();
    anywhere::<sweet_async_tokio::task::TaskRef>();
    anywhere::<Task<(), io::Error>>();
    assert_eq!(size_of::<TaskError<io::Error>>(), size_of::<usize>());
    assert_eq!(size_of::<TaskError<[u64; 32]>>(), size_of::<usize>());
    assert_eq!(size_of::<Result<(), TaskError>>(), size_of::<usize>());
}

#[tokio::test(start_paused = true)]
async fn an_error_passes_through_the_question_mark() {
    async fn outer() -> Result<u32, Box<dyn Error + Send + Sync>> {
        Ok(AsyncTask::to::<u32>()
            .run(|| async { "x".parse::<u32>() })
            .await?)
    }
    let error = outer().await.unwrap_err();
    let task = error
        .downcast_ref::<TaskError<std::num::ParseIntError>>()
        .unwrap();
    assert!(task.failure().is_some());
}

type Task<T, E> = sweet_async_tokio::Task<T, E>;
