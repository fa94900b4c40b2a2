//! Why something was not sent or not received.

use core::error::Error;
use core::fmt;

/// An item that was not sent, and why.
#[derive(Clone, Copy, Eq, PartialEq)]
#[non_exhaustive]
pub struct SendError<T> {
    /// The item.
    pub item: T,
    /// Why it was not sent.
    pub reason: Refused,
    /// An item that had made room, when the mailbox was closed before the room was used; it counts as dropped.
    pub displaced: Option<T>,
}

/// Why an item was not sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Refused {
    /// The mailbox was closed.
    Closed,
    /// There is no room. Where the policy makes room: nothing is held, and others are in the middle of using each slot.
    Full,
    /// There is no room, and every slot for waiting senders is taken.
    Crowded,
}

/// Why nothing was received.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TryRecvError {
    /// The mailbox was closed, and nothing is held.
    Closed,
    /// Nothing is held.
    Empty,
}

/// Why a wait for an item is over without one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RecvError {
    /// The mailbox was closed, and nothing is held.
    Closed,
    /// Nothing is held for the caller, and every slot for waiting receivers is taken.
    Crowded,
}

impl<T> SendError<T> {
    pub(super) const fn new(reason: Refused, item: T) -> Self {
        Self {
            item,
            reason,
            displaced: None,
        }
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError")
            .field("reason", &self.reason)
            .field("displaced", &self.displaced.is_some())
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.reason, f)
    }
}

impl<T> Error for SendError<T> {}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the mailbox is closed; give up, it never opens again"),
            Self::Full => f.write_str("the mailbox is full; receive from it, or try later"),
            Self::Crowded => f.write_str("every place to wait is taken; try later, or give the mailbox more"),
        }
    }
}

impl Error for Refused {}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the mailbox is closed and empty; give up, nothing comes any more"),
            Self::Empty => f.write_str("the mailbox is empty; try later, or wait"),
        }
    }
}

impl Error for TryRecvError {}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => fmt::Display::fmt(&TryRecvError::Closed, f),
            Self::Crowded => fmt::Display::fmt(&Refused::Crowded, f),
        }
    }
}

impl Error for RecvError {}
