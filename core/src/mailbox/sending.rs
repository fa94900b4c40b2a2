//! Waiting for room.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use crate::mailbox::{Displaced, Mailbox, Refused, SendError};
use crate::pressure::Overflow;
use crate::waiters::Place;

/// Becomes what was displaced once the item is in and nobody waits before it; made by [`Mailbox::send`].
///
/// # Cancel safety
/// Dropped at any time before it was ready it has sent nothing, leaves the queue, and wakes who is next if there is
/// room (`mailbox::tests::dropped_at_every_poll`). Its place in the queue is lost, and the item is dropped with it;
/// [`Sending::cancel`] gives that back instead. Polled again after it was ready, it stays pending.
#[must_use = "futures do nothing unless polled"]
pub struct Sending<'a, T, const N: usize, const W: usize> {
    mailbox: &'a Mailbox<T, N, W>,
    place: Place<'a, W>,
    /// The item, until it is sent or given back.
    item: Option<T>,
}

impl<'a, T, const N: usize, const W: usize> Sending<'a, T, N, W> {
    pub(super) const fn new(mailbox: &'a Mailbox<T, N, W>, item: T) -> Self {
        Self {
            mailbox,
            place: Place::new(mailbox.senders()),
            item: Some(item),
        }
    }

    /// Leaves the queue and gives the item back; none if the future was ready before.
    pub fn cancel(mut self) -> Option<T> {
        self.item.take()
    }

    fn leave(&mut self) {
        if self.place.leave() {
            self.mailbox.pass_on_to_sender();
        }
    }
}

/// Sends what is in `item` if it is its turn, or if the answer does not depend on that; `None` has to wait.
fn ask<T, const N: usize, const W: usize>(
    mailbox: &Mailbox<T, N, W>,
    first: bool,
    item: &mut Option<T>,
) -> Option<Result<Displaced<T, N>, SendError<T>>> {
    if !first && !mailbox.is_closed() {
        return None;
    }
    match mailbox.try_send(item.take()?) {
        Err(error) if error.reason == Refused::Full && mailbox.overflow() == Overflow::Block => {
            *item = Some(error.item);
            None
        }
        answer => Some(answer),
    }
}

impl<T, const N: usize, const W: usize> Future for Sending<'_, T, N, W> {
    type Output = Result<Displaced<T, N>, SendError<T>>;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.item.is_none() {
            return Poll::Pending;
        }
        let (mailbox, item) = (this.mailbox, &mut this.item);
        let Poll::Ready(answer) = this.place.poll(task, |first| ask(mailbox, first, item)) else {
            return Poll::Pending;
        };
        this.leave();
        match (answer, this.item.take()) {
            (Ok(answer), _) => Poll::Ready(answer),
            (Err(_), Some(item)) => Poll::Ready(Err(SendError::new(Refused::Crowded, item))),
            // Not reached: who finds the queue crowded has its item.
            (Err(_), None) => Poll::Pending,
        }
    }
}

/// The item is moved in and out as a whole, never pinned.
impl<T, const N: usize, const W: usize> Unpin for Sending<'_, T, N, W> {}

impl<T, const N: usize, const W: usize> Drop for Sending<'_, T, N, W> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<T, const N: usize, const W: usize> fmt::Debug for Sending<'_, T, N, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending")
            .field("mailbox", &self.mailbox)
            .field("sent", &self.item.is_none())
            .finish_non_exhaustive()
    }
}
