//! How many cells may pass in a time: so many at once, so many per tick in the long run.
//!
//! ```text
//!                      check (idle): word = now + cost
//!                 .---------------------------------------.
//!                 |                                       v
//!   new --> [ Idle: word at or before now ]      [ Busy: word after now ] <--.
//!                 ^                                |        |   |            |
//!                 `---------- time passes ---------'        |   `--check-----'
//!                                                           |   (fits): word += cost
//!                              check (does not fit) --------'
//!                              refused: "come back at", nothing changes
//! ```
//!
//! | bits  | name  | meaning                                                                               |
//! |-------|-------|---------------------------------------------------------------------------------------|
//! | 0..32 | `TAT` | theoretical arrival time: when everything admitted so far is paid for, on a circle of 2^32 units |
//!
//! The machine is the generic cell rate algorithm, GCRA, in the form that ITU-T recommendation I.371 calls the virtual
//! scheduling algorithm: a cell conforms if it comes no earlier than the theoretical arrival time less the burst
//! tolerance, and a cell that conforms moves that time on by its cost.
//!
//! - **R1** In any span of `t` ticks at most `burst + t × cells / ticks` cells are admitted, whoever calls, and across
//!   the wrap of the tick.
//! - **R2** A refusal names the first tick at which the same call is admitted if nobody else takes cells before.
//! - **R3** A refusal takes nothing, except in the crowd described below.
//! - **R4** Cells that fit are admitted: whoever calls alone gets the exact answer of the algorithm.
//! - **R5** An idle limiter admits its whole burst after any idle time, except after one that ends in the last
//!   [`Quota::blind`] ticks of a [`Quota::circle`]. Then it answers as if cells had just been admitted, for at most
//!   [`Quota::blind`] ticks: it may refuse what would fit, and never admits too many.
//!
//! # Units
//! A quota of `cells` per `ticks` is reduced by the common divisor. One tick then has `cells` units and one cell costs
//! `ticks` units, so that a rate of a thousand cells per tick and one of a cell in a thousand ticks are both exact:
//! nothing is rounded, and the units of a tick run round the circle a whole number of times while the tick wraps.
//!
//! # Clocks
//! Callers may read their clocks at different times: R1 holds while no caller's tick is more than [`Quota::skew`] older
//! than the newest that was used. A tick within the skew is answered as what it is, an earlier moment, and is admitted
//! no sooner for it.
//!
//! # Memory ordering
//! Every operation is `Relaxed`: an admission says that there was room and passes nothing else on.
//!
//! # Crowds
//! A refusal is one load. An admission is one load and one read-modify-write: a compare-and-swap, or, while less than
//! half of a burst of at least 256 cells is used, a `fetch_add` that needs no retry. If in between that load and that
//! `fetch_add` others take more than the other half, the caller is refused and what it added stays taken: capacity is
//! lost, never made. R1 counts on at most 256 callers being in that state at once. A limiter with a smaller burst, or
//! with one caller, has no such state. It is lock-free: a call retries only when another one took effect in between,
//! after a pause of about a microsecond at most. On 64-bit machines the word has a cache line of its own, so that callers
//! who change it do not take the quota from those who read it: the limiter is two lines there, and 24 bytes elsewhere.
//! The models in `loom-tests/tests/rate.rs` prove R1 to R4; nothing allocates (`core/tests/no_alloc.rs`).

use core::error::Error;
use core::fmt;
use core::num::NonZeroU32;
use core::ops::Deref;

use crate::Tick;
use crate::sync::Ordering::Relaxed;
use crate::sync::{self, AtomicU32, const_fn};

/// Admits cells at a rate, with a burst.
///
/// # Examples
/// ```
/// use sweet_async_core::Tick;
/// use sweet_async_core::rate::{Quota, RateLimiter, RetryAt};
///
/// // 100 cells per 1,000 ticks, 2 of them at once.
/// static LIMITER: RateLimiter = RateLimiter::new(Quota::of::<100, 1_000, 2>(), Tick::new(0));
///
/// let now = Tick::new(50);
/// assert_eq!(LIMITER.check(now), Ok(()));
/// assert_eq!(LIMITER.check(now), Ok(()));
/// assert_eq!(LIMITER.check(now), Err(RetryAt { at: Tick::new(60) }));
/// assert_eq!(LIMITER.check(Tick::new(60)), Ok(()));
/// ```
pub struct RateLimiter {
    tat: Line,
    quota: Quota,
}

