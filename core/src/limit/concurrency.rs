//! The word that counts what is in flight, and the hand-over of what the policy remembers.

use core::error::Error;
use core::fmt;
use core::mem;

use super::policy::{ONE, Policy, Sample, State};
use crate::sync::Ordering::{AcqRel, Relaxed};
use crate::sync::{self, AtomicU32, const_fn};

/// Admits calls up to a limit that a [`Policy`] learns from how they fare.
///
/// # Examples
/// ```
/// use sweet_async_core::limit::{Aimd, Bounds, ConcurrencyLimit, Full};
///
/// static LIMIT: ConcurrencyLimit<Aimd> = ConcurrencyLimit::new(Aimd::new(), Bounds::of::<1, 2, 100>());
///
/// let call = LIMIT.try_acquire()?;
/// let other = LIMIT.try_acquire()?;
/// assert!(LIMIT.try_acquire().is_err_and(|full| full.limit == 2));
///
/// call.ok(12);
/// other.ok(15);
/// LIMIT.try_acquire()?.dropped();
/// assert_eq!((LIMIT.limit(), LIMIT.in_flight()), (2, 0));
/// # Ok::<(), Full>(())
/// ```
pub struct ConcurrencyLimit<P> {
    word: AtomicU32,
    /// The policy's state; written by the holder of `BUSY` alone.
    estimate: AtomicU32,
    memory: [AtomicU32; 3],
    /// How many samples from now drops still belong to the last event; as above.
    quiet: AtomicU32,
    bounds: Bounds,
    policy: P,
}

/// Where a limit starts, and between what it stays.
///
/// # Examples
/// ```
/// use sweet_async_core::limit::{Bounds, BoundsError};
///
/// const FIXED: Bounds = Bounds::of::<1, 4, 16>(); // checked by the compiler
/// assert_eq!((FIXED.min(), FIXED.max()), (1, 16));
/// assert_eq!(Bounds::new(0, 4, 16), Err(BoundsError::Zero)); // from a configuration
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bounds {
    min: u32,
    initial: u32,
    max: u32,
}

/// A call in flight: gives its place back when it is dropped, as [`Outcome::Ignored`].
///
/// # Cancel safety
/// A future that holds it and is dropped gives the place back and leaves the limit as it is.
#[must_use = "a permit that is dropped at once admits nothing"]
#[derive(Debug)]
pub struct Permit<'a, P: Policy>(&'a ConcurrencyLimit<P>);

/// How a call ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the three are what policies tell apart")]
pub enum Outcome {
    /// It ended well, after this time in the caller's unit.
    Ok {
        /// The same unit for all calls of one limit.
        latency: u32,
    },
    /// It timed out, was refused or lost for want of capacity: the limit is too high.
    Dropped,
    /// It says nothing about the limit: cancelled, or failed for a reason of its own.
    Ignored,
}

/// As many calls are in flight as may be, or more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Full {
    /// How many may be in flight.
    pub limit: u32,
}

/// A call left that had not entered; nothing changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct NotEntered;

/// Why bounds were not made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum BoundsError {
    /// A minimum of zero: nothing would ever enter, and nothing be learned.
    Zero,
    /// The minimum is above the start, or the start above the maximum.
    OutOfOrder,
    /// The maximum is above [`Bounds::MAX`].
    TooMany,
}

impl Bounds {
    /// The most calls that one word counts.
    pub const MAX: u32 = Word::COUNT;

    /// From `min` to `max`, starting at `initial`.
    ///
    /// # Errors
    /// [`BoundsError`], by what is wrong.
    pub const fn new(min: u32, initial: u32, max: u32) -> Result<Self, BoundsError> {
        if min == 0 {
            return Err(BoundsError::Zero);
        }
        if min > initial || initial > max {
            return Err(BoundsError::OutOfOrder);
        }
        if max > Self::MAX {
            return Err(BoundsError::TooMany);
        }
        Ok(Self { min, initial, max })
    }

    /// The same, of numbers known to the compiler; bounds that [`Bounds::new`] refuses do not compile.
    #[must_use]
    pub const fn of<const MIN: u32, const INITIAL: u32, const MAX: u32>() -> Self {
        const {
            match Self::new(MIN, INITIAL, MAX) {
                Ok(bounds) => bounds,
                Err(_) => panic!("bounds are 1 <= min <= initial <= max <= Bounds::MAX"),
            }
        }
    }

