//! The tree: words that are read upwards, and lists of those who wait, which are told downwards.
//!
//! The word of each node is a [`Lifecycle`] that never starts, of which the first cancellation is the end: it keeps one
//! level and one reason for good, and who reads them sees what was done before the cancellation.
//!
//! Who waits is in the list of its node, and each node in which somebody waits, or has waited, in the list of its parent.
//! A canceller raises the word, then empties the list. Who enters a list looks at the word under the list's lock: either
//! it finds the word raised, or the canceller finds the entry. A node is listed with its parent after its first waiter
//! entered, so a cancellation further up may not find it yet; then the one who lists it finds a raised word on its way up,
//! and tells those below in the canceller's place. `loom-tests/tests/token.rs` mirrors this.

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::Waker;
use std::sync::{Mutex, MutexGuard, PoisonError};

use slab::Slab;
use sweet_async_core::lifecycle::{Cancel, Level, Lifecycle, Reason};

use crate::task::Cancellation;

/// One token.
pub(super) struct Node {
    word: Lifecycle,
    /// Where the parent lists this node: `NOWHERE`, `CLAIMED`, or counted from `LISTED`.
    place: AtomicU32,
    parent: Option<Arc<Self>>,
    waiting: Mutex<Waiting>,
}

/// Who is told by this node. Once it was emptied by a canceller nobody enters any more.
#[derive(Default)]
struct Waiting {
    /// Of most tokens there is one waiter, which needs no allocation.
    first: Option<Waker>,
    more: Option<Box<Slab<Entry>>>,
}

enum Entry {
    Waiter(Waker),
    Below(Weak<Node>),
}

/// Where a waiter is listed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Key {
    First,
    More(usize),
}

impl Node {
    #[inline]
    pub(super) fn new(parent: Option<Arc<Self>>) -> Self {
        Self {
            word: Lifecycle::new(),
            place: AtomicU32::new(NOWHERE),
            parent,
            waiting: Mutex::default(),
        }
    }

    #[inline]
    pub(super) fn is_cancelled(&self) -> bool {
        if self.word.is_cancelled() {
            return true;
        }
        match &self.parent {
            None => false,
            // Not written down: it would cost more than it saves.
            Some(parent) => {
                parent.word.is_cancelled() || (parent.parent.is_some() && self.is_cancelled_above())
            }
        }
    }

    fn is_cancelled_above(&self) -> bool {
        let mut above = self.parent.as_ref();
        while let Some(node) = above {
            if node.word.is_cancelled() {
                return self.cancellation().is_some();
            }
            above = node.parent.as_ref();
        }
        false
    }

    /// The cancellation of this node or of one above, which is this node's from then on.
    pub(super) fn cancellation(&self) -> Option<Cancellation> {
        if let Some(own) = self.own() {
            return Some(own);
        }
        let mut above = self.parent.as_ref();
        let found = loop {
            let node = above?;
            match node.own() {
                Some(found) => break found,
                None => above = node.parent.as_ref(),
            }
        };
        let mut node = self;
        while node.raise(found)
            && let Some(parent) = &node.parent
        {
            node = parent;
        }
        self.own()
    }

    /// Cancels this node and all below; false if it was cancelled before.
    pub(super) fn cancel(&self, level: Level, reason: Reason) -> bool {
        let (by, asked) = (None, self.cancellation().is_none());
        let first = asked && self.raise(Cancellation { level, reason, by });
        if first {
            self.tell();
        }
        first
    }

    /// What the word says.
    fn own(&self) -> Option<Cancellation> {
        let seen = self.word.snapshot();
        let (level, reason) = (seen.level()?, seen.reason()?);
        let by = None;
        Some(Cancellation { level, reason, by })
    }

    /// Whether this was the first.
    fn raise(&self, told: Cancellation) -> bool {
        matches!(self.word.cancel(told.level, told.reason), Cancel::Ended)
    }

    /// Wakes all who wait here and below, after the word was raised. Iterative: the depth of a tree is no limit.
    fn tell(&self) {
        let Some(told) = self.own() else { return };
        let mut lists = Vec::new();
        self.empty(&mut lists);
        while let Some(list) = lists.pop() {
            for (_, entry) in list {
                match entry {
                    Entry::Waiter(waker) => waker.wake(),
                    Entry::Below(node) => {
                        if let Some(node) = node.upgrade() {
                            // One that was raised before may have been raised by somebody who only looked.
                            node.raise(told);
                            node.empty(&mut lists);
                        }
                    }
                }
            }
        }
    }

