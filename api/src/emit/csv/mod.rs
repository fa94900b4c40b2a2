//! CSV: cutting a chunk into cells, and reading cells with serde.

mod decode;
mod row;
mod split;

pub use decode::{Borrowed, CsvDecoder, Lent, Owned, ReadRow, Record};
pub(crate) use row::Header;
pub(crate) use split::{Dialect, Grid, record_end};

#[cfg(test)]
mod tests;
