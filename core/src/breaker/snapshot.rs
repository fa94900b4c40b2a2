//! Why a breaker could not be made of the words of a snapshot.

use core::error::Error;
use core::fmt;

/// Words that no snapshot of this kind of breaker hands out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SnapshotError {
    /// There are fewer than this kind of window hands out.
    TooShort,
    /// One of them has a value that never occurs.
    Unknown,
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => {
                "the snapshot is too short; restore it into the kind of window it was taken from"
            }
            Self::Unknown => "the snapshot holds a word that no breaker hands out; start with a new breaker",
        })
    }
}

impl Error for SnapshotError {}
