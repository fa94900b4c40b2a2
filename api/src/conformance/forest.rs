//! Random trees of tasks: what they do, how they end and whom they tell comes from one seed.

use core::future::pending;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use core::time::Duration;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::stage::{Flavour, Numbers, Permits, Stage, quiet_about_planned_panics, yield_now};
use super::{Difference, Harness};
use crate::hooks::{Happening, Hook};
use crate::metrics::ExecutionStats;
use crate::prelude::*;
use crate::task::{TaskId, TaskRecord, TaskRef};
use crate::{Context, Moment, Runtime, Task};

const PERMITS: usize = 8;

/// What every task of one random tree shares.
struct Forest<R: Runtime> {
    h: Stage<R>,
    tasks: Mutex<Vec<Grown>>,
    permits: Permits,
    /// How many works have begun and have not been dropped.
    inside: AtomicUsize,
    left: AtomicU32,
}

struct Grown {
    task: TaskRef,
    /// How often its callback ran, if it has one.
    callback: Option<Arc<AtomicU32>>,
    /// When its work was dropped last.
    gone: Gone,
}

type Gone = Arc<Mutex<Option<Moment>>>;

/// Counts a work from its beginning to its drop.
struct Inside<R: Runtime>(Arc<Forest<R>>, Gone);

impl<R: Runtime> Inside<R> {
    fn new(forest: &Arc<Forest<R>>, gone: &Gone) -> Self {
        forest.inside.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(forest), Arc::clone(gone))
    }
}

impl<R: Runtime> Drop for Inside<R> {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::Relaxed);
        *self.1.lock().unwrap() = Some(self.0.h.runtime().now());
    }
}

#[derive(Debug)]
struct Failed;

/// A short time by chance.
fn short<R: Runtime>(h: &Stage<R>, numbers: &mut Numbers, hundredths: u64) -> Duration {
    let hundredths = u32::try_from(numbers.below(hundredths)).unwrap_or(0);
    h.units(1) * hundredths / 100
}

/// Starts a task that may start others below itself.
fn grow<R: Runtime>(
    forest: &Arc<Forest<R>>,
    numbers: &mut Numbers,
    parent: Option<&Context<R>>,
) -> Task<R, (), Failed> {
    let mut builder = forest.h.to::<(), Failed>().grace(short(&forest.h, numbers, 20));
    if let Some(cx) = parent {
        builder = builder.parent(cx);
    }
    if numbers.below(4) == 0 {
        builder = builder.timeout(Duration::from_millis(1) + short(&forest.h, numbers, 30));
    }
    let gone = Gone::default();
    let mut own = Numbers::new(numbers.next());
    let work = {
        let (shared, gone, own) = (Arc::clone(forest), Arc::clone(&gone), own.clone());
        move |cx: Context<R>| {
            let (shared, gone, mut own) = (Arc::clone(&shared), Arc::clone(&gone), own.clone());
            async move {
                let _inside = Inside::new(&shared, &gone);
                live(&shared, &mut own, &cx).await
            }
        }
    };
    let closure = {
        let (shared, gone) = (Arc::clone(forest), Arc::clone(&gone));
        move |cx: Context<R>| {
            let _inside = Inside::new(&shared, &gone);
            for _ in 0..own.below(20) {
                if cx.checkpoint().is_err() && own.below(2) == 0 {
                    return Err(Failed);
                }
            }
            Ok(())
        }
    };
    let retry = Retry::fixed(forest.h.units(1) / 50)
        .attempts(3)
        .jitter(Jitter::Full);
    let task = match numbers.below(8) {
        0 => builder.run_blocking(closure),
        1 => builder.fallback(|_| Err(Failed)).run(work),
        2 => builder.retry(retry).run(work),
        _ => builder.run(work),
    };
    let wanted = numbers.below(2) == 0;
    let callback = wanted.then(|| {
        let ran = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&ran);
        let registered = task.on_cancel(move |_| async move {
            count.fetch_add(1, Ordering::Relaxed);
        });
        registered.is_ok().then_some(ran)
    });
    forest.tasks.lock().unwrap().push(Grown {
        task: task.task_ref(),
        callback: callback.flatten(),
        gone,
    });
    task
}

