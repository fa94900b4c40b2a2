//! A copy of what the models are about, and of the models, that may be broken, with a target directory of its own.

use core::time::Duration;
use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Instant;

use crate::patch::Mutant;
use crate::trouble::Trouble;
use crate::verdict::{Exit, Verdict, judge};

/// What the models need, and what in it they do not.
const MEMBERS: [(&str, &[&str]); 2] = [
    ("core", &["target", "mutants.out"]),
    ("loom-tests", &["mutants", "bin", "EVIDENCE.md", "target"]),
];

/// The sources that the models are about and that mutants break: the core, and the words of the api, which the models
/// compile on their own.
pub(crate) const SOURCES: [&str; 2] = ["core/src", "api/src/words"];

/// How the name of a file of scenarios, which run under shuttle, begins; the other files hold models for loom.
pub(crate) const SCENARIOS: &str = "shuttle_";

/// How often a running model is looked at.
const GLANCE: Duration = Duration::from_millis(5);

/// One worker's copy.
#[derive(Debug)]
pub(crate) struct Scratch {
    tree: PathBuf,
    copy: PathBuf,
}

/// The compiled models of one machine.
#[derive(Debug)]
pub(crate) struct Models {
    machine: String,
    program: PathBuf,
    copy: PathBuf,
}

impl Scratch {
    /// A copy of `tree` in `copy`, which may exist from an earlier run.
    pub(crate) fn new(tree: &Path, copy: PathBuf) -> Self {
        Self {
            tree: tree.to_owned(),
            copy,
        }
    }

    /// Makes the copy equal to the tree again. Files that are equal already keep their times, so that cargo keeps
    /// what it built from them.
    pub(crate) fn mend(&self) -> Result<(), Trouble> {
        for (member, without) in MEMBERS {
            mirror(&self.tree.join(member), &self.copy.join(member), without)?;
        }
        for source in SOURCES {
            mirror(&self.tree.join(source), &self.copy.join(source), &[])?;
        }
        let manifest = read(&self.tree.join("Cargo.toml"))?;
        let manifest = with_members(&manifest).ok_or(Trouble::Manifest)?;
        write_if_new(&self.copy.join("Cargo.toml"), manifest.as_bytes())?;
        // Cargo drops from the copy's lock file what the copy does not use, so the original is kept beside it.
        let (lock, original) = (read(&self.tree.join("Cargo.lock"))?, self.copy.join("tree.lock"));
        if fs::read(&original).ok().as_deref() != Some(lock.as_bytes()) {
            write(&self.copy.join("Cargo.lock"), lock.as_bytes())?;
            write(&original, lock.as_bytes())?;
        }
        Ok(())
    }

    /// Breaks the copy as the mutant says.
    pub(crate) fn apply(&self, mutant: &Mutant) -> Result<(), Trouble> {
        let refused = |said: &str| Trouble::DoesNotApply {
            patch: mutant.path.clone(),
            said: said.to_owned(),
        };
        let output = Command::new("git")
            .args(["apply", "--recount", "--whitespace=nowarn"])
            .arg(&mutant.path)
            .current_dir(&self.copy)
            // The copy lies inside a work tree whose repository must not be found: git would then skip every file.
            .env("GIT_CEILING_DIRECTORIES", self.copy.parent().unwrap_or(&self.copy))
            .env_remove("GIT_DIR")
            .env_remove("GIT_WORK_TREE")
            .output()
            .map_err(Trouble::io("run", Path::new("git")))?;
        if !output.status.success() {
            return Err(refused(&String::from_utf8_lossy(&output.stderr)));
        }
        for source in SOURCES {
            if !same(&self.tree.join(source), &self.copy.join(source))? {
                return Ok(());
            }
        }
        Err(refused("it changes nothing"))
    }

