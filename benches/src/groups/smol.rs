//! Starting a task on the executor of smol and awaiting its result.
//!
//! The same full task as in `spawn`: on a pool of one thread against the bare `smol::spawn`, whose executor has one unless
//! an environment variable says otherwise; and on the executor of this process against one of smol's with as many threads.

use core::future::{Future, pending};
use std::hint::black_box;
use std::sync::Arc;
use std::thread;

use smol::Executor;
use sweet_async_api::{Runtime, TaskBuilder};
use sweet_async_smol::Pool;
use sweet_async_smol::prelude::*;

use crate::{Contestant, Figure, Goal, Group, Meter, Sample};

/// The bench target `smol`.
pub const GROUP: Group = Group::new("smol", figures);

const OURS: &str = "AsyncTask, name, timeout";
const BARE: &str = "bare smol::spawn";
const BARE_ON_ALL: &str = "bare spawn on a smol::Executor";
/// Tasks that live at the same time.
const AT_ONCE: u64 = 1_000;

fn figures() -> Vec<Figure> {
    let pool = Arc::new(Pool::new(1).expect("a thread"));
    let all = executor();
    let on_one = |work| Contestant::ours(OURS, inside_ours(pool.runtime(), Some(&pool), work));
    let on_all = |work| Contestant::ours(OURS, inside_ours(Smol::global(), None, work));
    let bare_on_one = |work| Contestant::peer(BARE, inside_bare(Bare::Global, work));
    let bare_on_all = |work| Contestant::peer(BARE_ON_ALL, inside_bare(Bare::On(Arc::clone(&all)), work));
    vec![
        figure(
            "spawn on smol, one thread, one by one",
            (BARE, MAY_GO_AWAY),
            on_one(EACH),
            bare_on_one(EACH),
        ),
        figure(
            "spawn on smol, one thread, 1,000 at a time",
            (BARE, MAY_GO_AWAY),
            on_one(THOUSANDS),
            bare_on_one(THOUSANDS),
        ),
        figure(
            "spawn on smol, a thread a processor, one by one",
            (BARE_ON_ALL, STAYS),
            on_all(EACH),
            bare_on_all(EACH),
        ),
        figure(
            "spawn on smol, a thread a processor, 1,000 at a time",
            (BARE_ON_ALL, STAYS),
            on_all(THOUSANDS),
            bare_on_all(THOUSANDS),
        ),
    ]
}

/// Allocations more than a bare task: on the executor of this process, and on a pool, whose tasks wake through a guard.
const STAYS: f64 = 1.0;
const MAY_GO_AWAY: f64 = 2.0;

fn figure(
    name: &'static str,
    (peer, more): (&'static str, f64),
    ours: Contestant,
    bare: Contestant,
) -> Figure {
    Figure::new(name, "task", 2_000)
        .with(ours)
        .goal(Goal::Times(1.30, peer))
        .goal(Goal::MoreAllocations(more, peer))
        .with(bare)
}

/// How many tasks are started before the first of them is awaited.
const EACH: u64 = 1;
const THOUSANDS: u64 = AT_ONCE;

/// An executor of smol with a thread a processor.
fn executor() -> Arc<Executor<'static>> {
    let executor = Arc::new(Executor::new());
    for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
        let executor = Arc::clone(&executor);
        thread::spawn(move || smol::block_on(executor.run(pending::<()>())));
    }
    executor
}

async fn in_rows<H: Future>(times: u64, at_once: u64, spawn: impl Fn(u64) -> H) {
    let mut tasks = Vec::with_capacity(1_000);
    for _ in 0..times / at_once {
        tasks.extend((0..at_once).map(&spawn));
        for task in tasks.drain(..) {
            black_box(task.await);
        }
    }
}

fn ours(smol: &Smol, number: u64) -> impl Future<Output = u64> + Send + use<> {
    let task = TaskBuilder::new(smol.clone())
        .name("task")
        .timeout(30.seconds())
        .run(move || async move { number });
    async move { task.await.unwrap_or_default() }
}

/// Runs tasks of ours from inside a task, as a service would.
fn inside_ours(smol: Smol, pool: Option<&Arc<Pool>>, at_once: u64) -> impl FnMut(u64) -> Sample + 'static {
    let kept = pool.map(Arc::clone);
    move |times| {
        let _alive = &kept;
        let at_work = smol.clone();
        let (give, take) = smol::channel::bounded(1);
        let work = async move {
            let meter = Meter::start();
            in_rows(times, at_once, |number| ours(&at_work, number)).await;
            let _ = give.try_send(meter.stop());
        };
        smol.spawn(work).expect("an executor");
        take.recv_blocking().expect("the measured task does not panic")
    }
}

#[derive(Clone)]
enum Bare {
    Global,
    On(Arc<Executor<'static>>),
}

/// The same with bare tasks.
fn inside_bare(on: Bare, at_once: u64) -> impl FnMut(u64) -> Sample + 'static {
    move |times| {
        let on = on.clone();
        let inside = on.clone();
        let work = async move {
            let meter = Meter::start();
            match on {
                Bare::Global => in_rows(times, at_once, |number| smol::spawn(async move { number })).await,
                Bare::On(executor) => {
                    in_rows(times, at_once, |number| executor.spawn(async move { number })).await;
                }
            }
            meter.stop()
        };
        smol::block_on(match inside {
            Bare::Global => smol::spawn(work),
            Bare::On(executor) => executor.spawn(work),
        })
    }
}
