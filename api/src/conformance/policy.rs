//! Guards and retries under one name: for tasks, and for calls inside a task.

use core::convert::Infallible;
use core::future::{pending, ready};
use core::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

use super::stage::{Stage, quiet_about_planned_panics, sign, until};
use crate::breaker::State as Breaker;
use crate::prelude::*;
use crate::task::{Invalid, Limit, NoRetry};
use crate::{Context, Runtime};

struct Kit {
    breaker: CircuitBreaker,
    limit: ConcurrencyLimit,
    budget: RetryBudget,
}

impl Kit {
    fn new() -> Self {
        let budget = RetryBudget::builder().percent(0).floor(2, 1.hours());
        Self {
            breaker: CircuitBreaker::builder()
                .consecutive_failures(3)
                .open_for(1.hours())
                .build()
                .unwrap(),
            limit: ConcurrencyLimit::fixed(1).build().unwrap(),
            budget: budget.build().unwrap(),
        }
    }

    fn policy(&self, retry: Retry) -> Policy {
        let policy = Policy::builder()
            .name("search")
            .retry(retry)
            .circuit_breaker(&self.breaker);
        let policy = policy.concurrency_limit(&self.limit).retry_budget(&self.budget);
        policy.build().unwrap()
    }
}

/// The same policy, given to a task and called inside one, does the same.
pub(super) async fn tasks_and_calls_are_treated_alike<R: Runtime>(h: Stage<R>) {
    for called in [false, true] {
        let kit = Kit::new();
        let retry = Retry::exponential(h.units(2)).attempts(9);
        let policy = kit.policy(retry);
        assert_eq!(policy.name(), "search");
        let calls = Arc::new(AtomicU32::new(0));
        let work = {
            let calls = Arc::clone(&calls);
            move || ready(Err::<(), _>(calls.fetch_add(1, Ordering::Relaxed)))
        };
        let from = h.runtime().now();
        let task = if called {
            let policy = policy.clone();
            h.to::<(), TaskError<u32>>()
                .run(move |cx: Context<R>| async move { policy.call(&cx, work).await })
        } else {
            let task = h.to::<(), u32>().with_policy(&policy).run(work);
            h.to::<(), TaskError<u32>>().run(move || task)
        };
        let seen = task.task_ref();
        let Cause::Failed(error) = task.await.unwrap_err().into_cause() else {
            panic!("another end")
        };
        // The first, and two from the budget; the third failure opens the breaker.
        assert_eq!(
            (error.failure(), error.attempt()),
            (Some(&2), 3),
            "called: {called}"
        );
        assert!(matches!(error.no_retry(), Some(NoRetry::Budget(_))), "{error:?}");
        assert_eq!((kit.breaker.state(), kit.limit.in_flight()), (Breaker::Open, 0));
        h.assert_took(seen.ended_at().unwrap().since(from), 2 + 4);

        // One that is forced open does not say when to come back.
        kit.breaker.force_open();
        let refused = if called {
            h.to::<(), TaskError<u32>>()
                .run(move |cx: Context<R>| async move { policy.call(&cx, || ready(Ok(()))).await })
        } else {
            let task = h.to::<(), u32>().with_policy(&policy).run(|| Ok(()));
            h.to::<(), TaskError<u32>>().run(move || task)
        };
        let Cause::Failed(error) = refused.await.unwrap_err().into_cause() else {
            panic!("another end")
        };
        assert!(matches!(error.cause(), Cause::CircuitOpen(_)), "{error}");
    }
}

pub(super) async fn a_policy_serves_several_tasks_and_keeps_what_they_had<R: Runtime>(h: Stage<R>) {
    let kit = Kit::new();
    let policy = kit.policy(Retry::immediate().attempts(2));
    let own = CircuitBreaker::builder().build().unwrap();
    own.force_open();
    for _ in 0..3 {
        let task = h.to::<u32, Infallible>().with_policy(&policy).run(|| 1);
        assert_eq!(task.await.unwrap(), 1);
    }
    let plain = Policy::builder().build().unwrap();
    let kept = h
        .to::<u32, Infallible>()
        .with_circuit_breaker(&own)
        .with_policy(&plain);
    let error = kept.run(|| 1).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::CircuitOpen(_)), "{error}");
    let bad = Policy::builder().retry(Retry::immediate().attempts(0)).build();
    assert_eq!(bad.unwrap_err(), Invalid::ZeroAttempts);
}

