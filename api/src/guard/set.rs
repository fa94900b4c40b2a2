//! The guards of one task or policy, asked together: an attempt gets everything or nothing.

use alloc::sync::Arc;
use core::task::Waker;

use super::limit::{ConcurrencyLimit, Entered, LimitReached};
use super::queue::{Place, Queue};
use super::rate::{RateLimited, RateLimiter};
use super::{BudgetSpent, Patience, RetryBudget};
use crate::breaker::{Admission, CircuitBreaker};
use crate::task::{Cause, CircuitOpen};
use crate::{Moment, Runtime};

/// What stands before each attempt.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guards {
    pub(crate) breaker: Option<CircuitBreaker>,
    pub(crate) limit: Option<ConcurrencyLimit>,
    pub(crate) rate: Option<RateLimiter>,
    pub(crate) budget: Option<RetryBudget>,
}

/// What an attempt was given. The guards are told how it went by [`Guards::tell`]; dropped, it keeps a probe's place in the
/// breaker until the lease ends.
#[derive(Debug, Default)]
#[must_use = "the guards are told how the attempt went"]
pub(crate) struct Pass {
    ticket: Option<Admission>,
    entered: Option<Entered>,
}

/// What an attempt holds while it waits: given back as it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Wait {
    entered: Option<Entered>,
    place: Option<Place>,
    /// When it began to wait in this line.
    since: Option<Moment>,
}

/// Why an attempt does not begin now.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Held {
    /// It fails.
    Refused(Refusal),
    /// It asks again when it is woken, or then.
    Wait(Moment),
}

/// Which guard refused, and when to come back.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    Breaker(CircuitOpen),
    Limit(LimitReached),
    Rate(RateLimited),
}

/// How an attempt went, for the guards.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Told {
    Succeeded,
    Failed,
    /// It failed for want of capacity.
    Overloaded,
    Cancelled,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking<'a> {
    pub(crate) now: Moment,
    pub(crate) deadline: Moment,
    /// Whom to wake; nobody who only wants to know whether it would have to wait.
    pub(crate) waker: Option<&'a Waker>,
}

impl Guards {
    /// Asks for one attempt. Without a waker, or when it is refused, nothing is held afterwards.
    pub(crate) fn ask(&self, wait: &mut Wait, asking: Asking<'_>) -> Result<Pass, Held> {
        let ticket = match self.breaker.as_ref().map(|breaker| breaker.admit(|| asking.now)) {
            Some(Ok(ticket)) => Some(ticket),
            None => None,
            Some(Err(open)) => {
                *wait = Wait::default();
                return Err(Held::Refused(Refusal::Breaker(open)));
            }
        };
        match self.places(wait, asking) {
            Ok(entered) => {
                *wait = Wait::default();
                Ok(Pass { ticket, entered })
            }
            Err(held) => {
                if let (Some(breaker), Some(ticket)) = (&self.breaker, ticket) {
                    breaker.tell(ticket, Told::Cancelled, || asking.now);
                }
                if matches!(held, Held::Refused(_)) || asking.waker.is_none() {
                    *wait = Wait::default();
                }
                Err(held)
            }
        }
    }

    pub(crate) const fn has_more_than_a_breaker(&self) -> bool {
        self.is_waited_for() || self.budget.is_some()
    }

    /// Takes over what `others` has besides the breaker.
    pub(crate) fn overlay(&mut self, others: &Self) {
        self.limit = others.limit.clone().or_else(|| self.limit.take());
        self.rate = others.rate.clone().or_else(|| self.rate.take());
        self.budget = others.budget.clone().or_else(|| self.budget.take());
    }

    /// Whether there may be something to wait for.
    pub(super) const fn is_waited_for(&self) -> bool {
        self.limit.is_some() || self.rate.is_some()
    }

    /// Asks where there is nothing to wait for.
    #[inline]
    pub(super) fn try_pass(&self, runtime: &impl Runtime) -> Result<Option<Admission>, Refusal> {
        let admitted = self
            .breaker
            .as_ref()
            .map(|breaker| breaker.admit(|| runtime.now()));
        admitted.transpose().map_err(Refusal::Breaker)
    }

    /// Tells the guards how an attempt went, and takes back what it was given.
    pub(crate) fn tell(&self, pass: &mut Pass, how: Told, runtime: &impl Runtime) {
        if let (Some(breaker), Some(ticket)) = (&self.breaker, pass.ticket.take()) {
            breaker.tell(ticket, how, || runtime.now());
        }
        match (pass.entered.take(), how) {
            (Some(entered), Told::Succeeded) => entered.succeeded(runtime.now()),
            (Some(entered), Told::Overloaded) => entered.lost(),
            // Dropped, it gives the place back and teaches nothing.
            (_, Told::Failed | Told::Cancelled) | (None, _) => {}
        }
    }

