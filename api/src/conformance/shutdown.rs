//! An executor that goes away: every handle resolves, everything comes back, and what comes after is rejected.

use core::convert::Infallible;
use core::future::pending;
use std::sync::Arc;
use std::thread;

use super::Difference;
use super::stage::{Flavour, OnDrop, Stage, quiet_about_planned_panics, sign, until};
use crate::prelude::*;
use crate::task::Rejection;
use crate::{Context, Reason, Runtime, shutdown};

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

/// Lists who comes, if they are not listed already.
fn list_tasks<R: Runtime>(h: &Stage<R>) {
    let first = h.runtime().root().list_tasks(1_000);
    assert_eq!(first, !h.differs(Difference::ListsTasks));
}

pub(super) async fn in_order_what_ends_by_itself_is_waited_for<R: Runtime>(h: Stage<R>) {
    let runtime = h.runtime();
    list_tasks(&h);
    let (arrive, arrived) = sign();
    let at_work = h.clone();
    let task = h.to::<u32, Infallible>().run(move |cx: Context<R>| async move {
        arrive.give();
        while !at_work.runtime().root().is_closed() {
            at_work.turn().await;
        }
        // Nobody else begins; those that live still have their children.
        let late = at_work.to::<(), Infallible>().run(|| ()).await.unwrap_err();
        assert!(matches!(late.cause(), Cause::Rejected(Rejection::ScopeClosed)));
        at_work.pass(3).await;
        cx.child::<u32, Infallible>().run(|| 5).await.unwrap()
    });
    arrived.given().await;
    let report = shutdown(&runtime, 3_600.seconds(), 0.seconds()).await;
    assert!(report.is_clean() && report.cancelled.is_empty(), "{report}");
    assert_eq!(task.await.unwrap(), 5);
    // Again, it finds nothing to do.
    assert!(shutdown(&runtime, 0.seconds(), 0.seconds()).await.is_clean());
}

pub(super) async fn in_order_who_listens_may_finish_and_who_does_not_is_killed<R: Runtime>(h: Stage<R>) {
    let runtime = h.runtime();
    list_tasks(&h);
    let (arrive, arrived) = sign();
    let polite = h
        .to::<Level, Infallible>()
        .grace(3_600.seconds())
        .run(|cx: Context<R>| async move { cx.cancelled().await.level });
    let builder = h.to::<(), Infallible>().name("stubborn").grace(3_600.seconds());
    let stubborn = builder.run(move |cx: Context<R>| async move {
        // The one below goes with it.
        let child = cx.child::<(), Infallible>().grace(3_600.seconds());
        let child = child.run(pending::<()>);
        arrive.give();
        child.await.unwrap();
    });
    arrived.given().await;
    until(|| polite.attempt() == 1).await;
    let (first, second) = (polite.id(), stubborn.id());
    let begun = runtime.now();
    // Time enough for the one that listens, on a machine that is busy.
    let grace = h.units(if h.differs(Difference::RealTime) { 400 } else { 4 });
    let report = shutdown(&runtime, h.units(2), grace).await;
    let took = runtime.now().since(begun);
    assert!(took >= h.units(2) + grace, "{took:?}");
    assert!(report.is_clean(), "{report}");
    let mut told: Vec<_> = report.cancelled.iter().map(|task| task.id()).collect();
    told.sort_unstable();
    assert_eq!(told, [first, second]);
    assert_eq!(polite.await.unwrap(), Level::Graceful);
    let error = stubborn.await.unwrap_err();
    let Cause::Cancelled { cancellation, .. } = error.cause() else {
        panic!("{error}");
    };
    assert_eq!(cancellation.reason, Reason::Shutdown);
    assert!(cancellation.level >= Level::Kill);
}

pub(super) async fn in_order_a_closure_that_goes_on_is_counted_and_named<R: Runtime>(h: Stage<R>) {
    if h.differs(Difference::ClosuresHoldTime) {
        // Nobody could wait until the closure has used up its time.
        return;
    }
    let runtime = h.runtime();
    list_tasks(&h);
    let ((arrive, arrived), (release, gate)) = (sign(), sign());
    let at_work = h.runtime();
    let closure = h.to::<bool, Infallible>().name("stuck").run_blocking(move || {
        arrive.give();
        gate.given_in_turn(&at_work)
    });
    arrived.given().await;
    let report = shutdown(&runtime, h.units(1), h.units(1)).await;
    assert!(!report.is_clean());
    // Its driver was to leave within a unit. Where it was too busy to, the task is named, and the closure counted later.
    if h.differs(Difference::RealTime) && report.abandoned == 0 {
        assert_eq!((report.left.len(), report.unlisted), (1, 0), "{report}");
    } else {
        assert_eq!((report.unlisted, report.abandoned), (0, 1));
        let whose: Vec<_> = report.closures.iter().map(|task| task.id()).collect();
        assert_eq!(whose, [closure.id()]);
        let told = format!("1 closures still run: of task `stuck` ({})", closure.id());
        assert!(report.to_string().ends_with(&told), "{report}");
    }
    assert!(closure.await.unwrap_err().is_cancelled());
    release.give();
    while runtime.root().abandoned() != 0 {
        h.turn().await;
    }
    assert!(runtime.root().abandoned_tasks().is_empty());
}

pub(super) async fn in_order_who_does_not_come_back_is_named<R: Runtime>(h: Stage<R>) {
    if h.differs(Difference::OneThread) {
        // Nobody is met in the middle of a poll.
        return;
    }
    let runtime = h.runtime();
    let before = h.to::<(), Infallible>().run(pending::<()>);
    list_tasks(&h);
    let ((arrive, arrived), (release, gate)) = (sign(), sign());
    let hangs = h.to::<(), Infallible>().name("hangs").run(move || async move {
        arrive.give();
        gate.given_blocking();
    });
    arrived.given().await;
    let report = shutdown(&runtime, h.units(1), h.units(1)).await;
    // One that began before there was a list is counted and not told.
    let unlisted = u64::from(!h.differs(Difference::ListsTasks));
    assert_eq!((report.unlisted, report.abandoned), (unlisted, 0));
    let left = report.left.iter().find(|task| task.id() == hangs.id());
    assert_eq!(left.map(|task| task.status()), Some(State::Cancelled));
    assert!(report.to_string().contains("task `hangs`"), "{report}");
    assert_eq!(before.is_ended(), unlisted == 0);
    release.give();
    let _ = before.cancel(Level::Kill);
    until(|| h.live() == 0).await;
}
