//! Where a thread must not be blocked.

use core::cell::Cell;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use pin_project_lite::pin_project;

/// Refused: this thread is running tasks, and might wait for one that only it would run. Await the future instead.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Inside;

impl fmt::Display for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this thread is running tasks, and would wait for itself; await the future instead")
    }
}

impl core::error::Error for Inside {}

std::thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Marks this thread for as long as this lives.
pub(crate) struct Mark {
    before: bool,
}

impl Mark {
    pub(crate) fn new() -> Self {
        let before = INSIDE.replace(true);
        Self { before }
    }

    /// Refused where the thread is marked already.
    pub(crate) fn first() -> Result<Self, Inside> {
        if INSIDE.get() {
            Err(Inside)
        } else {
            Ok(Self::new())
        }
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        INSIDE.set(self.before);
    }
}

pin_project! {
    /// Marks whatever thread polls it.
    pub(crate) struct Marking<F> {
        #[pin]
        pub(crate) future: F,
    }
}

impl<F: Future> Future for Marking<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _mark = Mark::new();
        self.project().future.poll(cx)
    }
}
