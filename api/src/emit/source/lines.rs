//! Lines, and lines of JSON.

use alloc::sync::Arc;
use core::fmt;
use core::marker::PhantomData;
use core::ops::ControlFlow;

use memchr::memchr;
use serde::de::DeserializeOwned;

use crate::emit::source::{Block, Decode, Input, RowFault, Trouble};

/// What a line of text becomes: `String`, or `&str` that borrows from the chunk.
pub trait LineItem: Send + 'static {
    /// The item.
    type Of<'a>;

    /// Makes an item of a line, which comes without its line break.
    fn of_line(line: &str) -> Self::Of<'_>;
}

impl LineItem for String {
    type Of<'a> = Self;

    fn of_line(line: &str) -> Self {
        line.to_owned()
    }
}

impl LineItem for &'static str {
    type Of<'a> = &'a str;

    fn of_line(line: &str) -> &str {
        line
    }
}

/// Turns blocks into lines.
pub struct LineDecoder<T>(pub(crate) PhantomData<fn() -> T>);

impl<T> Clone for LineDecoder<T> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<T> fmt::Debug for LineDecoder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LineDecoder")
    }
}

impl<T: LineItem> Decode for LineDecoder<T> {
    type Chunk = Block;
    type Item<'a> = T::Of<'a>;

    fn decode<F>(&mut self, block: &mut Block, mut each: F)
    where
        F: for<'a> FnMut(Result<T::Of<'a>, Trouble>) -> ControlFlow<()>,
    {
        if let Some(trouble) = block.take_trouble() {
            let _ = each(Err(trouble));
            return;
        }
        each_line(
            block,
            |line, place| {
                let text = core::str::from_utf8(line)
                    .map_err(|_| place.trouble(RowFault::Encoding { column: None }));
                each(text.map(T::of_line))
            },
            |_| true,
        );
    }
}

/// Turns blocks into values, one line of JSON each. Blank lines are skipped.
pub struct JsonDecoder<T>(pub(crate) PhantomData<fn() -> T>);

impl<T> Clone for JsonDecoder<T> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

impl<T> fmt::Debug for JsonDecoder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JsonDecoder")
    }
}

impl<T: DeserializeOwned + 'static> Decode for JsonDecoder<T> {
    type Chunk = Block;
    type Item<'a> = T;

    fn decode<F>(&mut self, block: &mut Block, mut each: F)
    where
        F: for<'a> FnMut(Result<T, Trouble>) -> ControlFlow<()>,
    {
        if let Some(trouble) = block.take_trouble() {
            let _ = each(Err(trouble));
            return;
        }
        each_line(
            block,
            |line, place| {
                let item = serde_json::from_slice(line).map_err(|error| {
                    place.trouble(RowFault::Json {
                        reason: json_reason(&error),
                    })
                });
                each(item)
            },
            |line| !line.is_empty(),
        );
    }
}

/// The parser says "at line 1": the line is known better here.
fn json_reason(error: &serde_json::Error) -> Box<str> {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match text.strip_suffix(&place) {
        Some(reason) => format!("{reason} at byte {}", error.column()).into(),
        None => text.into(),
    }
}

/// Where a line stands.
struct Place<'a> {
    input: &'a Arc<Input>,
    line: u64,
}

impl Place<'_> {
    #[cold]
    fn trouble(&self, fault: RowFault) -> Trouble {
        Trouble::Row(Box::new(self.input.error(self.line, fault)))
    }
}

/// Hands over each line that counts, without its line break.
fn each_line(
    block: &Block,
    mut each: impl FnMut(&[u8], &Place<'_>) -> ControlFlow<()>,
    counts: impl Fn(&[u8]) -> bool,
) {
    let Some(input) = block.input.clone() else { return };
    let mut place = Place {
        input: &input,
        line: block.first_line,
    };
    let mut rest = block.bytes.as_slice();
    while let Some((line, after)) = memchr(b'\n', rest).and_then(|feed| rest.split_at_checked(feed + 1)) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if counts(line) && each(line, &place).is_break() {
            return;
        }
        place.line += 1;
        rest = after;
    }
}
