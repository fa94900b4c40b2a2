//! One decoded value of the gate word: what each state keeps, and the pure transitions.

use crate::Tick;

use super::outcome::{Refused, State};
use super::settings::Settings;

/// One decoded value of the gate; its methods are the transitions, free of any atomic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Word(pub(super) u32);

/// What a call that asks for admission does with the word.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Admit {
    /// Passes; the word stays.
    Freely,
    /// Takes a place in the running generation of probes.
    Join,
    /// Starts a new generation of probes: the open time is over, or every lease is.
    Renew,
    /// Is turned away; the word stays.
    Refuse(Refused),
}

impl Word {
    /// A forced state: bit 30 alone says which.
    const FORCED: u32 = 1 << 31;
    /// Calls are not let through freely.
    const GUARDED: u32 = 1 << 30;
    /// Tells half-open from open, and metrics-only from closed.
    const SECOND: u32 = 1 << 29;

    const GENERATION_SHIFT: u32 = 18;
    /// Width of a generation.
    pub(super) const GENERATION: u32 = (1 << 11) - 1;
    /// Consecutive failures, while calls pass freely.
    const COUNT: u32 = (1 << 16) - 1;

    /// Where the streak lies while open; half-open it lies lower, to make room for the generation.
    const OPEN_STREAK_SHIFT: u32 = 26;
    const HALF_STREAK_SHIFT: u32 = 15;
    /// Width of the streak.
    const STREAK: u32 = (1 << 3) - 1;
    /// When the open time ends: the low bits of a tick.
    pub(super) const UNTIL: u32 = (1 << 26) - 1;

    const FLYING_SHIFT: u32 = 12;
    const DONE_SHIFT: u32 = 9;
    /// Width of the two counts of probes.
    pub(super) const PROBES: u32 = (1 << 3) - 1;
    /// When the last probe was admitted, in the quanta of [`Settings::quantum`].
    pub(super) const LEASE: u32 = (1 << 9) - 1;

    pub(super) const fn closed(generation: u32) -> Self {
        Self((generation & Self::GENERATION) << Self::GENERATION_SHIFT)
    }

    pub(super) const fn forced_closed(generation: u32) -> Self {
        Self(Self::FORCED | Self::closed(generation).0)
    }

    pub(super) const fn forced_open() -> Self {
        Self(Self::FORCED | Self::GUARDED)
    }

    pub(super) const fn open(streak: u32, until: u32) -> Self {
        Self(Self::GUARDED | (streak << Self::OPEN_STREAK_SHIFT) | (until & Self::UNTIL))
    }

    /// Half-open without a probe yet.
    pub(super) const fn probing(generation: u32) -> Self {
        Self::half_open(generation, 0, 0, 0, 0)
    }

    const fn half_open(generation: u32, streak: u32, flying: u32, done: u32, quantum: u32) -> Self {
        Self(
            Self::GUARDED
                | Self::SECOND
                | Self::closed(generation).0
                | (streak << Self::HALF_STREAK_SHIFT)
                | (flying << Self::FLYING_SHIFT)
                | (done << Self::DONE_SHIFT)
                | (quantum & Self::LEASE),
        )
    }

    /// The same generation and count, counted without consequences.
    pub(super) const fn metrics_only(self) -> Self {
        Self(self.0 | Self::SECOND)
    }

    /// The same generation and count, counted with consequences.
    pub(super) const fn counted(self) -> Self {
        Self(self.0 & !Self::SECOND)
    }

    pub(super) const fn state(self) -> State {
        match (
            self.0 & Self::FORCED != 0,
            self.is_guarded(),
            self.0 & Self::SECOND != 0,
        ) {
            (false, false, false) => State::Closed,
            (false, false, true) => State::MetricsOnly,
            (false, true, false) => State::Open,
            (false, true, true) => State::HalfOpen,
            (true, false, _) => State::ForcedClosed,
            (true, true, _) => State::ForcedOpen,
        }
    }

    /// Whether admission is more than one look at the word.
    pub(super) const fn is_guarded(self) -> bool {
        self.0 & Self::GUARDED != 0
    }

    pub(super) const fn generation(self) -> u32 {
        (self.0 >> Self::GENERATION_SHIFT) & Self::GENERATION
    }

    /// A generation that follows this word's.
    pub(super) const fn next_generation(self) -> u32 {
        match self.state() {
            State::Open | State::ForcedOpen => 1,
            _ => self.generation() + 1,
        }
    }

    pub(super) const fn count(self) -> u32 {
        self.0 & Self::COUNT
    }

    /// Never carries: the count saturates.
    pub(super) const fn with_failure(self) -> Self {
        if self.count() == Self::COUNT {
            self
        } else {
            Self(self.0 + 1)
        }
    }

    pub(super) const fn without_failures(self) -> Self {
        Self(self.0 & !Self::COUNT)
    }

    /// How many probes failed in a row, while open or half-open.
    pub(super) const fn streak(self) -> u32 {
        let shift = if self.0 & Self::SECOND == 0 {
            Self::OPEN_STREAK_SHIFT
        } else {
            Self::HALF_STREAK_SHIFT
        };
        (self.0 >> shift) & Self::STREAK
    }

    pub(super) const fn flying(self) -> u32 {
        (self.0 >> Self::FLYING_SHIFT) & Self::PROBES
    }

    pub(super) const fn done(self) -> u32 {
        (self.0 >> Self::DONE_SHIFT) & Self::PROBES
    }

