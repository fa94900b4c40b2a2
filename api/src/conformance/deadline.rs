//! Deadlines: a task's own, its parent's, and that of the first of a chain.

use core::convert::Infallible;
use core::future::pending;
use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use super::Difference;
use super::stage::{Stage, until, yield_now};
use crate::prelude::*;
use crate::task::Limit;
use crate::{Context, Moment, Reason, Runtime, Task, TimeLeft};

pub(super) async fn a_timeout_is_not_a_cancellation_and_names_its_deadline<R: Runtime>(h: Stage<R>) {
    let task = h.to::<(), Infallible>().timeout(h.units(5)).run(pending::<()>);
    let error = task.await.unwrap_err();
    let Cause::TimedOut(timed_out) = error.cause() else {
        panic!("{error}")
    };
    assert_eq!(timed_out.limit, Limit::Own);
    h.assert_took(timed_out.elapsed, 5);
    assert_eq!(Some(timed_out.deadline_of), error.task());
}

pub(super) async fn work_that_is_ready_at_its_deadline_counts<R: Runtime>(h: Stage<R>) {
    let begun = Arc::new(AtomicBool::new(false));
    let mut value = None;
    // In real time the deadline may pass before a busy machine gets to the task, and then there is nothing to see.
    while !begun.load(Ordering::Relaxed) {
        let (begun, at_work) = (Arc::clone(&begun), h.clone());
        let task = h
            .to::<u32, Infallible>()
            .timeout(h.units(1))
            .run(move |cx: Context<R>| async move {
                begun.store(true, Ordering::Relaxed);
                if at_work.differs(Difference::RealTime) {
                    // In one poll that is still under way when the deadline passes.
                    while Some(cx.runtime().now()) <= cx.deadline() {
                        core::hint::spin_loop();
                    }
                } else {
                    at_work.pass(1).await;
                }
                9
            });
        value = task.await.ok();
    }
    assert_eq!(value, Some(9));
}

/// One hop: the caller says what is left to it, and the server takes that over.
pub(super) async fn one_from_another_process_only_comes_nearer<R: Runtime>(h: Stage<R>) {
    let server = h.clone();
    let client = h.to::<(), Infallible>().timeout(600.seconds());
    let client = client.run(move |cx: Context<R>| async move {
        let header = TimeLeft::of(&cx).unwrap().less(300.seconds()).to_grpc();
        let arrived = server.runtime().now();
        let deadline = TimeLeft::from_grpc(&header).unwrap().deadline(arrived);
        let all = cx.deadline().unwrap();
        assert!(deadline < all, "{header}");

        let request = server.to::<Option<Moment>, Infallible>().timeout(3_600.seconds());
        let request = request.deadline(deadline).run(|cx: Context<R>| async move {
            let child = cx.child::<Option<Moment>, Infallible>().deadline(Moment::NEVER);
            child.run(|cx: Context<R>| cx.deadline()).await.unwrap()
        });
        assert_eq!(request.deadline(), Some(deadline));
        assert_eq!(request.await.unwrap(), Some(deadline));
        let sooner = server
            .to::<(), Infallible>()
            .deadline(all)
            .timeout(1.seconds())
            .run(|| ());
        assert!(sooner.deadline().unwrap() < deadline);
        let child = cx
            .child::<(), Infallible>()
            .deadline(all + 1.seconds())
            .run(|| ());
        assert_eq!(child.deadline(), Some(all));
    });
    client.await.unwrap();

    // One that is over when it arrives is not begun.
    let begun = Arc::new(AtomicBool::new(false));
    let over = h.to::<(), Infallible>().deadline(h.runtime().now()).run({
        let begun = Arc::clone(&begun);
        move || begun.store(true, Ordering::Relaxed)
    });
    let Cause::TimedOut(timed_out) = over.await.unwrap_err().into_cause() else {
        panic!("another end")
    };
    assert_eq!(
        (timed_out.limit, begun.load(Ordering::Relaxed)),
        (Limit::Own, false)
    );
}

/// Tries with longer and longer deadlines until one is not over before the machine gets to the tasks.
async fn in_time(attempt: impl AsyncFn(u32) -> bool) {
    let mut units = 20;
    while !attempt(units).await {
        units *= 2;
    }
}

