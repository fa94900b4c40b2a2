//! Cancelling: each level in each place a task can be in, and what stands around it. One table says what comes of it.

use core::convert::Infallible;
use core::future::{pending, poll_fn};
use core::pin::pin;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use core::task::Poll;
use std::sync::Arc;
use std::thread;

use super::Difference;
use super::stage::{Awaited, Flavour, OnDrop, Sign, Stage, sign, until, yield_now};
use crate::prelude::*;
use crate::task::{CancellationResult, Stopped};
use crate::{Context, Reason, Runtime, Task};

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

const LEVELS: [Level; 3] = [Level::Graceful, Level::Kill, Level::KillHard];

/// One task in one place.
struct Scene<R: Runtime> {
    task: Task<R, u32, &'static str>,
    /// Lets the work go on as it is dropped, where something outside holds it.
    release: Option<Sign>,
    /// Whether a shielded section was done.
    section: Arc<AtomicBool>,
    child: Arc<AtomicBool>,
}

/// Brings a task into its place.
#[expect(clippy::too_many_lines, reason = "one arm a place")]
async fn scene<R: Runtime>(h: &Stage<R>, place: Place, expected: Outcome) -> Scene<R> {
    // The end of the grace period comes soon where it is to come, and otherwise not at all.
    let grace = if expected == KILLED {
        h.units(5)
    } else {
        1_000.seconds()
    };
    let builder = h.to::<u32, &'static str>().grace(grace);
    let (arrive, arrived) = sign();
    let (open, gate): (Sign, Awaited) = sign();
    let (section, child) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let mut release = None;
    let task = match place {
        NotStarted => builder.run(pending::<Result<u32, _>>),
        RunningOn => {
            release = Some(open);
            builder.run(move || async move {
                arrive.give();
                gate.given_blocking();
                pending().await
            })
        }
        RunningToItsEnd => {
            release = Some(open);
            builder.run(move || async move {
                arrive.give();
                gate.given_blocking();
                Ok(1)
            })
        }
        Waiting => builder.run(move || async move {
            arrive.give();
            pending().await
        }),
        Listening => builder.run(move |cx: Context<R>| async move {
            arrive.give();
            cx.cancelled().await;
            Ok(1)
        }),
        BetweenAttempts => builder.retry(Retry::fixed(1_000.seconds())).run(move || {
            arrive.give();
            Err("again")
        }),
        Shielded => {
            let (section, at_work) = (Arc::clone(&section), h.clone());
            builder.run(move |cx: Context<R>| async move {
                let _ = cx
                    .shield(async {
                        arrive.give();
                        cx.cancelled().await;
                        at_work.pass(20).await;
                        section.store(true, Ordering::Relaxed);
                    })
                    .await;
                pending().await
            })
        }
        InFallback => builder
            .fallback(move |_| async move {
                arrive.give();
                pending().await
            })
            .run(|| Err("primary")),
        Blocking => builder.run_blocking(move |cx: Context<R>| {
            arrive.give();
            while cx.checkpoint().is_ok() {
                thread::yield_now();
            }
            Ok(1)
        }),
        BlockingDeaf => {
            release = Some(open);
            let at_work = h.runtime();
            builder.run_blocking(move || {
                arrive.give();
                gate.given_in_turn(&at_work);
                Ok(1)
            })
        }
        ClosingWithChildren => {
            let child = Arc::clone(&child);
            builder.run(move |cx: Context<R>| {
                let listening = cx.child::<(), Infallible>().grace(1_000.seconds());
                listening
                    .run(move |cx: Context<R>| async move {
                        arrive.give();
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
            arrive.give();
            Ok(1)
        }),
    };
    if place != NotStarted {
        arrived.given().await;
        until(|| match place {
            BetweenAttempts => task.status() == State::Waiting,
            Finished => task.is_ended(),
            _ => true,
        })
        .await;
    }
    Scene {
        task,
        release,
        section,
        child,
    }
}

async fn outcome<R: Runtime>(
    h: &Stage<R>,
    place: Place,
    level: Level,
    expected: Outcome,
    go: impl FnOnce(),
) -> Outcome {
    let Scene {
        task,
        release,
        section,
        child,
    } = scene(h, place, expected).await;
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
    if place == NotStarted {
        assert_eq!(task.status(), State::Cancelled, "{level}");
    }
    drop(release);
    let result = task.await;
    // A task that never started resolves although nothing can have polled it.
    go();
    if place == NotStarted && level < Level::KillHard {
        // Its callback runs when the executor gets to it.
        until(|| ran.load(Ordering::Relaxed) != 0).await;
    }
    let callback = match ran.load(Ordering::Relaxed) {
        0 => false,
        1 => true,
        times => panic!("{place:?}, {level}: {times} times"),
    };
    let soft = level < Level::KillHard;
    if place == Shielded {
        assert_eq!(section.load(Ordering::Relaxed), soft, "{place:?}, {level}");
    }
    if place == ClosingWithChildren {
        let listened = child.load(Ordering::Relaxed);
        assert_eq!(listened, level == Level::Graceful, "{place:?}, {level}");
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
                panic!("{place:?}, {level}: {error}")
            };
            Outcome::Cancelled {
                at: cancellation.level,
                callback,
            }
        }
    }
}

pub(super) async fn every_level_in_every_place<R: Runtime>(h: Stage<R>) {
    for (place, expected) in TABLE {
        // The one thread that polls is the one that cancels: the middle of a poll is not to be met from outside.
        let unreachable = h.differs(Difference::OneThread) && matches!(place, RunningOn | RunningToItsEnd);
        if place == NotStarted || unreachable {
            continue;
        }
        for (level, expected) in LEVELS.into_iter().zip(expected) {
            let found = outcome(&h, place, level, expected, || {}).await;
            assert_eq!(found, expected, "{place:?}, {level}");
        }
    }
}

/// A task was not started yet while the only thread is busy: with another task, or, where there is one thread for all,
/// with this case.
pub(super) fn every_level_before_the_start<R: Runtime>(flavour: Flavour<R>) {
    let [(NotStarted, row), ..] = TABLE else {
        panic!("the first row is another")
    };
    for (level, expected) in LEVELS.into_iter().zip(row) {
        let h = flavour.start(1);
        let (open, gate) = sign();
        h.run(async {
            if !flavour.differs(Difference::OneThread) {
                let (arrive, arrived) = sign();
                h.to::<(), Infallible>()
                    .run(move || async move {
                        arrive.give();
                        gate.given_blocking();
                    })
                    .detach();
                arrived.given().await;
            }
            let found = outcome(&h, NotStarted, level, expected, move || drop(open)).await;
            assert_eq!(found, expected, "{level}");
        });
    }
}

pub(super) fn a_task_cancelled_before_it_starts_never_starts<R: Runtime>(flavour: Flavour<R>) {
    for level in LEVELS {
        let h = flavour.start(1);
        let (open, gate) = sign();
        let ran = Arc::new(AtomicBool::new(false));
        h.run(async {
            if !flavour.differs(Difference::OneThread) {
                let (arrive, arrived) = sign();
                h.to::<(), Infallible>()
                    .run(move || async move {
                        arrive.give();
                        gate.given_blocking();
                    })
                    .detach();
                arrived.given().await;
            }
            let task = h.to::<(), Infallible>().run({
                let ran = Arc::clone(&ran);
                move || ran.store(true, Ordering::Relaxed)
            });
            task.cancel(level).unwrap();
            assert!(task.await.unwrap_err().is_cancelled());
            drop(open);
            // What was started after it has run, and it has left.
            h.to::<(), Infallible>().run(|| ()).await.unwrap();
            until(|| h.live() == 0).await;
        });
        assert!(!ran.load(Ordering::Relaxed), "{level}");
    }
}

pub(super) async fn a_kill_drops_the_work_before_the_handle_resolves<R: Runtime>(h: Stage<R>) {
    let dropped = Arc::new(AtomicBool::new(false));
    let flag = OnDrop({
        let dropped = Arc::clone(&dropped);
        move || dropped.store(true, Ordering::Relaxed)
    });
    let (arrive, arrived) = sign();
    let task = h.to::<(), Infallible>().run(move || async move {
        let _flag = flag;
        arrive.give();
        pending::<()>().await;
    });
    arrived.given().await;
    assert!(!dropped.load(Ordering::Relaxed));
    task.cancel(Level::Kill).unwrap();
    assert!(task.await.unwrap_err().is_cancelled());
    assert!(dropped.load(Ordering::Relaxed));
}

pub(super) async fn grace_ends_in_a_kill<R: Runtime>(h: Stage<R>) {
    let (arrive, arrived) = sign();
    let task = h
        .to::<(), Infallible>()
        .grace(h.units(3))
        .run(move || async move {
            arrive.give();
            pending::<()>().await;
        });
    arrived.given().await;
    let seen = task.task_ref();
    let CancellationResult::Cancelled { level, .. } = task.stop(Level::Graceful).await else {
        panic!("not cancelled")
    };
    assert_eq!(level, Level::Kill);
    h.assert_took(seen.ended_at().unwrap().since(seen.created_at()), 3);
}

pub(super) async fn graceful_work_may_finish_and_its_value_counts<R: Runtime>(h: Stage<R>) {
    let (arrive, arrived) = sign();
    let at_work = h.clone();
    let task = h
        .to::<&str, Infallible>()
        .grace(60.seconds())
        .run(move |cx: Context<R>| async move {
            arrive.give();
            cx.cancelled().await;
            at_work.pass(1).await;
            "flushed"
        });
    arrived.given().await;
    let CancellationResult::Completed(value) = task.stop(Level::Graceful).await else {
        panic!("not completed")
    };
    assert_eq!(value, "flushed");
}

pub(super) async fn graceful_work_that_fails_ends_as_cancelled_and_keeps_its_error<R: Runtime>(h: Stage<R>) {
    let (arrive, arrived) = sign();
    let task = h
        .to::<(), _>()
        .grace(60.seconds())
        .run(move |cx: Context<R>| async move {
            arrive.give();
            cx.cancelled().await;
            Err("half done")
        });
    arrived.given().await;
    task.cancel(Level::Graceful).unwrap();
    let Cause::Cancelled { error, cancellation } = task.await.unwrap_err().into_cause() else {
        panic!("not cancelled")
    };
    assert_eq!((error, cancellation.level), (Some("half done"), Level::Graceful));
}

pub(super) async fn cancelling_a_finished_task_is_refused<R: Runtime>(h: Stage<R>) {
    let task = h.to::<(), Infallible>().run(|| ());
    let seen = task.task_ref();
    task.await.unwrap();
    let refused = seen.cancel(Level::Kill).unwrap_err();
    assert_eq!(refused.state, State::Completed);
    assert_eq!(refused.to_string(), "the task has already ended: completed");
}

pub(super) async fn a_shield_postpones_a_kill_but_not_a_hard_one<R: Runtime>(h: Stage<R>) {
    let finished = Arc::new(AtomicBool::new(false));
    let (arrive, arrived) = sign();
    let task = h.to::<(), Infallible>().run({
        let (finished, at_work) = (Arc::clone(&finished), h.clone());
        move |cx: Context<R>| async move {
            cx.shield(async {
                arrive.give();
                cx.cancelled().await;
                at_work.pass(10).await;
                finished.store(true, Ordering::Relaxed);
            })
            .await
            .unwrap();
            pending::<()>().await;
        }
    });
    arrived.given().await;
    task.cancel(Level::Kill).unwrap();
    assert!(task.await.unwrap_err().is_cancelled());
    assert!(finished.load(Ordering::Relaxed));

    let (arrive, arrived) = sign();
    let task = h.to::<(), Infallible>().run(move |cx: Context<R>| async move {
        let endless = async {
            arrive.give();
            pending::<()>().await;
        };
        let _ = cx.shield(endless).await;
    });
    arrived.given().await;
    task.cancel(Level::KillHard).unwrap();
    assert!(task.await.unwrap_err().is_cancelled());
}

pub(super) async fn a_shield_opened_elsewhere_postpones_the_end_no_longer_than_it_is_open<R: Runtime>(
    h: Stage<R>,
) {
    let (give, take) = async_channel::bounded(1);
    let task = h
        .to::<(), _>()
        .retry(Retry::fixed(1_000.seconds()))
        .run(move |cx: Context<R>| {
            give.try_send(cx).unwrap();
            Err("again")
        });
    let cx = take.recv().await.unwrap();
    until(|| task.status() == State::Waiting).await;
    {
        let mut open = pin!(cx.shield(pending::<()>()));
        let once = poll_fn(|context| Poll::Ready(open.as_mut().poll(context).is_pending()));
        assert!(once.await);
        task.cancel(Level::Graceful).unwrap();
        h.pass(10).await;
        assert!(!task.is_ended());
    }
    let seen = task.task_ref();
    task.await.unwrap_err();
    h.assert_took(seen.ended_at().unwrap().since(seen.created_at()), 10);
}

pub(super) async fn a_handle_cut_off_by_a_hard_kill_resolves_once<R: Runtime>(h: Stage<R>) {
    let (arrive, arrived) = sign();
    let mut task = h.to::<(), Infallible>().run(move || async move {
        arrive.give();
        pending::<()>().await;
    });
    arrived.given().await;
    task.cancel(Level::KillHard).unwrap();
    assert!((&mut task).await.unwrap_err().is_cancelled());
    for _ in 0..3 {
        let again = (&mut task).await.unwrap_err();
        assert!(matches!(again.cause(), Cause::Taken));
        assert!(again.to_string().ends_with("await a handle once"), "{again}");
        yield_now().await;
    }
}

pub(super) async fn grace_also_ends_the_wait_for_children<R: Runtime>(h: Stage<R>) {
    let (arrive, arrived) = sign();
    let task = h.to::<(), Infallible>().grace(h.units(3)).run(|cx: Context<R>| {
        let child = cx.child::<(), Infallible>().grace(10_000.seconds());
        let endless = move || async move {
            arrive.give();
            pending::<()>().await;
        };
        child.run(endless).detach();
    });
    arrived.given().await;
    assert_eq!((task.child_count(), task.is_ended()), (1, false));
    let seen = task.task_ref();
    task.cancel(Level::Graceful).unwrap();
    task.await.unwrap_err();
    h.assert_took(seen.ended_at().unwrap().since(seen.created_at()), 3);
}

/// The clock that counts it ticks in milliseconds.
pub(super) async fn a_grace_period_shorter_than_the_clock_ticks_is_not_none<R: Runtime>(h: Stage<R>) {
    if h.differs(Difference::RealTime) {
        // It may be over before the work is polled again, which is as it should be.
        return;
    }
    let (arrive, arrived) = sign();
    let task = h
        .to::<u32, Infallible>()
        .grace(1.micros())
        .run(move |cx: Context<R>| async move {
            arrive.give();
            cx.cancelled().await;
            yield_now().await;
            yield_now().await;
            1
        });
    arrived.given().await;
    task.cancel(Level::Graceful).unwrap();
    assert_eq!(task.await.unwrap(), 1);
}

pub(super) async fn a_cancelled_task_is_told_by_whom_and_why<R: Runtime>(h: Stage<R>) {
    let (arrive, arrived) = sign();
    let parent = h
        .to::<Stopped, Infallible>()
        .grace(60.seconds())
        .run(|cx: Context<R>| async move {
            let child = cx.child::<Stopped, Infallible>().grace(60.seconds());
            let child = child.run(move |cx: Context<R>| async move {
                arrive.give();
                cx.sleep(1_000.seconds()).await.unwrap_err()
            });
            child.await.unwrap()
        });
    arrived.given().await;
    parent.cancel(Level::Graceful).unwrap();
    let id = parent.id();
    let stopped = parent.await.unwrap();
    assert_eq!(stopped.cancellation.by, Some(id));
    assert_eq!(stopped.cancellation.reason, Reason::Parent);
    let text = format!("the task was cancelled (graceful, parent ended by task {id})");
    assert_eq!(stopped.to_string(), text);
    assert!(core::error::Error::source(&stopped).is_some());
}

/// Work that is told to stop has its grace period to write what it holds.
pub(super) async fn graceful_work_writes_what_it_holds_before_it_ends<R: Runtime>(h: Stage<R>) {
    let file = super::stage::Scratch::new("flush", "");
    let (arrive, arrived) = sign();
    let task = h.to::<(), _>().grace(60.seconds()).run({
        let path = file.path().to_owned();
        move |cx: Context<R>| async move {
            let held = "the last line\n".repeat(1_000);
            arrive.give();
            cx.cancelled().await;
            std::fs::write(&path, held)
        }
    });
    arrived.given().await;
    task.cancel(Level::Graceful).unwrap();
    task.await.unwrap();
    let written = std::fs::read_to_string(file.path()).unwrap();
    assert_eq!(written, "the last line\n".repeat(1_000));
}
