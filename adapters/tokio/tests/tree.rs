//! Random trees of tasks under random cancellations, panics, timeouts and spawns, in virtual time.
//!
//! `SWEET_TREE_SEED` repeats a run, `SWEET_TREES` sets how many trees are grown.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::future::pending;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Numbers, Seed, number_from_env, quiet_about_planned_panics};
use sweet_async_api::{Runtime, TaskBuilder};
use sweet_async_tokio::prelude::*;
use sweet_async_tokio::task::TaskRef;
use sweet_async_tokio::units::DurationUnits;
use tokio::sync::Semaphore;
use tokio::task::yield_now;

const PERMITS: usize = 8;

/// What every task of one tree shares.
struct Forest {
    tokio: Tokio,
    tasks: Mutex<Vec<Grown>>,
    permits: Arc<Semaphore>,
    /// How many works have begun and have not been dropped.
    inside: AtomicUsize,
    left: AtomicU32,
}

struct Grown {
    task: TaskRef,
    /// How often its callback ran, if it has one.
    callback: Option<Arc<AtomicU32>>,
}

/// Counts a work from its beginning to its drop.
struct Inside(Arc<Forest>);

impl Inside {
    fn new(forest: &Arc<Forest>) -> Self {
        forest.inside.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(forest))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::Relaxed);
    }
}

type Handle = Task<(), Failed>;

#[derive(Debug)]
struct Failed;

/// Starts a task that may start others below itself.
fn grow(forest: &Arc<Forest>, numbers: &mut Numbers, parent: Option<&Context>) -> Handle {
    let mut builder = TaskBuilder::<Tokio, (), Failed>::new(forest.tokio.clone())
        .grace(Duration::from_millis(numbers.below(200)));
    if let Some(cx) = parent {
        builder = builder.parent(cx);
    }
    if numbers.below(4) == 0 {
        builder = builder.timeout(Duration::from_millis(1 + numbers.below(300)));
    }
    let mut own = Numbers::new(numbers.next());
    let shared = Arc::clone(forest);
    let work = move |cx: Context| async move {
        let _inside = Inside::new(&shared);
        live(&shared, &mut own, &cx).await
    };
    let task = match numbers.below(3) {
        0 => builder.fallback(|_| Err(Failed)).run(work),
        _ => builder.run(work),
    };
    let callback = (numbers.below(2) == 0)
        .then(|| {
            let ran = Arc::new(AtomicU32::new(0));
            let count = Arc::clone(&ran);
            let registered = task.on_cancel(move |_| async move {
                count.fetch_add(1, Ordering::Relaxed);
            });
            registered.is_ok().then_some(ran)
        })
        .flatten();
    forest.tasks.lock().unwrap().push(Grown {
        task: task.task_ref(),
        callback,
    });
    task
}

/// What a task of the tree does: a few random steps, then a random end.
async fn live(forest: &Arc<Forest>, numbers: &mut Numbers, cx: &Context) -> Result<(), Failed> {
    let mut children = Vec::new();
    for _ in 0..numbers.below(6) {
        match numbers.below(9) {
            0..=3 => {
                let room = |left: u32| left.checked_sub(1);
                if forest
                    .left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
                    .is_ok()
                {
                    let child = grow(forest, numbers, Some(cx));
                    match numbers.below(3) {
                        0 => child.detach(),
                        _ => children.push(child),
                    }
                }
            }
            4 => tokio::time::sleep(Duration::from_millis(numbers.below(50))).await,
            5 => {
                let permit = forest.permits.acquire().await;
                tokio::time::sleep(Duration::from_millis(numbers.below(20))).await;
                drop(permit);
            }
            6 => {
                let pause = tokio::time::sleep(Duration::from_millis(numbers.below(50)));
                let _ = cx.shield(pause).await;
            }
            7 => {
                if let Some(child) = children.pop() {
                    // It may have ended.
                    let _ = child.cancel(level(numbers));
                    drop(child.await);
                }
            }
            _ => yield_now().await,
        }
    }
    match numbers.below(8) {
        0 => assert!(children.len() > 100, "planned"),
        1 => return Err(Failed),
        2 => pending().await,
        3 => drop(cx.cancelled().await),
        4 => drop(cx.join_children(FirstError, children).await),
        5 => drop(cx.join_children(Any, children).await),
        6 => cx.children_ended().await,
        _ => {}
    }
    Ok(())
}

const fn level(numbers: &mut Numbers) -> Level {
    match numbers.below(3) {
        0 => Level::Graceful,
        1 => Level::Kill,
        _ => Level::KillHard,
    }
}

