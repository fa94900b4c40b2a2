//! Those who wait for a guard, in the order in which they came.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::fmt;
use core::task::Waker;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::words::line::InLine;

/// A line of tasks. Only the first one tries; who leaves the line from its head lets the next one try.
#[derive(Default)]
pub(super) struct Queue {
    /// How many stand in line, for those who need not look.
    waiting: InLine,
    line: Mutex<Line>,
}

#[derive(Default)]
struct Line {
    next: u64,
    waiters: BTreeMap<u64, Waker>,
}

/// A place in the line, left as it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    queue: Arc<Queue>,
    number: u64,
}

impl Queue {
    /// Whether nobody waits: whoever comes now may try without standing in line.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len() as usize
    }

    /// Stands in line. Who is the first has to try once more afterwards: what became free before is told to nobody.
    pub(super) fn join(self: &Arc<Self>, waker: &Waker) -> Place {
        let mut line = self.line();
        let number = line.next;
        line.next += 1;
        line.waiters.insert(number, waker.clone());
        // In the list first: who is told that somebody waits finds it there.
        self.waiting.join();
        drop(line);
        Place {
            queue: Arc::clone(self),
            number,
        }
    }

    /// Something became free: the first in line tries.
    pub(super) fn wake_first(&self) {
        if !self.waiting.somebody_waits() {
            return;
        }
        let first = self.line().first();
        if let Some(waker) = first {
            waker.wake();
        }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn first(&self) -> Option<Waker> {
        self.waiters.first_key_value().map(|(_, waker)| waker.clone())
    }
}

impl Place {
    /// Whether it is this one's turn; if not, `waker` is woken when it is.
    pub(super) fn is_first(&self, waker: &Waker) -> bool {
        let mut line = self.queue.line();
        if let Some(kept) = line.waiters.get_mut(&self.number) {
            kept.clone_from(waker);
        }
        line.waiters
            .first_key_value()
            .is_some_and(|(first, _)| *first == self.number)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut line = self.queue.line();
        let was_first = line
            .waiters
            .first_key_value()
            .is_some_and(|(first, _)| *first == self.number);
        let own = line.waiters.remove(&self.number);
        self.queue.waiting.leave();
        let next = if was_first { line.first() } else { None };
        drop(line);
        // A waker is foreign code, its drop too.
        drop(own);
        if let Some(waker) = next {
            waker.wake();
        }
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("waiting", &self.len())
            .finish_non_exhaustive()
    }
}
