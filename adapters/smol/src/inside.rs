//! Where a thread must not be blocked.

use core::cell::Cell;
use core::fmt;

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
