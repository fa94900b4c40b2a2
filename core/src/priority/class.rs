//! How urgent a task is, compared with others that wait for the same worker; and sets of such classes.

use core::fmt;

/// The class of a task. More urgent classes compare as greater.
///
/// # Examples
/// ```
/// use sweet_async_core::Priority;
/// assert!(Priority::Critical > Priority::Background);
/// assert_eq!(Priority::default(), Priority::Normal);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(
    clippy::exhaustive_enums,
    reason = "five classes are the contract that queues are sized for"
)]
#[repr(u8)]
pub enum Priority {
    /// When nothing else waits.
    Background = 0,
    /// Can wait.
    Low = 1,
    /// The rest.
    #[default]
    Normal = 2,
    /// Somebody is waiting.
    High = 3,
    /// Before everything else.
    Critical = 4,
}

impl Priority {
    /// All classes, most urgent first.
    pub const ALL: [Self; 5] = [
        Self::Critical,
        Self::High,
        Self::Normal,
        Self::Low,
        Self::Background,
    ];
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Background => "background",
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Critical => "critical",
        })
    }
}

/// A set of classes, such as those in which something waits.
///
/// # Examples
/// ```
/// use sweet_async_core::priority::{Classes, Priority};
///
/// const URGENT: Classes = Classes::NONE.with(Priority::Critical).with(Priority::High);
///
/// assert!(URGENT.contains(Priority::High) && !URGENT.contains(Priority::Low));
/// assert_eq!(URGENT.iter().next(), Some(Priority::Critical));
/// assert_eq!(Classes::ALL.iter().collect::<Classes>(), Classes::ALL);
/// ```
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
pub struct Classes(u8);

impl Classes {
    /// No class.
    pub const NONE: Self = Self(0);

    /// Every class.
    pub const ALL: Self = Self(0b1_1111);

    /// The set and `class`.
    #[must_use]
    pub const fn with(self, class: Priority) -> Self {
        Self(self.0 | 1 << class as u8)
    }

    /// The set without `class`.
    #[must_use]
    pub const fn without(self, class: Priority) -> Self {
        Self(self.0 & !(1 << class as u8))
    }

    /// Whether `class` is in the set.
    #[must_use]
    pub const fn contains(self, class: Priority) -> bool {
        self.0 & 1 << class as u8 != 0
    }

    /// Whether no class is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The classes of the set, most urgent first.
    pub fn iter(self) -> impl Iterator<Item = Priority> {
        Priority::ALL
            .into_iter()
            .filter(move |class| self.contains(*class))
    }
}

impl FromIterator<Priority> for Classes {
    fn from_iter<I: IntoIterator<Item = Priority>>(classes: I) -> Self {
        classes.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Debug for Classes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