pub(super) async fn a_call_classifies_and_limits_its_attempts<R: Runtime>(h: Stage<R>) {
    let later = h.units(7);
    let retry = Retry::fixed(h.units(1)).attempts(9).attempt_timeout(h.units(3));
    let policy = Policy::builder()
        .retry(retry)
        .classify(move |error: &&str| match *error {
            "busy" => Verdict::RetryAfter(later),
            _ => Verdict::GiveUp,
        });
    let policy = policy.build().unwrap();
    let task = h
        .to::<u32, TaskError<&str>>()
        .run(move |cx: Context<R>| async move {
            let mut made = 0;
            let call = policy.call(&cx, || {
                made += 1;
                let number = made;
                async move {
                    match number {
                        1 => Err("busy"),
                        2 => pending().await,
                        _ => Ok(number),
                    }
                }
            });
            let answer = call.await?;
            let error = policy
                .call(&cx, || ready(Err::<(), _>("gone")))
                .await
                .unwrap_err();
            assert_eq!(
                (error.failure(), error.no_retry()),
                (Some(&"gone"), Some(NoRetry::Permanent))
            );
            assert_eq!((error.task(), error.attempt()), (Some(cx.id()), 1));
            Ok(answer)
        });
    let seen = task.task_ref();
    assert_eq!(task.await.unwrap(), 3);
    // Seven as it was asked, three of the attempt that hung, one of backoff.
    h.assert_took(
        seen.ended_at().unwrap().since(seen.started_at().unwrap()),
        7 + 3 + 1,
    );
}

/// For a task and for a call, whose first try never ends.
pub(super) async fn a_policy_with_a_hedge_starts_a_second_try<R: Runtime>(h: Stage<R>) {
    for called in [false, true] {
        let limit = ConcurrencyLimit::fixed(2).build().unwrap();
        let budget = RetryBudget::builder()
            .percent(0)
            .floor(1, 1.hours())
            .build()
            .unwrap();
        let hedge = Hedge::after(h.units(3)).build().unwrap();
        let policy = Policy::builder().hedge(&hedge).concurrency_limit(&limit);
        let policy = policy.retry_budget(&budget).build().unwrap();
        let calls = Arc::new(AtomicU32::new(0));
        let work = {
            let calls = Arc::clone(&calls);
            move || {
                let number = calls.fetch_add(1, Ordering::Relaxed) + 1;
                async move {
                    if number == 1 {
                        pending::<()>().await;
                    }
                    Ok::<_, &str>(number)
                }
            }
        };
        let seen;
        let answer = if called {
            let policy = policy.clone();
            let task = h.to::<u32, TaskError<&str>>();
            let task = task.run(move |cx: Context<R>| async move { policy.call(&cx, work).await });
            seen = task.task_ref();
            task.await.unwrap()
        } else {
            let task = h.to::<u32, &str>().with_policy(&policy).run(work);
            seen = task.task_ref();
            task.await.unwrap()
        };
        assert_eq!(
            (answer, calls.load(Ordering::Relaxed)),
            (2, 2),
            "called: {called}"
        );
        assert_eq!((limit.in_flight(), budget.saved()), (0, 0), "called: {called}");
        h.assert_took(seen.ended_at().unwrap().since(seen.started_at().unwrap()), 3);
    }
}

pub(super) async fn a_hedged_call_that_is_cut_off_or_fails_gives_everything_back<R: Runtime>(h: Stage<R>) {
    let kit = Kit::new();
    let hedge = Hedge::after(1.hours()).build().unwrap();
    let policy = Policy::builder()
        .hedge(&hedge)
        .retry(Retry::immediate().attempts(2));
    let policy = policy.circuit_breaker(&kit.breaker).concurrency_limit(&kit.limit);
    let policy = policy.classify(|_: &u32| Verdict::Retry).build().unwrap();
    let task = h.to::<(), TaskError<u32>>().run({
        let (policy, calls) = (policy.clone(), AtomicU32::new(0));
        move |cx: Context<R>| async move {
            let work = || ready(Err::<(), _>(calls.fetch_add(1, Ordering::Relaxed) + 1));
            policy.call(&cx, work).await
        }
    });
    let Cause::Failed(error) = task.await.unwrap_err().into_cause() else {
        panic!("another end")
    };
    assert_eq!(
        (error.failure(), error.no_retry()),
        (Some(&2), Some(NoRetry::Attempts))
    );
    assert_eq!((kit.breaker.state(), kit.limit.in_flight()), (Breaker::Closed, 0));

    let (arrive, arrived) = sign();
    let task = h.to::<(), TaskError<u32>>();
    let task = task.run(move |cx: Context<R>| async move {
        let work = || {
            arrive.give();
            pending::<Result<(), u32>>()
        };
        policy.call(&cx, work).await
    });
    arrived.given().await;
    assert_eq!(kit.limit.in_flight(), 1);
    task.cancel(Level::Kill).unwrap();
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!((kit.breaker.state(), kit.limit.in_flight()), (Breaker::Closed, 0));
}

