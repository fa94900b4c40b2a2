//! What happened before what, among nodes that share no clock.
//!
//! Each node counts its own events in its own slot. A stamp carries the counts of all nodes; who receives one takes
//! over the higher count of each slot, so that a clock knows, for each node, how many of its events lie in its past.
//! (C. Fidge, "Timestamps in Message-Passing Systems That Preserve the Partial Ordering", 1988; F. Mattern, "Virtual
//! Time and Global States of Distributed Systems", 1989.)
//!
//! ```text
//!   node 0   [1,0] --tick--> [2,0] --tick--> [3,0]
//!                               \
//!                              send            [3,0] and [2,2] are concurrent,
//!                                 \            [1,0] is before both
//!   node 1   [0,1] --------------- merge, tick --> [2,2]
//! ```
//!
//! | slot         | bits  | name    | meaning                                           |
//! |--------------|-------|---------|---------------------------------------------------|
//! | one per node | 0..32 | `COUNT` | how many events of that node lie in the past      |
//!
//! - **V1** An event's stamp is before another's exactly if it happened before it: `compare` agrees with the graph of
//!   happens-before.
//! - **V2** A count never shrinks or wraps: a tick beyond `u32::MAX` is refused and changes nothing.
//! - **V3** Each tick of a shared clock gives its caller a count that no other tick of that node gets.
//! - **V4** A snapshot of a shared clock never shows less, in any slot, than one that was taken before it by the same
//!   thread, or by one that has handed over to it.
//! - **V5** A snapshot that shows tick `k` of a node shows all that the ticking thread had merged and ticked before it.
//! - **V6** Who sees a tick in a snapshot sees what the ticking thread did in memory before it.
//!
//! [`VectorClock`] is a plain value of one owner. [`AtomicVectorClock`] is shared by threads, either as the one clock of
//! a process of many threads or with a slot for each thread. Neither allocates: `N` words of 32 bits
//! (`tests::takes_four_bytes_a_node`) in a crate without an allocator. [`Nodes`] gives slots to nodes that are known by
//! a number of another kind.

mod atomic;
mod nodes;
mod value;

pub use atomic::AtomicVectorClock;
pub use nodes::{Full, Nodes};
pub use value::{Causality, TickError, VectorClock};

#[cfg(test)]
mod tests;
