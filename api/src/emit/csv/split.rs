//! Cuts a chunk of whole CSV records into cells.
//!
//! Records end in a line feed (a carriage return before it is not part of the record); a blank line is no record. A cell
//! that starts with a quote runs to the next lone quote and may hold delimiters and line breaks; two quotes stand for
//! one. A quote anywhere else is a quote.

use core::ops::Range;

use memchr::{memchr, memchr_iter, memchr2};

use crate::emit::source::RowFault;

/// What separates and quotes cells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Dialect {
    pub(crate) delimiter: u8,
    pub(crate) quote: u8,
}

/// One cell: a range of the chunk's bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Cell {
    start: u32,
    end: u32,
}

impl Cell {
    pub(crate) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// One record of a [`Grid`].
#[derive(Clone, Copy, Debug)]
struct Record {
    /// One past its last cell.
    cells: u32,
    /// Line feeds of the chunk before it.
    line: u32,
}

/// The cells of a chunk, record by record. The memory is used again for the next chunk.
#[derive(Debug, Default)]
pub(crate) struct Grid {
    cells: Vec<Cell>,
    records: Vec<Record>,
    /// What is wrong with which records, in their order. Apart, because there is hardly ever one.
    faults: Vec<(usize, RowFault)>,
}

/// A record as the grid hands it out.
pub(crate) struct Cut<'a> {
    pub(crate) cells: &'a [Cell],
    /// Line feeds of the chunk before the record.
    pub(crate) line: u32,
    pub(crate) fault: Option<&'a RowFault>,
}

impl Grid {
    /// Cuts `bytes`, which hold whole records. Escaped quotes are resolved in place: the cell shrinks.
    pub(crate) fn cut(&mut self, bytes: &mut [u8], quoted: bool, dialect: Dialect) {
        self.cells.clear();
        self.records.clear();
        self.faults.clear();
        if quoted {
            self.cut_quoted(bytes, dialect);
        } else {
            self.cut_plain(bytes, dialect.delimiter);
        }
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = Cut<'_>> {
        let mut first = 0;
        let mut ahead = self.faults.as_slice();
        self.records.iter().enumerate().map(move |(number, record)| {
            let last = record.cells as usize;
            let cells = self.cells.get(first..last).unwrap_or_default();
            first = last;
            let fault = match ahead.split_first() {
                Some(((place, fault), rest)) if *place == number => {
                    ahead = rest;
                    Some(fault)
                }
                _ => None,
            };
            Cut {
                cells,
                line: record.line,
                fault,
            }
        })
    }

    /// No quotes: every delimiter and line feed separates. Eight bytes at a time, because cells are short: the searches
    /// of `memchr` cost more to start than most cells are long.
    fn cut_plain(&mut self, bytes: &[u8], delimiter: u8) {
        let (words, tail) = bytes.as_chunks::<8>();
        let mut state = Plain::default();
        let mut base = 0;
        for word in words {
            let word = u64::from_le_bytes(*word);
            let feeds = places_of(b'\n', word);
            let mut hits = feeds | places_of(delimiter, word);
            while hits != 0 {
                let bit = hits.trailing_zeros();
                self.separate(bytes, &mut state, base + (bit >> 3), feeds & (1 << bit) != 0);
                hits &= hits - 1;
            }
            base += 8;
        }
        for &byte in tail {
            if byte == b'\n' || byte == delimiter {
                self.separate(bytes, &mut state, base, byte == b'\n');
            }
            base += 1;
        }
    }

    #[inline]
    fn separate(&mut self, bytes: &[u8], state: &mut Plain, at: u32, feed: bool) {
        let start = state.cell;
        state.cell = at + 1;
        if !feed {
            self.cells.push(Cell { start, end: at });
            return;
        }
        let end = without_return(bytes, start, at);
        // A lone empty cell is a blank line.
        if start != state.record || end != start {
            self.cells.push(Cell { start, end });
            self.finish(state.line);
        }
        state.record = at + 1;
        state.line += 1;
    }

    /// Cell by cell: only chunks that hold a quote come here.
    fn cut_quoted(&mut self, bytes: &mut [u8], dialect: Dialect) {
        let length = index(bytes.len());
        let (mut at, mut line) = (0, 0);
        while at < length {
            let (record, first_line, first_cell) = (at, line, self.cells.len());
            let mut fault = None;
            loop {
                let quoted = if byte(bytes, at) == Some(dialect.quote) {
                    Some(quoted_cell(bytes, at, dialect.quote))
                } else {
                    None
                };
                let after = quoted.as_ref().map_or(at, |quoted| quoted.after);
                let separator = separator(bytes, after, dialect.delimiter);
                let feed = byte(bytes, separator) != Some(dialect.delimiter);
                let end = if feed {
                    without_return(bytes, after, separator)
                } else {
                    separator
                };
                if let Some(quoted) = quoted {
                    if end != after && fault.is_none() {
                        fault = Some(RowFault::TextAfterQuote {
                            column: self.cells.len() - first_cell + 1,
                        });
                    }
                    line += quoted.feeds;
                    self.cells.push(quoted.cell);
                } else if !(feed && at == record && end == at) {
                    self.cells.push(Cell { start: at, end });
                }
                at = separator.saturating_add(1);
                if feed {
                    break;
                }
            }
            line += 1;
            if self.cells.len() > first_cell {
                self.faults.extend(fault.map(|fault| (self.records.len(), fault)));
                self.finish(first_line);
            }
        }
    }

