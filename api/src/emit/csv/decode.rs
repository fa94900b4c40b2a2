//! Turns blocks of CSV into items, in the worker.

use alloc::sync::Arc;
use core::fmt;
use core::marker::PhantomData;
use core::ops::ControlFlow;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::emit::csv::row::{Plan, Row, Text};
use crate::emit::csv::split::{Dialect, Grid};
use crate::emit::source::{Block, Decode, Input, RowFault, SourceError, Trouble};

/// A record type that borrows from the row it was read from, so that reading it allocates nothing.
///
/// # Examples
/// ```
/// use sweet_async_api::emit::Borrowed;
///
/// #[derive(serde::Deserialize)]
/// struct Flight<'a> {
///     origin: &'a str,
///     delay: i32,
/// }
///
/// impl Borrowed for Flight<'static> {
///     type Of<'a> = Flight<'a>;
/// }
/// ```
pub trait Borrowed: 'static {
    /// The same type, borrowing for `'a`.
    type Of<'a>: Deserialize<'a>;
}

/// How a decoder reads one record.
pub trait ReadRow: Send + 'static {
    /// The item, which may borrow from the chunk.
    type Item<'a>;

    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with the record.
    fn read<'a>(record: Record<'a, '_>) -> Result<Self::Item<'a>, Box<RowFault>>;
}

/// One record on its way into an item. Only the decoder makes one.
#[expect(missing_debug_implementations, reason = "never leaves the decoder")]
pub struct Record<'a, 'p> {
    row: Row<'a>,
    plan: &'p mut Plan,
}

/// Reads records into values that own what they hold.
#[derive(Debug)]
pub struct Owned<T>(PhantomData<fn() -> T>);

impl<T: DeserializeOwned + 'static> ReadRow for Owned<T> {
    type Item<'a> = T;

    #[inline]
    fn read(record: Record<'_, '_>) -> Result<T, Box<RowFault>> {
        record.row.read(record.plan)
    }
}

/// Reads records into values that borrow from the chunk.
#[derive(Debug)]
pub struct Lent<T>(PhantomData<fn() -> T>);

impl<T: Borrowed> ReadRow for Lent<T> {
    type Item<'a> = T::Of<'a>;

    #[inline]
    fn read<'a>(record: Record<'a, '_>) -> Result<T::Of<'a>, Box<RowFault>> {
        record.row.read(record.plan)
    }
}

/// Turns blocks of CSV into items.
pub struct CsvDecoder<R> {
    dialect: Dialect,
    grid: Grid,
    plan: Plan,
    /// The file of the last block: another one has another header.
    input: Option<Arc<Input>>,
    reads: PhantomData<fn() -> R>,
}

impl<R> CsvDecoder<R> {
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            grid: Grid::default(),
            plan: Plan::default(),
            input: None,
            reads: PhantomData,
        }
    }
}

impl<R> Clone for CsvDecoder<R> {
    fn clone(&self) -> Self {
        Self::new(self.dialect)
    }
}

impl<R> fmt::Debug for CsvDecoder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CsvDecoder")
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}

impl<R: ReadRow> Decode for CsvDecoder<R> {
    type Chunk = Block;
    type Item<'a> = R::Item<'a>;

    fn decode<F>(&mut self, block: &mut Block, mut each: F)
    where
        F: for<'a> FnMut(Result<R::Item<'a>, Trouble>) -> ControlFlow<()>,
    {
        let Some(input) = block.input.clone() else { return };
        if let Some(trouble) = block.take_trouble() {
            let _ = each(Err(trouble));
            return;
        }
        if !self
            .input
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, &input))
        {
            self.plan.forget();
            self.input = Some(Arc::clone(&input));
        }
        self.grid.cut(&mut block.bytes, block.quoted, self.dialect);
        let text = Text::new(&block.bytes);
        let expected = input.header.columns.len();
        for record in self.grid.records() {
            let found = record.cells.len();
            let answer = match record.fault {
                Some(fault) => Err(Box::new(fault.clone())),
                None if found != expected => Err(Box::new(RowFault::CellCount { expected, found })),
                None => {
                    let row = Row {
                        text,
                        cells: record.cells,
                        header: &input.header,
                    };
                    R::read(Record {
                        row,
                        plan: &mut self.plan,
                    })
                }
            };
            let answer = answer.map_err(|fault| trouble(&input, block.first_line, record.line, *fault));
            if each(answer).is_break() {
                return;
            }
        }
    }
}

/// A column that is missing is missing in every row: the header is at fault.
#[cold]
fn trouble(input: &Arc<Input>, first_line: u64, line: u32, fault: RowFault) -> Trouble {
    match fault {
        RowFault::MissingColumn { field } => Trouble::Source(Box::new(SourceError::WrongHeader {
            name: Arc::clone(&input.name),
            missing: field,
            found: input.header.columns.clone(),
        })),
        fault => Trouble::Row(Box::new(input.error(first_line + u64::from(line), fault))),
    }
}
