//! Random trees of tasks under random cancellations, panics, timeouts, blocking closures and spawns: no child outlives its
//! scope, every handle resolves, callbacks run once, and all counts return to what they were. What the tasks do, in which
//! order they run and what goes wrong comes from one seed.
//!
//! `SWEET_TREES` sets how many seeds are tried.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::HashMap;
use std::future::pending;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use async_lock::Semaphore;
use sweet_async_api::Moment;
use sweet_async_sim::hooks::{Happening, Hook};
use sweet_async_sim::metrics::ExecutionStats;
use sweet_async_sim::prelude::*;
use sweet_async_sim::task::TaskRecord;
use sweet_async_sim::task::{TaskId, TaskRef};
use sweet_async_sim::{SimBuilder, Unfinished, yield_now};

const PERMITS: usize = 8;

/// What every task of one tree shares.
struct Forest {
    sim: Sim,
    tasks: Mutex<Vec<Grown>>,
    permits: Semaphore,
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
struct Inside(Arc<Forest>, Gone);

#[derive(Debug)]
struct Failed;

type Handle = Task<(), Failed>;

impl Forest {
    /// A number below `end`.
    fn below(&self, end: u32) -> u32 {
        self.sim.random() % end
    }

    async fn pause(&self, most: u32) {
        let millis = self.below(most);
        self.sim.sleep(millis.millis()).await;
    }

    fn level(&self) -> Level {
        match self.below(3) {
            0 => Level::Graceful,
            1 => Level::Kill,
            _ => Level::KillHard,
        }
    }

    /// Somebody of the tree.
    fn anybody(&self) -> Option<TaskRef> {
        let tasks = self.tasks.lock().unwrap();
        let place = self.below(u32::try_from(tasks.len()).unwrap());
        let grown = tasks.get(usize::try_from(place).unwrap());
        grown.map(|grown| grown.task.clone())
    }
}

impl Inside {
    fn new(forest: &Arc<Forest>, gone: &Gone) -> Self {
        forest.inside.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(forest), Arc::clone(gone))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::Relaxed);
        *self.1.lock().unwrap() = Some(self.0.sim.now());
    }
}

/// Starts a task that may start others below itself.
fn grow(forest: &Arc<Forest>, parent: Option<&Context>) -> Handle {
    let mut builder = AsyncTask::<Failed>::to::<()>().grace(forest.below(200).millis());
    if let Some(cx) = parent {
        builder = builder.parent(cx);
    }
    if forest.below(4) == 0 {
        builder = builder.timeout((1 + forest.below(300)).millis());
    }
    let gone = Gone::default();
    let work = {
        let (shared, gone) = (Arc::clone(forest), Arc::clone(&gone));
        move |cx: Context| {
            let (shared, gone) = (Arc::clone(&shared), Arc::clone(&gone));
            async move {
                let _inside = Inside::new(&shared, &gone);
                live(&shared, &cx).await
            }
        }
    };
    let closure = {
        let (shared, gone) = (Arc::clone(forest), Arc::clone(&gone));
        move |cx: Context| {
            let _inside = Inside::new(&shared, &gone);
            for _ in 0..shared.below(20) {
                if cx.checkpoint().is_err() && shared.below(2) == 0 {
                    return Err(Failed);
                }
            }
            Ok(())
        }
    };
    let retry = Retry::fixed(20.millis()).attempts(3).jitter(Jitter::Full);
    let task = match forest.below(8) {
        0 => builder.run_blocking(closure),
        1 => builder.fallback(|_| Err(Failed)).run(work),
        2 => builder.retry(retry).run(work),
        _ => builder.run(work),
    };
    let callback = (forest.below(2) == 0)
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
        gone,
    });
    task
}

