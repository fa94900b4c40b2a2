//! How many workers a load needs, without flapping.
//!
//! ```text
//!                 load > workers x full: Grow               cool-down over: observed
//!   [ Calm ] ---------------------------------> [ Cooling ] -------------------------.
//!    ^    |       load < workers x idle: Shrink    |     ^                           |
//!    |    `-- in between: Keep                     `-----'                           |
//!    |                                       any load: Keep                          |
//!    `-------------------------------------------------------------------------------'
//! ```
//!
//! | bits   | name      | meaning                                                                  |
//! |--------|-----------|--------------------------------------------------------------------------|
//! | 11..32 | `CHANGED` | the low 21 bits of the tick of the last change                           |
//! | 10     | `COOLING` | the cool-down of that change was not yet seen to be over                 |
//! | 0..10  | `WORKERS` | how many workers there should be                                         |
//!
//! - **W1** `WORKERS` stays within `min` and `max`.
//! - **W2** Each change is told to one caller: the workers at the beginning, plus what was grown, less what was shrunk,
//!   is `WORKERS`.
//! - **W3** Two changes lie at least the cool-down apart, by the ticks of those who were told.
//! - **W4** A steady load changes the number at most once. After a change to `n` workers nothing changes while the load
//!   stays within `n × idle` and `n × full`; and `idle` is at most half of `full`.
//!
//! After either change there are as many workers as the load fills: `load / full`, rounded up, within the bounds.
//!
//! An observation is one read, and one compare-and-swap if it changes the number or ends a cool-down. It is lock-free.
//! The models in `loom-tests/tests/scaler.rs` prove W1 to W3, the random test in `core/tests/model_scaler.rs` holds W4.
//! Nothing allocates (`core/tests/no_alloc.rs`).
//!
//! # Clocks
//! A tick up to a cool-down older than that of the last change is taken for what it is. The tick in the word comes
//! round after 2^21: a scaler that nobody observed from the end of a cool-down until then may take the first
//! observations for such, and keep the number for at most two cool-downs more.
//!
//! # Memory ordering
//! `Relaxed`: an answer is a number of workers and hands nothing over.

use core::cmp::Ordering::{Equal, Greater, Less};
use core::error::Error;
use core::fmt;
use core::num::NonZeroU32;

use crate::Tick;
use crate::sync::Ordering::Relaxed;
use crate::sync::{AtomicU32, const_fn};

/// Decides how many workers there should be.
///
/// # Examples
/// ```
/// use sweet_async_core::Tick;
/// use sweet_async_core::scaler::{Decision, Scale, ScaleError, Scaler};
///
/// // 1 to 8 workers; more above 10 tasks a worker, fewer below 4; a change in 100 ticks.
/// let scaler = Scaler::new(Scale::new(1, 8)?.load(4, 10)?.cool_down(100)?);
///
/// assert_eq!(scaler.observe(35, Tick::new(0)), Decision::Grow(3));
/// assert_eq!(scaler.observe(0, Tick::new(99)), Decision::Keep);
/// assert_eq!(scaler.observe(16, Tick::new(100)), Decision::Keep);
/// assert_eq!(scaler.observe(15, Tick::new(101)), Decision::Shrink(2));
/// assert_eq!(scaler.workers(), 2);
/// # Ok::<(), ScaleError>(())
/// ```
pub struct Scaler {
    word: AtomicU32,
    scale: Scale,
}

/// Between which bounds, at which load, and how often the number of workers changes.
///
/// # Examples
/// ```
/// use sweet_async_core::scaler::{Scale, ScaleError};
///
/// let scale = Scale::new(2, 16)?.load(3, 8)?.cool_down(5_000)?;
/// assert_eq!(scale.load(7, 8), Err(ScaleError::Load)); // would grow and shrink all the time
/// # Ok::<(), ScaleError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Scale {
    min: u32,
    max: u32,
    idle: u32,
    full: NonZeroU32,
    cool_down: u32,
}

/// What the caller of [`Scaler::observe`] does next.
#[must_use = "nobody else is told to start or stop these workers"]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "each outcome asks something else of the caller"
)]
pub enum Decision {
    /// Nothing.
    Keep,
    /// Start so many workers.
    Grow(u32),
    /// Stop so many workers.
    Shrink(u32),
}

/// Why a scale was not made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ScaleError {
    /// The most is zero or less than the least, or more than [`Scale::MAX`].
    Bounds,
    /// A worker is full at no load, or idle above half of what fills it: it would flap.
    Load,
    /// The cool-down is longer than [`Scale::MAX_COOL_DOWN`].
    CoolDown,
}

impl Scale {
    /// The most workers that a word counts.
    pub const MAX: u32 = WORKERS;

    /// The longest cool-down, in ticks: a quarter of what the word counts.
    pub const MAX_COOL_DOWN: u32 = TICKS / 4;

    /// `min` to `max` workers, one for each unit of load, without cool-down.
    ///
    /// # Errors
    /// [`ScaleError::Bounds`]
    pub const fn new(min: u32, max: u32) -> Result<Self, ScaleError> {
        if max == 0 || max < min || max > Self::MAX {
            return Err(ScaleError::Bounds);
        }
        Ok(Self {
            min,
            max,
            idle: 0,
            full: NonZeroU32::MIN,
            cool_down: 0,
        })
    }

