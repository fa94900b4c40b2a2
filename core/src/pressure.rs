//! When a queue is filling up, and what happens to an item that does not fit.
//!
//! ```text
//!              rise: level reaches HIGH, Crossing::High
//!            .------------------------------------------.
//!            |                                          v
//!   new --> [ Low ]                                  [ High ]
//!            ^                                          |
//!            `------------------------------------------'
//!               fall: level sinks to LOW, Crossing::Low
//! ```
//!
//! | bits  | name    | meaning                                                              |
//! |-------|---------|----------------------------------------------------------------------|
//! | 31    | `HIGH`  | the high mark was reached, and the low one not since                 |
//! | 0..31 | `LEVEL` | how much there is: items, bytes, whatever the caller counts          |
//!
//! - **P1** Each crossing is reported once, to the caller whose change crossed; reports alternate, high first.
//! - **P2** Between the marks nothing is reported: a level that trembles there, or about one mark, is silent.
//! - **P3** `LEVEL` is the sum of what rose less the sum of what fell; it saturates at [`Pressure::MAX`] and refuses to
//!   fall below zero.
//! - **P4** Who is told of a crossing sees what those whose changes led to it did before them.
//! - **P5** [`Drops`] counts every item once, and stops at the end instead of wrapping.
//!
//! A change is one load and one compare-and-swap when nobody interferes, and is lock-free: it retries only when another
//! one took effect in between. Levels and state share the word, so that a crossing cannot be missed or told twice. The
//! models in `loom-tests/tests/pressure.rs` prove P1 and P3 to P5. Nothing allocates (`core/tests/no_alloc.rs`).
//!
//! # Overflow
//! [`Overflow`] decides what happens to an item for which there is no room; it holds nothing and touches no queue. The
//! owner of the queue does what the [`Action`] says, hands back what it drops, and counts that in [`Drops`].
//!
//! | policy                       | the queue has room | the queue is full                                        |
//! |------------------------------|--------------------|----------------------------------------------------------|
//! | [`Overflow::Block`]          | [`Action::Push`]   | [`Action::Wait`]: the producer waits for room            |
//! | [`Overflow::Reject`]         | [`Action::Push`]   | [`Action::Refuse`]: the item goes back as an error       |
//! | [`Overflow::DropNewest`]     | [`Action::Push`]   | [`Action::DropNew`]: the item goes back as dropped       |
//! | [`Overflow::DropOldest`]     | [`Action::Push`]   | [`Action::EvictOldest`]: the oldest goes, the item enters |
//! | [`Overflow::KeepLatest`]     | [`Action::EvictAll`]: all that waits goes, the item enters    | the same     |

use core::error::Error;
use core::fmt;

use crate::sync::Ordering::{AcqRel, Acquire, Relaxed};
use crate::sync::{AtomicU32, const_fn};

/// Reports when a level reaches a high mark, and when it has sunk to a low one again.
///
/// # Examples
/// ```
/// use sweet_async_core::pressure::{Crossing, Marks, Pressure};
///
/// static EDGE: Pressure = Pressure::new(Marks::of::<2, 8>());
///
/// assert_eq!(EDGE.rise(7), Crossing::None);
/// assert_eq!(EDGE.rise(1), Crossing::High);
/// assert_eq!(EDGE.rise(5), Crossing::None);
/// assert_eq!(EDGE.fall(10), Ok(Crossing::None));
/// assert_eq!(EDGE.fall(1), Ok(Crossing::Low));
/// ```
pub struct Pressure {
    word: AtomicU32,
    marks: Marks,
}

/// The marks of a [`Pressure`]; the low one lies below the high one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Marks {
    low: u32,
    high: u32,
}

/// What a change of the level crossed.
#[must_use = "a crossing is reported once; who drops the report leaves producers running, or stopped"]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "there are two marks")]
pub enum Crossing {
    /// No mark that was due; nothing to do.
    None,
    /// The high mark: slow the producers down.
    High,
    /// The low mark, after the high one: let them run.
    Low,
}

