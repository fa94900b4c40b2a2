//! One line of the file that a model writes when it has passed (`SWEET_EVIDENCE`, see `check.rs`).

/// What a model says of itself and what was counted while it ran.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) model: String,
    pub(crate) holds: String,
    pub(crate) threads: usize,
    /// The number of preemptions, or `full`.
    pub(crate) bound: String,
    pub(crate) executions: u64,
    /// Each outcome with the number of executions that showed it.
    pub(crate) witnesses: String,
    pub(crate) seconds: f64,
}

impl Row {
    /// Reads one tab-separated line; `None` when it is not one.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut cells = line.split('\t');
        let row = Self {
            model: cells.next()?.to_owned(),
            holds: cells.next()?.to_owned(),
            threads: cells.next()?.parse().ok()?,
            bound: cells.next()?.to_owned(),
            executions: cells.next()?.parse().ok()?,
            witnesses: cells.next()?.to_owned(),
            seconds: cells.next()?.parse().ok()?,
        };
        cells.next().is_none().then_some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::Row;

    const LINE: &str = "group::last_out\tG4, G6\t3\tfull\t5487\tcloser (1124), leaver (4363)\t1.00";

    #[test]
    fn reads_what_a_model_writes() {
        let row = Row::parse(LINE).expect("a row");
        assert_eq!(row.model, "group::last_out");
        assert_eq!(row.holds, "G4, G6");
        assert_eq!((row.threads, row.executions), (3, 5487));
        assert_eq!(row.bound, "full");
        assert_eq!(row.witnesses, "closer (1124), leaver (4363)");
        assert!((row.seconds - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn refuses_a_line_with_a_cell_too_few_too_many_or_not_a_number() {
        let (short, _) = LINE.rsplit_once('\t').expect("has tabs");
        assert_eq!(Row::parse(short), None);
        assert_eq!(Row::parse(&format!("{LINE}\tmore")), None);
        assert_eq!(Row::parse(&LINE.replace("5487", "many")), None);
        assert_eq!(Row::parse(""), None);
    }
}
