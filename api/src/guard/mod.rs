//! What stands between a task and what it calls: how many calls in a time, how many at once, how many again.
//!
//! A guard is a handle: clones speak of the same one, and every task that is given one shares it. The decisions are those
//! of the machines of the core; here are durations, errors that say when to come back, and queues of those who wait.
//!
//! # The order in which an attempt is admitted
//! | step | guard | refuses or waits | what comes back if a later step refuses |
//! |---|---|---|---|
//! | 1 | the task: cancelled, or past its deadline | ends | |
//! | 2 | [`CircuitBreaker`](crate::breaker::CircuitBreaker) | refuses | the ticket, as that of a call that was cancelled |
//! | 3 | [`ConcurrencyLimit`] | as its [`Patience`] says | the place, for the next in line |
//! | 4 | [`RateLimiter`] | as its [`Patience`] says | nothing: it is the last to be asked |
//!
//! The breaker comes first, so that nobody waits for a place only to be turned away; the rate comes last, so that nothing
//! is taken from it for a call that is not made. Whoever has waited asks the breaker again: it may have opened meanwhile.
//! While a task waits for the rate it keeps its place in the limit, and it never keeps a ticket of the breaker.
//!
//! Afterwards each is told how the attempt went:
//!
//! | the attempt | breaker | limit |
//! |---|---|---|
//! | has a value | a success, slow or not | its latency |
//! | fails | a failure | nothing, its place is free |
//! | fails, and the classifier says [`RetryAfter`](crate::task::Verdict::RetryAfter) | a failure | a call lost to overload |
//! | runs into a deadline | a failure | a call lost to overload |
//! | panics | a failure | nothing, its place is free |
//! | is cancelled, or lost to a hedge | nothing, a probe's place is free | nothing, its place is free |
//!
//! A [`RetryBudget`] is no step of admission: each call pays in with the first attempt that is admitted, and each retry of
//! an attempt that reached the other side, and each hedge, draws one out. Trying again after a guard refused is free: the
//! other side has not heard of it.
//!
//! A [`Hedge`] starts further tries of an attempt. Each asks the same guards, from the breaker on, but waits for none; then it
//! is drawn from the budget. The attempt's own limit is one for all its tries.
//!
//! # Waiting
//! Those who wait for a guard stand in one line and are admitted in the order in which they came; who comes while others
//! stand there stands behind them. Only the first in line tries. One that is cancelled or dropped, or whose patience or
//! deadline ends, leaves the line, and if it was the first, the next one tries at once. A wait that would outlast the
//! deadline is not begun, where its length is known: that for a rate is, that for a place is not.
//!
//! # Cost
//! A guard that nobody waits for is lock-free; the line behind it is a list under a lock, touched by those who wait. A task
//! without guards pays a word of its builder and a look at it.

mod alarm;
mod budget;
mod hedge;
mod limit;
mod policy;
mod queue;
mod race;
mod rate;
mod set;

use core::time::Duration;

pub use budget::{BudgetError, BudgetSpent, RetryBudget, RetryBudgetBuilder};
pub use hedge::{Hedge, HedgeBuilder, HedgeError};
pub use limit::{
    Aimd, ConcurrencyLimit, ConcurrencyLimitBuilder, Gradient2, Law, LimitError, LimitReached, Vegas,
};
pub use policy::{NoHedge, Policy, PolicyBuilder};
pub(crate) use race::{Race, Tries};
pub use rate::{RateError, RateLimited, RateLimiter, RateLimiterBuilder};
pub(crate) use set::{Asking, Guards, Held, Pass, Refusal, Told, Wait};

/// What an attempt does that a guard does not admit at once.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Patience {
    /// Fails at once; the error says when to come back.
    Refuse,
    /// Waits this long at most, and not past the deadline; then it fails.
    UpTo(Duration),
    /// Waits until its deadline; without one, for as long as it takes.
    #[default]
    Deadline,
}
