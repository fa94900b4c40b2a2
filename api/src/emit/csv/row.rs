//! A CSV record as serde reads it.
//!
//! A struct's fields are matched to the columns once per header, not once per row: if each field has its column, the
//! cells are handed over in the order of the fields, without a name being compared. Columns that no field names are
//! skipped.

use core::fmt;
use core::str::FromStr;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use crate::emit::csv::split::Cell;
use crate::emit::source::RowFault;

/// The names of the columns.
#[derive(Debug, Default)]
pub(crate) struct Header {
    pub(crate) columns: Vec<Box<str>>,
}

/// How the fields of a struct find their columns.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// The fields it was made for.
    fields: Option<&'static [&'static str]>,
    /// Column numbers: of the fields, in their order, or else of the columns that a field names, in theirs.
    columns: Vec<u32>,
    /// Each field has a column, so that names need not be compared.
    by_position: bool,
    /// A row showed that names and fields do not correspond one to one (aliases), so names have to be compared.
    aliased: bool,
}

impl Plan {
    fn prepare(&mut self, fields: &'static [&'static str], header: &Header) {
        if self.fields.is_some_and(|known| core::ptr::eq(known, fields)) {
            return;
        }
        let position = |name: &str| header.columns.iter().position(|column| **column == *name);
        self.columns.clear();
        self.columns.extend(
            fields
                .iter()
                .filter_map(|field| position(field))
                .map(column_number),
        );
        self.by_position = self.columns.len() == fields.len() && !self.aliased;
        if !self.by_position {
            self.columns.clear();
            let named = header
                .columns
                .iter()
                .enumerate()
                .filter(|(_, column)| fields.contains(&&***column));
            self.columns
                .extend(named.map(|(number, _)| column_number(number)));
        }
        self.fields = Some(fields);
    }

    /// Starts over for another header.
    pub(crate) fn forget(&mut self) {
        self.fields = None;
        self.aliased = false;
    }

    /// Compares names from now on.
    fn compare_names(&mut self) {
        self.fields = None;
        self.aliased = true;
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a header of 4 billion columns does not fit into the longest row"
)]
const fn column_number(position: usize) -> u32 {
    position as u32
}

/// The bytes of a chunk, checked at once if they are all UTF-8.
#[derive(Clone, Copy)]
pub(crate) enum Text<'a> {
    Checked(&'a str),
    Bytes(&'a [u8]),
}

impl<'a> Text<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        core::str::from_utf8(bytes).map_or(Self::Bytes(bytes), Self::Checked)
    }

    /// The text of a cell; `None` if it is not UTF-8.
    #[inline]
    fn cell(self, cell: Cell) -> Option<&'a str> {
        match self {
            Self::Checked(text) => text.get(cell.range()),
            Self::Bytes(bytes) => core::str::from_utf8(bytes.get(cell.range())?).ok(),
        }
    }

    fn bytes(self, cell: Cell) -> &'a [u8] {
        match self {
            Self::Checked(text) => text.as_bytes().get(cell.range()),
            Self::Bytes(bytes) => bytes.get(cell.range()),
        }
        .unwrap_or_default()
    }
}

/// One record, ready to be deserialized.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) text: Text<'a>,
    pub(crate) cells: &'a [Cell],
    pub(crate) header: &'a Header,
}

impl<'a> Row<'a> {
    /// Reads a `T` out of the record.
    #[inline]
    pub(crate) fn read<T: serde::Deserialize<'a>>(&self, plan: &mut Plan) -> Result<T, Box<RowFault>> {
        match T::deserialize(Reading {
            row: self,
            plan: &mut *plan,
        }) {
            Ok(item) => Ok(item),
            Err(Refusal(Some(fault))) => Err(fault),
            Err(Refusal(None)) => {
                plan.compare_names();
                T::deserialize(Reading { row: self, plan }).map_err(Box::from)
            }
        }
    }

    #[inline]
    fn value(&self, column: u32) -> Value<'a, '_> {
        let cell = self.cells.get(column as usize).copied().unwrap_or_default();
        Value {
            row: self,
            cell,
            column,
        }
    }

    fn name(&self, column: u32) -> Box<str> {
        self.header
            .columns
            .get(column as usize)
            .cloned()
            .unwrap_or_default()
    }
}

