//! What runs when a task is cancelled: each callback exactly once, in the order of registration.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::pin::Pin;

use super::error::Cancellation;
use crate::token::CancelledOwned;

/// A registered callback; boxed, because cancelling is rare and callbacks differ in type.
pub(crate) type Callback = Box<dyn FnOnce(Cancellation) -> Running + Send>;

/// A callback that has been called.
pub(crate) type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The callbacks that have not been called.
#[derive(Default)]
pub(crate) struct Callbacks {
    waiting: VecDeque<Callback>,
    /// The tokens that the task obeys.
    obeyed: Vec<CancelledOwned>,
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

    /// Keeps what has a token stop the task, for as long as it can be stopped; hands it back if it cannot.
    pub(crate) fn obey(&mut self, token: CancelledOwned) -> Option<CancelledOwned> {
        if self.closed {
            return Some(token);
        }
        self.obeyed.push(token);
        None
    }

    /// Refuses further ones and gives up those that are left.
    pub(crate) fn close(&mut self) -> (VecDeque<Callback>, Vec<CancelledOwned>) {
        self.closed = true;
        (
            core::mem::take(&mut self.waiting),
            core::mem::take(&mut self.obeyed),
        )
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callbacks")
            .field("waiting", &self.waiting.len())
            .field("obeyed", &self.obeyed.len())
            .field("closed", &self.closed)
            .finish()
    }
}