    /// The nearest limit, in parts of [`ONE`], that is not out of bounds.
    const fn within(&self, limit: u32) -> u32 {
        let (min, max) = (self.min * ONE, self.max * ONE);
        if limit < min {
            min
        } else if limit > max {
            max
        } else {
            limit
        }
    }

    /// The least that the limit shrinks to.
    #[must_use]
    pub const fn min(&self) -> u32 {
        self.min
    }

    /// The most that it grows to.
    #[must_use]
    pub const fn max(&self) -> u32 {
        self.max
    }
}

impl<P> ConcurrencyLimit<P> {
    const_fn! {
        /// Nothing in flight, the limit where the bounds start.
        #[must_use]
        pub fn new(policy: P, bounds: Bounds) -> Self {
            Self {
                word: AtomicU32::new(bounds.initial << Word::LIMIT_SHIFT),
                estimate: AtomicU32::new(bounds.initial * ONE),
                memory: [AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0)],
                quiet: AtomicU32::new(0),
                bounds,
                policy,
            }
        }
    }

    const_fn! {
        /// Nothing in flight, and what a policy of the same kind remembered, from [`ConcurrencyLimit::snapshot`]; the
        /// bounds may be others.
        ///
        /// There is no invalid snapshot: a limit out of bounds counts as the nearer one (L1), and a policy makes do with
        /// any memory.
        #[must_use]
        pub fn restore(policy: P, bounds: Bounds, snapshot: State) -> Self {
            let estimate = bounds.within(snapshot.limit);
            let [first, second, third] = snapshot.memory;
            Self {
                word: AtomicU32::new((estimate / ONE) << Word::LIMIT_SHIFT),
                estimate: AtomicU32::new(estimate),
                memory: [AtomicU32::new(first), AtomicU32::new(second), AtomicU32::new(third)],
                quiet: AtomicU32::new(0),
                bounds,
                policy,
            }
        }
    }

    /// How many calls may be in flight.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.read().limit()
    }

    /// How many calls are in flight.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.read().in_flight()
    }

    /// Between what the limit stays. For others, [`ConcurrencyLimit::restore`] what was learned with those.
    #[must_use]
    pub const fn bounds(&self) -> Bounds {
        self.bounds
    }

    fn read(&self) -> Word {
        // ORDERING: Relaxed. A query, or the first guess of an exchange that confirms it; what the policy remembers is
        // read after that exchange only. Model: `limit::estimate_is_handed_over`.
        Word(self.word.load(Relaxed))
    }

    /// Applies `decide` to the current word until its answer took effect, or needs no effect.
    #[inline]
    fn transition<A>(&self, decide: impl Fn(Word) -> (A, Option<Word>)) -> A {
        let mut current = self.read();
        loop {
            let (answer, next) = match decide(current) {
                (answer, None) => return answer,
                (answer, Some(next)) => (answer, next),
            };
            // ORDERING: AcqRel; Relaxed on failure, which only guesses again. Release hands what the holder of `BUSY`
            // wrote to the next one, and what a call did to who enters in its place; Acquire receives them (L4). Model:
            // `limit::estimate_is_handed_over`.
            match self
                .word
                .compare_exchange_weak(current.0, next.0, AcqRel, Relaxed)
            {
                Ok(_) => return answer,
                Err(seen) => current = Word(seen),
            }
            sync::back_off();
        }
    }
}

