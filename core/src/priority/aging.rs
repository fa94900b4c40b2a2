//! Which class runs next.

use core::error::Error;
use core::fmt;

use crate::priority::{Classes, Priority};
use crate::sync::Ordering::Relaxed;
use crate::sync::{AtomicU32, const_fn};

/// Chooses the most urgent class that waits, but passes none over for longer than its patience and four times more.
///
/// # Examples
/// ```
/// use sweet_async_core::priority::{Aging, Classes, Patience, Priority};
///
/// static NEXT: Aging = Aging::new(Patience::of::<2>());
///
/// let waiting = Classes::NONE.with(Priority::High).with(Priority::Low);
/// assert_eq!(NEXT.next(waiting), Some(Priority::High));
/// assert_eq!(NEXT.next(waiting), Some(Priority::High));
/// assert_eq!(NEXT.next(waiting), Some(Priority::Low));
/// assert_eq!(NEXT.next(waiting), Some(Priority::High));
/// assert_eq!(NEXT.next(Classes::NONE), None);
/// ```
pub struct Aging {
    pub(super) word: AtomicU32,
    patience: Patience,
}

/// How often each class is passed over before it is due: 1 to [`Patience::MAX`] times.
///
/// # Examples
/// ```
/// use sweet_async_core::priority::{Patience, PatienceError, Priority};
///
/// let patience = Patience::new(20)?.with(Priority::Background, 50)?;
/// assert_eq!(patience.times(Priority::Background), 50);
/// assert!(Patience::new(60).is_err());
/// # Ok::<(), PatienceError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Patience {
    /// By class, the least urgent first.
    of: [u8; 5],
}

/// The patience is zero or above [`Patience::MAX`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PatienceError {
    /// What was asked for.
    pub times: u32,
}

impl Patience {
    /// The most: what leaves room in six bits for the four times of P3.
    pub const MAX: u32 = AGE - 4;

    /// `times` for each class.
    ///
    /// # Errors
    /// [`PatienceError`] for zero and for more than [`Patience::MAX`].
    pub const fn new(times: u32) -> Result<Self, PatienceError> {
        match checked(times) {
            Ok(times) => Ok(Self { of: [times; 5] }),
            Err(error) => Err(error),
        }
    }

    /// The same, of a number known to the compiler; one that [`Patience::new`] refuses does not compile.
    #[must_use]
    pub const fn of<const TIMES: u32>() -> Self {
        const {
            match Self::new(TIMES) {
                Ok(patience) => patience,
                Err(_) => panic!("a patience is 1 to 59 times"),
            }
        }
    }

    /// `times` for `class`, the others as they are.
    ///
    /// # Errors
    /// As [`Patience::new`].
    pub const fn with(self, class: Priority, times: u32) -> Result<Self, PatienceError> {
        let times = match checked(times) {
            Ok(times) => times,
            Err(error) => return Err(error),
        };
        let [mut background, mut low, mut normal, mut high, mut critical] = self.of;
        match class {
            Priority::Background => background = times,
            Priority::Low => low = times,
            Priority::Normal => normal = times,
            Priority::High => high = times,
            Priority::Critical => critical = times,
        }
        Ok(Self {
            of: [background, low, normal, high, critical],
        })
    }

    /// How often `class` is passed over before it is due.
    #[must_use]
    pub const fn times(&self, class: Priority) -> u32 {
        let [background, low, normal, high, critical] = self.of;
        (match class {
            Priority::Background => background,
            Priority::Low => low,
            Priority::Normal => normal,
            Priority::High => high,
            Priority::Critical => critical,
        }) as u32
    }
}

impl Aging {
    const_fn! {
        /// No class has been passed over.
        #[must_use]
        pub fn new(patience: Patience) -> Self {
            Self { word: AtomicU32::new(0), patience }
        }
    }

    /// Decides which of the classes that wait runs next, and counts that the others were passed over.
    ///
    /// `None` if none waits. Ask once for each task that is run: every answer counts as one (P4).
    #[must_use = "the classes that were not chosen have aged by this"]
    pub fn next(&self, waiting: Classes) -> Option<Priority> {
        let mut word = self.read();
        loop {
            let chosen = self.choose(word, waiting);
            let next = word.after(chosen, waiting);
            if next == word {
                return chosen;
            }
            // ORDERING: Relaxed, also on failure. That each decision counts (P3, P4) rests on the order of changes to
            // this one word, which every ordering keeps; a class is named and nothing handed over. Models:
            // `priority::each_decision_counts`, `priority::due_together`, `priority::absent_starts_again`.
            match self.word.compare_exchange_weak(word.0, next.0, Relaxed, Relaxed) {
                Ok(_) => return chosen,
                Err(seen) => word = Word(seen),
            }
        }
    }

    /// How often in a row `class` waited and was passed over; may be out of date when it is read.
    #[must_use]
    pub fn age(&self, class: Priority) -> u32 {
        self.read().age(class)
    }

    /// How often each class is passed over before it is due.
    #[must_use]
    pub const fn patience(&self) -> &Patience {
        &self.patience
    }

    /// The one that is due for longest, else the most urgent (P2, P3).
    fn choose(&self, word: Word, waiting: Classes) -> Option<Priority> {
        let mut chosen = None;
        for class in waiting.iter() {
            // Zero while it is not due.
            let due = (word.age(class) + 1).saturating_sub(self.patience.times(class));
            if chosen.is_none_or(|(_, longest)| due > longest) {
                chosen = Some((class, due));
            }
        }
        chosen.map(|(class, _)| class)
    }

    fn read(&self) -> Word {
        // ORDERING: Relaxed. A guess that the exchange verifies, or a decision that changes nothing (P4). Model:
        // `priority::each_decision_counts`.
        Word(self.word.load(Relaxed))
    }
}

impl fmt::Debug for Aging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.read();
        let mut shown = f.debug_struct("Aging");
        for (class, name) in
            Priority::ALL
                .into_iter()
                .zip(["critical", "high", "normal", "low", "background"])
        {
            shown.field(name, &word.age(class));
        }
        shown.field("patience", &self.patience).finish_non_exhaustive()
    }
}

impl fmt::Display for PatienceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a patience of {} times cannot be counted; choose one of 1 to {}",
            self.times,
            Patience::MAX
        )
    }
}

impl Error for PatienceError {}

/// One decoded value of the atomic word.
#[derive(Clone, Copy, Eq, PartialEq)]
struct Word(u32);

impl Word {
    const fn age(self, class: Priority) -> u32 {
        self.0 >> shift(class) & AGE
    }

    /// Everybody who waits has aged by one, except who was chosen; nobody else has an age (P5).
    fn after(self, chosen: Option<Priority>, waiting: Classes) -> Self {
        let passed_over = waiting.iter().filter(|class| Some(*class) != chosen);
        Self(passed_over.fold(0, |word, class| {
            // P3 keeps an age below its limit.
            word | (self.age(class) + 1).min(AGE) << shift(class)
        }))
    }
}

/// The limit of an age, and its mask.
const AGE: u32 = (1 << WIDTH) - 1;

/// How many bits an age has.
const WIDTH: u32 = 6;

const fn shift(class: Priority) -> u32 {
    class as u32 * WIDTH
}

const fn checked(times: u32) -> Result<u8, PatienceError> {
    if times == 0 || times > Patience::MAX {
        return Err(PatienceError { times });
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most 59")]
    Ok(times as u8)
}
