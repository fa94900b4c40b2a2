//! Work that blocks a thread.

use core::hint;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::Arc;

use super::Difference;
use super::stage::{Stage, sign, until};
use crate::prelude::*;
use crate::task::CancellationResult;
use crate::{Context, Runtime};

pub(super) async fn it_sees_checkpoints_and_is_fenced_when_killed_hard<R: Runtime>(h: Stage<R>) {
    let root = || h.runtime();
    let looping = |value: u32| {
        let (arrive, arrived) = sign();
        let task = h.to::<u32, core::convert::Infallible>().grace(1_000.seconds());
        let task = task.run_blocking(move |cx: Context<R>| {
            arrive.give();
            while cx.checkpoint().is_ok() {
                hint::spin_loop();
            }
            value
        });
        (task, arrived)
    };
    let (told, arrived) = looping(1);
    arrived.given().await;
    let CancellationResult::Completed(1) = told.stop(Level::Graceful).await else {
        panic!("not completed")
    };
    let (killed, arrived) = looping(2);
    arrived.given().await;
    let CancellationResult::Cancelled {
        level: Level::Kill, ..
    } = killed.stop(Level::Kill).await
    else {
        panic!("not killed")
    };

    let ((arrive, arrived), (release, gate), (returns, returned)) = (sign(), sign(), sign());
    let at_work = h.runtime();
    let stuck = h.to::<u32, core::convert::Infallible>().run_blocking(move || {
        arrive.give();
        gate.given_in_turn(&at_work);
        returns.give();
        3
    });
    arrived.given().await;
    let seen = stuck.task_ref();
    let CancellationResult::Cancelled {
        level: Level::KillHard,
        ..
    } = stuck.stop(Level::KillHard).await
    else {
        panic!("not killed hard")
    };
    // The driver notices in its own time that its thread is abandoned.
    until(|| root().root().abandoned() == 1).await;
    release.give();
    assert!(returned.given().await);
    until(|| root().root().abandoned() == 0).await;
    assert_eq!(seen.status(), State::Cancelled);
    until(|| h.live() == 0).await;
}

/// However many it has passed before: the one that it comes to when `cancel` has returned refuses.
pub(super) async fn it_passes_no_checkpoint_after_it_was_told<R: Runtime>(h: Stage<R>) {
    for level in [Level::Graceful, Level::Kill] {
        let (arrive, arrived) = sign();
        let told = Arc::new(AtomicBool::new(false));
        let looping = h.to::<u32, core::convert::Infallible>().grace(1_000.seconds());
        let task = looping.run_blocking({
            let told = Arc::clone(&told);
            move |cx: Context<R>| {
                let (mut passed, mut late) = (0_u32, 0);
                loop {
                    let was_told = told.load(Ordering::Acquire);
                    if cx.checkpoint().is_err() {
                        return late;
                    }
                    late += u32::from(was_told);
                    passed += 1;
                    if passed == 100 {
                        arrive.give();
                    }
                }
            }
        });
        arrived.given().await;
        task.cancel(level).unwrap();
        told.store(true, Ordering::Release);
        let seen = task.task_ref();
        match task.await {
            Ok(late) => assert_eq!(late, 0),
            Err(error) => assert!(level == Level::Kill && error.is_cancelled(), "{error}"),
        }
        assert!(seen.is_ended());
    }
}

/// Its deadline resolves the handle; the thread is let go of, and what it returns is nobody's.
pub(super) async fn a_deadline_does_not_wait_for_it<R: Runtime>(h: Stage<R>) {
    if h.differs(Difference::ClosuresHoldTime) {
        return;
    }
    let ((release, gate), at_work) = (sign(), h.runtime());
    let late = h.to::<u32, core::convert::Infallible>().timeout(h.units(2));
    let error = late
        .run_blocking(move || u32::from(gate.given_in_turn(&at_work)))
        .await
        .unwrap_err();
    assert!(error.is_timed_out(), "{error}");
    release.give();
    until(|| h.runtime().root().abandoned() == 0).await;
}

pub(super) async fn after_a_failure_it_runs_again<R: Runtime>(h: Stage<R>) {
    let made = Arc::new(AtomicU32::new(0));
    let retry = Retry::fixed(h.units(2)).attempts(3);
    let task = h.to::<u32, _>().retry(retry).run_blocking({
        let made = Arc::clone(&made);
        move |cx: Context<R>| match made.fetch_add(1, Ordering::Relaxed) {
            2 => Ok(u32::from(cx.attempt())),
            number => Err(number),
        }
    });
    let seen = task.task_ref();
    assert_eq!(task.await.unwrap(), 3);
    h.assert_took(seen.ended_at().unwrap().since(seen.started_at().unwrap()), 4);
    let error = h
        .to::<(), _>()
        .retry(Retry::immediate())
        .run_blocking(|| Err("down"))
        .await;
    assert_eq!(error.unwrap_err().failure(), Some(&"down"));
    let root = h.runtime();
    assert_eq!(root.root().abandoned(), 0);
}

/// The thread of the first attempt is let go of; the second one does not wait for it.
pub(super) async fn an_attempt_that_takes_too_long_is_abandoned_and_the_next_begins<R: Runtime>(h: Stage<R>) {
    if !h.differs(Difference::RealTime) {
        // Virtual time does not pass while a closure is at work.
        return;
    }
    let (release, gate) = sign();
    let made = AtomicU32::new(0);
    // Long enough for a thread to begin the second attempt.
    let retry = Retry::immediate().attempts(2).attempt_timeout(h.units(100));
    let task = h
        .to::<u32, core::convert::Infallible>()
        .retry(retry)
        .run_blocking(move || {
            let number = made.fetch_add(1, Ordering::Relaxed);
            if number == 0 {
                gate.given_blocking();
            }
            number
        });
    let root = h.runtime();
    assert_eq!(task.await.unwrap(), 1);
    assert_eq!(root.root().abandoned(), 1);
    release.give();
    until(|| root.root().abandoned() == 0).await;
}