/// What happens to an item for which a queue has no room.
///
/// # Examples
/// ```
/// use sweet_async_core::pressure::{Action, Dropped, Drops, Overflow};
///
/// /// Puts an item into a queue of two.
/// fn put(queue: &mut Vec<u32>, item: u32, overflow: Overflow, drops: &Drops) {
///     match overflow.decide(queue.len() == 2) {
///         Action::Push => queue.push(item),
///         Action::EvictOldest => {
///             queue.remove(0);
///             queue.push(item);
///             drops.add(Dropped::Oldest, 1);
///         }
///         _ => {} // what the other policies ask for
///     }
/// }
///
/// let (mut queue, drops) = (Vec::new(), Drops::new());
/// for item in 0..5 {
///     put(&mut queue, item, Overflow::DropOldest, &drops);
/// }
/// assert_eq!((queue, drops.total()), (vec![3, 4], 3));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "who owns a queue answers each of them")]
pub enum Overflow {
    /// Its producer waits: nothing is lost, and the pressure goes on upstream.
    #[default]
    Block,
    /// Its producer gets it back as an error.
    Reject,
    /// It is dropped; what waits stays.
    DropNewest,
    /// The item that has waited longest is dropped for it.
    DropOldest,
    /// Whatever waits is dropped for it, also while there is room: the queue holds one item, the latest.
    KeepLatest,
}

/// What the owner of a queue does with an item.
#[must_use = "the item is neither in the queue nor handed back until the owner acts"]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "each action asks something else of the owner"
)]
pub enum Action {
    /// Put it in.
    Push,
    /// Keep it, wait for room and decide again.
    Wait,
    /// Hand it back as an error, counted as [`Dropped::Rejected`].
    Refuse,
    /// Hand it back as dropped, counted as [`Dropped::Newest`].
    DropNew,
    /// Take the oldest out, hand that back, counted as [`Dropped::Oldest`], and put the item in.
    EvictOldest,
    /// Take all out, hand them back, each counted as [`Dropped::Superseded`], and put the item in.
    EvictAll,
}

/// Why an item did not go through its queue.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "one for each policy that drops")]
pub enum Dropped {
    /// There was no room, and its producer got it back as an error.
    Rejected,
    /// There was no room for it.
    Newest,
    /// It had waited longest when room was needed.
    Oldest,
    /// A later one came.
    Superseded,
}

/// Counts dropped items by reason; each count stops at `u32::MAX` instead of wrapping.
///
/// # Examples
/// ```
/// use sweet_async_core::pressure::{Action, Dropped, Drops, Overflow};
///
/// static DROPS: Drops = Drops::new();
///
/// assert_eq!(Overflow::DropOldest.decide(true), Action::EvictOldest);
/// DROPS.add(Dropped::Oldest, 1);
/// assert_eq!((DROPS.count(Dropped::Oldest), DROPS.total()), (1, 1));
/// ```
pub struct Drops {
    rejected: AtomicU32,
    newest: AtomicU32,
    oldest: AtomicU32,
    superseded: AtomicU32,
}

/// A fall below zero; nothing changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct BelowZero {
    /// The level that there is.
    pub level: u32,
}

/// Why marks were not made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum MarksError {
    /// The low mark is not below the high one.
    OutOfOrder,
    /// The high mark is above [`Pressure::MAX`].
    TooHigh,
}

impl Marks {
    /// A low and a high mark.
    ///
    /// # Errors
    /// [`MarksError`], by what is wrong.
    pub const fn new(low: u32, high: u32) -> Result<Self, MarksError> {
        if low >= high {
            return Err(MarksError::OutOfOrder);
        }
        if high > Pressure::MAX {
            return Err(MarksError::TooHigh);
        }
        Ok(Self { low, high })
    }

