//! The word and its transitions, as pure functions.

use super::{Cancel, End, FinishError, Level, Reason, ShieldError, State};

/// One decoded value of the atomic word.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) struct Word(pub(super) u32);

/// The next word and the answer, or a refusal that leaves the word as it is.
pub(super) type Decision<A, R> = Result<(Word, A), R>;

impl Word {
    pub(super) const PENDING: Self = Self(State::Pending as u32);
    pub(super) const STARTED: Self = Self(State::Running as u32 | 1 << ATTEMPT_SHIFT);

    #[inline]
    pub(super) const fn state(self) -> State {
        match self.0 & STATE_MASK {
            0 => State::Pending,
            1 => State::Running,
            2 => State::Waiting,
            3 => State::Completed,
            4 => State::Failed,
            5 => State::Panicked,
            6 => State::TimedOut,
            7 => State::Cancelled,
            // No transition writes 9..=15, so this is 8.
            _ => State::Rejected,
        }
    }

    #[inline]
    pub(super) const fn level(self) -> Option<Level> {
        match (self.0 & LEVEL_MASK) >> LEVEL_SHIFT {
            0 => None,
            1 => Some(Level::Graceful),
            2 => Some(Level::Kill),
            _ => Some(Level::KillHard),
        }
    }

    pub(super) const fn reason(self) -> Option<Reason> {
        Reason::from_number(((self.0 & REASON_MASK) >> REASON_SHIFT) as u8)
    }

    #[inline]
    pub(super) const fn shields(self) -> u32 {
        (self.0 & SHIELDS_MASK) >> SHIELDS_SHIFT
    }

    pub(super) const fn attempt(self) -> u16 {
        (self.0 >> ATTEMPT_SHIFT) as u16
    }

    pub(super) const fn wait(self) -> Decision<(), FinishError> {
        match self.state() {
            State::Running => Ok((self.with_state(State::Waiting), ())),
            state => Err(refused(state)),
        }
    }

    pub(super) const fn resume(self) -> Decision<u16, FinishError> {
        match self.state() {
            State::Waiting => {
                let attempt = self.attempt().saturating_add(1);
                let counted = (self.0 & !ATTEMPT_MASK) | (attempt as u32) << ATTEMPT_SHIFT;
                Ok((Self(counted).with_state(State::Running), attempt))
            }
            state => Err(refused(state)),
        }
    }

    #[inline]
    pub(super) const fn finish(self, end: End) -> Decision<(), FinishError> {
        let state = self.state();
        if state.is_terminal() {
            return Err(FinishError::Over(state));
        }
        let forbidden = match end {
            End::Completed | End::Failed => matches!(self.level(), Some(Level::Kill | Level::KillHard)),
            End::TimedOut => self.level().is_some(),
            End::Panicked | End::Cancelled => false,
        };
        if forbidden {
            return Err(FinishError::Cancelled);
        }
        let from_pending = matches!(end, End::TimedOut | End::Cancelled);
        if matches!(state, State::Pending) && !from_pending {
            return Err(FinishError::Misplaced(state));
        }
        // A task that ends as cancelled was cancelled by somebody: the request comes first.
        if matches!(end, End::Cancelled) && self.level().is_none() {
            return Err(FinishError::Misplaced(state));
        }
        Ok((self.with_state(end.state()), ()))
    }

    pub(super) const fn reject(self) -> Decision<(), FinishError> {
        match self.state() {
            State::Pending => Ok((self.with_state(State::Rejected), ())),
            state => Err(refused(state)),
        }
    }

    pub(super) const fn restart(self) -> Decision<State, FinishError> {
        let state = self.state();
        if state.is_terminal() {
            Ok((Self::PENDING, state))
        } else {
            Err(FinishError::Misplaced(state))
        }
    }

    pub(super) const fn cancel(self, level: Level, reason: Reason) -> Decision<Cancel, Cancel> {
        let state = self.state();
        if state.is_terminal() {
            return Err(Cancel::Over(state));
        }
        let before = match self.level() {
            None => 0,
            Some(level) => level as u32,
        };
        if level as u32 <= before {
            return Err(Cancel::Unchanged);
        }
        let told = (self.0 & !LEVEL_MASK) | (level as u32) << LEVEL_SHIFT;
        let told = if before == 0 {
            told | (reason as u32) << REASON_SHIFT
        } else {
            told
        };
        if matches!(state, State::Pending) || matches!(level, Level::KillHard) {
            return Ok((Self(told).with_state(State::Cancelled), Cancel::Ended));
        }
        Ok((Self(told), Cancel::Raised))
    }

    pub(super) const fn shield(self) -> Decision<(), ShieldError> {
        let state = self.state();
        if state.is_terminal() {
            return Err(ShieldError::Over(state));
        }
        // A pending word is zero, so that `start` is one exchange.
        if matches!(state, State::Pending) {
            return Err(ShieldError::NotStarted);
        }
        if self.shields() == SHIELDS_MAX {
            return Err(ShieldError::TooDeep);
        }
        Ok((Self(self.0 + (1 << SHIELDS_SHIFT)), ()))
    }

    pub(super) const fn unshield(self) -> Decision<(), ShieldError> {
        let state = self.state();
        if state.is_terminal() {
            return Err(ShieldError::Over(state));
        }
        if self.shields() == 0 {
            return Err(ShieldError::NotOpen);
        }
        Ok((Self(self.0 - (1 << SHIELDS_SHIFT)), ()))
    }

    const fn with_state(self, state: State) -> Self {
        Self((self.0 & !STATE_MASK) | state as u32)
    }
}

impl End {
    const fn state(self) -> State {
        match self {
            Self::Completed => State::Completed,
            Self::Failed => State::Failed,
            Self::Panicked => State::Panicked,
            Self::TimedOut => State::TimedOut,
            Self::Cancelled => State::Cancelled,
        }
    }
}

/// Why a state that does not lead on refuses.
const fn refused(state: State) -> FinishError {
    if state.is_terminal() {
        FinishError::Over(state)
    } else {
        FinishError::Misplaced(state)
    }
}

const STATE_MASK: u32 = 0xF;
const LEVEL_SHIFT: u32 = 4;
const LEVEL_MASK: u32 = 0b11 << LEVEL_SHIFT;
const REASON_SHIFT: u32 = 6;
const REASON_MASK: u32 = 0xF << REASON_SHIFT;
const SHIELDS_SHIFT: u32 = 10;
const SHIELDS_MAX: u32 = 0x3F;
const SHIELDS_MASK: u32 = SHIELDS_MAX << SHIELDS_SHIFT;
const ATTEMPT_SHIFT: u32 = 16;
const ATTEMPT_MASK: u32 = 0xFFFF << ATTEMPT_SHIFT;