/// What a limiter admits: so many cells per so many ticks, and so many at once.
///
/// # Examples
/// ```
/// use sweet_async_core::rate::{Quota, QuotaError};
///
/// let quota = Quota::new(3, 1_000, 10)?;
/// assert_eq!((quota.cells(), quota.ticks(), quota.burst()), (3, 1_000, 10));
/// assert_eq!(Quota::new(3, 0, 10), Err(QuotaError::Zero));
/// # Ok::<(), QuotaError>(())
/// ```
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Quota {
    /// Units in a tick: the cells, reduced.
    per_tick: NonZeroU32,
    /// Units that a cell costs: the ticks, reduced.
    cost: NonZeroU32,
    /// Units that the whole burst costs.
    window: u32,
    /// Units that the theoretical arrival time may be ahead of a caller's clock: beyond that it is in the past.
    reach: u32,
    burst: u32,
}

/// The cells did not fit: the first tick at which they would, if nobody else takes any.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the tick is all that there is to say")]
pub struct RetryAt {
    /// When to come back.
    pub at: Tick,
}

/// Why several cells were not admitted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum CheckError {
    /// They did not fit now.
    RetryAt(RetryAt),
    /// They never fit: more than the burst.
    TooMany {
        /// How many fit at once.
        burst: u32,
    },
}

/// Why a quota was not made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum QuotaError {
    /// The cells, the ticks or the burst are zero.
    Zero,
    /// Burst or skew reach further than half of the circle that one word counts.
    TooWide,
}

impl Quota {
    /// The skew of a quota that names none: a second of milliseconds.
    pub const SKEW: u32 = 1_000;

    /// `cells` per `ticks`, at most `burst` at once, with a skew of [`Quota::SKEW`] ticks.
    ///
    /// # Errors
    /// [`QuotaError::Zero`] for a zero, [`QuotaError::TooWide`] if the skew and twice the time that the burst takes to
    /// come back are more than half of [`Quota::circle`].
    pub const fn new(cells: u32, ticks: u32, burst: u32) -> Result<Self, QuotaError> {
        let divisor = common_divisor(cells, ticks);
        let (Some(per_tick), Some(cost)) = (share(cells, divisor), share(ticks, divisor)) else {
            return Err(QuotaError::Zero);
        };
        if burst == 0 {
            return Err(QuotaError::Zero);
        }
        let Some(window) = cost.get().checked_mul(burst) else {
            return Err(QuotaError::TooWide);
        };
        let bare = Self {
            per_tick,
            cost,
            window,
            reach: 0,
            burst,
        };
        bare.with_skew(Self::SKEW)
    }

    /// The same, of numbers known to the compiler; a quota that [`Quota::new`] refuses does not compile.
    #[must_use]
    pub const fn of<const CELLS: u32, const TICKS: u32, const BURST: u32>() -> Self {
        const {
            match Self::new(CELLS, TICKS, BURST) {
                Ok(quota) => quota,
                Err(_) => panic!("a zero, or a burst that takes longer to come back than one word counts"),
            }
        }
    }

    /// Lets a caller's tick be up to `ticks` older than the newest that was used.
    ///
    /// # Errors
    /// [`QuotaError::TooWide`] if that and twice the time that the burst takes to come back are more than half of
    /// [`Quota::circle`].
    pub const fn with_skew(mut self, ticks: u32) -> Result<Self, QuotaError> {
        // Once the window for what is admitted, once for what a crowd may overdraw.
        let reach = self.window as u64 * 2 + self.per_tick.get() as u64 * ticks as u64;
        if reach > Tick::HORIZON as u64 {
            return Err(QuotaError::TooWide);
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "at most half of what a u32 counts"
        )]
        {
            self.reach = reach as u32;
        }
        Ok(self)
    }

    /// Cells admitted in [`Quota::ticks`], in the long run; both reduced by their common divisor.
    #[must_use]
    pub const fn cells(&self) -> u32 {
        self.per_tick.get()
    }

    /// The ticks in which [`Quota::cells`] are admitted.
    #[must_use]
    pub const fn ticks(&self) -> u32 {
        self.cost.get()
    }

    /// How many cells are admitted at once.
    #[must_use]
    pub const fn burst(&self) -> u32 {
        self.burst
    }

    /// How much older than the newest a caller's tick may be, in whole ticks.
    #[must_use]
    pub const fn skew(&self) -> u32 {
        (self.reach - 2 * self.window) / self.per_tick.get()
    }

    /// How many ticks the word runs before it comes round, rounded down (R5).
    #[must_use]
    pub const fn circle(&self) -> u32 {
        u32::MAX / self.per_tick.get()
    }

    /// For how many ticks at the end of each circle an idle limiter reads as a busy one, rounded up (R5).
    #[must_use]
    pub const fn blind(&self) -> u32 {
        self.reach.div_ceil(self.per_tick.get())
    }

    /// Where `tick` is on the circle of units. Multiplied in a ring, so the wrap of the tick makes no jump.
    #[inline]
    const fn position(&self, tick: Tick) -> u32 {
        tick.count().wrapping_mul(self.per_tick.get())
    }

    /// How far `tat` lies ahead of `here`; `None` if it is not ahead: the limiter is idle.
    #[inline]
    const fn backlog(&self, tat: u32, here: u32) -> Option<u32> {
        match tat.wrapping_sub(here) {
            0 => None,
            ahead if ahead <= self.reach => Some(ahead),
            _ => None,
        }
    }

    /// The refusal of cells that cost `cost` at `now`, with that much ahead of them already.
    #[cold]
    const fn refusal(&self, now: Tick, backlog: u32, cost: u32) -> RetryAt {
        // Neither sum nor difference leaves the word: backlog + cost is at most reach + window, and it did not fit.
        let excess = backlog.saturating_add(cost).saturating_sub(self.window);
        RetryAt {
            at: now.after(excess.div_ceil(self.per_tick.get())),
        }
    }

    /// Whether a `fetch_add` may go ahead of its check: half of a large burst is free, and the caller wants little.
    #[inline]
    const fn is_roomy(&self, backlog: u32, cost: u32) -> bool {
        backlog <= self.window / 2 && cost <= self.window / CROWD
    }
}