    /// The same, of numbers known to the compiler; marks that [`Marks::new`] refuses do not compile.
    #[must_use]
    pub const fn of<const LOW: u32, const HIGH: u32>() -> Self {
        const {
            match Self::new(LOW, HIGH) {
                Ok(marks) => marks,
                Err(_) => panic!("marks are low < high <= Pressure::MAX"),
            }
        }
    }

    /// At or below which the level is low again.
    #[must_use]
    pub const fn low(&self) -> u32 {
        self.low
    }

    /// At or above which the level is high.
    #[must_use]
    pub const fn high(&self) -> u32 {
        self.high
    }
}

impl Pressure {
    /// The highest level that one word counts.
    pub const MAX: u32 = Word::LEVEL;

    const_fn! {
        /// A level of zero, low.
        #[must_use]
        pub fn new(marks: Marks) -> Self {
            Self { word: AtomicU32::new(0), marks }
        }
    }

    /// Raises the level; it stops at [`Pressure::MAX`].
    #[inline]
    pub fn rise(&self, by: u32) -> Crossing {
        self.transition(|word| {
            let level = word.level().saturating_add(by);
            Ok(if level < Self::MAX { level } else { Self::MAX })
        })
        .unwrap_or(Crossing::None)
    }

    /// Lowers the level.
    ///
    /// # Errors
    /// [`BelowZero`] if it is lower than that. Nothing changes.
    #[inline]
    pub fn fall(&self, by: u32) -> Result<Crossing, BelowZero> {
        self.transition(|word| {
            let level = word.level();
            level.checked_sub(by).ok_or(BelowZero { level })
        })
    }

    /// Sets a level that is measured rather than counted; above [`Pressure::MAX`] it counts as that.
    pub fn set(&self, level: u32) -> Crossing {
        self.transition(|_| Ok(if level < Self::MAX { level } else { Self::MAX }))
            .unwrap_or(Crossing::None)
    }

    /// The level.
    #[must_use]
    pub fn level(&self) -> u32 {
        self.read().level()
    }

    /// Whether the high mark was reached, and the low one not since.
    #[must_use]
    pub fn is_high(&self) -> bool {
        self.read().is_high()
    }

    /// The marks.
    #[must_use]
    pub const fn marks(&self) -> Marks {
        self.marks
    }

    fn read(&self) -> Word {
        // ORDERING: Acquire. Who finds the level low again by asking sees what those who lowered it did before (P4).
        // Model: `pressure::asker_sees_what_lowered_it`.
        Word(self.word.load(Acquire))
    }

    /// Moves the level to where `decide` says, and answers what that crossed.
    #[inline]
    fn transition(&self, decide: impl Fn(Word) -> Result<u32, BelowZero>) -> Result<Crossing, BelowZero> {
        let mut current = self.read();
        loop {
            let (next, crossing) = current.at(decide(current)?, self.marks);
            // ORDERING: AcqRel; Relaxed on failure, which only guesses again. Release hands what this caller did to who
            // is told of the crossing, Acquire lets that one see it (P4). Model: `pressure::told_sees_what_led_there`.
            match self
                .word
                .compare_exchange_weak(current.0, next.0, AcqRel, Relaxed)
            {
                Ok(_) => return Ok(crossing),
                Err(seen) => current = Word(seen),
            }
        }
    }
}

impl Overflow {
    /// What to do with an item, by whether the queue is full.
    #[inline]
    pub const fn decide(self, full: bool) -> Action {
        match (self, full) {
            (Self::KeepLatest, _) => Action::EvictAll,
            (_, false) => Action::Push,
            (Self::Block, true) => Action::Wait,
            (Self::Reject, true) => Action::Refuse,
            (Self::DropNewest, true) => Action::DropNew,
            (Self::DropOldest, true) => Action::EvictOldest,
        }
    }

    /// Whether an item that a queue took may be dropped from it later.
    #[must_use]
    pub const fn evicts(self) -> bool {
        matches!(self, Self::DropOldest | Self::KeepLatest)
    }
}

