//! What can be wrong with a row, and with a source.

use alloc::sync::Arc;
use core::error::Error;
use core::fmt;
use std::io;

/// Why a row could not be turned into an item.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RowFault {
    /// The row has another number of cells than the header.
    CellCount {
        /// Columns in the header.
        expected: usize,
        /// Cells in the row.
        found: usize,
    },
    /// A cell does not hold what the item's type asks for.
    Cell {
        /// The column's name.
        column: Box<str>,
        /// What the cell holds, at most its first 64 bytes.
        value: Box<str>,
        /// What the type asked for.
        reason: Box<str>,
    },
    /// The bytes are not UTF-8.
    Encoding {
        /// The column's name, if the row has columns.
        column: Option<Box<str>>,
    },
    /// Text stands between a closing quote and the next delimiter.
    TextAfterQuote {
        /// The column's number, from 1.
        column: usize,
    },
    /// A quote that this row opens is never closed, or not within the longest row allowed.
    UnclosedQuote,
    /// The row is longer than the longest row allowed.
    TooLong {
        /// The longest row allowed, in bytes.
        limit: usize,
    },
    /// The header lacks a column that the item's type needs.
    MissingColumn {
        /// The field that found no column.
        field: &'static str,
    },
    /// The row is not the JSON that the item's type asks for.
    Json {
        /// The parser's words.
        reason: Box<str>,
    },
    /// The item's type refused the row.
    Refused {
        /// Its words.
        reason: Box<str>,
    },
}

impl fmt::Display for RowFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CellCount { expected, found } => write!(f, "{found} cells where the header has {expected}"),
            Self::Cell {
                column,
                value,
                reason,
            } => write!(f, "column `{column}` holds `{value}`: {reason}"),
            Self::Encoding { column: Some(column) } => write!(f, "column `{column}` is not UTF-8"),
            Self::Encoding { column: None } => f.write_str("the row is not UTF-8"),
            Self::TextAfterQuote { column } => {
                write!(
                    f,
                    "text after the closing quote of cell {column}; double a quote that is part of the text"
                )
            }
            Self::UnclosedQuote => f.write_str("a quote is opened and never closed"),
            Self::TooLong { limit } => write!(f, "the row is longer than {limit} bytes"),
            Self::MissingColumn { field } => write!(f, "the header has no column `{field}`"),
            Self::Json { reason } | Self::Refused { reason } => f.write_str(reason),
        }
    }
}

impl Error for RowFault {}

/// A row that could not be turned into an item: where it is and what is wrong with it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RowError {
    /// The source: a path, or a name for what is no file.
    pub source_name: Arc<str>,
    /// The line on which the row starts, from 1; for a source without lines the item's number, from 1.
    pub line: u64,
    /// What is wrong.
    pub fault: RowFault,
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.source_name, self.line, self.fault)
    }
}

impl Error for RowError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.fault)
    }
}

/// Why a source cannot be read, or not further. Unlike a bad row this ends the pipeline.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SourceError {
    /// It cannot be opened.
    Open {
        /// The path.
        name: Arc<str>,
        /// The system's reason.
        error: Arc<io::Error>,
    },
    /// Reading failed.
    Read {
        /// The path, or a name for what is no file.
        name: Arc<str>,
        /// The line after which it failed.
        line: u64,
        /// The system's reason.
        error: Arc<io::Error>,
    },
    /// The first line is no header.
    NoHeader {
        /// The path, or a name for what is no file.
        name: Arc<str>,
        /// What is wrong with it, if there is a line at all.
        fault: Option<RowFault>,
    },
    /// The header lacks a column that the item's type needs.
    WrongHeader {
        /// The path, or a name for what is no file.
        name: Arc<str>,
        /// The field that found no column.
        missing: &'static str,
        /// The columns that are there.
        found: Vec<Box<str>>,
    },
    /// A path list without a path.
    NoPath,
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { name, error } => write!(f, "cannot open `{name}`: {error}"),
            Self::Read { name, line, error } => write!(f, "cannot read `{name}` after line {line}: {error}"),
            Self::NoHeader { name, fault: None } => {
                write!(f, "`{name}` is empty; a first line naming the columns is needed")
            }
            Self::NoHeader {
                name,
                fault: Some(fault),
            } => write!(f, "the first line of `{name}` is no header: {fault}"),
            Self::WrongHeader { name, missing, found } => {
                write!(
                    f,
                    "`{name}` has no column `{missing}`; its header has {}",
                    found.join(", ")
                )
            }
            Self::NoPath => f.write_str("no path was given; name at least one file"),
        }
    }
}

impl Error for SourceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Open { error, .. } | Self::Read { error, .. } => Some(error),
            Self::NoHeader {
                fault: Some(fault), ..
            } => Some(fault),
            Self::NoHeader { .. } | Self::WrongHeader { .. } | Self::NoPath => None,
        }
    }
}