impl RateLimiter {
    const_fn! {
        /// An idle limiter; `start` is the present tick, or any before it within half of [`Quota::circle`].
        #[must_use]
        pub fn new(quota: Quota, start: Tick) -> Self {
            Self { tat: Line(AtomicU32::new(quota.position(start))), quota }
        }
    }

    const_fn! {
        /// A limiter that is as much in use at `now` as the one that answered `snapshot`, on a clock that may be another
        /// and with a quota that may be another.
        ///
        /// There is no invalid snapshot: one that reaches further than the whole burst counts as that, and is over when
        /// the burst has come back.
        #[must_use]
        pub fn restore(quota: Quota, now: Tick, snapshot: u32) -> Self {
            let backlog = snapshot.saturating_mul(quota.per_tick.get());
            let backlog = if backlog < quota.window { backlog } else { quota.window };
            Self { tat: Line(AtomicU32::new(quota.position(now).wrapping_add(backlog))), quota }
        }
    }

    /// After how many ticks from `now` the whole burst is free, rounded up: all that has to outlive a restart or a
    /// change of the quota.
    ///
    /// By rounding up, a limiter that was restored admits no cell that the old one would have refused; but what a crowd
    /// overdrew beyond the burst is forgiven.
    ///
    /// ```
    /// use sweet_async_core::{RateLimiter, Tick, rate::Quota};
    ///
    /// const QUOTA: Quota = Quota::of::<1, 10, 3>(); // one in 10 ticks, three at once
    /// let before = RateLimiter::new(QUOTA, Tick::new(0));
    /// assert!(before.check_n(Tick::new(5), 2).is_ok());
    /// let kept = before.snapshot(Tick::new(9));
    /// let after = RateLimiter::restore(QUOTA, Tick::new(70_000), kept); // the clock started anew
    /// assert_eq!((kept, after.available(Tick::new(70_000))), (16, 1));
    /// ```
    #[must_use]
    pub fn snapshot(&self, now: Tick) -> u32 {
        self.quota
            .backlog(self.read(), self.quota.position(now))
            .map_or(0, |backlog| backlog.div_ceil(self.quota.per_tick.get()))
    }

    /// Admits one cell, or says when to come back.
    ///
    /// # Errors
    /// [`RetryAt`] when the cell does not fit at `now`.
    #[inline]
    pub fn check(&self, now: Tick) -> Result<(), RetryAt> {
        self.admit(now, self.quota.cost.get())
    }

    /// Admits `cells` cells, all or none, or says when to come back. None always fit, unless others overdrew.
    ///
    /// # Errors
    /// [`CheckError::RetryAt`] when they do not fit at `now`, [`CheckError::TooMany`] when they never do.
    #[inline]
    pub fn check_n(&self, now: Tick, cells: u32) -> Result<(), CheckError> {
        let burst = self.quota.burst;
        if cells > burst {
            return Err(CheckError::TooMany { burst });
        }
        self.admit(now, self.quota.cost.get() * cells)
            .map_err(CheckError::RetryAt)
    }

