//! Waiting for several: how many are enough, what there is when time is up, who is done first, who starts again.

use core::convert::Infallible;
use core::future::pending;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::sync::Arc;

use super::stage::{Stage, quiet_about_planned_panics, sign, until};
use crate::prelude::*;
use crate::task::{GaveUp, JoinStream, TaskResult as _, join_stream};
use crate::{Context, Reason, Runtime, Task, TaskBuilder};

/// A child that fails or has a value, after so many units.
fn after<R: Runtime>(h: &Stage<R>, units: u32, result: Result<u32, u32>) -> Task<R, u32, u32> {
    let at_work = h.clone();
    h.to::<u32, u32>().run(move || async move {
        at_work.pass(units).await;
        result
    })
}

fn endless<R: Runtime>(h: &Stage<R>) -> Task<R, u32, u32> {
    h.to::<u32, u32>().run(pending::<Result<u32, u32>>)
}

pub(super) async fn so_many_values_are_enough<R: Runtime>(h: Stage<R>) {
    let slow = endless(&h);
    let seen = slow.task_ref();
    let tasks = [
        slow,
        after(&h, 1, Ok(1)),
        after(&h, 1, Err(2)),
        after(&h, 2, Ok(3)),
    ];
    let values = Quorum::of(2).join(tasks).await.unwrap();
    assert_eq!(values.iter().map(|(_, value)| *value).collect::<Vec<_>>(), [1, 3]);
    let told = seen.cancellation().map(|told| (told.level, told.reason));
    assert_eq!(
        (seen.status(), told),
        (State::Cancelled, Some((Level::Kill, Reason::Superseded)))
    );

    // Two have failed, so that the other two cannot be three.
    let slow = endless(&h);
    let seen = slow.task_ref();
    let tasks = [
        after(&h, 1, Ok(1)),
        slow,
        after(&h, 2, Err(2)),
        after(&h, 3, Err(3)),
    ];
    let no = Quorum::of(3).join(tasks).await.unwrap_err();
    assert_eq!((no.wanted, no.values.len(), no.values[0].1), (3, 1, 1));
    let failures: Vec<_> = no.errors.iter().map(|error| error.failure().copied()).collect();
    assert_eq!(failures, [None, Some(2), Some(3)]);
    assert!(no.errors[0].is_cancelled());
    assert_eq!(no.to_string(), "of 4 tasks 1 have a value, and 3 were wanted");
    assert_eq!(seen.cancellation().map(|told| told.reason), Some(Reason::Sibling));

    // Known before anybody has ended.
    let no = Quorum::of(2).join([endless(&h)]).await.unwrap_err();
    assert!(no.values.is_empty() && no.errors[0].is_cancelled());
    assert!(Quorum::of(0).join([endless(&h)]).await.unwrap().is_empty());
}

pub(super) async fn a_panic_is_a_failure_to_each_joiner<R: Runtime>(h: Stage<R>) {
    quiet_about_planned_panics();
    let bad = || {
        h.to::<u32, u32>()
            .run(|| -> Result<u32, u32> { panic!("planned: in a joiner") })
    };
    let all = All.join([after(&h, 1, Ok(1)), bad()]).await;
    assert!(all[0].1.is_ok() && all[1].1.as_ref().unwrap_err().is_panicked());
    let first = FirstError.join([endless(&h), bad()]).await.unwrap_err();
    assert!(first.is_panicked());
    let any = Any.join([bad(), after(&h, 1, Ok(1))]).await.unwrap();
    assert_eq!(any.1, 1);
    let no = Quorum::of(2).join([bad(), endless(&h)]).await.unwrap_err();
    assert!(no.errors[0].is_panicked());
    let mut ended = JoinStream::from_iter([bad()]);
    assert!(ended.next().await.unwrap().1.unwrap_err().is_panicked());
}

pub(super) async fn when_time_is_up_there_is_what_there_is<R: Runtime>(h: Stage<R>) {
    let (ready, failed, slow) = (after(&h, 0, Ok(1)), after(&h, 0, Err(2)), endless(&h));
    let (late, seen) = (slow.id(), slow.task_ref());
    until(|| ready.is_ended() && failed.is_ended()).await;
    let begun = h.runtime().now();
    let partial = Within(h.units(3)).join([slow, ready, failed]).await;
    h.assert_took(h.runtime().now().since(begun), 3);
    assert!(!partial.is_complete());
    let ready: Vec<_> = partial
        .ready
        .iter()
        .map(|(_, result)| result.as_ref().ok().copied())
        .collect();
    assert_eq!(ready, [Some(1), None]);
    assert_eq!(partial.late.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [late]);
    assert!(partial.late[0].1.is_cancelled());
    assert_eq!(
        seen.cancellation().map(|told| told.reason),
        Some(Reason::Deadline)
    );

    let partial = Within(3_600.seconds()).join([after(&h, 1, Ok(1))]).await;
    assert!(partial.is_complete());
}

