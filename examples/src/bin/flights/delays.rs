//! What is collected: delays by airport and by hour. Each worker has its own, and they are merged once at the end.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use sweet_async_tokio::emit::{Collector, Merge};

use crate::flight::{Code, Date, Flight};
use crate::text::approximate;

/// A flight is late when it is more than this many minutes late.
pub(crate) const LATE: i32 = 15;

/// The delays of some flights.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Delays {
    pub(crate) flights: u64,
    pub(crate) late: u64,
    pub(crate) minutes: i64,
}

impl Delays {
    fn of(flight: &Flight) -> Self {
        Self {
            flights: 1,
            late: u64::from(flight.delay > LATE),
            minutes: flight.delay.into(),
        }
    }

    /// The mean delay in minutes; 0 of no flights.
    pub(crate) fn mean(&self) -> f64 {
        ratio(approximate(self.minutes), self.flights)
    }

    /// Which part of the flights was late, from 0 to 1.
    pub(crate) fn share_late(&self) -> f64 {
        ratio(approximate(self.late.cast_signed()), self.flights)
    }
}

fn ratio(sum: f64, count: u64) -> f64 {
    if count == 0 {
        0.0
    } else {
        sum / approximate(count.cast_signed())
    }
}

impl Merge for Delays {
    fn merge(&mut self, other: Self) {
        self.flights += other.flights;
        self.late += other.late;
        self.minutes += other.minutes;
    }
}

/// All that the report tells.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) airports: HashMap<Code, Delays, BuildHasherDefault<CodeHasher>>,
    pub(crate) hours: [Delays; 24],
    pub(crate) days: Option<(Date, Date)>,
}

impl Collector for Summary {
    type Item = Flight;

    #[inline]
    fn add(&mut self, flight: Flight) {
        let delays = Delays::of(&flight);
        self.airports.entry(flight.origin).or_default().merge(delays);
        if let Some(hour) = self.hours.get_mut(usize::from(flight.when.hour)) {
            hour.merge(delays);
        }
        self.span(flight.when.date, flight.when.date);
    }

    fn merge(&mut self, other: Self) {
        self.airports.add_all(other.airports);
        for (mine, theirs) in self.hours.iter_mut().zip(other.hours) {
            mine.merge(theirs);
        }
        if let Some((first, last)) = other.days {
            self.span(first, last);
        }
    }
}

impl Summary {
    fn span(&mut self, first: Date, last: Date) {
        self.days = Some(match self.days {
            Some((begin, end)) => (begin.min(first), end.max(last)),
            None => (first, last),
        });
    }

    /// All flights together.
    pub(crate) fn total(&self) -> Delays {
        let mut total = Delays::default();
        for delays in self.airports.values() {
            total.merge(*delays);
        }
        total
    }
}

/// Hashes an airport's code, which is one small number, by one multiplication. The standard hasher defends against keys
/// chosen by an adversary; there are too few codes for that to matter.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CodeHasher(u64);

impl Hasher for CodeHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        // Fibonacci hashing: 2^64 divided by the golden ratio. The map takes its bits from both ends.
        self.0 = (self.0 ^ u64::from(number))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(26);
    }
}
