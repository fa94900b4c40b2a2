//! The report: what a person reads in the end.

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::time::Duration;

use console::style;
use sweet_async_tokio::emit::{ItemError, Stats};

use crate::delays::{Delays, LATE, Summary};
use crate::flight::{Airport, Code};
use crate::text::{approximate, bar, column, shorten, thousands};

/// What the report is made of.
pub(crate) struct Report {
    pub(crate) summary: Summary,
    pub(crate) airports: Vec<Airport>,
    pub(crate) stats: Stats,
    /// The bad rows that were kept.
    pub(crate) errors: Vec<ItemError>,
    pub(crate) partial: bool,
    pub(crate) took: Duration,
    /// Bytes read, if that is known.
    pub(crate) bytes: Option<u64>,
    pub(crate) workers: usize,
}

/// How the report is laid out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// Columns of the terminal.
    pub(crate) width: usize,
    /// Airports to list.
    pub(crate) top: usize,
    /// Bad rows to show.
    pub(crate) errors: usize,
}

impl Report {
    /// The report as text, with colours if standard output takes them.
    pub(crate) fn render(&self, layout: Layout) -> Result<String, fmt::Error> {
        let mut text = String::new();
        self.head(&mut text)?;
        if self.summary.total().flights > 0 {
            self.by_airport(&mut text, layout)?;
            self.by_hour(&mut text, layout)?;
        }
        self.bad_rows(&mut text, layout)?;
        self.foot(&mut text)?;
        Ok(text)
    }

    fn head(&self, text: &mut String) -> fmt::Result {
        if self.partial {
            let note = "PARTIAL: stopped before the end of the input; this is what was read until then.";
            writeln!(text, "{}\n", style(note).yellow().bold())?;
        }
        let total = self.summary.total();
        write!(text, "{} flights", style(thousands(total.flights)).bold())?;
        if let Some((first, last)) = self.summary.days {
            write!(
                text,
                " from {} airports, {first} to {last}",
                thousands(self.summary.airports.len() as u64)
            )?;
        }
        writeln!(text)?;
        if total.flights > 0 {
            let (share, mean) = (total.share_late() * 100.0, total.mean());
            writeln!(
                text,
                "{share:.1}% more than {LATE} minutes late, mean delay {mean:.1} minutes"
            )?;
        }
        writeln!(text)
    }

    fn by_airport(&self, text: &mut String, layout: Layout) -> fmt::Result {
        let least = self.few();
        let mut worst: Vec<(Code, Delays)> = self
            .summary
            .airports
            .iter()
            .filter(|(_, delays)| delays.flights >= least)
            .map(|(code, delays)| (*code, *delays))
            .collect();
        // By what is exact, and last by the code: the same input gives the same list.
        worst.sort_by(|(code, one), (other, two)| {
            two.share_late()
                .total_cmp(&one.share_late())
                .then(two.flights.cmp(&one.flights))
                .then(code.cmp(other))
        });
        let names: HashMap<Code, &Airport> = self
            .airports
            .iter()
            .map(|airport| (airport.iata, airport))
            .collect();
        let title = format!(
            "Worst origins by share of late flights (of those with at least {})",
            thousands(least)
        );
        writeln!(text, "{}\n", style(title).bold())?;

        let room = layout.width.saturating_sub(NUMBERS);
        let name_width = (room * 3 / 5).clamp(8, 38);
        let bar_width = room.saturating_sub(name_width).min(40);
        let head = format!(
            "{:<4} {:<name_width$} {:>9} {:>6} {:>6}",
            "", "airport", "flights", "mean", "late"
        );
        writeln!(text, "  {}", style(head).dim())?;
        let longest = worst.first().map_or(0.0, |(_, delays)| delays.share_late());
        for (code, delays) in worst.iter().take(layout.top) {
            let name = names.get(code).map_or_else(
                || "not in the list of airports".to_owned(),
                |airport| label(airport),
            );
            let name = shorten(&name, name_width);
            let (flights, mean, share) = (thousands(delays.flights), delays.mean(), delays.share_late());
            let bar = bar(share / longest, bar_width);
            writeln!(
                text,
                "  {code:<4} {name:<name_width$} {flights:>9} {mean:>6.1} {:>5.1}% {}",
                share * 100.0,
                style(bar).red()
            )?;
        }
        writeln!(text)
    }