impl<P: Policy> ConcurrencyLimit<P> {
    /// Enters, and leaves by way of the permit.
    ///
    /// # Errors
    /// [`Full`] when as many are in flight as may be.
    #[inline]
    pub fn try_acquire(&self) -> Result<Permit<'_, P>, Full> {
        self.try_enter().map(|()| Permit(self))
    }

    /// Enters without a permit; the caller sees to it that [`ConcurrencyLimit::leave`] follows, once.
    ///
    /// # Errors
    /// [`Full`] when as many are in flight as may be.
    #[inline]
    pub fn try_enter(&self) -> Result<(), Full> {
        self.transition(|word| match word.enter() {
            Ok(next) => (Ok(()), Some(next)),
            Err(full) => (Err(full), None),
        })
    }

    /// Leaves, and answers how many may enter now: who keeps a queue wakes that many.
    ///
    /// # Errors
    /// [`NotEntered`] when nothing is in flight. Nothing changes, and the outcome counts for nothing.
    pub fn leave(&self, outcome: Outcome) -> Result<u32, NotEntered> {
        let (left, sample) = self.transition(|word| match word.leave(outcome) {
            Ok((next, sample)) => (Ok((next, sample)), Some(next)),
            Err(error) => (Err(error), None),
        })?;
        Ok(match sample {
            None => left.free(),
            Some(sample) => self.learn(sample).free(),
        })
    }

    /// What the policy remembers: all that has to outlive a restart or a change of the bounds. `None` while another
    /// caller works out the next limit: ask again later. An interrupt that asks until there is an answer waits for the
    /// one that it interrupts, for ever.
    ///
    /// It is the work of whole steps. A call that ends well while it is copied is not sampled, as beside any other that
    /// is `BUSY`, and a drop is worked in (L5).
    ///
    /// ```
    /// use sweet_async_core::limit::{Aimd, Bounds, ConcurrencyLimit, Full};
    ///
    /// let before = ConcurrencyLimit::new(Aimd::new(), Bounds::of::<1, 20, 100>());
    /// before.try_acquire()?.dropped();
    /// let kept = before.snapshot().expect("nobody else is at work");
    /// let after = ConcurrencyLimit::restore(Aimd::new(), Bounds::of::<1, 2, 10>(), kept);
    /// assert_eq!((before.limit(), after.limit()), (17, 10));
    /// # Ok::<(), Full>(())
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> Option<State> {
        let taken = self.transition(|word| {
            let next = (!word.is_busy()).then_some(Word(word.0 | Word::BUSY));
            (next.is_some(), next)
        });
        taken.then(|| {
            let state = self.recall();
            self.publish(self.read().limit());
            state
        })
    }

    /// Steps while `BUSY`, until no drop came meanwhile.
    fn learn(&self, sample: Sample) -> Word {
        self.publish(self.step(sample))
    }

    /// Gives `BUSY` back with this limit, unless a drop came meanwhile: that is a further step.
    fn publish(&self, mut limit: u32) -> Word {
        loop {
            let (word, again) = self.transition(|word| {
                if word.is_dropped() {
                    (
                        (word, true),
                        Some(Word(word.with_limit(limit).0 & !Word::DROPPED)),
                    )
                } else {
                    let next = Word(word.with_limit(limit).0 & !Word::BUSY);
                    ((next, false), Some(next))
                }
            });
            if !again {
                return word;
            }
            limit = self.step(Sample::Dropped);
        }
    }

    /// What the policy remembers. Only the holder of `BUSY` comes here.
    fn recall(&self) -> State {
        let [first, second, third] = &self.memory;
        // ORDERING: Relaxed, all of the next four. One caller at a time is here; the exchanges that take and give back
        // `BUSY` order it after the one before (L4). Models: `limit::estimate_is_handed_over`,
        // `limit::snapshot_is_whole`.
        let limit = self.estimate.load(Relaxed);
        // ORDERING: Relaxed. As above. Model: `limit::snapshot_is_whole`.
        let first = first.load(Relaxed);
        // ORDERING: Relaxed. As above. Model: `limit::snapshot_is_whole`.
        let second = second.load(Relaxed);
        // ORDERING: Relaxed. As above. Model: `limit::snapshot_is_whole`.
        let third = third.load(Relaxed);
        State {
            limit,
            memory: [first, second, third],
        }
    }

    /// One step of the policy on what it remembers; answers the limit. Only the holder of `BUSY` comes here.
    fn step(&self, sample: Sample) -> u32 {
        // ORDERING: Relaxed, all of the next four. As in `recall`. Model: `limit::estimate_is_handed_over`.
        let mut quiet = self.quiet.load(Relaxed);
        let mut state = self.recall();
        let limit = if sample == Sample::Dropped && quiet > 0 {
            quiet -= 1;
            self.read().limit()
        } else {
            let limit = self.policy.step(&mut state, sample);
            state.limit = self.bounds.within(state.limit);
            quiet = match sample {
                Sample::Dropped => state.whole(),
                Sample::Ok { .. } => quiet.saturating_sub(1),
            };
            limit
        };
        // ORDERING: Relaxed. As above. Model: `limit::estimate_is_handed_over`.
        self.quiet.store(quiet, Relaxed);
        // ORDERING: Relaxed. As above. Model: `limit::estimate_is_handed_over`.
        self.estimate.store(state.limit, Relaxed);
        for (word, value) in self.memory.iter().zip(state.memory) {
            // ORDERING: Relaxed. As above. Model: `limit::estimate_is_handed_over`.
            word.store(value, Relaxed);
        }
        limit.max(self.bounds.min).min(self.bounds.max)
    }
}

