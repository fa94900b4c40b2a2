//! Counts that need a process of their own: allocations and instructions.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::meter::Allocated;
use crate::{Contestant, Group, Sample};

/// The argument that makes a bench program do one contestant's work once and print what it allocated.
pub(crate) const COUNT: &str = "--count";

/// Allocations and bytes for each time the work is done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PerTime {
    pub(crate) count: f64,
    pub(crate) bytes: f64,
}

/// One contestant, as a child process is told of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Which<'a> {
    pub(crate) group: &'a str,
    pub(crate) figure: &'a str,
    pub(crate) contestant: &'a str,
    pub(crate) times: u64,
}

/// Does in a child process what its arguments name: once to warm up, once for the count.
pub fn child(groups: &[Group], arguments: &[String]) {
    let [group, figure, contestant, times] = arguments else {
        return;
    };
    let Ok(times) = times.parse() else {
        return;
    };
    let found = groups
        .iter()
        .filter(|candidate| candidate.name == group)
        .flat_map(|candidate| (candidate.figures)())
        .filter(|candidate| candidate.name == figure)
        .flat_map(|candidate| candidate.contestants)
        .find(|candidate| candidate.name == contestant);
    if let Some(Contestant { mut work, .. }) = found {
        work(times);
        let Sample {
            allocated: Allocated { count, bytes },
            ..
        } = work(times);
        println!("{count} {bytes}");
    }
}

/// What one time of the work allocates, counted by the program `counter`.
pub(crate) fn allocations(counter: &Path, which: Which<'_>) -> Option<PerTime> {
    let output = Command::new(counter)
        .args(which.arguments())
        .stderr(Stdio::inherit())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (count, bytes) = text.trim().split_once(' ')?;
    let per_time = |number: &str| Some(number.parse::<f64>().ok()? / times(which));
    Some(PerTime {
        count: per_time(count)?,
        bytes: per_time(bytes)?,
    })
}

/// How many instructions one time of the work takes, on all threads together, counted by valgrind.
pub(crate) fn instructions(which: Which<'_>) -> Option<f64> {
    let folder = tempfile::tempdir().ok()?;
    let out = folder.path().join("callgrind");
    let mut out_file = std::ffi::OsString::from("--callgrind-out-file=");
    out_file.push(&out);
    let status = Command::new("valgrind")
        .args(["--tool=callgrind", "--dump-before=*instruction_mark*"])
        .arg(out_file)
        .arg(env::current_exe().ok()?)
        .args(which.arguments())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .ok()?;
    if !status.success() {
        return None;
    }
    // Two marks to warm up, two for the count: the fourth dump holds what happened between the last two.
    let dump = fs::read_to_string(PathBuf::from(format!("{}.4", out.display()))).ok()?;
    let total = dump.lines().find_map(|line| {
        line.strip_prefix("totals: ")
            .or_else(|| line.strip_prefix("summary: "))
    })?;
    Some(total.trim().parse::<f64>().ok()? / times(which))
}

/// Whether instructions can be counted here.
pub(crate) fn has_valgrind() -> bool {
    Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

impl Which<'_> {
    fn arguments(self) -> [String; 5] {
        [
            COUNT.to_owned(),
            self.group.to_owned(),
            self.figure.to_owned(),
            self.contestant.to_owned(),
            self.times.to_string(),
        ]
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn times(which: Which<'_>) -> f64 {
    which.times as f64
}