    /// Fewer workers below a load of `idle` for each, more above one of `full`.
    ///
    /// # Errors
    /// [`ScaleError::Load`]
    pub const fn load(self, idle: u32, full: u32) -> Result<Self, ScaleError> {
        match NonZeroU32::new(full) {
            Some(full) if idle <= full.get() / 2 => Ok(Self { idle, full, ..self }),
            _ => Err(ScaleError::Load),
        }
    }

    /// No change for `ticks` after a change.
    ///
    /// # Errors
    /// [`ScaleError::CoolDown`]
    pub const fn cool_down(self, ticks: u32) -> Result<Self, ScaleError> {
        if ticks > Self::MAX_COOL_DOWN {
            return Err(ScaleError::CoolDown);
        }
        Ok(Self {
            cool_down: ticks,
            ..self
        })
    }

    /// How many workers there should be, where there are `workers`.
    const fn wanted(&self, workers: u32, load: u32) -> u32 {
        let crowded = load as u64 > workers as u64 * self.full.get() as u64;
        let lonely = (load as u64) < workers as u64 * self.idle as u64;
        if !crowded && !lonely {
            return workers;
        }
        let fills = load.div_ceil(self.full.get());
        if fills < self.min {
            self.min
        } else if fills > self.max {
            self.max
        } else {
            fills
        }
    }

    /// Whether a change at `changed` is too recent at `now`; a cool-down earlier than it counts as recent, too.
    const fn is_recent(&self, changed: u32, now: Tick) -> bool {
        let passed = now.count().wrapping_sub(changed).wrapping_add(self.cool_down) & TICKS;
        passed < 2 * self.cool_down
    }
}

impl Scaler {
    const_fn! {
        /// The least number of workers, free to change.
        #[must_use]
        pub fn new(scale: Scale) -> Self {
            Self { word: AtomicU32::new(scale.min), scale }
        }
    }

    /// Takes note of the load (what runs and what waits to run) and decides.
    pub fn observe(&self, load: u32, now: Tick) -> Decision {
        let mut word = self.read();
        loop {
            let (decision, next) = self.decide(word, load, now);
            if next == word {
                return decision;
            }
            // ORDERING: Relaxed, also on failure. That each change is told once, in bounds and apart from the one
            // before (W1, W2, W3) rests on the order of changes to this one word. Models: `scaler::told_once`,
            // `scaler::one_change_a_cool_down`, `scaler::ups_and_downs_add_up`.
            match self.word.compare_exchange_weak(word.0, next.0, Relaxed, Relaxed) {
                Ok(_) => return decision,
                Err(seen) => word = Word(seen),
            }
        }
    }

    /// How many workers there should be; may be out of date when it is read.
    #[must_use]
    pub fn workers(&self) -> u32 {
        self.read().workers()
    }

    /// The bounds and the rest of the settings.
    #[must_use]
    pub const fn scale(&self) -> &Scale {
        &self.scale
    }

    fn decide(&self, word: Word, load: u32, now: Tick) -> (Decision, Word) {
        if word.is_cooling() && self.scale.is_recent(word.changed(), now) {
            return (Decision::Keep, word);
        }
        let workers = word.workers();
        let wanted = self.scale.wanted(workers, load);
        match wanted.cmp(&workers) {
            Greater => (Decision::Grow(wanted - workers), Word::changed_at(wanted, now)),
            Less => (Decision::Shrink(workers - wanted), Word::changed_at(wanted, now)),
            Equal => (Decision::Keep, word.calm()),
        }
    }

    fn read(&self) -> Word {
        // ORDERING: Relaxed. A guess that the exchange verifies, or a decision that changes nothing, as of this moment
        // (W2). Model: `scaler::told_once`.
        Word(self.word.load(Relaxed))
    }
}

impl fmt::Debug for Scaler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.read();
        f.debug_struct("Scaler")
            .field("workers", &word.workers())
            .field("cooling", &word.is_cooling())
            .field("scale", &self.scale)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for ScaleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bounds => write!(
                f,
                "choose at least one worker at most, no fewer than at least, and up to {}",
                Scale::MAX
            ),
            Self::Load => {
                f.write_str("the number would flap; let a worker be idle below at most half of what fills it")
            }
            Self::CoolDown => write!(
                f,
                "the cool-down does not fit; choose up to {} ticks, or count in coarser ones",
                Scale::MAX_COOL_DOWN
            ),
        }
    }
}

impl Error for ScaleError {}

/// One decoded value of the atomic word.
#[derive(Clone, Copy, Eq, PartialEq)]
struct Word(u32);

impl Word {
    const fn changed_at(workers: u32, now: Tick) -> Self {
        Self((now.count() & TICKS) << SHIFT | COOLING | workers)
    }

    const fn workers(self) -> u32 {
        self.0 & WORKERS
    }

    const fn is_cooling(self) -> bool {
        self.0 & COOLING != 0
    }

    const fn changed(self) -> u32 {
        self.0 >> SHIFT
    }

    /// The same number, free to change.
    const fn calm(self) -> Self {
        Self(self.workers())
    }
}

const WORKERS: u32 = COOLING - 1;
const COOLING: u32 = 1 << (SHIFT - 1);
const TICKS: u32 = u32::MAX >> SHIFT;
const SHIFT: u32 = 11;

#[cfg(test)]
mod tests;
