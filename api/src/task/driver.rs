//! The engine: one future that carries a task from its first attempt to its end.
//!
//! ```text
//!   Idle --> Attempt --> ... --> Done          the work; any way out of it sets the verdict
//!              |   ^
//!              v   |
//!            Backoff        Rescue             between attempts; the fallback after the last
//!
//!   verdict set --> children join --> lifecycle.finish --> callbacks --> leave the scope
//! ```
//!
//! One timer serves every wait in turn: the task's deadline, the limit of an attempt, the backoff, the grace period.
//! It is made when the task first waits, so a task that never waits costs no timer. The work is polled before any
//! deadline is looked at: a result that is ready when its deadline passes counts.

use alloc::sync::Arc;
use core::future::Future;
use core::panic::AssertUnwindSafe;
use core::pin::Pin;
use core::task::{self, Poll};
use core::time::Duration;
use std::panic::catch_unwind;
use std::sync::{MutexGuard, PoisonError};

use pin_project_lite::pin_project;
use sweet_async_core::lifecycle::{End, FinishError, Level, Reason, Snapshot, Start};

use super::callbacks::{Callbacks, Running};
use super::context::Context;
use super::error::{Cause, Limit, Panic, Rejection, TaskError, TimedOut};
use super::header::{Node, TaskRecord};
use super::plan::{Fault, Plan, Rescue};
use super::slot::Slot;
use crate::{Moment, Runtime, Sleep};

pin_project! {
    /// A task's future, as the executor sees it.
    #[project = DriverProjection]
    pub(crate) struct Driver<R, T, E, P, B>
    where
        R: Runtime,
        T: Send,
        T: 'static,
        E: Send,
        E: Sync,
        E: 'static,
        P: Plan<R, T, E>,
        B: Rescue<T, E>,
    {
        record: Arc<TaskRecord<Slot<T, E>>>,
        runtime: R,
        plan: P,
        rescue: B,
        // Where the parent lists this task.
        place: Option<usize>,
        // Whether the scope still counts this task.
        entered: bool,
        #[pin]
        stage: Stage<P::Attempt, B::Future, T, E>,
        timer: Option<Pin<Box<Timer<R::Sleep>>>>,
        teardown: Option<Box<Teardown>>,
        closing: bool,
        // Whether somebody may hold a context, and so enter children.
        contextual: bool,
        finished: bool,
        verdict: Option<Result<T, TaskError<E>>>,
    }

    impl<R, T, E, P, B> PinnedDrop for Driver<R, T, E, P, B>
    where
        R: Runtime,
        T: Send,
        T: 'static,
        E: Send,
        E: Sync,
        E: 'static,
        P: Plan<R, T, E>,
        B: Rescue<T, E>,
    {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if *this.entered {
                this.stopped();
            }
        }
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<A, F, T, E> {
        Idle,
        Attempt {
            #[pin]
            work: A,
            // When this attempt has taken too long.
            limit: Moment,
        },
        Backoff {
            until: Moment,
        },
        Rescue {
            #[pin]
            work: F,
            primary: Arc<TaskError<E>>,
        },
        Done {
            nothing: core::marker::PhantomData<T>,
        },
    }
}