    /// Columns for the hours of the day, as high as the share of late flights.
    fn by_hour(&self, text: &mut String, layout: Layout) -> fmt::Result {
        let least = self.few();
        let hours = &self.summary.hours;
        let enough = |delays: &&Delays| delays.flights >= least;
        let highest = hours
            .iter()
            .filter(enough)
            .map(Delays::share_late)
            .fold(0.0, f64::max);
        let stride = layout
            .width
            .saturating_sub(AXIS)
            .div_euclid(hours.len())
            .clamp(1, 3);
        let title = "Share of late flights by hour of the day";
        writeln!(text, "{}\n", style(title).bold())?;
        for row in (0..HEIGHT).rev() {
            let tick = match row {
                row if row + 1 == HEIGHT => format!("{:.0}%", highest * 100.0),
                0 => "0%".to_owned(),
                _ => String::new(),
            };
            let mut line = String::new();
            for delays in hours {
                let share = if enough(&delays) { delays.share_late() } else { 0.0 };
                let block = column(if highest > 0.0 { share / highest } else { 0.0 }, HEIGHT, row);
                line.extend(std::iter::repeat_n(block, stride.div_ceil(2)));
                line.extend(std::iter::repeat_n(' ', stride / 2));
            }
            writeln!(text, "  {tick:>4} │{}", style(line.trim_end()).red())?;
        }
        let mut axis = String::new();
        for hour in (0..hours.len()).step_by(3) {
            write!(axis, "{hour:<width$}", width = stride * 3)?;
        }
        writeln!(text, "  {:>4}  {}\n", "hour", style(axis.trim_end()).dim())
    }

    fn bad_rows(&self, text: &mut String, layout: Layout) -> fmt::Result {
        if self.stats.failed == 0 {
            return Ok(());
        }
        let mut errors: Vec<&ItemError> = self.errors.iter().collect();
        errors.sort_by_key(|error| match error {
            ItemError::Row(row) => (row.source_name.clone(), row.line),
            _ => ("".into(), 0),
        });
        let title = format!("Bad rows: {}", thousands(self.stats.failed));
        writeln!(text, "{}", style(title).yellow().bold())?;
        for error in errors.iter().take(layout.errors) {
            writeln!(text, "  {error}")?;
        }
        let shown = errors.len().min(layout.errors) as u64;
        if shown < self.stats.failed {
            writeln!(text, "  and {} more", thousands(self.stats.failed - shown))?;
        }
        writeln!(text)
    }

    fn foot(&self, text: &mut String) -> fmt::Result {
        let Stats {
            taken_in,
            out,
            dropped,
            failed,
            in_flight,
            ..
        } = self.stats;
        let [taken_in, out, dropped, failed, in_flight] =
            [taken_in, out, dropped, failed, in_flight].map(thousands);
        writeln!(
            text,
            "Rows: {taken_in} in = {out} out + {failed} failed + {dropped} dropped + {in_flight} in flight"
        )?;
        let seconds = self.took.as_secs_f64();
        let workers = match self.workers {
            1 => "one worker".to_owned(),
            workers => format!("{workers} workers"),
        };
        match self.bytes {
            Some(bytes) => {
                let megabytes = approximate(bytes.cast_signed()) / 1e6;
                writeln!(
                    text,
                    "{megabytes:.1} MB in {seconds:.3} s, {:.0} MB/s, {workers}",
                    megabytes / seconds
                )
            }
            None => writeln!(text, "{seconds:.3} s, {workers}"),
        }
    }

    /// So few flights say nothing about an airport or an hour.
    fn few(&self) -> u64 {
        (self.summary.total().flights / 500).clamp(1, 1_000)
    }
}

/// A name of an airport with its place, without saying the city twice.
fn label(airport: &Airport) -> String {
    let Airport {
        name, city, state, ..
    } = airport;
    if name.contains(city.as_str()) {
        format!("{name}, {state}")
    } else {
        format!("{name}, {city} {state}")
    }
}

/// What a line of the table takes beside name and bar.
const NUMBERS: usize = 2 + 4 + 1 + 1 + 9 + 1 + 6 + 1 + 6 + 1;

/// What a line of the plot takes beside the columns.
const AXIS: usize = 2 + 4 + 2;

/// Lines of the plot.
const HEIGHT: usize = 6;
