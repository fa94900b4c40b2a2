//! What goes into the breaker and what comes out of it.

use core::error::Error;
use core::fmt;

use crate::Tick;

use super::gate::Word;

/// What the breaker does with calls.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a seventh state would be a different machine"
)]
pub enum State {
    /// Lets every call through and counts their results.
    Closed,
    /// Refuses every call until the open time is over.
    Open,
    /// Lets a few calls through, the probes, and refuses the rest.
    HalfOpen,
    /// Refuses every call until told otherwise.
    ForcedOpen,
    /// Lets every call through and counts nothing until told otherwise.
    ForcedClosed,
    /// Lets every call through and counts their results, but never opens, until told otherwise.
    MetricsOnly,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
            Self::ForcedOpen => "forced open",
            Self::ForcedClosed => "forced closed",
            Self::MetricsOnly => "metrics only",
        })
    }
}

/// How a call ended, as far as the breaker is concerned.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "each kind of end has its own meaning to the breaker"
)]
pub enum Outcome {
    /// It succeeded in good time.
    Ok,
    /// It failed.
    Failed,
    /// It succeeded, but took longer than the caller finds acceptable.
    SlowOk,
    /// It failed, and took longer than the caller finds acceptable.
    SlowFailed,
    /// It ended in a way that says nothing about the called side, such as bad input.
    Ignored,
    /// It was given up before it ended. No failure.
    Cancelled,
}

impl Outcome {
    /// Whether the called side failed.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::SlowFailed)
    }

    /// Whether the call took too long.
    #[must_use]
    pub const fn is_slow(self) -> bool {
        matches!(self, Self::SlowOk | Self::SlowFailed)
    }

    /// Whether it says anything about the called side.
    #[must_use]
    pub const fn is_telling(self) -> bool {
        !matches!(self, Self::Ignored | Self::Cancelled)
    }
}

/// The right to make one call, for holders that cannot borrow the breaker.
///
/// Hand it back with [`CircuitBreaker::record`](super::CircuitBreaker::record) or
/// [`CircuitBreaker::give_back`](super::CircuitBreaker::give_back), to the breaker it came from. A probe's ticket that
/// is lost keeps its place until the lease ends. [`Permit`](super::Permit) hands it back by itself.
#[must_use = "a probe's ticket that is lost keeps its place until the lease ends; record it or give it back"]
///
/// # Examples
/// ```
/// use sweet_async_core::Tick;
/// use sweet_async_core::breaker::{CircuitBreaker, Consecutive, Outcome, Rules, Ticket};
///
/// static BUS: CircuitBreaker<Consecutive> = CircuitBreaker::new(Consecutive::new());
/// let settings = Rules::new().check()?;
///
/// /// A request on its way: the ticket waits in it for the interrupt that ends the transfer.
/// struct Transfer(Ticket);
/// let transfer = Transfer(BUS.try_admit(&settings, Tick::new(0))?);
/// assert!(!transfer.0.is_probe());
/// let _ = BUS.record(&settings, transfer.0, Outcome::Ok, Tick::new(3));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Eq, PartialEq)]
pub struct Ticket(u32);

impl Ticket {
    const PROBE: u32 = 1 << 31;
    const FIRST: u32 = 1 << 30;

    #[inline]
    pub(super) const fn call(generation: u32) -> Self {
        Self(generation)
    }

    pub(super) const fn probe(generation: u32, first: bool) -> Self {
        Self(generation | Self::PROBE | if first { Self::FIRST } else { 0 })
    }

    #[inline]
    pub(super) const fn generation(&self) -> u32 {
        self.0 & Word::GENERATION
    }

    /// Whether the call is one of the few that a half-open breaker lets through.
    #[must_use]
    #[inline]
    pub const fn is_probe(&self) -> bool {
        self.0 & Self::PROBE != 0
    }

    /// Whether this admission took the breaker from open to half-open; exactly one admission does.
    #[must_use]
    pub const fn half_opened(&self) -> bool {
        self.0 & Self::FIRST != 0
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("generation", &self.generation())
            .field("probe", &self.is_probe())
            .field("half_opened", &self.half_opened())
            .finish()
    }
}

/// What became of a result.
#[must_use = "who opens or closes the breaker is the only one that is told"]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "each outcome asks something else of the caller"
)]
pub enum Recorded {
    /// It was taken note of, or says nothing; the state is the same.
    Unchanged,
    /// It belongs to a generation that is over, and changed nothing.
    Late,
    /// It opened the breaker. Told once for each opening.
    Opened {
        /// From when on a probe will be let through.
        retry_at: Tick,
    },
    /// It closed the breaker. Told once for each closing.
    Closed,
}

/// Why a call was not let through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Refused {
    /// The breaker is open.
    Open {
        /// From when on a probe will be let through.
        retry_at: Tick,
    },
    /// The breaker is half-open and all its probes are in flight.
    Probing {
        /// When their leases end; a place may become free before.
        retry_at: Tick,
    },
    /// The breaker is held open until somebody releases it.
    Forced,
}

impl Refused {
    /// When to come back; nothing if that is not a matter of time.
    #[must_use]
    pub const fn retry_at(self) -> Option<Tick> {
        match self {
            Self::Open { retry_at } | Self::Probing { retry_at } => Some(retry_at),
            Self::Forced => None,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { retry_at } => {
                write!(f, "the circuit is open; try again at tick {}", retry_at.count())
            }
            Self::Probing { retry_at } => {
                let at = retry_at.count();
                write!(
                    f,
                    "the circuit is half-open and its probes are in flight; try again at tick {at}"
                )
            }
            Self::Forced => f.write_str("the circuit is forced open; call again after it was released"),
        }
    }
}

impl Error for Refused {}

/// What the window holds at a moment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Counts {
    /// Calls in the window.
    pub calls: u32,
    /// Those that failed.
    pub failed: u32,
    /// Those that were slow; zero where the window does not note it.
    pub slow: u32,
}
