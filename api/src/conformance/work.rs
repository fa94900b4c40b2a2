//! Work and its result: what is run, what comes out, who sees it, and where nothing runs.

use core::error::Error;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::sync::Arc;
use std::{io, thread};

use super::Difference;
use super::stage::{Flavour, Stage, sign, until};
use crate::prelude::*;
use crate::task::{Invalid, Rejection};
use crate::{Context, Refused, Runtime, TaskBuilder};

pub(super) async fn every_form_of_work_yields_its_value<R: Runtime>(h: Stage<R>) {
    assert_eq!(h.to::<u32, _>().run(|| 1).await.unwrap(), 1);
    assert_eq!(h.to::<u32, _>().run(|| Ok::<_, String>(2)).await.unwrap(), 2);
    assert_eq!(h.to::<u32, _>().run(|| async { 3 }).await.unwrap(), 3);
    assert_eq!(
        h.to::<u32, _>()
            .run(|| async { Ok::<_, String>(4) })
            .await
            .unwrap(),
        4
    );
    assert_eq!(h.to::<u32, _>().run(|_cx: Context<R>| 5).await.unwrap(), 5);
    let attempt = |cx: Context<R>| async move { u32::from(cx.attempt()) };
    assert_eq!(h.to::<u32, _>().run(attempt).await.unwrap(), 1);
    assert_eq!(h.to::<u32, _>().run_blocking(|| 6).await.unwrap(), 6);
    assert_eq!(
        h.to::<u32, _>()
            .run_blocking(|| Ok::<_, String>(7))
            .await
            .unwrap(),
        7
    );
}

pub(super) async fn an_error_keeps_its_type_and_names_the_task<R: Runtime>(h: Stage<R>) {
    let work = || async { Err::<(), _>(io::Error::other("disk on fire")) };
    let error = h.to::<(), _>().name("reader").run(work).await.unwrap_err();
    assert_eq!(error.failure().unwrap().kind(), io::ErrorKind::Other);
    assert_eq!((error.name(), error.attempt()), ("reader", 1));
    assert_eq!(error.source().unwrap().to_string(), "disk on fire");
    assert!(error.to_string().contains("reader"), "{error}");
}

pub(super) async fn a_panic_becomes_an_error_with_its_payload<R: Runtime>(h: Stage<R>) {
    let work = || async { assert_eq!(1, 2, "boom {}", 7) };
    let error = h.to::<(), _>().run(work).await.unwrap_err();
    let Cause::Panicked(panic) = error.into_cause() else {
        panic!("not a panic")
    };
    assert!(panic.message().contains("boom 7"));
    assert!(
        panic
            .into_payload()
            .downcast::<String>()
            .unwrap()
            .contains("boom 7")
    );
    // In the closure itself, and in blocking work.
    let error = h
        .to::<(), _>()
        .run(|| -> () { panic!("early") })
        .await
        .unwrap_err();
    assert!(error.is_panicked());
    let on_a_thread = h.to::<(), _>().run_blocking(|| -> () { panic!("on a thread") });
    let error = on_a_thread.await.unwrap_err();
    assert!(error.is_panicked(), "{error}");
}

pub(super) async fn a_builder_is_a_value_and_serves_twice<R: Runtime>(h: Stage<R>) {
    let builder = h.to::<u32, _>().name("twice").timeout(60.seconds());
    let (one, two) = (builder.clone().run(|| async { 1 }), builder.run(|| async { 2 }));
    assert_ne!(one.id(), two.id());
    assert_eq!((one.await.unwrap(), two.await.unwrap()), (1, 2));
}

pub(super) async fn settings_that_make_no_sense_are_refused<R: Runtime>(h: Stage<R>) {
    let rejected = |error: TaskError<&'static str>| match error.into_cause() {
        Cause::Rejected(Rejection::Invalid(invalid)) => invalid,
        other => panic!("{other:?}"),
    };
    let work = || Err::<(), _>("never runs");
    let zero = h.to::<(), _>().timeout(Duration::ZERO).run(work);
    assert_eq!(zero.status(), State::Rejected);
    assert_eq!(rejected(zero.await.unwrap_err()), Invalid::ZeroTimeout);
    let none = h.to::<(), _>().retry(Retry::immediate().attempts(0)).run(work);
    assert_eq!(rejected(none.await.unwrap_err()), Invalid::ZeroAttempts);
    let attempt = Retry::immediate().attempt_timeout(1.seconds());
    let long = h.to::<(), _>().timeout(1.seconds()).retry(attempt).run(work);
    assert_eq!(rejected(long.await.unwrap_err()), Invalid::AttemptTimeoutTooLong);
    let attempt = Retry::immediate().attempt_timeout(Duration::ZERO);
    let zero = h.to::<(), _>().retry(attempt).run(work);
    assert_eq!(rejected(zero.await.unwrap_err()), Invalid::ZeroAttemptTimeout);
}

