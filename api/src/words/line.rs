//! How many stand in a line, for those who do not take the line's lock.
//!
//! ```text
//!   who comes   counts itself (join) ── then tries once more
//!   who gives   gives something back ── then asks whether somebody waits
//! ```
//!
//! - **N1** Of somebody who joins and somebody who gives back, one finds the other: who joined takes what was given back, or
//!   who gave it back is told that somebody waits.
//! - **N2** Nobody is left out of the count: while one stands in line, whoever gives back is told so.

use super::sync::{AtomicU32, Ordering};

/// A count of those who stand in line.
#[derive(Debug, Default)]
pub(crate) struct InLine {
    waiting: AtomicU32,
}

impl InLine {
    /// How many wait; of the past when it is read.
    pub(crate) fn len(&self) -> u32 {
        // ORDERING: Relaxed, a hint: who comes in spite of it joins, and who gives something back asks otherwise. Model:
        // `line::who_leaves_takes_nobody_along`.
        self.waiting.load(Ordering::Relaxed)
    }

    /// One more waits. It has to try once more: what was given back before is told to nobody.
    pub(crate) fn join(&self) {
        // ORDERING: AcqRel, N1. This and `somebody_waits` change one word, so one of them comes first. Acquire: if the other
        // was first, what was given back before is found by the next try. Release: if this was, so is the place in line.
        // Model: `line::who_joins_takes_or_is_told`.
        self.waiting.fetch_add(1, Ordering::AcqRel);
    }

    /// One less waits.
    pub(crate) fn leave(&self) {
        // ORDERING: Relaxed, N2. Only the count changes, and what others publish by it goes through this exchange. Model:
        // `line::who_leaves_takes_nobody_along`.
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether somebody is to be told that something was given back.
    #[must_use = "nobody else tells who waits"]
    pub(crate) fn somebody_waits(&self) -> bool {
        // ORDERING: AcqRel, N1. It adds nothing, and is no load: that may give a count from before somebody joined. Release:
        // whoever joins later finds what was given back. Model: `line::who_joins_takes_or_is_told`.
        self.waiting.fetch_add(0, Ordering::AcqRel) != 0
    }
}
