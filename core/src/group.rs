//! How many children live in a scope, and whether it still takes new ones.
//!
//! ```text
//!            try_enter / leave
//!               .-------.
//!               |       v
//!   new ---> [ Open, n inside ] ---close (n = 0)-----------------> [ Over ]
//!                    |                                                ^
//!                    `--close (n > 0)--> [ Closing, n inside ] -------'
//!                                             |        ^       leave (n = 1)
//!                                             `--------'
//!                                             leave (n > 1)
//! ```
//!
//! | bits  | name     | meaning                                  |
//! |-------|----------|------------------------------------------|
//! | 31    | `CLOSED` | set by the first `close`, never cleared  |
//! | 0..31 | `LIVE`   | children that entered and have not left  |
//!
//! - **G1** `CLOSED` is never cleared.
//! - **G2** `LIVE` does not grow once `CLOSED` is set: no child enters a closed scope.
//! - **G3** `LIVE` is the number of entries less the number of departures; it never exceeds the limit that the last
//!   entrant gave, nor [`Group::MAX_LIVE`], and it never wraps.
//! - **G4** Exactly one caller is told that a closed scope became empty, and it is told after the last child left.
//! - **G5** Each time an open scope becomes empty, exactly one caller is told so.
//! - **G6** Whoever is told that the scope is empty, or reads it, sees what every child did before it left. Whoever
//!   enters sees what the children that had left before did; whoever is refused by a closed scope sees what its closer
//!   did before closing.
//!
//! An operation is one read and one compare-and-swap when nobody interferes, and is lock-free: it retries only when
//! another thread's operation took effect in between (or the processor lost its reservation). The models in
//! `loom-tests/tests/group.rs` prove the invariants; they run to their end under every interleaving they explore. Nothing
//! allocates: the machine is one `u32` (`tests::takes_four_bytes`) in a crate without an allocator.
//!
//! # Waiting
//! The group wakes nobody. A joiner makes itself known first (for instance in an `AtomicWaker`) and *then* reads
//! [`Group::is_over`] or [`Group::is_empty`]; who is told [`Exit::Empty`] or [`Exit::Idle`] wakes afterwards. In that
//! order one of the two always meets the other.

use core::error::Error;
use core::fmt;

use crate::sync::Ordering::{AcqRel, Acquire};
use crate::sync::{AtomicU32, const_fn};

/// Counts the children of a scope and closes it against new ones.
///
/// # Examples
/// ```
/// use sweet_async_core::group::{Close, EnterError, Exit, Group};
///
/// static SCOPE: Group = Group::new();
///
/// SCOPE.try_enter()?;
/// assert_eq!(SCOPE.close(), Close::Drain { live: 1 });
/// assert_eq!(SCOPE.try_enter(), Err(EnterError::Closed));
/// assert_eq!(SCOPE.leave(), Ok(Exit::Empty));
/// assert!(SCOPE.is_over());
/// # Ok::<(), EnterError>(())
/// ```
pub struct Group {
    word: AtomicU32,
}

/// What the caller of [`Group::leave`] does next.
#[must_use = "the last one out has to wake whoever waits for the scope to become empty"]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "each outcome asks something else of the caller"
)]
pub enum Exit {
    /// Others are still inside; nothing to do.
    Continue,
    /// The scope is empty for now and still open: wake whoever waits for the children of the moment.
    Idle,
    /// The scope is closed and its last child has left: wake whoever waits for its end. Told once in a group's life.
    Empty,
}

/// What the caller of [`Group::close`] does next.
#[must_use = "a scope that was empty when it closed has nobody left to report its end"]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "each outcome asks something else of the caller"
)]
pub enum Close {
    /// Children are inside; the last of them will be told [`Exit::Empty`].
    Drain {
        /// How many were inside when the scope closed.
        live: u32,
    },
    /// Nobody was inside: this caller wakes whoever waits for the end. Told instead of [`Exit::Empty`], never besides.
    Empty,
    /// Somebody closed the scope before; nothing to do.
    Already,
}

/// Why a child may not enter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum EnterError {
    /// The scope was closed and takes no child any more.
    Closed,
    /// As many children as the limit allows are inside.
    Full {
        /// How many are inside.
        live: u32,
    },
}

/// A departure without an entry; the count was left as it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct NobodyInside;

impl Group {
    /// The most children that one group counts.
    pub const MAX_LIVE: u32 = Word::LIVE;

    const_fn! {
        /// An open scope with nobody inside.
        #[must_use]
        pub fn new() -> Self {
            Self { word: AtomicU32::new(0) }
        }
    }

    /// Lets one more child in.
    ///
    /// Linearizable with every other operation: a child that entered is counted by any `close` that follows, which
    /// then leaves the scope's end to the last child (G2, G4).
    ///
    /// # Errors
    /// [`EnterError::Closed`] after `close`; [`EnterError::Full`] at [`Group::MAX_LIVE`]. The group is unchanged.
    #[inline]
    pub fn try_enter(&self) -> Result<(), EnterError> {
        self.try_enter_within(Self::MAX_LIVE)
    }

