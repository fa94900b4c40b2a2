//! What a model or a scenario leaves behind: the outcomes that were seen, and one row of the evidence table.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

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

/// The part of a row that is known before the run.
pub(crate) struct Claim {
    pub(crate) name: &'static str,
    pub(crate) holds: &'static str,
    pub(crate) threads: usize,
    /// How the interleavings were chosen.
    pub(crate) bound: String,
    pub(crate) witnesses: &'static [&'static str],
}

impl Claim {
    /// Asserts that every witness was seen, then appends the row to the file that `SWEET_EVIDENCE` names, one
    /// tab-separated line.
    pub(crate) fn settle(&self, executions: usize, witness: &Witness, seconds: f64) {
        let seen = witness.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for outcome in self.witnesses {
            assert!(
                seen.contains_key(outcome),
                "{}: no execution showed `{outcome}`; seen: {seen:?}",
                self.name
            );
        }
        let Some(path) = std::env::var_os("SWEET_EVIDENCE") else {
            return;
        };
        let seen: Vec<_> = seen
            .iter()
            .map(|(outcome, times)| format!("{outcome} ({times})"))
            .collect();
        let line = format!(
            "{}\t{}\t{}\t{}\t{executions}\t{}\t{seconds:.2}\n",
            self.name,
            self.holds,
            self.threads,
            self.bound,
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
}
