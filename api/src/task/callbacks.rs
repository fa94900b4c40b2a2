//! What runs when a task is cancelled: each callback exactly once, in the order of registration.

use alloc::collections::VecDeque;
use core::fmt;
use core::future::Future;
use core::pin::Pin;

use super::error::Cancellation;

/// A registered callback; boxed, because cancelling is rare and callbacks differ in type.
pub(crate) type Callback = Box<dyn FnOnce(Cancellation) -> Running + Send>;

/// A callback that has been called.
pub(crate) type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The callbacks that have not been called.
#[derive(Default)]
pub(crate) struct Callbacks {
    waiting: VecDeque<Callback>,
    closed: bool,
}

impl Callbacks {
    /// Whether the task has ended and takes no further ones.
    pub(crate) const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Takes one more.
    pub(crate) fn register(&mut self, callback: Callback) {
        self.waiting.push_back(callback);
    }

    /// The next one to call.
    pub(crate) fn next(&mut self) -> Option<Callback> {
        self.waiting.pop_front()
    }

    /// Refuses further ones and gives up those that are left.
    pub(crate) fn close(&mut self) -> VecDeque<Callback> {
        self.closed = true;
        core::mem::take(&mut self.waiting)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callbacks")
            .field("waiting", &self.waiting.len())
            .field("closed", &self.closed)
            .finish()
    }
}