impl Drops {
    const_fn! {
        /// Nothing was dropped.
        #[must_use]
        pub fn new() -> Self {
            Self {
                rejected: AtomicU32::new(0),
                newest: AtomicU32::new(0),
                oldest: AtomicU32::new(0),
                superseded: AtomicU32::new(0),
            }
        }
    }

    /// Counts `items` that were dropped for that reason.
    pub fn add(&self, why: Dropped, items: u32) {
        let count = self.of(why);
        // ORDERING: Relaxed. A guess that the exchange below confirms. Model: `pressure::every_drop_counts`.
        let mut current = count.load(Relaxed);
        loop {
            let next = current.saturating_add(items);
            // ORDERING: Relaxed, also on failure. A count: nobody reads anything else because of it. Model:
            // `pressure::every_drop_counts`.
            match count.compare_exchange_weak(current, next, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(seen) => current = seen,
            }
        }
    }

    /// How many items were dropped for that reason.
    #[must_use]
    pub fn count(&self, why: Dropped) -> u32 {
        // ORDERING: Relaxed. A count: nobody reads anything else because of it. Model: `pressure::every_drop_counts`.
        self.of(why).load(Relaxed)
    }

    /// How many items were dropped, for any reason; what is dropped meanwhile may or may not be among them.
    #[must_use]
    pub fn total(&self) -> u32 {
        Dropped::ALL
            .into_iter()
            .fold(0, |sum: u32, why| sum.saturating_add(self.count(why)))
    }

    const fn of(&self, why: Dropped) -> &AtomicU32 {
        match why {
            Dropped::Rejected => &self.rejected,
            Dropped::Newest => &self.newest,
            Dropped::Oldest => &self.oldest,
            Dropped::Superseded => &self.superseded,
        }
    }
}

impl Dropped {
    /// All reasons.
    pub const ALL: [Self; 4] = [Self::Rejected, Self::Newest, Self::Oldest, Self::Superseded];
}

impl Default for Drops {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Pressure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.read();
        f.debug_struct("Pressure")
            .field("level", &word.level())
            .field("high", &word.is_high())
            .field("marks", &self.marks())
            .finish()
    }
}

impl fmt::Debug for Drops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drops")
            .field("rejected", &self.count(Dropped::Rejected))
            .field("newest", &self.count(Dropped::Newest))
            .field("oldest", &self.count(Dropped::Oldest))
            .field("superseded", &self.count(Dropped::Superseded))
            .finish()
    }
}

impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Block => "block",
            Self::Reject => "reject",
            Self::DropNewest => "drop newest",
            Self::DropOldest => "drop oldest",
            Self::KeepLatest => "keep latest",
        })
    }
}

impl fmt::Display for BelowZero {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the level is only {}; lower it by what it was raised by, once",
            self.level
        )
    }
}

impl Error for BelowZero {}

impl fmt::Display for MarksError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfOrder => {
                f.write_str("the low mark is not below the high one; leave room between them")
            }
            Self::TooHigh => write!(
                f,
                "one word counts up to {}; count in larger units",
                Pressure::MAX
            ),
        }
    }
}

impl Error for MarksError {}

/// One decoded value of the atomic word; its methods are the transitions, free of any atomic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Word(u32);

impl Word {
    /// The high mark was reached, and the low one not since.
    const HIGH: u32 = 1 << 31;
    /// How much there is.
    const LEVEL: u32 = Self::HIGH - 1;

    const fn level(self) -> u32 {
        self.0 & Self::LEVEL
    }

    const fn is_high(self) -> bool {
        self.0 & Self::HIGH != 0
    }

    /// The word at another level, at most `LEVEL`, and what the way there crossed.
    const fn at(self, level: u32, marks: Marks) -> (Self, Crossing) {
        if !self.is_high() && level >= marks.high {
            (Self(level | Self::HIGH), Crossing::High)
        } else if self.is_high() && level <= marks.low {
            (Self(level), Crossing::Low)
        } else {
            (Self(self.0 & Self::HIGH | level), Crossing::None)
        }
    }
}

#[cfg(test)]
mod tests;
