//! Trying again, and what replaces work that has failed for good.

use core::convert::Infallible;
use core::future::{Future, pending};
use core::pin::pin;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use core::task::{Context as Polling, Waker};
use std::sync::{Arc, Mutex};
use std::task::Wake;

use super::stage::{OnDrop, Stage, quiet_about_planned_panics, until};
use crate::prelude::*;
use crate::task::Limit;
use crate::{Context, Runtime};

pub(super) async fn it_waits_the_stated_delays<R: Runtime>(h: Stage<R>) {
    let attempts = Arc::new(AtomicU32::new(0));
    let retry = Retry::exponential(h.units(2)).max_delay(h.units(5)).attempts(5);
    let task = h.to::<u32, _>().retry(retry).run({
        let attempts = Arc::clone(&attempts);
        move || {
            let made = attempts.fetch_add(1, Ordering::Relaxed) + 1;
            async move { if made < 5 { Err(made) } else { Ok(made) } }
        }
    });
    let seen = task.task_ref();
    assert_eq!(task.await.unwrap(), 5);
    assert_eq!(seen.attempt(), 5);
    h.assert_took(
        seen.ended_at().unwrap().since(seen.started_at().unwrap()),
        2 + 4 + 5 + 5,
    );
}

pub(super) async fn a_classifier_gives_up_or_sets_the_delay<R: Runtime>(h: Stage<R>) {
    let retry = Retry::fixed(h.units(1)).attempts(10);
    let later = h.units(7);
    let classify = move |error: &u32| match error {
        0 => Verdict::RetryAfter(later),
        _ => Verdict::GiveUp,
    };
    let task = h.to::<(), _>().retry(retry).classify(classify).run({
        let mut made = 0;
        move || {
            made += 1;
            Err(made - 1)
        }
    });
    let seen = task.task_ref();
    assert_eq!(task.await.unwrap_err().failure(), Some(&1));
    assert_eq!(seen.attempt(), 2);
    h.assert_took(seen.ended_at().unwrap().since(seen.started_at().unwrap()), 7);
}

pub(super) async fn an_attempt_has_its_own_limit<R: Runtime>(h: Stage<R>) {
    let retry = Retry::fixed(h.units(1)).attempts(3).attempt_timeout(h.units(2));
    let task = h.to::<(), Infallible>().retry(retry).run(pending::<()>);
    let seen = task.task_ref();
    let Cause::TimedOut(timed_out) = task.await.unwrap_err().into_cause() else {
        panic!("another end")
    };
    assert_eq!(timed_out.limit, Limit::Attempt);
    assert_eq!(seen.attempt(), 3);
    h.assert_took(seen.ended_at().unwrap().since(seen.started_at().unwrap()), 8);
}

pub(super) async fn no_backoff_outlasts_the_deadline<R: Runtime>(h: Stage<R>) {
    let again = [h.units(4), 2_000.seconds()];
    let builder = h.to::<(), _>().timeout(1_000.seconds());
    let builder = builder.retry(Retry::immediate().attempts(9));
    let task = builder
        .classify(move |made: &usize| Verdict::RetryAfter(again[*made]))
        .run({
            let mut made = 0;
            move || {
                made += 1;
                Err(made - 1)
            }
        });
    let seen = task.task_ref();
    let error = task.await.unwrap_err();
    assert_eq!((error.failure(), seen.attempt()), (Some(&1), 2));
    h.assert_took(seen.ended_at().unwrap().since(seen.started_at().unwrap()), 4);
}

pub(super) async fn no_attempt_begins_after_the_total_time_whoever_sets_the_delay<R: Runtime>(h: Stage<R>) {
    let task = h
        .to::<(), _>()
        .retry(Retry::fixed(1.seconds()).total(500.seconds()))
        .classify(|_: &&str| Verdict::RetryAfter(1_000.seconds()))
        .run(|| Err("busy"));
    let seen = task.task_ref();
    task.await.unwrap_err();
    assert_eq!(seen.attempt(), 1);
}