pub(super) async fn no_wait_of_a_call_outlasts_the_deadline<R: Runtime>(h: Stage<R>) {
    let policy = Policy::builder().retry(Retry::fixed(2.hours())).build().unwrap();
    let task = h.to::<(), TaskError<&str>>().timeout(1.hours());
    let task = task.run(move |cx: Context<R>| async move { policy.call(&cx, || ready(Err("down"))).await });
    let Cause::Failed(error) = task.await.unwrap_err().into_cause() else {
        panic!("another end")
    };
    assert_eq!(error.no_retry(), Some(NoRetry::Deadline));

    let retry = Retry::fixed(1.seconds())
        .total(1.minutes())
        .attempt_timeout(h.units(1));
    let policy = Policy::builder().retry(retry.attempts(1)).build().unwrap();
    let task = h
        .to::<(), TaskError<Infallible>>()
        .run(move |cx: Context<R>| async move { policy.call(&cx, pending::<Result<(), Infallible>>).await });
    let Cause::Failed(error) = task.await.unwrap_err().into_cause() else {
        panic!("another end")
    };
    let Cause::TimedOut(timed_out) = error.cause() else {
        panic!("{error}")
    };
    assert_eq!(timed_out.limit, Limit::Attempt);
}

/// Wherever a call is cut off, everything comes back: in its attempt, in line, and between attempts.
pub(super) async fn a_call_that_is_cut_off_gives_everything_back<R: Runtime>(h: Stage<R>) {
    for level in [Level::Graceful, Level::Kill, Level::KillHard] {
        let kit = Kit::new();
        let policy = kit.policy(Retry::fixed(1.hours()));
        let call = |failing: bool| {
            let (policy, (arrive, arrived)) = (policy.clone(), sign());
            let task = h.to::<(), TaskError<&str>>().grace(1.millis());
            let task = task.run(move |cx: Context<R>| async move {
                let work = || {
                    arrive.give();
                    async move { if failing { Err("down") } else { pending().await } }
                };
                policy.call(&cx, work).await
            });
            (task, arrived)
        };
        let (holds, arrived) = call(false);
        arrived.given().await;
        let (waits, _) = call(false);
        until(|| kit.limit.waiting() == 1).await;
        waits.cancel(level).unwrap();
        assert!(waits.await.unwrap_err().is_cancelled(), "{level}");
        until(|| kit.limit.waiting() == 0).await;
        holds.cancel(level).unwrap();
        holds.await.unwrap_err();
        until(|| kit.limit.in_flight() == 0).await;
        // It waits an hour for its next attempt.
        let (backs_off, arrived) = call(true);
        arrived.given().await;
        until(|| kit.limit.in_flight() == 0).await;
        backs_off.cancel(level).unwrap();
        let error = backs_off.await.unwrap_err();
        assert!(error.is_cancelled(), "{error}");
        assert_eq!((kit.breaker.state(), kit.limit.waiting()), (Breaker::Closed, 0));
    }
}

pub(super) async fn a_call_in_a_task_that_was_told_to_stop_is_made_once<R: Runtime>(h: Stage<R>) {
    let kit = Kit::new();
    let policy = kit.policy(Retry::immediate());
    let (arrive, arrived) = sign();
    let task = h.to::<u32, TaskError<u32>>().grace(1.hours());
    let task = task.run(move |cx: Context<R>| async move {
        arrive.give();
        cx.cancelled().await;
        let kept = policy.call(&cx, || ready(Ok(1))).await?;
        let error = policy.call(&cx, || ready(Err::<u32, _>(2))).await.unwrap_err();
        let Cause::Cancelled { error, .. } = error.into_cause() else {
            panic!("tried again")
        };
        Ok(kept + error.unwrap())
    });
    arrived.given().await;
    task.cancel(Level::Graceful).unwrap();
    assert_eq!(task.await.unwrap(), 3);
    assert_eq!(kit.budget.saved(), 2);
}

pub(super) async fn what_a_call_panics_with_ends_the_task_and_is_a_failure<R: Runtime>(h: Stage<R>) {
    quiet_about_planned_panics();
    let breaker = CircuitBreaker::builder().consecutive_failures(1).build().unwrap();
    let policy = Policy::builder().circuit_breaker(&breaker).build().unwrap();
    let task = h.to::<(), TaskError<Infallible>>();
    let task =
        task.run(move |cx: Context<R>| async move { policy.call(&cx, || async { panic!("planned") }).await });
    assert!(task.await.unwrap_err().is_panicked());
    assert_eq!(breaker.state(), Breaker::Open);
}
