//! Whether a header has the columns that an item's type needs, found out without a row.
//!
//! The type is read once from a row of made-up cells: a one for a number, an empty text, the first of several variants.
//! If serde then says that a field is missing, its column is. A type that refuses such a cell, a date for instance, says
//! nothing about the fields after it; then the first row tells.

use core::fmt;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

use crate::emit::csv::Header;

/// The first field of `T` that needs a column and has none, as far as that can be known.
pub(crate) fn missing_column<T: Deserialize<'static>>(header: &Header) -> Option<&'static str> {
    T::deserialize(Trial(header)).err()?.0
}

/// Why a trial ended: the field that is missing, or something that says nothing about the header.
#[derive(Debug)]
struct Ended(Option<&'static str>);

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the trial has ended")
    }
}

impl core::error::Error for Ended {}

impl Error for Ended {
    fn custom<T: fmt::Display>(_reason: T) -> Self {
        Self(None)
    }

    fn missing_field(field: &'static str) -> Self {
        Self(Some(field))
    }
}

struct Trial<'h>(&'h Header);

impl Deserializer<'static> for Trial<'_> {
    type Error = Ended;

    fn deserialize_struct<V: Visitor<'static>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Ended> {
        let is_there = |field: &&&str| self.0.columns.iter().any(|column| **column == ***field);
        visitor.visit_map(Made(fields.iter().filter(is_there)))
    }

    fn deserialize_newtype_struct<V: Visitor<'static>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Ended> {
        visitor.visit_newtype_struct(self)
    }

    /// What is no struct has no fields to miss.
    fn deserialize_any<V: Visitor<'static>>(self, _visitor: V) -> Result<V::Value, Ended> {
        Err(Ended(None))
    }

    forward_to_deserialize_any! {
        <W: Visitor<'static>>
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq
        tuple tuple_struct map enum identifier ignored_any
    }
}

/// A made-up cell for each of some fields.
struct Made<I>(I);

impl<'f, I: Iterator<Item = &'f &'static str>> MapAccess<'static> for Made<I> {
    type Error = Ended;

    fn next_key_seed<K: DeserializeSeed<'static>>(&mut self, seed: K) -> Result<Option<K::Value>, Ended> {
        let Some(field) = self.0.next() else {
            return Ok(None);
        };
        seed.deserialize(BorrowedStrDeserializer::new(field)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'static>>(&mut self, seed: V) -> Result<V::Value, Ended> {
        seed.deserialize(Cell)
    }
}

struct Cell;

macro_rules! numbers {
    ($($method:ident $visit:ident $value:expr,)*) => {
        $(fn $method<V: Visitor<'static>>(self, visitor: V) -> Result<V::Value, Ended> {
            visitor.$visit($value)
        })*
    };
}

impl Deserializer<'static> for Cell {
    type Error = Ended;

    numbers! {
        deserialize_bool visit_bool false,
        deserialize_i8 visit_i8 1, deserialize_i16 visit_i16 1, deserialize_i32 visit_i32 1,
        deserialize_i64 visit_i64 1, deserialize_i128 visit_i128 1,
        deserialize_u8 visit_u8 1, deserialize_u16 visit_u16 1, deserialize_u32 visit_u32 1,
        deserialize_u64 visit_u64 1, deserialize_u128 visit_u128 1,
        deserialize_f32 visit_f32 1.0, deserialize_f64 visit_f64 1.0,
        deserialize_char visit_char '1',
        deserialize_any visit_borrowed_str "",
        deserialize_bytes visit_borrowed_bytes b"",
        deserialize_byte_buf visit_borrowed_bytes b"",
    }

    fn deserialize_option<V: Visitor<'static>>(self, visitor: V) -> Result<V::Value, Ended> {
        visitor.visit_none()
    }

    fn deserialize_newtype_struct<V: Visitor<'static>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Ended> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'static>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Ended> {
        let first = variants.first().ok_or(Ended(None))?;
        visitor.visit_enum(BorrowedStrDeserializer::new(first))
    }

    fn deserialize_ignored_any<V: Visitor<'static>>(self, visitor: V) -> Result<V::Value, Ended> {
        visitor.visit_unit()
    }

    fn deserialize_unit<V: Visitor<'static>>(self, visitor: V) -> Result<V::Value, Ended> {
        visitor.visit_unit()
    }

    /// A cell is no struct; one that a row would not be read into either.
    fn deserialize_struct<V: Visitor<'static>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Ended> {
        Err(Ended(None))
    }

    forward_to_deserialize_any! {
        <W: Visitor<'static>>
        str string unit_struct seq tuple tuple_struct map identifier
    }
}