pub(super) async fn without_delay_it_lets_others_run<R: Runtime>(h: Stage<R>) {
    let over = Arc::new(AtomicBool::new(false));
    let task = h.to::<(), _>().retry(Retry::immediate().attempts(u32::MAX)).run({
        let over = Arc::clone(&over);
        move || {
            if over.load(Ordering::Relaxed) {
                Ok(())
            } else {
                Err("not yet")
            }
        }
    });
    let other = h.to::<(), Infallible>();
    other
        .run(move || over.store(true, Ordering::Relaxed))
        .await
        .unwrap();
    task.await.unwrap();
}

/// The wait would take days.
pub(super) async fn cancelled_between_attempts_it_ends_at_once<R: Runtime>(h: Stage<R>) {
    for level in [Level::Graceful, Level::Kill, Level::KillHard] {
        let (attempts, begun) = (Arc::new(AtomicU32::new(0)), h.runtime().now());
        let task = h.to::<(), _>().retry(Retry::fixed(100.hours()).attempts(3)).run({
            let attempts = Arc::clone(&attempts);
            move || Err(attempts.fetch_add(1, Ordering::Relaxed))
        });
        until(|| task.status() == State::Waiting).await;
        task.cancel(level).unwrap();
        let error = task.await.unwrap_err();
        assert!(error.is_cancelled(), "{error}");
        assert!(h.runtime().now().since(begun) < 100.hours());
        assert_eq!(attempts.load(Ordering::Relaxed), 1);
    }
}

pub(super) async fn attempts_are_counted_past_what_the_word_holds<R: Runtime>(h: Stage<R>) {
    let made = Arc::new(AtomicU32::new(0));
    let task = h.to::<(), _>().retry(Retry::immediate().attempts(70_000)).run({
        let made = Arc::clone(&made);
        move || Err(made.fetch_add(1, Ordering::Relaxed))
    });
    assert_eq!(task.await.unwrap_err().failure(), Some(&69_999));
    assert_eq!(made.load(Ordering::Relaxed), 70_000);
}

pub(super) async fn a_classifier_that_panics_ends_the_task_as_panicked<R: Runtime>(h: Stage<R>) {
    quiet_about_planned_panics();
    let task = h
        .to::<(), _>()
        .retry(Retry::immediate())
        .classify(|_: &&str| -> Verdict { panic!("planned: no idea") })
        .run(|| Err("failed"));
    let seen = task.task_ref();
    let Cause::Panicked(panic) = task.await.unwrap_err().into_cause() else {
        panic!("not a panic")
    };
    assert_eq!(panic.message(), "planned: no idea");
    assert_eq!(seen.status(), State::Panicked);
}

pub(super) async fn a_fallback_replaces_a_failure_and_both_errors_are_kept<R: Runtime>(h: Stage<R>) {
    let replaced = h.to::<u32, _>().fallback(|error| async move {
        assert_eq!(error.failure(), Some(&"primary"));
        Ok(7)
    });
    assert_eq!(replaced.run(|| Err("primary")).await.unwrap(), 7);
    let both = h
        .to::<u32, _>()
        .fallback(|_| Err("secondary"))
        .run(|| Err("primary"));
    let Cause::FallbackFailed { primary, fallback } = both.await.unwrap_err().into_cause() else {
        panic!("one of the errors is lost")
    };
    let failures = (primary.failure(), fallback.failure());
    assert_eq!(failures, (Some(&"primary"), Some(&"secondary")));
}

