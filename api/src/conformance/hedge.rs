//! A second try beside one that is slow.

use core::convert::Infallible;
use core::future::pending;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use core::time::Duration;
use std::sync::Arc;

use super::Difference;
use super::stage::{Flavour, OnDrop, Stage, sign, until};
use crate::Runtime;
use crate::guard::HedgeError;
use crate::prelude::*;
use crate::task::NoRetry;

fn after<R: Runtime>(h: &Stage<R>, units: u32) -> Hedge {
    Hedge::after(h.units(units)).build().unwrap()
}

/// Counts the tries, and gives each its number, from 1.
fn counted() -> (Arc<AtomicU32>, impl FnMut() -> u32 + Send + 'static) {
    let count = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&count);
    (count, move || counter.fetch_add(1, Ordering::Relaxed) + 1)
}

pub(super) async fn a_second_try_starts_when_the_first_is_slow_and_the_loser_is_gone<R: Runtime>(
    h: Stage<R>,
) {
    let gone = Arc::new(AtomicBool::new(false));
    let (_, mut number) = counted();
    let task = h.to::<u32, Infallible>().hedge(&after(&h, 3)).run({
        let gone = Arc::clone(&gone);
        move || {
            let (number, gone) = (number(), Arc::clone(&gone));
            async move {
                let first = OnDrop(move || gone.store(number == 1, Ordering::Relaxed));
                if number == 1 {
                    pending::<()>().await;
                }
                core::mem::forget(first);
                number
            }
        }
    });
    let seen = task.task_ref();
    assert_eq!(task.await.unwrap(), 2);
    assert!(gone.load(Ordering::Relaxed));
    assert_eq!(seen.attempt(), 1);
    h.assert_took(seen.ended_at().unwrap().since(seen.started_at().unwrap()), 3);
}

pub(super) async fn the_first_may_win_all_the_same<R: Runtime>(h: Stage<R>) {
    let ((begins, begun), (_, mut number)) = (sign(), counted());
    let hedge = Hedge::after(h.units(1)).at_most(3).build().unwrap();
    let task = h.to::<u32, Infallible>().hedge(&hedge).run(move || {
        let (number, begins, begun) = (number(), begins.clone(), begun.clone());
        async move {
            if number == 1 {
                begun.given().await;
                return 1;
            }
            if number == 3 {
                begins.give();
            }
            pending().await
        }
    });
    assert_eq!(task.await.unwrap(), 1);
}

pub(super) async fn a_fast_attempt_and_one_that_fails_have_no_hedge<R: Runtime>(h: Stage<R>) {
    let hedge = Hedge::after(1.hours()).build().unwrap();
    let (count, mut number) = counted();
    let task = h
        .to::<u32, &str>()
        .retry(Retry::immediate().attempts(3))
        .hedge(&hedge);
    let task = task.run(move || {
        let number = number();
        if number < 3 { Err("down") } else { Ok(number) }
    });
    let seen = task.task_ref();
    assert_eq!(task.await.unwrap(), 3);
    assert_eq!((seen.attempt(), count.load(Ordering::Relaxed)), (3, 3));
}

pub(super) async fn both_errors_are_kept_and_the_strictest_verdict_counts<R: Runtime>(h: Stage<R>) {
    for strict in [false, true] {
        let ((begins, begun), (count, mut number)) = (sign(), counted());
        let task = h
            .to::<(), &str>()
            .retry(Retry::immediate().attempts(2))
            .classify(move |error: &&str| {
                if strict && *error == "second" {
                    Verdict::GiveUp
                } else {
                    Verdict::Retry
                }
            });
        let task = task.hedge(&after(&h, 1)).run(move || {
            let (number, begins, begun) = (number(), begins.clone(), begun.clone());
            async move {
                if number % 2 == 1 {
                    begun.given().await;
                    Err("first")
                } else {
                    begins.give();
                    Err("second")
                }
            }
        });
        let error = task.await.unwrap_err();
        assert_eq!(count.load(Ordering::Relaxed), if strict { 2 } else { 4 });
        assert_eq!(
            error.no_retry(),
            Some(if strict {
                NoRetry::Permanent
            } else {
                NoRetry::Attempts
            })
        );
        let text = error.to_string();
        let Cause::HedgesFailed(all) = error.into_cause() else {
            panic!("{text}")
        };
        let mut all: Vec<_> = all
            .into_iter()
            .map(|cause| match cause {
                Cause::Failed(error) => error,
                _ => "another end",
            })
            .collect();
        all.sort_unstable();
        assert_eq!(all, ["first", "second"]);
        assert!(
            text.contains("failed: first") && text.contains("failed: second"),
            "{text}"
        );
    }
}

