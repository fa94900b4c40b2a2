//! Starting a task and awaiting its result.
//!
//! Named, tracked, cancellable, with a timeout that does not fire and three timestamps; against the bare
//! `tokio::spawn` and against the same duties put together by hand.

mod by_hand;
mod fused;

use core::future::Future;
use std::hint::black_box;
use std::sync::Arc;

use sweet_async_tokio::prelude::*;
use tokio::runtime::{Builder, Runtime as Executor};

use crate::{Contestant, Figure, Goal, Group, Meter, Sample};

/// The bench target `spawn`.
pub const GROUP: Group = Group::new("spawn", figures);

const OURS: &str = "AsyncTask, name, timeout";
const OURS_WITH_CONTEXT: &str = "AsyncTask, name, timeout, context";
const BARE: &str = "bare tokio::spawn";
const BY_HAND: &str = "by hand: tracker, token, select, timeout, clocks";
const FUSED: &str = "the same duties, fused into one future";
/// Tasks that live at the same time.
const AT_ONCE: u64 = 1_000;

fn figures() -> Vec<Figure> {
    let current_thread = || Builder::new_current_thread().enable_time().build();
    let two_threads = || {
        Builder::new_multi_thread()
            .worker_threads(2)
            .enable_time()
            .build()
    };
    let started = |runtime: std::io::Result<Executor>| Arc::new(runtime.expect("a tokio runtime"));
    vec![
        one_by_one("spawn, current thread, one by one", &started(current_thread())),
        at_once(
            "spawn, current thread, 1,000 at a time",
            &started(current_thread()),
        ),
        one_by_one("spawn, two threads, one by one", &started(two_threads())),
        at_once("spawn, two threads, 1,000 at a time", &started(two_threads())),
    ]
}

/// A figure in which each task is awaited before the next one starts.
fn one_by_one(name: &'static str, runtime: &Arc<Executor>) -> Figure {
    Figure::new(name, "task", 2_000)
        .with(Contestant::ours(OURS, inside(runtime, |times| each(times, ours))))
        .task_goals()
        .with(Contestant::ours(
            OURS_WITH_CONTEXT,
            inside(runtime, |times| each(times, ours_with_context)),
        ))
        .with(Contestant::peer(BARE, inside(runtime, |times| each(times, bare))))
        .with(Contestant::peer(BY_HAND, {
            let kit = by_hand::Kit::new();
            inside(runtime, move |times| {
                let kit = kit.clone();
                each(times, move |number| kit.spawn("task", number))
            })
        }))
        .with(Contestant::limit(
            FUSED,
            inside(runtime, |times| {
                each(times, |number| fused::spawn("task", number))
            }),
        ))
}

/// A figure in which tasks are started a thousand at a time and then awaited.
fn at_once(name: &'static str, runtime: &Arc<Executor>) -> Figure {
    Figure::new(name, "task", 2_000)
        .with(Contestant::ours(
            OURS,
            inside(runtime, |times| thousands(times, ours)),
        ))
        .task_goals()
        .with(Contestant::ours(
            OURS_WITH_CONTEXT,
            inside(runtime, |times| thousands(times, ours_with_context)),
        ))
        .with(Contestant::peer(
            BARE,
            inside(runtime, |times| thousands(times, bare)),
        ))
        .with(Contestant::peer(BY_HAND, {
            let kit = by_hand::Kit::new();
            inside(runtime, move |times| {
                let kit = kit.clone();
                thousands(times, move |number| kit.spawn("task", number))
            })
        }))
        .with(Contestant::limit(
            FUSED,
            inside(runtime, |times| {
                thousands(times, |number| fused::spawn("task", number))
            }),
        ))
}

impl Figure {
    fn task_goals(self) -> Self {
        self.goal(Goal::Times(1.30, BARE))
            .goal(Goal::Times(0.50, BY_HAND))
            .goal(Goal::MoreAllocations(1.0, BARE))
    }
}

fn ours(number: u64) -> impl Future<Output = u64> + Send {
    let task = AsyncTask::to::<u64>()
        .name("task")
        .timeout(30.seconds())
        .run(move || async move { number });
    async move { task.await.unwrap_or_default() }
}

fn ours_with_context(number: u64) -> impl Future<Output = u64> + Send {
    let task = AsyncTask::to::<u64>()
        .name("task")
        .timeout(30.seconds())
        .run(move |cx: Context| async move { number ^ u64::from(cx.attempt()) });
    async move { task.await.unwrap_or_default() }
}

fn bare(number: u64) -> impl Future<Output = u64> + Send {
    let task = tokio::spawn(async move { number });
    async move { task.await.unwrap_or_default() }
}

async fn each<H: Future>(times: u64, spawn: impl Fn(u64) -> H) {
    for number in 0..times {
        black_box(spawn(number).await);
    }
}

async fn thousands<H: Future>(times: u64, spawn: impl Fn(u64) -> H) {
    let mut tasks = Vec::with_capacity(1_000);
    for _ in 0..times / AT_ONCE {
        tasks.extend((0..AT_ONCE).map(&spawn));
        for task in tasks.drain(..) {
            black_box(task.await);
        }
    }
}

/// Runs `work` inside a task of `runtime`, as a service would.
pub(crate) fn inside<F>(
    runtime: &Arc<Executor>,
    work: impl Fn(u64) -> F + 'static,
) -> impl FnMut(u64) -> Sample + 'static
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = Arc::clone(runtime);
    move |times| {
        let work = work(times);
        let task = async move {
            let meter = Meter::start();
            work.await;
            meter.stop()
        };
        runtime
            .block_on(async move { tokio::spawn(task).await })
            .expect("the measured task does not panic")
    }
}
