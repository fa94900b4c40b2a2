//! Children: what one costs, how soon all of them know, how soon all have ended; and what a task that waits holds.
//!
//! Against tokio-util's tree of tokens, which a child costs less than a task: it has neither a result nor an end. Ours are
//! beside them.

use core::future::{Future, pending};
use core::hint::black_box;
use core::pin::pin;
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::Relaxed;
use core::task::Waker;
use std::sync::{Arc, Mutex, PoisonError};

use sweet_async_api::token::CancellationToken as Token;
use sweet_async_core::group::Group as Children;
use sweet_async_core::lifecycle::Lifecycle;
use sweet_async_tokio::prelude::*;
use sweet_async_tokio::task::TaskRef;
use tokio::runtime::{Builder, Runtime as Executor};
use tokio::task::yield_now;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::calls;
use crate::{Contestant, Figure, Goal, Group, Meter, Sample};

/// The bench target `children`.
pub const GROUP: Group = Group::new("children", figures);

const OURS: &str = "CancellationToken, child tokens";
const TOKENS: &str = "tokio-util child tokens";
const BY_HAND: &str = "by hand: tracker, child tokens, select";
const BY_HAND_OURS: &str = "by hand, with our child tokens";
const BARE: &str = "bare tokio::spawn, abort each";
const IDLE: &str = "bare tokio::spawn";
const MANY: u64 = 100_000;

fn figures() -> Vec<Figure> {
    vec![
        made_and_dropped(),
        waited_for(),
        told(),
        ended(),
        idle(),
        idle_with_state(),
    ]
}

fn executor() -> Executor {
    let runtime = Builder::new_current_thread().enable_time().build();
    runtime.expect("a tokio runtime")
}

fn made_and_dropped() -> Figure {
    let (runtime, parent, children) = (executor(), CancellationToken::new(), Children::new());
    Figure::new("a cancellable child, made and dropped", "child", 10_000)
        .with(Contestant::ours(
            "core: Lifecycle in a Group, no allocation",
            move |times| {
                calls(times, || {
                    children.try_enter().expect("an open group");
                    black_box(&Lifecycle::new());
                    let _ = children.leave();
                })
            },
        ))
        .goal(Goal::Times(0.40, TOKENS))
        .with(Contestant::ours(OURS, {
            let parent = Token::new();
            move |times| calls(times, || parent.child_token())
        }))
        .goal(Goal::Times(0.40, TOKENS))
        .with(Contestant::ours("a child task, run and joined", move |times| {
            let task = AsyncTask::to::<Sample>();
            runtime
                .block_on(async {
                    task.run(move |cx: Context| async move {
                        let meter = Meter::start();
                        for _ in 0..times {
                            let _ = cx.run_child(AsyncTask::to::<()>(), || async {}).await;
                        }
                        meter.stop()
                    })
                    .await
                })
                .expect("the measured task does not fail")
        }))
        .with(Contestant::peer(TOKENS, move |times| {
            calls(times, || parent.child_token())
        }))
}

/// As a request does that waits for its end or for the server's.
fn waited_for() -> Figure {
    let (parent, other) = (Token::new(), CancellationToken::new());
    Figure::new("a child token, waited for in vain, and dropped", "child", 10_000)
        .with(Contestant::ours(OURS, move |times| {
            calls(times, || {
                let child = parent.child_token();
                polled_once(child.cancelled())
            })
        }))
        .goal(Goal::BestPeer(1.00))
        .with(Contestant::peer(TOKENS, move |times| {
            calls(times, || {
                let child = other.child_token();
                polled_once(child.cancelled())
            })
        }))
}

fn polled_once(future: impl Future) -> bool {
    let mut task = core::task::Context::from_waker(Waker::noop());
    pin!(future).poll(&mut task).is_ready()
}

fn told() -> Figure {
    let runtime = executor();
    Figure::new("100,000 children, until all are told", "child", MANY)
        .few_turns()
        .by_time_only()
        .with(Contestant::ours("child tasks that wait", move |times| {
            runtime.block_on(async {
                let (parent, children) = family(times).await;
                let sample = Meter::measure(|| {
                    let told = parent.cancel(Level::Graceful);
                    assert!(told.is_ok() && children.iter().all(|child| child.is_cancelled()));
                });
                let _ = parent.cancel(Level::Kill);
                let _ = parent.await;
                sample
            })
        }))
        .goal(Goal::Times(0.10, TOKENS))
        .with(Contestant::ours(OURS, |times| {
            let parent = Token::new();
            let children: Vec<_> = (0..times).map(|_| parent.child_token()).collect();
            Meter::measure(|| {
                parent.cancel();
                assert!(children.iter().all(Token::is_cancelled));
            })
        }))
        .goal(Goal::Times(0.10, TOKENS))
        .with(Contestant::peer(TOKENS, |times| {
            let parent = CancellationToken::new();
            let children: Vec<_> = (0..times).map(|_| parent.child_token()).collect();
            Meter::measure(|| {
                parent.cancel();
                assert!(children.iter().all(CancellationToken::is_cancelled));
            })
        }))
        .with(Contestant::limit("a store and a load each", |times| {
            let children: Vec<_> = (0..times).map(|_| AtomicBool::new(false)).collect();
            Meter::measure(|| {
                for child in &children {
                    child.store(true, Relaxed);
                }
                assert!(children.iter().all(|child| child.load(Relaxed)));
            })
        }))
}

