//! What happens to tasks is told, each thing once and in its order.

use core::convert::Infallible;
use core::future::pending;
use core::time::Duration;
use std::sync::{Arc, Mutex, PoisonError};

use super::Difference;
use super::stage::{Flavour, Stage, quiet_about_planned_panics, sign, until};
use crate::hooks::{Failure, FlightRecorder, Happening, Hook};
use crate::metrics::ExecutionStats;
use crate::prelude::*;
use crate::task::{Invalid, Limit, TaskRecord};
use crate::{Context, Runtime, TaskId};

/// Writes down what it is told.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(TaskId, Happening)>>>);

impl Hook for Log {
    fn happened(&self, task: &TaskRecord, what: Happening) {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.push((task.id(), what));
    }
}

fn planned_panic() {
    panic!("planned");
}

impl Log {
    fn all(&self) -> Vec<(TaskId, Happening)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn of(&self, task: TaskId) -> Vec<Happening> {
        let all = self.all().into_iter();
        all.filter(|(of, _)| *of == task).map(|(_, what)| what).collect()
    }
}

pub(super) async fn a_life_with_failures_is_told_in_its_order<R: Runtime>(h: Stage<R>) {
    let log = Log::default();
    let task = h
        .to::<u16, &str>()
        .hook(log.clone())
        .retry(Retry::fixed(h.units(1)).attempts(2))
        .fallback(|_| async { Ok(9) })
        .run(|| async { Err("planned") });
    let id = task.id();
    assert_eq!(task.await.unwrap(), 9);
    let told = log.of(id);
    let Some(Happening::Waiting { until }) = told.get(3) else {
        panic!("{told:?}")
    };
    let failed = |attempt| Happening::AttemptFailed {
        attempt,
        failure: Failure::Error,
    };
    assert_eq!(
        told,
        [
            Happening::Created,
            Happening::Started,
            failed(1),
            Happening::Waiting { until: *until },
            Happening::Resumed { attempt: 2 },
            failed(2),
            Happening::FallingBack,
            Happening::Ended(State::Completed),
        ]
    );
}

pub(super) async fn every_end_is_told_and_why_the_attempt_failed<R: Runtime>(h: Stage<R>) {
    quiet_about_planned_panics();
    let log = Log::default();
    let told = |id| log.of(id).split_off(1);
    let to = || h.to::<(), &str>().hook(log.clone());
    let failed = |failure| Happening::AttemptFailed { attempt: 1, failure };

    let task = to().run(|| async { Err("planned") });
    let id = task.id();
    assert!(task.await.is_err());
    let failed_and = |failure, state| [Happening::Started, failed(failure), Happening::Ended(state)];
    assert_eq!(told(id), failed_and(Failure::Error, State::Failed));

    let task = h
        .to::<(), Infallible>()
        .hook(log.clone())
        .run(|| async { planned_panic() });
    let id = task.id();
    assert!(task.await.is_err());
    assert_eq!(told(id), failed_and(Failure::Panic, State::Panicked));

    let task = h
        .to::<(), Infallible>()
        .hook(log.clone())
        .timeout(h.units(20))
        .run(pending::<()>);
    let id = task.id();
    assert!(task.await.is_err());
    assert_eq!(
        told(id),
        failed_and(Failure::Timeout(Limit::Own), State::TimedOut)
    );

    let breaker = CircuitBreaker::builder().build().unwrap();
    breaker.force_open();
    let task = to().with_circuit_breaker(&breaker).run(|| async { Ok(()) });
    let id = task.id();
    assert!(task.await.is_err());
    assert_eq!(told(id), failed_and(Failure::CircuitOpen, State::Failed));

    let task = to().timeout(Duration::ZERO).run(|| async { Ok(()) });
    let id = task.id();
    assert!(task.await.is_err());
    let refused = log.of(id);
    assert!(matches!(refused[..], [Happening::Refused(_)]), "{refused:?}");
}

pub(super) async fn each_level_of_a_cancellation_is_told<R: Runtime>(h: Stage<R>) {
    let log = Log::default();
    let task = h
        .to::<(), Infallible>()
        .hook(log.clone())
        .run(|cx: Context<R>| async move {
            let child = cx.child::<(), Infallible>().run(pending::<()>);
            child.await.unwrap();
        });
    // Counted, then listed.
    until(|| !task.child_tasks().is_empty()).await;
    let child = task.child_tasks().remove(0);
    until(|| child.status() == State::Running).await;
    task.cancel(Level::Graceful).unwrap();
    task.cancel(Level::Kill).unwrap();
    let id = task.id();
    assert!(task.await.is_err());
    for id in [id, child.id()] {
        let told = log.of(id);
        let levels: Vec<_> = told
            .iter()
            .filter_map(|what| match what {
                Happening::Told(told) => Some(told.level),
                _ => None,
            })
            .collect();
        assert_eq!(levels, [Level::Graceful, Level::Kill], "{told:?}");
        assert_eq!(told[0], Happening::Created);
        let ends = told
            .iter()
            .filter(|what| matches!(what, Happening::Ended(_)))
            .count();
        assert_eq!(ends, 1, "{told:?}");
        assert!(told.contains(&Happening::Ended(State::Cancelled)), "{told:?}");
    }
}

