//! One row of the input. Reading one allocates nothing: the fields are small values, not text.

use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Deserializer, Visitor};

/// What the report needs of a flight; other columns are not looked at.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
pub(crate) struct Flight {
    #[serde(rename = "date", deserialize_with = "parsed")]
    pub(crate) when: Hour,
    /// Minutes; negative if early.
    pub(crate) delay: i32,
    #[serde(deserialize_with = "parsed")]
    pub(crate) origin: Code,
}

/// An airport, for its name.
#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct Airport {
    #[serde(deserialize_with = "parsed")]
    pub(crate) iata: Code,
    pub(crate) name: String,
    pub(crate) city: String,
    pub(crate) state: String,
}

/// The code of an airport: three or four letters or digits, packed into a number.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Code(u32);

impl FromStr for Code {
    type Err = BadCode;

    fn from_str(text: &str) -> Result<Self, BadCode> {
        let fits = matches!(text.len(), 3 | 4) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !fits {
            return Err(BadCode);
        }
        let packed = text.bytes().fold(0, |packed, byte| packed << 8 | u32::from(byte));
        Ok(Self(packed))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0.to_be_bytes();
        let text: String = bytes
            .iter()
            .filter(|byte| **byte != 0)
            .map(|byte| char::from(*byte))
            .collect();
        f.pad(&text)
    }
}

/// The text is no airport's code.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct BadCode;

impl fmt::Display for BadCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected the code of an airport, three or four letters or digits")
    }
}

impl Error for BadCode {}

/// A day and the hour of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Hour {
    pub(crate) date: Date,
    pub(crate) hour: u8,
}

/// A day of the calendar.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl FromStr for Hour {
    type Err = BadDate;

    /// Reads `2001-06-30T23:59`.
    fn from_str(text: &str) -> Result<Self, BadDate> {
        let &[
            y0,
            y1,
            y2,
            y3,
            b'-',
            m0,
            m1,
            b'-',
            d0,
            d1,
            b'T',
            h0,
            h1,
            b':',
            n0,
            n1,
        ] = text.as_bytes()
        else {
            return Err(BadDate);
        };
        let (century, year) = (two(y0, y1)?, two(y2, y3)?);
        let (month, day, hour, minute) = (two(m0, m1)?, two(d0, d1)?, two(h0, h1)?, two(n0, n1)?);
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 {
            return Err(BadDate);
        }
        let year = u16::from(century) * 100 + u16::from(year);
        Ok(Self {
            date: Date { year, month, day },
            hour,
        })
    }
}

fn two(tens: u8, ones: u8) -> Result<u8, BadDate> {
    match (tens, ones) {
        (b'0'..=b'9', b'0'..=b'9') => Ok((tens - b'0') * 10 + (ones - b'0')),
        _ => Err(BadDate),
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day } = self;
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// The text is no date.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct BadDate;

impl fmt::Display for BadDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a date like 2001-06-30T23:59")
    }
}

impl Error for BadDate {}

/// Reads a field from its text, wherever that lies.
fn parsed<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    struct Text<T>(PhantomData<T>);

    impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("text")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }

    from.deserialize_str(Text(PhantomData))
}