async fn one_tree(seed: u64, ends: &[AtomicU32; 9]) {
    let mut numbers = Numbers::new(seed);
    let forest = Arc::new(Forest {
        tokio: Tokio::on(tokio::runtime::Handle::current()),
        tasks: Mutex::default(),
        permits: Arc::new(Semaphore::new(PERMITS)),
        inside: AtomicUsize::new(0),
        left: AtomicU32::new(60),
    });
    let root = grow(&forest, &mut numbers, None);
    let top = root.task_ref();
    // From outside as well, whomever it hits.
    for _ in 0..numbers.below(6) {
        tokio::time::sleep(Duration::from_millis(numbers.below(60))).await;
        let picked = {
            let tasks = forest.tasks.lock().unwrap();
            let place = usize::try_from(numbers.next()).unwrap_or(0) % tasks.len();
            tasks.get(place).map(|grown| grown.task.clone())
        };
        if let Some(task) = picked {
            let _ = task.cancel(level(&mut numbers));
        }
    }
    // Whatever still waits for its end gets it.
    tokio::time::sleep(1.seconds()).await;
    let _ = top.cancel(Level::Graceful);
    drop(root.await);
    while forest.tokio.root().live() != 0 {
        tokio::time::sleep(1.millis()).await;
    }
    assert_eq!(forest.inside.load(Ordering::Relaxed), 0, "works that live on");
    assert_eq!(forest.permits.available_permits(), PERMITS);
    for Grown { task, callback } in forest.tasks.lock().unwrap().iter() {
        assert!(task.is_ended(), "{task:?}");
        assert_eq!(task.child_count(), 0, "{task:?}");
        ends.get(task.status() as usize)
            .unwrap()
            .fetch_add(1, Ordering::Relaxed);
        if let Some(parent) = task.parent() {
            // Who was refused never lived there, and never ended.
            if task.status() != State::Rejected {
                assert!(
                    parent.ended_at() >= task.ended_at(),
                    "{task:?} outlived {parent:?}"
                );
                assert!(task.ended_at().is_some(), "{task:?}");
            }
        }
        if let Some(ran) = callback {
            let ran = ran.load(Ordering::Relaxed);
            match task.cancellation().map(|cancellation| cancellation.level) {
                None => assert_eq!(ran, 0, "{task:?}"),
                Some(Level::KillHard) => assert!(ran <= 1, "{task:?}"),
                Some(_) => assert_eq!(ran, 1, "{task:?}"),
            }
        }
    }
}

#[test]
fn no_child_outlives_its_scope_and_everything_comes_back() {
    quiet_about_planned_panics();
    let seed = Seed::from_env("SWEET_TREE_SEED");
    let mut numbers = Numbers::new(seed.0);
    let ends: [AtomicU32; 9] = Default::default();
    for _ in 0..number_from_env("SWEET_TREES").unwrap_or(1_000) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build();
        runtime.unwrap().block_on(one_tree(numbers.next(), &ends));
    }
    for state in [
        State::Completed,
        State::Failed,
        State::Panicked,
        State::TimedOut,
        State::Cancelled,
    ] {
        let count = ends.get(state as usize).unwrap().load(Ordering::Relaxed);
        assert!(count > 0, "no task ended as {state}");
    }
}

fn descend(cx: &Context, left: u32, ended: &Arc<AtomicU32>) {
    let below = Arc::clone(ended);
    if left > 0 {
        cx.child::<(), core::convert::Infallible>()
            .run(move |cx: Context| async move {
                descend(&cx, left - 1, &below);
                cx.cancelled().await;
                below.fetch_add(1, Ordering::Relaxed);
            })
            .detach();
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_deep_all_are_told_and_all_end_before_the_top() {
    let ended = Arc::new(AtomicU32::new(0));
    let top = AsyncTask::to::<()>().run({
        let ended = Arc::clone(&ended);
        move |cx: Context| async move {
            descend(&cx, 1_000, &ended);
            cx.cancelled().await;
        }
    });
    tokio::time::sleep(1.seconds()).await;
    top.cancel(Level::Graceful).unwrap();
    top.await.unwrap();
    assert_eq!(ended.load(Ordering::Relaxed), 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_wide_all_are_told_and_all_end_before_the_top() {
    const WIDTH: usize = 100_000;
    for level in [Level::Graceful, Level::Kill, Level::KillHard] {
        let dropped = Arc::new(());
        let top = AsyncTask::to::<()>().run({
            let held = Arc::clone(&dropped);
            move |cx: Context| async move {
                for _ in 0..WIDTH {
                    let held = Arc::clone(&held);
                    cx.child::<(), core::convert::Infallible>()
                        .run(move |cx: Context| async move {
                            cx.cancelled().await;
                            drop(held);
                        })
                        .detach();
                }
                assert_eq!(cx.child_count(), WIDTH);
                cx.cancelled().await;
            }
        });
        tokio::time::sleep(1.seconds()).await;
        let seen = top.task_ref();
        assert_eq!(seen.child_count(), WIDTH);
        top.cancel(level).unwrap();
        drop(top.await);
        while seen.ended_at().is_none() {
            yield_now().await;
        }
        assert_eq!(
            (seen.child_count(), Arc::strong_count(&dropped)),
            (0, 1),
            "{level}"
        );
    }
}
