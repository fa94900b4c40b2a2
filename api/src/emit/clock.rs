//! Causality: chunks carry stamps, the final event carries what they come to.

use alloc::sync::Arc;
use core::fmt;

use sweet_async_core::vector_clock::{AtomicVectorClock, TickError, VectorClock};

/// How a pipeline stamps its chunks: [`Undated`] or with a [`NodeClock`].
pub trait Dating: Clone + Send + Sync + 'static {
    /// What a chunk carries.
    type Stamp: Copy + Default + fmt::Debug + Send + Sync + 'static;

    /// Counts an event and answers its stamp.
    ///
    /// # Errors
    /// [`TickError`] if the clock does not know the node, or the node's count is at its end.
    fn date(&self) -> Result<Self::Stamp, TickError>;

    /// Takes over into the clock what a stamp knows.
    fn learn(&self, stamp: &Self::Stamp);

    /// Takes over into one stamp what another knows.
    fn merge(stamp: &mut Self::Stamp, other: &Self::Stamp);
}

/// Chunks carry no stamp, which costs nothing.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Undated;

impl Dating for Undated {
    type Stamp = ();

    fn date(&self) -> Result<(), TickError> {
        Ok(())
    }

    fn learn(&self, (): &()) {}

    fn merge((): &mut (), (): &()) {}
}

/// Chunks carry the stamp of a node: its clock, shared with whatever else this node does.
#[derive(Clone, Debug)]
pub struct NodeClock<const N: usize> {
    node: usize,
    nodes: Arc<AtomicVectorClock<N>>,
}

impl<const N: usize> NodeClock<N> {
    pub(crate) fn new(node: usize, nodes: &Arc<AtomicVectorClock<N>>) -> Self {
        Self {
            node,
            nodes: Arc::clone(nodes),
        }
    }
}

impl<const N: usize> Dating for NodeClock<N> {
    type Stamp = VectorClock<N>;

    fn date(&self) -> Result<VectorClock<N>, TickError> {
        self.nodes.tick(self.node)?;
        Ok(self.nodes.snapshot())
    }

    fn learn(&self, stamp: &VectorClock<N>) {
        self.nodes.merge(stamp);
    }

    fn merge(stamp: &mut VectorClock<N>, other: &VectorClock<N>) {
        stamp.merge(other);
    }
}
