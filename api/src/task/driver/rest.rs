//! What only some tasks need while they run: a timer, a breaker, callbacks, a result that waits.

use alloc::sync::Arc;
use core::panic::AssertUnwindSafe;
use core::pin::Pin;
use core::task::{self, Poll};
use std::panic::catch_unwind;

use pin_project_lite::pin_project;
use sweet_async_core::lifecycle::{Level, Reason, Snapshot};

use super::super::callbacks::Running;
use super::super::error::{Cause, CircuitOpen, Limit, TaskError, TimedOut};
use super::super::plan::{Plan, Rescue};
use super::{DriverProjection, Phase, Stage, StageProjection, Step, Told};
use crate::breaker::{Admission, CircuitBreaker};
use crate::{Moment, Runtime, Sleep};

/// The part of a driver that is made when it is needed.
pub(super) struct Rest<S, T, E> {
    timer: Option<Pin<Box<Timer<S>>>>,
    breaker: Option<CircuitBreaker>,
    admission: Option<Admission>,
    /// When the attempt under way has taken too long.
    pub(super) attempt_end: Option<Moment>,
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
            attempt_end: None,
            grace_end: None,
            cleanup_end: None,
            running: None,
            result: None,
        }
    }
}

impl<S, T, E> Rest<S, T, E> {
    /// Of a task that asks `breaker`.
    pub(super) fn guarded(breaker: CircuitBreaker) -> Self {
        Self {
            breaker: Some(breaker),
            ..Self::default()
        }
    }

    /// Asks the breaker, if there is one.
    pub(super) fn admit(&mut self, runtime: &impl Runtime) -> Result<(), CircuitOpen> {
        if let Some(breaker) = &self.breaker {
            self.admission = Some(breaker.admit(runtime.now())?);
        }
        Ok(())
    }

    /// Tells the breaker, if it admitted an attempt and was not told yet.
    pub(super) fn tell(&mut self, how: Told, runtime: &impl Runtime) {
        self.attempt_end = None;
        if let (Some(breaker), Some(admission)) = (&self.breaker, self.admission.take()) {
            let now = runtime.now();
            match how {
                Told::Succeeded => breaker.succeeded(admission, now),
                Told::Failed => breaker.failed(admission, now),
                Told::Cancelled => breaker.cancelled(admission, now),
            }
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
    /// Arms the timer and the waker; ready when there is something to do after all.
    pub(super) fn park(&mut self, cx: &mut task::Context<'_>, until: Moment, seen: Snapshot) -> Poll<()> {
        let until = self.soonest(until);
        if until != Moment::NEVER {
            let runtime = &*self.runtime;
            let rest = self.rest.get_or_insert_default();
            let timer = rest.timer.get_or_insert_with(|| {
                Box::pin(Timer {
                    sleep: runtime.sleep_until(until),
                    armed: until,
                })
            });
            if timer.as_mut().poll(until, cx).is_ready() {
                if let Step::End(result) = self.expire() {
                    self.end(result);
                }
                return Poll::Ready(());
            }
        }
        self.header().driver.register(cx.waker());
        // Whoever has news writes it, then wakes; here the waker is in place, then the news is looked for.
        if self.has_news(seen) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// The earliest of all ends that this task waits for.
    fn soonest(&self, until: Moment) -> Moment {
        let Some(rest) = &*self.rest else { return until };
        let ends = match *self.phase {
            Phase::Work => [rest.attempt_end, rest.grace_end],
            Phase::Closing => [rest.grace_end, None],
            Phase::Ended | Phase::Left => [rest.cleanup_end, None],
        };
        ends.into_iter().flatten().fold(until, Moment::min)
    }

    /// Whether anything has changed that the step before did not see.
    fn has_news(&self, seen: Snapshot) -> bool {
        let fresh = self.header().lifecycle.snapshot();
        if fresh.level().is_none() && *self.phase == Phase::Work {
            return false;
        }
        let level_rose = *self.phase != Phase::Ended && fresh.level() != seen.level();
        // A kill that a shield held back, and the shield is open no more.
        let shield_closed = *self.phase == Phase::Work && seen.is_shielded() && !fresh.is_shielded();
        let Some(extra) = self.header().extra_if_any() else {
            return level_rose || shield_closed;
        };
        let childless = extra.children.group.live() == 0;
        let children_left = *self.phase == Phase::Closing && childless;
        let running = self.rest.as_ref().is_some_and(|rest| rest.running.is_some());
        let callbacks = fresh.level().is_some_and(|level| level < Level::KillHard)
            && (childless || *self.phase == Phase::Ended)
            && !running
            && !extra.lock_callbacks().is_empty();
        level_rose || shield_closed || children_left || callbacks
    }

    /// The timer fired: what is over?
    #[cold]
    fn expire(&mut self) -> Step<T, E> {
        let now = self.runtime.now();
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
                let _ = self.record.cancel_tree(Level::Kill, reason, None);
            }
        }
        if *self.phase != Phase::Work {
            return Step::Again;
        }
        let primary = match self.stage.as_mut().project() {
            StageProjection::Rescue { primary, .. } => Some(Arc::clone(primary)),
            _ => None,
        };
        let attempt_end = self.rest.as_ref().and_then(|rest| rest.attempt_end);
        match (&*self.stage, primary) {
            (Stage::Rescue { .. }, Some(primary)) if self.header().inherited().0 <= now => {
                self.time_out(now, Some(primary))
            }
            (Stage::Attempt { .. }, _) if self.header().deadline <= now => self.time_out(now, None),
            (Stage::Attempt { .. }, _) if attempt_end.is_some_and(|end| end <= now) => {
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
