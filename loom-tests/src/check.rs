//! One model: explored by loom, counted, and held to the outcomes that it claims to have seen.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::record::{Claim, Witness};

/// What a model is about; it becomes one row of the evidence table.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "models write it as a literal")]
pub struct Model {
    /// `machine::model`, the name of the test that runs it.
    pub name: &'static str,
    /// The invariants it holds, by the names that the machine's documentation gives them.
    pub holds: &'static str,
    /// How many threads run, the one that asserts included. Loom refuses more.
    pub threads: usize,
    /// How many preemptions loom may insert; `None` explores every interleaving.
    pub preemptions: Option<usize>,
    /// The outcomes the model exists for; each must be seen in at least one execution.
    pub witnesses: &'static [&'static str],
}

/// Explores `body`, then asserts that every witness of the model was seen and records the figures.
///
/// # Panics
/// When an execution fails, when loom ran no more than one, or when a witness was never seen.
pub fn check<F>(model: Model, body: F)
where
    F: Fn(&Witness) + Send + Sync + 'static,
{
    let witness = Witness::default();
    let executions = Arc::new(AtomicUsize::new(0));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = model.preemptions;
    builder.max_threads = model.threads;
    builder.max_branches = 100_000;
    // Loom takes these from the environment; with any of them it would stop early and call that a pass.
    builder.max_permutations = None;
    builder.max_duration = None;
    builder.checkpoint_file = None;
    let started = Instant::now();
    builder.check({
        let (witness, executions) = (witness.clone(), Arc::clone(&executions));
        move || {
            executions.fetch_add(1, Ordering::Relaxed);
            body(&witness);
        }
    });
    let seconds = started.elapsed().as_secs_f64();
    let executions = executions.load(Ordering::Relaxed);
    assert!(
        executions > 1,
        "{}: loom explored {executions} execution, so there was no race",
        model.name
    );
    let claim = Claim {
        name: model.name,
        holds: model.holds,
        threads: model.threads,
        bound: model
            .preemptions
            .map_or_else(|| "full".to_owned(), |bound| bound.to_string()),
        witnesses: model.witnesses,
    };
    claim.settle(executions, &witness, seconds);
}