/// What a cancelled task needs beside its work; made when it is told.
struct Teardown {
    /// When graceful turns into kill.
    grace_end: Moment,
    /// When callbacks that still run are given up.
    cleanup_end: Moment,
    running: Option<Running>,
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

/// What the driver does next.
enum Step<T, E> {
    Again,
    /// Lets others run first.
    Yield,
    Park(Moment),
    Ready(Result<T, TaskError<E>>),
}

impl<R, T, E, P, B> Driver<R, T, E, P, B>
where
    R: Runtime,
    T: Send + 'static,
    E: Send + Sync + 'static,
    P: Plan<R, T, E>,
    B: Rescue<T, E>,
{
    #[inline]
    pub(crate) const fn new(
        record: Arc<TaskRecord<Slot<T, E>>>,
        runtime: R,
        plan: P,
        rescue: B,
        place: Option<usize>,
    ) -> Self {
        Self {
            record,
            runtime,
            plan,
            rescue,
            place,
            entered: true,
            stage: Stage::Idle,
            timer: None,
            teardown: None,
            closing: false,
            contextual: false,
            finished: false,
            verdict: None,
        }
    }
}

impl<R, T, E, P, B> Future for Driver<R, T, E, P, B>
where
    R: Runtime,
    T: Send + 'static,
    E: Send + Sync + 'static,
    P: Plan<R, T, E>,
    B: Rescue<T, E>,
{
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        let mut this = self.project();
        loop {
            let seen = this.record.header().lifecycle.snapshot();
            if seen.level().is_some() && this.verdict.is_none() {
                this.obey(seen);
            }
            let step = if this.verdict.is_some() || *this.finished {
                this.close(cx)
            } else {
                this.advance(cx, seen)
            };
            match step {
                Step::Again => {}
                Step::Yield => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Step::Ready(result) => {
                    this.record.slot.put(result);
                    return Poll::Ready(());
                }
                Step::Park(until) => {
                    if this.park(cx, until, seen).is_pending() {
                        return Poll::Pending;
                    }
                }
            }
        }
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
    /// Does what the level in force demands of the work.
    #[cold]
    fn obey(&mut self, seen: Snapshot) {
        let Some(level) = seen.level() else { return };
        if seen.state().is_terminal() {
            return self.conclude(None, seen);
        }
        let idle = matches!(*self.stage, Stage::Idle | Stage::Backoff { .. });
        let fenced = P::FENCED && matches!(*self.stage, Stage::Attempt { .. });
        if !seen.is_shielded() && (idle || (level >= Level::Kill && !fenced)) {
            return self.conclude(None, seen);
        }
        self.begin_grace();
    }

    /// The grace period begins when the driver first sees that its task was told to stop.
    #[cold]
    fn begin_grace(&mut self) {
        if self.teardown.is_none() {
            let grace_end = self.runtime.now() + self.record.header().grace;
            *self.teardown = Some(Box::new(Teardown {
                grace_end,
                cleanup_end: Moment::NEVER,
                running: None,
            }));
        }
    }

    /// Drops the work of a cancelled task and sets the verdict.
    fn conclude(&mut self, error: Option<E>, seen: Snapshot) {
        self.drop_work();
        let Some(cancellation) = self.record.header().cancellation(seen) else {
            return;
        };
        let error = self.error(Cause::Cancelled { cancellation, error });
        *self.verdict = Some(Err(error));
    }

    /// One step of the work.
    #[inline]
    fn advance(&mut self, cx: &mut task::Context<'_>, seen: Snapshot) -> Step<T, E> {
        match self.stage.as_mut().project() {
            StageProjection::Idle => self.start(),
            StageProjection::Attempt { work, limit } => {
                let limit = *limit;
                match catch_unwind(AssertUnwindSafe(|| work.poll(cx))) {
                    Ok(Poll::Pending) => {
                        let _ = self.poll_callbacks(cx, seen);
                        self.park_until(limit.min(self.record.header().deadline.at))
                    }
                    Ok(Poll::Ready(Ok(value))) => self.succeed(value),
                    Ok(Poll::Ready(Err(fault))) => self.fault(fault),
                    Err(payload) => self.settle(Cause::Panicked(Panic::new(payload))),
                }
            }
            StageProjection::Backoff { until } => {
                let until = *until;
                if self.runtime.now() < until {
                    return Step::Park(until);
                }
                match self.record.header().lifecycle.resume() {
                    Ok(_) => self.begin(),
                    // Cancelled hard meanwhile; the next round obeys.
                    Err(_) => Step::Again,
                }
            }
            StageProjection::Rescue { work, primary } => {
                let primary = Arc::clone(primary);
                match catch_unwind(AssertUnwindSafe(|| work.poll(cx))) {
                    Ok(Poll::Pending) => {
                        let _ = self.poll_callbacks(cx, seen);
                        self.park_until(self.record.header().deadline.inherited)
                    }
                    Ok(Poll::Ready(Ok(value))) => self.succeed(value),
                    Ok(Poll::Ready(Err(error))) => self.both_failed(primary, Cause::Failed(error)),
                    Err(payload) => self.both_failed(primary, Cause::Panicked(Panic::new(payload))),
                }
            }
            StageProjection::Done { .. } => Step::Again,
        }
    }

    #[inline]
    fn start(&mut self) -> Step<T, E> {
        let Start::Run = self.record.header().lifecycle.start() else {
            return Step::Again;
        };
        let now = self.runtime.now();
        self.record.header().set_started(now);
        if now >= self.record.header().deadline.at {
            return self.time_out(now, None);
        }
        self.begin()
    }

    /// Begins an attempt, if the breaker lets it.
    #[inline]
    fn begin(&mut self) -> Step<T, E> {
        let limit = self
            .plan
            .attempt_timeout()
            .map_or(Moment::NEVER, |limit| self.runtime.now() + limit);
        let (plan, record, runtime) = (&mut *self.plan, &*self.record, &*self.runtime);
        let contextual = &mut *self.contextual;
        let context = || {
            *contextual = true;
            Context::new(Arc::clone(record) as Node, runtime.clone())
        };
        match catch_unwind(AssertUnwindSafe(|| plan.begin(runtime, context))) {
            Ok(Some(work)) => {
                self.stage.set(Stage::Attempt { work, limit });
                Step::Again
            }
            // A plan that has nothing left to run is not asked again; the arm keeps the engine total.
            Ok(None) => self.settle(Cause::Taken),
            Err(payload) => self.settle(Cause::Panicked(Panic::new(payload))),
        }
    }

    #[inline]
    fn succeed(&mut self, value: T) -> Step<T, E> {
        self.drop_work();
        *self.verdict = Some(Ok(value));
        Step::Again
    }

    fn fault(&mut self, fault: Fault<E>) -> Step<T, E> {
        match fault {
            Fault::Error(error) => self.settle(Cause::Failed(error)),
            Fault::Cause(cause) => self.settle(cause),
            Fault::Task(error) => {
                self.drop_work();
                *self.verdict = Some(Err(error));
                Step::Again
            }
        }
    }

    /// An attempt has no value: another one, the fallback, or the end.
    fn settle(&mut self, cause: Cause<E>) -> Step<T, E> {
        self.drop_work();
        let seen = self.record.header().lifecycle.snapshot();
        if seen.level().is_some() {
            if let Cause::Failed(error) = cause {
                self.conclude(Some(error), seen);
                return Step::Again;
            }
            return self.give_up(cause);
        }
        let now = self.runtime.now();
        let spent = now.since(self.record.header().started().unwrap_or(now));
        let plan = &mut *self.plan;
        let delay = match catch_unwind(AssertUnwindSafe(|| plan.again(&cause, spent))) {
            Ok(delay) => delay,
            Err(payload) => return self.try_rescue(Cause::Panicked(Panic::new(payload))),
        };
        if let Some(delay) = delay {
            let until = now + delay;
            // A wait that would outlast the deadline is not begun: its end is known now.
            if until < self.record.header().deadline.at && self.record.header().lifecycle.wait().is_ok() {
                self.stage.set(Stage::Backoff { until });
                // Work that fails at once and is tried again at once must not keep the executor to itself.
                return if until <= now { Step::Yield } else { Step::Again };
            }
        }
        self.try_rescue(cause)
    }

    fn try_rescue(&mut self, cause: Cause<E>) -> Step<T, E> {
        let rescuable = matches!(
            &cause,
            Cause::Failed(_)
                | Cause::Panicked(_)
                | Cause::CircuitOpen(_)
                | Cause::TimedOut(TimedOut {
                    limit: Limit::Attempt | Limit::Own,
                    ..
                })
        );
        let error = self.error(cause);
        if !rescuable {
            *self.verdict = Some(Err(error));
            return Step::Again;
        }
        let rescue = &mut *self.rescue;
        match catch_unwind(AssertUnwindSafe(|| rescue.rescue(error))) {
            Ok(Ok((Ok(work), primary))) => self.stage.set(Stage::Rescue { work, primary }),
            Ok(Ok((Err(payload), primary))) => {
                return self.both_failed(primary, Cause::Panicked(Panic::new(payload)));
            }
            Ok(Err(error)) => *self.verdict = Some(Err(error)),
            Err(payload) => *self.verdict = Some(Err(self.error(Cause::Panicked(Panic::new(payload))))),
        }
        Step::Again
    }

    fn give_up(&mut self, cause: Cause<E>) -> Step<T, E> {
        *self.verdict = Some(Err(self.error(cause)));
        Step::Again
    }

    fn both_failed(&mut self, primary: Arc<TaskError<E>>, fallback: Cause<E>) -> Step<T, E> {
        self.drop_work();
        let fallback = self.error(fallback);
        self.give_up(Cause::FallbackFailed { primary, fallback })
    }

    /// A deadline of the whole task passed.
    #[cold]
    fn time_out(&mut self, now: Moment, primary: Option<Arc<TaskError<E>>>) -> Step<T, E> {
        self.drop_work();
        let deadline = self.record.header().deadline;
        let limit = if deadline.at < deadline.inherited && primary.is_none() {
            Limit::Own
        } else {
            Limit::Inherited
        };
        let deadline_of = if matches!(limit, Limit::Own) {
            self.record.header().id
        } else {
            deadline.inherited_from
        };
        let elapsed = now.since(self.record.header().created);
        let cause = Cause::TimedOut(TimedOut {
            deadline_of,
            limit,
            elapsed,
        });
        match primary {
            Some(primary) => self.both_failed(primary, cause),
            // A task that was told to stop and ran into its deadline was cancelled.
            None if self.record.header().lifecycle.snapshot().level().is_some() => self.give_up(cause),
            None => self.try_rescue(cause),
        }
    }

    /// The verdict is set: joins the children, ends the task, runs what is left of the callbacks, leaves the scope.
    #[inline]
    fn close(&mut self, cx: &mut task::Context<'_>) -> Step<T, E> {
        if !*self.finished {
            if self.close_scope(cx).is_pending() {
                if self.record.header().lifecycle.snapshot().level() == Some(Level::Graceful) {
                    self.begin_grace();
                }
                return self.park_until(Moment::NEVER);
            }
            self.finish();
        }
        let seen = self.record.header().lifecycle.snapshot();
        if self.poll_callbacks(cx, seen).is_pending() {
            let cleanup_end = self.cleanup_end();
            return Step::Park(cleanup_end);
        }
        self.leave();
        match self.verdict.take() {
            Some(verdict) => Step::Ready(verdict),
            None => Step::Ready(Err(self.error(Cause::Taken))),
        }
    }

    /// Closes the scope to new children and waits for those who are there.
    ///
    /// Also after a hard kill: the handle has resolved, but nobody below outlives the scope above.
    #[inline]
    fn close_scope(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        let header = self.record.header();
        let extra = if *self.contextual {
            header.extra_or_seal()
        } else {
            header.extra_if_any()
        };
        let Some(extra) = extra else {
            return Poll::Ready(());
        };
        if !*self.closing {
            *self.closing = true;
            let _ = extra.children.group.close();
            if matches!(self.verdict, Some(Err(_))) {
                header.condemn_children(Level::Graceful);
            }
        }
        if extra.children.group.live() == 0 {
            return Poll::Ready(());
        }
        header.driver.register(cx.waker());
        if extra.children.group.live() == 0 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Ends the lifecycle; a cancellation that came first turns the verdict.
    #[inline]
    fn finish(&mut self) {
        *self.finished = true;
        // What the work and the fallback captured goes with them.
        let (plan, rescue) = (&mut *self.plan, &mut *self.rescue);
        let _ = catch_unwind(AssertUnwindSafe(|| plan.clear()));
        let _ = catch_unwind(AssertUnwindSafe(|| rescue.clear()));
        self.record.header().set_ended(self.runtime.now());
        let end = match &*self.verdict {
            Some(Ok(_)) => End::Completed,
            Some(Err(error)) => match error.cause() {
                Cause::Panicked(_) => End::Panicked,
                Cause::TimedOut(_) => End::TimedOut,
                Cause::Cancelled { .. } => End::Cancelled,
                _ => End::Failed,
            },
            None => End::Failed,
        };
        match self.record.header().lifecycle.finish(end) {
            Ok(()) => {}
            // The error of a cancelled task that this one was linked to: not this one's cancellation.
            Err(FinishError::Misplaced(_)) => {
                if self.record.header().lifecycle.finish(End::Failed).is_err() {
                    self.overruled(End::Failed);
                }
            }
            Err(_) => self.overruled(end),
        }
    }

    /// The lifecycle refused this end because a cancellation came before it.
    #[cold]
    fn overruled(&mut self, end: End) {
        if end != End::Cancelled {
            let _ = self.record.header().lifecycle.finish(End::Cancelled);
        }
        let seen = self.record.header().lifecycle.snapshot();
        let refused = self.verdict.take();
        if let Some(cancellation) = self.record.header().cancellation(seen) {
            let error = match refused.map(|result| result.map_err(TaskError::into_cause)) {
                Some(Err(Cause::Failed(error))) => Some(error),
                Some(Err(Cause::Cancelled { error, .. })) => error,
                other => {
                    let _ = catch_unwind(AssertUnwindSafe(|| drop(other)));
                    None
                }
            };
            *self.verdict = Some(Err(self.error(Cause::Cancelled { cancellation, error })));
        } else {
            *self.verdict = refused;
        }
    }

    /// Runs the callbacks of a cancelled task, one after the other, once its children have left.
    #[inline]
    fn poll_callbacks(&mut self, cx: &mut task::Context<'_>, seen: Snapshot) -> Poll<()> {
        if seen.level().is_none() {
            if *self.finished
                && let Some(extra) = self.record.header().extra_if_any()
            {
                give_up(&extra.callbacks);
            }
            return Poll::Ready(());
        }
        self.poll_callbacks_of_cancelled(cx, seen)
    }

    #[cold]
    fn poll_callbacks_of_cancelled(&mut self, cx: &mut task::Context<'_>, seen: Snapshot) -> Poll<()> {
        let Some(cancellation) = self.record.header().cancellation(seen) else {
            return Poll::Ready(());
        };
        // At the end, whoever registers a callback has to find out that it is too late.
        let extra = if *self.finished {
            self.record.header().extra_or_seal()
        } else {
            self.record.header().extra_if_any()
        };
        let Some(extra) = extra else {
            return Poll::Ready(());
        };
        if cancellation.level == Level::KillHard {
            if let Some(teardown) = self.teardown {
                let given_up = teardown.running.take();
                let _ = catch_unwind(AssertUnwindSafe(|| drop(given_up)));
            }
            give_up(&extra.callbacks);
            return Poll::Ready(());
        }
        if extra.children.group.live() != 0 && !*self.finished {
            return Poll::Pending;
        }
        loop {
            let running = self
                .teardown
                .as_mut()
                .and_then(|teardown| teardown.running.as_mut());
            if let Some(running) = running {
                if matches!(
                    catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(cx))),
                    Ok(Poll::Pending)
                ) {
                    return Poll::Pending;
                }
                if let Some(teardown) = self.teardown {
                    let done = teardown.running.take();
                    let _ = catch_unwind(AssertUnwindSafe(|| drop(done)));
                }
            }
            let next = {
                let mut callbacks = lock(&extra.callbacks);
                let next = callbacks.next();
                if next.is_none() && *self.finished {
                    drop(callbacks.close());
                }
                next
            };
            let Some(callback) = next else {
                return Poll::Ready(());
            };
            let running = catch_unwind(AssertUnwindSafe(|| callback(cancellation))).ok();
            let grace = self.record.header().grace;
            let teardown = self.teardown.get_or_insert_with(|| {
                Box::new(Teardown {
                    grace_end: Moment::NEVER,
                    cleanup_end: Moment::NEVER,
                    running: None,
                })
            });
            teardown.running = running;
            if *self.finished && teardown.cleanup_end == Moment::NEVER {
                teardown.cleanup_end = self.runtime.now() + grace;
            }
        }
    }

