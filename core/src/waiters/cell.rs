//! The only file that names a cell for wakers.
//!
//! Loom has a cell of its own. Under shuttle it is the real one, each of its operations one step.

use core::task::Waker;

/// Holds the waker of one slot; it may be woken while its owner writes it.
///
/// Only the owner of the slot calls `register`.
#[derive(Debug)]
pub(super) struct Cell {
    #[cfg(not(sweet_loom))]
    waker: atomic_waker::AtomicWaker,
    #[cfg(sweet_loom)]
    waker: loom::future::AtomicWaker,
}

impl Cell {
    #[cfg(not(sweet_loom))]
    pub(super) const fn new() -> Self {
        Self {
            waker: atomic_waker::AtomicWaker::new(),
        }
    }

    #[cfg(sweet_loom)]
    pub(super) fn new() -> Self {
        Self {
            waker: loom::future::AtomicWaker::new(),
        }
    }

    /// Sees to it that the next wake-up goes to `waker`; one that comes at this moment wakes it now.
    pub(super) fn register(&self, waker: &Waker) {
        #[cfg(sweet_shuttle)]
        crate::sync::step();
        #[cfg(not(sweet_loom))]
        self.waker.register(waker);
        #[cfg(sweet_loom)]
        self.waker.register_by_ref(waker);
    }

    pub(super) fn wake(&self) {
        #[cfg(sweet_shuttle)]
        crate::sync::step();
        self.waker.wake();
    }

    /// Forgets the waker, so that the cell keeps no task alive.
    pub(super) fn clear(&self) {
        #[cfg(sweet_shuttle)]
        crate::sync::step();
        #[cfg(not(sweet_loom))]
        drop(self.waker.take());
        #[cfg(sweet_loom)]
        drop(self.waker.take_waker());
    }
}
