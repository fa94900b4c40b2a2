//! Tasks without a parent, listed if a program asks for it.

use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossbeam_utils::CachePadded;
use slab::Slab;

use crate::live::visit;
use crate::task::Node;

/// Tasks without a parent. Spread over several lists, each behind a short lock, so that threads rarely meet.
pub(crate) struct Listing {
    shards: [CachePadded<Mutex<Slab<Node>>>; SHARDS],
    capacity: usize,
    count: AtomicUsize,
}

impl Listing {
    pub(crate) const fn new(capacity: usize) -> Self {
        Self {
            shards: [const { CachePadded::new(Mutex::new(Slab::new())) }; SHARDS],
            capacity,
            count: AtomicUsize::new(0),
        }
    }

    /// Lists a task, in a list that `thread` has to itself if there are few; its place, or `None` if there is no room.
    pub(crate) fn insert(&self, node: &Node, thread: usize) -> Option<u32> {
        // Relaxed: a count that stands alone.
        if self.count.fetch_add(1, Ordering::Relaxed) >= self.capacity {
            self.count.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let number = thread % SHARDS;
        let place = lock(self.shards.get(number)?).insert(Arc::clone(node));
        u32::try_from(place * SHARDS + number).ok()
    }

    /// Forgets the task at `place`.
    pub(crate) fn remove(&self, place: u32) {
        let place = place as usize;
        let Some(shard) = self.shards.get(place % SHARDS) else {
            return;
        };
        let gone = lock(shard).try_remove(place / SHARDS);
        if gone.is_some() {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        drop(gone);
    }

    /// Has `look` look at no more than `most` of the tasks; how many there are beyond.
    pub(crate) fn visit(&self, most: usize, mut look: impl FnMut(Node)) -> usize {
        let mut seen = 0;
        for shard in &self.shards {
            visit(
                most - seen,
                || lock(shard),
                |nodes| nodes,
                |node| {
                    seen += 1;
                    look(node);
                },
            );
        }
        let count = self.count.load(Ordering::Relaxed);
        if seen == most {
            count.saturating_sub(most)
        } else {
            0
        }
    }
}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing")
            .field("count", &self.count)
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

fn lock(shard: &Mutex<Slab<Node>>) -> MutexGuard<'_, Slab<Node>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

const SHARDS: usize = 16;