fn ended() -> Figure {
    let (ours, by_hand, with_ours, bare) = (executor(), executor(), executor(), executor());
    Figure::new("100,000 waiting tasks, until all have ended", "task", MANY)
        .few_turns()
        .by_time_only()
        .with(Contestant::ours("child tasks, killed", move |times| {
            ours.block_on(async {
                let (parent, children) = family(times).await;
                let meter = Meter::start();
                let _ = parent.cancel(Level::Kill);
                let _ = parent.await;
                let sample = meter.stop();
                assert!(children.iter().all(|child| child.is_ended()));
                sample
            })
        }))
        .goal(Goal::Times(0.50, BY_HAND))
        .with(Contestant::ours(BY_HAND_OURS, move |times| {
            with_ours.block_on(async {
                let (parent, tracker) = (Token::new(), TaskTracker::new());
                for _ in 0..times {
                    let token = parent.child_token();
                    tracker.spawn(async move { token.run_until_cancelled(pending::<()>()).await });
                }
                let _ = tokio::spawn(async {}).await;
                tracker.close();
                let meter = Meter::start();
                parent.cancel();
                tracker.wait().await;
                meter.stop()
            })
        }))
        .goal(Goal::Times(1.00, BY_HAND))
        .with(Contestant::peer(BY_HAND, move |times| {
            by_hand.block_on(async {
                let (parent, tracker) = (CancellationToken::new(), TaskTracker::new());
                for _ in 0..times {
                    let token = parent.child_token();
                    tracker.spawn(async move {
                        tokio::select! {
                            () = token.cancelled() => {}
                            () = pending() => {}
                        }
                    });
                }
                let _ = tokio::spawn(async {}).await;
                tracker.close();
                let meter = Meter::start();
                parent.cancel();
                tracker.wait().await;
                meter.stop()
            })
        }))
        .with(Contestant::limit(BARE, move |times| {
            bare.block_on(async {
                let tasks: Vec<_> = (0..times).map(|_| tokio::spawn(pending::<()>())).collect();
                let _ = tokio::spawn(async {}).await;
                let meter = Meter::start();
                for task in &tasks {
                    task.abort();
                }
                for task in tasks {
                    let _ = task.await;
                }
                meter.stop()
            })
        }))
}

/// A task with so many children, all of which wait for ever.
async fn family(size: u64) -> (Task<()>, Vec<TaskRef>) {
    let born = Arc::new(Mutex::new(Vec::new()));
    let parent = AsyncTask::to::<()>().run({
        let born = Arc::clone(&born);
        move |cx: Context| async move {
            let children = (0..size).map(|_| {
                let child = cx.spawn_child(AsyncTask::to::<()>(), pending::<()>);
                child.task_ref()
            });
            let children = children.collect();
            *born.lock().unwrap_or_else(PoisonError::into_inner) = children;
            pending::<()>().await;
        }
    });
    let all_wait = |children: &[TaskRef]| {
        let last = children.last();
        last.is_some_and(|last| last.started_at().is_some())
    };
    while !all_wait(&born.lock().unwrap_or_else(PoisonError::into_inner)) {
        yield_now().await;
    }
    let children = core::mem::take(&mut *born.lock().unwrap_or_else(PoisonError::into_inner));
    (parent, children)
}

/// The column of bytes is what one holds: nothing is given back meanwhile. Tokio allocates futures in steps of 128 bytes,
/// so what the engine adds to one may cost nothing, or a step.
fn idle() -> Figure {
    let (ours, bare) = (executor(), executor());
    Figure::new("a task that waits, and what it holds", "task", 10_000)
        .few_turns()
        .with(Contestant::ours("AsyncTask, name, timeout", move |times| {
            held(&ours, times, || {
                let task = AsyncTask::to::<()>().name("task").timeout(1_000.hours());
                task.run(pending::<()>)
            })
        }))
        .with(Contestant::ours("AsyncTask, name", move |times| {
            let runtime = executor();
            held(&runtime, times, || {
                AsyncTask::to::<()>().name("task").run(pending::<()>)
            })
        }))
        .goal(Goal::MoreBytes(160.0, IDLE))
        .with(Contestant::peer(IDLE, move |times| {
            held(&bare, times, || tokio::spawn(pending::<()>()))
        }))
}

fn idle_with_state() -> Figure {
    let (ours, bare) = (executor(), executor());
    Figure::new("a task that waits with 64 bytes of its own", "task", 10_000)
        .few_turns()
        .with(Contestant::ours("AsyncTask, name", move |times| {
            held(&ours, times, || {
                AsyncTask::to::<()>().name("task").run(with_state)
            })
        }))
        .goal(Goal::MoreBytes(160.0, IDLE))
        .with(Contestant::peer(IDLE, move |times| {
            held(&bare, times, || tokio::spawn(with_state()))
        }))
}

async fn with_state() {
    let state = black_box([1_u8; 64]);
    pending::<()>().await;
    black_box(&state);
}

fn held<H>(runtime: &Executor, times: u64, spawn: impl Fn() -> H) -> Sample {
    runtime.block_on(async {
        let mut tasks = Vec::with_capacity(10_000);
        let meter = Meter::start();
        tasks.extend((0..times).map(|_| spawn()));
        // Behind all of them.
        let _ = tokio::spawn(async {}).await;
        let sample = meter.stop();
        drop(tasks);
        sample
    })
}