pub(super) async fn hedges_and_retries_share_a_budget<R: Runtime>(h: Stage<R>) {
    let budget = RetryBudget::builder()
        .percent(0)
        .floor(1, 1.hours())
        .build()
        .unwrap();
    let slow = || {
        let (count, mut number) = counted();
        let retry = Retry::immediate().attempts(2).attempt_timeout(h.units(40));
        let task = h.to::<u32, Infallible>().with_retry_budget(&budget).retry(retry);
        let task = task.hedge(&after(&h, 1)).run(move || {
            let _ = number();
            pending::<u32>()
        });
        (task, count)
    };
    let (task, count) = slow();
    // The hedge takes what there is, and nothing is left for a retry.
    let error = task.await.unwrap_err();
    assert!(error.is_timed_out(), "{error}");
    assert!(matches!(error.no_retry(), Some(NoRetry::Budget(_))), "{error:?}");
    assert_eq!((count.load(Ordering::Relaxed), budget.saved()), (2, 0));
    let (task, count) = slow();
    task.await.unwrap_err();
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

pub(super) async fn no_hedge_starts_after_a_cancellation_or_where_a_guard_refuses<R: Runtime>(h: Stage<R>) {
    let ((arrive, arrived), (count, mut number)) = (sign(), counted());
    let task = h
        .to::<u32, Infallible>()
        .grace(h.units(9))
        .hedge(&after(&h, 3))
        .run(move || {
            let _ = number();
            arrive.give();
            pending::<u32>()
        });
    arrived.given().await;
    task.cancel(Level::Graceful).unwrap();
    task.await.unwrap_err();
    // In real time the cancellation may have come after the hedge.
    assert!(count.load(Ordering::Relaxed) == 1 || h.differs(Difference::RealTime));

    let limit = ConcurrencyLimit::fixed(1).build().unwrap();
    let ((arrive, arrived), (count, mut number)) = (sign(), counted());
    let task = h.to::<u32, Infallible>().with_concurrency_limit(&limit);
    let task = task.hedge(&after(&h, 1)).run(move || {
        let _ = number();
        arrive.give();
        pending::<u32>()
    });
    arrived.given().await;
    h.pass(4).await;
    task.cancel(Level::Kill).unwrap();
    task.await.unwrap_err();
    assert_eq!(
        (count.load(Ordering::Relaxed), limit.in_flight(), limit.waiting()),
        (1, 0, 0)
    );
}

pub(super) async fn guards_are_told_of_each_try<R: Runtime>(h: Stage<R>) {
    let limit = ConcurrencyLimit::fixed(3).build().unwrap();
    let breaker = CircuitBreaker::builder()
        .last_calls(10)
        .minimum_calls(10)
        .build()
        .unwrap();
    let guarded = || {
        let task = h.to::<u32, &str>().with_circuit_breaker(&breaker);
        task.with_concurrency_limit(&limit).hedge(&after(&h, 1))
    };
    let (_, mut number) = counted();
    let won = guarded().run(move || {
        let number = number();
        async move { if number == 1 { pending().await } else { Ok(number) } }
    });
    assert_eq!(won.await.unwrap(), 2);
    // The loser counts as nothing.
    let counts = breaker.counts(h.runtime().now());
    assert_eq!((counts.calls, counts.failed, limit.in_flight()), (1, 0, 0));
    let ((begins, begun), (_, mut number)) = (sign(), counted());
    let lost = guarded().run(move || {
        let (number, begins, begun) = (number(), begins.clone(), begun.clone());
        async move {
            if number == 1 {
                begun.given().await;
            } else {
                begins.give();
            }
            Err("down")
        }
    });
    lost.await.unwrap_err();
    let counts = breaker.counts(h.runtime().now());
    assert_eq!((counts.calls, counts.failed, limit.in_flight()), (3, 2, 0));
    for level in [Level::Graceful, Level::Kill, Level::KillHard] {
        let (arrive, arrived) = sign();
        let (_, mut number) = counted();
        let cut_off = guarded().grace(1.millis()).run(move || {
            if number() == 2 {
                arrive.give();
            }
            pending::<Result<u32, &str>>()
        });
        arrived.given().await;
        cut_off.cancel(level).unwrap();
        cut_off.await.unwrap_err();
        until(|| limit.in_flight() == 0).await;
    }
    assert_eq!(breaker.counts(h.runtime().now()).calls, 3);
}

/// What loses to its hedge counts with the time that it had by then: the percentile does not sink.
pub(super) async fn the_delay_is_what_most_first_tries_take<R: Runtime>(h: Stage<R>) {
    if h.differs(Difference::RealTime) {
        // How long a try takes is the machine's affair.
        return;
    }
    let hedge = Hedge::at_percentile(80, 100.seconds())
        .samples(10)
        .build()
        .unwrap();
    assert_eq!(hedge.delay(), 100.seconds());
    let (_, mut number) = counted();
    let mut call = || {
        let (number, at_work) = (number(), h.clone());
        let task = h.to::<(), Infallible>().hedge(&hedge);
        let mut tries = 0;
        task.run(move || {
            tries += 1;
            // One of five first tries never ends.
            let (hangs, at_work) = (number % 5 == 0 && tries == 1, at_work.clone());
            async move {
                if hangs {
                    pending::<()>().await;
                } else {
                    at_work.pass(2).await;
                }
            }
        })
    };
    for _ in 0..10 {
        call().await.unwrap();
    }
    let measured = hedge.delay();
    assert!(
        measured >= 2.seconds() && measured <= 2_250.millis(),
        "{measured:?}"
    );
    for _ in 0..40 {
        call().await.unwrap();
        assert!(
            hedge.delay() >= 2.seconds() && hedge.delay() <= 2_250.millis(),
            "{hedge:?}"
        );
    }
}

pub(super) fn settings_that_cannot_be_followed_are_refused<R: Runtime>(_: Flavour<R>) {
    for (refused, why) in [
        (Hedge::after(Duration::ZERO), HedgeError::ZeroDelay),
        (Hedge::at_percentile(95, Duration::ZERO), HedgeError::ZeroDelay),
        (Hedge::at_percentile(0, 1.seconds()), HedgeError::Percentile),
        (Hedge::at_percentile(100, 1.seconds()), HedgeError::Percentile),
        (Hedge::after(1.seconds()).samples(0), HedgeError::NoSamples),
        (Hedge::after(1.seconds()).at_most(0), HedgeError::Tries),
        (Hedge::after(1.seconds()).at_most(9), HedgeError::Tries),
    ] {
        assert_eq!(refused.build().unwrap_err(), why);
    }
}
