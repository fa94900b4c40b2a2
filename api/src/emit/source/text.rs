//! The sources a sender can be given, step by step: what to read, as what, in chunks of which size.

use alloc::collections::VecDeque;
use core::fmt;
use core::marker::PhantomData;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::emit::ChunkSize;
use crate::emit::csv::{Borrowed, CsvDecoder, Dialect, Lent, Owned, missing_column};
use crate::emit::source::block::{Blocks, Origin, Shape};
use crate::emit::source::{EventSource, Items, JsonDecoder, LineDecoder, LineItem, SourceError};

/// Where to begin: what the closure given to `sender` gets.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Source;

impl Source {
    /// The items of an iterator. It runs on an executor's thread and should not block.
    #[must_use]
    pub fn of<I: IntoIterator>(self, items: I) -> Items<I::IntoIter> {
        Items::new(items.into_iter())
    }

    /// The text of a file.
    pub fn of_file(self, path: impl AsRef<Path>) -> Text {
        self.of_files([path])
    }

    /// The text of several files, one after the other. Each table among them has its own header.
    pub fn of_files<P: AsRef<Path>>(self, paths: impl IntoIterator<Item = P>) -> Text {
        let file = |path: P| Origin::File(PathBuf::from(path.as_ref()));
        Text {
            origins: paths.into_iter().map(file).collect(),
        }
    }

    /// The text that a reader yields; `name` stands for it in errors.
    pub fn of_reader(self, name: &str, reader: impl Read + Send + 'static) -> Text {
        Text {
            origins: VecDeque::from([Origin::Reader {
                name: name.into(),
                reader: Box::new(reader),
            }]),
        }
    }

    /// The text that comes on standard input.
    pub fn of_stdin(self) -> Text {
        self.of_reader("standard input", io::stdin())
    }
}

/// Text, not yet said to be what.
#[must_use = "say what the text is: `lines`, `csv` or `json_lines`"]
pub struct Text {
    origins: VecDeque<Origin>,
}

impl Text {
    /// Each line is an item, without its line break: a `String`, or a `&str` that borrows from the chunk.
    pub fn lines(self) -> Rows<Lines> {
        self.rows(Lines)
    }

    /// Each record is an item that serde reads; the first line names the columns.
    ///
    /// Fields find their columns by name, once per file. A column that the type needs and the header lacks is an error, also
    /// where no row follows (unless a field before it is of a type that refuses made-up cells). Columns without a field are skipped. Quoted cells may hold
    /// delimiters, doubled quotes and line breaks.
    pub fn csv(self) -> Rows<Csv> {
        self.rows(Csv { delimiter: b',' })
    }

    /// Like [`Text::csv`], with items that borrow from the row, so that reading one allocates nothing.
    pub fn csv_borrowed(self) -> Rows<CsvBorrowed> {
        self.rows(CsvBorrowed { delimiter: b',' })
    }

    /// Each line is a JSON value that serde reads. Blank lines are skipped.
    pub fn json_lines(self) -> Rows<JsonLines> {
        self.rows(JsonLines)
    }

    fn rows<F>(self, format: F) -> Rows<F> {
        Rows {
            origins: self.origins,
            format,
            size: ChunkSize::default(),
            longest_row: LONGEST_ROW,
        }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Text")
            .field("origins", &self.origins.len())
            .finish()
    }
}

/// Text in rows of a known format.
#[must_use = "a source does nothing until a pipeline reads it"]
pub struct Rows<F> {
    origins: VecDeque<Origin>,
    format: F,
    size: ChunkSize,
    longest_row: usize,
}

impl<F> Rows<F> {
    /// Sends so many rows, or bytes, at a time. No chunk exceeds 64 MiB, whatever was asked for.
    pub fn into_chunks(self, size: ChunkSize) -> Self {
        Self { size, ..self }
    }

    /// Refuses rows longer than so many bytes; 1 MiB if not said. It bounds how much is read to find the end of a row
    /// that has none, such as one with a quote that is never closed.
    pub fn longest_row(self, bytes: usize) -> Self {
        Self {
            longest_row: bytes.max(1),
            ..self
        }
    }

    fn blocks(self, shape: Shape) -> Result<Blocks, SourceError> {
        Blocks::open(self.origins, shape, self.size, self.longest_row)
    }
}

impl Rows<Csv> {
    /// Cells end in this byte instead of a comma. An ASCII byte other than the quote and the line breaks.
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.format.delimiter = delimiter;
        self
    }
}

impl Rows<CsvBorrowed> {
    /// Cells end in this byte instead of a comma. An ASCII byte other than the quote and the line breaks.
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.format.delimiter = delimiter;
        self
    }
}

impl<F: fmt::Debug> fmt::Debug for Rows<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows")
            .field("format", &self.format)
            .field("origins", &self.origins.len())
            .field("size", &self.size)
            .field("longest_row", &self.longest_row)
            .finish()
    }
}

/// Plain lines. Made by [`Text::lines`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Lines;

/// Comma-separated values that own what they hold. Made by [`Text::csv`].
#[derive(Clone, Copy, Debug)]
pub struct Csv {
    delimiter: u8,
}

/// Comma-separated values that borrow. Made by [`Text::csv_borrowed`].
#[derive(Clone, Copy, Debug)]
pub struct CsvBorrowed {
    delimiter: u8,
}

/// Lines of JSON. Made by [`Text::json_lines`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct JsonLines;

impl<T: LineItem> EventSource<T> for Rows<Lines> {
    type Feed = Blocks;
    type Decoder = LineDecoder<T>;

    fn open(self) -> Result<(Blocks, LineDecoder<T>), SourceError> {
        Ok((self.blocks(Shape::lines(false))?, LineDecoder(PhantomData)))
    }
}

impl<T: DeserializeOwned + 'static> EventSource<T> for Rows<Csv> {
    type Feed = Blocks;
    type Decoder = CsvDecoder<Owned<T>>;

    fn open(self) -> Result<(Blocks, CsvDecoder<Owned<T>>), SourceError> {
        let dialect = Dialect {
            delimiter: self.format.delimiter,
            quote: b'"',
        };
        Ok((
            self.blocks(Shape::table(dialect, missing_column::<T>))?,
            CsvDecoder::new(dialect),
        ))
    }
}

impl<T: Borrowed> EventSource<T> for Rows<CsvBorrowed> {
    type Feed = Blocks;
    type Decoder = CsvDecoder<Lent<T>>;

    fn open(self) -> Result<(Blocks, CsvDecoder<Lent<T>>), SourceError> {
        let dialect = Dialect {
            delimiter: self.format.delimiter,
            quote: b'"',
        };
        Ok((
            self.blocks(Shape::table(dialect, missing_column::<T::Of<'static>>))?,
            CsvDecoder::new(dialect),
        ))
    }
}

impl<T: DeserializeOwned + 'static> EventSource<T> for Rows<JsonLines> {
    type Feed = Blocks;
    type Decoder = JsonDecoder<T>;

    fn open(self) -> Result<(Blocks, JsonDecoder<T>), SourceError> {
        Ok((self.blocks(Shape::lines(true))?, JsonDecoder(PhantomData)))
    }
}

/// The longest row allowed if the user does not say.
const LONGEST_ROW: usize = 1 << 20;
