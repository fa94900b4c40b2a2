//! What only some tasks need while they run: a timer, a breaker, callbacks, a result that waits.

use alloc::sync::Arc;
use core::panic::AssertUnwindSafe;
use core::pin::Pin;
use core::task::{self, Poll};
use std::panic::catch_unwind;

use pin_project_lite::pin_project;
use sweet_async_core::lifecycle::{Level, Reason, Snapshot};

use super::super::callbacks::Running;
use super::super::error::{Cause, Limit, TaskError, TimedOut};
use super::super::header::TaskRecord;
use super::super::plan::{Plan, Rescue};
use super::{DriverProjection, Phase, Stage, Step};
use crate::breaker::{Admission, CircuitBreaker};
use crate::guard::{Asking, BudgetSpent, Guards, Held, Pass, Refusal, Told, Wait};
use crate::{Moment, Runtime, Sleep};

/// The part of a driver that is made when it is needed.
pub(super) struct Rest<S, T, E> {
    timer: Option<Pin<Box<Timer<S>>>>,
    breaker: Option<CircuitBreaker>,
    admission: Option<Admission>,
    /// Of a task with more guards than a breaker.
    guarded: Option<Box<Guarded>>,
    /// Whether the task waits for a guard.
    pub(super) queued: bool,
    /// When the attempt under way has taken too long.
    pub(super) attempt_end: Option<Moment>,
    /// When the next attempt begins.
    pub(super) backoff_end: Option<Moment>,
    /// What the fallback under way is for.
    pub(super) primary: Option<Arc<TaskError<E>>>,
    /// When graceful turns into kill.
    pub(super) grace_end: Option<Moment>,
    /// When callbacks that still run are given up.
    pub(super) cleanup_end: Option<Moment>,
    /// The callback under way.
    pub(super) running: Option<Running>,
    /// The result, while children or callbacks are waited for.
    pub(super) result: Option<Result<T, TaskError<E>>>,
}

impl<S, T, E> Default for Rest<S, T, E> {
    fn default() -> Self {
        Self {
            timer: None,
            breaker: None,
            admission: None,
            guarded: None,
            queued: false,
            attempt_end: None,
            backoff_end: None,
            primary: None,
            grace_end: None,
            cleanup_end: None,
            running: None,
            result: None,
        }
    }
}

/// What guards a task was given.
#[derive(Clone, Default)]
pub(in super::super) struct Guarding {
    pub(in super::super) breaker: Option<CircuitBreaker>,
    /// Those besides the breaker.
    pub(in super::super) others: Option<Box<Guards>>,
}

impl Guarding {
    /// All of them.
    pub(in super::super) fn all(&self) -> Guards {
        let mut guards = self
            .others
            .as_ref()
            .map_or_else(Guards::default, |others| Guards::clone(others));
        guards.breaker.clone_from(&self.breaker);
        guards
    }
}

/// The guards of a task that has more than a breaker, and what they gave it.
struct Guarded {
    guards: Guards,
    wait: Wait,
    pass: Option<Pass>,
    /// Whether the retry budget was paid: once for each task.
    paid: bool,
}

impl Guarded {
    fn ask(&mut self, asking: Asking<'_>) -> Result<(), Held> {
        self.pass = Some(self.guards.ask(&mut self.wait, asking)?);
        if let (false, Some(budget)) = (self.paid, &self.guards.budget) {
            budget.deposit();
        }
        self.paid = true;
        Ok(())
    }

    fn tell(&mut self, how: Told, runtime: &impl Runtime) {
        // Who is cancelled while it waits leaves its line.
        self.wait = Wait::default();
        if let Some(mut pass) = self.pass.take() {
            self.guards.tell(&mut pass, how, runtime);
        }
    }
}

