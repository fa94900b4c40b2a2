//! Stamps that follow the clock, order causes before effects, and stay close to the time.
//!
//! ```text
//!              tick(now): later of last + 1 and now
//!            .--------------------------------------.
//!            |                                      |
//!            v                                      |
//!   new --> [ last stamp ] -------------------------'
//!            ^     |
//!            |     | merge(remote, now): later of last + 1, remote + 1 and now
//!            `-----'                     (refused: remote further ahead than the bound)
//! ```
//!
//! | bits   | name      | meaning                                                              |
//! |--------|-----------|----------------------------------------------------------------------|
//! | 10..32 | `TICK`    | the low 22 bits of the physical time, of the clock or of a message   |
//! | 0..10  | `LOGICAL` | counts events at one tick; its carry goes into `TICK`                |
//!
//! The machine is the hybrid logical clock of Kulkarni, Demirbas, Madappa, Avva and Leone (2014), with both parts in one
//! word, so that its two comparisons become one: stamps compare by the shorter way round the circle, as ticks do.
//!
//! - **H1** Every stamp handed out is later than all that this clock handed out or merged before: no two are equal.
//! - **H2** A stamp from `merge` is later than the message's.
//! - **H3** No stamp is more than the bound ahead of the tick that its caller gave, nor behind it: where the clock would
//!   have to run further ahead, the caller is refused and nothing changes.
//! - **H4** A message whose stamp is more than the bound ahead of the caller's tick is refused and changes nothing.
//!
//! # Width
//! 22 bits of milliseconds are 70 minutes, so stamps compare as long as they are less than 35 minutes apart; 10 bits let
//! 1,024 events pass in a millisecond before the clock runs ahead. Who keeps stamps for longer keeps a coarser time
//! beside them.
//!
//! # Clocks
//! H1 holds while no caller's tick is more than the bound older than the newest that was used. A clock that was idle for
//! so long that its last stamp reads as the future, the last two bounds of each circle of 2^22 ticks, refuses for at
//! most one bound, and goes on.
//!
//! # Memory ordering
//! Every operation is `Relaxed`. Who learned of an event by any ordered way reads the word at least as new as that event
//! left it, by coherence, so H1 orders it after; a stamp itself passes nothing on.
//!
//! An operation is one load and one compare-and-swap when nobody interferes, and is lock-free: it retries only when
//! another one took effect in between. The models in `loom-tests/tests/hybrid_clock.rs` prove the invariants. Nothing
//! allocates (`core/tests/no_alloc.rs`).

use core::cmp::Ordering;
use core::error::Error;
use core::fmt;

use crate::Tick;
use crate::sync::Ordering::Relaxed;
use crate::sync::{AtomicU32, const_fn};

/// Hands out stamps.
///
/// # Examples
/// ```
/// use sweet_async_core::Tick;
/// use sweet_async_core::hybrid_clock::{HybridClock, Skew};
///
/// static HERE: HybridClock = HybridClock::of::<500>(Tick::new(0));
/// static THERE: HybridClock = HybridClock::of::<500>(Tick::new(0));
///
/// let sent = THERE.tick(Tick::new(120))?; // its clock is 20 ahead of ours
/// let received = HERE.merge(sent, Tick::new(100))?;
/// assert!(sent.is_before(received));
/// assert!(received.is_before(HERE.tick(Tick::new(101))?));
/// # Ok::<(), Skew>(())
/// ```
pub struct HybridClock {
    last: AtomicU32,
    /// How far a stamp may be ahead, in parts of a tick.
    bound: u32,
}

/// A moment of a [`HybridClock`].
///
/// Not `Ord`: the order on a circle is not transitive.
///
/// # Examples
/// ```
/// use sweet_async_core::{HybridClock, Tick, hybrid_clock::{Skew, Stamp}};
///
/// let clock = HybridClock::of::<500>(Tick::new(0));
/// let (first, second) = (clock.tick(Tick::new(70))?, clock.tick(Tick::new(70))?);
/// assert_eq!((first.tick(), second.tick(), second.logical()), (70, 70, 1));
///
/// // Four bytes in a message, and back.
/// let received = Stamp::from_bits(u32::from_le_bytes(second.bits().to_le_bytes()));
/// assert!(first.is_before(received));
/// # Ok::<(), Skew>(())
/// ```
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Stamp(u32);

/// A stamp further ahead of the caller's tick than the bound; nothing changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Skew {
    /// By how many ticks, rounded up.
    pub ahead: u32,
}

/// A bound of more than [`HybridClock::MAX_BOUND`] ticks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct TooFar;

impl HybridClock {
    /// The widest bound, in ticks: a quarter of the circle, so that twice as much is still read as ahead.
    pub const MAX_BOUND: u32 = (Tick::HORIZON >> Stamp::LOGICAL) / 2;

    const_fn! {
        /// A clock that lets stamps run at most `BOUND` ticks ahead; more than [`HybridClock::MAX_BOUND`] do not compile.
        #[must_use]
        pub fn of<const BOUND: u32>(start: Tick) -> Self {
            const { assert!(BOUND <= HybridClock::MAX_BOUND, "further ahead than stamps compare") }
            Self { last: AtomicU32::new(Stamp::at(start).0), bound: BOUND << Stamp::LOGICAL }
        }
    }

