//! Cancelling: each level × each place a task can be in × both flavours of Tokio. One table says what comes of it.
//!
//! What stands under a level: the state in the end, what the handle gives, and which callbacks ran.

use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, mpsc};

use sweet_async_tokio::prelude::*;
use sweet_async_tokio::units::DurationUnits;
use tokio::sync::Notify;
use tokio::task::yield_now;

/// Where the task is when it is cancelled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    NotStarted,
    /// In the middle of a poll, on another thread; the poll ends with an await.
    RunningOn,
    /// In the middle of a poll that returns the value.
    RunningToItsEnd,
    Waiting,
    /// Waiting, and returning a value as soon as it is told.
    Listening,
    BetweenAttempts,
    Shielded,
    InFallback,
    /// On a thread that looks at its checkpoints.
    Blocking,
    /// On a thread that does not look, and is let go after the cancellation.
    BlockingDeaf,
    /// Its work is done; a child that listens is not.
    ClosingWithChildren,
    Finished,
}

use Place::{
    BetweenAttempts, Blocking, BlockingDeaf, ClosingWithChildren, Finished, InFallback, Listening,
    NotStarted, RunningOn, RunningToItsEnd, Shielded, Waiting,
};

/// What comes of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Outcome {
    /// Completed with its value; whether the callback ran.
    Value { callback: bool },
    /// Cancelled at this level; whether the callback ran.
    Cancelled { at: Level, callback: bool },
    /// The cancellation was refused.
    Refused,
}

const VALUE: Outcome = Outcome::Value { callback: true };
const TOLD: Outcome = Outcome::Cancelled {
    at: Level::Graceful,
    callback: true,
};
const KILLED: Outcome = Outcome::Cancelled {
    at: Level::Kill,
    callback: true,
};
const HARD: Outcome = Outcome::Cancelled {
    at: Level::KillHard,
    callback: false,
};

#[rustfmt::skip]
const TABLE: [(Place, [Outcome; 3]); 12] = [
    //                    Graceful         Kill             KillHard
    (NotStarted,          [TOLD,             KILLED,           HARD]),
    // Graceful work that goes on waiting is killed when its grace period ends.
    (RunningOn,           [KILLED,           KILLED,           HARD]),
    (RunningToItsEnd,     [VALUE,            KILLED,           HARD]),
    (Waiting,             [KILLED,           KILLED,           HARD]),
    (Listening,           [VALUE,            KILLED,           HARD]),
    (BetweenAttempts,     [TOLD,             KILLED,           HARD]),
    // The section is done first. After it, graceful work has its grace period, which is over.
    (Shielded,            [KILLED,           KILLED,           HARD]),
    (InFallback,          [KILLED,           KILLED,           HARD]),
    (Blocking,            [VALUE,            KILLED,           HARD]),
    // A thread that returns before the grace period ends has done its section.
    (BlockingDeaf,        [VALUE,            KILLED,           HARD]),
    (ClosingWithChildren, [VALUE,            KILLED,           HARD]),
    (Finished,            [Outcome::Refused, Outcome::Refused, Outcome::Refused]),
];

/// One task in one place.
struct Scene {
    task: Task<u32, &'static str>,
    /// Lets the work go on as it is dropped, where something outside holds it.
    release: Option<mpsc::Sender<()>>,
    /// Whether a shielded section was done.
    section: Arc<AtomicBool>,
    child: Arc<AtomicBool>,
}

/// Brings a task into its place.
#[expect(clippy::too_many_lines, reason = "one arm a place")]
async fn scene(place: Place) -> Scene {
    let builder = AsyncTask::<&'static str>::to::<u32>().grace(50.millis());
    let ready = Arc::new(Notify::new());
    let arrived = Arc::clone(&ready);
    let (open, gate) = mpsc::channel::<()>();
    let (section, child) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let mut release = None;
    let task = match place {
        NotStarted => builder.run(pending::<Result<u32, _>>),
        RunningOn => {
            release = Some(open);
            builder.run(move || async move {
                arrived.notify_one();
                let _ = gate.recv();
                pending().await
            })
        }
        RunningToItsEnd => {
            release = Some(open);
            builder.run(move || async move {
                arrived.notify_one();
                let _ = gate.recv();
                Ok(1)
            })
        }
        Waiting => builder.run(move || async move {
            arrived.notify_one();
            pending().await
        }),
        Listening => builder.run(move |cx: Context| async move {
            arrived.notify_one();
            cx.cancelled().await;
            Ok(1)
        }),
        BetweenAttempts => builder.retry(Retry::fixed(1_000.seconds())).run(move || {
            arrived.notify_one();
            Err("again")
        }),
        Shielded => {
            let section = Arc::clone(&section);
            builder.run(move |cx: Context| async move {
                let _ = cx
                    .shield(async {
                        arrived.notify_one();
                        cx.cancelled().await;
                        tokio::time::sleep(200.millis()).await;
                        section.store(true, Ordering::Relaxed);
                    })
                    .await;
                pending().await
            })
        }
        InFallback => builder
            .fallback(move |_| async move {
                arrived.notify_one();
                pending().await
            })
            .run(|| Err("primary")),
        Blocking => builder.run_blocking(move |cx: Context| {
            arrived.notify_one();
            while cx.checkpoint().is_ok() {
                std::thread::yield_now();
            }
            Ok(1)
        }),
        BlockingDeaf => {
            release = Some(open);
            builder.grace(1_000.seconds()).run_blocking(move || {
                arrived.notify_one();
                let _ = gate.recv();
                Ok(1)
            })
        }
        ClosingWithChildren => {
            let child = Arc::clone(&child);
            builder.run(move |cx: Context| {
                let listening = cx.child::<(), core::convert::Infallible>();
                listening
                    .run(move |cx: Context| async move {
                        arrived.notify_one();
                        cx.cancelled().await;
                        // A kill may come in the middle of this poll; it ends the work before the next.
                        yield_now().await;
                        child.store(true, Ordering::Relaxed);
                    })
                    .detach();
                Ok(1)
            })
        }
        Finished => builder.run(move || {
            arrived.notify_one();
            Ok(1)
        }),
    };
    if place != NotStarted {
        ready.notified().await;
        let there = |task: &Task<u32, &'static str>| match place {
            BetweenAttempts => task.status() == State::Waiting,
            Finished => task.is_ended(),
            _ => true,
        };
        while !there(&task) {
            yield_now().await;
        }
    }
    Scene {
        task,
        release,
        section,
        child,
    }
}

