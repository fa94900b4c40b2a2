//! Limits on how many attempts in a time, at once, and again.

use core::convert::Infallible;
use core::future::pending;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::sync::{Arc, Mutex};

use super::Difference;
use super::stage::{Awaited, Flavour, Sign, Stage, quiet_about_planned_panics, sign, until};
use crate::breaker::State as Breaker;
use crate::guard::{Aimd, BudgetError, Gradient2, LimitError, RateError, Vegas};
use crate::prelude::*;
use crate::task::NoRetry;
use crate::{Moment, Runtime, Task};

/// One in each unit.
fn rate<R: Runtime>(h: &Stage<R>, burst: u32) -> RateLimiter {
    let pace = RateLimiter::builder().rate(1, h.units(1)).burst(burst);
    pace.build().unwrap()
}

fn one_at_a_time() -> ConcurrencyLimit {
    ConcurrencyLimit::fixed(1).build().unwrap()
}

/// A task that has a place until it is told, or stopped.
async fn holder<R: Runtime>(h: &Stage<R>, limit: &ConcurrencyLimit) -> (Task<R, (), Infallible>, Sign) {
    let ((arrive, arrived), (release, gate)): ((Sign, Awaited), (Sign, Awaited)) = (sign(), sign());
    let task = h.to::<(), Infallible>().with_concurrency_limit(limit);
    let task = task.run(move || async move {
        arrive.give();
        gate.given().await;
    });
    arrived.given().await;
    (task, release)
}

/// Time is counted in milliseconds, so that a wait may be shorter by one.
fn assert_about<R: Runtime>(h: &Stage<R>, took: Duration, units: u32) {
    assert!(
        took + 1.millis() >= h.units(units),
        "{took:?} is less than {units} units"
    );
    if !h.differs(Difference::RealTime) {
        assert!(
            took <= h.units(units) + 1.millis(),
            "{took:?} is more than {units} units"
        );
    }
}

pub(super) async fn a_rate_lets_so_many_through_and_the_others_wait_their_turn<R: Runtime>(h: Stage<R>) {
    let pace = rate(&h, 2);
    let from = h.runtime().now();
    let begun: Arc<Mutex<Vec<(usize, Moment)>>> = Arc::default();
    let mut tasks = Vec::new();
    for number in 0..6 {
        let (begins, runtime) = (Arc::clone(&begun), h.runtime());
        let task = h.to::<(), Infallible>().with_rate_limit(&pace);
        let task = task.run(move || begins.lock().unwrap().push((number, runtime.now())));
        // Whoever comes later stands behind it.
        until(|| begun.lock().unwrap().len() + pace.waiting() > number).await;
        tasks.push(task);
    }
    for task in tasks {
        task.await.unwrap();
    }
    let begun = begun.lock().unwrap().clone();
    let since_the_first = |number: usize| begun[number].1.since(begun[0].1);
    if h.differs(Difference::RealTime) {
        // The first may have been let through before it ran.
        assert!(begun[5].1.since(from) + 1.millis() >= h.units(4));
    } else {
        let order: Vec<_> = begun.iter().map(|(number, _)| *number).collect();
        assert_eq!(order, [0, 1, 2, 3, 4, 5]);
        for (number, units) in [(1, 0), (2, 1), (3, 2), (4, 3), (5, 4)] {
            assert_about(&h, since_the_first(number), units);
        }
    }
    assert_eq!(pace.waiting(), 0);
}

pub(super) async fn whoever_may_not_wait_is_told_when_to_come_back<R: Runtime>(h: Stage<R>) {
    let hourly = RateLimiter::builder()
        .rate(1, 1.hours())
        .patience(Patience::Refuse);
    let hourly = hourly.build().unwrap();
    let limited = || h.to::<(), Infallible>().with_rate_limit(&hourly);
    limited().run(|| ()).await.unwrap();
    h.pass(2).await;
    let error = limited().run(|| ()).await.unwrap_err();
    let Cause::RateLimited(refused) = error.cause() else {
        panic!("let through: {error}")
    };
    assert_about(&h, 1.hours().saturating_sub(refused.retry_in), 2);
    assert_eq!(hourly.name(), "");

    let limit = one_at_a_time();
    let (holds, release) = holder(&h, &limit).await;
    let at_once = limit.with_patience(Patience::Refuse);
    let error = h
        .to::<(), Infallible>()
        .with_concurrency_limit(&at_once)
        .run(|| ());
    let Cause::LimitReached(refused) = error.await.unwrap_err().into_cause() else {
        panic!("let through")
    };
    assert_eq!((refused.limit, limit.in_flight()), (1, 1));
    release.give();
    holds.await.unwrap();
    h.to::<(), Infallible>()
        .with_concurrency_limit(&at_once)
        .run(|| ())
        .await
        .unwrap();
}

