//! An executor that goes away: every handle resolves, everything comes back, and what comes after is rejected.

use core::convert::Infallible;
use core::future::pending;
use std::sync::Arc;
use std::thread;

use super::Difference;
use super::stage::{Flavour, OnDrop, Stage, quiet_about_planned_panics, sign, until};
use crate::prelude::*;
use crate::task::Rejection;
use crate::{Context, Runtime};

pub(super) fn tasks_resolve<R: Runtime>(flavour: Flavour<R>) {
    let h = flavour.start(1);
    let (arrive, arrived) = sign();
    let task = h.to::<(), Infallible>().run(move || async move {
        arrive.give();
        pending::<()>().await;
    });
    h.run(arrived.given());
    h.shut_down();
    let late = h.to::<(), Infallible>().run(|| async {});
    let other = flavour.start(1);
    let error = other.run(task).unwrap_err();
    assert!(error.is_cancelled(), "{error}");
    let error = other.run(late).unwrap_err();
    assert!(error.is_rejected(), "{error}");
    everybody_left(&h);
}

/// A handle resolves at once; a thread of the executor may still be dropping the task.
fn everybody_left<R: Runtime>(h: &Stage<R>) {
    while h.live() != 0 {
        thread::yield_now();
    }
}

pub(super) fn it_rejects_and_gives_back<R: Runtime>(flavour: Flavour<R>) {
    let h = flavour.start(2);
    let held = Arc::new(());
    let job = || {
        let held = Arc::clone(&held);
        h.to::<(), Infallible>().run(move || async move {
            pending::<()>().await;
            drop(held);
        })
    };
    let before: Vec<_> = (0..100).map(|_| job()).collect();
    // While it shuts down: another thread goes on starting tasks until one is refused.
    let during = thread::scope(|scope| {
        let starter = scope.spawn(|| {
            let mut started = Vec::new();
            loop {
                let task = job();
                let refused = task.status() == State::Rejected;
                started.push(task);
                if refused {
                    return started;
                }
            }
        });
        h.shut_down();
        starter.join().unwrap()
    });
    let after: Vec<_> = (0..100).map(|_| job()).collect();
    flavour.start(1).run(async {
        for task in after {
            let error = task.await.unwrap_err();
            let rejected = matches!(
                error.cause(),
                Cause::Rejected(Rejection::NoRuntime | Rejection::ScopeClosed)
            );
            assert!(rejected, "{error}");
        }
        for task in before.into_iter().chain(during) {
            let error = task.await.unwrap_err();
            assert!(error.is_cancelled() || error.is_rejected(), "{error}");
        }
    });
    everybody_left(&h);
    while Arc::strong_count(&held) != 1 {
        thread::yield_now();
    }
}

pub(super) fn a_callback_that_panics_as_it_is_dropped_costs_nobody_anything<R: Runtime>(flavour: Flavour<R>) {
    quiet_about_planned_panics();
    let h = flavour.start(1);
    let (arrive, arrived) = sign();
    let task = h.to::<(), Infallible>().run(move || async move {
        arrive.give();
        pending::<()>().await;
    });
    let guard = OnDrop(|| panic!("planned: dropped"));
    task.on_cancel(move |_| async move { drop(guard) }).unwrap();
    h.run(arrived.given());
    h.shut_down();
    assert!(flavour.start(1).run(task).unwrap_err().is_cancelled());
    everybody_left(&h);
}

pub(super) fn in_the_middle_of_the_callbacks_the_value_stays<R: Runtime>(flavour: Flavour<R>) {
    let h = flavour.start(1);
    let (arrive, arrived) = sign();
    let task = h
        .to::<u32, Infallible>()
        .grace(1_000.seconds())
        .run(move |cx: Context<R>| async move {
            arrive.give();
            cx.cancelled().await;
            5
        });
    task.on_cancel(|_| pending()).unwrap();
    h.run(async {
        arrived.given().await;
        task.cancel(Level::Graceful).unwrap();
        until(|| task.is_ended()).await;
    });
    assert_eq!(task.status(), State::Completed);
    h.shut_down();
    assert_eq!(flavour.start(1).run(task).unwrap(), 5);
}

/// Its thread goes on and its result is nobody's.
pub(super) fn a_blocking_closure_is_abandoned_until_it_returns<R: Runtime>(flavour: Flavour<R>) {
    let h = flavour.start(1);
    let ((arrive, arrived), (release, gate)) = (sign(), sign());
    let at_work = h.runtime();
    let task = h.to::<bool, Infallible>().run_blocking(move || {
        arrive.give();
        gate.given_in_turn(&at_work)
    });
    h.run(arrived.given());
    h.shut_down();
    let error = flavour.start(1).run(task).unwrap_err();
    assert!(error.is_cancelled(), "{error}");
    everybody_left(&h);
    let root = h.runtime();
    let left = usize::from(!flavour.differs(Difference::EndsClosures));
    assert_eq!(root.root().abandoned(), left);
    release.give();
    while root.root().abandoned() != 0 {
        thread::yield_now();
    }
}
