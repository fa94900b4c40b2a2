use alloc::collections::BTreeMap;

use serde::Deserialize;

use proptest::prelude::*;

use super::row::{Plan, Row, Text};
use super::split::{Dialect, Grid, record_end};
use super::{CsvDecoder, Header, Lent, Owned};
use crate::emit::Borrowed;
use crate::emit::source::RowFault;

const COMMAS: Dialect = Dialect {
    delimiter: b',',
    quote: b'"',
};

fn cut(text: &str, quoted: bool) -> Vec<Vec<String>> {
    let mut bytes = text.as_bytes().to_vec();
    let mut grid = Grid::default();
    grid.cut(&mut bytes, quoted, COMMAS);
    let rows = grid.records();
    rows.map(|row| {
        assert_eq!(row.fault, None);
        row.cells
            .iter()
            .map(|cell| String::from_utf8(bytes[cell.range()].to_vec()).unwrap())
            .collect()
    })
    .collect()
}

#[test]
fn plain_and_quoted_cutters_agree_on_text_without_quotes() {
    let text = "a,b,c\r\n,,\n\n\r\none two,3,\nx,y,z\n";
    let expected = [
        ["a", "b", "c"],
        ["", "", ""],
        ["one two", "3", ""],
        ["x", "y", "z"],
    ];
    assert_eq!(cut(text, false), expected);
    assert_eq!(cut(text, true), expected);
}

#[test]
fn quoted_cells_hold_delimiters_quotes_and_line_breaks() {
    let text = "\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\"\n\"\",\"\"\"\",x\"y\n";
    assert_eq!(
        cut(text, true),
        [["a,b", "say \"hi\"", "two\nlines"], ["", "\"", "x\"y"]]
    );
}

#[test]
fn lines_are_counted_through_quoted_line_breaks() {
    let mut bytes = b"\"a\"\"\n\n\",1\n\nb,2\n".to_vec();
    let mut grid = Grid::default();
    grid.cut(&mut bytes, true, COMMAS);
    assert_eq!(grid.records().map(|row| row.line).collect::<Vec<_>>(), [0, 4]);
}

#[test]
fn text_after_a_closing_quote_is_a_fault_of_its_row_alone() {
    let mut bytes = b"a,\"b\"c,d\ne,f,g\n".to_vec();
    let mut grid = Grid::default();
    grid.cut(&mut bytes, true, COMMAS);
    let faults: Vec<_> = grid.records().map(|row| row.fault.cloned()).collect();
    assert_eq!(faults, [Some(RowFault::TextAfterQuote { column: 2 }), None]);
}

#[test]
fn a_record_whose_last_quote_may_still_be_doubled_has_no_end_yet() {
    assert_eq!(record_end(b"\"a\n", COMMAS), None);
    assert_eq!(record_end(b"\"a\"", COMMAS), None);
    assert_eq!(record_end(b"\"a\"\"\n", COMMAS), None);
    assert_eq!(record_end(b"\"a\"\n", COMMAS), Some(4));
    assert_eq!(record_end(b"a\"\nb\"\n", COMMAS), Some(3));
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a mut [u8], columns: &[&str]) -> Vec<Result<T, RowFault>> {
    let header = Box::leak(Box::new(Header {
        columns: columns.iter().map(|&name| name.into()).collect(),
    }));
    let grid = Box::leak(Box::new(Grid::default()));
    grid.cut(bytes, true, COMMAS);
    let text = Text::new(bytes);
    let mut plan = Plan::default();
    grid.records()
        .map(|row| {
            Row {
                text,
                cells: row.cells,
                header,
            }
            .read(&mut plan)
            .map_err(|fault| *fault)
        })
        .collect()
}

#[derive(Debug, Deserialize, PartialEq)]
struct Flight {
    origin: String,
    delay: i32,
    note: Option<String>,
}

#[test]
fn fields_find_their_columns_by_name_in_any_order() {
    let mut bytes = b"5,x,PHL,\n-7,y,LAS,late\n".to_vec();
    let flights = read::<Flight>(&mut bytes, &["delay", "skipped", "origin", "note"]);
    let flight = |origin: &str, delay, note: Option<&str>| {
        Ok(Flight {
            origin: origin.into(),
            delay,
            note: note.map(str::to_owned),
        })
    };
    assert_eq!(flights, [flight("PHL", 5, None), flight("LAS", -7, Some("late"))]);
}

#[test]
fn an_optional_column_may_be_missing_and_a_needed_one_may_not() {
    let mut bytes = b"PHL,5\n".to_vec();
    let expected = Flight {
        origin: "PHL".into(),
        delay: 5,
        note: None,
    };
    assert_eq!(read::<Flight>(&mut bytes, &["origin", "delay"]), [Ok(expected)]);
    let mut bytes = b"PHL\n".to_vec();
    assert_eq!(
        read::<Flight>(&mut bytes, &["origin"]),
        [Err(RowFault::MissingColumn { field: "delay" })]
    );
}

