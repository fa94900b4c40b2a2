//! The turns, and the program around them.

use std::env;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use crate::counted::{self, PerTime, Which};
use crate::{Figure, Group, report};

/// What came out for one contestant.
#[derive(Debug)]
pub(crate) struct Measured {
    /// Nanoseconds for one time of the work, turn by turn.
    pub(crate) turns: Vec<f64>,
    pub(crate) allocated: Option<PerTime>,
    pub(crate) instructions: Option<f64>,
}

/// How a run was asked for.
#[derive(Debug, Default)]
struct Wish {
    instructions: bool,
    quick: bool,
    write: bool,
    words: Vec<String>,
}

/// Runs the figures of `groups` and prints them; `allocations` is the path of the program of that name.
///
/// A figure that is not reached is reported, not an error: the machine may be the reason.
#[must_use]
pub fn main(groups: &[Group], allocations: &str) -> ExitCode {
    let mut arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == counted::COUNT) {
        arguments.remove(0);
        counted::child(groups, &arguments);
        return ExitCode::SUCCESS;
    }
    let wish = match Wish::of(arguments) {
        Ok(wish) => wish,
        Err(unknown) => {
            eprintln!(
                "{unknown} is not known here; --instructions, --quick, --write and words of figures' names are"
            );
            return ExitCode::FAILURE;
        }
    };
    let bench = if let [only] = groups { only.name } else { "all" };
    let mut text = report::head(bench, &wish.command());
    print!("{text}");
    for group in groups {
        for figure in (group.figures)() {
            if !wish.wants(group.name, figure.name) {
                continue;
            }
            let part = wish.run(group.name, figure, Path::new(allocations));
            print!("{part}");
            text.push_str(&part);
        }
        for table in (group.tables)() {
            if wish.wants(group.name, table.name) {
                let part = report::table(&table);
                print!("{part}");
                text.push_str(&part);
            }
        }
    }
    if wish.write {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("RESULTS.md");
        if let Err(error) = fs::write(&path, text) {
            eprintln!("{} cannot be written: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

impl Wish {
    fn of(arguments: Vec<String>) -> Result<Self, String> {
        let mut wish = Self::default();
        for argument in arguments {
            match argument.as_str() {
                "--instructions" => wish.instructions = true,
                "--quick" => wish.quick = true,
                "--write" => wish.write = true,
                // Cargo says it to every bench program.
                "--bench" => {}
                unknown if unknown.starts_with('-') => return Err(argument),
                _ => wish.words.push(argument),
            }
        }
        if wish.instructions && !counted::has_valgrind() {
            return Err("--instructions without valgrind".to_owned());
        }
        Ok(wish)
    }

    fn wants(&self, group: &str, figure: &str) -> bool {
        self.words.is_empty()
            || self
                .words
                .iter()
                .any(|word| group == word || figure.contains(word.as_str()))
    }

    /// The arguments, as they are typed after `--`.
    fn command(&self) -> String {
        let flags = [
            (self.instructions, "--instructions"),
            (self.quick, "--quick"),
            (self.write, "--write"),
        ];
        let flags = flags.into_iter().filter(|(set, _)| *set).map(|(_, flag)| flag);
        flags
            .chain(self.words.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// All turns of one figure, and the counts.
    fn run(&self, group: &str, mut figure: Figure, counter: &Path) -> String {
        let contestants = figure.contestants.len();
        let mut turns = vec![Vec::new(); contestants];
        for contestant in &mut figure.contestants {
            (contestant.work)(figure.times);
        }
        let times = if self.quick { 3 } else { figure.turns };
        for turn in 0..times {
            for place in 0..contestants {
                let who = (place + turn) % contestants;
                if let (Some(contestant), Some(turns)) = (figure.contestants.get_mut(who), turns.get_mut(who))
                {
                    turns.push(contestant.turn(figure.times) / as_float(figure.times));
                }
            }
        }
        let measured: Vec<Measured> = figure
            .contestants
            .iter()
            .zip(turns)
            .map(|(contestant, turns)| {
                let which = Which {
                    group,
                    figure: figure.name,
                    contestant: contestant.name,
                    times: figure.times,
                };
                Measured {
                    turns,
                    allocated: counted::allocations(counter, which),
                    instructions: (self.instructions && figure.for_valgrind)
                        .then(|| counted::instructions(which))
                        .flatten(),
                }
            })
            .collect();
        report::figure(&figure, &measured)
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
const fn as_float(times: u64) -> f64 {
    times as f64
}
