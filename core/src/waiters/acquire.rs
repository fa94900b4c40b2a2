//! Waiting for credits.

use core::error::Error;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use crate::credit::{AcquireError, Admission, Credits, Turn};
use crate::waiters::{Full, Permit, WaiterSet};

/// Becomes a [`Permit`] once the credits are free and nobody waits before it; made by [`WaiterSet::acquire`].
///
/// # Cancel safety
/// Dropped at any time it has taken nothing, leaves the queue, and wakes who is next if there is something free (W4,
/// W6; `waiters::tests::dropped_at_every_poll`). Its place in the queue is lost. Polled again after it was ready, it
/// asks anew.
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct Acquire<'a, const N: usize> {
    set: &'a WaiterSet<N>,
    credits: &'a Credits,
    wanted: u32,
    /// The place in the queue, between the first `Pending` and the answer.
    slot: Option<u32>,
}

/// Why a wait for credits is over without them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum WaitError {
    /// The credits were closed.
    Closed,
    /// More were asked for than there can ever be, [`Credits::MAX`].
    TooMany,
    /// Nothing is free for the caller, and every slot for waiters is taken.
    Full,
}

impl<'a, const N: usize> Acquire<'a, N> {
    pub(super) const fn new(set: &'a WaiterSet<N>, credits: &'a Credits, wanted: u32) -> Self {
        Self {
            set,
            credits,
            wanted,
            slot: None,
        }
    }

    /// Takes without waiting, or enters the queue; `None` when the credits are taken.
    fn enter(&self) -> Result<Option<u32>, WaitError> {
        // Somebody in the queue comes first, also in the moment in which the credits do not know of it (W5).
        if self.set.is_empty() {
            match self.credits.try_acquire(self.wanted) {
                Ok(()) => return Ok(None),
                Err(AcquireError::Closed) => return Err(WaitError::Closed),
                Err(AcquireError::TooMany) => return Err(WaitError::TooMany),
                Err(AcquireError::Short { .. } | AcquireError::Queued) => {}
            }
        }
        Ok(Some(self.set.enter()?))
    }

    /// Takes as the head of the queue, or sees to it that the caller is woken when it may try again.
    fn ask(&self, slot: u32) -> Result<Admission, WaitError> {
        loop {
            let turn = if self.set.is_head(slot) {
                Turn::Head
            } else {
                Turn::Behind
            };
            match self.credits.try_acquire_or_register(self.wanted, turn) {
                // Who left in between saw nobody registered; after the registration it is our turn to look (W3).
                Ok(Admission::Registered) if turn == Turn::Behind && self.set.is_head(slot) => {}
                Ok(admission) => return Ok(admission),
                Err(AcquireError::TooMany) => return Err(WaitError::TooMany),
                Err(_) => return Err(WaitError::Closed),
            }
        }
    }

    /// Leaves the queue, then passes on (rule 2 of [`credit`](crate::credit#waiting)).
    fn leave(&mut self) {
        if let Some(slot) = self.slot.take() {
            self.set.leave(slot);
            self.set.act(self.credits, self.credits.pass_on());
        }
    }

    const fn permit(&self) -> Permit<'a, N> {
        Permit::new(self.set, self.credits, self.wanted)
    }
}

impl<'a, const N: usize> Future for Acquire<'a, N> {
    type Output = Result<Permit<'a, N>, WaitError>;

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let slot = match this.slot {
            Some(slot) => slot,
            None => match this.enter()? {
                Some(slot) => *this.slot.insert(slot),
                None => return Poll::Ready(Ok(this.permit())),
            },
        };
        this.set.register(slot, task.waker());
        let answer = match this.ask(slot) {
            Ok(Admission::Registered) => return Poll::Pending,
            Ok(Admission::Taken) => Ok(this.permit()),
            Err(error) => Err(error),
        };
        this.leave();
        Poll::Ready(answer)
    }
}

impl<const N: usize> Drop for Acquire<'_, N> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl From<Full> for WaitError {
    fn from(_: Full) -> Self {
        Self::Full
    }
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => fmt::Display::fmt(&AcquireError::Closed, f),
            Self::TooMany => fmt::Display::fmt(&AcquireError::TooMany, f),
            Self::Full => fmt::Display::fmt(&Full, f),
        }
    }
}

impl Error for WaitError {}
