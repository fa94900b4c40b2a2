//! Blocks of whole rows, cut out of what a reader yields.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use memchr::{memchr, memchr_iter, memrchr};

use crate::emit::csv::{Dialect, Grid, Header, record_end};
use crate::emit::source::{Feed, RowError, RowFault, SourceError, Trouble};
use crate::emit::{Chunk, ChunkSize};

/// Where rows come from: a file, or standard input, or another reader; and its header if it has one.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) name: Arc<str>,
    pub(crate) header: Header,
}

impl Input {
    pub(crate) fn error(&self, line: u64, fault: RowFault) -> RowError {
        RowError {
            source_name: Arc::clone(&self.name),
            line,
            fault,
        }
    }
}

/// Whole rows as bytes; the receivers parse them.
#[derive(Debug, Default)]
pub struct Block {
    pub(crate) bytes: Vec<u8>,
    rows: usize,
    pub(crate) first_line: u64,
    /// Some row may hold a quote.
    pub(crate) quoted: bool,
    pub(crate) input: Option<Arc<Input>>,
    /// The block stands for one row, and this is what is wrong with it.
    fault: Option<RowFault>,
}

impl Block {
    pub(crate) fn take_trouble(&mut self) -> Option<Trouble> {
        let input = self.input.as_ref()?;
        Some(Trouble::Row(Box::new(
            input.error(self.first_line, self.fault.take()?),
        )))
    }
}

impl Chunk for Block {
    fn rows(&self) -> usize {
        self.rows
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.rows = 0;
        self.quoted = false;
        self.input = None;
        self.fault = None;
    }
}

/// What a reader's rows look like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Quotes may hide line feeds, and the first row is a header.
    pub(crate) table: Option<Dialect>,
    /// Blank lines are no rows.
    pub(crate) skip_blank: bool,
    /// The field that finds no column in this header.
    pub(crate) missing: fn(&Header) -> Option<&'static str>,
}

impl Shape {
    /// A line is a row.
    pub(crate) fn lines(skip_blank: bool) -> Self {
        Self {
            table: None,
            skip_blank,
            missing: |_| None,
        }
    }

    /// A record is a row, and the first names the columns.
    pub(crate) const fn table(dialect: Dialect, missing: fn(&Header) -> Option<&'static str>) -> Self {
        Self {
            table: Some(dialect),
            skip_blank: true,
            missing,
        }
    }
}

/// A reader that is not open yet.
pub(crate) enum Origin {
    File(PathBuf),
    Reader {
        name: Arc<str>,
        reader: Box<dyn Read + Send>,
    },
}

impl Origin {
    fn open(self) -> Result<(Arc<str>, Box<dyn Read + Send>), SourceError> {
        match self {
            Self::Reader { name, reader } => Ok((name, reader)),
            Self::File(path) => {
                let name: Arc<str> = path.to_string_lossy().into();
                match File::open(&path) {
                    Ok(file) => Ok((name, Box::new(file))),
                    Err(error) => Err(SourceError::Open {
                        name,
                        error: Arc::new(error),
                    }),
                }
            }
        }
    }
}

/// Cuts readers, one after the other, into blocks.
///
/// Holds one buffer that grows only for a row longer than it, up to the longest row allowed. Reading blocks.
pub struct Blocks {
    origins: VecDeque<Origin>,
    shape: Shape,
    size: ChunkSize,
    longest_row: usize,
    reader: Option<Box<dyn Read + Send>>,
    input: Arc<Input>,
    buffer: Vec<u8>,
    /// The bytes read and not yet cut are `buffer[start..end]`.
    start: usize,
    end: usize,
    /// The number of the line at `start`.
    line: u64,
    /// The uncut bytes hold neither a quote nor a blank line that matters.
    plain: bool,
    /// Bytes up to the next line feed belong to a row that was too long.
    skipping: bool,
    /// Bytes in the last block: whether another one can be cut without reading.
    last: usize,
}