pub(super) async fn results_come_as_tasks_end_and_tasks_come_from_elsewhere<R: Runtime>(h: Stage<R>) {
    let (sender, mut stream) = join_stream();
    let (next, goes_on) = async_channel::bounded::<()>(1);
    let starter = h.to::<(), Infallible>().run({
        let h = h.clone();
        let sender = sender.clone();
        move || async move {
            for number in 0..100 {
                let task = h.to::<u32, u32>().run(move || Ok(number));
                sender.add(task).unwrap();
                // The next one is started when the result of this one is taken.
                goes_on.recv().await.unwrap();
            }
        }
    });
    let (go, gone) = sign();
    let last = h.to::<u32, u32>().run(move || async move {
        gone.given().await;
        Ok(100)
    });
    sender.add(last).unwrap();
    drop(sender);
    for number in 0..100 {
        assert_eq!(stream.next().await.unwrap().1.unwrap(), number);
        next.send(()).await.unwrap();
    }
    starter.await.unwrap();
    go.give();
    assert_eq!(stream.next().await.unwrap().1.unwrap(), 100);
    assert!(stream.next().await.is_none());

    // Nobody asks any more: the task is handed back, and those inside are let go.
    let (sender, stream) = join_stream();
    let inside = endless(&h);
    let seen = inside.task_ref();
    sender.add(inside).unwrap();
    drop(stream);
    let back = sender.add(endless(&h)).unwrap_err();
    assert!(!seen.is_ended());
    seen.cancel(Level::Kill).unwrap();
    assert!(back.stop(Level::Kill).await.into_result().is_err());
}

/// Starts and ends of one child.
#[derive(Clone, Default)]
struct Lives {
    starts: Arc<AtomicU32>,
    /// Those in which its work has begun.
    began: Arc<AtomicU32>,
    told: Arc<AtomicU32>,
}

impl Lives {
    fn began(&self) -> u32 {
        self.began.load(Ordering::Relaxed)
    }

    fn told(&self) -> u32 {
        self.told.load(Ordering::Relaxed)
    }
}

/// What a child does in its how manieth life.
#[derive(Clone, Copy)]
enum Plan {
    FailsUntil(u32),
    WaitsUntil(u32),
}

fn child<R: Runtime>(
    cx: &Context<R>,
    place: usize,
    plans: [Plan; 3],
    lives: &[Lives; 3],
) -> Task<R, u32, &'static str> {
    let life = lives[place].starts.fetch_add(1, Ordering::Relaxed) + 1;
    let (all, lives) = (lives.clone(), lives[place].clone());
    let name = ["first", "second", "third"][place];
    let builder: TaskBuilder<R, u32, &str> = cx.child().name(name).grace(600.seconds());
    builder.run(move |cx: Context<R>| async move {
        lives.began.fetch_add(1, Ordering::Relaxed);
        match plans[place] {
            Plan::FailsUntil(last) if life < last => {
                // Not before the others are where they can be told.
                let waits = |(other, plan): (&Lives, Plan)| match plan {
                    Plan::WaitsUntil(last) => other.began() >= life.min(last),
                    Plan::FailsUntil(_) => true,
                };
                until(|| all.iter().zip(plans).all(waits)).await;
                Err("broken")
            }
            Plan::WaitsUntil(last) if life < last => {
                let told = cx.cancelled().await;
                assert_eq!((told.level, told.reason), (Level::Graceful, Reason::Sibling));
                lives.told.fetch_add(1, Ordering::Relaxed);
                Err("told")
            }
            _ => Ok(life),
        }
    })
}

/// Three children of which the second one fails twice, by this rule; in which life each ends.
async fn three<R: Runtime>(h: &Stage<R>, rule: Restart, others: [u32; 2]) -> ([u32; 3], [u32; 3]) {
    let lives: [Lives; 3] = Default::default();
    let seen = lives.clone();
    let parent = h
        .to::<Vec<u32>, Infallible>()
        .run(move |cx: Context<R>| async move {
            let plans = [
                Plan::WaitsUntil(others[0]),
                Plan::FailsUntil(3),
                Plan::WaitsUntil(others[1]),
            ];
            let mut supervisor = Supervisor::new(rule)
                .delay(1.millis(), 2.millis())
                .jitter(Jitter::Full);
            for place in 0..3 {
                let lives = lives.clone();
                supervisor = supervisor.child(move |cx| child(cx, place, plans, &lives));
            }
            let values = supervisor.run(&cx).await.unwrap();
            assert_eq!(cx.child_count(), 0);
            values.into_iter().map(|(_, value)| value).collect::<Vec<_>>()
        });
    let values = parent.await.unwrap();
    let told = seen.map(|lives| lives.told());
    (values.try_into().unwrap(), told)
}