    /// A place in the limit, then one in the rate.
    fn places(&self, wait: &mut Wait, asking: Asking<'_>) -> Result<Option<Entered>, Held> {
        if let (Some(limit), None) = (&self.limit, &wait.entered) {
            let reached = || LimitReached { limit: limit.limit() };
            let entered = wait.in_line(limit.queue(), limit.patience, asking, |first| {
                if !first {
                    return Err((asking.now, Refusal::Limit(reached())));
                }
                // When a place will be free nobody knows; it is not before now.
                let full = |reached| (asking.now, Refusal::Limit(reached));
                limit.try_enter(asking.now).map_err(full)
            })?;
            wait.entered = Some(entered);
        }
        if let Some(rate) = &self.rate {
            wait.in_line(rate.queue(), rate.patience, asking, |first| {
                let taken = if first {
                    rate.try_take(asking.now)
                } else {
                    Err(rate.after_line(asking.now))
                };
                taken.map_err(|at| {
                    let retry_in = at.since(asking.now);
                    (at, Refusal::Rate(RateLimited { retry_in }))
                })
            })?;
        }
        let mut entered = wait.entered.take();
        if let Some(entered) = &mut entered {
            entered.begin(asking.now);
        }
        Ok(entered)
    }
}

impl Guards {
    /// Draws a retry from the budget, if there is one, after an attempt that ended so; trying again after a guard refused
    /// is free.
    pub(crate) fn draw<E>(&self, cause: &Cause<E>, now: Moment) -> Result<(), BudgetSpent> {
        let unheard = matches!(
            cause,
            Cause::CircuitOpen(_) | Cause::LimitReached(_) | Cause::RateLimited(_)
        );
        match &self.budget {
            Some(budget) if !unheard => budget.withdraw(now),
            _ => Ok(()),
        }
    }
}

impl Pass {
    /// Of a breaker alone.
    pub(super) const fn of(ticket: Option<Admission>) -> Self {
        Self {
            ticket,
            entered: None,
        }
    }

    /// Whether there is anything to tell of.
    #[inline]
    pub(super) const fn is_held(&self) -> bool {
        self.ticket.is_some() || self.entered.is_some()
    }
}

impl Wait {
    /// Tries as the first in line, or stands in it. `attempt` is told whether it is the first; it takes what it wants only
    /// then, or says from when on it is worth trying.
    fn in_line<T>(
        &mut self,
        queue: &Arc<Queue>,
        patience: Patience,
        asking: Asking<'_>,
        mut attempt: impl FnMut(bool) -> Result<T, (Moment, Refusal)>,
    ) -> Result<T, Held> {
        loop {
            let first = match (&self.place, asking.waker) {
                (Some(place), Some(waker)) => place.is_first(waker),
                _ => queue.is_empty(),
            };
            let (at, refusal) = match attempt(first) {
                Ok(taken) => {
                    // The next in line tries.
                    self.place = None;
                    self.since = None;
                    return Ok(taken);
                }
                Err(refused) => refused,
            };
            let last = match patience {
                Patience::Refuse => return Err(Held::Refused(refusal)),
                Patience::UpTo(time) => *self.since.get_or_insert(asking.now) + time,
                Patience::Deadline => Moment::NEVER,
            };
            // Who is not the first does not know when its turn is.
            let end = last.min(asking.deadline);
            let known = if first { at } else { asking.now };
            if known >= end {
                return Err(Held::Refused(refusal));
            }
            match (&self.place, asking.waker) {
                (None, Some(waker)) => self.place = Some(queue.join(waker)),
                (Some(_), _) if first && at > asking.now => return Err(Held::Wait(at)),
                _ => return Err(Held::Wait(last)),
            }
        }
    }
}

impl Told {
    /// What the guards are told of an attempt that ended so.
    pub(crate) const fn after<E>(cause: &Cause<E>, overloaded: bool) -> Self {
        if overloaded || matches!(cause, Cause::TimedOut(_)) {
            Self::Overloaded
        } else {
            Self::Failed
        }
    }
}

impl<E> From<Refusal> for Cause<E> {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Breaker(open) => Self::CircuitOpen(open),
            Refusal::Limit(reached) => Self::LimitReached(reached),
            Refusal::Rate(limited) => Self::RateLimited(limited),
        }
    }
}
