//! Why a chunk did not cross.

use core::error::Error;
use core::fmt;

/// The other side of the edge is gone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the other side of the edge is closed; stop sending or receiving on it")
    }
}

impl Error for Closed {}

/// Why a chunk was not sent. The chunk is still in the caller's hands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SendError {
    /// There is no room now.
    Full,
    /// No receiver is left, or the edge was closed.
    Closed,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the edge is full; send again when a receiver has made room"),
            Self::Closed => Closed.fmt(f),
        }
    }
}

impl Error for SendError {}

/// Why no chunk was received. The buffer is still in the caller's hands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TryRecvError {
    /// Nothing waits now.
    Empty,
    /// Nothing waits and no sender is left.
    Closed,
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the edge is empty; receive again when a sender has sent"),
            Self::Closed => Closed.fmt(f),
        }
    }
}

impl Error for TryRecvError {}