/// Why serde did not get its item. Boxed, so that the result of each cell stays small. `None`: the fields do not
/// correspond to names one to one.
#[derive(Debug)]
pub(crate) struct Refusal(Option<Box<RowFault>>);

impl Refusal {
    fn new(fault: RowFault) -> Self {
        Self(Some(Box::new(fault)))
    }
}

impl From<Refusal> for Box<RowFault> {
    fn from(Refusal(fault): Refusal) -> Self {
        fault.unwrap_or_else(|| {
            Self::new(RowFault::Refused {
                reason: "the fields and the columns do not correspond".into(),
            })
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(fault) => fault.fmt(f),
            None => f.write_str("names have to be compared"),
        }
    }
}

impl core::error::Error for Refusal {}

impl serde::de::Error for Refusal {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self::new(RowFault::Refused {
            reason: reason.to_string().into(),
        })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(RowFault::MissingColumn { field })
    }
}

struct Reading<'a, 'p> {
    row: &'p Row<'a>,
    plan: &'p mut Plan,
}

/// A row of one column also reads as a plain value.
macro_rules! as_only_cell {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Refusal> {
            self.row.value(0).$method(visitor)
        })*
    };
}

impl<'a> Deserializer<'a> for Reading<'a, '_> {
    type Error = Refusal;

    #[inline]
    fn deserialize_struct<V: Visitor<'a>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.plan.prepare(fields, self.row.header);
        let mut cells = Cells {
            row: self.row,
            columns: &self.plan.columns,
        };
        if !self.plan.by_position {
            return visitor.visit_map(Named { cells });
        }
        let item = visitor.visit_seq(&mut cells)?;
        // Fewer fields than names: some of them are aliases of one field.
        if cells.columns.is_empty() {
            Ok(item)
        } else {
            Err(Refusal(None))
        }
    }

    fn deserialize_map<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let columns: Vec<u32> = (0..column_number(self.row.cells.len())).collect();
        visitor.visit_map(Named {
            cells: Cells {
                row: self.row,
                columns: &columns,
            },
        })
    }

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_map(visitor)
    }

    fn deserialize_seq<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let columns: Vec<u32> = (0..column_number(self.row.cells.len())).collect();
        visitor.visit_seq(&mut Cells {
            row: self.row,
            columns: &columns,
        })
    }

    fn deserialize_tuple<V: Visitor<'a>>(self, _length: usize, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'a>>(
        self,
        _name: &'static str,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit_struct<V: Visitor<'a>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        visitor.visit_unit()
    }

    fn deserialize_enum<V: Visitor<'a>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.row.value(0).deserialize_enum(name, variants, visitor)
    }

    fn deserialize_unit<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_unit()
    }

    as_only_cell! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
        deserialize_char deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf deserialize_option
        deserialize_identifier
    }
}

/// The cells of some columns, in their order.
struct Cells<'a, 'p> {
    row: &'p Row<'a>,
    columns: &'p [u32],
}

impl<'a> SeqAccess<'a> for &mut Cells<'a, '_> {
    type Error = Refusal;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'a>>(&mut self, seed: T) -> Result<Option<T::Value>, Refusal> {
        let Some((&column, rest)) = self.columns.split_first() else {
            return Ok(None);
        };
        self.columns = rest;
        seed.deserialize(self.row.value(column)).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.columns.len())
    }
}

struct Named<'a, 'p> {
    cells: Cells<'a, 'p>,
}

