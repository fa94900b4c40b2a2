//! CSV: cutting a chunk into cells, and reading cells with serde.

mod decode;
mod row;
mod split;
mod trial;

pub use decode::{Borrowed, CsvDecoder, Lent, Owned, ReadRow, Record};
pub(crate) use row::Header;
pub(crate) use split::{Dialect, Grid, record_end};
pub(crate) use trial::missing_column;

#[cfg(test)]
mod tests;
