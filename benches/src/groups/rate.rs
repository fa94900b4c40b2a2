//! Asking a rate limiter that admits, at a time that the caller gives.

use core::hint::black_box;
use core::num::NonZeroU32;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::Relaxed;

use governor::clock::FakeRelativeClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use sweet_async_core::Tick;
use sweet_async_core::rate::{Quota, RateLimiter};

use super::{calls, threads};
use crate::{Contestant, Figure, Goal, Group};

/// The bench target `rate`.
pub const GROUP: Group = Group::new("rate", figures);

const GOVERNOR: &str = "governor with its fake clock";
/// More than all turns together take.
const BURST: u32 = 1 << 28;

type Governor = governor::RateLimiter<NotKeyed, InMemoryState, FakeRelativeClock, NoOpMiddleware<Nanos>>;

fn figures() -> Vec<Figure> {
    vec![one_thread(), two_threads()]
}

fn one_thread() -> Figure {
    let (limiter, governor, word) = (ours(), governor(), AtomicUsize::new(0));
    Figure::new("rate limiter, clock given, one thread", "call", 50_000)
        .with(Contestant::ours("RateLimiter", move |times| {
            calls(times, || limiter.check(black_box(Tick::new(7))).is_ok())
        }))
        .goal(Goal::Times(1.10, GOVERNOR))
        .goal(Goal::NoAllocation)
        .with(Contestant::peer(GOVERNOR, move |times| {
            calls(times, || governor.check().is_ok())
        }))
        .with(Contestant::limit("one fetch_add", move |times| {
            calls(times, || word.fetch_add(black_box(1), Relaxed))
        }))
}

fn two_threads() -> Figure {
    let (limiter, governor, word) = (ours(), governor(), AtomicUsize::new(0));
    Figure::new(
        "rate limiter, clock given, two threads on the same",
        "call",
        20_000,
    )
    .with(Contestant::ours("RateLimiter", move |times| {
        threads(times, &limiter, |limiter| {
            limiter.check(black_box(Tick::new(7))).is_ok()
        })
    }))
    .goal(Goal::Times(0.50, GOVERNOR))
    .with(Contestant::peer(GOVERNOR, move |times| {
        threads(times, &governor, |governor| governor.check().is_ok())
    }))
    .with(Contestant::limit("one fetch_add", move |times| {
        threads(times, &word, |word| word.fetch_add(black_box(1), Relaxed))
    }))
}

fn ours() -> RateLimiter {
    let quota = Quota::new(1, 1, BURST).expect("a quota in bounds");
    RateLimiter::new(quota, Tick::new(7))
}

fn governor() -> Governor {
    let second = NonZeroU32::new(1_000_000_000).expect("more than nothing");
    let quota = governor::Quota::per_second(second).allow_burst(NonZeroU32::MAX);
    Governor::direct_with_clock(quota, FakeRelativeClock::default())
}
