//! What cannot be the same everywhere.

use super::stage::Flavour;
use crate::Runtime;

/// Something that an executor cannot do as the others do. Each turns a case of the suite to its other branch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Difference {
    /// Time passes by itself: lengths of time are at least as long as stated, not exactly.
    RealTime,
    /// One thread polls everything, also what [`Harness::run`](super::Harness::run) is given: no task is met in the middle of a poll.
    OneThread,
    /// An executor is always there: a task that is started where none was started is not rejected.
    AlwaysRunning,
    /// The adapter has no `block_on` of its own.
    NoBlockOn,
    /// The threads are started by the executor, which names them.
    ForeignThreads,
    /// Virtual time stands still while a blocking closure is at work.
    ClosuresHoldTime,
    /// When the executor has gone, so have its blocking closures: they unwind from where they gave their turn back.
    EndsClosures,
    /// Tasks without a parent are listed from the beginning, as many as there are.
    ListsTasks,
}

impl Difference {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::RealTime,
        Self::OneThread,
        Self::AlwaysRunning,
        Self::NoBlockOn,
        Self::ForeignThreads,
        Self::ClosuresHoldTime,
        Self::EndsClosures,
        Self::ListsTasks,
    ];
}

/// The differences of the adapters of this project, for people: a line a difference, a column a flavour.
pub const TABLE: &str = include_str!("differences.md");

/// The cells of one line of a table.
fn cells(line: &str) -> Vec<&str> {
    let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
    inner.split('|').map(str::trim).collect()
}

pub(super) fn the_table_says_what_the_harness_declares<R: Runtime>(flavour: Flavour<R>) {
    let mut lines = flavour
        .table
        .lines()
        .filter(|line| line.starts_with('|'))
        .map(cells);
    let headings = lines.next().unwrap_or_default();
    let column = headings.iter().position(|heading| *heading == flavour.name);
    let Some(column) = column else {
        panic!(
            "no column of the table is headed `{}`: {headings:?}",
            flavour.name
        )
    };
    // Below the headings is the rule.
    let rows: Vec<Vec<&str>> = lines.skip(1).collect();
    for row in &rows {
        assert_eq!(row.len(), headings.len(), "{row:?}");
    }
    for difference in Difference::ALL {
        let name = format!("`{difference:?}`");
        let told: Vec<_> = rows
            .iter()
            .filter(|row| row.first() == Some(&name.as_str()))
            .collect();
        let [row] = told.as_slice() else {
            panic!("the table has {} lines for {name}", told.len())
        };
        let says = row.get(column).copied().unwrap_or_default();
        let declared = flavour.differences.contains(difference);
        assert_eq!(
            says,
            if declared { "yes" } else { "" },
            "{name}, {}",
            flavour.name
        );
    }
    assert_eq!(rows.len(), Difference::ALL.len(), "lines that are no difference");
}
