//! Trees of tasks and chains of tasks: who lives where, who tells whom, and that nobody outlives the scope above.

use alloc::boxed::Box;
use core::convert::Infallible;
use core::future::{Future, pending};
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::Arc;

use super::Difference;
use super::forest::one_tree;
use super::stage::{
    Awaited, Flavour, Numbers, Seed, Sign, Stage, number_from_env, quiet_about_planned_panics, sign, until,
    yield_now,
};
use crate::prelude::*;
use crate::task::{Rejection, TaskRef};
use crate::{Context, Reason, Runtime, Task, TaskBuilder};

pub(super) async fn children_end_before_their_parent<R: Runtime>(h: Stage<R>) {
    let ended = Arc::new(AtomicU32::new(0));
    let (open, gate): (Sign, Awaited) = sign();
    let parent = h.to::<(), Infallible>().run({
        let (ended, h) = (Arc::clone(&ended), h.clone());
        move |cx: Context<R>| async move {
            for units in 1..=3 {
                let (ended, h, gate) = (Arc::clone(&ended), h.clone(), gate.clone());
                let child = cx
                    .child::<(), Infallible>()
                    .run(move |cx: Context<R>| async move {
                        let grandchild = cx.child::<(), Infallible>().run(move || async move {
                            gate.given().await;
                            h.pass(units).await;
                            ended.fetch_add(1, Ordering::Relaxed);
                        });
                        grandchild.detach();
                    });
                child.detach();
            }
            assert_eq!(cx.child_count(), 3);
            assert_eq!(cx.child_tasks().len(), 3);
            drop(open);
        }
    });
    parent.await.unwrap();
    assert_eq!(ended.load(Ordering::Relaxed), 3);
}

fn nest<R: Runtime>(
    cx: Context<R>,
    depth: u32,
    ended: Arc<AtomicU32>,
    deepest: Sign,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        if depth > 0 {
            let next = Arc::clone(&ended);
            let child = cx.child::<(), Infallible>().grace(1_000.seconds());
            child
                .run(move |cx: Context<R>| nest::<R>(cx, depth - 1, next, deepest))
                .detach();
        } else {
            deepest.give();
        }
        cx.cancelled().await;
        ended.fetch_add(1, Ordering::Relaxed);
    })
}

pub(super) async fn cancelling_reaches_all_below_and_nobody_beside<R: Runtime>(h: Stage<R>) {
    let ended = Arc::new(AtomicU32::new(0));
    let (deepest, there) = sign();
    let root = h.to::<(), Infallible>().grace(1_000.seconds()).run({
        let ended = Arc::clone(&ended);
        move |cx: Context<R>| nest::<R>(cx, 100, ended, deepest)
    });
    let (go, gone) = sign();
    let sibling = h.to::<u32, Infallible>().run(move |cx: Context<R>| async move {
        gone.given().await;
        u32::from(cx.is_cancelled())
    });
    there.given().await;
    root.cancel(Level::Graceful).unwrap();
    root.await.unwrap();
    assert_eq!(ended.load(Ordering::Relaxed), 101);
    go.give();
    assert_eq!(sibling.await.unwrap(), 0);
}

pub(super) async fn a_child_of_a_cancelled_parent_never_starts<R: Runtime>(h: Stage<R>) {
    let ran = Arc::new(AtomicBool::new(false));
    let (arrive, arrived) = sign();
    let parent = h.to::<bool, Infallible>().grace(60.seconds()).run({
        let ran = Arc::clone(&ran);
        move |cx: Context<R>| async move {
            arrive.give();
            cx.cancelled().await;
            let builder = TaskBuilder::<_, (), Infallible>::new(cx.runtime().clone());
            let child = cx.run_child(builder, move || ran.store(true, Ordering::Relaxed));
            child.await.is_err()
        }
    });
    arrived.given().await;
    parent.cancel(Level::Graceful).unwrap();
    assert!(parent.await.unwrap());
    assert!(!ran.load(Ordering::Relaxed));
}

pub(super) async fn a_failing_parent_cancels_its_children<R: Runtime>(h: Stage<R>) {
    let told = Arc::new(AtomicBool::new(false));
    let parent = h.to::<(), _>().run({
        let told = Arc::clone(&told);
        move |cx: Context<R>| async move {
            let (arrive, arrived) = sign();
            let builder = TaskBuilder::<_, (), Infallible>::new(cx.runtime().clone()).grace(60.seconds());
            let child = cx.spawn_child(builder, move |cx: Context<R>| async move {
                arrive.give();
                let cancellation = cx.cancelled().await;
                told.store(cancellation.reason == Reason::Parent, Ordering::Relaxed);
            });
            child.detach();
            arrived.given().await;
            Err("failed")
        }
    });
    parent.await.unwrap_err();
    assert!(told.load(Ordering::Relaxed));
}

