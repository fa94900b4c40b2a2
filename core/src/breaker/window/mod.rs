//! What a breaker remembers of past calls, one file for each way of looking back.

mod calls;
mod time;

use crate::Tick;
use crate::sync::AtomicU32;

use super::outcome::{Counts, Outcome};
use super::settings::Settings;
use super::snapshot::SnapshotError;

pub use calls::LastCalls;
pub use time::LastTime;

/// How a breaker looks back: [`Consecutive`], [`LastCalls`], [`LastTime`] or [`AnyWindow`]. Sealed.
pub trait Window: counting::Counting {}

/// Counts failures in a row; a success starts over. It takes no memory: the count lies in the gate itself.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Consecutive;

/// One of the windows, chosen when the program runs; large enough for a thousand calls.
///
/// # Examples
/// ```
/// use sweet_async_core::breaker::{AnyWindow, CircuitBreaker, Consecutive, LastCalls, LastTime};
///
/// let configured = "calls";
/// let breaker = CircuitBreaker::new(match configured {
///     "calls" => AnyWindow::Calls(LastCalls::new()),
///     "time" => AnyWindow::Time(LastTime::new()),
///     _ => AnyWindow::Consecutive(Consecutive::new()),
/// });
/// # let _ = breaker;
/// ```
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the three ways of looking back are the contract"
)]
pub enum AnyWindow {
    /// See [`Consecutive`].
    Consecutive(Consecutive),
    /// See [`LastCalls`]; looks back 1,033 calls at most.
    Calls(LastCalls<44, 44>),
    /// See [`LastTime`].
    Time(LastTime<16, 16>),
}

impl Consecutive {
    /// No failure yet.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Window for Consecutive {}
impl<const W: usize, const S: usize> Window for LastCalls<W, S> {}
impl<const B: usize, const S: usize> Window for LastTime<B, S> {}
impl Window for AnyWindow {}

/// One result on its way into a window.
#[derive(Clone, Copy, Debug)]
#[expect(unnameable_types, reason = "part of the seal of `Window`")]
pub struct Entry {
    pub(super) generation: u32,
    pub(super) outcome: Outcome,
}

impl Entry {
    const fn failed(self) -> bool {
        self.outcome.is_failure()
    }

    const fn slow(self) -> bool {
        self.outcome.is_slow()
    }
}

/// What a window says to a result.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(unnameable_types, reason = "part of the seal of `Window`")]
pub enum Noted {
    /// Counted; no reason to open.
    Within,
    /// Counted, and a threshold is reached.
    Over,
    /// Of a generation that is over.
    Late,
}

/// Seals [`Window`], and is how the machine talks to one.
pub(super) mod counting {
    use super::{Counts, Entry, Noted, Settings, SnapshotError, Tick};

    #[expect(unnameable_types, reason = "the seal of `Window`")]
    pub trait Counting: Sized {
        /// Whether the gate counts, and the other operations are idle.
        #[inline]
        fn in_gate(&self) -> bool {
            false
        }

        /// Counts a result of a generation, at the time of `clock`, which is asked only by a window over time. A window
        /// of another generation is taken over if `is_current` says, after the window was looked at, that the
        /// result's generation is the one that counts.
        fn note(
            &self,
            entry: Entry,
            settings: &Settings,
            clock: impl FnOnce() -> Tick,
            is_current: impl Fn() -> bool,
        ) -> Noted;

        /// Empties the window if what it holds could be mistaken for calls of this generation, whose calls have not
        /// begun.
        fn forget(&self, generation: u32);

        /// What the window holds of a generation.
        fn counts(&self, generation: u32, settings: &Settings, now: Tick) -> Counts;

        /// Hands each word that outlives a restart to `put`.
        fn export(&self, put: &mut dyn FnMut(u32));

        /// The window of the same kind as `self` that `export` described.
        fn import(&mut self, next: &mut dyn FnMut() -> Option<u32>) -> Result<(), SnapshotError>;
    }
}

impl counting::Counting for Consecutive {
    #[inline]
    fn in_gate(&self) -> bool {
        true
    }

    fn note(&self, _: Entry, _: &Settings, _: impl FnOnce() -> Tick, _: impl Fn() -> bool) -> Noted {
        Noted::Within
    }

    fn forget(&self, _: u32) {}

    fn counts(&self, _: u32, _: &Settings, _: Tick) -> Counts {
        Counts::default()
    }

    fn export(&self, _: &mut dyn FnMut(u32)) {}

    fn import(&mut self, _: &mut dyn FnMut() -> Option<u32>) -> Result<(), SnapshotError> {
        Ok(())
    }
}

impl counting::Counting for AnyWindow {
    #[inline]
    fn in_gate(&self) -> bool {
        matches!(self, Self::Consecutive(_))
    }

    #[inline]
    fn note(
        &self,
        entry: Entry,
        settings: &Settings,
        clock: impl FnOnce() -> Tick,
        is_current: impl Fn() -> bool,
    ) -> Noted {
        match self {
            Self::Consecutive(window) => window.note(entry, settings, clock, is_current),
            Self::Calls(window) => window.note(entry, settings, clock, is_current),
            Self::Time(window) => window.note(entry, settings, clock, is_current),
        }
    }

    fn forget(&self, generation: u32) {
        match self {
            Self::Consecutive(window) => window.forget(generation),
            Self::Calls(window) => window.forget(generation),
            Self::Time(window) => window.forget(generation),
        }
    }

    fn counts(&self, generation: u32, settings: &Settings, now: Tick) -> Counts {
        match self {
            Self::Consecutive(window) => window.counts(generation, settings, now),
            Self::Calls(window) => window.counts(generation, settings, now),
            Self::Time(window) => window.counts(generation, settings, now),
        }
    }

    fn export(&self, put: &mut dyn FnMut(u32)) {
        match self {
            Self::Consecutive(window) => window.export(put),
            Self::Calls(window) => window.export(put),
            Self::Time(window) => window.export(put),
        }
    }

    fn import(&mut self, next: &mut dyn FnMut() -> Option<u32>) -> Result<(), SnapshotError> {
        match self {
            Self::Consecutive(window) => window.import(next),
            Self::Calls(window) => window.import(next),
            Self::Time(window) => window.import(next),
        }
    }
}

#[cfg(not(sweet_loom))]
const fn zeros<const N: usize>() -> [AtomicU32; N] {
    [const { AtomicU32::new(0) }; N]
}

/// The same without `const`, which loom's atomics cannot be made in.
#[cfg(sweet_loom)]
fn zeros<const N: usize>() -> [AtomicU32; N] {
    core::array::from_fn(|_| AtomicU32::new(0))
}
