//! A circuit breaker changes what tasks do.

use core::convert::Infallible;
use core::future::pending;
use core::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

use super::Difference;
use super::stage::{Flavour, Stage, quiet_about_planned_panics, sign, until};
use crate::Runtime;
use crate::breaker::{BreakerError, CircuitBreakerBuilder, State as Breaker};
use crate::prelude::*;

fn breaker<R: Runtime>(h: &Stage<R>) -> CircuitBreaker {
    CircuitBreaker::builder()
        .consecutive_failures(3)
        .open_for(h.units(10))
        .probe_lease(h.units(5))
        .build()
        .unwrap()
}

async fn fail<R: Runtime>(h: &Stage<R>, breaker: &CircuitBreaker) -> TaskError<&'static str> {
    let work = || async { Err::<(), _>("down") };
    let guarded = h.to::<(), _>().with_circuit_breaker(breaker);
    guarded.run(work).await.unwrap_err()
}

/// The same program with and without a breaker: without one every call reaches the other side.
pub(super) async fn it_keeps_calls_away<R: Runtime>(h: Stage<R>) {
    for guarded in [false, true] {
        let breaker = CircuitBreaker::builder()
            .consecutive_failures(3)
            .open_for(1_000.seconds());
        let (breaker, reached) = (breaker.build().unwrap(), Arc::new(AtomicU32::new(0)));
        for _ in 0..10 {
            let reached = Arc::clone(&reached);
            let builder = h.to::<(), _>();
            let builder = if guarded {
                builder.with_circuit_breaker(&breaker)
            } else {
                builder
            };
            let work = move || async move {
                reached.fetch_add(1, Ordering::Relaxed);
                Err("down")
            };
            builder.run(work).await.unwrap_err();
        }
        assert_eq!(reached.load(Ordering::Relaxed), if guarded { 3 } else { 10 });
    }
}

pub(super) async fn a_refusal_says_when_to_come_back<R: Runtime>(h: Stage<R>) {
    let breaker = CircuitBreaker::builder()
        .consecutive_failures(3)
        .open_for(1_000.seconds());
    let breaker = breaker.build().unwrap();
    for _ in 0..3 {
        assert_eq!(fail(&h, &breaker).await.failure(), Some(&"down"));
    }
    assert_eq!(breaker.state(), Breaker::Open);
    h.pass(4).await;
    let Cause::CircuitOpen(open) = fail(&h, &breaker).await.into_cause() else {
        panic!("let through")
    };
    let passed = 1_000.seconds().saturating_sub(open.retry_in.unwrap());
    h.assert_took(passed, 4);
    breaker.force_open();
    let Cause::CircuitOpen(open) = fail(&h, &breaker).await.into_cause() else {
        panic!("let through")
    };
    assert_eq!(open.retry_in, None);
}

pub(super) async fn retry_waits_as_long_as_it_says<R: Runtime>(h: Stage<R>) {
    let breaker = breaker(&h);
    while breaker.state() != Breaker::Open {
        fail(&h, &breaker).await;
    }
    let retry = Retry::immediate().attempts(2);
    let task = h.to::<u32, _>().with_circuit_breaker(&breaker).retry(retry);
    let task = task.run(|| Ok::<_, &str>(1));
    let seen = task.task_ref();
    assert_eq!(task.await.unwrap(), 1);
    if !h.differs(Difference::RealTime) {
        h.assert_took(seen.ended_at().unwrap().since(seen.created_at()), 10);
    }
    assert_eq!(breaker.state(), Breaker::Closed);
}

pub(super) async fn a_probe_that_is_cancelled_or_dropped_gives_its_place_back<R: Runtime>(h: Stage<R>) {
    let breaker = CircuitBreaker::builder()
        .consecutive_failures(3)
        .open_for(h.units(10));
    let breaker = breaker.probe_lease(1_000.seconds()).build().unwrap();
    for _ in 0..3 {
        fail(&h, &breaker).await;
    }
    h.pass(10).await;
    for level in [Level::Graceful, Level::Kill, Level::KillHard] {
        let (arrive, arrived) = sign();
        let probe = h
            .to::<(), Infallible>()
            .grace(1.millis())
            .with_circuit_breaker(&breaker);
        let probe = probe.run(move || async move {
            arrive.give();
            pending::<()>().await;
        });
        arrived.given().await;
        assert_eq!((probe.attempt(), breaker.state()), (1, Breaker::HalfOpen));
        probe.cancel(level).unwrap();
        let seen = probe.task_ref();
        probe.await.unwrap_err();
        // A hard kill resolves the handle before the driver has let go.
        until(|| seen.ended_at().is_some()).await;
    }
    let well = h.to::<(), Infallible>().with_circuit_breaker(&breaker);
    well.run(|| ()).await.unwrap();
    assert_eq!(breaker.state(), Breaker::Closed);
}

