use core::cell::Cell;
use core::ops::ControlFlow;
use std::io::{self, Read};

use proptest::prelude::*;
use serde::Deserialize;

use super::{Block, Decode, EventSource, Feed, RowFault, Source, SourceError, Trouble};
use crate::emit::{Chunk, ChunkSize, CountUnits};

/// Yields its text a few bytes at a time.
struct Dripping {
    text: Vec<u8>,
    step: usize,
}

impl Read for Dripping {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let count = self.step.min(space.len()).min(self.text.len());
        space[..count].copy_from_slice(&self.text[..count]);
        self.text.drain(..count);
        Ok(count)
    }
}

struct Failing;

impl Read for Failing {
    fn read(&mut self, _space: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("broken pipe"))
    }
}

/// Reads a source to its end: the items, the row errors as text, and the rows of each chunk.
struct Outcome<T> {
    items: Vec<T>,
    errors: Vec<String>,
    chunks: Vec<usize>,
}

fn read_all<T, S>(source: S) -> Result<Outcome<T>, SourceError>
where
    S: EventSource<T>,
    S::Decoder: for<'a> Decode<Item<'a> = T>,
{
    let (mut feed, mut decoder) = source.open()?;
    let mut outcome = Outcome {
        items: Vec::new(),
        errors: Vec::new(),
        chunks: Vec::new(),
    };
    let mut chunk = Default::default();
    let failure = Cell::new(None);
    while feed.fill(&mut chunk)? {
        let mut count = 0;
        decoder.decode(&mut chunk, |answer| {
            count += 1;
            match answer {
                Ok(item) => outcome.items.push(item),
                Err(Trouble::Row(error)) => outcome.errors.push(error.to_string()),
                Err(Trouble::Source(error)) => {
                    failure.set(Some(*error));
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        });
        if let Some(error) = failure.take() {
            return Err(error);
        }
        outcome.chunks.push(count);
    }
    Ok(outcome)
}

fn text(text: &str) -> super::Text {
    Source.of_reader("text", io::Cursor::new(text.to_owned()))
}

#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
struct Pair {
    name: String,
    count: u32,
}

fn pair(name: &str, count: u32) -> Pair {
    Pair {
        name: name.into(),
        count,
    }
}

#[test]
fn chunks_hold_the_rows_that_were_asked_for_and_the_last_one_the_rest() {
    let lines: String = "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n".to_owned();
    let outcome = read_all::<String, _>(text(&lines).lines().into_chunks(4.rows())).unwrap();
    assert_eq!(outcome.chunks, [4, 4, 2]);
    assert!(
        outcome
            .items
            .iter()
            .map(|line| line.parse::<u32>().unwrap())
            .eq(0..10)
    );
    let outcome = read_all::<String, _>(text(&lines).lines().into_chunks(5.bytes())).unwrap();
    assert_eq!(outcome.chunks, [2, 2, 2, 2, 2]);
    let outcome = read_all::<String, _>(text(&lines).lines().into_chunks(1.bytes())).unwrap();
    assert_eq!(outcome.chunks, [1; 10]);
    let outcome = read_all::<u32, _>(Source.of(0..10).into_chunks(4.rows())).unwrap();
    assert_eq!(
        (outcome.chunks, outcome.items),
        (vec![4, 4, 2], (0..10).collect())
    );
}

#[test]
fn a_row_announced_is_a_row_decoded() {
    let table = "name,count\n\na,1\r\n\r\n\"b\n\n\",2\nc,x\n\n";
    let source = text(table).csv().into_chunks(2.rows());
    let (mut feed, mut decoder) = EventSource::<Pair>::open(source).unwrap();
    let mut chunk = Block::default();
    while feed.fill(&mut chunk).unwrap() {
        let announced = chunk.rows();
        let mut count = 0;
        decoder.decode(&mut chunk, |_| {
            count += 1;
            ControlFlow::Continue(())
        });
        assert_eq!(announced, count);
    }
}

#[test]
fn bad_rows_are_told_with_name_and_line_and_stop_nothing() {
    let table = "name,count\na,1\nb,many\n\"c\nd\",3\ne\nf,6\n\"g\"h,7\n";
    let outcome = read_all::<Pair, _>(text(table).csv().into_chunks(2.rows())).unwrap();
    assert_eq!(outcome.items, [pair("a", 1), pair("c\nd", 3), pair("f", 6)]);
    assert_eq!(
        outcome.errors,
        [
            "text:3: column `count` holds `many`: invalid digit found in string",
            "text:6: 1 cells where the header has 2",
            "text:8: text after the closing quote of cell 1; double a quote that is part of the text",
        ]
    );
}

#[test]
fn a_quote_that_is_never_closed_costs_one_row() {
    let table = "name,count\na,1\n\"b,2\nc,3\n";
    let outcome = read_all::<Pair, _>(text(table).csv()).unwrap();
    assert_eq!(outcome.items, [pair("a", 1), pair("c", 3)]);
    assert_eq!(outcome.errors, ["text:3: a quote is opened and never closed"]);
}

#[test]
fn a_row_longer_than_allowed_is_one_bad_row_and_the_next_is_read() {
    let long = "x".repeat(5_000);
    let lines = format!("a\n{long}\nb\n{long}");
    for step in [1, 7, 100_000] {
        let reader = Dripping {
            text: lines.clone().into_bytes(),
            step,
        };
        let source = Source.of_reader("text", reader).lines().longest_row(1_000);
        let outcome = read_all::<String, _>(source).unwrap();
        if step == 100_000 {
            // What is in the buffer anyway has its end found.
            assert_eq!(outcome.items.len() + outcome.errors.len(), 4);
        } else {
            assert_eq!(outcome.items, ["a", "b"]);
            assert_eq!(
                outcome.errors,
                [
                    "text:2: the row is longer than 1000 bytes",
                    "text:4: the row is longer than 1000 bytes"
                ]
            );
        }
    }
}

#[test]
fn json_lines_name_the_bad_one() {
    let lines = "{\"name\":\"a\",\"count\":1}\n\n{\"name\":\"b\"}\r\n[\n{\"name\":\"c\",\"count\":3}";
    let outcome = read_all::<Pair, _>(text(lines).json_lines()).unwrap();
    assert_eq!(outcome.items, [pair("a", 1), pair("c", 3)]);
    assert_eq!(
        outcome.errors,
        [
            "text:3: missing field `count` at byte 12",
            "text:4: EOF while parsing a list at byte 1",
        ]
    );
}

#[test]
fn lines_keep_blank_ones_and_lose_only_their_breaks() {
    let outcome = read_all::<String, _>(text("a\r\n\n b \nlast").lines()).unwrap();
    assert_eq!(outcome.items, ["a", "", " b ", "last"]);
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_header() {
    let outcome = read_all::<Pair, _>(text("\u{feff}name,count\na,1\n").csv()).unwrap();
    assert_eq!(outcome.items, [pair("a", 1)]);
}

#[test]
fn other_delimiters_separate() {
    let outcome = read_all::<Pair, _>(text("name;count\na,b;1\n").csv().delimiter(b';')).unwrap();
    assert_eq!(outcome.items, [pair("a,b", 1)]);
}

#[test]
fn what_cannot_be_read_says_so() {
    let error = |source: super::Rows<super::Csv>| read_all::<Pair, _>(source).map(|_| ()).unwrap_err();
    let missing = error(Source.of_file("no/such/file.csv").csv());
    assert!(
        missing
            .to_string()
            .starts_with("cannot open `no/such/file.csv`: "),
        "{missing}"
    );
    assert!(matches!(
        error(Source.of_files([""; 0]).csv()),
        SourceError::NoPath
    ));
    assert!(matches!(
        error(text("").csv()),
        SourceError::NoHeader { fault: None, .. }
    ));
    assert!(matches!(
        error(text("\n\r\n").csv()),
        SourceError::NoHeader { fault: None, .. }
    ));
    let unclosed = error(text("\"name,count\na,1\n").csv());
    assert!(matches!(
        unclosed,
        SourceError::NoHeader {
            fault: Some(RowFault::UnclosedQuote),
            ..
        }
    ));
    let wrong = error(text("name,number\na,1\n").csv());
    assert_eq!(
        wrong.to_string(),
        "`text` has no column `count`; its header has name, number"
    );
    let broken = error(Source.of_reader("pipe", Failing).csv());
    assert_eq!(broken.to_string(), "cannot read `pipe` after line 0: broken pipe");
    let directory = error(Source.of_file(env!("CARGO_MANIFEST_DIR")).csv());
    assert!(matches!(
        directory,
        SourceError::Open { .. } | SourceError::Read { .. }
    ));
}

#[test]
fn a_wrong_header_is_an_error_also_where_no_row_follows() {
    #[derive(Debug, Deserialize)]
    enum Kind {
        Small,
        Large,
    }
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "read, never looked at")]
    struct Wide {
        #[serde(alias = "label")]
        name: String,
        size: core::num::NonZeroU8,
        kind: Kind,
        share: f32,
        note: Option<String>,
        #[serde(default)]
        extra: u8,
        flag: bool,
    }
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "read, never looked at")]
    struct Addressed {
        from: core::net::IpAddr,
        size: u8,
    }
    let table = [
        ("name,size,kind,share,flag", None),
        ("flag,label,other,size,kind,share", None),
        ("name,size,kind,share,note,extra", Some("flag")),
        ("nam,size,kind,share,flag", Some("name")),
        ("name,size,share,flag", Some("kind")),
        ("a", Some("name")),
    ];
    for (header, expected) in table {
        for rows in ["", "\n", "\n\n\n"] {
            match (
                read_all::<Wide, _>(text(&format!("{header}{rows}")).csv()),
                expected,
            ) {
                (Ok(outcome), None) => assert!(outcome.items.is_empty()),
                (Err(SourceError::WrongHeader { missing, .. }), Some(field)) => assert_eq!(missing, field),
                (other, _) => panic!("{header}: {:?}", other.map(|_| ())),
            }
        }
    }
    // A type without fields needs no column, and a field that refuses made-up cells hides those after it.
    assert!(read_all::<Vec<String>, _>(text("a,b").csv()).is_ok());
    assert!(read_all::<Addressed, _>(text("from,other").csv()).is_ok());
    assert!(read_all::<Addressed, _>(text("from,other\n::1,2\n").csv()).is_err());
    assert!(read_all::<Addressed, _>(text("to,other").csv()).is_err());
}

