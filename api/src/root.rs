//! The scope of the tasks that have no parent.

use core::sync::atomic::{AtomicUsize, Ordering};

use sweet_async_core::group::{Close, Group};

use crate::task::Rejection;

/// The scope of the tasks of one runtime that have no parent task: how many live, and how many threads were abandoned.
///
/// An adapter owns one and hands it out through [`Runtime::root`](crate::Runtime::root). Counting is two atomic
/// operations a task; nothing is locked.
#[derive(Debug)]
pub struct Root {
    group: Group,
    abandoned: AtomicUsize,
}

impl Root {
    /// An empty, open scope.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            group: Group::new(),
            abandoned: AtomicUsize::new(0),
        }
    }

    /// How many tasks without a parent live now.
    #[must_use]
    pub fn live(&self) -> u32 {
        self.group.live()
    }

    /// How many blocking closures run on although their task is over.
    ///
    /// A closure on a thread cannot be stopped from outside. One whose task was killed hard or timed out is counted
    /// here until it returns; its result is never published.
    #[must_use]
    pub fn abandoned(&self) -> usize {
        // Relaxed: a count that stands alone.
        self.abandoned.load(Ordering::Relaxed)
    }

    /// Admits no further task. Those that live are not touched.
    ///
    /// Returns whether the scope was open.
    pub fn close(&self) -> bool {
        !matches!(self.group.close(), Close::Already)
    }

    /// Whether further tasks are refused.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.group.is_closed()
    }

    #[inline]
    pub(crate) fn enter(&self) -> Result<(), Rejection> {
        Ok(self.group.try_enter()?)
    }

    #[inline]
    pub(crate) fn leave(&self) {
        // Nobody waits on a root; whoever drains one polls `live`.
        let _ = self.group.leave();
    }

    pub(crate) fn abandon(&self) {
        self.abandoned.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn returned(&self) {
        self.abandoned.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Default for Root {
    fn default() -> Self {
        Self::new()
    }
}