pub(super) async fn retry_comes_back_when_the_rate_says<R: Runtime>(h: Stage<R>) {
    let pace = rate(&h, 1).with_patience(Patience::Refuse);
    let limited = || h.to::<(), Infallible>().with_rate_limit(&pace);
    limited().run(|| ()).await.unwrap();
    if h.differs(Difference::RealTime) {
        // By now there may be room again.
        return;
    }
    let again = limited().retry(Retry::immediate().attempts(2)).run(|| ());
    let seen = again.task_ref();
    again.await.unwrap();
    assert_eq!(seen.attempt(), 2);
    assert_about(&h, seen.ended_at().unwrap().since(seen.created_at()), 1);
}

pub(super) async fn a_refused_attempt_is_one_of_those_that_are_allowed<R: Runtime>(h: Stage<R>) {
    let limit = one_at_a_time();
    let (holds, release) = holder(&h, &limit).await;
    let task = h.to::<(), Infallible>();
    let task = task.with_concurrency_limit(&limit.with_patience(Patience::Refuse));
    let task = task.retry(Retry::immediate().attempts(3)).run(|| ());
    let seen = task.task_ref();
    let error = task.await.unwrap_err();
    assert!(matches!(error.cause(), Cause::LimitReached(_)), "{error}");
    assert_eq!((seen.attempt(), error.no_retry()), (3, Some(NoRetry::Attempts)));
    release.give();
    holds.await.unwrap();
}

pub(super) async fn nobody_waits_past_a_deadline_or_longer_than_allowed<R: Runtime>(h: Stage<R>) {
    let hourly = RateLimiter::builder().rate(1, 1.hours()).build().unwrap();
    let limited = || h.to::<(), Infallible>().with_rate_limit(&hourly);
    limited().run(|| ()).await.unwrap();
    // The end of the wait is known: it is not begun.
    let task = limited().timeout(10.minutes()).run(|| ());
    let seen = task.task_ref();
    let error = task.await.unwrap_err();
    assert!(matches!(error.cause(), Cause::RateLimited(_)), "{error}");
    if !h.differs(Difference::RealTime) {
        assert_eq!(seen.ended_at().unwrap(), seen.created_at());
    }
    assert_eq!(hourly.waiting(), 0);

    let limit = one_at_a_time();
    let (holds, release) = holder(&h, &limit).await;
    let late = h.to::<(), Infallible>().timeout(h.units(3));
    let late = late.with_concurrency_limit(&limit).run(|| ());
    let seen = late.task_ref();
    let error = late.await.unwrap_err();
    assert!(error.is_timed_out(), "{error}");
    h.assert_took(seen.ended_at().unwrap().since(seen.created_at()), 3);
    let brief = limit.with_patience(Patience::UpTo(h.units(2)));
    let brief = h.to::<(), Infallible>().with_concurrency_limit(&brief).run(|| ());
    let seen = brief.task_ref();
    let error = brief.await.unwrap_err();
    assert!(matches!(error.cause(), Cause::LimitReached(_)), "{error}");
    h.assert_took(seen.ended_at().unwrap().since(seen.created_at()), 2);
    assert_eq!((limit.waiting(), limit.in_flight()), (0, 1));
    release.give();
    holds.await.unwrap();
}

pub(super) async fn who_leaves_the_line_lets_the_next_one_try<R: Runtime>(h: Stage<R>) {
    let waiting = |limit: &ConcurrencyLimit| {
        let waits = h.to::<(), Infallible>().with_concurrency_limit(limit);
        waits.run(|| ())
    };
    for level in [Level::Graceful, Level::Kill, Level::KillHard] {
        let limit = one_at_a_time();
        let (holds, release) = holder(&h, &limit).await;
        let first = waiting(&limit);
        until(|| limit.waiting() == 1).await;
        let second = waiting(&limit);
        until(|| limit.waiting() == 2).await;
        first.cancel(level).unwrap();
        assert!(first.await.unwrap_err().is_cancelled(), "{level}");
        until(|| limit.waiting() == 1).await;
        assert_eq!(second.status(), State::Running);
        release.give();
        second.await.unwrap();
        holds.await.unwrap();
        assert_eq!((limit.in_flight(), limit.waiting()), (0, 0), "{level}");
    }
    // The first in line knows when there is room; the second learns it as the first leaves.
    let pace = rate(&h, 1);
    let limited = || h.to::<(), Infallible>().with_rate_limit(&pace).run(|| ());
    limited().await.unwrap();
    let hopeless = h.to::<(), Infallible>().timeout(1.hours()).with_rate_limit(&pace);
    let (first, second) = (hopeless.run(|| ()), limited());
    let _ = first.cancel(Level::Kill);
    second.await.unwrap();
    let _ = first.await;
    until(|| pace.waiting() == 0).await;
}

