//! What happened, in order.

use core::fmt;
use std::collections::{BTreeMap, VecDeque};

use sweet_async_api::Moment;
use sweet_async_api::task::Name;

/// What happened in a simulation, in order: equal for equal seeds, line by line and byte by byte.
///
/// Its text has one event a line: the virtual time, what happened, and the number and name of the task that it happened to.
/// Tasks are numbered in the order in which they are spawned, from 1. Only the last events are kept
/// (see [`SimBuilder::log_limit`](crate::SimBuilder::log_limit)), but the [`fingerprint`](Self::fingerprint) covers all.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Log {
    lines: VecDeque<Line>,
    limit: usize,
    left_out: u64,
    print: Print,
    /// How many of the last lines its text has.
    shown: usize,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Line {
    at: Moment,
    event: Event,
}

/// What can happen.
#[derive(Clone, Debug, Eq, PartialEq)]
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
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
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
            shown: usize::MAX,
        }
    }

    pub(crate) fn add(&mut self, at: Moment, event: Event) {
        let line = Line { at, event };
        self.print.line(&line);
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

    /// The same, with a text of no more than the last `lines` events.
    #[must_use]
    pub fn last(mut self, lines: usize) -> Self {
        self.shown = lines;
        self
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.lines.iter().filter_map(|line| match &line.event {
            Event::Spawned(task, _, name) if !name.is_empty() => Some((*task, &**name)),
            _ => None,
        });
        let names: BTreeMap<u32, &str> = names.collect();
        let who = |task: &u32| Who(*task, names.get(task).copied());
        let by = |actor: &Actor| match actor {
            Actor::Task(task) => who(task).to_string(),
            Actor::Clock => "the clock".to_owned(),
            Actor::Outside => "another thread".to_owned(),
        };
        let skipped = self.lines.len().saturating_sub(self.shown);
        let left_out = self.left_out + skipped as u64;
        if left_out > 0 {
            writeln!(f, "{left_out} events left out")?;
        }
        for Line { at, event } in self.lines.iter().skip(skipped) {
            write!(f, "{:>12}  ", at.to_string())?;
            match event {
                Event::Spawned(task, actor, _) => writeln!(f, "spawned {} by {}", who(task), by(actor)),
                Event::Ran(task) => writeln!(f, "ran     {}", who(task)),
                Event::Woken(task, actor) => writeln!(f, "woken   {} by {}", who(task), by(actor)),
                Event::Ended(task) => writeln!(f, "ended   {}", who(task)),
                Event::Dropped(task) => writeln!(f, "dropped {}, as the simulation ended", who(task)),
                Event::Late(until) => writeln!(f, "fault   a timer is late, until {until}"),
                Event::Frozen(task) => writeln!(f, "fault   {} is never polled again", who(task)),
                Event::Struck(task) => writeln!(f, "fault   {} is to panic", who(task)),
                Event::Noted(actor, text) => writeln!(f, "noted   by {}: {text}", by(actor)),
            }?;
        }
        Ok(())
    }
}

/// A task's number, and its name if it has one.
struct Who<'a>(u32, Option<&'a str>);

impl fmt::Display for Who<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(0, _) => f.write_str("main"),
            Self(number, None) => write!(f, "{number}"),
            Self(number, Some(name)) => write!(f, "{number} {name:?}"),
        }
    }
}

/// A hash of no strength, but the same on every machine and in every build: FNV-1a (Fowler, Noll, Vo), by words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Print(u64);

impl Print {
    #[inline]
    const fn word(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word ^ 0xCBF2_9CE4_8422_2325).wrapping_mul(0x0000_0100_0000_01B3);
    }

    #[inline]
    fn line(&mut self, Line { at, event }: &Line) {
        let (kind, task, actor, text): (u64, u32, Actor, &str) = match event {
            Event::Spawned(task, by, name) => (0, *task, *by, name),
            Event::Ran(task) => (1, *task, Actor::Clock, ""),
            Event::Woken(task, by) => (2, *task, *by, ""),
            Event::Ended(task) => (3, *task, Actor::Clock, ""),
            Event::Dropped(task) => (4, *task, Actor::Clock, ""),
            Event::Late(until) => {
                self.word(until.as_nanos());
                (5, 0, Actor::Clock, "")
            }
            Event::Frozen(task) => (6, *task, Actor::Clock, ""),
            Event::Struck(task) => (7, *task, Actor::Clock, ""),
            Event::Noted(by, text) => (8, 0, *by, text),
        };
        let actor = match actor {
            Actor::Clock => 0,
            Actor::Outside => 1,
            Actor::Task(by) => 2 + u64::from(by),
        };
        self.word(at.as_nanos());
        self.word(kind << 32 | u64::from(task));
        self.word(actor);
        for byte in text.bytes() {
            self.word(u64::from(byte));
        }
    }
}