#[derive(Debug, Deserialize, PartialEq)]
struct Renamed {
    #[serde(rename = "Cost: $")]
    cost: f64,
    #[serde(alias = "wind", alias = "Wind")]
    speed: Option<u16>,
    #[serde(default)]
    kind: Kind,
    #[serde(skip)]
    computed: u8,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
enum Kind {
    #[default]
    Small,
    Large,
}

#[test]
fn renames_aliases_defaults_and_variants_work() {
    let renamed = |cost, speed, kind| {
        Ok(Renamed {
            cost,
            speed,
            kind,
            computed: 0,
        })
    };
    let mut bytes = b"1.5,30,Large\n".to_vec();
    let columns = ["Cost: $", "Wind", "kind"];
    assert_eq!(
        read::<Renamed>(&mut bytes, &columns),
        [renamed(1.5, Some(30), Kind::Large)]
    );
    let mut bytes = b"1.5,30\n".to_vec();
    assert_eq!(
        read::<Renamed>(&mut bytes, &columns[..2]),
        [renamed(1.5, Some(30), Kind::Small)]
    );
    let mut bytes = b"1.5,30,Huge\n".to_vec();
    let refused = read::<Renamed>(&mut bytes, &columns);
    assert!(
        matches!(&refused[0], Err(RowFault::Cell { column, value, .. }) if &**column == "kind" && &**value == "Huge")
    );
}

#[test]
fn two_columns_for_one_field_are_refused_not_misread() {
    let mut bytes = b"1,2,3,Large\n".to_vec();
    let rows = read::<Renamed>(&mut bytes, &["Cost: $", "speed", "wind", "kind"]);
    assert!(rows[0].is_err(), "{rows:?}");
}

#[test]
fn a_bad_cell_names_column_value_and_reason() {
    let mut bytes = b"PHL,many,\n".to_vec();
    let rows = read::<Flight>(&mut bytes, &["origin", "delay", "note"]);
    let fault = rows[0].as_ref().unwrap_err();
    assert_eq!(
        fault.to_string(),
        "column `delay` holds `many`: invalid digit found in string"
    );
}

#[test]
fn a_row_that_is_not_text_spoils_no_other() {
    let mut bytes = b"P\xffL,1,\nLAS,2,\n".to_vec();
    let rows = read::<Flight>(&mut bytes, &["origin", "delay", "note"]);
    assert_eq!(
        rows[0],
        Err(RowFault::Encoding {
            column: Some("origin".into())
        })
    );
    assert!(rows[1].is_ok());
}

#[test]
fn rows_read_as_tuples_maps_and_plain_values() {
    let mut bytes = b"a,1\n".to_vec();
    assert_eq!(
        read::<(String, u8)>(&mut bytes, &["x", "y"]),
        [Ok(("a".to_owned(), 1))]
    );
    let mut bytes = b"a,1\n".to_vec();
    let map = BTreeMap::from([("x".to_owned(), "a".to_owned()), ("y".to_owned(), "1".to_owned())]);
    assert_eq!(read(&mut bytes, &["x", "y"]), [Ok(map)]);
    let mut bytes = b"7\n".to_vec();
    assert_eq!(read::<u32>(&mut bytes, &["x"]), [Ok(7)]);
}

#[derive(Debug, Deserialize, PartialEq)]
struct Brief<'a> {
    origin: &'a str,
}

impl Borrowed for Brief<'static> {
    type Of<'a> = Brief<'a>;
}

#[test]
fn borrowed_fields_point_into_the_chunk_also_after_unescaping() {
    let mut bytes = b"\"P\"\"L\",1\n".to_vec();
    assert_eq!(
        read::<Brief<'_>>(&mut bytes, &["origin", "delay"]),
        [Ok(Brief { origin: "P\"L" })]
    );
}

#[test]
fn decoders_are_send() {
    fn is_send<T: Send>() {}
    is_send::<CsvDecoder<Owned<Flight>>>();
    is_send::<CsvDecoder<Lent<Brief<'static>>>>();
}

/// Cells that make cutting hard.
fn cell() -> impl Strategy<Value = String> {
    proptest::string::string_regex("[a-c,\"\r\n é]{0,12}").unwrap()
}

fn table() -> impl Strategy<Value = Vec<Vec<String>>> {
    (1_usize..5).prop_flat_map(|width| prop::collection::vec(prop::collection::vec(cell(), width), 0..12))
}

proptest! {
    /// What `csv` writes is read back, whatever is in the cells.
    #[test]
    fn what_is_written_is_read_back(rows in table()) {
        let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        // The writer ends a record in a bare line feed, so a carriage return inside is always quoted.
        prop_assert_eq!(cut(&text, true), rows);
    }

    /// Text without quotes is cut alike by both cutters and by `csv`.
    #[test]
    fn plain_text_is_cut_as_csv_cuts_it(text in "[a-c,\n é]{0,200}") {
        let text = format!("{text}\n");
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
        let expected: Vec<Vec<String>> =
            reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
        prop_assert_eq!(&cut(&text, false), &expected);
        prop_assert_eq!(&cut(&text, true), &expected);
    }

    /// Cutting record by record finds the records that cutting all at once finds.
    #[test]
    fn record_ends_agree_with_the_cutter(rows in table()) {
        let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let bytes = writer.into_inner().unwrap();
        let (mut at, mut count) = (0, 0);
        while let Some(end) = record_end(&bytes[at..], COMMAS) {
            count += cut(core::str::from_utf8(&bytes[at..at + end]).unwrap(), true).len();
            at += end;
        }
        prop_assert_eq!((at, count), (bytes.len(), rows.len()));
    }
}
