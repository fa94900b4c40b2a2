//! One run of the runner: every model, every mutant, and what they add up to.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use crate::document::{Document, machine_of};
use crate::options::{Mode, Options};
use crate::orderings;
use crate::patch::Mutant;
use crate::row::Row;
use crate::scratch::{SCENARIOS, SOURCES, Scratch};
use crate::trouble::Trouble;
use crate::verdict::{Failure, Verdict};

/// How long one model may run.
const MODEL_LIMIT: Duration = Duration::from_mins(5);
/// How long one model may run under a mutant, before the mutant counts as killed by the timeout.
const MUTANT_LIMIT: Duration = Duration::from_mins(2);
/// A weakened ordering, a lost compare-and-swap, a wrong branch.
const MUTANTS_PER_MACHINE: usize = 3;
/// Each worker compiles the model checker once; beyond a few that costs more than it saves.
const MOST_WORKERS: usize = 4;

/// A piece of work for one worker.
#[derive(Clone, Debug)]
enum Job {
    /// Every model of a machine, as it is.
    Models(String),
    /// The models and scenarios that a mutant names, with the mutant applied.
    Mutant(Mutant),
}

/// What was found so far.
#[derive(Debug, Default)]
struct Ledger {
    /// Every model there is, whether it passed or not.
    known: BTreeSet<String>,
    passed: BTreeMap<String, Row>,
    kills: Vec<(Mutant, Vec<(String, Failure)>)>,
    problems: Vec<String>,
    done: usize,
}

/// Does what the options ask for; answers whether everything held.
pub(crate) fn run(options: &Options) -> Result<bool, Trouble> {
    let started = Instant::now();
    let tree = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tree = tree.parent().unwrap_or(tree);
    let machines = machines(tree, options)?;
    let mutants = match options.mode {
        Mode::Models => Vec::new(),
        Mode::Evidence | Mode::Check => mutants(tree, &machines)?,
    };
    let mut ledger = work(tree, &machines, &mutants)?;
    ledger.problems.extend(unfounded(tree, options, &ledger.known)?);
    if options.mode != Mode::Models {
        ledger.problems.extend(too_few(&machines, &mutants));
        ledger.void_kills();
        ledger.doubt_scenarios();
        settle(tree, options, &mut ledger)?;
    }
    let killed = ledger.kills.len();
    let executions: u64 = ledger.passed.values().map(|row| row.executions).sum();
    println!(
        "\n{} of {} models hold in {executions} executions; {killed} of {} mutants killed; {} s",
        ledger.passed.len(),
        ledger.known.len(),
        mutants.len(),
        started.elapsed().as_secs()
    );
    for problem in &ledger.problems {
        eprintln!("error: {problem}");
    }
    Ok(ledger.problems.is_empty())
}