pub(super) async fn timestamps_are_as_stated_and_unset_ones_are_none<R: Runtime>(h: Stage<R>) {
    let (give, given) = sign();
    let at_work = h.clone();
    let task = h.to::<(), _>().run(move || async move {
        given.given().await;
        at_work.pass(3).await;
    });
    let seen = task.task_ref();
    assert_eq!(seen.ended_at(), None);
    until(|| seen.started_at().is_some()).await;
    give.give();
    task.await.unwrap();
    let (created, started) = (seen.created_at(), seen.started_at().unwrap());
    assert!(created <= started);
    h.assert_took(seen.ended_at().unwrap().since(started), 3);
    let rejected = h.to::<(), _>().timeout(Duration::ZERO).run(|| ());
    assert_eq!((rejected.started_at(), rejected.ended_at()), (None, None));
}

pub(super) async fn a_dropped_handle_detaches_unless_told_otherwise<R: Runtime>(h: Stage<R>) {
    let done = Arc::new(AtomicU32::new(0));
    let job = |cancel_on_drop: bool| {
        let ((arrive, there), (go, gone)) = (sign(), sign());
        let builder = h.to::<(), _>();
        let builder = if cancel_on_drop {
            builder.cancel_on_drop()
        } else {
            builder
        };
        let done = Arc::clone(&done);
        let task = builder.run(move || async move {
            arrive.give();
            gone.given().await;
            done.fetch_add(1, Ordering::Relaxed);
        });
        (task, there, go)
    };
    for cancel_on_drop in [false, true] {
        let (task, there, go) = job(cancel_on_drop);
        there.given().await;
        let seen = task.task_ref();
        drop(task);
        if !cancel_on_drop {
            go.give();
        }
        until(|| seen.is_ended()).await;
        let expected = if cancel_on_drop {
            State::Cancelled
        } else {
            State::Completed
        };
        assert_eq!(seen.status(), expected);
        let (task, there, go) = job(cancel_on_drop);
        there.given().await;
        let seen = task.task_ref();
        task.detach();
        go.give();
        until(|| seen.is_ended()).await;
        assert_eq!(seen.status(), State::Completed);
    }
    assert_eq!(done.load(Ordering::Relaxed), 3);
}

pub(super) async fn a_handle_gives_its_result_once<R: Runtime>(h: Stage<R>) {
    let mut task = h.to::<u32, _>().run(|| async { 1 });
    assert_eq!((&mut task).await.unwrap(), 1);
    assert!(matches!((&mut task).await.unwrap_err().cause(), Cause::Taken));
}

pub(super) fn a_task_where_nothing_runs_is_rejected_and_does_not_panic<R: Runtime>(flavour: Flavour<R>) {
    let task = TaskBuilder::<_, u32, _>::new(flavour.outside()).run(|| async { 1 });
    if !flavour.differs(Difference::AlwaysRunning) {
        assert_eq!(task.status(), State::Rejected);
    }
    let ended = flavour.start(1).run(task);
    if flavour.differs(Difference::AlwaysRunning) {
        assert_eq!(ended.unwrap(), 1);
    } else {
        let error = ended.unwrap_err();
        let none = matches!(error.cause(), Cause::Rejected(Rejection::NoRuntime));
        assert!(none, "{error}");
        let advice = "was rejected: no executor runs here; start it inside one, or through a handle to one";
        assert!(error.to_string().ends_with(advice), "{error}");
        assert!(Refused(()).to_string().contains("start the task inside one"));
    }
}

pub(super) fn threads_go_by_their_names<R: Runtime>(flavour: Flavour<R>) {
    if flavour.differs(Difference::ForeignThreads) {
        return;
    }
    let h = flavour.start(2);
    let named = move || {
        thread::current()
            .name()
            .is_some_and(|name| name.starts_with(flavour.threads))
    };
    assert!(!flavour.threads.is_empty());
    assert!(!named());
    assert!(
        h.run(h.to::<bool, _>().run(move || async move { named() }))
            .unwrap()
    );
}

pub(super) fn block_on_inside_a_task_is_refused<R: Runtime>(flavour: Flavour<R>) {
    if flavour.differs(Difference::NoBlockOn) {
        return;
    }
    let h = flavour.start(1);
    let at_work = h.clone();
    let task = h
        .to::<bool, _>()
        .run(move || async move { at_work.is_block_on_refused() });
    assert!(h.run(task).unwrap());
}
