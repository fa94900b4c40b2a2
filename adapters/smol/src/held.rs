//! A future as it is given to an executor.

use alloc::task::Wake;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::sync::Arc;

use pin_project_lite::pin_project;

use crate::inside::Mark;
use crate::runtime::Chosen;

pin_project! {
    /// Marks whatever thread polls it, and is woken only while its executor is there.
    pub(crate) struct Held<F> {
        #[pin]
        pub(crate) future: F,
        pub(crate) wakes: Wakes,
    }
}

/// How a future is woken.
pub(crate) enum Wakes {
    /// As the executor says: it is never dropped.
    Bare,
    /// Through a waker that is made when the future is first polled.
    NotYet(Arc<Chosen>),
    /// Through this one.
    Guarded(Waker),
}

impl Wakes {
    /// The waker for the future that `bare` wakes. An executor gives a future the same one each time.
    #[inline]
    fn waker<'a>(&'a mut self, bare: &'a Waker) -> &'a Waker {
        if let Self::NotYet(chosen) = self {
            *self = Self::Guarded(Waker::from(Arc::new(Guard {
                chosen: Arc::clone(chosen),
                waker: bare.clone(),
            })));
        }
        match self {
            Self::Guarded(waker) => waker,
            Self::Bare | Self::NotYet(_) => bare,
        }
    }
}

/// Keeps the executor alive while it wakes.
///
/// An executor that is dropped wakes all of its tasks and then empties its queue. A task that somebody else is waking just
/// then is marked as scheduled and may reach the queue after it was emptied: it would stay there for good
/// (`tests/gone.rs`). Here the executor is either held until the wake is complete, or on its way out, and wakes by itself.
struct Guard {
    chosen: Arc<Chosen>,
    waker: Waker,
}

impl Wake for Guard {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let Some(executor) = self.chosen.executor() else {
            return;
        };
        self.waker.wake_by_ref();
        if let Some(last) = Arc::into_inner(executor) {
            // With it go its tasks, whose destructors may want a lock that is held by whoever wakes.
            blocking::unblock(move || drop(last)).detach();
        }
    }
}

impl<F: Future> Future for Held<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _mark = Mark::new();
        let this = self.project();
        this.future
            .poll(&mut Context::from_waker(this.wakes.waker(cx.waker())))
    }
}
