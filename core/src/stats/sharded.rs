//! A count to which each worker adds in a place of its own.

use core::error::Error;
use core::fmt;

use crate::sync::AtomicU32;
use crate::sync::Ordering::{Acquire, Relaxed, Release};

/// Counts in `N` cells, each with a writer of its own, and sums them up when it is read.
///
/// A cell fills a cache line of 64 bytes, so that writers do not slow each other down. `N` is at most 32.
///
/// # Examples
/// ```
/// use sweet_async_core::stats::{AllClaimed, ShardedCounter};
///
/// static STEPS: ShardedCounter<2> = ShardedCounter::new();
///
/// let mut one = STEPS.claim()?;
/// let mut other = STEPS.claim()?;
/// one.add(40);
/// other.add(2);
/// assert_eq!(STEPS.total(), 42);
/// assert_eq!(STEPS.claim().err().map(|full| full.cells), Some(2));
/// drop(one);
/// assert!(STEPS.claim().is_ok());
/// # Ok::<(), AllClaimed>(())
/// ```
pub struct ShardedCounter<const N: usize> {
    pub(super) claimed: AtomicU32,
    pub(super) cells: [Cell; N],
}

/// The right to add to one cell, until it is dropped.
///
/// A shard that is leaked (`core::mem::forget`) keeps its cell claimed; its counts stay in the total.
#[must_use = "a shard that is dropped gives its cell back"]
pub struct Shard<'a> {
    claimed: &'a AtomicU32,
    cell: &'a Cell,
    pub(super) bit: u32,
    /// What the cell holds: nobody else writes it.
    count: u32,
}

/// Every cell has a writer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct AllClaimed {
    /// How many cells there are.
    pub cells: usize,
}

impl<const N: usize> ShardedCounter<N> {
    /// Which bits of `CLAIMED` have a cell.
    const BITS: u32 = {
        assert!(0 < N && N <= 32, "a sharded counter has 1 to 32 cells");
        u32::MAX >> (32 - N)
    };

    /// Nothing counted, no cell claimed.
    #[cfg(not(sweet_loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self {
            claimed: AtomicU32::new(0),
            cells: [const { Cell(AtomicU32::new(0)) }; N],
        }
    }

    /// Nothing counted, no cell claimed.
    #[cfg(sweet_loom)]
    #[must_use]
    pub fn new() -> Self {
        Self {
            claimed: AtomicU32::new(0),
            cells: core::array::from_fn(|_| Cell(AtomicU32::new(0))),
        }
    }

    /// Claims a cell for the caller alone (S4), which sees what its former writer did.
    ///
    /// # Errors
    /// [`AllClaimed`] when each has a writer.
    pub fn claim(&self) -> Result<Shard<'_>, AllClaimed> {
        // ORDERING: Relaxed. A guess that the exchange verifies, or a refusal as of this moment. Model:
        // `stats::shard_changes_hands`.
        let mut claimed = self.claimed.load(Relaxed);
        loop {
            let free = !claimed & Self::BITS;
            let bit = free & free.wrapping_neg();
            let Some(cell) = self.cells.get(bit.trailing_zeros() as usize) else {
                return Err(AllClaimed { cells: N });
            };
            // ORDERING: Acquire, to continue from what the cell's former writer counted before it gave the cell back
            // (S4); Relaxed on failure, which is a guess again. Model: `stats::shard_changes_hands`.
            match self
                .claimed
                .compare_exchange_weak(claimed, claimed | bit, Acquire, Relaxed)
            {
                Ok(_) => {
                    let (claimed, count) = (&self.claimed, cell.read());
                    return Ok(Shard {
                        claimed,
                        cell,
                        bit,
                        count,
                    });
                }
                Err(seen) => claimed = seen,
            }
        }
    }

    /// The sum of all cells, claimed or not; may be out of date when it is read. Cannot overflow.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.cells.iter().map(|cell| u64::from(cell.read())).sum()
    }

    /// How many cells have a writer; may be out of date when it is read.
    #[must_use]
    pub fn writers(&self) -> u32 {
        // ORDERING: Relaxed. A number that nobody reads anything else because of (S4). Model:
        // `stats::shard_changes_hands`.
        self.claimed.load(Relaxed).count_ones()
    }
}

impl Shard<'_> {
    /// Counts one.
    #[inline]
    pub fn increment(&mut self) {
        self.add(1);
    }

    /// Counts `count`: one plain store. The cell stops at `u32::MAX`.
    #[inline]
    pub fn add(&mut self, count: u32) {
        self.count = self.count.saturating_add(count);
        // ORDERING: Relaxed. This is the cell's only writer (S4), and readers read nothing else because of the number.
        // The next writer sees it because of the Release in `drop`. Model: `stats::shard_changes_hands`.
        self.cell.0.store(self.count, Relaxed);
    }
}

impl Drop for Shard<'_> {
    fn drop(&mut self) {
        // ORDERING: Release, so that the next writer continues from what this one counted (S4). Model:
        // `stats::shard_changes_hands`.
        self.claimed.fetch_and(!self.bit, Release);
    }
}

impl<const N: usize> Default for ShardedCounter<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> fmt::Debug for ShardedCounter<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardedCounter")
            .field("total", &self.total())
            .field("writers", &self.writers())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Shard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard")
            .field("cell", &self.bit.trailing_zeros())
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for AllClaimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "all {} cells have a writer; drop a shard, or make the counter with more cells",
            self.cells
        )
    }
}

impl Error for AllClaimed {}

/// A word with a cache line of its own.
#[repr(align(64))]
pub(super) struct Cell(pub(super) AtomicU32);

impl Cell {
    fn read(&self) -> u32 {
        // ORDERING: Relaxed. For a total a number that nobody reads anything else because of (S6); for a new writer the
        // last one, because of the Acquire that claimed the cell (S4). Model: `stats::shard_changes_hands`.
        self.0.load(Relaxed)
    }
}