pub(super) async fn a_fallback_also_serves_a_timeout_and_a_panic<R: Runtime>(h: Stage<R>) {
    quiet_about_planned_panics();
    let at_work = h.clone();
    let late = h
        .to::<u32, Infallible>()
        .timeout(h.units(1))
        .fallback(|error| async move {
            assert!(error.is_timed_out());
            at_work.pass(3).await;
            1
        });
    assert_eq!(late.run(pending::<u32>).await.unwrap(), 1);
    let broken = h.to::<u32, Infallible>().fallback(|_| 2);
    assert_eq!(broken.run(|| -> u32 { panic!("planned") }).await.unwrap(), 2);
}

pub(super) async fn a_fallback_that_panics_at_once_keeps_the_first_error<R: Runtime>(h: Stage<R>) {
    quiet_about_planned_panics();
    let task = h
        .to::<(), _>()
        .fallback(|_| -> Result<(), &str> { panic!("planned: no plan either") })
        .run(|| Err("failed"));
    let Cause::FallbackFailed { primary, fallback } = task.await.unwrap_err().into_cause() else {
        panic!("one of the errors is lost")
    };
    assert_eq!(primary.failure(), Some(&"failed"));
    assert!(fallback.is_panicked());
}

/// The task's own deadline is the work's; the fallback is under that of the parent.
pub(super) async fn a_fallback_that_outlasts_the_inherited_deadline_keeps_both_errors<R: Runtime>(
    h: Stage<R>,
) {
    let (kept, keeps) = async_channel::bounded(1);
    let parent = h.to::<(), Infallible>().timeout(h.units(6)).grace(1.hours());
    let parent = parent.run(move |cx: Context<R>| async move {
        let child = cx.child::<(), &str>().fallback(|_| pending::<Result<(), &str>>());
        let _ = kept.send(child.run(|| Err("failed"))).await;
    });
    let seen = parent.task_ref();
    let child = keeps.recv().await.unwrap();
    let Cause::FallbackFailed { primary, fallback } = child.await.unwrap_err().into_cause() else {
        panic!("one of the errors is lost")
    };
    assert_eq!(primary.failure(), Some(&"failed"));
    let Cause::TimedOut(timed_out) = fallback.cause() else {
        panic!("{fallback}")
    };
    assert_eq!(
        (timed_out.limit, timed_out.deadline_of),
        (Limit::Inherited, seen.id())
    );
    parent.await.unwrap();
}

/// Notes as it wakes whether something had been dropped by then.
struct Witness {
    dropped: Arc<AtomicBool>,
    seen: Mutex<Option<bool>>,
}

impl Wake for Witness {
    fn wake(self: Arc<Self>) {
        let dropped = self.dropped.load(Ordering::Relaxed);
        self.seen.lock().unwrap().get_or_insert(dropped);
    }
}

pub(super) async fn what_work_and_fallback_captured_is_gone_when_the_handle_resolves<R: Runtime>(
    h: Stage<R>,
) {
    for retry in [false, true] {
        let dropped = Arc::new(AtomicBool::new(false));
        let guard = OnDrop({
            let dropped = Arc::clone(&dropped);
            move || dropped.store(true, Ordering::Relaxed)
        });
        let mut task = if retry {
            h.to::<(), _>().retry(Retry::immediate()).run(move || {
                let _captured = &guard;
                Ok::<_, &str>(())
            })
        } else {
            let fallback = move |_| {
                drop(guard);
                Ok(())
            };
            h.to::<(), _>().fallback(fallback).run(|| Ok::<_, &str>(()))
        };
        let witness = Arc::new(Witness {
            dropped: Arc::clone(&dropped),
            seen: Mutex::new(None),
        });
        let waker = Waker::from(Arc::clone(&witness));
        if pin!(&mut task).poll(&mut Polling::from_waker(&waker)).is_ready() {
            // Another thread was faster.
            assert!(dropped.load(Ordering::Relaxed), "retry: {retry}");
            continue;
        }
        until(|| witness.seen.lock().unwrap().is_some()).await;
        assert_eq!(*witness.seen.lock().unwrap(), Some(true), "retry: {retry}");
        task.await.unwrap();
    }
}