pub(super) async fn a_probe_that_hangs_gives_its_place_back_when_its_lease_ends<R: Runtime>(h: Stage<R>) {
    let breaker = breaker(&h);
    for _ in 0..3 {
        fail(&h, &breaker).await;
    }
    h.pass(10).await;
    let (arrive, arrived) = sign();
    let hung = h
        .to::<(), Infallible>()
        .with_circuit_breaker(&breaker)
        .run(move || async move {
            arrive.give();
            pending::<()>().await;
        });
    arrived.given().await;
    if !h.differs(Difference::RealTime) {
        // In real time the lease may have ended by now.
        assert!(matches!(fail(&h, &breaker).await.cause(), Cause::CircuitOpen(_)));
    }
    h.pass(7).await;
    let well = h.to::<(), Infallible>().with_circuit_breaker(&breaker);
    well.run(|| ()).await.unwrap();
    assert_eq!(breaker.state(), Breaker::Closed);
    hung.detach();
}

pub(super) async fn a_panic_a_timeout_and_slowness_count<R: Runtime>(h: Stage<R>) {
    quiet_about_planned_panics();
    let breaker = CircuitBreaker::builder().consecutive_failures(2).build().unwrap();
    let guarded = || h.to::<(), Infallible>().with_circuit_breaker(&breaker);
    guarded().run(|| -> () { panic!("planned") }).await.unwrap_err();
    // In real time a deadline may also pass before the breaker was asked.
    while breaker.state() == Breaker::Closed {
        let late = guarded().timeout(h.units(1)).run(pending::<()>);
        assert!(late.await.unwrap_err().is_timed_out());
    }
    assert_eq!(breaker.state(), Breaker::Open);

    let slow = CircuitBreaker::builder()
        .last_calls(4)
        .minimum_calls(4)
        .slow_after(h.units(4))
        .slow_rate(50)
        .build()
        .unwrap();
    // Two of four are slow for certain; the others may be, on a busy machine.
    for units in [0, 8, 0, 8] {
        assert_eq!(slow.state(), Breaker::Closed);
        let at_work = h.clone();
        let task = h.to::<(), Infallible>().with_circuit_breaker(&slow);
        task.run(move || async move { at_work.pass(units).await })
            .await
            .unwrap();
    }
    assert_eq!(slow.state(), Breaker::Open);
}

pub(super) async fn the_window_slides_however_many_successes_came_before<R: Runtime>(h: Stage<R>) {
    let by_time = if h.differs(Difference::RealTime) {
        // How many calls a window in real time holds is the machine's affair.
        None
    } else {
        Some(CircuitBreaker::builder().last(10.seconds()))
    };
    for builder in [Some(CircuitBreaker::builder().last_calls(20)), by_time]
        .into_iter()
        .flatten()
    {
        let breaker = builder.failure_rate(50).minimum_calls(10).build().unwrap();
        for _ in 0..5_000 {
            let guarded = h.to::<(), Infallible>().with_circuit_breaker(&breaker);
            guarded.run(|| ()).await.unwrap();
        }
        h.pass(60).await;
        let mut failures = 0;
        while breaker.state() == Breaker::Closed {
            fail(&h, &breaker).await;
            failures += 1;
        }
        assert_eq!(failures, 10);
    }
}

pub(super) fn settings_that_cannot_be_followed_are_refused<R: Runtime>(_: Flavour<R>) {
    let build = |builder: CircuitBreakerBuilder| builder.build().unwrap_err();
    assert_eq!(
        build(CircuitBreaker::builder().last_calls(1_001)),
        BreakerError::TooManyCalls
    );
    assert_eq!(
        build(CircuitBreaker::builder().last(core::time::Duration::from_hours(100))),
        BreakerError::WindowTime
    );
    assert_eq!(
        build(CircuitBreaker::builder().last(core::time::Duration::from_millis(100))),
        BreakerError::WindowTime
    );
    assert_eq!(
        build(CircuitBreaker::builder().last_calls(10).slow_rate(50)),
        BreakerError::SlowRate
    );
    assert_eq!(
        build(CircuitBreaker::builder().slow_rate(50).slow_after(1.seconds())),
        BreakerError::SlowRate
    );
    for builder in [
        CircuitBreaker::builder().consecutive_failures(0),
        CircuitBreaker::builder().probes(0),
        CircuitBreaker::builder().open_for(core::time::Duration::ZERO),
        CircuitBreaker::builder().last_calls(5).minimum_calls(6),
        CircuitBreaker::builder()
            .last_calls(5)
            .minimum_calls(5)
            .failure_rate(101),
    ] {
        assert!(matches!(build(builder), BreakerError::Rules(_)));
    }
}
