//! `EVIDENCE.md`: one line a model, one line a mutant.

use core::fmt::Write as _;
use std::collections::BTreeMap;

use crate::row::Row;
use crate::verdict::Failure;

/// The table, each line by the name that it begins with.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Document {
    models: BTreeMap<String, String>,
    mutants: BTreeMap<String, String>,
}

impl Document {
    /// Reads the lines back from a rendered document.
    pub(crate) fn parse(text: &str) -> Self {
        let mut document = Self::default();
        for line in text.lines() {
            let Some(name) = line
                .strip_prefix("| `")
                .and_then(|rest| rest.split('`').next())
                .map(str::to_owned)
            else {
                continue;
            };
            if name.contains("::") {
                document.models.insert(name, line.to_owned());
            } else {
                document.mutants.insert(name, line.to_owned());
            }
        }
        document
    }

    /// Adds what a model recorded, and the mutants that it killed.
    pub(crate) fn add_model(&mut self, row: &Row, killed: &[&str]) {
        let killed: Vec<_> = killed.iter().map(|mutant| format!("`{mutant}`")).collect();
        let line = format!(
            "| `{}` | {} | {} | {} | {} | {} | {} | {:.2} s |",
            row.model,
            cell(&row.holds),
            row.threads,
            row.bound,
            row.executions,
            cell(&row.witnesses),
            killed.join(", "),
            row.seconds
        );
        self.models.insert(row.model.clone(), line);
    }

    /// Adds a mutant that was killed, with each model that killed it.
    pub(crate) fn add_mutant(&mut self, name: &str, breaks: &str, killers: &[(String, Failure)]) {
        let killers: Vec<_> = killers
            .iter()
            .map(|(model, failure)| {
                format!("`{model}`, {}: {}", failure.how.as_str(), cell(&failure.message))
            })
            .collect();
        let line = format!("| `{name}` | {} | {} |", cell(breaks), killers.join("<br>"));
        self.mutants.insert(name.to_owned(), line);
    }

    /// Takes over the lines of the machines that `keeps` names.
    pub(crate) fn take_over(&mut self, other: Self, keeps: impl Fn(&str) -> bool) {
        self.models.extend(
            other
                .models
                .into_iter()
                .filter(|(name, _)| keeps(machine_of(name))),
        );
        self.mutants.extend(
            other
                .mutants
                .into_iter()
                .filter(|(name, _)| keeps(machine_of(name))),
        );
    }

    /// What `measured` says otherwise than `self`, times aside, about the machines that `wants` names.
    pub(crate) fn differences(&self, measured: &Self, wants: impl Fn(&str) -> bool) -> Vec<String> {
        let mut found = Vec::new();
        for (written, measured) in [
            (&self.models, &measured.models),
            (&self.mutants, &measured.mutants),
        ] {
            let mut names: Vec<_> = written.keys().chain(measured.keys()).collect();
            names.sort();
            names.dedup();
            for name in names.into_iter().filter(|name| wants(machine_of(name))) {
                match (written.get(name), measured.get(name)) {
                    (Some(one), Some(other)) if without_time(one) == without_time(other) => {}
                    (one, other) => found.push(format!(
                        "EVIDENCE.md differs on `{name}`\n    written:  {}\n    measured: {}",
                        one.map_or("nothing", |line| without_time(line)),
                        other.map_or("nothing", |line| without_time(line)),
                    )),
                }
            }
        }
        found
    }

    /// The whole file.
    pub(crate) fn render(&self) -> String {
        let mut text = HEAD.to_owned();
        for line in self.models.values() {
            let _ = writeln!(text, "{line}");
        }
        text.push_str(MUTANTS);
        for line in self.mutants.values() {
            let _ = writeln!(text, "{line}");
        }
        text.push_str(LIMITS);
        text
    }
}

/// The machine that a model or a mutant belongs to; for a scenario the file that it is in.
pub(crate) fn machine_of(name: &str) -> &str {
    name.split([':', '/']).next().unwrap_or(name)
}

/// A line without the time that its last cell may hold.
fn without_time(line: &str) -> &str {
    line.strip_suffix(" s |")
        .and_then(|rest| rest.rsplit_once('|'))
        .map_or(line, |(stable, _)| stable.trim_end())
}

/// Text that cannot end its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

const HEAD: &str = "\
<!-- Made by `.ci/loom --evidence`. Do not edit: `.ci/loom --check` compares it, but for the times, with a new run. -->

# Evidence