    /// Until when callbacks may run after the work is gone; the first question sets it.
    fn cleanup_end(&mut self) -> Moment {
        let Some(teardown) = self.teardown else {
            return Moment::NEVER;
        };
        if teardown.cleanup_end == Moment::NEVER {
            teardown.cleanup_end = self.runtime.now() + self.record.header().grace;
        }
        teardown.cleanup_end
    }

    /// Parks until `limit` or the end of the grace period.
    #[inline]
    fn park_until(&self, limit: Moment) -> Step<T, E> {
        let grace_end = self
            .teardown
            .as_ref()
            .map_or(Moment::NEVER, |teardown| teardown.grace_end);
        Step::Park(limit.min(grace_end))
    }

    /// Arms the timer and the waker; ready when there is something to do after all.
    #[inline]
    fn park(&mut self, cx: &mut task::Context<'_>, until: Moment, seen: Snapshot) -> Poll<()> {
        if until != Moment::NEVER {
            let timer = self.timer.get_or_insert_with(|| {
                Box::pin(Timer {
                    sleep: self.runtime.sleep_until(until),
                    armed: until,
                })
            });
            if timer.as_mut().poll(until, cx).is_ready() {
                self.expire();
                return Poll::Ready(());
            }
        }
        self.record.header().driver.register(cx.waker());
        let fresh = self.record.header().lifecycle.snapshot();
        let news = if fresh.level() == seen.level() {
            // What was postponed by a shield that is open no more.
            self.verdict.is_none() && fresh.level().is_some() && seen.is_shielded() && !fresh.is_shielded()
        } else {
            true
        };
        if news || self.has_callbacks(fresh) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Whether a callback waits that could be called now.
    fn has_callbacks(&self, seen: Snapshot) -> bool {
        if seen.level().is_none() {
            return false;
        }
        let running = self
            .teardown
            .as_ref()
            .is_some_and(|teardown| teardown.running.is_some());
        let Some(extra) = self.record.header().extra_if_any() else {
            return false;
        };
        !running && !lock(&extra.callbacks).is_empty() && extra.children.group.live() == 0
    }

    /// The timer fired: what is over?
    #[cold]
    fn expire(&mut self) {
        let now = self.runtime.now();
        if let Some(teardown) = self.teardown {
            if teardown.grace_end <= now {
                teardown.grace_end = Moment::NEVER;
                let reason = self
                    .record
                    .header()
                    .lifecycle
                    .snapshot()
                    .reason()
                    .unwrap_or(Reason::Requested);
                let _ = self.record.cancel_tree(Level::Kill, reason, None);
            }
            if teardown.cleanup_end <= now {
                let given_up = teardown.running.take();
                let _ = catch_unwind(AssertUnwindSafe(|| drop(given_up)));
                if let Some(extra) = self.record.header().extra_if_any() {
                    give_up(&extra.callbacks);
                }
            }
        }
        if self.verdict.is_some() {
            return;
        }
        match self.stage.as_mut().project() {
            StageProjection::Attempt { limit, .. } => {
                if self.record.header().deadline.at <= now {
                    self.time_out(now, None);
                } else if *limit <= now {
                    let elapsed = now.since(self.record.header().created);
                    let timed_out = TimedOut {
                        deadline_of: self.record.header().id,
                        limit: Limit::Attempt,
                        elapsed,
                    };
                    self.settle(Cause::TimedOut(timed_out));
                }
            }
            StageProjection::Rescue { primary, .. } => {
                if self.record.header().deadline.inherited <= now {
                    let primary = Arc::clone(primary);
                    self.time_out(now, Some(primary));
                }
            }
            StageProjection::Idle | StageProjection::Backoff { .. } | StageProjection::Done { .. } => {}
        }
    }

    /// Drops the work, here and now; what its destructor panics with is the work's own affair.
    #[inline]
    fn drop_work(&mut self) {
        let stage = self.stage.as_mut();
        let dropped = catch_unwind(AssertUnwindSafe(move || {
            let mut stage = stage;
            stage.set(Stage::Done {
                nothing: core::marker::PhantomData,
            });
        }));
        drop(dropped);
    }

    fn error(&self, cause: Cause<E>) -> TaskError<E> {
        self.record.header().error(cause)
    }

    #[inline]
    fn leave(&mut self) {
        *self.entered = false;
        match (&self.record.header().parent, *self.place) {
            (Some(parent), Some(place)) => parent.header().release(place),
            _ => self.runtime.root().leave(),
        }
    }

    /// The executor drops the task before its end.
    #[cold]
    fn stopped(&mut self) {
        self.drop_work();
        if let Some(teardown) = self.teardown {
            let given_up = teardown.running.take();
            let _ = catch_unwind(AssertUnwindSafe(|| drop(given_up)));
        }
        if !*self.finished {
            self.record.header().set_ended(self.runtime.now());
            if self.record.header().lifecycle.reject().is_ok() {
                *self.verdict = Some(Err(self.error(Cause::Rejected(Rejection::NoRuntime))));
            } else {
                let _ = self.record.cancel_tree(Level::KillHard, Reason::Stopped, None);
                self.overruled(End::Cancelled);
            }
        }
        if let Some(extra) = self.record.header().extra_or_seal() {
            let _ = extra.children.group.close();
            self.record.header().condemn_children(Level::KillHard);
            give_up(&extra.callbacks);
        }
        self.leave();
        let verdict = self.verdict.take();
        let verdict = verdict.unwrap_or_else(|| Err(self.error(Cause::Taken)));
        self.record.slot.put(verdict);
    }
}

/// Refuses further callbacks and drops those that are left: foreign code, so outside the lock and caught one by one.
fn give_up(callbacks: &std::sync::Mutex<Callbacks>) {
    let left = lock(callbacks).close();
    for callback in left {
        let _ = catch_unwind(AssertUnwindSafe(|| drop(callback)));
    }
}

fn lock(callbacks: &std::sync::Mutex<Callbacks>) -> MutexGuard<'_, Callbacks> {
    callbacks.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long a cancelled task may take to end by itself, if its builder says nothing: 5 seconds.
pub(crate) const GRACE: Duration = Duration::from_secs(5);
