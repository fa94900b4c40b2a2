//! How many calls may be retries or hedges, so that a failing service is not buried under them.
//!
//! Each call pays in a share of a retry, each retry or hedge draws out a whole one. While most calls succeed the
//! account stays full and every failure may be retried; when all fail, retries are the given share of the calls and no
//! more. (The idea is that of Finagle's `RetryBudget` and of the retry throttling in gRPC proposal A6.)
//!
//! ```text
//!               deposit: + permille                    withdraw: - 1000
//!                 (up to most)                      (if so much is there)
//!   [ calls ] ------------------> [ BALANCE ] ---------------------------> [ retries, hedges ]
//!                                      ^
//!               top_up: at least floor |
//! ```
//!
//! | bits  | name      | meaning                                   |
//! |-------|-----------|-------------------------------------------|
//! | 0..32 | `BALANCE` | what is saved, in thousandths of a retry  |
//!
//! - **R1** `BALANCE` is never above `most` retries and never borrows: it does not wrap at either end.
//! - **R2** Of `c` calls and `t` top-ups since the beginning, at most `c` × share + (1 + `t`) × floor retries were let
//!   through: when everything fails, the amplification is at most 1 + share, the floor aside.
//! - **R3** In any stretch of time with `c` calls and `t` top-ups, at most `most` + `c` × share + `t` × floor are let
//!   through: what good times save up is bounded.
//! - **R4** Nothing that is paid in or drawn out gets lost, except what exceeds `most`; a refusal changes nothing.
//!
//! An operation is one read and at most one compare-and-swap when nobody interferes, and is lock-free: it retries only
//! when another thread's operation took effect in between (or the processor lost its reservation). A deposit into a
//! full account, the usual case of a healthy service, is one read. The models in `loom-tests/tests/budget.rs` prove R1,
//! R2 and R4. Nothing allocates: a budget is four words, of which one changes (`tests::takes_sixteen_bytes`).
//!
//! # Use
//! Deposit once for each call, before its first attempt; not for retries. Withdraw last, after the breaker and the
//! backoff agreed to the attempt, so that nothing has to be given back. Share one budget among all retries and hedges
//! of the same service. Call [`RetryBudget::top_up`] once in each period to let `floor` retries through in every one
//! of them, also when there are too few calls to earn one; without it the floor is what there is at the beginning.
//!
//! # Memory ordering
//! A budget counts and orders no memory: who withdraws does not see what who deposited did before.

use core::error::Error;
use core::fmt;

use crate::sync::Ordering::Relaxed;
use crate::sync::{AtomicU32, const_fn};

/// Lets a share of the calls through as retries.
///
/// # Examples
/// ```
/// use sweet_async_core::budget::RetryBudget;
///
/// // One retry for ten calls, at most 50 saved up, 2 at the beginning and after each top-up.
/// static BUDGET: RetryBudget = RetryBudget::new(100, 50).with_floor(2);
///
/// assert!(BUDGET.try_withdraw().is_ok() && BUDGET.try_withdraw().is_ok());
/// assert_eq!(BUDGET.try_withdraw().map_err(|refused| refused.calls), Err(Some(10)));
/// for _ in 0..10 {
///     BUDGET.deposit();
/// }
/// assert!(BUDGET.try_withdraw().is_ok());
/// ```
pub struct RetryBudget {
    word: AtomicU32,
    permille: u32,
    most: u32,
    floor: u32,
}

/// The budget does not hold a whole retry; nothing was drawn out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Overdrawn {
    /// How many more calls earn what is missing, if nobody else draws it out; `None` if calls earn nothing.
    pub calls: Option<u32>,
}

impl RetryBudget {
    /// The most retries that can be saved up.
    pub const MAX: u32 = u32::MAX / RETRY;

    const_fn! {
        /// A budget of `permille` retries for each thousand calls, of which at most `most` are saved up; no floor.
        ///
        /// A `most` of 0 lets no retry through, one above [`RetryBudget::MAX`] counts as that.
        #[must_use]
        pub fn new(permille: u32, most: u32) -> Self {
            Self { word: AtomicU32::new(0), permille, most: retries(most), floor: 0 }
        }
    }

    const_fn! {
        /// The same budget with `floor` retries in it, to begin with and after each [`RetryBudget::top_up`]; never more
        /// than can be saved up. What a budget held before is not kept: [`RetryBudget::restore`] comes after it.
        #[must_use]
        pub fn with_floor(self, floor: u32) -> Self {
            let floor = lesser(retries(floor), self.most);
            Self { word: AtomicU32::new(floor), permille: self.permille, most: self.most, floor }
        }
    }