    const_fn! {
        /// A clock that lets stamps run at most `bound` ticks ahead.
        ///
        /// # Errors
        /// [`TooFar`] for more than [`HybridClock::MAX_BOUND`].
        pub fn new(bound: u32, start: Tick) -> Result<Self, TooFar> {
            if bound > Self::MAX_BOUND {
                return Err(TooFar);
            }
            Ok(Self { last: AtomicU32::new(Stamp::at(start).0), bound: bound << Stamp::LOGICAL })
        }
    }

    /// Stamps an event of this node: something done, or a message about to be sent.
    ///
    /// # Errors
    /// [`Skew`] when the last stamp is too far ahead of `now`: more events than ticks hold, or a clock that went back.
    #[inline]
    pub fn tick(&self, now: Tick) -> Result<Stamp, Skew> {
        self.advance(now, None)
    }

    /// Stamps the receipt of a message that carries `remote`.
    ///
    /// # Errors
    /// [`Skew`] when the message is too far ahead of `now`, or the last stamp is. Nothing changes.
    #[inline]
    pub fn merge(&self, remote: Stamp, now: Tick) -> Result<Stamp, Skew> {
        if let Some(ahead) = remote.ahead(Stamp::at(now))
            && ahead > self.bound
        {
            return Err(Skew::of(ahead));
        }
        self.advance(now, Some(remote))
    }

    /// The last stamp that was handed out, or where the clock started.
    #[must_use]
    pub fn last(&self) -> Stamp {
        // ORDERING: Relaxed. A query, or a guess that the exchange confirms; a stamp passes nothing on. Model:
        // `hybrid_clock::stamps_differ`.
        Stamp(self.last.load(Relaxed))
    }

    fn advance(&self, now: Tick, remote: Option<Stamp>) -> Result<Stamp, Skew> {
        let now = Stamp::at(now);
        let mut last = self.last();
        loop {
            let next = self.next(last, remote, now)?;
            // ORDERING: Relaxed, also on failure. The exchange alone makes stamps differ (H1), and a stamp passes
            // nothing on. Models: `hybrid_clock::stamps_differ`, `hybrid_clock::merge_against_events`.
            match self.last.compare_exchange_weak(last.0, next.0, Relaxed, Relaxed) {
                Ok(_) => return Ok(next),
                Err(seen) => last = Stamp(seen),
            }
        }
    }

    /// The stamp after `last` and `remote`, not before `now`.
    #[inline]
    const fn next(&self, last: Stamp, remote: Option<Stamp>, now: Stamp) -> Result<Stamp, Skew> {
        let mut next = now;
        // Further ahead than twice the bound is in the past: an idle clock that came round.
        if let Some(ahead) = last.successor().ahead(now)
            && ahead <= 2 * self.bound + 1
        {
            next = last.successor();
        }
        if let Some(remote) = remote
            && !remote.successor().is_before(next)
        {
            next = remote.successor();
        }
        match next.ahead(now) {
            Some(ahead) if ahead > self.bound => Err(Skew::of(ahead)),
            _ => Ok(next),
        }
    }
}

impl Stamp {
    /// Width of the logical part.
    const LOGICAL: u32 = 10;

    /// The first stamp of a tick.
    const fn at(tick: Tick) -> Self {
        Self(tick.count() << Self::LOGICAL)
    }

    /// A stamp from the wire.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The stamp for the wire.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The low 22 bits of its physical time.
    #[must_use]
    pub const fn tick(self) -> u32 {
        self.0 >> Self::LOGICAL
    }

    /// Which event of that tick.
    #[must_use]
    pub const fn logical(self) -> u32 {
        self.0 & ((1 << Self::LOGICAL) - 1)
    }

    /// Compares by the shorter way round.
    #[must_use]
    pub const fn order(self, other: Self) -> Ordering {
        Tick::new(self.0).order(Tick::new(other.0))
    }

    /// Whether this stamp lies before `other`, by the shorter way round.
    #[must_use]
    pub const fn is_before(self, other: Self) -> bool {
        matches!(self.order(other), Ordering::Less)
    }

    const fn successor(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// By how much this stamp lies after `other`, in parts of a tick; `None` if it does not.
    const fn ahead(self, other: Self) -> Option<u32> {
        match self.0.wrapping_sub(other.0) {
            0 => None,
            ahead if ahead < Tick::HORIZON => Some(ahead),
            _ => None,
        }
    }
}

impl Skew {
    const fn of(parts: u32) -> Self {
        Self {
            ahead: parts.div_ceil(1 << Stamp::LOGICAL),
        }
    }
}

impl fmt::Debug for HybridClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HybridClock")
            .field("last", &self.last())
            .field("bound", &(self.bound >> Stamp::LOGICAL))
            .finish()
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stamp({}+{})", self.tick(), self.logical())
    }
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the stamp is {} ticks ahead of the clock, more than is allowed; set the clocks, or wait",
            self.ahead
        )
    }
}

impl Error for Skew {}

impl fmt::Display for TooFar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "stamps may run at most {} ticks ahead; allow less, or count time in coarser ticks",
            HybridClock::MAX_BOUND
        )
    }
}

impl Error for TooFar {}

#[cfg(test)]
mod tests;
