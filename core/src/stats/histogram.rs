//! How values are distributed.

use core::fmt;

use crate::stats::Counter;

/// Counts values in cells whose width grows with the value: the relative error is the same everywhere.
///
/// Each power of two is cut into `1 << BITS` cells of equal width, as in `HdrHistogram` (G. Tene). Values below
/// `2 << BITS` have a cell each. `BITS` follows from the number of cells, `(33 - BITS) << BITS`; others do not compile:
///
/// | `CELLS` | `BITS` | a cell's width is at most | exact below | bytes  |
/// |---------|--------|---------------------------|-------------|--------|
/// | 33      | 0      | 1/1 of its low end        | 2           | 132    |
/// | 64      | 1      | 1/2                       | 4           | 256    |
/// | 124     | 2      | 1/4                       | 8           | 496    |
/// | **240** | 3      | 1/8                       | 16          | 960    |
/// | 464     | 4      | 1/16                      | 32          | 1,856  |
/// | 896     | 5      | 1/32                      | 64          | 3,584  |
/// | 1,728   | 6      | 1/64                      | 128         | 6,912  |
/// | 3,328   | 7      | 1/128                     | 256         | 13,312 |
///
/// To record is one `fetch_add`, at a place found by `leading_zeros`, a shift and an addition. A cell is a [`Counter`]:
/// it stops at [`Counter::MAX`].
///
/// # Examples
/// ```
/// use sweet_async_core::stats::Histogram;
///
/// static MILLIS: Histogram = Histogram::new();
///
/// for millis in [3, 4, 4, 5, 1_000] {
///     MILLIS.record(millis);
/// }
/// let seen = MILLIS.snapshot();
/// assert_eq!(seen.count(), 5);
/// assert_eq!(seen.quantile(500_000).map(|bucket| bucket.high), Some(4));
/// let slowest = seen.quantile(1_000_000).expect("something was recorded");
/// assert!(slowest.low <= 1_000 && 1_000 <= slowest.high);
/// ```
pub struct Histogram<const CELLS: usize = 240> {
    pub(super) cells: [Counter; CELLS],
}

/// What a [`Histogram`] had counted when it was read: a plain value.
///
/// Recordings that happened before the read are in it; of those at the same time each is in it or not, as a whole.
///
/// # Examples
/// ```
/// use sweet_async_core::stats::{Histogram, Snapshot};
///
/// let workers = [Histogram::<240>::new(), Histogram::new()];
/// for micros in 0..1_000 {
///     workers[micros % 2].record(micros as u32);
/// }
/// let mut all = Snapshot::new();
/// for worker in &workers {
///     all.merge(&worker.take()); // each starts again from nothing
/// }
/// assert_eq!(all.count(), 1_000);
/// assert!(all.quantile(990_000).is_some_and(|p99| p99.low <= 989 && 989 <= p99.high));
/// ```
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Snapshot<const CELLS: usize = 240> {
    pub(super) counts: [u32; CELLS],
}

/// The values that one cell counts, both ends included.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a range has two ends")]
pub struct Bucket {
    /// The lowest.
    pub low: u32,
    /// The highest, at most `low + (low >> BITS)`.
    pub high: u32,
}

impl<const CELLS: usize> Histogram<CELLS> {
    /// Into how many cells each power of two is cut, as a power of two: the relative error is `1 / (1 << BITS)`.
    pub const BITS: u32 = bits(CELLS);