/// What a task of the tree does: a few random steps, then a random end.
async fn live(forest: &Arc<Forest>, cx: &Context) -> Result<(), Failed> {
    let mut children = Vec::new();
    for _ in 0..forest.below(6) {
        match forest.below(9) {
            0..=3 => {
                let room = |left: u32| left.checked_sub(1);
                if forest
                    .left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
                    .is_ok()
                {
                    let child = grow(forest, Some(cx));
                    match forest.below(3) {
                        0 => child.detach(),
                        _ => children.push(child),
                    }
                }
            }
            4 => forest.pause(50).await,
            5 => {
                let permit = forest.permits.acquire().await;
                forest.pause(20).await;
                drop(permit);
            }
            6 => {
                let _ = cx.shield(forest.pause(50)).await;
            }
            7 => {
                if let Some(child) = children.pop() {
                    // It may have ended.
                    let _ = child.cancel(forest.level());
                    drop(child.await);
                }
            }
            _ => yield_now().await,
        }
    }
    match forest.below(8) {
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

fn one_tree(sim: &Sim, ends: &[AtomicU32; 9]) -> Result<(), Unfinished> {
    let forest = Arc::new(Forest {
        sim: sim.clone(),
        tasks: Mutex::default(),
        permits: Semaphore::new(PERMITS),
        inside: AtomicUsize::new(0),
        left: AtomicU32::new(60),
    });
    let told = Histories::default();
    sim.root().set_hook(Arc::new(told.clone())).unwrap();
    sim.run(async {
        let root = grow(&forest, None);
        let top = root.task_ref();
        // From outside as well, whomever it hits.
        for _ in 0..forest.below(6) {
            forest.pause(60).await;
            if let Some(task) = forest.anybody() {
                let _ = task.cancel(forest.level());
            }
        }
        // Whatever still waits for its end gets it.
        sim.sleep(1.seconds()).await;
        let _ = top.cancel(Level::Graceful);
        drop(root.await);
        // A task that was killed hard has resolved at once; those below it take their grace.
        while sim.root().live() != 0 || sim.root().abandoned() != 0 {
            sim.sleep(1.millis()).await;
        }
    })?;
    assert_eq!(forest.inside.load(Ordering::Relaxed), 0, "works that live on");
    let permits: Vec<_> = std::iter::from_fn(|| forest.permits.try_acquire()).collect();
    assert_eq!(permits.len(), PERMITS);
    let tasks = forest.tasks.lock().unwrap();
    for grown in tasks.iter() {
        look_at(grown, ends);
        told.look_at(&grown.task);
        let parent = grown.task.parent().map(|parent| parent.id());
        if let Some(parent) = tasks.iter().find(|other| Some(other.task.id()) == parent) {
            look_at_both(&grown.task, parent);
        }
    }
    told.look_at_sums();
    Ok(())
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

fn look_at(Grown { task, callback, .. }: &Grown, ends: &[AtomicU32; 9]) {
    assert!(task.is_ended(), "{task:?}");
    assert_eq!(task.child_count(), 0, "{task:?}");
    ends.get(task.status() as usize)
        .unwrap()
        .fetch_add(1, Ordering::Relaxed);
    if let Some(ran) = callback {
        let ran = ran.load(Ordering::Relaxed);
        match task.cancellation().map(|cancellation| cancellation.level) {
            None => assert_eq!(ran, 0, "{task:?}"),
            Some(Level::KillHard) => assert!(ran <= 1, "{task:?}"),
            Some(_) => assert_eq!(ran, 1, "{task:?}"),
        }
    }
}

fn look_at_both(
    child: &TaskRef,
    Grown {
        task: parent, gone, ..
    }: &Grown,
) {
    // Who was refused never lived there, and never ended.
    if child.status() == State::Rejected {
        return;
    }
    assert!(child.ended_at().is_some(), "{child:?}");
    assert!(
        parent.ended_at() >= child.ended_at(),
        "{child:?} outlived {parent:?}"
    );
    // One that was cancelled may have been so after its work was done.
    let failed = matches!(parent.status(), State::Failed | State::Panicked | State::TimedOut);
    if failed && child.ended_at() > *gone.lock().unwrap() {
        assert!(
            child.is_cancelled() || child.status() == State::TimedOut,
            "{child:?} was not taken along by {parent:?}"
        );
    }
}

/// Many trees; all ends that there are were met.
fn grow_trees(builder: &SimBuilder) {
    quiet_about_planned_panics();
    let seeds = std::env::var("SWEET_TREES").map_or(1_000, |count| count.parse().unwrap());
    let ends: [AtomicU32; 9] = Default::default();
    builder.explore(0..seeds, |sim| one_tree(sim, &ends));
    for state in [
        State::Completed,
        State::Failed,
        State::Panicked,
        State::TimedOut,
        State::Cancelled,
    ] {
        let count = ends.get(state as usize).unwrap().load(Ordering::Relaxed);
        // One seed that is replayed does not meet them all.
        let met = count > 0 || std::env::var("SWEET_ASYNC_SEED").is_ok();
        assert!(met, "no task ended as {state}");
    }
}

#[test]
fn no_child_outlives_its_scope_and_everything_comes_back() {
    grow_trees(&Sim::builder());
}

#[test]
fn nor_where_one_runs_and_the_others_hardly_do() {
    let pct = Strategy::Pct { depth: 4, steps: 400 };
    grow_trees(&Sim::builder().strategy(pct));
}

#[test]
fn nor_where_steps_take_time_timers_are_late_and_work_panics() {
    let faults = Faults::none()
        .slow_steps(5.millis())
        .late_timers(4, Duration::from_millis(30))
        .panics(100);
    grow_trees(&Sim::builder().faults(faults));
}

/// Keeps the panics that are planned out of the output.
fn quiet_about_planned_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !info
                .payload_as_str()
                .is_some_and(|text| text.starts_with("planned"))
            {
                loud(info);
            }
        }));
    });
}
