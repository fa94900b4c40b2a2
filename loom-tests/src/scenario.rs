//! One scenario: run by shuttle under random schedules, counted, and held to the outcomes that it claims to have seen.

use std::sync::Arc;
use std::time::Instant;

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, MaxSteps, Runner};

use crate::record::{Claim, Witness};

/// What a scenario is about; it becomes one row of the evidence table.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "scenarios write it as a literal")]
pub struct Scenario {
    /// `shuttle_machine::scenario`, the name of the test that runs it.
    pub name: &'static str,
    /// The invariants it holds, by the names that the machine's documentation gives them.
    pub holds: &'static str,
    /// How many threads run, the one that asserts included.
    pub threads: usize,
    /// How many executions under each of the two schedulers.
    pub executions: usize,
    /// The outcomes the scenario exists for; each must be seen in at least one execution.
    pub witnesses: &'static [&'static str],
}

/// Begins every run, so that all runs are the same; `SHUTTLE_RANDOM_SEED` overrides it.
const SEED: u64 = 0x5EED;
/// How often the second scheduler interrupts somebody who could go on, at most.
const PREEMPTIONS: usize = 3;
/// An execution with more steps hangs.
const STEPS: usize = 100_000;

/// Runs `body` under a scheduler that picks each step at random, and under one that interrupts rarely but at the most
/// telling places (probabilistic concurrency testing, Burckhardt et al. 2010), then asserts that every witness was seen
/// and records the figures. A failure prints a seed or a schedule: with `SHUTTLE_RANDOM_SEED` both begin with that seed,
/// with `SWEET_SCHEDULE` that one schedule runs alone.
///
/// # Panics
/// When an execution fails, or when a witness was never seen.
pub fn explore<F>(scenario: Scenario, body: F)
where
    F: Fn(&Witness) + Send + Sync + 'static,
{
    let witness = Witness::default();
    let body = Arc::new({
        let witness = witness.clone();
        move || body(&witness)
    });
    if let Ok(schedule) = std::env::var("SWEET_SCHEDULE") {
        shuttle::replay(move || body(), &schedule);
        return;
    }
    println!(
        "{}: seed {SEED:#x}, {} executions under each scheduler; replay a failure by SHUTTLE_RANDOM_SEED=<seed> or \
         SWEET_SCHEDULE=<schedule>, whichever it prints",
        scenario.name, scenario.executions
    );
    let started = Instant::now();
    let mut executions = run(
        RandomScheduler::new_from_seed(SEED, scenario.executions),
        Arc::clone(&body),
    );
    executions += run(
        PctScheduler::new_from_seed(SEED, PREEMPTIONS, scenario.executions),
        body,
    );
    let claim = Claim {
        name: scenario.name,
        holds: scenario.holds,
        threads: scenario.threads,
        bound: "random".to_owned(),
        witnesses: scenario.witnesses,
    };
    claim.settle(executions, &witness, started.elapsed().as_secs_f64());
}

fn run<F>(scheduler: impl Scheduler + 'static, body: Arc<F>) -> usize
where
    F: Fn() + Send + Sync + 'static,
{
    let mut config = Config::new();
    config.max_steps = MaxSteps::FailAfter(STEPS);
    // That it does not see orderings is known; they are the models' part.
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(move || body())
}
