//! A circuit breaker changes what tasks do, in virtual time.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sweet_async_tokio::breaker::{BreakerError, State as Breaker};
use sweet_async_tokio::prelude::*;

fn breaker() -> CircuitBreaker {
    CircuitBreaker::builder()
        .consecutive_failures(3)
        .open_for(10.seconds())
        .probe_lease(5.seconds())
        .build()
        .unwrap()
}

async fn fail(breaker: &CircuitBreaker) -> TaskError<&'static str> {
    let work = || async { Err::<(), _>("down") };
    AsyncTask::to::<()>()
        .with_circuit_breaker(breaker)
        .run(work)
        .await
        .unwrap_err()
}

/// The same program with and without a breaker: without one every call reaches the other side.
#[tokio::test(start_paused = true)]
async fn a_breaker_keeps_calls_away() {
    for guarded in [false, true] {
        let (breaker, reached) = (breaker(), Arc::new(AtomicU32::new(0)));
        for _ in 0..10 {
            let reached = Arc::clone(&reached);
            let builder = AsyncTask::to::<()>();
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

#[tokio::test(start_paused = true)]
async fn a_refusal_says_when_to_come_back() {
    let breaker = breaker();
    for _ in 0..3 {
        assert_eq!(fail(&breaker).await.failure(), Some(&"down"));
    }
    assert_eq!(breaker.state(), Breaker::Open);
    tokio::time::advance(Duration::from_secs(4)).await;
    let Cause::CircuitOpen(open) = fail(&breaker).await.into_cause() else {
        panic!("let through")
    };
    assert_eq!(open.retry_in, Some(Duration::from_secs(6)));
    breaker.force_open();
    let Cause::CircuitOpen(open) = fail(&breaker).await.into_cause() else {
        panic!("let through")
    };
    assert_eq!(open.retry_in, None);
}

#[tokio::test(start_paused = true)]
async fn retry_waits_as_long_as_the_breaker_says() {
    let breaker = breaker();
    for _ in 0..3 {
        fail(&breaker).await;
    }
    let retry = Retry::immediate().attempts(2);
    let task = AsyncTask::to::<u32>()
        .with_circuit_breaker(&breaker)
        .retry(retry)
        .run(|| Ok::<_, &str>(1));
    let seen = task.task_ref();
    assert_eq!(task.await.unwrap(), 1);
    assert_eq!(
        seen.ended_at().unwrap().since(seen.created_at()),
        Duration::from_secs(10)
    );
    assert_eq!(breaker.state(), Breaker::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_cancelled_or_dropped_gives_its_place_back() {
    let breaker = breaker();
    for _ in 0..3 {
        fail(&breaker).await;
    }
    tokio::time::advance(Duration::from_secs(10)).await;
    for level in [Level::Graceful, Level::Kill, Level::KillHard] {
        let probe = AsyncTask::to::<()>()
            .grace(Duration::from_millis(1))
            .with_circuit_breaker(&breaker)
            .run(std::future::pending::<()>);
        tokio::task::yield_now().await;
        assert_eq!((probe.attempt(), breaker.state()), (1, Breaker::HalfOpen));
        probe.cancel(level).unwrap();
        probe.await.unwrap_err();
        tokio::task::yield_now().await;
    }
    AsyncTask::to::<()>()
        .with_circuit_breaker(&breaker)
        .run(|| ())
        .await
        .unwrap();
    assert_eq!(breaker.state(), Breaker::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_hangs_gives_its_place_back_when_its_lease_ends() {
    let breaker = breaker();
    for _ in 0..3 {
        fail(&breaker).await;
    }
    tokio::time::advance(Duration::from_secs(10)).await;
    let hung = AsyncTask::to::<()>()
        .with_circuit_breaker(&breaker)
        .run(std::future::pending::<()>);
    tokio::task::yield_now().await;
    assert!(matches!(fail(&breaker).await.cause(), Cause::CircuitOpen(_)));
    tokio::time::advance(Duration::from_secs(7)).await;
    AsyncTask::to::<()>()
        .with_circuit_breaker(&breaker)
        .run(|| ())
        .await
        .unwrap();
    assert_eq!(breaker.state(), Breaker::Closed);
    hung.detach();
}

#[tokio::test(start_paused = true)]
async fn a_panic_a_timeout_and_slowness_count() {
    let breaker = CircuitBreaker::builder().consecutive_failures(2).build().unwrap();
    let guarded = || AsyncTask::to::<()>().with_circuit_breaker(&breaker);
    guarded().run(|| -> () { panic!("broken") }).await.unwrap_err();
    guarded()
        .timeout(1.seconds())
        .run(std::future::pending::<()>)
        .await
        .unwrap_err();
    assert_eq!(breaker.state(), Breaker::Open);

    let slow = CircuitBreaker::builder()
        .last_calls(4)
        .minimum_calls(4)
        .slow_after(1.seconds())
        .slow_rate(50)
        .build()
        .unwrap();
    for millis in [10, 2_000, 10, 2_000] {
        assert_eq!(slow.state(), Breaker::Closed);
        let work = move || tokio::time::sleep(Duration::from_millis(millis));
        AsyncTask::to::<()>()
            .with_circuit_breaker(&slow)
            .run(work)
            .await
            .unwrap();
    }
    assert_eq!(slow.state(), Breaker::Open);
}

#[tokio::test(start_paused = true)]
async fn the_window_slides_however_many_successes_came_before() {
    for builder in [
        CircuitBreaker::builder().last_calls(20),
        CircuitBreaker::builder().last(10.seconds()),
    ] {
        let breaker = builder.failure_rate(50).minimum_calls(10).build().unwrap();
        for _ in 0..5_000 {
            AsyncTask::to::<()>()
                .with_circuit_breaker(&breaker)
                .run(|| ())
                .await
                .unwrap();
        }
        tokio::time::advance(Duration::from_mins(1)).await;
        let mut failures = 0;
        while breaker.state() == Breaker::Closed {
            fail(&breaker).await;
            failures += 1;
        }
        assert_eq!(failures, 10);
    }
}

#[test]
fn settings_that_cannot_be_followed_are_refused() {
    let build = |builder: sweet_async_tokio::breaker::CircuitBreakerBuilder| builder.build().unwrap_err();
    assert_eq!(
        build(CircuitBreaker::builder().last_calls(1_001)),
        BreakerError::TooManyCalls
    );
    assert_eq!(
        build(CircuitBreaker::builder().last(Duration::from_hours(100))),
        BreakerError::WindowTime
    );
    assert_eq!(
        build(CircuitBreaker::builder().last(Duration::from_millis(100))),
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
        CircuitBreaker::builder().open_for(Duration::ZERO),
        CircuitBreaker::builder().last_calls(5).minimum_calls(6),
        CircuitBreaker::builder()
            .last_calls(5)
            .minimum_calls(5)
            .failure_rate(101),
    ] {
        assert!(matches!(build(builder), BreakerError::Rules(_)));
    }
}