#[test]
fn files_follow_each_other_with_headers_of_their_own() {
    let directory = std::env::temp_dir().join(format!("sweet-async-source-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let (first, second) = (directory.join("first.csv"), directory.join("second.csv"));
    std::fs::write(&first, "name,count\na,1\nb,2").unwrap();
    std::fs::write(&second, "count,more,name\n3,,c\nx,,d\n").unwrap();
    let outcome = read_all::<Pair, _>(Source.of_files([&first, &second]).csv()).unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    assert_eq!(outcome.items, [pair("a", 1), pair("b", 2), pair("c", 3)]);
    assert_eq!(outcome.errors.len(), 1);
    assert!(
        outcome.errors[0].contains("second.csv:3: column `count`"),
        "{:?}",
        outcome.errors
    );
}

fn size() -> impl Strategy<Value = ChunkSize> {
    prop_oneof![
        (1_u32..8).prop_map(CountUnits::rows),
        (1_u32..40).prop_map(CountUnits::bytes)
    ]
}

proptest! {
    /// However the bytes arrive and however they are cut, the rows are those that `csv` reads.
    #[test]
    fn any_reads_and_chunks_give_the_rows_of_csv(
        rows in prop::collection::vec(("[a-z,\"\r\n é]{0,10}", 0_u32..1_000), 0..40),
        step in 1_usize..50,
        size in size(),
        plain in any::<bool>(),
    ) {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["name", "count"]).unwrap();
        let mut expected = Vec::new();
        for (name, count) in rows {
            let name = if plain { name.replace(['"', ',', '\r', '\n'], "") } else { name };
            writer.write_record([name.as_str(), &count.to_string()]).unwrap();
            expected.push(Pair { name, count });
        }
        let reader = Dripping { text: writer.into_inner().unwrap(), step };
        let outcome = read_all::<Pair, _>(Source.of_reader("text", reader).csv().into_chunks(size)).unwrap();
        prop_assert_eq!(outcome.items, expected);
        prop_assert_eq!(outcome.errors, Vec::<String>::new());
    }

    /// Lines in, lines out, like `str::lines`.
    #[test]
    fn any_reads_and_chunks_give_the_lines_of_str(
        content in "[a-c\r\n é]{0,120}",
        step in 1_usize..50,
        size in size(),
    ) {
        // A carriage return at the very end is text to `str::lines` and half a line break to a reader.
        let content = format!("{content}\n");
        let expected: Vec<String> = content.lines().map(str::to_owned).collect();
        let reader = Dripping { text: content.into_bytes(), step };
        let outcome = read_all::<String, _>(Source.of_reader("text", reader).lines().into_chunks(size)).unwrap();
        prop_assert_eq!(outcome.items, expected);
    }

    /// Garbage never panics, never hangs, and each announced row is accounted for.
    #[test]
    fn garbage_is_survived(
        content in prop::collection::vec(prop_oneof![Just(b'"'), Just(b','), Just(b'\n'), Just(b'\r'), Just(b'a'), any::<u8>()], 0..300),
        step in 1_usize..50,
        size in size(),
        longest in 1_usize..60,
    ) {
        let reader = Dripping { text: content, step };
        let source = Source.of_reader("garbage", reader).csv().into_chunks(size).longest_row(longest);
        if let Ok((mut feed, mut decoder)) = EventSource::<Vec<Option<String>>>::open(source) {
            let mut chunk = Block::default();
            while feed.fill(&mut chunk).unwrap() {
                let announced = chunk.rows();
                let mut count = 0;
                decoder.decode(&mut chunk, |_| { count += 1; ControlFlow::Continue(()) });
                prop_assert_eq!(announced, count);
                prop_assert!(announced > 0);
            }
        }
    }
}