pub(super) async fn joiners_all_first_error_any<R: Runtime>(h: Stage<R>) {
    let at_work = h.clone();
    let parent = h.to::<(), Infallible>().run(move |cx: Context<R>| async move {
        let make = |number: u32| {
            let h = at_work.clone();
            cx.child::<u32, u32>().run(move || async move {
                h.pass(number).await;
                if number.is_multiple_of(2) {
                    Ok(number)
                } else {
                    Err(number)
                }
            })
        };
        let endless = || cx.child::<u32, u32>().run(pending::<Result<u32, u32>>);
        let all = cx.join_children(All, [make(4), make(1), make(2)]).await;
        let kinds: Vec<_> = all
            .iter()
            .map(|(_, result)| result.as_ref().ok().copied())
            .collect();
        assert_eq!(kinds, [Some(4), None, Some(2)]);

        let slow = endless();
        let seen = slow.task_ref();
        let error = cx.join_children(FirstError, [slow, make(1)]).await.unwrap_err();
        assert_eq!(error.failure(), Some(&1));
        assert_eq!(seen.status(), State::Cancelled);
        let values = cx.join_children(FirstError, [make(4), make(2)]).await.unwrap();
        assert_eq!(values.iter().map(|(_, value)| *value).collect::<Vec<_>>(), [4, 2]);

        let slow = endless();
        let seen = slow.task_ref();
        let (_, value) = cx.join_children(Any, [make(1), make(2), slow]).await.unwrap();
        assert_eq!((value, seen.status()), (2, State::Cancelled));
        let errors = cx.join_children(Any, [make(3), make(1)]).await.unwrap_err();
        let failures: Vec<_> = errors.iter().map(|error| *error.failure().unwrap()).collect();
        assert_eq!(failures, [3, 1]);
    });
    parent.await.unwrap();
}

/// A child is given the handle of the task above its parent, and of one that goes on with that task's result.
pub(super) async fn a_task_that_would_wait_for_itself_is_told_the_circle<R: Runtime>(h: Stage<R>) {
    let (give, take) = async_channel::bounded::<Task<R, u32, Infallible>>(1);
    let (told, tell) = async_channel::bounded(2);
    let top = h.to::<u32, Infallible>().run(move |cx: Context<R>| async move {
        let top = cx.id();
        let middle = cx
            .child::<u32, Infallible>()
            .run(move |cx: Context<R>| async move {
                let middle = cx.id();
                let below = cx
                    .child::<u32, Infallible>()
                    .run(move |cx: Context<R>| async move {
                        let beside = cx.child::<u32, Infallible>().run(|| 3);
                        assert_eq!(cx.wait_for(beside).await.unwrap().unwrap(), 3);
                        let above = take.recv().await.unwrap();
                        let cycle = cx.wait_for(above).await.unwrap_err();
                        assert_eq!(cycle.path, [cx.id(), top, middle, cx.id()]);
                        assert!(cycle.to_string().contains("waits for"), "{cycle}");
                        let link: Task<R, u32, _> = cycle.task.and_then(|value| value + 1);
                        let linked = link.id();
                        let cycle = cx.wait_for(link).await.unwrap_err();
                        assert_eq!(cycle.path, [cx.id(), linked, top, middle, cx.id()]);
                        told.send(cycle.task).await.unwrap();
                        2
                    });
                cx.wait_for(below).await.unwrap().unwrap()
            });
        cx.wait_for(middle).await.unwrap().unwrap()
    });
    give.send(top).await.unwrap();
    assert_eq!(tell.recv().await.unwrap().await.unwrap(), 3);
    until(|| h.live() == 0).await;
}

pub(super) async fn a_task_that_has_ended_takes_no_child<R: Runtime>(h: Stage<R>) {
    let cx = h
        .to::<Context<R>, Infallible>()
        .run(|cx: Context<R>| cx)
        .await
        .unwrap();
    let ran = Arc::new(AtomicBool::new(false));
    let child = cx.child::<(), Infallible>().run({
        let ran = Arc::clone(&ran);
        move || ran.store(true, Ordering::Relaxed)
    });
    assert_eq!(child.status(), State::Rejected);
    let error = child.await.unwrap_err();
    let closed = matches!(error.cause(), Cause::Rejected(Rejection::ScopeClosed));
    assert!(closed, "{error}");
    h.to::<(), Infallible>().run(|| ()).await.unwrap();
    assert!(!ran.load(Ordering::Relaxed));
    assert_eq!(cx.child_count(), 0);
}