pub(super) async fn a_place_is_free_again_whatever_the_end<R: Runtime>(h: Stage<R>) {
    quiet_about_planned_panics();
    let limit = one_at_a_time();
    let limited = || h.to::<(), &str>().with_concurrency_limit(&limit);
    limited().run(|| Ok(())).await.unwrap();
    limited().run(|| Err("failed")).await.unwrap_err();
    limited()
        .run(|| -> Result<(), &str> { panic!("planned") })
        .await
        .unwrap_err();
    let late = limited().timeout(h.units(1)).run(pending::<Result<(), &str>>);
    late.await.unwrap_err();
    for level in [Level::Graceful, Level::Kill, Level::KillHard] {
        let (arrive, arrived) = sign();
        let task = limited().grace(1.millis()).run(move || async move {
            arrive.give();
            pending::<Result<(), &str>>().await
        });
        arrived.given().await;
        assert_eq!(limit.in_flight(), 1);
        task.cancel(level).unwrap();
        task.await.unwrap_err();
        until(|| limit.in_flight() == 0).await;
    }
    limited().run(|| Ok(())).await.unwrap();
}

pub(super) async fn never_more_run_at_once_and_all_places_come_back<R: Runtime>(h: Stage<R>) {
    let limit = ConcurrencyLimit::fixed(3).build().unwrap();
    let (now, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let tasks: Vec<_> = (0..200)
        .map(|number: u32| {
            let (now, most, at_work) = (Arc::clone(&now), Arc::clone(&most), h.clone());
            let task = h.to::<(), Infallible>().with_concurrency_limit(&limit);
            let task = task.run(move || async move {
                let in_flight = now.fetch_add(1, Ordering::Relaxed) + 1;
                most.fetch_max(in_flight, Ordering::Relaxed);
                at_work.turn().await;
                now.fetch_sub(1, Ordering::Relaxed);
            });
            if number % 5 == 4 {
                // Waiting or not begun; one that runs already is told and finishes.
                let _ = task.cancel(Level::Graceful);
            }
            task
        })
        .collect();
    for task in tasks {
        let _ = task.await;
    }
    assert!(most.load(Ordering::Relaxed) <= 3);
    assert_eq!((limit.in_flight(), limit.waiting()), (0, 0));
}

pub(super) async fn the_breaker_is_asked_first_and_nothing_is_taken_for_nothing<R: Runtime>(h: Stage<R>) {
    let breaker = CircuitBreaker::builder()
        .consecutive_failures(1)
        .open_for(h.units(4));
    let breaker = breaker.probe_lease(1.hours()).build().unwrap();
    let hourly = RateLimiter::builder()
        .rate(1, 1.hours())
        .patience(Patience::Refuse);
    let (hourly, limit) = (hourly.build().unwrap(), one_at_a_time());
    let guarded = || {
        let builder = h.to::<(), &str>().with_rate_limit(&hourly);
        builder
            .with_concurrency_limit(&limit)
            .with_circuit_breaker(&breaker)
    };
    breaker.force_open();
    let error = guarded().run(|| Ok(())).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::CircuitOpen(_)), "{error}");
    assert_eq!((hourly.available(h.runtime().now()), limit.in_flight()), (1, 0));
    breaker.auto();
    guarded().run(|| Err("down")).await.unwrap_err();
    assert_eq!((breaker.state(), limit.in_flight()), (Breaker::Open, 0));
    h.pass(5).await;
    // A probe that the rate refuses gives its ticket and its place back.
    let error = guarded().run(|| Ok(())).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::RateLimited(_)), "{error}");
    assert_eq!((breaker.state(), limit.in_flight()), (Breaker::HalfOpen, 0));
    let probe = h.to::<(), &str>().with_circuit_breaker(&breaker);
    probe.with_concurrency_limit(&limit).run(|| Ok(())).await.unwrap();
    assert_eq!(breaker.state(), Breaker::Closed);
}