    /// Compiles the models, or the scenarios, of `machine` as the copy stands.
    pub(crate) fn build(&self, machine: &str) -> Result<Models, Trouble> {
        // A target directory for each face: changing the flags of one would throw away what it built.
        let (target, flags) = match machine.strip_prefix(SCENARIOS) {
            Some(_) => ("target-shuttle", "--cfg sweet_shuttle"),
            None => ("target", "--cfg sweet_loom"),
        };
        let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let output = Command::new(&cargo)
            .args(["test", "--package", "loom-tests", "--profile", "loom", "--test"])
            .arg(machine)
            .args(["--no-run", "--quiet", "--message-format=json-render-diagnostics"])
            .current_dir(&self.copy)
            .env("CARGO_TARGET_DIR", self.copy.join(target))
            .env("RUSTFLAGS", flags)
            // A mutant changes a line or two; this halves the time of a build.
            .env("CARGO_PROFILE_LOOM_INCREMENTAL", "true")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .output()
            .map_err(Trouble::io("run", Path::new(&cargo)))?;
        let program = executable(&String::from_utf8_lossy(&output.stdout), machine);
        match program {
            Some(program) if output.status.success() => Ok(Models {
                machine: machine.to_owned(),
                program,
                copy: self.copy.clone(),
            }),
            _ => Err(Trouble::DoesNotBuild {
                machine: machine.to_owned(),
                said: String::from_utf8_lossy(&output.stderr).into_owned(),
            }),
        }
    }
}

impl Models {
    /// The names of the models, each as `machine::model`.
    pub(crate) fn names(&self) -> Result<Vec<String>, Trouble> {
        let output = Command::new(&self.program)
            .args(["--list", "--format", "terse"])
            .output()
            .map_err(Trouble::io("run", &self.program))?;
        Ok(String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| line.strip_suffix(": test"))
            .map(|test| format!("{}::{test}", self.machine))
            .collect())
    }

    /// Runs one model in a process of its own, for at most `limit`.
    pub(crate) fn run(&self, model: &str, limit: Duration) -> Result<Verdict, Trouble> {
        let test = model
            .strip_prefix(&self.machine)
            .and_then(|rest| rest.strip_prefix("::"))
            .unwrap_or(model);
        let (printed, recorded) = (self.copy.join("printed.txt"), self.copy.join("recorded.tsv"));
        write(&recorded, b"")?;
        let output = File::create(&printed).map_err(Trouble::io("write", &printed))?;
        let errors = output.try_clone().map_err(Trouble::io("write", &printed))?;
        let mut command = Command::new(&self.program);
        command
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env("SWEET_EVIDENCE", &recorded)
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors);
        // Loom reads bounds from the environment, shuttle its seed, a scenario a schedule; the committed ones count.
        let own = |name: &OsString| {
            let name = name.to_string_lossy();
            ["LOOM_", "SHUTTLE_", "SWEET_SCHEDULE"]
                .iter()
                .any(|begins| name.starts_with(begins))
        };
        for (name, _) in env::vars_os().filter(|(name, _)| own(name)) {
            command.env_remove(name);
        }
        let mut child = command.spawn().map_err(Trouble::io("run", &self.program))?;
        let status = wait(&mut child, limit).map_err(Trouble::io("wait for", &self.program))?;
        let exit = match status {
            None => Exit::TimedOut,
            Some(status) if status.success() => Exit::Success,
            Some(_) => Exit::Failure,
        };
        Ok(judge(model, exit, &read_lossy(&printed)?, &read(&recorded)?))
    }
}

/// Waits for the end of `child`, or ends it when the time is over.
fn wait(child: &mut Child, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if started.elapsed() >= limit {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(GLANCE);
    }
}

/// The test program of `machine` among cargo's messages.
fn executable(messages: &str, machine: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| {
            message
                .pointer("/target/name")
                .is_some_and(|name| name == machine)
        })
        .find_map(|message| Some(PathBuf::from(message.get("executable")?.as_str()?)))
}