/// A parent that fails while another thread enters children: each child is refused or told.
pub(super) async fn a_child_that_enters_as_its_parent_fails_is_refused_or_told<R: Runtime>(h: Stage<R>) {
    for _ in 0..2_000 {
        let (give, take) = async_channel::bounded(1);
        let parent = h.to::<(), _>().run(move |cx: Context<R>| {
            let _ = give.try_send(cx);
            Err("failed")
        });
        let cx = take.recv().await.unwrap();
        let child = cx.child::<(), Infallible>().run(|cx: Context<R>| async move {
            assert_eq!(cx.cancelled().await.reason, Reason::Parent);
        });
        drop(child.await);
        parent.await.unwrap_err();
        assert_eq!(cx.child_count(), 0);
    }
}

pub(super) async fn a_scope_outlives_what_a_hard_kill_left_in_the_middle_of_a_poll<R: Runtime>(h: Stage<R>) {
    if h.differs(Difference::OneThread) {
        // Nobody is met in the middle of a poll.
        return;
    }
    let (give, given) = async_channel::bounded::<TaskRef>(1);
    let (release, gate) = sign();
    let early = Arc::new(AtomicBool::new(false));
    let scope = h.to::<(), Infallible>().run({
        let early = Arc::clone(&early);
        move |scope: Context<R>| {
            let outer = (*scope).clone();
            let parent = scope.child::<(), Infallible>().run(move |parent: Context<R>| {
                let me = (*parent).clone();
                let child = parent.child::<(), Infallible>().run(move || async move {
                    give.try_send(me).unwrap();
                    gate.given_blocking();
                    early.store(outer.is_ended(), Ordering::Relaxed);
                });
                child.detach();
            });
            parent.detach();
        }
    });
    let parent = given.recv().await.unwrap();
    parent.cancel(Level::KillHard).unwrap();
    for _ in 0..10_000 {
        yield_now().await;
    }
    release.give();
    scope.await.unwrap();
    assert!(!early.load(Ordering::Relaxed));
}

fn descend<R: Runtime>(cx: &Context<R>, left: u32, ended: &Arc<AtomicU32>, deepest: Sign) {
    let below = Arc::clone(ended);
    if left == 0 {
        return deepest.give();
    }
    let child = cx.child::<(), Infallible>().grace(1_000.seconds());
    let work = move |cx: Context<R>| async move {
        descend::<R>(&cx, left - 1, &below, deepest);
        cx.cancelled().await;
        below.fetch_add(1, Ordering::Relaxed);
    };
    child.run(work).detach();
}

pub(super) async fn a_thousand_deep_all_are_told_and_all_end_before_the_top<R: Runtime>(h: Stage<R>) {
    let ended = Arc::new(AtomicU32::new(0));
    let (deepest, there) = sign();
    let top = h.to::<(), Infallible>().grace(1_000.seconds()).run({
        let ended = Arc::clone(&ended);
        move |cx: Context<R>| async move {
            descend::<R>(&cx, 1_000, &ended, deepest);
            cx.cancelled().await;
        }
    });
    there.given().await;
    top.cancel(Level::Graceful).unwrap();
    top.await.unwrap();
    assert_eq!(ended.load(Ordering::Relaxed), 1_000);
}

pub(super) async fn a_hundred_thousand_wide_all_are_told_and_all_end_before_the_top<R: Runtime>(h: Stage<R>) {
    const WIDTH: usize = 100_000;
    for level in [Level::Graceful, Level::Kill, Level::KillHard] {
        let dropped = Arc::new(());
        let (arrive, arrived) = sign();
        let top = h.to::<(), Infallible>().grace(1_000.seconds()).run({
            let held = Arc::clone(&dropped);
            move |cx: Context<R>| async move {
                for _ in 0..WIDTH {
                    let held = Arc::clone(&held);
                    let child = cx.child::<(), Infallible>().grace(1_000.seconds());
                    let work = move |cx: Context<R>| async move {
                        cx.cancelled().await;
                        drop(held);
                    };
                    child.run(work).detach();
                }
                assert_eq!(cx.child_count(), WIDTH);
                arrive.give();
                cx.cancelled().await;
            }
        });
        arrived.given().await;
        let seen = top.task_ref();
        assert_eq!(seen.child_count(), WIDTH);
        top.cancel(level).unwrap();
        drop(top.await);
        until(|| seen.ended_at().is_some()).await;
        assert_eq!(
            (seen.child_count(), Arc::strong_count(&dropped)),
            (0, 1),
            "{level}"
        );
    }
}

fn burrow<R: Runtime>(cx: &Context<R>, left: u32, give: async_channel::Sender<TaskRef>) {
    if left == 0 {
        give.try_send((**cx).clone()).unwrap();
        return;
    }
    let child = cx.child::<(), Infallible>();
    child
        .run(move |cx: Context<R>| burrow::<R>(&cx, left - 1, give))
        .detach();
}