    /// How many cells fit at `now`, if nobody else takes any.
    #[must_use]
    pub fn available(&self, now: Tick) -> u32 {
        let used = self
            .quota
            .backlog(self.read(), self.quota.position(now))
            .unwrap_or(0);
        self.quota.window.saturating_sub(used) / self.quota.cost
    }

    /// What the limiter admits.
    #[must_use]
    pub const fn quota(&self) -> &Quota {
        &self.quota
    }

    /// The protocol. `cost` is at most the window.
    #[inline]
    fn admit(&self, now: Tick, cost: u32) -> Result<(), RetryAt> {
        let quota = &self.quota;
        let here = quota.position(now);
        let mut tat = self.read();
        loop {
            let from = match quota.backlog(tat, here) {
                None => here,
                Some(backlog) if backlog + cost > quota.window => {
                    return Err(quota.refusal(now, backlog, cost));
                }
                Some(backlog) if quota.is_roomy(backlog, cost) => return self.add(now, cost),
                Some(_) => tat,
            };
            // ORDERING: Relaxed. The exchange alone keeps R1: cells are admitted against the value it replaced, and
            // nobody reads anything else because of it. Models: `rate::near_the_limit`, `rate::idle_raised_once`.
            match self
                .tat
                .compare_exchange_weak(tat, from.wrapping_add(cost), Relaxed, Relaxed)
            {
                Ok(_) => return Ok(()),
                Err(seen) => tat = seen,
            }
            sync::back_off();
        }
    }

    /// Adds first and checks what it was added to; a cost that did not fit after all stays added, so R1 holds.
    #[inline]
    fn add(&self, now: Tick, cost: u32) -> Result<(), RetryAt> {
        let quota = &self.quota;
        // ORDERING: Relaxed. As above: the sum alone keeps R1. Models: `rate::room_for_all`,
        // `rate::overdrawn_by_a_crowd`.
        let tat = self.tat.fetch_add(cost, Relaxed);
        // Never idle: the load before saw a backlog at this `now`, and the word only grows.
        let backlog = tat.wrapping_sub(quota.position(now));
        if backlog + cost > quota.window {
            return Err(quota.refusal(now, backlog, cost));
        }
        Ok(())
    }

    #[inline]
    fn read(&self) -> u32 {
        // ORDERING: Relaxed. An old value is either confirmed by the operation that follows, or refuses on a word that
        // was there; nobody reads anything else because of it. Model: `rate::near_the_limit`.
        self.tat.load(Relaxed)
    }
}

#[expect(clippy::missing_fields_in_debug, reason = "the word is there, decoded")]
impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The word knows the tick only modulo the circle of the quota.
        let (whole_at, circle) = (
            self.read().div_ceil(self.quota.per_tick.get()),
            self.quota.circle(),
        );
        f.debug_struct("RateLimiter")
            .field("quota", self.quota())
            .field("whole_at", &format_args!("tick {whole_at} modulo {circle}"))
            .finish()
    }
}

impl fmt::Debug for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quota")
            .field("cells", &self.cells())
            .field("ticks", &self.ticks())
            .field("burst", &self.burst())
            .field("skew", &self.skew())
            .finish()
    }
}

impl fmt::Display for RetryAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the rate is used up; come back at tick {}", self.at.count())
    }
}

impl Error for RetryAt {}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RetryAt(refusal) => fmt::Display::fmt(refusal, f),
            Self::TooMany { burst } => {
                write!(f, "at most {burst} cells fit at once; ask for fewer at a time")
            }
        }
    }
}

impl Error for CheckError {}

impl fmt::Display for QuotaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zero => "a quota needs at least one cell, one tick and a burst of one",
            Self::TooWide => {
                "the burst takes longer to come back than one word counts; allow a smaller burst or skew, or count \
                 time in coarser ticks"
            }
        })
    }
}

impl Error for QuotaError {}

/// The word, apart from the quota: who changes the one does not take the other from who reads it. Small machines, which
/// have 32-bit pointers and one processor, save the space.
#[cfg_attr(target_pointer_width = "64", repr(align(64)))]
struct Line(AtomicU32);

impl Deref for Line {
    type Target = AtomicU32;

    #[inline]
    fn deref(&self) -> &AtomicU32 {
        &self.0
    }
}

/// How many callers may be between the load and the `fetch_add` of one word at once.
const CROWD: u32 = 256;

/// Euclid's; zero only if both are.
const fn common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Never zero, so that what divides by it later needs no panic; `None` for a zero.
const fn share(value: u32, divisor: u32) -> Option<NonZeroU32> {
    match value.checked_div(divisor) {
        Some(share) => NonZeroU32::new(share),
        None => None,
    }
}

#[cfg(test)]
mod tests;
