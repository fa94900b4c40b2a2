//! How urgent a task is, compared with others that wait for the same worker.

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