impl Blocks {
    pub(crate) fn open(
        origins: VecDeque<Origin>,
        shape: Shape,
        size: ChunkSize,
        longest_row: usize,
    ) -> Result<Self, SourceError> {
        let mut blocks = Self {
            origins,
            shape,
            size,
            longest_row: longest_row.min(BLOCK_LIMIT),
            reader: None,
            input: Arc::new(Input {
                name: "".into(),
                header: Header::default(),
            }),
            buffer: vec![0; BUFFER],
            start: 0,
            end: 0,
            line: 1,
            plain: true,
            skipping: false,
            last: 0,
        };
        // A missing file should be known before the first row of another one is worked on.
        for origin in &blocks.origins {
            if let Origin::File(path) = origin {
                Origin::File(path.clone()).open()?;
            }
        }
        if !blocks.next_reader()? {
            return Err(SourceError::NoPath);
        }
        Ok(blocks)
    }

    /// Goes on to the next reader and takes its header; `false` if there is none.
    fn next_reader(&mut self) -> Result<bool, SourceError> {
        let Some(origin) = self.origins.pop_front() else {
            return Ok(false);
        };
        let (name, reader) = origin.open()?;
        self.reader = Some(reader);
        self.input = Arc::new(Input {
            name,
            header: Header::default(),
        });
        (self.start, self.end, self.line, self.skipping) = (0, 0, 1, false);
        self.read()?;
        if self.uncut().starts_with(BYTE_ORDER_MARK) {
            self.start += BYTE_ORDER_MARK.len();
        }
        if let Some(dialect) = self.shape.table {
            self.take_header(dialect)?;
        }
        Ok(true)
    }

    fn take_header(&mut self, dialect: Dialect) -> Result<(), SourceError> {
        let name = Arc::clone(&self.input.name);
        let no_header = |fault| SourceError::NoHeader {
            name: Arc::clone(&name),
            fault,
        };
        let record = loop {
            match self.first_row(Some(dialect)) {
                Some(end) if is_blank(self.uncut().get(..end).unwrap_or_default()) => self.advance(end),
                Some(end) => break self.uncut().get(..end).unwrap_or_default().to_vec(),
                None if self.reader.is_none() && self.uncut().is_empty() => return Err(no_header(None)),
                None if self.reader.is_none() => return Err(no_header(Some(RowFault::UnclosedQuote))),
                None if self.uncut().len() >= self.longest_row => {
                    return Err(no_header(Some(RowFault::TooLong {
                        limit: self.longest_row,
                    })));
                }
                None => self.read()?,
            }
        };
        self.advance(record.len());
        let header = read_header(record, dialect).map_err(|fault| no_header(Some(fault)))?;
        // Known before the first row, and also if there is none.
        if let Some(missing) = (self.shape.missing)(&header) {
            return Err(SourceError::WrongHeader {
                name,
                missing,
                found: header.columns,
            });
        }
        self.input = Arc::new(Input { name, header });
        Ok(())
    }

