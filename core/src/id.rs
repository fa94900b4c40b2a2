//! Numbers that are given out once.
//!
//! ```text
//!                    next, next_block
//!                        .----.
//!                        |    v
//!   starting_at(id) --> [ Giving ] --(the last one was given)--> [ Exhausted ]
//! ```
//!
//! | bits  | name    | meaning                                                          |
//! |-------|---------|------------------------------------------------------------------|
//! | 0..32 | `GIVEN` | the last id that was given out, or the one before the first one  |
//!
//! - **I1** No id is given out twice, be it alone or in a block.
//! - **I2** The ids of a block are consecutive.
//! - **I3** `GIVEN` never shrinks or wraps: exhaustion is an error, and stays one however often it is asked again.
//! - **I4** A refusal takes nothing: a block that does not fit leaves the ids to smaller ones.
//! - **I5** What was given out alone or in blocks is, taken together, every id from the first to `GIVEN`.
//!
//! An operation is one read and one compare-and-swap when nobody interferes, and is lock-free: it retries only when
//! another thread was given ids in between (or the processor lost its reservation). The models in
//! `loom-tests/tests/id.rs` prove the invariants. Threads that need many ids take blocks: the word is then touched once
//! a block, and the ids of a block cost an addition each. Nothing allocates: the machine is one `u32`
//! (`tests::takes_four_bytes`) in a crate without an allocator.
//!
//! # Memory ordering
//! An id says nothing about what its giver or another owner did: it orders no memory. Whoever hands an id to another
//! thread hands it over by the same means as the data it names.

use core::error::Error;
use core::fmt;
use core::iter::FusedIterator;
use core::num::NonZeroU32;

use crate::sync::Ordering::Relaxed;
use crate::sync::{AtomicU32, const_fn};

/// Gives out each number from the first to `u32::MAX` at most once.
///
/// # Examples
/// ```
/// use sweet_async_core::id::{Exhausted, IdGenerator};
///
/// static IDS: IdGenerator = IdGenerator::new();
///
/// assert_eq!(IDS.next()?.get(), 1);
/// let block: Vec<u32> = IDS.next_block(3)?.map(u32::from).collect();
/// assert_eq!(block, [2, 3, 4]);
/// assert_eq!(IDS.next()?.get(), 5);
/// # Ok::<(), Exhausted>(())
/// ```
pub struct IdGenerator {
    word: AtomicU32,
}

/// Consecutive ids that belong to the caller; an iterator over them.
///
/// It is not `Clone`, so that an id cannot be given out twice. Those that are left when it is dropped are never used.
#[must_use = "the ids of a block that is dropped are never used"]
#[derive(Debug, Eq, PartialEq)]
pub struct Block {
    given: u32,
    last: u32,
}

/// Fewer ids are left than were asked for; nothing was taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Exhausted {
    /// How many are left. Others may take them.
    pub left: u32,
}

impl IdGenerator {
    const_fn! {
        /// Gives out ids from 1.
        #[must_use]
        pub fn new() -> Self {
            Self::starting_at(NonZeroU32::MIN)
        }
    }

    const_fn! {
        /// Gives out ids from `first`, which is the first one given.
        #[must_use]
        pub fn starting_at(first: NonZeroU32) -> Self {
            Self { word: AtomicU32::new(first.get() - 1) }
        }
    }

    /// Gives out one id.
    ///
    /// # Errors
    /// [`Exhausted`] when all were given out; every later call gets the same answer.
    pub fn next(&self) -> Result<NonZeroU32, Exhausted> {
        let mut block = self.next_block(1)?;
        block.next().ok_or(Exhausted { left: 0 })
    }

    /// Gives out `count` consecutive ids in one step; none of them if `count` is 0.
    ///
    /// # Errors
    /// [`Exhausted`] when fewer than `count` are left. Nothing changes: a smaller block may still be had, and this one
    /// never again.
    pub fn next_block(&self, count: u32) -> Result<Block, Exhausted> {
        // ORDERING: Relaxed. The value is only the guess that the exchange below verifies. Model: `id::unique`.
        let mut given = self.word.load(Relaxed);
        loop {
            let last = given.checked_add(count).ok_or(Exhausted {
                left: u32::MAX - given,
            })?;
            // ORDERING: Relaxed, also on failure. Uniqueness (I1) and the bound (I3) rest on the order of changes to
            // this one word, which every ordering keeps; nobody reads anything else because of an id. Models:
            // `id::unique`, `id::blocks_do_not_overlap`, `id::exhaustion_stays`.
            match self.word.compare_exchange_weak(given, last, Relaxed, Relaxed) {
                Ok(_) => return Ok(Block { given, last }),
                Err(seen) => given = seen,
            }
        }
    }

    /// How many ids are left; may be out of date when it is read, but never grows.
    #[must_use]
    pub fn left(&self) -> u32 {
        // ORDERING: Relaxed. A count for the eye: nobody reads anything else because of it, and reads of one word by
        // one thread never go back (I3). Model: `id::exhaustion_stays`.
        u32::MAX - self.word.load(Relaxed)
    }
}

impl Block {
    /// How many ids are left in the block.
    #[must_use]
    pub const fn left(&self) -> u32 {
        self.last - self.given
    }
}

impl Default for IdGenerator {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for IdGenerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdGenerator").field("left", &self.left()).finish()
    }
}

impl Iterator for Block {
    type Item = NonZeroU32;

    #[inline]
    fn next(&mut self) -> Option<NonZeroU32> {
        if self.given == self.last {
            return None;
        }
        self.given += 1;
        NonZeroU32::new(self.given)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.left() as usize;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Block {}

impl FusedIterator for Block {}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.left {
            0 => f.write_str("all ids were given out; start another generator"),
            left => write!(
                f,
                "only {left} ids are left; ask for fewer, or start another generator"
            ),
        }
    }
}

impl Error for Exhausted {}

#[cfg(test)]
mod tests;