pub(super) async fn whoever_has_waited_asks_the_breaker_again<R: Runtime>(h: Stage<R>) {
    let (breaker, limit) = (CircuitBreaker::builder().build().unwrap(), one_at_a_time());
    let (holds, release) = holder(&h, &limit).await;
    let waits = h.to::<(), Infallible>().with_concurrency_limit(&limit);
    let waits = waits.with_circuit_breaker(&breaker).run(|| ());
    until(|| limit.waiting() == 1).await;
    breaker.force_open();
    release.give();
    let error = waits.await.unwrap_err();
    assert!(matches!(error.cause(), Cause::CircuitOpen(_)), "{error}");
    holds.await.unwrap();
    assert_eq!((limit.in_flight(), limit.waiting()), (0, 0));
}

pub(super) async fn a_limit_learns_from_overload_and_not_from_other_failures<R: Runtime>(h: Stage<R>) {
    let learned = |law: crate::guard::Law| ConcurrencyLimit::learned(law).start(100).build().unwrap();
    for limit in [
        learned(Aimd::new().into()),
        learned(Vegas::new().into()),
        learned(Gradient2::new().into()),
    ] {
        let limited = || {
            let builder = h.to::<(), &str>().with_concurrency_limit(&limit);
            let builder = builder.retry(Retry::immediate().attempts(1).attempt_timeout(h.units(1)));
            builder.classify(|error: &&str| match *error {
                "busy" => Verdict::RetryAfter(Duration::ZERO),
                _ => Verdict::Retry,
            })
        };
        limited().run(|| Err("not found")).await.unwrap_err();
        assert_eq!(limit.limit(), 100, "{limit:?}");
        limited().run(|| Err("busy")).await.unwrap_err();
        assert!(limit.limit() < 100, "{limit:?}");
        // Drops within one round are one event; a round later a timeout is another.
        for _ in 0..120 {
            limited().run(|| Ok(())).await.unwrap();
        }
        let before = limit.limit();
        limited().run(pending::<Result<(), &str>>).await.unwrap_err();
        assert!(limit.limit() < before, "{limit:?}");
    }
}

