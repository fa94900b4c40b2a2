//! The random trees of the suite under random walks, PCT and faults: what the tasks do, in which order they run and what goes
//! wrong comes from one seed.
//!
//! `SWEET_TREES` sets how many seeds are tried.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[allow(
    dead_code,
    reason = "the trees are grown in a simulation that was made already"
)]
mod harness;

use std::convert::Infallible;
use std::time::Duration;

use harness::{RANDOM, Simulation};
use sweet_async_api::conformance::random_tree;
use sweet_async_sim::SimBuilder;
use sweet_async_sim::prelude::*;

/// Many trees; all ends that there are were met.
fn grow_trees(builder: &SimBuilder) {
    let seeds = std::env::var("SWEET_TREES").map_or(1_000, |count| count.parse().unwrap());
    let mut ends = Vec::new();
    builder.explore(0..seeds, |sim| {
        let seed = u64::from(sim.random());
        ends.extend(random_tree(Simulation::<RANDOM, 0>(sim.clone()), seed));
        Ok::<_, Infallible>(())
    });
    for state in [
        State::Completed,
        State::Failed,
        State::Panicked,
        State::TimedOut,
        State::Cancelled,
    ] {
        // One seed that is replayed does not meet them all.
        let met = ends.contains(&state) || std::env::var("SWEET_ASYNC_SEED").is_ok();
        assert!(met, "no task ended as {state}");
    }
}

#[test]
fn no_child_outlives_its_scope_and_everything_comes_back() {
    grow_trees(&Sim::builder());
}

#[test]
fn nor_where_one_runs_and_the_others_hardly_do() {
    let pct = Strategy::Pct { depth: 4, steps: 400 };
    grow_trees(&Sim::builder().strategy(pct));
}

#[test]
fn nor_where_steps_take_time_timers_are_late_and_work_panics() {
    let faults = Faults::none()
        .slow_steps(5.millis())
        .late_timers(4, Duration::from_millis(30))
        .panics(100);
    grow_trees(&Sim::builder().faults(faults));
}
