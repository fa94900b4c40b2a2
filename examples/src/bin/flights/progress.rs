//! Tells how far the reading is: a bar on a terminal; elsewhere nothing, or lines if the user asked.

use std::fs::{File, Metadata};
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use sweet_async_tokio::emit::Stats;

use crate::arguments::Input;
use crate::text::thousands;

/// Where progress goes.
pub(crate) enum Progress {
    Bar(ProgressBar),
    Lines { told: Option<Instant> },
    Off,
}

impl Progress {
    /// How often there may be news.
    pub(crate) const EVERY: Duration = Duration::from_millis(100);

    pub(crate) fn new(input: &Input, asked: bool) -> Self {
        if io::stderr().is_terminal() {
            Self::Bar(bar(input))
        } else if asked {
            Self::Lines { told: None }
        } else {
            Self::Off
        }
    }

    /// Shows where the pipeline is.
    pub(crate) fn show(&mut self, stats: Stats) {
        let rows = stats.taken_in - stats.in_flight;
        match self {
            Self::Bar(bar) => {
                if bar.length().is_some_and(|length| length < rows) {
                    bar.set_length(rows);
                }
                bar.set_position(rows);
            }
            Self::Lines { told } => {
                let due = told.is_none_or(|told| told.elapsed() >= BETWEEN_LINES);
                if rows > 0 && due {
                    eprintln!("flights: {} rows so far", thousands(rows));
                    *told = Some(Instant::now());
                }
            }
            Self::Off => {}
        }
    }

    /// Makes room for the report.
    pub(crate) fn clear(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

const BETWEEN_LINES: Duration = Duration::from_secs(1);

fn bar(input: &Input) -> ProgressBar {
    let (bar, template) = match estimate(input) {
        Some(rows) => (
            ProgressBar::new(rows),
            "{wide_bar} {percent:>3}%  {human_pos} of about {human_len} rows, {eta} left",
        ),
        None => (ProgressBar::no_length(), "{spinner} {human_pos} rows, {per_sec}"),
    };
    // A template is checked when it is used; one that is wrong leaves the default style.
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("█▉▊▋▌▍▎▏ ")),
        Err(_) => bar,
    }
}

/// How many rows the input has, judged by its size and the length of the first rows of each file.
fn estimate(input: &Input) -> Option<u64> {
    let Input::Files(paths) = input else { return None };
    let rows = paths.iter().map(|path| estimate_file(path).ok().flatten());
    rows.sum()
}

fn estimate_file(path: &Path) -> io::Result<Option<u64>> {
    const SAMPLE: u64 = 64 << 10;
    let data = path.metadata()?;
    // What comes through a pipe can be read only once.
    if !data.is_file() {
        return Ok(None);
    }
    let (file, size) = (File::open(path)?, data.len());
    let mut sample = Vec::new();
    file.take(SAMPLE).read_to_end(&mut sample)?;
    let lines = sample.split(|byte| *byte == b'\n').count() as u64;
    Ok((lines * size).checked_div(sample.len() as u64))
}

/// The size of all files in bytes; `None` for what has none.
pub(crate) fn size(input: &Input) -> Option<u64> {
    let Input::Files(paths) = input else { return None };
    let size = |path: &PathBuf| {
        path.metadata()
            .ok()
            .filter(Metadata::is_file)
            .map(|data| data.len())
    };
    paths.iter().map(size).sum()
}