pub(super) async fn a_budget_bounds_retries_when_everything_fails<R: Runtime>(h: Stage<R>) {
    let budget = RetryBudget::builder()
        .percent(20)
        .floor(0, Duration::ZERO)
        .build()
        .unwrap();
    let calls = Arc::new(AtomicU32::new(0));
    let mut refused = 0;
    for _ in 0..100 {
        let calls = Arc::clone(&calls);
        let task = h.to::<(), _>().with_retry_budget(&budget);
        let task = task.retry(Retry::immediate().attempts(4)).run(move || {
            calls.fetch_add(1, Ordering::Relaxed);
            Err("down")
        });
        let error = task.await.unwrap_err();
        assert_eq!(error.failure(), Some(&"down"));
        match error.no_retry() {
            Some(NoRetry::Budget(spent)) => {
                assert!(spent.calls.is_some_and(|calls| calls <= 5));
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((calls.load(Ordering::Relaxed), refused), (120, 100));
}

pub(super) async fn trying_again_after_a_guard_refused_draws_nothing<R: Runtime>(h: Stage<R>) {
    let budget = RetryBudget::builder()
        .percent(0)
        .floor(1, 1.hours())
        .build()
        .unwrap();
    let limit = one_at_a_time();
    let (holds, release) = holder(&h, &limit).await;
    let builder = h.to::<(), &str>().with_retry_budget(&budget);
    let builder = builder.with_concurrency_limit(&limit.with_patience(Patience::Refuse));
    let error = builder
        .clone()
        .retry(Retry::immediate().attempts(5))
        .run(|| Ok(()));
    assert_eq!(error.await.unwrap_err().no_retry(), Some(NoRetry::Attempts));
    assert_eq!(budget.saved(), 1);
    release.give();
    holds.await.unwrap();
    let error = builder.retry(Retry::immediate().attempts(5)).run(|| Err("down"));
    let error = error.await.unwrap_err();
    assert!(matches!(error.no_retry(), Some(NoRetry::Budget(_))), "{error:?}");
    assert_eq!((error.attempt(), budget.saved()), (2, 0));
}

pub(super) async fn the_floor_of_a_budget_comes_back_in_each_period<R: Runtime>(h: Stage<R>) {
    let budget = RetryBudget::builder()
        .percent(0)
        .floor(2, h.units(10))
        .build()
        .unwrap();
    let fail = || {
        let task = h.to::<(), _>().with_retry_budget(&budget);
        task.retry(Retry::immediate().attempts(9)).run(|| Err("down"))
    };
    let first = fail().await.unwrap_err().attempt();
    // In real time a period may begin in the middle.
    assert!(first == 3 || h.differs(Difference::RealTime), "{first}");
    h.pass(10).await;
    let again = fail().await.unwrap_err().attempt();
    assert!(
        again == 3 || (again > 3 && h.differs(Difference::RealTime)),
        "{again}"
    );
}

pub(super) async fn an_error_says_why_it_was_not_tried_again<R: Runtime>(h: Stage<R>) {
    let fail = |retry: Retry, timeout: Duration| {
        let task = h.to::<(), &str>().timeout(timeout).retry(retry);
        task.classify(|error: &&str| {
            if *error == "gone" {
                Verdict::GiveUp
            } else {
                Verdict::Retry
            }
        })
    };
    let why = |error: TaskError<&'static str>| error.no_retry();
    let hour = 1.hours();
    let at_once = Retry::immediate().attempts(2);
    assert_eq!(
        why(fail(at_once, hour).run(|| Err("down")).await.unwrap_err()),
        Some(NoRetry::Attempts)
    );
    assert_eq!(
        why(fail(at_once, hour).run(|| Err("gone")).await.unwrap_err()),
        Some(NoRetry::Permanent)
    );
    let slow = Retry::fixed(2.hours());
    assert_eq!(
        why(fail(slow, hour).run(|| Err("down")).await.unwrap_err()),
        Some(NoRetry::Deadline)
    );
    let slow = slow.total(1.hours());
    assert_eq!(
        why(fail(slow, hour).run(|| Err("down")).await.unwrap_err()),
        Some(NoRetry::TotalTime)
    );
    let once = h.to::<(), _>().run(|| Err("down")).await.unwrap_err();
    assert_eq!(why(once), None);
}

pub(super) fn settings_that_cannot_be_followed_are_refused<R: Runtime>(_: Flavour<R>) {
    let rate = RateLimiter::builder;
    assert_eq!(rate().build().unwrap_err(), RateError::NoRate);
    assert_eq!(
        rate().rate(10_000, 1.seconds()).burst(9).build().unwrap_err(),
        RateError::BurstTooSmall { least: 10 }
    );
    for refused in [
        rate().rate(0, 1.seconds()),
        rate().rate(1, Duration::ZERO),
        rate().rate(1, Duration::MAX),
    ] {
        assert!(matches!(refused.build().unwrap_err(), RateError::Quota(_)));
    }
    assert!(rate().rate(1, 1.seconds()).burst(0).build().is_err());
    assert!(rate().rate(10_000, 1.seconds()).build().is_ok());
    assert!(matches!(
        ConcurrencyLimit::fixed(0).build().unwrap_err(),
        LimitError::Bounds(_)
    ));
    assert_eq!(
        ConcurrencyLimit::fixed(5).start(4).build().unwrap_err(),
        LimitError::Fixed
    );
    assert_eq!(
        ConcurrencyLimit::fixed(5).between(1, 9).build().unwrap_err(),
        LimitError::Fixed
    );
    let learned = || ConcurrencyLimit::learned(Aimd::new());
    for refused in [
        learned().start(0),
        learned().between(20, 30),
        learned().between(0, 30),
        learned().between(1, 40_000),
    ] {
        assert!(matches!(refused.build().unwrap_err(), LimitError::Bounds(_)));
    }
    let budget = RetryBudget::builder;
    for (refused, why) in [
        (budget().most(0), BudgetError::NothingSaved),
        (
            budget().percent(0).floor(0, 1.seconds()),
            BudgetError::NothingSaved,
        ),
        (budget().percent(1_001), BudgetError::ShareTooLarge),
        (
            budget().most(5).floor(6, 1.seconds()),
            BudgetError::FloorAboveMost,
        ),
        (budget().floor(1, Duration::ZERO), BudgetError::ZeroPeriod),
    ] {
        assert_eq!(refused.build().unwrap_err(), why);
    }
}