#[expect(
    clippy::must_use_candidate,
    reason = "who keeps no queue has no use for how many may enter"
)]
impl<P: Policy> Permit<'_, P> {
    /// The call ended well, after `latency` in the caller's unit. Answers how many may enter now.
    #[inline]
    pub fn ok(self, latency: u32) -> u32 {
        self.end(Outcome::Ok { latency })
    }

    /// The call timed out, was refused or lost for want of capacity. Answers how many may enter now.
    #[inline]
    pub fn dropped(self) -> u32 {
        self.end(Outcome::Dropped)
    }

    /// The call says nothing about the limit. Answers how many may enter now.
    #[inline]
    pub fn ignored(self) -> u32 {
        self.end(Outcome::Ignored)
    }

    fn end(self, outcome: Outcome) -> u32 {
        let limit = self.0;
        mem::forget(self);
        // A permit entered, so this refuses only if somebody left without one; then nothing is free for sure.
        limit.leave(outcome).unwrap_or(0)
    }
}

impl<P: Policy> Drop for Permit<'_, P> {
    fn drop(&mut self) {
        let _ = self.0.leave(Outcome::Ignored);
    }
}

impl<P: fmt::Debug> fmt::Debug for ConcurrencyLimit<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.read();
        f.debug_struct("ConcurrencyLimit")
            .field("limit", &word.limit())
            .field("in_flight", &word.in_flight())
            .field("bounds", &self.bounds())
            .field("policy", &&self.policy)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} calls may be in flight and are; wait for one to leave",
            self.limit
        )
    }
}

impl Error for Full {}

impl fmt::Display for NotEntered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing is in flight; leave once for each time that was entered")
    }
}

impl Error for NotEntered {}

impl fmt::Display for BoundsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero => f.write_str("a minimum of zero lets nothing enter; allow at least one"),
            Self::OutOfOrder => f.write_str("the start is not between minimum and maximum; put it there"),
            Self::TooMany => write!(
                f,
                "one word counts at most {} calls; lower the maximum",
                Bounds::MAX
            ),
        }
    }
}

impl Error for BoundsError {}

/// One decoded value of the atomic word; its methods are the transitions, free of any atomic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Word(u32);

impl Word {
    /// One caller works out the next limit.
    const BUSY: u32 = 1 << 31;
    /// Calls were dropped since it began.
    const DROPPED: u32 = 1 << 30;
    /// Where the limit begins; what is in flight begins at bit 0.
    const LIMIT_SHIFT: u32 = 15;
    /// Width of the limit, and of what is in flight.
    const COUNT: u32 = (1 << Self::LIMIT_SHIFT) - 1;

    const fn is_busy(self) -> bool {
        self.0 & Self::BUSY != 0
    }

    const fn is_dropped(self) -> bool {
        self.0 & Self::DROPPED != 0
    }

    const fn limit(self) -> u32 {
        (self.0 >> Self::LIMIT_SHIFT) & Self::COUNT
    }

    const fn in_flight(self) -> u32 {
        self.0 & Self::COUNT
    }

    const fn free(self) -> u32 {
        self.limit().saturating_sub(self.in_flight())
    }

    /// Never carries into the limit: what is in flight stays within it.
    const fn enter(self) -> Result<Self, Full> {
        if self.free() == 0 {
            return Err(Full { limit: self.limit() });
        }
        Ok(Self(self.0 + 1))
    }

    /// The word after a call left, and the sample that its caller has to work in, now `BUSY`.
    const fn leave(self, outcome: Outcome) -> Result<(Self, Option<Sample>), NotEntered> {
        let in_flight = self.in_flight();
        if in_flight == 0 {
            return Err(NotEntered);
        }
        let left = self.0 - 1;
        Ok(match (outcome, self.is_busy()) {
            (Outcome::Ignored, _) | (Outcome::Ok { .. }, true) => (Self(left), None),
            (Outcome::Dropped, true) => (Self(left | Self::DROPPED), None),
            (Outcome::Ok { latency }, false) => {
                (Self(left | Self::BUSY), Some(Sample::Ok { latency, in_flight }))
            }
            (Outcome::Dropped, false) => (Self(left | Self::BUSY), Some(Sample::Dropped)),
        })
    }

    /// `limit` is at most `COUNT`.
    const fn with_limit(self, limit: u32) -> Self {
        Self(self.0 & !(Self::COUNT << Self::LIMIT_SHIFT) | limit << Self::LIMIT_SHIFT)
    }
}

#[cfg(test)]
mod tests;
