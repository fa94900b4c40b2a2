//! One model: explored by loom, counted, and held to the outcomes that it claims to have seen.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

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

/// Collects the outcomes that executions really had.
#[derive(Clone, Debug, Default)]
pub struct Witness(Arc<Mutex<BTreeMap<&'static str, usize>>>);

impl Witness {
    /// Notes that the running execution had this outcome.
    pub fn saw(&self, outcome: &'static str) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *seen.entry(outcome).or_default() += 1;
    }
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
    let seen = witness.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert!(
        executions > 1,
        "{}: loom explored {executions} execution, so there was no race",
        model.name
    );
    for outcome in model.witnesses {
        assert!(
            seen.contains_key(outcome),
            "{}: no execution showed `{outcome}`; seen: {seen:?}",
            model.name
        );
    }
    record(&model, executions, &seen, seconds);
}

/// Appends the row to the file that `SWEET_EVIDENCE` names, one tab-separated line a model.
fn record(model: &Model, executions: usize, seen: &BTreeMap<&'static str, usize>, seconds: f64) {
    let Some(path) = std::env::var_os("SWEET_EVIDENCE") else {
        return;
    };
    let seen: Vec<_> = seen
        .iter()
        .map(|(outcome, times)| format!("{outcome} ({times})"))
        .collect();
    let bound = model
        .preemptions
        .map_or_else(|| "full".to_owned(), |bound| bound.to_string());
    let line = format!(
        "{}\t{}\t{}\t{bound}\t{executions}\t{}\t{seconds:.2}\n",
        model.name,
        model.holds,
        model.threads,
        seen.join(", "),
    );
    let written = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(|mut file| file.write_all(line.as_bytes()));
    assert!(
        written.is_ok(),
        "the evidence file {} cannot be written: {written:?}",
        path.display()
    );
}
