//! Delays by airport, out of a large CSV file.
//!
//! `FLIGHTS_CSV` names the file. Without it one of 3,000,000 rows is made once, beside the build, by repeating the file
//! that the examples ship.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::{env, io};

use serde::Deserialize;
use sweet_async_tokio::emit::{Borrowed, Merge};
use sweet_async_tokio::prelude::*;
use tokio::runtime::Builder;

use crate::{Contestant, Figure, Goal, Group, Meter};

/// The bench target `flights`.
pub const GROUP: Group = Group::new("flights", figures);

/// Rows of the file that is made.
const ROWS: u64 = 3_000_000;
const CSV_SERDE: &str = "csv crate, serde, owned rows, one thread";

/// The file and how many rows it has.
static INPUT: LazyLock<io::Result<(PathBuf, u64)>> = LazyLock::new(input);

/// What a row says, as most programs would read it.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "reading all of a row is the work")]
struct Flight {
    date: String,
    delay: i32,
    distance: u32,
    origin: String,
    destination: String,
}

/// The same, borrowed from the chunk.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "reading all of a row is the work")]
struct FlightRow<'a> {
    date: &'a str,
    delay: i32,
    distance: u32,
    origin: &'a str,
    destination: &'a str,
}

impl Borrowed for FlightRow<'static> {
    type Of<'a> = FlightRow<'a>;
}

/// What is kept for each airport.
#[derive(Default)]
struct Delay {
    flights: u64,
    minutes: i64,
}

impl Merge for Delay {
    fn merge(&mut self, other: Self) {
        self.flights += other.flights;
        self.minutes += other.minutes;
    }
}

type Delays = BTreeMap<String, Delay>;

fn figures() -> Vec<Figure> {
    let (path, rows) = match &*INPUT {
        Ok((path, rows)) => (path, *rows),
        Err(error) => {
            eprintln!("flights are left out, for there is no input: {error}");
            return Vec::new();
        }
    };
    vec![
        contest("flights, one worker", path, rows, 1, 0.80),
        contest("flights, two workers", path, rows, 2, 0.40),
    ]
}

fn contest(name: &'static str, path: &'static Path, rows: u64, workers: usize, most: f64) -> Figure {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = Arc::new(runtime.expect("a tokio runtime"));
    let same = Arc::clone(&runtime);
    Figure::new(name, "row", rows)
        .few_turns()
        .by_time_only()
        .with(Contestant::ours(
            "AsyncTask::emits, rows that borrow",
            move |_| Meter::measure(|| runtime.block_on(borrowed(path, workers))),
        ))
        .goal(Goal::Times(most, CSV_SERDE))
        .with(Contestant::ours("AsyncTask::emits, rows that own", move |_| {
            Meter::measure(|| same.block_on(owned(path, workers)))
        }))
        .goal(Goal::Times(most, CSV_SERDE))
        .with(Contestant::peer(CSV_SERDE, |_| {
            Meter::measure(|| csv_serde(path))
        }))
        .with(Contestant::peer(
            "simd-csv, the cells that count, one thread",
            |_| Meter::measure(|| simd_csv(path)),
        ))
        .with(Contestant::limit("reading the file, no more", move |_| {
            Meter::measure(|| fs::read(path).map(|bytes| bytes.len()))
        }))
}

async fn borrowed(path: &Path, workers: usize) -> Option<Delays> {
    AsyncTask::emits::<FlightRow<'static>>()
        .name("delays")
        .collect_into::<Delays>()
        .sender(|source| source.of_file(path).csv_borrowed().into_chunks(64.kib()))
        .receiver(
            ReceiverStrategy::parallel(workers),
            |flight: FlightRow<'_>, delays| {
                count(delays, flight.origin, flight.delay);
            },
        )
        .await_final_event(LastEvent::into_collected)
        .await
        .ok()
}

async fn owned(path: &Path, workers: usize) -> Option<Delays> {
    AsyncTask::emits::<Flight>()
        .name("delays")
        .collect_into::<Delays>()
        .sender(|source| source.of_file(path).csv().into_chunks(64.kib()))
        .receiver(ReceiverStrategy::parallel(workers), |flight, delays| {
            count(delays, &flight.origin, flight.delay);
        })
        .await_final_event(LastEvent::into_collected)
        .await
        .ok()
}

fn count(delays: &mut Delays, airport: &str, minutes: i32) {
    let delay = Delay {
        flights: 1,
        minutes: i64::from(minutes),
    };
    if let Some(known) = delays.get_mut(airport) {
        known.merge(delay);
    } else {
        delays.insert(airport.to_owned(), delay);
    }
}

fn csv_serde(path: &Path) -> csv::Result<Delays> {
    let mut delays = Delays::new();
    for row in csv::Reader::from_path(path)?.into_deserialize() {
        let flight: Flight = row?;
        count(&mut delays, &flight.origin, flight.delay);
    }
    Ok(delays)
}

fn simd_csv(path: &Path) -> io::Result<Delays> {
    let mut delays = Delays::new();
    let mut rows = simd_csv::ZeroCopyReader::from_reader(File::open(path)?);
    while let Some(row) = rows.read_byte_record().map_err(io::Error::other)? {
        let mut cells = row.iter().skip(1);
        let (Some(minutes), Some(airport)) = (cells.next(), cells.nth(1)) else {
            continue;
        };
        let (Ok(minutes), Ok(airport)) = (str::from_utf8(minutes), str::from_utf8(airport)) else {
            continue;
        };
        if let Ok(minutes) = minutes.parse() {
            count(&mut delays, airport, minutes);
        }
    }
    Ok(delays)
}

fn input() -> io::Result<(PathBuf, u64)> {
    if let Some(path) = env::var_os("FLIGHTS_CSV") {
        let path = PathBuf::from(path);
        let lines = BufReader::new(File::open(&path)?).split(b'\n').count();
        return Ok((path, (lines as u64).saturating_sub(1)));
    }
    let path = build_folder()?.join(format!("flights-{ROWS}.csv"));
    if !path.exists() {
        make(&path)?;
    }
    Ok((path, ROWS))
}

/// Repeats the shipped rows until there are enough.
fn make(path: &Path) -> io::Result<()> {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/flights-50k.csv");
    let text = fs::read_to_string(shipped)?;
    let (header, rows) = text.split_once('\n').unwrap_or_default();
    // Under another name until it is whole.
    let part = path.with_extension("part");
    let mut file = BufWriter::new(File::create(&part)?);
    writeln!(file, "{header}")?;
    for row in rows.lines().cycle().zip(0..ROWS).map(|(row, _)| row) {
        writeln!(file, "{row}")?;
    }
    file.into_inner()?.sync_all()?;
    fs::rename(part, path)
}

/// The folder that cargo builds in: the one with its mark, above this program.
fn build_folder() -> io::Result<PathBuf> {
    let program = env::current_exe()?;
    let marked = program
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").exists());
    Ok(marked.map_or_else(env::temp_dir, Path::to_path_buf))
}
