//! Events: a source is cut into chunks, chunks cross a bounded edge, receivers turn them into a collection.

mod chunk;
mod clock;
mod collector;
pub mod csv;
pub mod edge;
mod event;
mod pipeline;
mod receiver;
mod sender;
pub mod source;

pub use chunk::{Chunk, ChunkSize, CountUnits};
pub use clock::{Dating, NodeClock, Undated};
pub use collector::{Collector, Fold, Merge};
pub use csv::Borrowed;
pub use edge::{EventReceiver, EventSender, Overflow, Sent, edge};
pub use event::{EmitError, ItemError, LastEvent, Stats, StreamingEvent};
pub use pipeline::{Emission, EmitBuilder, Emitter, LiveStats, Sending};
pub use receiver::{ReceiverAnswer, ReceiverStrategy, Shard};
pub use source::{EventSource, RowError, RowFault, Source, SourceError};
#[doc(no_inline)]
pub use sweet_async_core::vector_clock::{AtomicVectorClock, Causality, TickError, VectorClock};