    fn uncut(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Leaves `bytes` uncut bytes behind.
    fn advance(&mut self, bytes: usize) {
        let taken = self.uncut().get(..bytes).unwrap_or_default();
        self.line += memchr_iter(b'\n', taken).count() as u64;
        self.start += bytes;
    }

    /// Reads once. At the end the reader goes, and the last row gets the line feed that it lacks.
    fn read(&mut self) -> Result<(), SourceError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        // One byte stays free for a last line feed.
        if self.end + 1 >= self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let room = self.buffer.len() - 1;
        let Some(reader) = &mut self.reader else {
            return Ok(());
        };
        let space = self.buffer.get_mut(self.end..room).unwrap_or_default();
        let count = loop {
            match reader.read(space) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                answer => break answer,
            }
        };
        let count = count.map_err(|error| SourceError::Read {
            name: Arc::clone(&self.input.name),
            line: self.line.saturating_sub(1),
            error: Arc::new(error),
        })?;
        self.end += count;
        if count == 0 {
            self.reader = None;
            if self.uncut().last().is_some_and(|&byte| byte != b'\n') {
                if let Some(free) = self.buffer.get_mut(self.end) {
                    *free = b'\n';
                }
                self.end += 1;
            }
        }
        self.plain = is_plain(self.uncut(), self.shape);
        Ok(())
    }

    /// One past the end of the first uncut row.
    fn first_row(&self, table: Option<Dialect>) -> Option<usize> {
        match table {
            Some(dialect) => record_end(self.uncut(), dialect),
            None => memchr(b'\n', self.uncut()).map(|feed| feed + 1),
        }
    }

    /// Moves whole rows into `block` until it is full or no whole row is left. Says whether it is full.
    fn take_rows(&mut self, block: &mut Block) -> bool {
        let room = Room::in_block(self.size, block);
        let (rows, bytes, full) = if self.plain {
            room.take_plain(self.uncut())
        } else {
            room.take_rows(self.uncut(), self.shape)
        };
        if bytes > 0 {
            if block.rows == 0 && block.bytes.is_empty() {
                block.first_line = self.line;
            }
            block
                .bytes
                .extend_from_slice(self.uncut().get(..bytes).unwrap_or_default());
            block.rows += rows;
            block.quoted |= !self.plain;
            self.advance(bytes);
        }
        full
    }

    /// The first uncut row has no end within the limits: it becomes a block of its own, and its first line is left
    /// behind.
    fn take_faulty(&mut self, block: &mut Block) {
        block.clear();
        block.input = Some(Arc::clone(&self.input));
        block.rows = 1;
        block.first_line = self.line;
        let line = memchr(b'\n', self.uncut());
        if let Some(feed) = line {
            block.fault = Some(RowFault::UnclosedQuote);
            self.advance(feed + 1);
        } else {
            block.fault = Some(RowFault::TooLong {
                limit: self.longest_row,
            });
            self.start = self.end;
            self.skipping = true;
        }
    }

    /// Goes past the rest of a row that was too long. Says whether its end was found.
    fn skip_row(&mut self) {
        if let Some(feed) = memchr(b'\n', self.uncut()) {
            self.advance(feed + 1);
            self.skipping = false;
        } else {
            self.start = self.end;
        }
    }
}

impl Feed for Blocks {
    type Chunk = Block;

    const BLOCKS: bool = true;

    fn fill(&mut self, block: &mut Block) -> Result<bool, SourceError> {
        block.clear();
        loop {
            if self.skipping {
                self.skip_row();
            }
            let full = self.take_rows(block);
            if block.rows > 0 && (full || self.reader.is_none()) {
                block.input = Some(Arc::clone(&self.input));
                self.last = block.bytes.len();
                return Ok(true);
            }
            let stuck = !self.uncut().is_empty();
            if stuck && (self.reader.is_none() || self.uncut().len() >= self.longest_row) {
                if block.rows > 0 {
                    block.input = Some(Arc::clone(&self.input));
                } else {
                    self.take_faulty(block);
                }
                return Ok(true);
            }
            if self.reader.is_some() {
                self.read()?;
            } else {
                block.clear();
                if !self.next_reader()? {
                    return Ok(false);
                }
            }
        }
    }

    fn is_ready(&self) -> bool {
        self.end - self.start >= self.last
    }
}

impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocks")
            .field("input", &self.input.name)
            .field("line", &self.line)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// How much more a block takes.
struct Room {
    rows: usize,
    bytes: usize,
    /// The block is empty, so it takes one row whatever its length.
    any: bool,
}

impl Room {
    fn in_block(size: ChunkSize, block: &Block) -> Self {
        let (rows, bytes) = match size {
            ChunkSize::Rows(rows) => (rows.max(1), BLOCK_LIMIT),
            ChunkSize::Bytes(bytes) => (usize::MAX, bytes.clamp(1, BLOCK_LIMIT)),
        };
        Self {
            rows: rows.saturating_sub(block.rows),
            bytes: bytes.saturating_sub(block.bytes.len()),
            any: block.rows == 0,
        }
    }

    /// Every line feed ends a row. Answers rows, bytes, and whether the room is used up.
    fn take_plain(&self, uncut: &[u8]) -> (usize, usize, bool) {
        let within = uncut.get(..self.bytes).unwrap_or(uncut);
        let (rows, bytes) = feeds(within, self.rows);
        if rows == 0 && self.any && self.rows > 0 {
            // Not even one row fits: it goes alone.
            return memchr(b'\n', uncut).map_or((0, 0, false), |feed| (1, feed + 1, true));
        }
        (rows, bytes, rows == self.rows || self.ends_within(uncut, bytes))
    }

