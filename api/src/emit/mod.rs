//! Events: a source is cut into chunks, chunks cross a bounded edge, receivers turn them into a collection.

mod chunk;
mod collector;
pub mod csv;
pub mod edge;
pub mod source;

pub use chunk::{Chunk, ChunkSize, CountUnits};
pub use collector::{Collector, Fold, Merge};
pub use csv::Borrowed;
pub use edge::{EventReceiver, EventSender, Overflow, Sent, edge};
pub use source::{EventSource, RowError, RowFault, Source, SourceError};