impl<S, T, E> Rest<S, T, E> {
    /// Of a task that has guards to ask; `None` of one that has none.
    #[inline]
    pub(super) fn guarded(guarding: Guarding) -> Option<Box<Self>> {
        if guarding.breaker.is_none() && guarding.others.is_none() {
            return None;
        }
        Some(Self::by(guarding))
    }

    #[cold]
    fn by(guarding: Guarding) -> Box<Self> {
        let Guarding { breaker, others } = guarding;
        Box::new(match others {
            Some(mut guards) => {
                guards.breaker = breaker;
                Self::well_guarded(*guards)
            }
            None => Self {
                breaker,
                ..Self::default()
            },
        })
    }

    fn well_guarded(guards: Guards) -> Self {
        Self {
            guarded: Some(Box::new(Guarded {
                guards,
                wait: Wait::default(),
                pass: None,
                paid: false,
            })),
            ..Self::default()
        }
    }

    /// Asks the guards, without waiting for any.
    pub(super) fn admit(&mut self, runtime: &impl Runtime, deadline: Moment) -> Result<(), Held> {
        if let Some(breaker) = &self.breaker {
            let admitted = breaker.admit(|| runtime.now());
            self.admission = Some(admitted.map_err(|open| Held::Refused(Refusal::Breaker(open)))?);
        }
        match &mut self.guarded {
            Some(guarded) => guarded.ask(Asking {
                now: runtime.now(),
                deadline,
                waker: None,
            }),
            None => Ok(()),
        }
    }

    /// Asks the guards, and stands in line for those that it has to wait for.
    pub(super) fn queue(&mut self, asking: Asking<'_>) -> Result<(), Held> {
        match &mut self.guarded {
            Some(guarded) => guarded.ask(asking),
            None => Ok(()),
        }
    }

    /// What the attempt was given, for one who tells the guards itself.
    pub(super) fn hand_over(&mut self) -> Option<Pass> {
        self.guarded.as_mut()?.pass.take()
    }

    /// Draws a retry from the budget, if there is one; trying again after a guard refused is free.
    pub(super) fn draw(&self, cause: &Cause<E>, now: Moment) -> Result<(), BudgetSpent> {
        self.guarded
            .as_ref()
            .map_or(Ok(()), |guarded| guarded.guards.draw(cause, now))
    }

    /// Tells the guards, if they admitted an attempt and were not told yet.
    pub(super) fn tell(&mut self, how: Told, runtime: &impl Runtime) {
        self.attempt_end = None;
        self.queued = false;
        if let (Some(breaker), Some(admission)) = (&self.breaker, self.admission.take()) {
            breaker.tell(admission, how, || runtime.now());
        }
        if let Some(guarded) = &mut self.guarded {
            guarded.tell(how, runtime);
        }
    }

    /// Drops the callback under way; its destructor is the caller's code.
    pub(super) fn drop_running(&mut self) {
        let running = self.running.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(running)));
    }
}

pin_project! {
    /// The one timer of a task, made when it first waits.
    struct Timer<S> {
        #[pin]
        sleep: S,
        armed: Moment,
    }
}

impl<S: Sleep> Timer<S> {
    fn poll(self: Pin<&mut Self>, until: Moment, cx: &mut task::Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if *this.armed != until {
            this.sleep.as_mut().reset(until);
            *this.armed = until;
        }
        core::task::ready!(this.sleep.poll(cx));
        // Fired: whatever comes next is armed anew.
        *this.armed = Moment::NEVER;
        Poll::Ready(())
    }
}