    fn finish(&mut self, line: u32) {
        self.records.push(Record {
            cells: index(self.cells.len()),
            line,
        });
    }
}

/// Where the plain cutter stands: the starts of the cell and of the record it is in, and the line.
#[derive(Default)]
struct Plain {
    cell: u32,
    record: u32,
    line: u32,
}

/// Chunks stay far below four gigabytes: `source::block` caps them.
#[expect(clippy::cast_possible_truncation, reason = "chunks are capped at 64 MiB")]
const fn index(position: usize) -> u32 {
    position as u32
}

fn byte(bytes: &[u8], at: u32) -> Option<u8> {
    bytes.get(at as usize).copied()
}

/// `end`, or one less if the byte before it, not before `start`, is a carriage return.
#[inline]
fn without_return(bytes: &[u8], start: u32, end: u32) -> u32 {
    let returned = end > start && byte(bytes, end - 1) == Some(b'\r');
    end - u32::from(returned)
}

/// The next delimiter or line feed from `at` on, or the end of the bytes.
fn separator(bytes: &[u8], at: u32, delimiter: u8) -> u32 {
    let rest = bytes.get(at as usize..).unwrap_or_default();
    memchr2(delimiter, b'\n', rest).map_or(index(bytes.len()), |offset| at + index(offset))
}

/// A quoted cell, where its closing quote ends, and the line feeds it holds.
struct Quoted {
    cell: Cell,
    after: u32,
    feeds: u32,
}

/// The cell whose opening quote stands at `open`, unescaped in place.
fn quoted_cell(bytes: &mut [u8], open: u32, quote: u8) -> Quoted {
    let start = open as usize + 1;
    let (mut read, mut write, mut feeds) = (start, start, 0);
    loop {
        let rest = bytes.get(read..).unwrap_or_default();
        let found = memchr(quote, rest);
        let run = found.unwrap_or(rest.len());
        feeds += index(memchr_iter(b'\n', rest.get(..run).unwrap_or_default()).count());
        bytes.copy_within(read..read + run, write);
        read += run;
        write += run;
        let doubled = bytes.get(read + 1) == Some(&quote);
        if found.is_none() || !doubled {
            let after = read + usize::from(found.is_some());
            let cell = Cell {
                start: index(start),
                end: index(write),
            };
            return Quoted {
                cell,
                after: index(after),
                feeds,
            };
        }
        if let Some(place) = bytes.get_mut(write) {
            *place = quote;
        }
        read += 2;
        write += 1;
    }
}

/// One past the line feed that ends the record at the start of `bytes`; `None` if they do not hold its end.
pub(crate) fn record_end(bytes: &[u8], dialect: Dialect) -> Option<usize> {
    let line = memchr(b'\n', bytes)?;
    if memchr(dialect.quote, bytes.get(..line)?).is_none() {
        return Some(line + 1);
    }
    let mut at = 0;
    loop {
        if bytes.get(at) == Some(&dialect.quote) {
            at = closing_quote(bytes, at + 1, dialect.quote)? + 1;
        }
        let rest = bytes.get(at..)?;
        let separator = at + memchr2(dialect.delimiter, b'\n', rest)?;
        at = separator + 1;
        if bytes.get(separator) == Some(&b'\n') {
            return Some(at);
        }
    }
}

/// The next quote from `at` on that no other quote follows. One at the very end is not it yet: another may follow.
fn closing_quote(bytes: &[u8], mut at: usize, quote: u8) -> Option<usize> {
    loop {
        let found = at + memchr(quote, bytes.get(at..)?)?;
        if *bytes.get(found + 1)? != quote {
            return Some(found);
        }
        at = found + 2;
    }
}

/// The high bit of each byte of `word` that equals `byte`.
#[inline]
const fn places_of(byte: u8, word: u64) -> u64 {
    let differing = word ^ (byte as u64 * 0x0101_0101_0101_0101);
    // Adding 0x7f carries into the high bit of each byte with a low bit set; no carry leaves its byte.
    !((differing & LOW_BITS).wrapping_add(LOW_BITS) | differing | LOW_BITS)
}

const LOW_BITS: u64 = 0x7f7f_7f7f_7f7f_7f7f;
