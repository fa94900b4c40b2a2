//! What it costs to have a task measured.
//!
//! Polls counted, and busy, idle and delayed time told apart, for each task by itself; against the same measured by
//! `tokio-metrics`, whose monitor sums up over tasks, and against tasks that nobody measures.

use core::future::Future;
use core::hint::black_box;
use std::sync::Arc;

use sweet_async_tokio::prelude::*;
use tokio::runtime::{Builder, Runtime as Executor};
use tokio_metrics::TaskMonitor;

use crate::groups::spawn::inside;
use crate::{Contestant, Figure, Goal, Group};

/// The bench target `metrics`.
pub const GROUP: Group = Group::new("metrics", figures);

const METERED: &str = "AsyncTask, metered";
const PLAIN: &str = "AsyncTask";
const BARE: &str = "bare tokio::spawn";
const MONITOR: &str = "tokio::spawn, tokio-metrics' TaskMonitor";
/// How often the task of the second figure waits.
const WAITS: u64 = 100;

fn figures() -> Vec<Figure> {
    let started = || {
        Arc::new(
            Builder::new_current_thread()
                .enable_time()
                .build()
                .expect("a tokio runtime"),
        )
    };
    vec![
        figure(
            "metrics, a task that never waits",
            "task",
            &started(),
            |number| async move { number },
        ),
        figure(
            "metrics, a task that yields 100 times",
            "task",
            &started(),
            |number| async move {
                for _ in 0..WAITS {
                    tokio::task::yield_now().await;
                }
                number
            },
        ),
    ]
}

fn figure<F>(name: &'static str, unit: &'static str, runtime: &Arc<Executor>, work: fn(u64) -> F) -> Figure
where
    F: Future<Output = u64> + Send + 'static,
{
    let times = 2_000;
    Figure::new(name, unit, times)
        .with(Contestant::ours(METERED, {
            inside(runtime, move |times| {
                each(times, move |number| {
                    let task = AsyncTask::to::<u64>().metered().run(move || work(number));
                    async move { task.await.unwrap_or_default() }
                })
            })
        }))
        .goal(Goal::Times(1.50, BARE))
        .with(Contestant::ours(PLAIN, {
            inside(runtime, move |times| {
                each(times, move |number| {
                    let task = AsyncTask::to::<u64>().run(move || work(number));
                    async move { task.await.unwrap_or_default() }
                })
            })
        }))
        .with(Contestant::peer(BARE, {
            inside(runtime, move |times| {
                each(times, move |number| {
                    let task = tokio::spawn(work(number));
                    async move { task.await.unwrap_or_default() }
                })
            })
        }))
        .with(Contestant::peer(MONITOR, {
            let monitor = TaskMonitor::new();
            inside(runtime, move |times| {
                let monitor = monitor.clone();
                each(times, move |number| {
                    let task = tokio::spawn(monitor.instrument(work(number)));
                    async move { task.await.unwrap_or_default() }
                })
            })
        }))
}

async fn each<H: Future>(times: u64, spawn: impl Fn(u64) -> H) {
    for number in 0..times {
        black_box(spawn(number).await);
    }
}
