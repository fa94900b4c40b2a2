//! What crosses an edge: a reusable buffer of rows.

/// A buffer of rows that crosses an edge and comes back empty to be filled again.
pub trait Chunk: Default + Send + 'static {
    /// Rows held.
    fn rows(&self) -> usize;

    /// Forgets the rows and keeps the memory.
    fn clear(&mut self);
}

impl<T: Send + 'static> Chunk for Vec<T> {
    fn rows(&self) -> usize {
        self.len()
    }

    fn clear(&mut self) {
        Self::clear(self);
    }
}

/// A chunk with the stamp of its sending.
#[derive(Debug, Default)]
pub(crate) struct Dated<P, S> {
    pub(crate) rows: P,
    pub(crate) stamp: S,
}

impl<P: Chunk, S: Default + Send + 'static> Chunk for Dated<P, S> {
    fn rows(&self) -> usize {
        self.rows.rows()
    }

    fn clear(&mut self) {
        self.rows.clear();
    }
}

/// How much one chunk holds: `1_000.rows()`, `64.kib()`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ChunkSize {
    /// So many rows; the last chunk of a source may hold fewer.
    Rows(usize),
    /// As many whole rows as fit into so many bytes, and at least one row.
    Bytes(usize),
}

impl Default for ChunkSize {
    fn default() -> Self {
        Self::Rows(1_000)
    }
}

/// Turns a whole number into a [`ChunkSize`].
///
/// # Examples
/// ```
/// use sweet_async_api::emit::{ChunkSize, CountUnits};
/// assert_eq!(1_000.rows(), ChunkSize::Rows(1_000));
/// assert_eq!(64.kib(), ChunkSize::Bytes(65_536));
/// ```
pub trait CountUnits {
    /// This many rows.
    fn rows(self) -> ChunkSize;
    /// This many bytes.
    fn bytes(self) -> ChunkSize;
    /// This many times 1024 bytes; saturates.
    fn kib(self) -> ChunkSize;
    /// This many times 1024 times 1024 bytes; saturates.
    fn mib(self) -> ChunkSize;
}

impl CountUnits for u32 {
    fn rows(self) -> ChunkSize {
        ChunkSize::Rows(self as usize)
    }

    fn bytes(self) -> ChunkSize {
        ChunkSize::Bytes(self as usize)
    }

    fn kib(self) -> ChunkSize {
        ChunkSize::Bytes((self as usize).saturating_mul(1 << 10))
    }

    fn mib(self) -> ChunkSize {
        ChunkSize::Bytes((self as usize).saturating_mul(1 << 20))
    }
}
