//! The wrap of the tick, seen from outside: whatever a machine is told around it, it answers as anywhere else.
//!
//! Counters at their ends and capacities that are full are rows of the table tests of each machine
//! (`core/src/<machine>/tests.rs`); PROMISES.md, *The core*, names them.

use sweet_async_core::Tick;
use sweet_async_core::breaker::{
    CircuitBreaker, Consecutive, LastCalls, LastTime, Outcome, Recorded, Refused, Rules, Settings, Window,
};
use sweet_async_core::hybrid_clock::{HybridClock, Stamp};
use sweet_async_core::rate::{Quota, RateLimiter};
use sweet_async_core::scaler::{Decision, Scale, Scaler};

/// How far before the wrap the runs begin, each time with the same low bits as one that is far from any wrap.
const BEFORE: [u32; 9] = [0, 1, 2, 63, 100, 511, 512, 1_500, 4_000];
const FAR: u32 = 1 << 28;

/// The script's steps in ticks: from nothing to longer than any open time, lease or bucket below.
fn steps(seed: u32) -> impl Iterator<Item = (u32, u32)> {
    let mut state = seed | 1;
    (0..400).map(move |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let chance = state >> 8;
        let step = match chance % 7 {
            0 => 0,
            1 => 1,
            2 => 3,
            3 => 17,
            4 => 64,
            5 => 130,
            _ => 700,
        };
        (step, chance / 7)
    })
}

/// Runs a script from a start before the wrap and from one far from it, and compares what is answered, with ticks
/// relative to the start.
fn same_at_the_wrap<A: PartialEq + core::fmt::Debug>(run: impl Fn(Tick, u32) -> Vec<A>) {
    for before in BEFORE {
        for seed in 0..6 {
            let at_the_wrap = run(Tick::new(u32::MAX - before), seed);
            let elsewhere = run(Tick::new(FAR - 1 - before), seed);
            assert!(!at_the_wrap.is_empty());
            assert_eq!(at_the_wrap, elsewhere, "{before} before the wrap, script {seed}");
        }
    }
}

/// What a breaker answers, by ticks since the start.
#[derive(Debug, PartialEq)]
enum Said {
    Refused(Option<u32>),
    Lost,
    Opened(u32),
    Otherwise(Recorded),
    Counts(u32, u32),
}

fn breaker<W: Window>(window: W, settings: &Settings, start: Tick, seed: u32) -> Vec<Said> {
    let breaker = CircuitBreaker::new(window);
    let mut now = start;
    let mut said = Vec::new();
    for (step, chance) in steps(seed) {
        now = now.after(step);
        let passed = |at: Tick| at.count().wrapping_sub(start.count());
        said.push(match breaker.try_admit(settings, now) {
            Err(refused) => Said::Refused(refused.retry_at().map(passed)),
            // Forgotten: only the end of its lease gives its place back.
            Ok(_) if chance % 11 == 0 => Said::Lost,
            Ok(ticket) => {
                let outcome = if chance % 3 == 0 {
                    Outcome::Ok
                } else {
                    Outcome::Failed
                };
                match breaker.record(settings, ticket, outcome, now) {
                    Recorded::Opened { retry_at } => Said::Opened(passed(retry_at)),
                    other => Said::Otherwise(other),
                }
            }
        });
        let counts = breaker.counts(settings, now);
        said.push(Said::Counts(counts.calls, counts.failed));
    }
    assert!(
        said.iter().any(|said| matches!(said, Said::Opened(_))),
        "it never opened"
    );
    assert!(
        said.contains(&Said::Otherwise(Recorded::Closed)),
        "it never closed"
    );
    said
}

#[test]
fn a_breaker_opens_and_closes_across_the_wrap() {
    let rules = Rules::new()
        .failures(3)
        .last_calls(20)
        .minimum_calls(4)
        .bucket(64)
        .probes(2)
        .lease(60);
    let settings = rules.open_for_growing(50, 2, 300).check().expect("in range");
    same_at_the_wrap(|start, seed| breaker(Consecutive::new(), &settings, start, seed));
    same_at_the_wrap(|start, seed| breaker(LastCalls::<4>::new(), &settings, start, seed));
    same_at_the_wrap(|start, seed| breaker(LastTime::<8>::new(), &settings, start, seed));
}