/// The workspace manifest with only the members of the copy.
fn with_members(manifest: &str) -> Option<String> {
    let (before, rest) = manifest.split_once("members = [")?;
    let (_, after) = rest.split_once(']')?;
    let members: Vec<_> = MEMBERS.iter().map(|(name, _)| format!("{name:?}")).collect();
    Some(format!("{before}members = [{}]{after}", members.join(", ")))
}

/// Makes `to` hold what `from` holds, less everything of a name in `without`.
fn mirror(from: &Path, to: &Path, without: &[&str]) -> Result<(), Trouble> {
    fs::create_dir_all(to).map_err(Trouble::io("make", to))?;
    let wanted = names(from, without)?;
    for extra in names(to, &[])?.difference(&wanted) {
        let extra = to.join(extra);
        let removed = if extra.is_dir() {
            fs::remove_dir_all(&extra)
        } else {
            fs::remove_file(&extra)
        };
        removed.map_err(Trouble::io("remove", &extra))?;
    }
    for name in wanted {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            mirror(&from, &to, without)?;
        } else {
            let bytes = fs::read(&from).map_err(Trouble::io("read", &from))?;
            write_if_new(&to, &bytes)?;
        }
    }
    Ok(())
}

/// Whether two directories hold the same.
fn same(one: &Path, other: &Path) -> Result<bool, Trouble> {
    let names_of_one = names(one, &[])?;
    if names_of_one != names(other, &[])? {
        return Ok(false);
    }
    for name in names_of_one {
        let (one, other) = (one.join(&name), other.join(&name));
        let equal = if one.is_dir() {
            same(&one, &other)?
        } else {
            fs::read(&one).map_err(Trouble::io("read", &one))?
                == fs::read(&other).map_err(Trouble::io("read", &other))?
        };
        if !equal {
            return Ok(false);
        }
    }
    Ok(true)
}

fn names(directory: &Path, without: &[&str]) -> Result<BTreeSet<OsString>, Trouble> {
    fs::read_dir(directory)
        .map_err(Trouble::io("list", directory))?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .filter(|name| {
            !name
                .as_ref()
                .is_ok_and(|name| without.iter().any(|unwanted| name == unwanted))
        })
        .collect::<Result<_, _>>()
        .map_err(Trouble::io("list", directory))
}

fn read(path: &Path) -> Result<String, Trouble> {
    fs::read_to_string(path).map_err(Trouble::io("read", path))
}

fn read_lossy(path: &Path) -> Result<String, Trouble> {
    let bytes = fs::read(path).map_err(Trouble::io("read", path))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Trouble> {
    fs::write(path, bytes).map_err(Trouble::io("write", path))
}

fn write_if_new(path: &Path, bytes: &[u8]) -> Result<(), Trouble> {
    match fs::read(path) {
        Ok(held) if held == bytes => Ok(()),
        _ => write(path, bytes),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{executable, with_members};

    #[test]
    fn finds_the_program_of_the_machine_among_cargos_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"loom_tests"},"executable":null}"#,
            "\nnot a message\n",
            r#"{"reason":"compiler-artifact","target":{"name":"group"},"executable":"/a \"b\"/group-1"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(
            executable(messages, "group").as_deref(),
            Some(Path::new("/a \"b\"/group-1"))
        );
        assert_eq!(executable(messages, "credit"), None);
    }

    #[test]
    fn keeps_the_manifest_but_for_its_members() {
        let manifest =
            "[workspace]\nmembers = [\"core\", \"api\"]\n\n[profile.loom]\ninherits = \"release\"\n";
        assert_eq!(
            with_members(manifest).as_deref(),
            Some(
                "[workspace]\nmembers = [\"core\", \"loom-tests\"]\n\n[profile.loom]\ninherits = \"release\"\n"
            )
        );
        assert_eq!(with_members("[package]\n"), None);
    }
}
