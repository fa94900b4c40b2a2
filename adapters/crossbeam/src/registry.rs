//! Who lives: the tasks without a parent, for a pool that is being shut down.

use core::cell::Cell;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossbeam_utils::CachePadded;
use slab::Slab;
use sweet_async_api::task::TaskRef;

/// A list in parts, so that threads that spawn do not meet in one lock.
pub(crate) struct Registry {
    parts: [CachePadded<Mutex<Slab<TaskRef>>>; PARTS],
}

/// Where a task is listed.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    part: usize,
    key: usize,
}

impl Registry {
    pub(crate) const fn new() -> Self {
        Self {
            parts: [const { CachePadded::new(Mutex::new(Slab::new())) }; PARTS],
        }
    }

    pub(crate) fn add(&self, task: TaskRef) -> Place {
        let part = PART.with(Cell::get);
        let key = self.part(part).insert(task);
        Place { part, key }
    }

    pub(crate) fn remove(&self, place: Place) {
        let task = self.part(place.part).try_remove(place.key);
        drop(task);
    }

    /// Everybody who lives now.
    pub(crate) fn all(&self) -> Vec<TaskRef> {
        (0..PARTS)
            .flat_map(|part| {
                let listed: Vec<_> = self.part(part).iter().map(|(_, task)| task.clone()).collect();
                listed
            })
            .collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        (0..PARTS).all(|part| self.part(part).is_empty())
    }

    fn part(&self, number: usize) -> MutexGuard<'_, Slab<TaskRef>> {
        // The number is below the number of parts; the modulo keeps that visible.
        let [first, ..] = &self.parts;
        let part = self.parts.get(number % PARTS).unwrap_or(first);
        part.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const PARTS: usize = 16;

static NEXT: AtomicUsize = AtomicUsize::new(0);

std::thread_local! {
    /// In which part this thread lists. Relaxed: any spread of the threads over the parts is right.
    static PART: Cell<usize> = Cell::new(NEXT.fetch_add(1, Relaxed) % PARTS);
}