pub(super) async fn who_fails_starts_again_and_takes_along_whom_the_rule_says<R: Runtime>(h: Stage<R>) {
    assert_eq!(
        three(&h, Restart::OneForOne, [1, 1]).await,
        ([1, 3, 1], [0, 0, 0])
    );
    // Those that had their value, or waited, start again as well.
    assert_eq!(
        three(&h, Restart::OneForAll, [3, 3]).await,
        ([3, 3, 3], [2, 0, 2])
    );
    assert_eq!(
        three(&h, Restart::RestForOne, [1, 3]).await,
        ([1, 3, 3], [0, 0, 2])
    );
    let (values, _) = three(&h, Restart::OneForAll, [1, 1]).await;
    assert_eq!(values, [3, 3, 3]);
}

pub(super) async fn a_child_that_always_fails_is_given_up_and_does_not_spin<R: Runtime>(h: Stage<R>) {
    let (starts, at_work) = (Arc::new(AtomicU32::new(0)), h.clone());
    let seen = Arc::clone(&starts);
    let parent = h.to::<(), Infallible>().run(move |cx: Context<R>| async move {
        let begun = cx.runtime().now();
        let sibling = Arc::new(());
        let held = Arc::clone(&sibling);
        let escalation = Supervisor::<R, (), &str>::new(Restart::OneForOne)
            .restarts(4, 3_600.seconds())
            .delay(at_work.units(1), at_work.units(4))
            .child(move |cx| {
                let held = Arc::clone(&held);
                cx.child().run(move || async move {
                    pending::<()>().await;
                    drop(held);
                    Ok(())
                })
            })
            .child(move |cx| {
                starts.fetch_add(1, Ordering::Relaxed);
                cx.child().name("hopeless").run(|| Err("broken"))
            })
            .run(&cx)
            .await
            .unwrap_err();
        // 1, 2, 4 and 4 units.
        at_work.assert_took(cx.runtime().now().since(begun), 11);
        let within = Duration::from_hours(1);
        assert_eq!(escalation.why, GaveUp::TooManyRestarts { allowed: 4, within });
        assert_eq!((escalation.place, escalation.error.name()), (1, "hopeless"));
        assert_eq!(escalation.error.failure(), Some(&"broken"));
        assert!(
            escalation.to_string().contains("child 1: task `hopeless`"),
            "{escalation}"
        );
        assert_eq!((cx.child_count(), Arc::strong_count(&sibling)), (0, 1));
    });
    parent.await.unwrap();
    assert_eq!(seen.load(Ordering::Relaxed), 5);
}

pub(super) async fn restarts_that_are_long_ago_count_no_more<R: Runtime>(h: Stage<R>) {
    let (starts, at_work) = (Arc::new(AtomicU32::new(0)), h.clone());
    let seen = Arc::clone(&starts);
    let parent = h.to::<u32, Infallible>().run(move |cx: Context<R>| async move {
        let child_at_work = at_work.clone();
        // One restart in two units of time is allowed, and one in three is needed.
        let values = Supervisor::<R, u32, &str>::new(Restart::OneForOne)
            .restarts(1, at_work.units(2))
            .delay(1.millis(), 1.millis())
            .child(move |cx| {
                let life = starts.fetch_add(1, Ordering::Relaxed) + 1;
                let h = child_at_work.clone();
                cx.child().run(move || async move {
                    h.pass(3).await;
                    if life < 5 { Err("broken") } else { Ok(life) }
                })
            })
            .run(&cx)
            .await
            .unwrap();
        values[0].1
    });
    assert_eq!(parent.await.unwrap(), 5);
    assert_eq!(seen.load(Ordering::Relaxed), 5);
}

pub(super) async fn who_was_cancelled_is_not_started_again<R: Runtime>(h: Stage<R>) {
    let (give, given) = async_channel::bounded(2);
    let starts = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&starts);
    let supervised = move |cx: Context<R>| async move {
        let escalation = Supervisor::<R, (), &str>::new(Restart::OneForAll)
            .child(move |cx| {
                starts.fetch_add(1, Ordering::Relaxed);
                let task = cx.child().grace(0.seconds()).run(pending::<Result<(), &str>>);
                give.try_send(task.task_ref()).unwrap();
                task
            })
            .run(&cx)
            .await
            .unwrap_err();
        assert_eq!(escalation.why, GaveUp::NoUse);
        assert!(escalation.error.is_cancelled());
    };
    let parent = h.to::<(), Infallible>().run(supervised.clone());
    given.recv().await.unwrap().cancel(Level::Kill).unwrap();
    parent.await.unwrap();
    // Nor where all of them are told to stop.
    let parent = h.to::<(), Infallible>().run(supervised);
    given.recv().await.unwrap();
    parent.cancel(Level::Graceful).unwrap();
    parent.await.unwrap();
    assert_eq!(seen.load(Ordering::Relaxed), 2);
}