#[test]
fn a_snapshot_of_a_breaker_goes_across_the_wrap() {
    let settings = Rules::new().failures(1).open_for(100).check().expect("in range");
    for start in [0, FAR, u32::MAX - 50, u32::MAX].map(Tick::new) {
        for later in [0, FAR, u32::MAX - 50, u32::MAX].map(Tick::new) {
            let before = CircuitBreaker::new(Consecutive::new());
            let permit = before.try_enter(&settings, start).expect("closed");
            assert_eq!(
                permit.record(Outcome::Failed, start),
                Recorded::Opened {
                    retry_at: start.after(100)
                }
            );
            let mut kept = Vec::new();
            before.snapshot(&settings, start.after(30), |word| kept.push(word));
            let after = CircuitBreaker::restore(Consecutive::new(), later, kept).expect("its own words");
            let refused = after.try_admit(&settings, later).expect_err("open");
            assert_eq!(
                refused,
                Refused::Open {
                    retry_at: later.after(70)
                }
            );
            assert!(after.try_admit(&settings, later.after(70)).is_ok());
        }
    }
}

#[test]
fn a_limiter_admits_as_much_across_the_wrap() {
    for quota in [
        Quota::new(1, 10, 5),
        Quota::new(7, 3, 9),
        Quota::new(1_000, 64, 300),
    ] {
        let quota = quota.expect("within the limits");
        same_at_the_wrap(|start, seed| {
            let limiter = RateLimiter::new(quota, start);
            let mut now = start;
            let mut said = Vec::new();
            for (step, chance) in steps(seed) {
                now = now.after(step);
                let answer = limiter.check_n(now, chance % (quota.burst() + 2));
                said.push((answer.is_ok(), limiter.available(now), limiter.snapshot(now)));
            }
            said
        });
    }
}

#[test]
fn a_scaler_cools_down_across_the_wrap() {
    let scale = Scale::new(1, 40)
        .and_then(|scale| scale.load(2, 5)?.cool_down(150))
        .expect("in bounds");
    same_at_the_wrap(|start, seed| {
        let scaler = Scaler::new(scale);
        let mut now = start;
        let decide = |(step, chance)| {
            now = now.after(step);
            scaler.observe(chance % 250, now)
        };
        let said: Vec<Decision> = steps(seed).map(decide).collect();
        assert!(
            said.iter()
                .any(|decision| matches!(decision, Decision::Shrink(_))),
            "it never shrank"
        );
        said
    });
}

#[test]
fn stamps_keep_their_distance_across_the_wrap() {
    same_at_the_wrap(|start, seed| {
        let (here, there) = (HybridClock::of::<400>(start), HybridClock::of::<400>(start));
        let origin = here.last();
        let mut now = start;
        let mut said = Vec::new();
        for (step, chance) in steps(seed) {
            now = now.after(step);
            let stamp = match chance % 3 {
                0 => here.tick(now),
                // A clock that runs up to 500 ticks ahead, some of it further than is allowed.
                1 => here.tick(now.after(chance % 500)),
                _ => there
                    .tick(now.after(chance % 500))
                    .and_then(|remote| here.merge(remote, now)),
            };
            let passed = |stamp: Stamp| stamp.bits().wrapping_sub(origin.bits());
            said.push(stamp.map(passed).map_err(|skew| skew.ahead));
        }
        assert!(said.iter().any(Result::is_err), "nothing was refused");
        said
    });
}

#[test]
fn a_bucket_of_time_that_is_full_stays_full() {
    const FULL: u32 = (1 << 20) - 1;
    let settings = Rules::new().minimum_calls(10).check().expect("in range");
    let breaker = CircuitBreaker::new(LastTime::<2>::new());
    let now = Tick::new(u32::MAX);
    for _ in 0..FULL + 5 {
        let ticket = breaker.try_admit(&settings, now).expect("closed");
        assert_eq!(
            breaker.record(&settings, ticket, Outcome::Ok, now),
            Recorded::Unchanged
        );
    }
    assert_eq!(breaker.counts(&settings, now).calls, FULL);
    // The next bucket begins empty beside it.
    let next = now.after(1_024);
    let ticket = breaker.try_admit(&settings, next).expect("closed");
    assert_eq!(
        breaker.record(&settings, ticket, Outcome::Failed, next),
        Recorded::Unchanged
    );
    let counts = breaker.counts(&settings, next);
    assert_eq!((counts.calls, counts.failed), (FULL + 1, 1));
}