    /// Row by row.
    fn take_rows(&self, uncut: &[u8], shape: Shape) -> (usize, usize, bool) {
        let (mut rows, mut bytes) = (0, 0);
        while rows < self.rows {
            let rest = uncut.get(bytes..).unwrap_or_default();
            let end = match shape.table {
                Some(dialect) => record_end(rest, dialect),
                None => memchr(b'\n', rest).map(|feed| feed + 1),
            };
            let Some(end) = end else {
                return (rows, bytes, false);
            };
            let fits = bytes + end <= self.bytes || (self.any && rows == 0);
            if !fits {
                return (rows, bytes, true);
            }
            bytes += end;
            let blank = shape.skip_blank && is_blank(rest.get(..end).unwrap_or_default());
            rows += usize::from(!blank);
        }
        (rows, bytes, true)
    }

    /// Whether the first row after `bytes` exceeds the room.
    fn ends_within(&self, uncut: &[u8], bytes: usize) -> bool {
        uncut.len() > self.bytes
            && uncut
                .get(bytes..)
                .is_some_and(|rest| memchr(b'\n', rest).is_some_and(|feed| bytes + feed >= self.bytes))
    }
}

/// How many line feeds `bytes` hold, at most `limit`, and where the last of these ends. Counts by the page, because
/// counting is several times faster than finding.
fn feeds(bytes: &[u8], limit: usize) -> (usize, usize) {
    let mut rows = 0;
    let mut page_start = 0;
    for page in bytes.chunks(PAGE) {
        let more = memchr_iter(b'\n', page).count();
        if rows + more > limit {
            let within = memchr_iter(b'\n', page).nth((limit - rows).wrapping_sub(1));
            let end = match within {
                Some(feed) if rows < limit => page_start + feed + 1,
                _ => after_last_feed(bytes.get(..page_start).unwrap_or_default()),
            };
            return (limit, end);
        }
        rows += more;
        page_start += page.len();
    }
    (rows, after_last_feed(bytes))
}

fn after_last_feed(bytes: &[u8]) -> usize {
    memrchr(b'\n', bytes).map_or(0, |feed| feed + 1)
}

fn is_blank(row: &[u8]) -> bool {
    matches!(row, b"\n" | b"\r\n")
}

/// Whether each line feed ends a row that counts: no quote, and no blank line where they are skipped.
fn is_plain(uncut: &[u8], shape: Shape) -> bool {
    let quote = shape
        .table
        .is_some_and(|dialect| memchr(dialect.quote, uncut).is_some());
    let blank = shape.skip_blank && (matches!(uncut.first(), Some(b'\n' | b'\r')) || has_blank(uncut));
    !quote && !blank
}

/// Whether a line feed or a carriage return follows a line feed somewhere. Without a branch per byte, so that the
/// compiler takes many at a time.
fn has_blank(bytes: &[u8]) -> bool {
    let Some(next) = bytes.get(1..) else { return false };
    bytes.chunks(PAGE).zip(next.chunks(PAGE)).any(|(bytes, next)| {
        let pairs = bytes.iter().zip(next);
        let blank =
            |byte, next| u8::from(byte == b'\n') & (u8::from(next == b'\n') | u8::from(next == b'\r'));
        pairs.fold(0, |found, (&byte, &next)| found | blank(byte, next)) != 0
    })
}

fn read_header(mut record: Vec<u8>, dialect: Dialect) -> Result<Header, RowFault> {
    let mut grid = Grid::default();
    grid.cut(&mut record, true, dialect);
    let Some(cut) = grid.records().next() else {
        return Ok(Header::default());
    };
    if let Some(fault) = cut.fault {
        return Err(fault.clone());
    }
    let column = |bytes: Option<&[u8]>| core::str::from_utf8(bytes.unwrap_or_default()).map(Box::from);
    let columns = cut.cells.iter().map(|cell| column(record.get(cell.range())));
    let columns = columns
        .collect::<Result<_, _>>()
        .map_err(|_| RowFault::Encoding { column: None })?;
    Ok(Header { columns })
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What is read at once.
const BUFFER: usize = 256 << 10;

/// No block is larger, whatever was asked for: positions in it are 32 bits wide.
const BLOCK_LIMIT: usize = 64 << 20;

/// Small enough that going through it again costs nothing.
const PAGE: usize = 1 << 10;