    const fn leased(self) -> u32 {
        self.0 & Self::LEASE
    }

    /// How long an open word still refuses; zero when its time is over.
    #[inline]
    pub(super) const fn remaining(self, settings: &Settings, now: Tick) -> u32 {
        let remaining = self.0.wrapping_sub(now.count()) & Self::UNTIL;
        if remaining <= settings.horizon() {
            remaining
        } else {
            0
        }
    }

    /// Opens from a state in which calls were counted, or again from half-open, then for longer if the settings say so.
    /// Also answers when the open time ends.
    pub(super) const fn opened(self, settings: &Settings, now: Tick) -> (Tick, Self) {
        let streak = if !self.is_guarded() {
            0
        } else if self.streak() == Self::STREAK {
            Self::STREAK
        } else {
            self.streak() + 1
        };
        let until = now.after(settings.open_ticks(streak));
        (until, Self::open(streak, until.count()))
    }

    /// Whether results of this generation are counted: closed or metrics-only, and in it.
    #[inline]
    pub(super) const fn is_counting(self, generation: u32) -> bool {
        self.metrics_only().is_in(Self::closed(generation).metrics_only())
    }

    /// Whether this is half-open in the given generation.
    pub(super) const fn is_probing(self, generation: u32) -> bool {
        self.is_in(Self::probing(generation))
    }

    /// Whether this has the state and the generation of `other`, neither of which is open.
    pub(super) const fn is_in(self, other: Self) -> bool {
        let state = Self::FORCED | Self::GUARDED | Self::SECOND;
        (self.0 ^ other.0) & (state | Self::GENERATION << Self::GENERATION_SHIFT) == 0
    }

    pub(super) const fn admit(self, settings: &Settings, now: Tick) -> Admit {
        match self.state() {
            State::Closed | State::MetricsOnly | State::ForcedClosed => Admit::Freely,
            State::ForcedOpen => Admit::Refuse(Refused::Forced),
            State::Open => match self.remaining(settings, now) {
                0 => Admit::Renew,
                remaining => Admit::Refuse(Refused::Open {
                    retry_at: now.after(remaining),
                }),
            },
            State::HalfOpen => self.admit_probe(settings, now),
        }
    }

    const fn admit_probe(self, settings: &Settings, now: Tick) -> Admit {
        // One place stays in any case, so that settings with fewer probes than are done cannot wedge the breaker.
        let left = settings.probes().saturating_sub(self.done());
        if self.flying() == 0 || self.flying() < left {
            return Admit::Join;
        }
        let lease = settings.lease_quanta();
        let passed = settings.quantum(now).wrapping_sub(self.leased()) & Self::LEASE;
        if passed >= lease && passed <= Self::LEASE - lease {
            return Admit::Renew;
        }
        // A caller whose tick lags behind the last admission waits as if it had come with it.
        let passed = if passed < lease { passed } else { 0 };
        Admit::Refuse(Refused::Probing {
            retry_at: settings.quantum_start(now, lease - passed),
        })
    }

    /// One more probe in flight; its admission renews the lease of the generation.
    pub(super) const fn join(self, settings: &Settings, now: Tick) -> Self {
        Self((self.0 & !Self::LEASE) + (1 << Self::FLYING_SHIFT) + settings.quantum(now))
    }

    /// A new generation with one probe in flight; what earlier ones have done still counts.
    pub(super) const fn renew(self, generation: u32, settings: &Settings, now: Tick) -> Self {
        let done = match self.state() {
            State::HalfOpen => self.done(),
            _ => 0,
        };
        Self::half_open(generation, self.streak(), 1, done, settings.quantum(now))
    }

    /// One probe less in flight, and nothing learnt.
    pub(super) const fn give_back(self) -> Self {
        if self.flying() == 0 {
            self
        } else {
            Self(self.0 - (1 << Self::FLYING_SHIFT))
        }
    }

    /// One probe less in flight that went well; closes when enough have.
    pub(super) const fn probe_went_well(self, settings: &Settings) -> Self {
        if self.done() + 1 >= settings.probes() {
            Self::closed(self.generation())
        } else {
            Self(self.give_back().0 + (1 << Self::DONE_SHIFT))
        }
    }

    /// The word as it is kept over a restart: the end of the open time relative to `now`, and no probe in flight.
    pub(super) const fn exported(self, settings: &Settings, now: Tick) -> Self {
        match self.state() {
            State::Open => Self::open(self.streak(), self.remaining(settings, now)),
            State::HalfOpen => Self::open(self.streak(), 0),
            State::Closed | State::MetricsOnly | State::ForcedClosed | State::ForcedOpen => self,
        }
    }

    /// The inverse of [`Word::exported`] at another `now`; nothing if the word is none that it makes.
    pub(super) const fn imported(raw: u32, now: Tick) -> Option<Self> {
        let word = Self(raw);
        match word.state() {
            State::Open => Some(Self::open(word.streak(), now.after(raw & Self::UNTIL).count())),
            State::HalfOpen => None,
            State::ForcedOpen if raw != Self::forced_open().0 => None,
            State::ForcedClosed if raw != Self::forced_closed(word.generation()).0 => None,
            State::Closed | State::MetricsOnly
                if raw & !(Self::SECOND | Self::COUNT) != Self::closed(word.generation()).0 =>
            {
                None
            }
            State::Closed | State::MetricsOnly | State::ForcedClosed | State::ForcedOpen => Some(word),
        }
    }
}
