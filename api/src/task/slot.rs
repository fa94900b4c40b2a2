//! The way of a result from the driver to the handle.

use core::mem;
use core::panic::AssertUnwindSafe;
use core::task::Waker;
use std::panic::catch_unwind;

use spin::mutex::{SpinMutex, SpinMutexGuard};
use spin::relax::Yield;

use super::error::TaskError;
use super::header::Awaited;
use crate::Runtime;

/// Carries one result from the driver to the handle, and wakes the handle when it is there.
///
/// Each side enters for a few moves and runs no foreign code meanwhile: wakers are cloned, woken and dropped outside, and
/// so are results that nobody wants. Whoever finds the other side inside yields its thread and tries again; a visit costs
/// one read-modify-write, where a mutex that parks takes two. Whether a result is accepted was decided before, by the lifecycle.
pub(crate) struct Slot<R, T, E> {
    /// What both sides belong to.
    pub(super) runtime: R,
    content: SpinMutex<Content<T, E>, Yield>,
}

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

impl<R, T, E> Slot<R, T, E> {
    pub(crate) const fn new(runtime: R) -> Self {
        Self {
            runtime,
            content: SpinMutex::new(Content::Empty),
        }
    }

    /// Delivers the result, or drops it if nobody will ask.
    #[inline]
    pub(crate) fn put(&self, result: Result<T, TaskError<E>>) {
        let mut content = self.enter();
        match &*content {
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
        let waker = waker.clone();
        let mut content = self.enter();
        let before = match &*content {
            Content::Result(_) | Content::Taken => mem::replace(&mut *content, Content::Taken),
            Content::Empty | Content::Awaited(_) | Content::Detached => {
                mem::replace(&mut *content, Content::Awaited(waker))
            }
        };
        drop(content);
        before.found()
    }

    /// Takes the result if it is there.
    pub(crate) fn try_take(&self) -> Found<T, E> {
        let mut content = self.enter();
        let before = match &*content {
            Content::Result(_) | Content::Taken => mem::replace(&mut *content, Content::Taken),
            Content::Empty | Content::Awaited(_) | Content::Detached => return Found::Nothing,
        };
        drop(content);
        before.found()
    }

    /// Takes the result if it is there; for a handle that nobody shares the slot with any more.
    #[inline]
    pub(crate) fn take_alone(&mut self) -> Found<T, E> {
        mem::replace(self.content.get_mut(), Content::Taken).found()
    }

    /// Whether nobody will ask for the result any more; once true it stays true.
    pub(crate) fn is_detached(&self) -> bool {
        matches!(&*self.enter(), Content::Detached)
    }

    /// Nobody will ask for the result any more.
    #[inline]
    pub(crate) fn detach(&self) {
        let before = mem::replace(&mut *self.enter(), Content::Detached);
        drop(before);
    }

    #[inline]
    fn enter(&self) -> SpinMutexGuard<'_, Content<T, E>, Yield> {
        self.content.lock()
    }
}

impl<T, E> Content<T, E> {
    #[inline]
    fn found(self) -> Found<T, E> {
        match self {
            Self::Result(result) => Found::Result(result),
            Self::Taken => Found::Taken,
            Self::Empty | Self::Awaited(_) | Self::Detached => Found::Nothing,
        }
    }
}

impl<R: Runtime, T: Send, E: Send + Sync> Awaited for Slot<R, T, E> {
    fn wake(&self) {
        let mut content = self.enter();
        if !matches!(&*content, Content::Awaited(_)) {
            return;
        }
        let before = mem::replace(&mut *content, Content::Empty);
        drop(content);
        if let Content::Awaited(waker) = before {
            waker.wake();
        }
    }
}
