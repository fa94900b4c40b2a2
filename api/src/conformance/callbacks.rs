//! What is called when a task is cancelled: once, in order, and whatever it does, it costs nobody anything.

use core::convert::Infallible;
use core::future::pending;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use super::stage::{OnDrop, Stage, quiet_about_planned_panics, sign, until};
use crate::prelude::*;
use crate::{Context, Runtime};

pub(super) async fn they_run_once_in_order_also_when_registered_late<R: Runtime>(h: Stage<R>) {
    quiet_about_planned_panics();
    let order = Arc::new(Mutex::new(Vec::new()));
    let (arrive, arrived) = sign();
    let task = h.to::<(), _>().grace(60.seconds()).run({
        let (order, at_work) = (Arc::clone(&order), h.clone());
        move |cx: Context<R>| async move {
            let late = Arc::clone(&order);
            arrive.give();
            cx.cancelled().await;
            let register = move |_| async move { late.lock().unwrap().push("late") };
            cx.on_cancel(register).unwrap();
            at_work.pass(1).await;
            Err::<(), _>("stopped")
        }
    });
    for name in ["first", "panics", "second"] {
        let (order, at_work) = (Arc::clone(&order), h.clone());
        let callback = move |_| async move {
            at_work.pass(1).await;
            assert_ne!(name, "panics", "planned");
            order.lock().unwrap().push(name);
        };
        task.on_cancel(callback).unwrap();
    }
    arrived.given().await;
    let seen = task.task_ref();
    task.cancel(Level::Graceful).unwrap();
    task.await.unwrap_err();
    assert_eq!(*order.lock().unwrap(), ["first", "second", "late"]);
    seen.on_cancel(|_| async {}).unwrap_err();
}

pub(super) async fn one_is_handed_back_by_a_plain_task_that_has_ended<R: Runtime>(h: Stage<R>) {
    let task = h.to::<(), Infallible>().run(|| ());
    let seen = task.task_ref();
    task.await.unwrap();
    assert!(seen.on_cancel(|_| async {}).is_err());
}

pub(super) async fn one_that_panics_as_it_is_dropped_costs_nobody_anything<R: Runtime>(h: Stage<R>) {
    quiet_about_planned_panics();
    for cancel in [None, Some(Level::Kill), Some(Level::KillHard)] {
        let done = Arc::new(AtomicU32::new(0));
        let ((arrive, arrived), (go, gone)) = (sign(), sign());
        let task = h
            .to::<u32, Infallible>()
            .grace(h.units(1))
            .run(move || async move {
                arrive.give();
                gone.given().await;
                7
            });
        // The first one never ends, so that the others are left over when the grace period ends.
        task.on_cancel(|_| pending()).unwrap();
        for _ in 0..2 {
            let done = Arc::clone(&done);
            let left = OnDrop(move || {
                done.fetch_add(1, Ordering::Relaxed);
                panic!("planned: dropped")
            });
            task.on_cancel(move |_| async move { drop(left) }).unwrap();
        }
        arrived.given().await;
        if let Some(level) = cancel {
            task.cancel(level).unwrap();
        } else {
            go.give();
        }
        match cancel {
            None => assert_eq!(task.await.unwrap(), 7),
            Some(_) => assert!(task.await.unwrap_err().is_cancelled()),
        }
        until(|| done.load(Ordering::Relaxed) == 2).await;
    }
}

pub(super) async fn one_may_ask_its_task_as_it_is_dropped<R: Runtime>(h: Stage<R>) {
    let ((go, gone), asked) = (sign(), Arc::new(AtomicBool::new(false)));
    let task = h.to::<(), Infallible>().run(move || async move {
        gone.given().await;
    });
    let guard = OnDrop({
        let (seen, asked) = (task.task_ref(), Arc::clone(&asked));
        move || asked.store(seen.on_cancel(|_| async {}).is_err(), Ordering::Relaxed)
    });
    task.on_cancel(move |_| async move { drop(guard) }).unwrap();
    go.give();
    task.await.unwrap();
    assert!(asked.load(Ordering::Relaxed));
}