    /// Nothing recorded.
    #[cfg(not(sweet_loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self {
            cells: [const { Counter::new() }; CELLS],
        }
    }

    /// Nothing recorded.
    #[cfg(sweet_loom)]
    #[must_use]
    pub fn new() -> Self {
        Self {
            cells: core::array::from_fn(|_| Counter::new()),
        }
    }

    /// Counts `value` (S5).
    #[inline]
    pub fn record(&self, value: u32) {
        if let Some(cell) = self.cells.get(index(Self::BITS, value)) {
            cell.increment();
        }
    }

    /// What was counted so far.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot<CELLS> {
        Snapshot {
            counts: self.cells.each_ref().map(Counter::value),
        }
    }

    /// What was counted since the last call, and starts again from nothing; each recording is taken once (S2).
    #[must_use = "what was taken is no longer in the histogram"]
    pub fn take(&self) -> Snapshot<CELLS> {
        Snapshot {
            counts: self.cells.each_ref().map(Counter::take),
        }
    }

    /// Takes what `from` counted and adds it here, cell by cell (S2).
    pub fn absorb(&self, from: &Self) {
        for (cell, other) in self.cells.iter().zip(&from.cells) {
            cell.absorb(other);
        }
    }

    /// The bounds of the cell that counts `value` (S5).
    #[must_use]
    pub const fn bucket(value: u32) -> Bucket {
        bounds(Self::BITS, index(Self::BITS, value))
    }
}

impl<const CELLS: usize> Snapshot<CELLS> {
    /// Nothing recorded: what others are merged into.
    #[must_use]
    pub const fn new() -> Self {
        Self { counts: [0; CELLS] }
    }

    /// How many values were recorded. Cannot overflow.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().copied().map(u64::from).sum()
    }

    /// Adds the counts of `other`, cell by cell; a cell stops at `u32::MAX`.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
    }

    /// The bucket with the value of which `per_million` of a million values are no greater; `None` of nothing.
    ///
    /// The bucket contains that very value (the one at rank `count × per_million / 1,000,000`, rounded up, and at least
    /// 1), so that `high` is too high by at most `1 / (1 << BITS)` of it and `low` too low by no more. More than a
    /// million counts as a million: the highest value.
    #[must_use]
    pub fn quantile(&self, per_million: u32) -> Option<Bucket> {
        // 3,328 cells of 2^32 each, a million times, fit into 64 bits.
        let rank = (self.count() * u64::from(per_million.min(MILLION)))
            .div_ceil(u64::from(MILLION))
            .max(1);
        let mut passed = 0;
        self.buckets().find_map(|(bucket, count)| {
            passed += u64::from(count);
            (passed >= rank).then_some(bucket)
        })
    }

    /// Each bucket that counted something, with its count, lowest first.
    pub fn buckets(&self) -> impl Iterator<Item = (Bucket, u32)> + '_ {
        self.counts
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .map(|(cell, count)| (bounds(Histogram::<CELLS>::BITS, cell), *count))
    }
}

impl<const CELLS: usize> Default for Histogram<CELLS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const CELLS: usize> Default for Snapshot<CELLS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const CELLS: usize> fmt::Debug for Histogram<CELLS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Histogram").field(&self.snapshot()).finish()
    }
}

impl<const CELLS: usize> fmt::Debug for Snapshot<CELLS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(
                self.buckets()
                    .map(|(bucket, count)| (bucket.low..=bucket.high, count)),
            )
            .finish()
    }
}

const MILLION: u32 = 1_000_000;

/// The `BITS` of a histogram with so many cells.
const fn bits(cells: usize) -> u32 {
    let mut bits = 0;
    while bits < 8 && (33 - bits as usize) << bits != cells {
        bits += 1;
    }
    assert!(
        bits < 8,
        "a histogram has 33, 64, 124, 240, 464, 896, 1728 or 3328 cells"
    );
    bits
}

/// The cell that counts `value`. Below `1 << bits` the shift is zero and the cell is the value.
#[inline]
const fn index(bits: u32, value: u32) -> usize {
    let shift = 31 - bits - (value | 1 << bits).leading_zeros();
    ((shift << bits) + (value >> shift)) as usize
}

/// The values that a cell counts: the inverse of [`index`].
const fn bounds(bits: u32, cell: usize) -> Bucket {
    let shift = (cell >> bits).saturating_sub(1);
    let low = (cell - (shift << bits)) << shift;
    let high = low + ((1 << shift) - 1);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a cell that exists counts values of 32 bits"
    )]
    Bucket {
        low: low as u32,
        high: high as u32,
    }
}
