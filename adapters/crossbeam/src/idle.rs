//! Threads that sleep until there is work.

use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::PoisonError;

use crossbeam_utils::CachePadded;

use super::sync::{AtomicUsize, Mutex, Unparker, fence};

/// Who sleeps, the last to lie down first.
///
/// Whoever brings work puts it into a queue and then looks whether anybody sleeps; whoever lies down puts itself on the
/// list and then looks into the queues. Between the two steps of each lies a fence, so one of them sees the other, and no
/// work is overslept (`tests/idle/main.rs`).
pub(crate) struct Idle {
    /// As many as are on the list. Changes under its lock, and spares who brings work the lock while nobody sleeps.
    sleeping: CachePadded<AtomicUsize>,
    beds: Mutex<Vec<(usize, Unparker)>>,
}

impl Idle {
    pub(crate) fn new() -> Self {
        Self {
            sleeping: CachePadded::new(AtomicUsize::new(0)),
            beds: Mutex::new(Vec::new()),
        }
    }

    /// Wakes one, after work was put into a queue. Returns whether anybody slept.
    #[inline]
    pub(crate) fn wake_one(&self) -> bool {
        // SeqCst: see the type.
        fence(SeqCst);
        self.sleeping.load(Relaxed) != 0 && self.wake_last()
    }

    #[cold]
    fn wake_last(&self) -> bool {
        let last = {
            let mut beds = self.beds.lock().unwrap_or_else(PoisonError::into_inner);
            let last = beds.pop();
            self.sleeping.store(beds.len(), Relaxed);
            last
        };
        last.is_some_and(|(_, unparker)| {
            unparker.unpark();
            true
        })
    }

    /// Wakes up to `count`, and says how many.
    #[cold]
    pub(crate) fn wake(&self, count: usize) -> usize {
        let woken = {
            let mut beds = self.beds.lock().unwrap_or_else(PoisonError::into_inner);
            let rest = beds.len().saturating_sub(count);
            let woken = beds.split_off(rest);
            self.sleeping.store(rest, Relaxed);
            woken
        };
        for (_, unparker) in &woken {
            unparker.unpark();
        }
        woken.len()
    }

    /// Puts thread `number` on the list. It looks for work once more before it parks.
    pub(crate) fn lie_down(&self, number: usize, unparker: &Unparker) {
        {
            let mut beds = self.beds.lock().unwrap_or_else(PoisonError::into_inner);
            beds.push((number, unparker.clone()));
            self.sleeping.store(beds.len(), Relaxed);
        }
        // SeqCst: see the type.
        fence(SeqCst);
    }

    /// Takes thread `number` off the list. `false` if somebody woke it, who counts on it: its token is there or will be.
    pub(crate) fn get_up(&self, number: usize) -> bool {
        let mut beds = self.beds.lock().unwrap_or_else(PoisonError::into_inner);
        let place = beds.iter().position(|(other, _)| *other == number);
        if let Some(place) = place {
            beds.remove(place);
            self.sleeping.store(beds.len(), Relaxed);
        }
        place.is_some()
    }

    pub(crate) fn sleeping(&self) -> usize {
        self.sleeping.load(Relaxed)
    }
}
