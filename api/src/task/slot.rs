//! The way of a result from the driver to the handle.

use core::mem;
use core::panic::AssertUnwindSafe;
use core::task::Waker;
use std::panic::catch_unwind;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::TaskError;
use super::header::Awaited;

/// Carries one result from the driver to the handle, and wakes the handle when it is there.
///
/// A short lock, taken once by each side in the life of a task that is awaited once; the two never wait for anything
/// while they hold it. Whether a result is accepted was decided before, by the lifecycle.
pub(crate) struct Slot<T, E>(Mutex<Content<T, E>>);

enum Content<T, E> {
    Empty,
    Awaited(Waker),
    Result(Result<T, TaskError<E>>),
    Taken,
    Detached,
}

/// What the handle finds.
pub(crate) enum Found<T, E> {
    Result(Result<T, TaskError<E>>),
    Nothing,
    Taken,
}

impl<T, E> Slot<T, E> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Content::Empty))
    }

    /// Delivers the result, or drops it if nobody will ask.
    #[inline]
    pub(crate) fn put(&self, result: Result<T, TaskError<E>>) {
        let mut content = self.lock();
        match &mut *content {
            Content::Empty => *content = Content::Result(result),
            Content::Awaited(_) => {
                let before = mem::replace(&mut *content, Content::Result(result));
                drop(content);
                if let Content::Awaited(waker) = before {
                    waker.wake();
                }
            }
            Content::Result(_) | Content::Taken | Content::Detached => {
                drop(content);
                // The owner's destructor is foreign code on an executor's thread.
                let _ = catch_unwind(AssertUnwindSafe(|| drop(result)));
            }
        }
    }

    /// Takes the result, or leaves a waker.
    #[inline]
    pub(crate) fn take(&self, waker: &Waker) -> Found<T, E> {
        let mut content = self.lock();
        match &mut *content {
            Content::Result(_) => match mem::replace(&mut *content, Content::Taken) {
                Content::Result(result) => Found::Result(result),
                _ => Found::Taken,
            },
            Content::Awaited(old) if old.will_wake(waker) => Found::Nothing,
            Content::Awaited(old) => {
                let before = mem::replace(old, waker.clone());
                // Dropping the last reference to a waker may run foreign code.
                drop(content);
                drop(before);
                Found::Nothing
            }
            Content::Empty | Content::Detached => {
                *content = Content::Awaited(waker.clone());
                Found::Nothing
            }
            Content::Taken => Found::Taken,
        }
    }

    /// Nobody will ask for the result any more.
    #[inline]
    pub(crate) fn detach(&self) {
        let before = mem::replace(&mut *self.lock(), Content::Detached);
        drop(before);
    }

    fn lock(&self) -> MutexGuard<'_, Content<T, E>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send, E: Send + Sync> Awaited for Slot<T, E> {
    fn wake(&self) {
        let waker = match &mut *self.lock() {
            Content::Awaited(waker) => waker.clone(),
            _ => return,
        };
        waker.wake();
    }
}
