//! Two sides that each write a word of their own, and then read the other's.
//!
//! ```text
//!   one side     writes its word ── fence ── reads the other's
//!   the other    writes its word ── fence ── reads the first's
//! ```
//!
//! - **A1** At least one of the two sees what the other wrote. So a child that enters while its parent is cancelled is told
//!   by one of them, and who begins to wait is woken or need not wait.

use super::sync::{Ordering, fence as both};

/// Stands between the write and the read, on both sides.
#[inline]
pub(crate) fn fence() {
    // ORDERING: SeqCst, A1. What each side writes is an exchange or a store of its own word, and no other word is changed by
    // both, so that nothing weaker puts the write before the read. Model: `tree::no_child_survives_a_cancelled_parent`.
    both(Ordering::SeqCst);
}
