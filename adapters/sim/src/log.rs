//! What happened, in order.

use core::fmt;
use core::hash::{Hash, Hasher};
use std::collections::VecDeque;

use sweet_async_api::Moment;
use sweet_async_api::task::Name;

/// What happened in a simulation, in order: equal for equal seeds, line by line and byte by byte.
///
/// Its text has one event a line: the virtual time, what happened, and the number of the task that it happened to. Tasks
/// are numbered in the order in which they are spawned, from 1; the main future is number 0. Only the last events are kept
/// (see [`SimBuilder::log_limit`](crate::SimBuilder::log_limit)), but the [`fingerprint`](Self::fingerprint) covers all.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Log {
    lines: VecDeque<Line>,
    limit: usize,
    left_out: u64,
    print: Print,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Line {
    at: Moment,
    event: Event,
}

/// What can happen.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Event {
    Spawned(u32, Actor, Name),
    Ran(u32),
    Woken(u32, Actor),
    Ended(u32),
    Dropped(u32),
    Late(Moment),
    Frozen(u32),
    Struck(u32),
    Noted(Actor, Name),
}

/// Who did it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Actor {
    Task(u32),
    Clock,
    /// Another thread than the simulation's: what it does comes when it comes.
    Outside,
}

impl Log {
    pub(crate) const fn new(limit: usize) -> Self {
        Self {
            lines: VecDeque::new(),
            limit,
            left_out: 0,
            print: Print(0),
        }
    }

    pub(crate) fn add(&mut self, at: Moment, event: Event) {
        let line = Line { at, event };
        line.hash(&mut self.print);
        if self.lines.len() >= self.limit {
            self.left_out += 1;
            if self.lines.pop_front().is_none() {
                return;
            }
        }
        self.lines.push_back(line);
    }

    /// A number that all events go into, those included that are no longer kept. Runs that differ have different ones, but
    /// for an accident.
    #[must_use]
    pub const fn fingerprint(&self) -> u64 {
        self.print.0
    }

    /// The same, with no more than the last `lines` events kept.
    #[must_use]
    pub fn last(mut self, lines: usize) -> Self {
        let surplus = self.lines.len().saturating_sub(lines);
        self.lines.drain(..surplus);
        self.left_out += surplus as u64;
        self
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.left_out > 0 {
            writeln!(f, "{} events left out", self.left_out)?;
        }
        for Line { at, event } in &self.lines {
            writeln!(f, "{:>12}  {event}", at.to_string())?;
        }
        Ok(())
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spawned(task, by, name) => write!(f, "spawned {task} {name:?} by {by}"),
            Self::Ran(task) => write!(f, "ran     {task}"),
            Self::Woken(task, by) => write!(f, "woken   {task} by {by}"),
            Self::Ended(task) => write!(f, "ended   {task}"),
            Self::Dropped(task) => write!(f, "dropped {task}, as the simulation ended"),
            Self::Late(until) => write!(f, "fault   a timer is late, until {until}"),
            Self::Frozen(task) => write!(f, "fault   {task} is never polled again"),
            Self::Struck(task) => write!(f, "fault   {task} panics"),
            Self::Noted(by, text) => write!(f, "noted   by {by}: {text}"),
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task(task) => write!(f, "{task}"),
            Self::Clock => f.write_str("the clock"),
            Self::Outside => f.write_str("another thread"),
        }
    }
}

/// A hash of no strength, but the same on every machine and in every build: the step of FNV-1a (Fowler, Noll, Vo), word by
/// word where there are words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Print(u64);

impl Hasher for Print {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(u64::from(word));
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word ^ 0xCBF2_9CE4_8422_2325).wrapping_mul(0x0000_0100_0000_01B3);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    // The discriminants of enums.
    fn write_isize(&mut self, word: isize) {
        self.write_u64(word.unsigned_abs() as u64);
    }
}