/// The machines that have models and that the run concerns.
fn machines(tree: &Path, options: &Options) -> Result<Vec<String>, Trouble> {
    let directory = tree.join("loom-tests/tests");
    let mut known = Vec::new();
    for entry in fs::read_dir(&directory).map_err(Trouble::io("list", &directory))? {
        let path = entry.map_err(Trouble::io("list", &directory))?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            known.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    known.sort();
    match &options.machine {
        Some(name) if !known.contains(name) => Err(Trouble::UnknownMachine {
            name: name.clone(),
            known,
        }),
        _ => {
            known.retain(|machine| options.wants(machine));
            Ok(known)
        }
    }
}

fn mutants(tree: &Path, machines: &[String]) -> Result<Vec<Mutant>, Trouble> {
    let directory = tree.join("loom-tests/mutants");
    let mut mutants = Vec::new();
    for machine in machines {
        mutants.extend(Mutant::all_of(machine, &directory.join(machine))?);
        if let Some(models) = machine.strip_prefix(SCENARIOS) {
            let theirs = Mutant::all_of(models, &directory.join(models))?;
            mutants.extend(theirs.into_iter().filter_map(Mutant::for_scenarios));
        }
    }
    Ok(mutants)
}

/// Runs the models, then the mutants, on as many workers as the machine has cores.
fn work(tree: &Path, machines: &[String], mutants: &[Mutant]) -> Result<Ledger, Trouble> {
    let home = home()?;
    let lock = home.join("lock");
    let held = File::create(&lock).map_err(Trouble::io("write", &lock))?;
    if held.try_lock().is_err() {
        println!("waiting for another run in {}", home.display());
        held.lock().map_err(Trouble::io("lock", &lock))?;
    }
    let jobs: VecDeque<Job> = machines
        .iter()
        .cloned()
        .map(Job::Models)
        .chain(mutants.iter().cloned().map(Job::Mutant))
        .collect();
    let total = jobs.len();
    let workers = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MOST_WORKERS)
        .min(total);
    println!(
        "{} machines, {} mutants, {workers} workers; building the model checker first",
        machines.len(),
        mutants.len()
    );
    let (jobs, ledger) = (Mutex::new(jobs), Mutex::new(Ledger::default()));
    thread::scope(|scope| {
        for worker in 0..workers {
            let scratch = Scratch::new(tree, home.join(worker.to_string()));
            let (jobs, ledger) = (&jobs, &ledger);
            scope.spawn(move || {
                loop {
                    let Some(job) = lock_of(jobs).pop_front() else {
                        return;
                    };
                    job.perform(&scratch, ledger, total);
                }
            });
        }
    });
    Ok(ledger.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// The directory of the scratch copies, beside what cargo builds.
fn home() -> Result<PathBuf, Trouble> {
    let own = env::current_exe().map_err(Trouble::io("find", Path::new("the runner itself")))?;
    // `<target>/<profile>/evidence`
    let target = own.ancestors().nth(2).unwrap_or(&own);
    let home = target.join("evidence");
    fs::create_dir_all(&home).map_err(Trouble::io("make", &home))?;
    Ok(home)
}

fn lock_of<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Job {
    /// Does the work and notes what came of it.
    fn perform(&self, scratch: &Scratch, ledger: &Mutex<Ledger>, total: usize) {
        let started = Instant::now();
        let what = match self {
            Self::Models(machine) => machine,
            Self::Mutant(mutant) => &mutant.name,
        };
        let outcome = match self {
            Self::Models(machine) => run_models(scratch, machine, ledger),
            Self::Mutant(mutant) => run_mutant(scratch, mutant, ledger),
        };
        let mut ledger = lock_of(ledger);
        ledger.done += 1;
        let said = outcome.unwrap_or_else(|trouble| {
            ledger.problems.push(format!("{what}: {trouble}"));
            "no answer, see below".to_owned()
        });
        println!(
            "[{:>3}/{total}] {what}: {said} ({:.1} s)",
            ledger.done,
            started.elapsed().as_secs_f64()
        );
    }
}

fn run_models(scratch: &Scratch, machine: &str, ledger: &Mutex<Ledger>) -> Result<String, Trouble> {
    scratch.mend()?;
    let models = scratch.build(machine)?;
    let names = models.names()?;
    lock_of(ledger).known.extend(names.iter().cloned());
    let mut held = 0;
    for name in &names {
        let verdict = models.run(name, MODEL_LIMIT)?;
        let mut ledger = lock_of(ledger);
        match verdict {
            Verdict::Passed(row) => {
                println!(
                    "  {name:<48} {:>9} executions {:>8.2} s",
                    row.executions, row.seconds
                );
                ledger.passed.insert(name.clone(), row);
                held += 1;
            }
            Verdict::Failed(failure) => {
                println!("  {name:<48} FAILED");
                ledger.problems.push(format!(
                    "{name} fails, {}: {}",
                    failure.how.as_str(),
                    failure.message
                ));
            }
            Verdict::Void(reason) => {
                println!("  {name:<48} no answer");
                ledger.problems.push(format!("{name}: {reason}"));
            }
        }
    }
    if names.is_empty() {
        lock_of(ledger).problems.push(format!("{machine} has no model"));
    }
    Ok(format!("{held} of {} models hold", names.len()))
}

fn run_mutant(scratch: &Scratch, mutant: &Mutant, ledger: &Mutex<Ledger>) -> Result<String, Trouble> {
    scratch.mend()?;
    scratch.apply(mutant)?;
    let models = scratch.build(&mutant.machine)?;
    let mut killers = Vec::new();
    for name in &mutant.header.killed_by {
        match models.run(name, MUTANT_LIMIT)? {
            Verdict::Failed(failure) => killers.push((name.clone(), failure)),
            Verdict::Passed(_) => {
                lock_of(ledger).problems.push(format!(
                    "{} survives {name}, which should notice: {}",
                    mutant.name, mutant.header.breaks
                ));
                return Ok(format!("SURVIVES {name}"));
            }
            Verdict::Void(reason) => {
                lock_of(ledger)
                    .problems
                    .push(format!("{} under {name}: {reason}", mutant.name));
                return Ok(format!("no answer from {name}"));
            }
        }
    }
    let said: Vec<_> = killers
        .iter()
        .map(|(name, failure)| format!("{name}, {}", failure.how.as_str()))
        .collect();
    lock_of(ledger).kills.push((mutant.clone(), killers));
    Ok(format!("killed by {}", said.join("; ")))
}

/// Models that a comment in the sources appeals to and that do not exist, and comments that appeal to none.
fn unfounded(tree: &Path, options: &Options, known: &BTreeSet<String>) -> Result<Vec<String>, Trouble> {
    let mut found = Vec::new();
    let mut appeals = Vec::new();
    for source in SOURCES {
        appeals.extend(orderings::appeals(tree, source)?);
    }
    for appeal in appeals {
        match appeal.model {
            None if options.machine.is_none() => {
                found.push(format!("{}: this ordering names no model", appeal.place));
            }
            Some(model) if options.wants(machine_of(&model)) && !known.contains(&model) => {
                found.push(format!("{}: there is no model {model}", appeal.place));
            }
            _ => {}
        }
    }
    Ok(found)
}

fn too_few(machines: &[String], mutants: &[Mutant]) -> Vec<String> {
    machines
        .iter()
        .filter(|machine| !machine.starts_with(SCENARIOS))
        .map(|machine| {
            let count = mutants.iter().filter(|mutant| &mutant.machine == machine).count();
            (machine, count)
        })
        .filter(|(_, count)| *count < MUTANTS_PER_MACHINE)
        .map(|(machine, count)| format!("{machine} has {count} mutants of at least {MUTANTS_PER_MACHINE}"))
        .collect()
}

impl Ledger {
    /// Takes back each kill by a model that also fails, or never ran, without the mutant.
    fn void_kills(&mut self) {
        let (passed, problems) = (&self.passed, &mut self.problems);
        self.kills.retain(|(mutant, killers)| {
            let unsound = killers.iter().find(|(model, _)| !passed.contains_key(model));
            if let Some((model, _)) = unsound {
                problems.push(format!(
                    "{} proves nothing: {model} does not pass without it",
                    mutant.name
                ));
            }
            unsound.is_none()
        });
    }

    /// Complains of each scenario that no mutant made fail: nothing shows that it can.
    fn doubt_scenarios(&mut self) {
        let kills = |scenario: &String| {
            self.kills
                .iter()
                .any(|(_, killers)| killers.iter().any(|(killer, _)| killer == scenario))
        };
        let idle: Vec<_> = self
            .passed
            .keys()
            .filter(|model| model.starts_with(SCENARIOS) && !kills(model))
            .map(|scenario| format!("{scenario} kills no mutant"))
            .collect();
        self.problems.extend(idle);
    }

    fn document(&self) -> Document {
        let mut document = Document::default();
        for (model, row) in &self.passed {
            let mut killed: Vec<_> = self
                .kills
                .iter()
                .filter(|(_, killers)| killers.iter().any(|(killer, _)| killer == model))
                .map(|(mutant, _)| mutant.name.as_str())
                .collect();
            killed.sort_unstable();
            document.add_model(row, &killed);
        }
        for (mutant, killers) in &self.kills {
            document.add_mutant(&mutant.name, &mutant.header.breaks, killers);
        }
        document
    }
}

/// Writes the table, or compares it.
fn settle(tree: &Path, options: &Options, ledger: &mut Ledger) -> Result<(), Trouble> {
    let path = tree.join("loom-tests/EVIDENCE.md");
    let written = match fs::read_to_string(&path) {
        Ok(text) => Document::parse(&text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Document::default(),
        Err(error) => return Err(Trouble::io("read", &path)(error)),
    };
    let mut measured = ledger.document();
    if options.mode == Mode::Check {
        ledger
            .problems
            .extend(written.differences(&measured, |machine| options.wants(machine)));
        return Ok(());
    }
    measured.take_over(written, |machine| !options.wants(machine));
    fs::write(&path, measured.render()).map_err(Trouble::io("write", &path))?;
    println!("\nwrote {}", path.display());
    Ok(())
}
