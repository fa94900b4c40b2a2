//! The scope of the tasks that have no parent.

use alloc::sync::Arc;
use core::cell::Cell;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use std::sync::OnceLock;

use crossbeam_utils::CachePadded;

use crate::hooks::{Hook, Hooks};
use crate::task::Rejection;

/// The scope of the tasks of one runtime that have no parent task: how many live, and how many threads were abandoned.
///
/// An adapter owns one and hands it out through [`Runtime::root`](crate::Runtime::root). Nothing is locked, and threads do
/// not share what they write: each counts who enters and who leaves in a cell of its own, so that starting and ending a
/// task costs one uncontended atomic operation each, however many threads do so.
#[derive(Debug)]
pub struct Root {
    cells: [CachePadded<Comings>; CELLS],
    closed: AtomicBool,
    abandoned: AtomicUsize,
    hooks: OnceLock<Arc<Hooks>>,
}

/// There was a hook already; here the other one is back.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "it gives back what it was given, and nothing else"
)]
pub struct AlreadyHooked(pub Arc<dyn Hook>);

/// Who came and who went, as seen by some of the threads. Both only grow.
#[derive(Debug)]
struct Comings {
    entered: AtomicU64,
    left: AtomicU64,
}

impl Root {
    /// An empty, open scope.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            cells: [const {
                CachePadded::new(Comings {
                    entered: AtomicU64::new(0),
                    left: AtomicU64::new(0),
                })
            }; CELLS],
            closed: AtomicBool::new(false),
            abandoned: AtomicUsize::new(0),
            hooks: OnceLock::new(),
        }
    }

    /// Tells `hook` what happens to tasks that are started from here on. It stays for as long as the runtime; one that has
    /// several to tell tells them.
    ///
    /// # Errors
    /// [`AlreadyHooked`] gives it back if there is one.
    pub fn set_hook(&self, hook: Arc<dyn Hook>) -> Result<(), AlreadyHooked> {
        let hooks = Arc::new(Hooks::new(Arc::clone(&hook), None));
        self.hooks.set(hooks).map_err(|_| AlreadyHooked(hook))
    }

    pub(crate) fn hooks(&self) -> Option<&Arc<Hooks>> {
        self.hooks.get()
    }

    #[inline]
    pub(crate) fn has_hook(&self) -> bool {
        self.hooks.get().is_some()
    }

    /// How many tasks without a parent live now. Zero only if there was a moment, during the call, when none lived.
    #[must_use]
    pub fn live(&self) -> u64 {
        // Those who left are counted first: whoever left had entered before, so the difference is never too small, and
        // zero means that all who had entered by the second sum had left by the first. SeqCst: see `enter`.
        let left: u64 = self
            .cells
            .iter()
            .map(|cell| cell.left.load(Ordering::SeqCst))
            .sum();
        let entered: u64 = self
            .cells
            .iter()
            .map(|cell| cell.entered.load(Ordering::SeqCst))
            .sum();
        entered.saturating_sub(left)
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
    /// Returns whether the scope was open. Whoever closes it and then finds nobody [`live`](Self::live) is the last.
    pub fn close(&self) -> bool {
        !self.closed.swap(true, Ordering::SeqCst)
    }

    /// Whether further tasks are refused.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    #[inline]
    pub(crate) fn enter(&self) -> Result<(), Rejection> {
        // SeqCst: one who enters counts itself, then looks whether the scope is closed; one who closes it marks it, then
        // counts. One of the two sees the other, so nobody lives in a closed scope uncounted.
        self.cell().entered.fetch_add(1, Ordering::SeqCst);
        if self.closed.load(Ordering::SeqCst) {
            self.leave();
            return Err(Rejection::ScopeClosed);
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn leave(&self) {
        // What the task wrote belongs to whoever finds that it has left; SeqCst includes the Release that this needs.
        self.cell().left.fetch_add(1, Ordering::SeqCst);
    }

    /// The cell of this thread.
    #[inline]
    fn cell(&self) -> &Comings {
        let number = THREAD.with(|number| {
            let known = number.get();
            if known == usize::MAX {
                first_number(number)
            } else {
                known
            }
        });
        // The number is below the number of cells; the modulo keeps that visible.
        let [first, ..] = &self.cells;
        self.cells.get(number % CELLS).unwrap_or(first)
    }

    pub(crate) fn abandon(&self) {
        self.abandoned.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn returned(&self) {
        self.abandoned.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Display for AlreadyHooked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this runtime has a hook already")
    }
}

impl core::error::Error for AlreadyHooked {}

impl Default for Root {
    fn default() -> Self {
        Self::new()
    }
}

/// Gives the next number to a thread that has none.
#[cold]
fn first_number(number: &Cell<usize>) -> usize {
    // Relaxed: any spread of the threads over the cells is right.
    let given = NEXT.fetch_add(1, Ordering::Relaxed) % CELLS;
    number.set(given);
    given
}

/// How many cells there are. With more threads than that, some share one.
const CELLS: usize = 16;

static NEXT: AtomicUsize = AtomicUsize::new(0);

std::thread_local! {
    /// Which cell this thread counts in.
    static THREAD: Cell<usize> = const { Cell::new(usize::MAX) };
}

#[cfg(test)]
mod tests {
    use super::Root;
    use crate::task::Rejection;

    #[test]
    fn a_closed_root_refuses_and_counts_nobody() {
        let root = Root::new();
        assert_eq!(root.enter(), Ok(()));
        assert!(root.close());
        assert!(!root.close());
        assert_eq!(root.enter(), Err(Rejection::ScopeClosed));
        assert_eq!(root.live(), 1);
        root.leave();
        assert_eq!(root.live(), 0);
    }

    /// Entered on one thread and left on another, by many at once: the sum is right and never too small.
    #[test]
    fn whoever_enters_here_may_leave_elsewhere() {
        let root = Root::new();
        let (to_leave, those_who_leave) = std::sync::mpsc::sync_channel(64);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                let to_leave = to_leave.clone();
                scope.spawn(|| {
                    let to_leave = to_leave;
                    for _ in 0..10_000 {
                        assert_eq!(root.enter(), Ok(()));
                        to_leave.send(()).unwrap();
                    }
                });
            }
            drop(to_leave);
            for () in those_who_leave {
                assert!(root.live() > 0);
                root.leave();
            }
        });
        assert_eq!(root.live(), 0);
    }
}
