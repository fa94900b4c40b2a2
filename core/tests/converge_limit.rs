//! The concurrency limits before a server whose capacity is known, in virtual time: they find it, give way when it is
//! lost, and find it again. `convergence.svg` shows the same runs.

mod server;

use core::ops::RangeInclusive;

use sweet_async_core::limit::{Aimd, Gradient2, Policy, Vegas};

use server::{QUEUE, run};

const KNEE: u32 = 40;
const OVERLOADED: u32 = 4;
const REFUSED: u32 = QUEUE;
/// What the callers ask for, in workers: 50 for 100 ms, 24 for 50 ms, of which at most the knee is served.
const ASKED: u32 = (2 * KNEE + 24) / 3;

/// The mean of a curve from one millisecond to another.
fn mean(curve: &[u32], from: u64, to: u64) -> u32 {
    let (mut sum, mut points) = (0, 0);
    for (at, value) in (0..).step_by(5).zip(curve) {
        if (from..to).contains(&at) {
            sum += value;
            points += 1;
        }
    }
    sum / points
}

/// Runs `policy` through all phases; its mean limit has to lie in the ranges that belong to them.
fn converges<P: Policy>(
    policy: P,
    healthy: RangeInclusive<u32>,
    overloaded: RangeInclusive<u32>,
    least_served: u32,
) {
    let run = run(policy);
    let limit = |from, to| mean(&run.limits, from, to);
    // After half a second, after the overload and after the outage: each time the same.
    for (from, to) in [(500, 1_000), (2_000, 2_500), (3_500, 4_000)] {
        assert!(
            healthy.contains(&limit(from, to)),
            "{} from {from} to {to} ms",
            limit(from, to)
        );
        let served = mean(&run.served, from, to) / 5;
        assert!(
            served * 100 >= ASKED * least_served,
            "{served} workers busy from {from} to {to} ms"
        );
    }
    assert!(
        overloaded.contains(&limit(1_300, 1_500)),
        "{} when overloaded",
        limit(1_300, 1_500)
    );
    assert_eq!(limit(2_800, 3_000), 1, "nothing is served");
    assert_eq!(mean(&run.served, 2_800, 3_000), 0);
    let back = limit(3_150, 3_300);
    assert!(
        back * 10 >= KNEE * 8,
        "{back} in 150 ms after an outage: stuck at the minimum"
    );
}

#[test]
fn aimd_stays_between_the_knee_and_the_first_refusal() {
    converges(
        Aimd::new(),
        KNEE..=KNEE + REFUSED,
        OVERLOADED..=OVERLOADED + REFUSED + 2,
        95,
    );
}

#[test]
fn vegas_stays_at_the_knee_and_does_not_drift() {
    converges(
        Vegas::new(),
        KNEE * 9 / 10..=KNEE * 12 / 10,
        OVERLOADED..=3 * OVERLOADED,
        88,
    );
}

#[test]
fn gradient_stays_between_the_knee_and_the_first_refusal() {
    converges(
        Gradient2::new(),
        KNEE..=KNEE + REFUSED,
        OVERLOADED..=OVERLOADED + REFUSED + 2,
        95,
    );
}

#[test]
fn the_published_plot_is_of_these_runs() {
    assert_eq!(
        server::plot::svg(),
        include_str!("../convergence.svg"),
        "run the example `convergence`"
    );
}