/// What a task of the tree does: a few random steps, then a random end.
async fn live<R: Runtime>(
    forest: &Arc<Forest<R>>,
    numbers: &mut Numbers,
    cx: &Context<R>,
) -> Result<(), Failed> {
    let mut children = Vec::new();
    for _ in 0..numbers.below(6) {
        match numbers.below(9) {
            0..=3 => {
                let room = |left: u32| left.checked_sub(1);
                let taken = forest
                    .left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room);
                if taken.is_ok() {
                    let child = grow(forest, numbers, Some(cx));
                    match numbers.below(3) {
                        0 => child.detach(),
                        _ => children.push(child),
                    }
                }
            }
            4 => forest.h.pause(short(&forest.h, numbers, 5)).await,
            5 => {
                let permit = forest.permits.acquire().await;
                forest.h.pause(short(&forest.h, numbers, 2)).await;
                drop(permit);
            }
            6 => {
                let pause = forest.h.pause(short(&forest.h, numbers, 5));
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

/// Grows one tree on `harness`, as the seed says, and gives how its tasks ended: no child outlives its scope, every handle
/// resolves, callbacks run once, and all counts return to what they were.
///
/// For a harness that has more to vary than the suite knows of: the order of polls, faults. The executor is a fresh one.
///
/// # Panics
/// If something does not hold.
pub fn random_tree<H: Harness>(harness: H, seed: u64) -> Vec<State> {
    quiet_about_planned_panics();
    let h = Flavour::stage(harness);
    h.run(one_tree(&h, seed))
}

pub(super) async fn one_tree<R: Runtime>(h: &Stage<R>, seed: u64) -> Vec<State> {
    let mut numbers = Numbers::new(seed);
    let forest = Arc::new(Forest {
        h: h.clone(),
        tasks: Mutex::default(),
        permits: Permits::new(PERMITS),
        inside: AtomicUsize::new(0),
        left: AtomicU32::new(60),
    });
    // Who is told something in the middle of a poll may be told so before or after what the poll brings about.
    let told = (h.differs(Difference::OneThread) && numbers.below(2) == 0).then(Histories::default);
    if let Some(told) = &told {
        h.runtime().root().set_hook(Arc::new(told.clone())).unwrap();
    }
    let root = grow(&forest, &mut numbers, None);
    let top = root.task_ref();
    // From outside as well, whomever it hits.
    for _ in 0..numbers.below(6) {
        h.pause(short(h, &mut numbers, 6)).await;
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
    h.pass(1).await;
    let _ = top.cancel(Level::Graceful);
    drop(root.await);
    // A task that was killed hard has resolved at once; those below it take their grace.
    while h.live() != 0 || h.runtime().root().abandoned() != 0 {
        h.turn().await;
    }
    assert_eq!(forest.inside.load(Ordering::Relaxed), 0, "works that live on");
    assert_eq!(forest.permits.available(), PERMITS);
    let tasks = forest.tasks.lock().unwrap();
    for grown in tasks.iter() {
        look_at(grown);
        if let Some(told) = &told {
            told.look_at(&grown.task);
        }
        let parent = grown.task.parent().map(|parent| parent.id());
        if let Some(parent) = tasks.iter().find(|other| Some(other.task.id()) == parent) {
            look_at_both(h, &grown.task, parent);
        }
    }
    if let Some(told) = told {
        told.look_at_sums();
    }
    tasks.iter().map(|grown| grown.task.status()).collect()
}

fn look_at(Grown { task, callback, .. }: &Grown) {
    assert!(task.is_ended(), "{task:?}");
    assert_eq!(task.child_count(), 0, "{task:?}");
    if let Some(ran) = callback {
        let ran = ran.load(Ordering::Relaxed);
        match task.cancellation().map(|cancellation| cancellation.level) {
            None => assert_eq!(ran, 0, "{task:?}"),
            Some(Level::KillHard) => assert!(ran <= 1, "{task:?}"),
            Some(_) => assert_eq!(ran, 1, "{task:?}"),
        }
    }
}

fn look_at_both<R: Runtime>(h: &Stage<R>, child: &TaskRef, above: &Grown) {
    let parent = &above.task;
    // Who was refused never lived there, and never ended.
    if child.status() == State::Rejected {
        return;
    }
    assert!(child.ended_at().is_some(), "{child:?}");
    // Clocks of several processors may differ by some hundred nanoseconds.
    let skew = if h.differs(Difference::RealTime) {
        1.millis()
    } else {
        Duration::ZERO
    };
    let outlived = parent.ended_at().map(|ended| ended + skew) < child.ended_at();
    assert!(!outlived, "{child:?} outlived {parent:?}");
    // One that was cancelled may have been so after its work was done; where there are several threads, a child may end by
    // itself before it is told.
    let failed = matches!(parent.status(), State::Failed | State::Panicked | State::TimedOut);
    if h.differs(Difference::OneThread) && failed && child.ended_at() > *above.gone.lock().unwrap() {
        assert!(
            child.is_cancelled() || child.status() == State::TimedOut,
            "{child:?} was not taken along by {parent:?}"
        );
    }
}

/// What the hook of the runtime was told of each task, and the sums of it.
#[derive(Clone, Default)]
struct Histories(Arc<Mutex<HashMap<TaskId, Vec<Happening>>>>, Arc<ExecutionStats>);

impl Hook for Histories {
    fn happened(&self, task: &TaskRecord, what: Happening) {
        let mut told = self.0.lock().unwrap();
        told.entry(task.id()).or_default().push(what);
        drop(told);
        self.1.happened(task, what);
    }
}

impl Histories {
    /// What was told of a task that has ended is its life, from one state to the next.
    fn look_at(&self, task: &TaskRef) {
        let told = self.0.lock().unwrap();
        let told = told.get(&task.id()).unwrap();
        if let [Happening::Refused(_)] = told[..] {
            assert_eq!(task.status(), State::Rejected);
            return;
        }
        let mut state = None;
        let (mut attempt, mut level) = (0, None);
        for what in told {
            let next = match (*what, state) {
                (Happening::Created, None) => State::Pending,
                (Happening::Started, Some(State::Pending)) => {
                    attempt = 1;
                    State::Running
                }
                (Happening::AttemptFailed { attempt: failed, .. }, Some(State::Running)) => {
                    assert_eq!(failed, attempt, "{told:?}");
                    State::Running
                }
                (Happening::Waiting { .. }, Some(State::Running)) => State::Waiting,
                (Happening::Resumed { attempt: next }, Some(State::Waiting)) => {
                    attempt += 1;
                    assert_eq!(next, attempt, "{told:?}");
                    State::Running
                }
                (
                    Happening::Queued { .. } | Happening::Admitted { .. } | Happening::FallingBack,
                    Some(State::Running),
                ) => State::Running,
                (Happening::Told(cancellation), Some(same)) => {
                    assert!(Some(cancellation.level) > level, "{told:?}");
                    level = Some(cancellation.level);
                    same
                }
                (Happening::Ended(end), Some(before)) => {
                    assert!(!before.is_terminal() && end.is_terminal(), "{told:?}");
                    end
                }
                _ => unreachable!("{what:?} after {state:?} in {told:?}"),
            };
            state = Some(next);
        }
        assert_eq!(state, Some(task.status()), "{told:?}");
        assert_eq!(attempt, task.attempt(), "{told:?}");
        assert_eq!(level, task.cancellation().map(|told| told.level), "{told:?}");
    }

    /// Whoever was let in has ended, in one way.
    fn look_at_sums(&self) {
        let (sums, told) = (self.1.read(), self.0.lock().unwrap());
        assert_eq!((sums.pending(), sums.running()), (0, 0), "{sums}");
        assert_eq!(sums.ended() as usize, told.len(), "{sums}");
    }
}