    /// Takes all out of the list and wakes the first; the others go to `lists`.
    fn empty(&self, lists: &mut Vec<Slab<Entry>>) {
        let Waiting { first, more } = core::mem::take(&mut *self.waiting());
        lists.extend(more.map(|more| *more));
        if let Some(waker) = first {
            waker.wake();
        }
    }

    /// Has `waker` woken when the node is cancelled, unless it is; `key` is where it is listed.
    pub(super) fn wait(self: &Arc<Self>, key: &mut Option<Key>, waker: &Waker) {
        if key.is_some_and(|key| self.waiting().keeps(key, waker)) {
            return;
        }
        // Foreign code, so outside the lock; and so is dropping the one before.
        let waker = waker.clone();
        let mut waiting = self.waiting();
        if self.own().is_some() {
            return;
        }
        let before = key.and_then(|key| waiting.remove(key));
        *key = Some(waiting.insert(waker));
        drop(waiting);
        drop(before);
        self.enlist();
    }

    /// Takes a waiter out of the list, if a canceller did not.
    pub(super) fn forget(&self, key: Key) {
        let gone = self.waiting().remove(key);
        drop(gone);
    }

    /// Lists this node with its parent, that one with its own, and so on, as far as nobody did it before.
    fn enlist(self: &Arc<Self>) {
        let mut node = self;
        while let Some(parent) = &node.parent {
            // Relaxed: it only says who lists the node. What that one finds is in order by the locks.
            let claimed = node
                .place
                .compare_exchange(NOWHERE, CLAIMED, Ordering::Relaxed, Ordering::Relaxed);
            if claimed.is_err() {
                return;
            }
            let place = {
                let mut waiting = parent.waiting();
                let told = parent.own();
                told.map_or_else(|| Ok(waiting.insert_below(node)), Err)
            };
            match place {
                // Relaxed: read when the last reference is gone.
                Ok(place) => node.place.store(place, Ordering::Relaxed),
                Err(told) => {
                    node.raise(told);
                    node.tell();
                    return;
                }
            }
            node = parent;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves the tree; gives the parent.
    #[inline]
    fn leave(&mut self) -> Option<Arc<Self>> {
        let parent = self.parent.take()?;
        let place = *self.place.get_mut();
        if place >= LISTED {
            let gone = parent.waiting().remove(Key::More((place - LISTED) as usize));
            drop(gone);
        }
        Some(parent)
    }
}

impl Drop for Node {
    #[inline]
    fn drop(&mut self) {
        let mut rest = self.leave();
        // One by one: the depth of a tree is no limit.
        while let Some(node) = rest {
            rest = Arc::into_inner(node).and_then(|mut node| node.leave());
        }
    }
}

impl Waiting {
    /// Whether `key` is that of a waiter whom `waker` wakes.
    fn keeps(&self, key: Key, waker: &Waker) -> bool {
        let kept = match key {
            Key::First => self.first.as_ref(),
            Key::More(place) => match self.more.as_ref().and_then(|more| more.get(place)) {
                Some(Entry::Waiter(kept)) => Some(kept),
                _ => None,
            },
        };
        kept.is_some_and(|kept| kept.will_wake(waker))
    }

    fn insert(&mut self, waker: Waker) -> Key {
        if self.first.is_some() {
            let more = self.more.get_or_insert_default();
            return Key::More(more.insert(Entry::Waiter(waker)));
        }
        self.first = Some(waker);
        Key::First
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "so many entries would take a hundred gigabytes"
    )]
    fn insert_below(&mut self, node: &Arc<Node>) -> u32 {
        let more = self.more.get_or_insert_default();
        more.insert(Entry::Below(Arc::downgrade(node))) as u32 + LISTED
    }

    fn remove(&mut self, key: Key) -> Option<Entry> {
        match key {
            Key::First => self.first.take().map(Entry::Waiter),
            Key::More(place) => self.more.as_mut()?.try_remove(place),
        }
    }
}

/// Nobody waited for it yet.
const NOWHERE: u32 = 0;

/// Somebody is about to list it, or found the parent cancelled.
const CLAIMED: u32 = 1;

/// The first place in the parent's list.
const LISTED: u32 = 2;

#[cfg(test)]
mod tests;