pub(super) async fn a_wait_for_a_guard_is_told_and_how_it_ended<R: Runtime>(h: Stage<R>) {
    let log = Log::default();
    let limit = ConcurrencyLimit::fixed(1).build().unwrap();
    let limited = || {
        let builder = h.to::<(), Infallible>().hook(log.clone());
        builder.with_concurrency_limit(&limit)
    };
    let (arrive, arrived) = sign();
    let (release, released) = sign();
    let first = limited().run(move || async move {
        arrive.give();
        released.given().await;
    });
    arrived.given().await;
    let waits = limited().run(|| async {});
    let tells = |task: TaskId, what| log.of(task).contains(&what);
    let queued = Happening::Queued { attempt: 1 };
    until(|| tells(waits.id(), queued)).await;
    let leaves = limited().run(|| async {});
    until(|| tells(leaves.id(), queued)).await;
    let ids = [first.id(), waits.id(), leaves.id()];
    leaves.cancel(Level::Kill).unwrap();
    assert!(leaves.await.unwrap_err().is_cancelled());
    release.give();
    first.await.unwrap();
    waits.await.unwrap();
    let [first, waits, leaves] = ids.map(|id| log.of(id).split_off(2));
    let completed = Happening::Ended(State::Completed);
    assert_eq!(first, [completed]);
    assert_eq!(waits, [queued, Happening::Admitted { attempt: 1 }, completed]);
    let [
        Happening::Queued { .. },
        Happening::Told(_),
        Happening::Ended(State::Cancelled),
    ] = leaves[..]
    else {
        panic!("{leaves:?}")
    };
}

pub(super) async fn hooks_hold_for_everybody_below_and_nobody_else<R: Runtime>(h: Stage<R>) {
    let (above, below) = (Log::default(), Log::default());
    let inner = below.clone();
    let task = h
        .to::<[TaskId; 2], Infallible>()
        .hook(above.clone())
        .run(|cx: Context<R>| async move {
            let child = cx
                .child::<TaskId, Infallible>()
                .hook(inner)
                .run(|cx: Context<R>| async move {
                    let grandchild = cx.child::<(), Infallible>().run(|| async {});
                    let id = grandchild.id();
                    grandchild.await.unwrap();
                    id
                });
            let id = child.id();
            [id, child.await.unwrap()]
        });
    let top = task.id();
    let [child, grandchild] = task.await.unwrap();
    let other = h.to::<(), Infallible>().run(|| async {});
    let beside = other.id();
    other.await.unwrap();
    let life = [
        Happening::Created,
        Happening::Started,
        Happening::Ended(State::Completed),
    ];
    for (log, id, told) in [
        (&above, top, true),
        (&above, child, true),
        (&above, grandchild, true),
        (&above, beside, false),
        (&below, top, false),
        (&below, child, true),
        (&below, grandchild, true),
    ] {
        let seen = log.of(id);
        assert_eq!(seen, if told { &life[..] } else { &[] });
    }
}

pub(super) async fn a_hook_that_panics_costs_nobody_anything<R: Runtime>(h: Stage<R>) {
    quiet_about_planned_panics();
    let log = Log::default();
    let task = h
        .to::<u32, Infallible>()
        .hook(log.clone())
        .hook(|_: &TaskRecord, what: Happening| panic!("planned: {what:?}"))
        .run(|| async { 7 });
    let id = task.id();
    assert_eq!(task.await.unwrap(), 7);
    assert_eq!(log.of(id).len(), 3);
}

