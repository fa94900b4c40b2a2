//! Waiting for an item.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use crate::mailbox::{Mailbox, RecvError, TryRecvError};
use crate::waiters::Place;

/// Becomes the oldest item once nobody waits before it; made by [`Mailbox::recv`].
///
/// # Cancel safety
/// Dropped at any time it has taken nothing, leaves the queue, and wakes who is next if there is an item
/// (`mailbox::tests::dropped_at_every_poll`). Its place in the queue is lost. Polled again after it was ready, it asks
/// anew.
#[must_use = "futures do nothing unless polled"]
pub struct Receiving<'a, T, const N: usize, const W: usize> {
    mailbox: &'a Mailbox<T, N, W>,
    place: Place<'a, W>,
}

impl<'a, T, const N: usize, const W: usize> Receiving<'a, T, N, W> {
    pub(super) const fn new(mailbox: &'a Mailbox<T, N, W>) -> Self {
        Self {
            mailbox,
            place: Place::new(mailbox.receivers()),
        }
    }

    fn leave(&mut self) {
        if self.place.leave() {
            self.mailbox.pass_on_to_receiver();
        }
    }
}

impl<T, const N: usize, const W: usize> Future for Receiving<'_, T, N, W> {
    type Output = Result<T, RecvError>;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let mailbox = this.mailbox;
        let Poll::Ready(answer) = this.place.poll(task, |first| {
            if !first {
                return mailbox.is_over().then_some(Err(RecvError::Closed));
            }
            match mailbox.try_recv() {
                Ok(item) => Some(Ok(item)),
                Err(TryRecvError::Closed) => Some(Err(RecvError::Closed)),
                Err(TryRecvError::Empty) => None,
            }
        }) else {
            return Poll::Pending;
        };
        this.leave();
        Poll::Ready(answer.unwrap_or(Err(RecvError::Crowded)))
    }
}

impl<T, const N: usize, const W: usize> Drop for Receiving<'_, T, N, W> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<T, const N: usize, const W: usize> fmt::Debug for Receiving<'_, T, N, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiving")
            .field("mailbox", &self.mailbox)
            .finish_non_exhaustive()
    }
}
