//! Where events come from, and how they become items.
//!
//! A source has two halves. Its [`Feed`] fills chunks, in order, on the sender's side; its [`Decode`] turns a chunk into
//! items, on the receiver's side. So the costly part, parsing, is done by as many workers as there are receivers, and the
//! feed only finds where rows end. The input is never held whole: what is in memory is one read buffer and the chunks
//! that the edge allows.
//!
//! A row that cannot be read is an error of that row ([`RowError`]): it is counted as failed, the first ones are kept, and
//! the rows after it are read. What cannot be read at all is a [`SourceError`], which ends the pipeline.

mod block;
mod fault;
mod items;
mod lines;
mod text;

#[cfg(test)]
mod tests;

use core::ops::ControlFlow;

pub(crate) use block::Input;
pub use block::{Block, Blocks};
pub use fault::{RowError, RowFault, SourceError};
pub use items::{Batches, Items, Unpack};
pub use lines::{JsonDecoder, LineDecoder, LineItem};
pub use text::{Csv, CsvBorrowed, JsonLines, Lines, Rows, Source, Text};

use crate::emit::Chunk;

/// A source of events of type `T`: what the closure given to `sender` answers.
pub trait EventSource<T>: Send + 'static {
    /// The half that fills chunks.
    type Feed: Feed;
    /// The half that turns them into items. Each receiver has its own.
    type Decoder: Decode<Chunk = <Self::Feed as Feed>::Chunk> + Clone;

    /// Opens the source. May block on the file system.
    ///
    /// # Errors
    /// [`SourceError`] if there is nothing to read from, or it has no header where one is needed.
    fn open(self) -> Result<(Self::Feed, Self::Decoder), SourceError>;
}

/// Fills chunks, in the order of the source.
pub trait Feed: Send + 'static {
    /// What it fills.
    type Chunk: Chunk;

    /// Whether [`Feed::fill`] may block the thread, so that it has to run where blocking is allowed.
    const BLOCKS: bool;

    /// Replaces what `chunk` holds by the next rows, at least one; `false` if there are none left.
    ///
    /// # Errors
    /// [`SourceError`] if the source cannot be read further.
    fn fill(&mut self, chunk: &mut Self::Chunk) -> Result<bool, SourceError>;

    /// Whether a further chunk is likely to be filled without waiting.
    fn is_ready(&self) -> bool;
}

/// Turns chunks into items.
pub trait Decode: Send + 'static {
    /// What it decodes.
    type Chunk: Chunk;
    /// What it makes; may borrow from the chunk.
    type Item<'a>;

    /// Hands each row of `chunk` to `each`, in order, as an item or as what is wrong with it, until `each` breaks. Calls
    /// it exactly [`Chunk::rows`] times unless it breaks.
    fn decode<F>(&mut self, chunk: &mut Self::Chunk, each: F)
    where
        F: for<'a> FnMut(Result<Self::Item<'a>, Trouble>) -> ControlFlow<()>;
}

/// What a decoder found instead of an item. Boxed, so that an item on its way to its receiver drags nothing along.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "an outcome: the worker handles each case")]
pub enum Trouble {
    /// This row is bad; the next may be good.
    Row(Box<RowError>),
    /// The source is bad; it makes no sense to go on.
    Source(Box<SourceError>),
}