    const_fn! {
        /// The same budget with what [`RetryBudget::snapshot`] answered in it, after a restart or under other settings;
        /// instead of the floor, which comes back with the next [`RetryBudget::top_up`].
        ///
        /// There is no invalid snapshot: what is above the most that can be saved up counts as that (R1).
        #[must_use]
        pub fn restore(self, snapshot: u32) -> Self {
            let saved = lesser(snapshot, self.most);
            Self { word: AtomicU32::new(saved), permille: self.permille, most: self.most, floor: self.floor }
        }
    }

    /// What is saved up, in thousandths of a retry: all that has to outlive a restart or a change of settings.
    ///
    /// ```
    /// use sweet_async_core::RetryBudget;
    ///
    /// let before = RetryBudget::new(250, 10);
    /// before.deposit();
    /// let kept = before.snapshot();
    /// let after = RetryBudget::new(500, 4).restore(kept); // others may retry more, but save up less
    /// after.deposit();
    /// assert_eq!((kept, after.snapshot()), (250, 750));
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> u32 {
        self.read()
    }

    /// Pays in for one call; what exceeds the most that can be saved up is lost (R1).
    pub fn deposit(&self) {
        self.transition(|balance| {
            let next = lesser(balance.saturating_add(self.permille), self.most);
            ((), (next != balance).then_some(next))
        });
    }

    /// Draws out one retry or hedge.
    ///
    /// # Errors
    /// [`Overdrawn`] when less than one is there. Nothing changes (R4).
    pub fn try_withdraw(&self) -> Result<(), Overdrawn> {
        self.transition(|balance| match balance.checked_sub(RETRY) {
            Some(next) => (Ok(()), Some(next)),
            None => (Err(self.overdrawn(balance)), None),
        })
    }

    /// Sees to it that the floor is there; to be called once in each period of the caller's clock.
    pub fn top_up(&self) {
        // ORDERING: Relaxed. A number that nobody reads anything else because of; a maximum loses no deposit and no
        // withdrawal before or after it (R4). Model: `budget::top_up_keeps_what_was_saved`.
        self.word.fetch_max(self.floor, Relaxed);
    }

    /// How many whole retries are saved up; may be out of date when it is read.
    #[must_use]
    pub fn saved(&self) -> u32 {
        self.read() / RETRY
    }

    fn overdrawn(&self, balance: u32) -> Overdrawn {
        // Below the most that can be saved, if that is a retry or more, each call earns its share.
        let earns = self.permille > 0 && self.most >= RETRY;
        Overdrawn {
            calls: earns.then(|| RETRY.saturating_sub(balance).div_ceil(self.permille)),
        }
    }

    fn read(&self) -> u32 {
        // ORDERING: Relaxed. A number that nobody reads anything else because of; `transition` verifies it before it
        // counts, except that a full account stays as it is and an empty one refuses, as of the moment of this read.
        // Model: `budget::nothing_gets_lost`.
        self.word.load(Relaxed)
    }

    /// Applies `decide` to the current balance until its answer took effect, or needs no effect.
    fn transition<A>(&self, decide: impl Fn(u32) -> (A, Option<u32>)) -> A {
        let mut balance = self.read();
        loop {
            let (answer, next) = match decide(balance) {
                (answer, None) => return answer,
                (answer, Some(next)) => (answer, next),
            };
            // ORDERING: Relaxed, also on failure. The bounds (R1, R2) and that nothing gets lost (R4) rest on the order
            // of changes to this one word, which every ordering keeps. Models: `budget::nothing_gets_lost`,
            // `budget::the_last_retry`, `budget::never_above_the_most`.
            match self.word.compare_exchange_weak(balance, next, Relaxed, Relaxed) {
                Ok(_) => return answer,
                Err(seen) => balance = seen,
            }
        }
    }
}

#[expect(
    clippy::missing_fields_in_debug,
    reason = "what is saved is the word, decoded"
)]
impl fmt::Debug for RetryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryBudget")
            .field("saved", &self.saved())
            .field("permille", &self.permille)
            .field("most", &(self.most / RETRY))
            .field("floor", &(self.floor / RETRY))
            .finish()
    }
}

impl fmt::Display for Overdrawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.calls {
            Some(calls) => write!(
                f,
                "the retry budget is used up; handle the failure, or retry when {calls} more calls were made"
            ),
            None => f.write_str(
                "the retry budget is used up; handle the failure, or give calls a share of a retry",
            ),
        }
    }
}

impl Error for Overdrawn {}

/// What one retry costs.
const RETRY: u32 = 1_000;

/// What `count` retries cost, at most [`RetryBudget::MAX`] of them.
const fn retries(count: u32) -> u32 {
    lesser(count, RetryBudget::MAX) * RETRY
}

const fn lesser(one: u32, other: u32) -> u32 {
    if one < other { one } else { other }
}

#[cfg(test)]
mod tests;
