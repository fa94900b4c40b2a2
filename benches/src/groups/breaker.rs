//! A call through a circuit breaker, without the call itself.

use core::hint::black_box;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::{Acquire, Relaxed};
use core::time::Duration;

use failsafe::{CircuitBreaker as _, Config, backoff, failure_policy};
use recloser::Recloser;
use sweet_async_core::Tick;
use sweet_async_core::breaker::{
    CircuitBreaker, Consecutive, LastCalls, Outcome, Recorded, Rules, Settings, Window,
};

use super::{calls, threads};
use crate::{Contestant, Figure, Goal, Group};

/// The bench target `breaker`.
pub const GROUP: Group = Group::new("breaker", figures);

/// They look back differently, and that is most of what a call costs.
const RECLOSER: &str = "recloser, last 64 calls";
const FAILSAFE: &str = "failsafe, failures in a row";
const HOUR: Duration = Duration::from_hours(1);

fn figures() -> Vec<Figure> {
    vec![closed_one_thread(), closed_two_threads(), open()]
}

fn closed_one_thread() -> Figure {
    let recloser = recloser();
    let failsafe = failsafe();
    let word = AtomicUsize::new(0);
    Figure::new("breaker, closed, one thread", "call", 50_000)
        .with(Contestant::ours("CircuitBreaker, last 64 calls", {
            let (breaker, settings) = (CircuitBreaker::new(LastCalls::<4>::new()), settings());
            move |times| calls(times, || call(&breaker, &settings))
        }))
        .goal(Goal::BestPeer(0.60))
        .goal(Goal::NoAllocation)
        .with(Contestant::ours("CircuitBreaker, failures in a row", {
            let (breaker, settings) = (CircuitBreaker::new(Consecutive::new()), settings());
            move |times| calls(times, || call(&breaker, &settings))
        }))
        .goal(Goal::BestPeer(0.60))
        .goal(Goal::NoAllocation)
        .with(Contestant::peer(RECLOSER, move |times| {
            calls(times, || recloser.call(|| black_box(Ok::<u32, ()>(1))))
        }))
        .with(Contestant::peer(FAILSAFE, move |times| {
            calls(times, || failsafe.call(|| black_box(Ok::<u32, ()>(1))))
        }))
        .with(Contestant::limit("one fetch_add", move |times| {
            calls(times, || word.fetch_add(black_box(1), Relaxed))
        }))
}

fn closed_two_threads() -> Figure {
    let recloser = recloser();
    let failsafe = failsafe();
    let word = AtomicUsize::new(0);
    Figure::new("breaker, closed, two threads on the same", "call", 20_000)
        .with(Contestant::ours("CircuitBreaker, last 64 calls", {
            let (breaker, settings) = (CircuitBreaker::new(LastCalls::<4>::new()), settings());
            move |times| threads(times, &breaker, |breaker| call(breaker, &settings))
        }))
        .goal(Goal::BestPeer(0.30))
        .goal(Goal::Times(0.30, RECLOSER))
        .with(Contestant::ours("CircuitBreaker, failures in a row", {
            let (breaker, settings) = (CircuitBreaker::new(Consecutive::new()), settings());
            move |times| threads(times, &breaker, |breaker| call(breaker, &settings))
        }))
        .goal(Goal::BestPeer(0.30))
        .with(Contestant::peer(RECLOSER, move |times| {
            threads(times, &recloser, |breaker| {
                breaker.call(|| black_box(Ok::<u32, ()>(1)))
            })
        }))
        .with(Contestant::peer(FAILSAFE, move |times| {
            threads(times, &failsafe, |breaker| {
                breaker.call(|| black_box(Ok::<u32, ()>(1)))
            })
        }))
        .with(Contestant::limit("one fetch_add", move |times| {
            threads(times, &word, |word| word.fetch_add(black_box(1), Relaxed))
        }))
}

fn open() -> Figure {
    let recloser = recloser();
    let failsafe = failsafe();
    for _ in 0..1_000 {
        let _ = recloser.call(|| Err::<u32, ()>(()));
        let _ = failsafe.call(|| Err::<u32, ()>(()));
    }
    let word = AtomicUsize::new(0);
    Figure::new("breaker, open, a call is rejected", "call", 50_000)
        .with(Contestant::ours("CircuitBreaker, last 64 calls", {
            let (breaker, settings) = (CircuitBreaker::new(LastCalls::<4>::new()), settings());
            while fail(&breaker, &settings) == Some(Recorded::Unchanged) {}
            move |times| calls(times, || call(&breaker, &settings).is_none())
        }))
        .goal(Goal::Nanos(2.0))
        .goal(Goal::NoAllocation)
        .with(Contestant::peer(RECLOSER, move |times| {
            calls(times, || recloser.call(|| black_box(Ok::<u32, ()>(1))).is_err())
        }))
        .with(Contestant::peer(FAILSAFE, move |times| {
            calls(times, || failsafe.call(|| black_box(Ok::<u32, ()>(1))).is_err())
        }))
        .with(Contestant::limit("one load", move |times| {
            calls(times, || black_box(&word).load(Acquire))
        }))
}

/// Half of the last 64 calls, or 5 in a row.
fn settings() -> Settings {
    let rules = Rules::new()
        .failures(5)
        .failure_rate(50)
        .last_calls(64)
        .minimum_calls(10);
    rules.open_for(3_600_000).check().expect("settings that agree")
}

/// A call that goes well; nothing if it is rejected.
fn call<W: Window>(breaker: &CircuitBreaker<W>, settings: &Settings) -> Option<Recorded> {
    let permit = breaker.try_enter(settings, black_box(Tick::new(7))).ok()?;
    let _ = black_box(Ok::<u32, ()>(1));
    Some(permit.record(Outcome::Ok, black_box(Tick::new(8))))
}

fn fail<W: Window>(breaker: &CircuitBreaker<W>, settings: &Settings) -> Option<Recorded> {
    let permit = breaker.try_enter(settings, Tick::new(7)).ok()?;
    Some(permit.record(Outcome::Failed, Tick::new(8)))
}

fn recloser() -> Recloser {
    Recloser::custom()
        .closed_len(64)
        .error_rate(0.5)
        .open_wait(HOUR)
        .build()
}

fn failsafe() -> impl failsafe::CircuitBreaker + Sync + 'static {
    let policy = failure_policy::consecutive_failures(5, backoff::constant(HOUR));
    Config::new().failure_policy(policy).build()
}