/// The hook of a runtime hears of all of its tasks, and the sums over the parts of a tree are the sum over the tree.
pub(super) fn sums_over_the_parts_are_the_sum_over_all<R: Runtime>(flavour: Flavour<R>) {
    quiet_about_planned_panics();
    let h = flavour.start(2);
    let all = Arc::new(ExecutionStats::new());
    h.runtime()
        .root()
        .set_hook(Arc::clone(&all) as Arc<dyn Hook>)
        .unwrap();
    assert!(
        h.runtime()
            .root()
            .set_hook(Arc::clone(&all) as Arc<dyn Hook>)
            .is_err()
    );
    let parts = h.run(async {
        let mut parts = Vec::new();
        for number in 0..4_u32 {
            let part = Arc::new(ExecutionStats::new());
            let at_work = h.clone();
            let task =
                h.to::<(), Infallible>()
                    .hook(Arc::clone(&part))
                    .run(move |cx: Context<R>| async move {
                        for child in 0..=number {
                            let builder = cx.child::<(), &str>();
                            let ended = builder
                                .run(move || async move { if child == 1 { Err("planned") } else { Ok(()) } })
                                .await;
                            assert_eq!(ended.is_err(), child == 1);
                            let slow = cx
                                .child::<(), Infallible>()
                                .timeout(at_work.units(1))
                                .run(pending::<()>);
                            assert!(slow.await.is_err());
                            let panics = cx.child::<(), Infallible>().run(|| async { planned_panic() });
                            assert!(panics.await.is_err());
                            let killed = cx.child::<(), Infallible>().run(pending::<()>);
                            killed.cancel(Level::Kill).unwrap();
                            assert!(killed.await.is_err());
                        }
                    });
            task.await.unwrap();
            parts.push(part);
        }
        parts
    });
    let all = all.read();
    let parts: Vec<_> = parts.iter().map(|part| part.read()).collect();
    for (sum, whole) in [
        (parts.iter().map(|part| part.created).sum::<u32>(), all.created),
        (parts.iter().map(|part| part.started).sum(), all.started),
        (parts.iter().map(|part| part.completed).sum(), all.completed),
        (parts.iter().map(|part| part.failed).sum(), all.failed),
        (parts.iter().map(|part| part.panicked).sum(), all.panicked),
        (parts.iter().map(|part| part.timed_out).sum(), all.timed_out),
        (parts.iter().map(|part| part.cancelled).sum(), all.cancelled),
        (
            parts.iter().map(|part| part.failed_attempts).sum(),
            all.failed_attempts,
        ),
    ] {
        assert_eq!(sum, whole);
    }
    // Four at the top; 1 + 2 + 3 + 4 rounds of four children, of which in three rounds one fails.
    assert_eq!((all.created, all.ended()), (44, 44));
    assert_eq!(
        (
            all.completed,
            all.failed,
            all.panicked,
            all.timed_out,
            all.cancelled
        ),
        (11, 3, 10, 10, 10)
    );
    assert_eq!((all.pending(), all.running(), all.rejected), (0, 0, 0));
    let times = &all.run_time;
    assert_eq!(times.count(), u64::from(all.started));
    assert!(times.min <= times.mean() && times.mean() <= times.max);
    assert!(times.max.unwrap() >= h.units(1));
    if !h.differs(Difference::RealTime) {
        assert_eq!(times.sum, parts.iter().map(|part| part.run_time.sum).sum());
        // Three of four take no time, a quarter takes a unit, and the tops as long as their children.
        assert_eq!(times.min, Some(Duration::ZERO));
        let (low, high) = times.quantile(1_000_000).unwrap();
        assert!((low..=high).contains(&times.max.unwrap()));
    }
    h.shut_down();
}

pub(super) async fn what_lives_is_pending_or_running<R: Runtime>(h: Stage<R>) {
    let stats = Arc::new(ExecutionStats::new());
    let (go, gone) = sign();
    let task = h
        .to::<(), Infallible>()
        .hook(Arc::clone(&stats))
        .run(move || async move {
            gone.given().await;
        });
    let seen = stats.read();
    assert_eq!((seen.created, seen.ended()), (1, 0));
    assert_eq!(seen.pending() + seen.running(), 1);
    until(|| stats.read().running() == 1).await;
    assert_eq!(stats.read().pending(), 0);
    go.give();
    task.await.unwrap();
    let seen = stats.read();
    assert_eq!((seen.running(), seen.completed), (0, 1));
}

pub(super) async fn a_recorder_remembers_the_last_and_counts_the_rest<R: Runtime>(h: Stage<R>) {
    assert_eq!(
        FlightRecorder::new(h.runtime(), 0).err(),
        Some(Invalid::ZeroCapacity)
    );
    let recorder = FlightRecorder::new(h.runtime(), 3).unwrap();
    let tell = || h.to::<(), &str>().name("told").hook(recorder.clone());
    let before = h.runtime().now();
    let first = tell().run(|| async { Err("planned") });
    let first_id = first.id();
    first.await.unwrap_err();
    let entries = recorder.entries();
    assert!(
        entries
            .iter()
            .all(|entry| entry.task == first_id && entry.name == "told")
    );
    assert!(entries.is_sorted_by_key(|entry| entry.at) && entries.iter().all(|entry| entry.at >= before));
    let what: Vec<_> = entries.into_iter().map(|entry| entry.what).collect();
    let failed = Happening::AttemptFailed {
        attempt: 1,
        failure: Failure::Error,
    };
    assert_eq!(
        what,
        [Happening::Started, failed, Happening::Ended(State::Failed)]
    );
    assert_eq!(recorder.overwritten(), 1);

    // Others come: the last three are theirs, and everything else is counted.
    let tasks: Vec<_> = (0..50).map(|_| tell().run(|| async { Ok(()) })).collect();
    let mut ids: Vec<_> = tasks.iter().map(|task| task.id()).collect();
    ids.push(first_id);
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(recorder.overwritten(), 4 + 50 * 3 - 3);
    let entries = recorder.entries();
    assert_eq!(entries.len(), 3);
    assert!(entries.iter().all(|entry| ids.contains(&entry.task)));
    let text = recorder.to_string();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert_eq!(lines.first(), Some(&"(151 before these were forgotten)"));
    assert!(
        lines.iter().skip(1).all(|line| line.contains(" told: ")),
        "{text}"
    );

    recorder.clear();
    assert_eq!((recorder.entries().len(), recorder.overwritten()), (0, 0));
}
