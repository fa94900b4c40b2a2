//! The end of a task that was alone: nobody hung anything on it, and now nobody does.
//!
//! ```text
//!   who hangs something on it   makes the place ── then asks whether it is sealed; if so, it is too late
//!   who ends it                 seals it ── then looks whether there is a place
//! ```
//!
//! - **S1** Of the two one finds the other: there is a place and the end is told of it, or who made it is refused.

use super::sync::{AtomicBool, Ordering};

/// Whether a task has ended without anything that hung on it.
#[derive(Debug, Default)]
pub(crate) struct Seal {
    sealed: AtomicBool,
}

impl Seal {
    /// From now on it is too late. What is there is to be looked at after this.
    #[inline]
    pub(crate) fn set(&self) {
        // ORDERING: AcqRel, S1. This and `is_set` change one word, so one of them comes first. Acquire: if the other was
        // first, the place that was made before it is found. Release: what was written before the end belongs to who is too
        // late. Model: `tree::the_first_child_is_refused_or_waited_for`.
        self.sealed.swap(true, Ordering::AcqRel);
    }

    /// Whether it is too late. The place is to be made before this.
    pub(crate) fn is_set(&self) -> bool {
        // ORDERING: AcqRel, S1. It changes nothing, and is no load: that may give what was so before the end. Release: the
        // place is found by whoever seals later. Model: `tree::the_first_child_is_refused_or_waited_for`.
        self.sealed.fetch_or(false, Ordering::AcqRel)
    }
}
