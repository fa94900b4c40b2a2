//! Events: a source is cut into chunks, chunks cross a bounded edge, receivers turn them into a collection.
//!
//! ```text
//!  source --> sender ==chunks==> edge ==chunks==> receiver --> shard --.
//!             (a task)           (bounded)   |    (a task)             |-- merged --> final event
//!                                            `==> receiver --> shard --'
//! ```
//!
//! A pipeline is a task; its sender and each of its receivers are child tasks. The sender only finds where rows end;
//! receivers parse them, so that they share what costs most. What is in memory is bounded by the edge, never by the
//! input.
//!
//! | a row that | counts as |
//! |---|---|
//! | its receiver took | `out` |
//! | cannot be read, or whose receiver answered an error or panicked | `failed` |
//! | was displaced on a full edge, or was left when the pipeline was killed or failed | `dropped` |
//! | waits on the edge or is being worked on | `in_flight` |
//!
//! and `taken_in = out + dropped + failed + in_flight` at every moment; see [`Stats`].
//!
//! | the pipeline | ends with |
//! |---|---|
//! | reads its source to the end | a final event |
//! | is cancelled gracefully | a final event that is partial: the sender stops, what is in flight is worked on |
//! | is killed, or times out | its task's error; what is in flight is dropped and counted |
//! | cannot read its source, or panics | [`EmitError`] |

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
mod traits;
mod yielding;

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
pub use traits::{EmittingTask, EmittingTaskBuilder};