impl<'a> MapAccess<'a> for Named<'a, '_> {
    type Error = Refusal;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Result<Option<K::Value>, Refusal> {
        let Some(&column) = self.cells.columns.first() else {
            return Ok(None);
        };
        let name = self
            .cells
            .row
            .header
            .columns
            .get(column as usize)
            .map_or("", |name| &**name);
        seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, Refusal> {
        match (&mut self.cells).next_element_seed(seed)? {
            Some(value) => Ok(value),
            None => Err(serde::de::Error::custom("a value was asked for before its name")),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.cells.columns.len())
    }
}

/// One cell.
#[derive(Clone, Copy)]
struct Value<'a, 'p> {
    row: &'p Row<'a>,
    cell: Cell,
    column: u32,
}

impl<'a> Value<'a, '_> {
    #[inline]
    fn text(self) -> Result<&'a str, Refusal> {
        self.row.text.cell(self.cell).ok_or_else(|| self.not_text())
    }

    #[inline]
    fn parse<T: FromStr<Err: fmt::Display>>(self) -> Result<T, Refusal> {
        self.text()?.parse().map_err(|reason| self.refuse(&reason))
    }

    #[cold]
    fn not_text(self) -> Refusal {
        Refusal::new(RowFault::Encoding {
            column: Some(self.row.name(self.column)),
        })
    }

    #[cold]
    fn refuse(self, reason: &dyn fmt::Display) -> Refusal {
        let value = self.row.text.bytes(self.cell);
        let value = String::from_utf8_lossy(value.get(..SHOWN).unwrap_or(value)).into();
        Refusal::new(RowFault::Cell {
            column: self.row.name(self.column),
            value,
            reason: reason.to_string().into(),
        })
    }

    /// Names the column in what a visitor said.
    #[inline]
    fn said<T>(self, answer: Result<T, Refusal>) -> Result<T, Refusal> {
        answer.map_err(|refusal| match refusal.0.as_deref() {
            Some(RowFault::Refused { reason }) => self.refuse(reason),
            _ => refusal,
        })
    }
}

macro_rules! parsed {
    ($($method:ident $visit:ident)*) => {
        $(#[inline]
        fn $method<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Refusal> {
            let value = self.parse()?;
            self.said(visitor.$visit(value))
        })*
    };
}

impl<'a> Deserializer<'a> for Value<'a, '_> {
    type Error = Refusal;

    parsed! {
        deserialize_bool visit_bool
        deserialize_i8 visit_i8 deserialize_i16 visit_i16 deserialize_i32 visit_i32 deserialize_i64 visit_i64
        deserialize_i128 visit_i128
        deserialize_u8 visit_u8 deserialize_u16 visit_u16 deserialize_u32 visit_u32 deserialize_u64 visit_u64
        deserialize_u128 visit_u128
        deserialize_f32 visit_f32 deserialize_f64 visit_f64
        deserialize_char visit_char
    }

    /// Guesses: a number if it reads as one, else a truth value, else text.
    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let text = self.text()?;
        let answer = if let Ok(number) = text.parse::<u64>() {
            visitor.visit_u64(number)
        } else if let Ok(number) = text.parse::<i64>() {
            visitor.visit_i64(number)
        } else if let Ok(number) = text.parse::<f64>() {
            visitor.visit_f64(number)
        } else if let Ok(truth) = text.parse::<bool>() {
            visitor.visit_bool(truth)
        } else {
            visitor.visit_borrowed_str(text)
        };
        self.said(answer)
    }

    #[inline]
    fn deserialize_str<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let text = self.text()?;
        self.said(visitor.visit_borrowed_str(text))
    }

    #[inline]
    fn deserialize_string<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.said(visitor.visit_borrowed_bytes(self.row.text.bytes(self.cell)))
    }

    fn deserialize_byte_buf<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_bytes(visitor)
    }

    /// An empty cell is no value.
    #[inline]
    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Refusal> {
        if self.cell.range().is_empty() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_unit<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Refusal> {
        if self.cell.range().is_empty() {
            visitor.visit_unit()
        } else {
            Err(self.refuse(&"expected an empty cell"))
        }
    }

    fn deserialize_unit_struct<V: Visitor<'a>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.deserialize_unit(visitor)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'a>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'a>>(self, _visitor: V) -> Result<V::Value, Refusal> {
        Err(self.refuse(&"a cell cannot hold a sequence"))
    }

    fn deserialize_tuple<V: Visitor<'a>>(self, _length: usize, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'a>>(
        self,
        _name: &'static str,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'a>>(self, _visitor: V) -> Result<V::Value, Refusal> {
        Err(self.refuse(&"a cell cannot hold a map"))
    }

    fn deserialize_struct<V: Visitor<'a>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.deserialize_map(visitor)
    }

    /// A variant by its name.
    fn deserialize_enum<V: Visitor<'a>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        let text = self.text()?;
        self.said(visitor.visit_enum(IntoDeserializer::<Refusal>::into_deserializer(text)))
    }

    fn deserialize_identifier<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_unit()
    }
}

/// Bytes of a bad cell that an error shows.
const SHOWN: usize = 64;
