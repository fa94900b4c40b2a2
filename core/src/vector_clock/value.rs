//! The clock as a plain value.

use core::cmp::Ordering;
use core::error::Error;
use core::fmt;

/// A stamp: for each of `N` nodes, how many of its events lie in the past.
///
/// # Examples
/// ```
/// use sweet_async_core::vector_clock::{Causality, TickError, VectorClock};
///
/// let (mut sender, mut receiver) = (VectorClock::<2>::new(), VectorClock::<2>::new());
/// sender.tick(0)?;
/// let message = sender;
/// receiver.merge(&message);
/// receiver.tick(1)?;
/// sender.tick(0)?;
/// assert_eq!(message.compare(&receiver), Causality::Before);
/// assert_eq!(sender.compare(&receiver), Causality::Concurrent);
/// # Ok::<(), TickError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct VectorClock<const N: usize> {
    counts: [u32; N],
}

/// How two stamps lie to each other.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "two elements of a partial order have no other relation"
)]
pub enum Causality {
    /// The two are the same stamp.
    Equal,
    /// The first happened before the second: the second may know of it.
    Before,
    /// The first happened after the second: it may know of it.
    After,
    /// Neither can know of the other.
    Concurrent,
}

/// Why an event was not counted; nothing changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TickError {
    /// The clock has no such node.
    UnknownNode {
        /// How many nodes the clock has; they are numbered from 0.
        nodes: usize,
    },
    /// The node has counted `u32::MAX` events.
    Overflow,
}

impl<const N: usize> VectorClock<N> {
    /// No event of any node.
    #[must_use]
    pub const fn new() -> Self {
        Self { counts: [0; N] }
    }

    /// The stamp with these counts, for instance from a message.
    #[must_use]
    pub const fn from_counts(counts: [u32; N]) -> Self {
        Self { counts }
    }

    /// The count of each node, for instance for a message.
    #[must_use]
    pub const fn counts(&self) -> &[u32; N] {
        &self.counts
    }

    /// How many events of `node` lie in the past; `None` if the clock has no such node.
    #[must_use]
    pub fn count(&self, node: usize) -> Option<u32> {
        self.counts.get(node).copied()
    }

    /// Counts one event of `node`, and answers its number, from 1.
    ///
    /// # Errors
    /// [`TickError::UnknownNode`], [`TickError::Overflow`] (V2).
    pub fn tick(&mut self, node: usize) -> Result<u32, TickError> {
        let count = self
            .counts
            .get_mut(node)
            .ok_or(TickError::UnknownNode { nodes: N })?;
        *count = count.checked_add(1).ok_or(TickError::Overflow)?;
        Ok(*count)
    }

    /// Takes over what `other` knows: the higher count of each node.
    ///
    /// Commutative, associative and idempotent: messages may arrive in any order, and twice.
    #[inline]
    pub fn merge(&mut self, other: &Self) {
        for (count, other) in self.counts.iter_mut().zip(&other.counts) {
            *count = (*count).max(*other);
        }
    }

    /// How this stamp lies to `other`.
    ///
    /// It always looks at all nodes: a loop that stopped early would be slower, because it could not take several at a
    /// time.
    #[inline]
    #[must_use]
    pub fn compare(&self, other: &Self) -> Causality {
        let (mut ahead, mut behind) = (false, false);
        for (count, other) in self.counts.iter().zip(&other.counts) {
            ahead |= count > other;
            behind |= count < other;
        }
        match (ahead, behind) {
            (false, false) => Causality::Equal,
            (false, true) => Causality::Before,
            (true, false) => Causality::After,
            (true, true) => Causality::Concurrent,
        }
    }
}

impl<const N: usize> Default for VectorClock<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// The order of happens-before; concurrent stamps are not comparable.
impl<const N: usize> PartialOrd for VectorClock<N> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match self.compare(other) {
            Causality::Before => Some(Ordering::Less),
            Causality::After => Some(Ordering::Greater),
            Causality::Equal => Some(Ordering::Equal),
            Causality::Concurrent => None,
        }
    }
}

impl fmt::Display for TickError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownNode { nodes } => {
                write!(
                    f,
                    "the clock has {nodes} nodes, numbered from 0; tick one of them"
                )
            }
            Self::Overflow => {
                f.write_str("the node counted 4294967295 events; begin a new clock on all nodes")
            }
        }
    }
}

impl Error for TickError {}
