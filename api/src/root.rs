//! The scope of the tasks that have no parent.

use alloc::sync::Arc;
use core::cell::Cell;
use core::fmt;
use core::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crossbeam_utils::CachePadded;
use slab::Slab;

use crate::hooks::{Hook, Hooks};
use crate::live::Listing;
use crate::task::{Node, Rejection, TaskRef};

/// The scope of the tasks of one runtime that have no parent task: how many live, and how many threads were abandoned.
///
/// An adapter owns one and hands it out through [`Runtime::root`](crate::Runtime::root). Nothing is locked, and threads do
/// not share what they write: each counts who enters and who leaves in a cell of its own, so that starting and ending a
/// task costs one uncontended atomic operation each, however many threads do so.
#[derive(Debug)]
pub struct Root {
    cells: [CachePadded<Comings>; CELLS],
    /// `CLOSED`, `LISTING`.
    gate: AtomicU8,
    abandoned: AtomicUsize,
    /// Whose closures they are. Touched when a closure is abandoned and when it returns.
    closures: Mutex<Slab<TaskRef>>,
    hooks: OnceLock<Arc<Hooks>>,
    listing: OnceLock<Box<Listing>>,
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
            gate: AtomicU8::new(0),
            abandoned: AtomicUsize::new(0),
            closures: Mutex::new(Slab::new()),
            hooks: OnceLock::new(),
            listing: OnceLock::new(),
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

    /// The tasks whose closures are [`abandoned`](Self::abandoned), one for each closure, in no order; at most 1,024, those
    /// beyond are only counted. Takes a short lock, which those who abandon a closure share.
    #[must_use]
    pub fn abandoned_tasks(&self) -> Vec<TaskRef> {
        self.closures().iter().map(|(_, task)| task.clone()).collect()
    }

    /// Admits no further task. Those that live are not touched.
    ///
    /// Returns whether the scope was open. Whoever closes it and then finds nobody [`live`](Self::live) is the last.
    pub fn close(&self) -> bool {
        self.gate.fetch_or(CLOSED, Ordering::SeqCst) & CLOSED == 0
    }

    /// Whether further tasks are refused.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.gate.load(Ordering::SeqCst) & CLOSED != 0
    }

    /// Lists the tasks that enter from now on, at most `capacity` at a time, for the [live tree](crate::live).
    ///
    /// Without this they are only counted. It costs each task without a parent a short lock, which few threads share, when
    /// it begins and when it ends, and the list eight bytes for each task that was listed at the same time. A task for which
    /// there is no room runs as any other. Returns whether this was the first call; the capacity of the first one stays.
    pub fn list_tasks(&self, capacity: usize) -> bool {
        let first = self.listing.set(Box::new(Listing::new(capacity))).is_ok();
        self.gate.fetch_or(LISTING, Ordering::SeqCst);
        first
    }

    /// Has `look` look at no more than `most` of those that are listed; how many there are beyond.
    pub(crate) fn visit_listed(&self, most: usize, look: impl FnMut(Node)) -> usize {
        let listing = self.listing.get();
        listing.map_or(0, |listing| listing.visit(most, look))
    }

    #[inline]
    pub(crate) fn enter(&self, task: impl FnOnce() -> Node) -> Result<(), Rejection> {
        // SeqCst: one who enters counts itself, then looks whether the scope is closed; one who closes it marks it, then
        // counts. One of the two sees the other, so nobody lives in a closed scope uncounted.
        self.cell().entered.fetch_add(1, Ordering::SeqCst);
        match self.gate.load(Ordering::SeqCst) {
            0 => Ok(()),
            gate => self.enter_by(gate, task),
        }
    }

    /// The scope is closed, or lists who enters.
    #[cold]
    fn enter_by(&self, gate: u8, task: impl FnOnce() -> Node) -> Result<(), Rejection> {
        if gate & CLOSED != 0 {
            self.leave(0);
            return Err(Rejection::ScopeClosed);
        }
        if let Some(listing) = self.listing.get() {
            let task = task();
            let place = listing.insert(&task, number_of_this_thread());
            let place = place.and_then(|place| place.checked_add(1));
            task.header().set_root_place(place.unwrap_or(0));
        }
        Ok(())
    }

    /// A task leaves that is listed at `place`, counted from 1; 0 is none.
    #[inline]
    pub(crate) fn leave(&self, place: u32) {
        if place != 0 {
            self.strike_off(place - 1);
        }
        // What the task wrote belongs to whoever finds that it has left; SeqCst includes the Release that this needs.
        self.cell().left.fetch_add(1, Ordering::SeqCst);
    }

    #[cold]
    fn strike_off(&self, place: u32) {
        if let Some(listing) = self.listing.get() {
            listing.remove(place);
        }
    }

    /// The cell of this thread.
    #[inline]
    fn cell(&self) -> &Comings {
        let number = number_of_this_thread();
        // The number is below the number of cells; the modulo keeps that visible.
        let [first, ..] = &self.cells;
        self.cells.get(number % CELLS).unwrap_or(first)
    }

    /// A closure of `task` is abandoned. Its place in the list, for when it has returned; `None` if there was no room.
    pub(crate) fn abandon(&self, task: TaskRef) -> Option<usize> {
        let mut closures = self.closures();
        let place = (closures.len() < MOST_CLOSURES).then(|| closures.insert(task));
        // Whoever reads the count and then the list finds whom it counted.
        self.abandoned.fetch_add(1, Ordering::Relaxed);
        place
    }

    pub(crate) fn returned(&self, place: Option<usize>) {
        let task = place.and_then(|place| self.closures().try_remove(place));
        // Outside the lock: it may be the last of its task.
        drop(task);
        self.abandoned.fetch_sub(1, Ordering::Relaxed);
    }

    fn closures(&self) -> MutexGuard<'_, Slab<TaskRef>> {
        self.closures.lock().unwrap_or_else(PoisonError::into_inner)
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

#[inline]
fn number_of_this_thread() -> usize {
    THREAD.with(|number| {
        let known = number.get();
        if known == usize::MAX {
            first_number(number)
        } else {
            known
        }
    })
}

/// Gives the next number to a thread that has none.
#[cold]
fn first_number(number: &Cell<usize>) -> usize {
    // Relaxed: any spread of the threads over the cells is right.
    let given = NEXT.fetch_add(1, Ordering::Relaxed) % CELLS;
    number.set(given);
    given
}

/// No further task is admitted.
const CLOSED: u8 = 1;

/// Those that enter are listed.
const LISTING: u8 = 2;

/// How many abandoned closures are listed.
const MOST_CLOSURES: usize = 1_024;

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
        assert_eq!(root.enter(|| unreachable!()), Ok(()));
        assert!(root.close());
        assert!(!root.close());
        assert_eq!(root.enter(|| unreachable!()), Err(Rejection::ScopeClosed));
        assert_eq!(root.live(), 1);
        root.leave(0);
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
                        assert_eq!(root.enter(|| unreachable!()), Ok(()));
                        to_leave.send(()).unwrap();
                    }
                });
            }
            drop(to_leave);
            for () in those_who_leave {
                assert!(root.live() > 0);
                root.leave(0);
            }
        });
        assert_eq!(root.live(), 0);
    }
}