async fn outcome(place: Place, level: Level) -> Outcome {
    let Scene {
        task,
        release,
        section,
        child,
    } = scene(place).await;
    let ran = Arc::new(AtomicU32::new(0));
    let registered = task.on_cancel({
        let ran = Arc::clone(&ran);
        move |_| async move {
            yield_now().await;
            ran.fetch_add(1, Ordering::Relaxed);
        }
    });
    assert_eq!(registered.is_err(), place == Finished, "{place:?}");
    let seen = task.task_ref();
    let refused = task.cancel(level).is_err();
    drop(release);
    let result = task.await;
    if place == NotStarted && level < Level::KillHard {
        // The handle resolves at once; the callback runs when the executor gets to it.
        while ran.load(Ordering::Relaxed) == 0 {
            yield_now().await;
        }
    }
    let callback = match ran.load(Ordering::Relaxed) {
        0 => false,
        1 => true,
        times => unreachable!("{place:?}, {level}: {times} times"),
    };
    let soft = level < Level::KillHard;
    if place == Shielded {
        assert_eq!(section.load(Ordering::Relaxed), soft, "{place:?}, {level}");
    }
    if place == ClosingWithChildren {
        assert_eq!(
            child.load(Ordering::Relaxed),
            level == Level::Graceful,
            "{place:?}, {level}"
        );
    }
    match result {
        Ok(1) if refused => {
            assert_eq!(seen.status(), State::Completed, "{place:?}, {level}");
            Outcome::Refused
        }
        Ok(value) => {
            assert_eq!(
                (value, seen.status()),
                (1, State::Completed),
                "{place:?}, {level}"
            );
            Outcome::Value { callback }
        }
        Err(error) => {
            assert_eq!(seen.status(), State::Cancelled, "{place:?}, {level}: {error}");
            let Cause::Cancelled { cancellation, .. } = error.cause() else {
                unreachable!("{place:?}, {level}: {error}")
            };
            Outcome::Cancelled {
                at: cancellation.level,
                callback,
            }
        }
    }
}

async fn rows(places: impl Fn(Place) -> bool) {
    for (place, expected) in TABLE {
        if !places(place) {
            continue;
        }
        for (level, expected) in [Level::Graceful, Level::Kill, Level::KillHard]
            .into_iter()
            .zip(expected)
        {
            assert_eq!(outcome(place, level).await, expected, "{place:?}, {level}");
        }
    }
}

#[test]
fn every_level_in_every_place_on_many_threads() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    // `block_on` runs on this thread, so a worker may be held in the middle of a poll.
    runtime.block_on(rows(|place| place != NotStarted));
}

#[test]
fn every_level_in_every_place_on_one_thread() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    // The one thread that polls is the one that cancels: the middle of a poll is not to be met from outside.
    runtime.block_on(rows(|place| !matches!(place, RunningOn | RunningToItsEnd)));
}

/// On many threads a task that was not started yet is one whose only worker is busy.
#[test]
fn every_level_before_the_start_on_many_threads() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    for level in [Level::Graceful, Level::Kill, Level::KillHard] {
        runtime.block_on(async {
            let (open, gate) = mpsc::channel::<()>();
            let (inside, wait) = mpsc::channel::<()>();
            let busy = tokio::spawn(async move {
                inside.send(()).unwrap();
                let _ = gate.recv();
            });
            wait.recv().unwrap();
            let task = AsyncTask::to::<u32>().run(pending::<u32>);
            task.cancel(level).unwrap();
            assert_eq!(task.status(), State::Cancelled);
            // Resolves although nothing can have polled it.
            let error = task.await.unwrap_err();
            assert!(
                matches!(error.cause(), Cause::Cancelled { cancellation, .. } if cancellation.level == level)
            );
            drop(open);
            busy.await.unwrap();
        });
    }
}
