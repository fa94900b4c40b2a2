//! The table that is printed and kept.

use core::fmt::Write as _;
use std::process::Command;

use crate::run::Measured;
use crate::{Figure, Goal, Role, Table};

/// What a goal came to.
struct Verdict {
    value: String,
    met: bool,
}

/// The head of a report: how, when and on what it was made.
pub(crate) fn head(bench: &str, arguments: &str) -> String {
    format!(
        "# Figures\n\n\
         Generated, do not edit: `cargo bench -p sweet-async-benches --bench {bench} -- {arguments}`, {}.\n\n\
         {}, {} logical processors.\n\n\
         A ratio is the median of the ratios within one turn. A limit is the least work that does the job.\n",
        output("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        processor(),
        std::thread::available_parallelism().map_or(1, usize::from),
    )
}

/// One figure: who took what, and whether the goals are met.
pub(crate) fn figure(figure: &Figure, measured: &[Measured]) -> String {
    let mut text = format!(
        "\n## {}\n\n| {:<48} | {:<5} | ns/{:<9} | ours ÷ it | allocations | bytes | instructions |\n\
         |{:-<50}|{:-<7}|{:->13}:|{:->10}:|{:->12}:|{:->6}:|{:->13}:|\n",
        figure.name, "contestant", "is", figure.unit, "", "", "", "", "", "", ""
    );
    let ours = position(figure, |_, role| role == Role::Ours);
    for (place, (contestant, of)) in figure.contestants.iter().zip(measured).enumerate() {
        let ratio = ours.and_then(|ours| ratio(measured, ours, place));
        let _ = writeln!(
            text,
            "| {:<48} | {:<5} | {:>12} | {:>9} | {:>11} | {:>5} | {:>12} |",
            contestant.name,
            contestant.role,
            time(median(&of.turns)),
            ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}")),
            of.allocated.map_or_else(String::new, |per| count(per.count)),
            of.allocated.map_or_else(String::new, |per| count(per.bytes)),
            of.instructions.map_or_else(String::new, count),
        );
    }
    text.push('\n');
    for (name, goal) in &figure.goals {
        let whose = position(figure, |candidate, _| candidate == *name);
        if let Some(verdict) = whose.and_then(|whose| verdict(figure, measured, whose, *goal)) {
            let met = if verdict.met { "met" } else { "**missed**" };
            let _ = writeln!(text, "- {name}: {goal}: {}, {met}", verdict.value);
        }
    }
    text
}

/// One table: what each library did.
pub(crate) fn table(table: &Table) -> String {
    let mut text = format!(
        "\n## {}\n\n{}\n\n| {:<48} | {:<5} | {:<40} | as asked |\n|{:-<50}|{:-<7}|{:-<42}|{:-<10}|\n",
        table.name, table.asked, "library", "is", "what it did", "", "", "", ""
    );
    for answer in &table.answers {
        let as_asked = if answer.as_asked { "yes" } else { "**no**" };
        let _ = writeln!(
            text,
            "| {:<48} | {:<5} | {:<40} | {as_asked:<8} |",
            answer.who, answer.role, answer.did
        );
    }
    text
}

fn verdict(figure: &Figure, measured: &[Measured], ours: usize, goal: Goal) -> Option<Verdict> {
    let against = |place: usize, most: f64| {
        let ratio = ratio(measured, ours, place)?;
        Some(Verdict {
            value: format!("{ratio:.2}"),
            met: ratio <= most,
        })
    };
    match goal {
        Goal::Times(most, of) => against(position(figure, |name, _| name == of)?, most),
        Goal::BestPeer(most) => against(best_peer(figure, measured)?, most),
        Goal::Nanos(most) => {
            let nanos = median(&measured.get(ours)?.turns);
            Some(Verdict {
                value: format!("{} ns", time(nanos)),
                met: nanos <= most,
            })
        }
        Goal::PerSecond(least) => {
            let rate = 1e9 / median(&measured.get(ours)?.turns);
            Some(Verdict {
                value: format!("{rate:.0} a second"),
                met: rate >= least,
            })
        }
        Goal::MoreAllocations(most, of) => {
            let base = measured
                .get(position(figure, |name, _| name == of)?)?
                .allocated?
                .count;
            let more = measured.get(ours)?.allocated?.count - base;
            // A queue that grows once in a turn is no allocation of the work.
            Some(Verdict {
                value: count(more),
                met: more < most + 0.01,
            })
        }
        Goal::MoreBytes(most, of) => {
            let base = measured
                .get(position(figure, |name, _| name == of)?)?
                .allocated?
                .bytes;
            let more = measured.get(ours)?.allocated?.bytes - base;
            Some(Verdict {
                value: format!("{more:.0}"),
                met: more <= most,
            })
        }
        Goal::NoAllocation => {
            let count = measured.get(ours)?.allocated?.count;
            Some(Verdict {
                value: format!("{count}"),
                met: count == 0.0,
            })
        }
    }
}

fn position(figure: &Figure, is: impl Fn(&str, Role) -> bool) -> Option<usize> {
    figure.contestants.iter().position(|one| is(one.name, one.role))
}

fn best_peer(figure: &Figure, measured: &[Measured]) -> Option<usize> {
    let peers = figure.contestants.iter().zip(measured).enumerate();
    peers
        .filter(|(_, (contestant, _))| contestant.role == Role::Peer)
        .map(|(place, (_, of))| (place, median(&of.turns)))
        .min_by(|left, right| left.1.total_cmp(&right.1))
        .map(|(place, _)| place)
}

/// The median over the turns of how many times the time of `other` the one at `place` took.
fn ratio(measured: &[Measured], place: usize, other: usize) -> Option<f64> {
    let (mine, theirs) = (measured.get(place)?, measured.get(other)?);
    let ratios: Vec<f64> = mine
        .turns
        .iter()
        .zip(&theirs.turns)
        .map(|(mine, theirs)| mine / theirs)
        .collect();
    Some(median(&ratios))
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn time(nanos: f64) -> String {
    if nanos < 100.0 {
        format!("{nanos:.2}")
    } else {
        format!("{nanos:.0}")
    }
}

fn count(number: f64) -> String {
    if number < 10.0 && number.fract() > 0.005 {
        format!("{number:.2}")
    } else {
        format!("{number:.0}")
    }
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("an unknown processor", |name| {
            name.trim_start_matches([' ', '\t', ':'])
        })
        .to_owned()
}

fn output(program: &str, arguments: &[&str]) -> String {
    Command::new(program)
        .args(arguments)
        .output()
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .map_or_else(|| "at an unknown time".to_owned(), |text| text.trim().to_owned())
}