impl<R, T, E, P, B> DriverProjection<'_, R, T, E, P, B>
where
    R: Runtime,
    T: Send + 'static,
    E: Send + Sync + 'static,
    P: Plan<R, T, E>,
    B: Rescue<T, E>,
{
    /// Arms the timer and the waker; gives a step if there is something to do after all.
    pub(super) fn park(
        &mut self,
        cx: &mut task::Context<'_>,
        until: Moment,
        seen: Snapshot,
    ) -> Option<Step<T, E>> {
        let until = self.soonest(until);
        if until != Moment::NEVER {
            let runtime = &self.record.slot.runtime;
            let rest = self.rest.get_or_insert_default();
            let timer = rest.timer.get_or_insert_with(|| {
                Box::pin(Timer {
                    sleep: runtime.sleep_until(until),
                    armed: until,
                })
            });
            if timer.as_mut().poll(until, cx).is_ready() {
                return Some(self.expire());
            }
        }
        self.header().driver.register(cx.waker());
        // Whoever has news writes it, then wakes; here the waker is in place, then the news is looked for.
        self.has_news(seen).then_some(Step::Again)
    }

    /// The earliest of all ends that this task waits for.
    fn soonest(&self, until: Moment) -> Moment {
        let Some(rest) = &*self.rest else { return until };
        let ends = match self.stage.phase() {
            Phase::Work => [rest.attempt_end, rest.grace_end],
            Phase::Closing => [rest.grace_end, None],
            Phase::Ended | Phase::Left => [rest.cleanup_end, None],
        };
        ends.into_iter().flatten().fold(until, Moment::min)
    }

    /// Whether anything has changed that the step before did not see.
    fn has_news(&self, seen: Snapshot) -> bool {
        let fresh = self.header().lifecycle.snapshot();
        if fresh.level().is_none() && self.stage.phase() == Phase::Work {
            return false;
        }
        let level_rose = self.stage.phase() != Phase::Ended && fresh.level() != seen.level();
        // A kill that a shield held back, and the shield is open no more.
        let shield_closed = self.stage.phase() == Phase::Work && seen.is_shielded() && !fresh.is_shielded();
        let Some(extra) = self.header().extra_if_any() else {
            return level_rose || shield_closed;
        };
        let childless = extra.children.group.live() == 0;
        let children_left = self.stage.phase() == Phase::Closing && childless;
        let running = self.rest.as_ref().is_some_and(|rest| rest.running.is_some());
        let callbacks = fresh.level().is_some_and(|level| level < Level::KillHard)
            && (childless || self.stage.phase() == Phase::Ended)
            && !running
            && !extra.lock_callbacks().is_empty();
        level_rose || shield_closed || children_left || callbacks
    }

    /// The timer fired: what is over?
    #[cold]
    fn expire(&mut self) -> Step<T, E> {
        let now = self.runtime().now();
        if let Some(rest) = self.rest {
            if rest.cleanup_end.is_some_and(|end| end <= now) {
                rest.drop_running();
                if let Some(extra) = self.record.header().extra_if_any() {
                    extra.give_up_callbacks();
                }
            }
            if rest.grace_end.is_some_and(|end| end <= now) {
                // Stays past, so that it is not begun again; what is left of the work is waited for without it.
                rest.grace_end = Some(Moment::NEVER);
                let reason = self
                    .header()
                    .lifecycle
                    .snapshot()
                    .reason()
                    .unwrap_or(Reason::Requested);
                let record: &TaskRecord = &**self.record;
                let _ = record.cancel_tree(Level::Kill, reason, None);
            }
        }
        if self.stage.phase() != Phase::Work {
            return Step::Again;
        }
        let attempt_end = self.rest.as_ref().and_then(|rest| rest.attempt_end);
        let late = self.header().deadline <= now;
        match &*self.stage {
            Stage::Rescue { .. } if self.header().inherited().0 <= now => self.time_out(now),
            Stage::Attempt { .. } if late => self.time_out(now),
            Stage::Idle { .. } | Stage::Backoff if late && self.is_queued() => self.time_out(now),
            Stage::Attempt { .. } if attempt_end.is_some_and(|end| end <= now) => {
                let elapsed = now.since(self.header().created);
                self.settle(Cause::TimedOut(TimedOut {
                    deadline_of: self.header().id,
                    limit: Limit::Attempt,
                    elapsed,
                }))
            }
            _ => Step::Again,
        }
    }
}