    /// Lets one more child in if fewer than `limit` are inside.
    ///
    /// The place is taken before the caller allocates anything for the child. Callers that race for the last place
    /// never exceed the limit (G3), and whoever enters in the place of another sees what that one did (G6).
    ///
    /// # Errors
    /// [`EnterError::Closed`] after `close`; [`EnterError::Full`] when `limit` or more, or [`Group::MAX_LIVE`], are
    /// inside. The group is unchanged.
    #[inline]
    pub fn try_enter_within(&self, limit: u32) -> Result<(), EnterError> {
        self.transition(|word| match word.enter(limit) {
            Ok(next) => (Ok(()), Some(next)),
            Err(error) => (Err(error), None),
        })
    }

    /// Takes note that a child has left, and says who has to be woken for it.
    ///
    /// # Errors
    /// [`NobodyInside`] when nobody was inside. The group is unchanged.
    #[inline]
    pub fn leave(&self) -> Result<Exit, NobodyInside> {
        self.transition(|word| match word.leave() {
            Ok((exit, next)) => (Ok(exit), Some(next)),
            Err(error) => (Err(error), None),
        })
    }

    /// Closes the scope against new children; those inside stay until they leave.
    ///
    /// Idempotent: of all callers, one gets an answer other than [`Close::Already`].
    pub fn close(&self) -> Close {
        self.transition(|word| match (word.is_closed(), word.live()) {
            (true, _) => (Close::Already, None),
            (false, 0) => (Close::Empty, Some(word.close())),
            (false, live) => (Close::Drain { live }, Some(word.close())),
        })
    }

    /// How many children are inside; may be out of date when it is read, unless the scope is closed and it is zero.
    #[must_use]
    pub fn live(&self) -> u32 {
        self.read().live()
    }

    /// Whether the scope was closed; once true it stays true.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.read().is_closed()
    }

    /// Whether nobody is inside. While the scope is open the next child may already be on its way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.read().live() == 0
    }

    /// Whether the scope is closed and its last child has left; once true it stays true.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.read().is_over()
    }

    fn read(&self) -> Word {
        // ORDERING: Acquire. A joiner that reads "empty" sees the work that each child published when it left (G6);
        // it pairs with the Release half of `transition`. Model: `group::reader_of_over_sees_all_work`.
        Word(self.word.load(Acquire))
    }

    /// Applies `decide` to the current word until its answer took effect, or needs no effect.
    #[inline]
    fn transition<A>(&self, decide: impl Fn(Word) -> (A, Option<Word>)) -> A {
        let mut current = self.read();
        loop {
            let (answer, next) = match decide(current) {
                (answer, None) => return answer,
                (answer, Some(next)) => (answer, next),
            };
            // ORDERING: AcqRel; Acquire on failure. Release hands this child's or closer's work to whoever is told or
            // reads that the scope is empty; Acquire lets that one see the work of all, and an entrant the work of
            // those that left (G6). A refusal decided on the value of a failed exchange sees the closer's work.
            // Models: `group::last_out_sees_all_work`, `group::enter_close_leave`, `group::entrant_sees_who_left`,
            // `group::refused_sees_the_closer`.
            match self
                .word
                .compare_exchange_weak(current.0, next.0, AcqRel, Acquire)
            {
                Ok(_) => return answer,
                Err(seen) => current = Word(seen),
            }
        }
    }
}

impl Default for Group {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.read();
        f.debug_struct("Group")
            .field("closed", &word.is_closed())
            .field("live", &word.live())
            .finish()
    }
}

impl fmt::Display for EnterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the scope is closed; start the task in a scope that is still open"),
            Self::Full { live } => {
                write!(
                    f,
                    "the scope is full with {live} children; try again when one of them has left"
                )
            }
        }
    }
}

impl Error for EnterError {}

impl fmt::Display for NobodyInside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody is inside the scope; leave once for each entry")
    }
}

impl Error for NobodyInside {}

/// One decoded value of the atomic word; its methods are the transitions, free of any atomic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Word(u32);

impl Word {
    /// Set by the first `close`, never cleared.
    const CLOSED: u32 = 1 << 31;
    /// Children that entered and have not left.
    const LIVE: u32 = Self::CLOSED - 1;

    const fn is_closed(self) -> bool {
        self.0 & Self::CLOSED != 0
    }

    const fn live(self) -> u32 {
        self.0 & Self::LIVE
    }

    const fn is_over(self) -> bool {
        self.0 == Self::CLOSED
    }

    const fn close(self) -> Self {
        Self(self.0 | Self::CLOSED)
    }

    /// One more inside; never carries into `CLOSED`, because a full group refuses.
    const fn enter(self, limit: u32) -> Result<Self, EnterError> {
        if self.is_closed() {
            return Err(EnterError::Closed);
        }
        let live = self.live();
        if live >= limit || live == Self::LIVE {
            return Err(EnterError::Full { live });
        }
        Ok(Self(self.0 + 1))
    }

    /// One less inside, and what to say to the one that left; never borrows, because an empty group refuses.
    const fn leave(self) -> Result<(Exit, Self), NobodyInside> {
        if self.live() == 0 {
            return Err(NobodyInside);
        }
        let next = Self(self.0 - 1);
        let exit = match (next.live(), next.is_closed()) {
            (0, true) => Exit::Empty,
            (0, false) => Exit::Idle,
            _ => Exit::Continue,
        };
        Ok((exit, next))
    }
}

#[cfg(test)]
mod tests;