pub(super) async fn a_reference_to_the_deepest_of_100_000_may_be_the_last<R: Runtime>(h: Stage<R>) {
    let (give, take) = async_channel::bounded(1);
    let top = h.to::<(), Infallible>();
    top.run(move |cx: Context<R>| burrow::<R>(&cx, 100_000, give))
        .await
        .unwrap();
    let deepest: TaskRef = take.recv().await.unwrap();
    assert!(deepest.is_ended());
    drop(deepest);
}

pub(super) async fn a_chain_goes_on_with_the_value_and_stops_with_the_error<R: Runtime>(h: Stage<R>) {
    let chained = h
        .to::<u32, _>()
        .run(|| async { Ok::<_, &str>(20) })
        .chain(|value| async move { Ok(value + 1) })
        .chain(|value: u32| async move { Ok(f64::from(value) * 2.0) });
    assert!((chained.await.unwrap() - 42.0).abs() < f64::EPSILON);

    let ran = Arc::new(AtomicBool::new(false));
    let first = h.to::<u32, _>().name("first").run(|| async { Err("broken") });
    let id = first.id();
    let chained = first.chain({
        let ran = Arc::clone(&ran);
        move |value| {
            ran.store(true, Ordering::Relaxed);
            Ok(value)
        }
    });
    let error = chained.await.unwrap_err();
    assert_eq!((error.task(), error.failure()), (Some(id), Some(&"broken")));
    assert!(!ran.load(Ordering::Relaxed));
}

pub(super) async fn cancelling_the_end_of_a_chain_cancels_its_beginning<R: Runtime>(h: Stage<R>) {
    let (arrive, arrived) = sign();
    let first = h.to::<(), _>().run(move || async move {
        arrive.give();
        pending::<Result<(), &str>>().await
    });
    let seen = first.task_ref();
    let middle = first.chain(|()| Ok(()));
    let waits = middle.task_ref();
    let chained = middle.chain(|()| Ok(()));
    arrived.given().await;
    until(|| waits.attempt() == 1 && chained.attempt() == 1).await;
    chained.cancel(Level::Kill).unwrap();
    assert!(chained.await.unwrap_err().is_cancelled());
    until(|| seen.is_ended()).await;
    assert_eq!(seen.status(), State::Cancelled);
}

/// Three links, cancelled while the second one runs: the first has its value, the third never begins.
pub(super) async fn a_chain_that_is_cancelled_in_its_middle_does_not_go_on<R: Runtime>(h: Stage<R>) {
    let (arrive, arrived) = sign();
    let first = h.to::<u32, _>().run(|| async { Ok::<_, &str>(1) });
    let middle = first.chain(|_| async move {
        arrive.give();
        pending::<Result<u32, &str>>().await
    });
    let second = middle.task_ref();
    let (began, begins) = sign();
    let last = middle.chain(|value: u32| async move {
        began.give();
        Ok(value)
    });
    arrived.given().await;
    second.cancel(Level::Kill).unwrap();
    assert!(last.await.unwrap_err().is_cancelled());
    assert_eq!(second.status(), State::Cancelled);
    // Its closure was dropped without having been called.
    assert!(!begins.given().await);
}

pub(super) async fn a_chain_may_be_100_000_links_long<R: Runtime>(h: Stage<R>) {
    let mut link = h.to::<u32, _>().run(|| Ok::<_, &str>(0));
    for _ in 0..100_000 {
        link = link.chain(|value| Ok(value + 1));
    }
    assert_eq!(link.await.unwrap(), 100_000);
}

/// Random trees under random cancellations, panics, timeouts, blocking closures and spawns. `SWEET_TREE_SEED` repeats a run
/// where time is virtual, `SWEET_TREES` sets how many trees are grown.
pub(super) fn no_child_outlives_its_scope_and_everything_comes_back<R: Runtime>(flavour: Flavour<R>) {
    quiet_about_planned_panics();
    let seed = Seed::from_env("SWEET_TREE_SEED");
    let mut numbers = Numbers::new(seed.0);
    let trees = if flavour.differs(Difference::RealTime) {
        200
    } else {
        1_000
    };
    let mut ends = Vec::new();
    for _ in 0..number_from_env("SWEET_TREES").unwrap_or(trees) {
        let h = flavour.start(2);
        ends.extend(h.run(one_tree(&h, numbers.next())));
        h.shut_down();
    }
    for state in [
        State::Completed,
        State::Failed,
        State::Panicked,
        State::TimedOut,
        State::Cancelled,
    ] {
        assert!(ends.contains(&state), "no task ended as {state}");
    }
}