/// Its parent's work is done and waits for it; a parent that is at work ends at the same deadline, and takes it along.
pub(super) async fn a_child_that_ends_at_its_parents_deadline_names_the_parent<R: Runtime>(h: Stage<R>) {
    in_time(async |units| {
        let (give, given) = async_channel::bounded::<Task<R, (), Infallible>>(1);
        let parent = h
            .to::<(), Infallible>()
            .timeout(h.units(units))
            .run(move |cx: Context<R>| async move {
                let longer = cx.child::<(), Infallible>().timeout(100_000.seconds());
                let _ = give.try_send(longer.run(pending::<()>));
            });
        let id = parent.id();
        let Ok(child) = given.recv().await else {
            return false;
        };
        assert_eq!(child.deadline(), parent.deadline());
        let error = child.await.unwrap_err();
        match error.cause() {
            Cause::TimedOut(timed_out) => {
                assert_eq!((timed_out.limit, timed_out.deadline_of), (Limit::Inherited, id));
                parent.await.unwrap();
                true
            }
            // The deadline passed while the parent was at work.
            Cause::Cancelled { .. } if h.differs(Difference::RealTime) => false,
            other => panic!("{other}"),
        }
    })
    .await;
}

/// Its parent is at work: both come to the deadline at once, and whoever is first, the child's end speaks of the deadline.
pub(super) async fn a_child_of_a_parent_that_times_out_learns_that_it_was_the_deadline<R: Runtime>(
    h: Stage<R>,
) {
    for own in [false, true] {
        in_time(async |units| {
            let (give, given) = async_channel::bounded::<Task<R, (), Infallible>>(1);
            let parent =
                h.to::<(), Infallible>()
                    .timeout(h.units(units))
                    .run(move |cx: Context<R>| async move {
                        let builder = cx.child::<(), Infallible>();
                        let builder = if own {
                            builder.timeout(100_000.seconds())
                        } else {
                            builder
                        };
                        let _ = give.try_send(builder.run(pending::<()>));
                        pending::<()>().await;
                    });
            let Ok(child) = given.recv().await else {
                return false;
            };
            match child.await.unwrap_err().cause() {
                Cause::TimedOut(timed_out) => assert_eq!(timed_out.limit, Limit::Inherited),
                Cause::Cancelled { cancellation, .. } => {
                    assert_eq!(cancellation.reason, Reason::Deadline);
                    assert_eq!(cancellation.by, Some(parent.id()));
                }
                other => panic!("{other}"),
            }
            assert!(parent.await.unwrap_err().is_timed_out());
            true
        })
        .await;
    }
}

pub(super) async fn a_link_of_a_chain_ends_at_the_deadline_of_the_first<R: Runtime>(h: Stage<R>) {
    in_time(async |units| {
        let first = h.to::<(), &str>().timeout(h.units(units)).run(|| async {
            yield_now().await;
            Ok(())
        });
        let (id, deadline, created) = (first.id(), first.deadline(), first.created_at());
        assert!(deadline.is_some());
        let last = first.chain(|()| async { pending::<Result<(), &str>>().await });
        assert_eq!(last.deadline(), deadline);
        let seen = last.task_ref();
        let error = last.await.unwrap_err();
        let Cause::TimedOut(timed_out) = error.cause() else {
            panic!("{error}")
        };
        if error.task() == Some(id) {
            // The first one did not get to its work in time.
            return false;
        }
        assert_eq!((timed_out.limit, timed_out.deadline_of), (Limit::Inherited, id));
        h.assert_took(seen.ended_at().unwrap().since(created), units);
        true
    })
    .await;
}

/// A link that is made when the time of what it waits for is over: nothing of it begins, whatever the result was.
pub(super) async fn nothing_begins_after_a_deadline_that_has_passed<R: Runtime>(h: Stage<R>) {
    let began = Arc::new(AtomicBool::new(false));
    for result in [Ok(1), Err(2)] {
        let first = loop {
            let mut first = h.to::<u32, u32>().timeout(h.units(2)).run(move || result);
            until(|| first.peek().is_some()).await;
            // Where time is real, another one may have been in the way for so long.
            if !first.peek().unwrap().is_err_and(TaskError::is_timed_out) {
                break first;
            }
        };
        let id = first.id();
        h.pass(3).await;
        let began = Arc::clone(&began);
        let link = if result.is_ok() {
            first.and_then(move |value| {
                began.store(true, Ordering::Relaxed);
                Ok(value)
            })
        } else {
            first.or_else(move |_| {
                began.store(true, Ordering::Relaxed);
                Err(3)
            })
        };
        let error = link.await.unwrap_err();
        let Cause::TimedOut(timed_out) = error.cause() else {
            panic!("{error}");
        };
        assert_eq!((timed_out.deadline_of, timed_out.limit), (id, Limit::Inherited));
    }
    assert!(!began.load(Ordering::Relaxed));
}
