//! Events out of an iterator.

use core::fmt;
use core::marker::PhantomData;
use core::ops::ControlFlow;

use crate::emit::ChunkSize;
use crate::emit::source::{Decode, EventSource, Feed, SourceError, Trouble};

/// A source over an iterator. Made by [`Source::of`](crate::emit::Source::of).
#[derive(Clone, Debug)]
pub struct Items<I> {
    items: I,
    size: ChunkSize,
}

impl<I> Items<I> {
    pub(crate) fn new(items: I) -> Self {
        Self {
            items,
            size: ChunkSize::default(),
        }
    }

    /// Sends so many items at a time. A size in bytes counts the items' own size, not what they point to.
    #[must_use]
    pub fn into_chunks(self, size: ChunkSize) -> Self {
        Self { size, ..self }
    }
}

impl<I> EventSource<I::Item> for Items<I>
where
    I: Iterator<Item: Send + 'static> + Send + 'static,
{
    type Feed = Batches<I>;
    type Decoder = Unpack<I::Item>;

    fn open(self) -> Result<(Batches<I>, Unpack<I::Item>), SourceError> {
        let rows = match self.size {
            ChunkSize::Rows(rows) => rows,
            ChunkSize::Bytes(bytes) => bytes / size_of::<I::Item>().max(1),
        };
        Ok((
            Batches {
                items: self.items,
                rows: rows.max(1),
                ended: false,
            },
            Unpack(PhantomData),
        ))
    }
}

/// Fills chunks from an iterator.
pub struct Batches<I> {
    items: I,
    rows: usize,
    ended: bool,
}

impl<I> Feed for Batches<I>
where
    I: Iterator<Item: Send + 'static> + Send + 'static,
{
    type Chunk = Vec<I::Item>;

    const BLOCKS: bool = false;

    fn fill(&mut self, chunk: &mut Vec<I::Item>) -> Result<bool, SourceError> {
        chunk.clear();
        // An iterator that has ended is not asked again: it need not be fused.
        if !self.ended {
            chunk.extend(self.items.by_ref().take(self.rows));
            self.ended = chunk.len() < self.rows;
        }
        Ok(!chunk.is_empty())
    }

    fn is_ready(&self) -> bool {
        !self.ended
    }
}

impl<I> fmt::Debug for Batches<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches")
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

/// Takes the items out of a chunk as they are.
pub struct Unpack<T>(PhantomData<fn() -> T>);

impl<T> Clone for Unpack<T> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<T> fmt::Debug for Unpack<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unpack")
    }
}

impl<T: Send + 'static> Decode for Unpack<T> {
    type Chunk = Vec<T>;
    type Item<'a> = T;

    fn decode<F>(&mut self, chunk: &mut Vec<T>, mut each: F)
    where
        F: for<'a> FnMut(Result<T, Trouble>) -> ControlFlow<()>,
    {
        for item in chunk.drain(..) {
            if each(Ok(item)).is_break() {
                return;
            }
        }
    }
}