Each line of the first table is one [loom](https://docs.rs/loom) model, run to its end. *Executions* counts the
interleavings that were explored. *Preemptions* is the most that loom inserted into one of them; `full` is no such bound.
*Witnesses* are the outcomes that were really seen, with the number of executions that showed them; a model that misses
an outcome it exists for fails. *Kills* are the mutants in the second table that this model was seen to notice.

The lines that begin with `shuttle_` are [shuttle](https://docs.rs/shuttle) scenarios: more threads and longer ones than
loom can exhaust, run under as many random schedules as *executions* says, half of them picked step by step and half with
few preemptions in the most telling places. Their seed is fixed, so that the figures are the same in each run; a failure
prints what to replay. Weak exchanges fail without a reason there, one in eight. An outcome is counted each time it is seen.

## Models

| model | holds | threads | preemptions | executions | witnesses | kills | time |
|---|---|---:|---:|---:|---|---|---:|
";

const MUTANTS: &str = "
## Mutants

Each is a patch in `loom-tests/mutants/`, applied to a copy of the core and of the api's words (`api/src/words`). It counts
as killed only when it applies, builds, and makes every model that it names fail, and these models pass without it. What the first failure said stands beside it.
Scenarios are judged by some of the same patches; those that only weaken an ordering are nothing to them.

| mutant | what it breaks | killed by |
|---|---|---|
";

const LIMITS: &str = "
## What this does not show

- **Preemptions.** Where the bound is a number, executions with more preemptions were not explored.
- **Size.** A model has a few threads and a few operations each (loom allows five threads). Scenarios have six to twelve
  threads and dozens of operations, but only so many random schedules of them; a schedule that was not drawn was not seen.
- **Orderings in scenarios.** Shuttle runs every operation as if it were `SeqCst`. Scenarios check the logic alone; what an
  ordering carries is seen by the models alone.
- **Relaxed reorderings.** Loom lets a load return older values that the memory model allows, out of the last few stores
  to that word. It does not let a load return a value whose store comes later in the same execution, which the memory
  model allows for `Relaxed` (load buffering).
- **`SeqCst` and fences.** Loom checks `SeqCst` operations as `AcqRel`. The core uses none, and no fence; the words of the
  api have one fence, which loom checks as it is.
- **Spurious failure.** In loom `compare_exchange_weak` fails only when the value differs. That it may fail without a reason
  is explored by the scenarios, not under weak orderings.
- **Crates of others.** `atomic-waker`, which `waiters` and `mailbox` keep their wakers in, is replaced by loom's own cell in
  models and is one indivisible step in scenarios; that it keeps its promise is not checked. What the api uses besides the
  core (`atomic_refcell`, channels and locks of executors) is not compiled for either tool, nor is the api itself but for
  its words; `tree` mirrors the part of it that matters most.
- **Ticks.** A model or scenario uses a few ticks, some of them across the wrap. What depends on how far ticks lie apart is
  the random tests' part.
- **Progress.** A deadlock is found, and a loop that does not end within the bound of branches. That an operation is
  lock-free or wait-free is argued in its documentation and not proven here.
- **Width.** Models use small numbers. Counters at their limits and times across the wrap are the table tests' part.
- **Memory beside the word.** The core holds nothing but atomics, so that a missing ordering cannot be seen in it. Models
  carry a payload that is written before a transition and asserted after it; an ordering without payload is not checked.
- **The compiler and the processor.** Both tools run the source against a model of memory, not the machine code.
  `core/tests/linear_*.rs` and `.ci/stress` run the machine code on real threads, in as many schedules as happen to occur.
";

#[cfg(test)]
mod tests {
    use super::Document;
    use crate::row::Row;
    use crate::verdict::{Failure, How};

    fn row(model: &str, executions: u64, seconds: f64) -> Row {
        Row {
            model: model.to_owned(),
            holds: "G1".to_owned(),
            threads: 2,
            bound: "full".to_owned(),
            executions,
            witnesses: "a | b (2)".to_owned(),
            seconds,
        }
    }

    fn document(executions: u64, seconds: f64) -> Document {
        let mut document = Document::default();
        document.add_model(&row("group::one", executions, seconds), &["group/lost"]);
        document.add_model(&row("credit::one", 7, 0.0), &[]);
        let failure = Failure {
            how: How::Assertion,
            message: "told twice".to_owned(),
        };
        document.add_mutant("group/lost", "G1", &[("group::one".to_owned(), failure)]);
        document
    }

    #[test]
    fn reads_back_what_it_renders() {
        let document = document(6, 1.5);
        let text = document.render();
        assert_eq!(Document::parse(&text), document);
        assert!(
            text.contains("| `group::one` | G1 | 2 | full | 6 | a \\| b (2) | `group/lost` | 1.50 s |\n"),
            "{text}"
        );
        assert!(
            text.contains("| `group/lost` | G1 | `group::one`, assertion: told twice |\n"),
            "{text}"
        );
    }

    #[test]
    fn another_time_is_no_difference() {
        assert!(
            document(6, 1.5)
                .differences(&document(6, 99.25), |_| true)
                .is_empty()
        );
    }

    #[test]
    fn another_count_or_a_missing_line_is_a_difference() {
        assert_eq!(document(6, 1.5).differences(&document(7, 1.5), |_| true).len(), 1);
        assert_eq!(
            document(6, 1.5).differences(&Document::default(), |_| true).len(),
            3
        );
        assert_eq!(
            Document::default()
                .differences(&document(6, 1.5), |machine| machine == "credit")
                .len(),
            1
        );
    }

    #[test]
    fn takes_over_the_machines_that_did_not_run() {
        let mut fresh = Document::default();
        fresh.add_model(&row("group::two", 9, 0.1), &[]);
        fresh.take_over(document(6, 1.5), |machine| machine != "group");
        let text = fresh.render();
        assert!(text.contains("`credit::one`") && text.contains("`group::two`"));
        assert!(!text.contains("`group::one`") && !text.contains("`group/lost`"));
    }
}
