//! The engine: one future that carries a task from its first attempt to its end.
//!
//! ```text
//!   Idle --> Attempt --> ... --> Gone          the work; every way out of it has a result
//!              |   ^
//!              v   |
//!            Backoff     Rescue                between attempts; the fallback after the last
//!
//!   Gone --> Closing --> Ended --> Left        children join; callbacks run; nobody counts the task (`close.rs`)
//!
//!   result --> children join --> lifecycle.finish --> callbacks --> leave the scope --> slot
//! ```
//!
//! A task that waits for a guard stays in `Idle` or `Backoff`, and its rest says so.
//!
//! One timer serves every wait in turn: the task's deadline, the limit of an attempt, the backoff, the grace period.
//! It is made when the task first waits, so a task that never waits costs no timer (`rest.rs`). The work is polled
//! before any deadline is looked at: a result that is ready when its deadline passes counts.
//!
//! The common task, which runs once and ends, touches the fields here and nothing else; whatever only some tasks need
//! is in [`Rest`], made when it is needed. The closure of work that runs once is in its stage, where its future is later.

mod close;
mod rest;
mod watched;

use alloc::sync::Arc;
use core::future::Future;
use core::panic::AssertUnwindSafe;
use core::pin::Pin;
use core::task::{self, Poll};
use core::time::Duration;
use std::panic::catch_unwind;

use pin_project_lite::pin_project;
use sweet_async_core::lifecycle::{Level, Snapshot, Start};

pub(super) use self::rest::Guarding;
use self::rest::Rest;
use super::context::Context;
use super::error::{Cause, Limit, NoRetry, Panic, TaskError, TimedOut};
use super::header::{Header, Node, TaskRecord};
use super::plan::{Fault, Plan, Rescue};
use super::slot::Slot;
use crate::guard::{Asking, Held, Told};
use crate::hooks::{Failure, Happening};
use crate::{Moment, Runtime};

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
        record: Arc<TaskRecord<Slot<R, T, E>>>,
        plan: P,
        rescue: B,
        #[pin]
        stage: Stage<P::Seed, P::Attempt, B::Future>,
        rest: Option<Box<Rest<R::Sleep, T, E>>>,
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
            if this.stage.phase() != Phase::Left {
                this.stopped();
            }
        }
    }
}

pin_project! {
    /// The work, and after it the steps of the end.
    #[project = StageProjection]
    #[project_replace = StageOwned]
    enum Stage<S, A, F> {
        Idle {
            seed: S,
        },
        Attempt {
            #[pin]
            work: A,
        },
        // Until when, and what the fallback is for, is in the driver's rest: here it would make every task larger.
        Backoff,
        Rescue {
            #[pin]
            work: F,
        },
        // The work is over, and its result on the way.
        Gone,
        Closing,
        Ended,
        Left,
    }
}

/// What is left to do.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Phase {
    /// The work.
    Work,
    /// The result is in; the children have to end.
    Closing,
    /// The lifecycle has ended; callbacks still run.
    Ended,
    /// Nothing: the scope counts this task no more.
    Left,
}

impl<S, A, F> Stage<S, A, F> {
    #[inline]
    const fn phase(&self) -> Phase {
        match self {
            Self::Idle { .. } | Self::Attempt { .. } | Self::Backoff | Self::Rescue { .. } | Self::Gone => {
                Phase::Work
            }
            Self::Closing => Phase::Closing,
            Self::Ended => Phase::Ended,
            Self::Left => Phase::Left,
        }
    }
}

/// What the driver does next.
enum Step<T, E> {
    /// Looks again.
    Again,
    /// Begins an attempt, which the guards admitted.
    Begin,
    /// Lets others run first.
    Yield,
    /// Waits, at most until then.
    Park(Moment),
    /// Ends with this; the work is gone.
    End(Result<T, TaskError<E>>),
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
    pub(crate) fn new(
        record: Arc<TaskRecord<Slot<R, T, E>>>,
        (plan, seed): (P, P::Seed),
        rescue: B,
        guarding: Guarding,
    ) -> Self {
        Self {
            record,
            plan,
            rescue,
            stage: Stage::Idle { seed },
            rest: Rest::guarded(guarding),
        }
    }

    /// The executor drops the task before its end.
    #[cold]
    fn stopped(self: Pin<&mut Self>) {
        self.project().stopped();
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
        if this.header().is_watched() {
            this.poll_watched(cx)
        } else {
            this.run(cx)
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
    #[inline]
    fn header(&self) -> &Header {
        self.record.header()
    }

    #[inline]
    fn runtime(&self) -> &R {
        &self.record.slot.runtime
    }

    /// Steps until the task waits for something or is over.
    // Each step has one caller, so that the way of a task that runs once and ends is one function.
    #[inline]
    fn run(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        loop {
            let seen = self.header().lifecycle.snapshot();
            let told = seen.level().is_some();
            let step = match self.stage.phase() {
                Phase::Work => match told.then(|| self.on_notice(seen)).flatten() {
                    Some(end) => end,
                    None => self.work(cx),
                },
                Phase::Closing | Phase::Ended => self.close(cx),
                Phase::Left => return Poll::Ready(()),
            };
            let step = match step {
                Step::Park(until) => {
                    if told && self.stage.phase() == Phase::Work {
                        let _ = self.poll_callbacks(cx);
                    }
                    match self.park(cx, until, seen) {
                        Some(step) => step,
                        None => return Poll::Pending,
                    }
                }
                step => step,
            };
            match step {
                Step::End(result) => {
                    if self.end(result) {
                        return Poll::Ready(());
                    }
                }
                Step::Yield => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Step::Again | Step::Begin | Step::Park(_) => {}
            }
        }
    }

    /// A task that was told to stop ends here, if it may not go on until its work waits.
    #[cold]
    fn on_notice(&mut self, seen: Snapshot) -> Option<Step<T, E>> {
        let idle = matches!(*self.stage, Stage::Idle { .. } | Stage::Backoff);
        let fenced = P::FENCED && matches!(*self.stage, Stage::Attempt { .. });
        let at_once = idle || (seen.level() >= Some(Level::Kill) && !fenced);
        if seen.state().is_terminal() || (at_once && !seen.is_shielded()) {
            self.drop_work();
            if self.end_unseen(seen) {
                return Some(Step::Again);
            }
            return Some(Step::End(Err(self.cancelled(seen, None))));
        }
        self.begin_grace();
        None
    }

    /// The grace period begins when the driver first sees that its task was told to stop.
    #[cold]
    fn begin_grace(&mut self) {
        let (runtime, grace) = (&self.record.slot.runtime, self.record.header().grace());
        let rest = self.rest.get_or_insert_default();
        if rest.grace_end.is_none() {
            let end = runtime.now() + grace;
            rest.grace_end = Some(end);
            self.record.header().extra().notes().set_grace_end(end);
        }
    }

    /// One step of the work.
    #[inline]
    fn work(&mut self, cx: &mut task::Context<'_>) -> Step<T, E> {
        let begins = match *self.stage {
            Stage::Idle { .. } | Stage::Backoff if self.is_queued() => self.queue(cx),
            Stage::Idle { .. } => self.start(),
            Stage::Backoff => self.back_off(),
            _ => Step::Again,
        };
        match begins {
            Step::Begin => {
                if let Some(step) = self.attempt() {
                    return step;
                }
                // By the closure that made the work, perhaps.
                if self.header().lifecycle.is_cancelled() {
                    return Step::Again;
                }
            }
            Step::Again => {}
            step => return step,
        }
        let work = match self.stage.as_mut().project() {
            StageProjection::Attempt { work } => work,
            StageProjection::Rescue { .. } => return self.poll_rescue(cx),
            StageProjection::Idle { .. } | StageProjection::Backoff => return Step::Again,
            StageProjection::Gone
            | StageProjection::Closing
            | StageProjection::Ended
            | StageProjection::Left => return Step::End(Err(self.header().error(Cause::Taken))),
        };
        match poll_work(&self.record.slot.runtime, work, cx) {
            Ok(Poll::Ready(Ok(value))) => {
                self.record(Told::Succeeded);
                self.drop_work();
                Step::End(Ok(value))
            }
            Ok(Poll::Pending) => Step::Park(self.header().deadline),
            Ok(Poll::Ready(Err(fault))) => self.fault(fault),
            Err(payload) => self.settle(Cause::Panicked(Panic::new(payload))),
        }
    }

    #[cold]
    fn poll_rescue(&mut self, cx: &mut task::Context<'_>) -> Step<T, E> {
        let StageProjection::Rescue { work } = self.stage.as_mut().project() else {
            return Step::Again;
        };
        match poll_work(&self.record.slot.runtime, work, cx) {
            Ok(Poll::Pending) => Step::Park(self.header().inherited().0),
            Ok(Poll::Ready(Ok(value))) => {
                self.drop_work();
                Step::End(Ok(value))
            }
            Ok(Poll::Ready(Err(error))) => self.both_failed(Cause::Failed(error)),
            Err(payload) => self.both_failed(Cause::Panicked(Panic::new(payload))),
        }
    }

    #[inline]
    fn start(&mut self) -> Step<T, E> {
        let now = self.runtime().now();
        self.header().set_started(now);
        let Start::Run = self.header().lifecycle.start() else {
            return Step::Again;
        };
        self.happened(|| Happening::Started);
        if now >= self.header().deadline {
            self.time_out(now)
        } else {
            self.admit()
        }
    }

    #[cold]
    fn back_off(&mut self) -> Step<T, E> {
        let until = self.rest.as_ref().and_then(|rest| rest.backoff_end);
        let until = until.unwrap_or(Moment::START);
        if self.runtime().now() < until {
            return Step::Park(until);
        }
        match self.header().lifecycle.resume() {
            Ok(_) => {
                let attempt = self.header().lifecycle.snapshot().attempt();
                self.happened(|| Happening::Resumed { attempt });
                self.admit()
            }
            // Cancelled hard meanwhile; the next look sees it.
            Err(_) => Step::Again,
        }
    }

    /// Asks the guards for an attempt, if there are any.
    #[inline]
    fn admit(&mut self) -> Step<T, E> {
        if self.rest.is_some() {
            self.ask_guards()
        } else {
            Step::Begin
        }
    }

    #[cold]
    fn ask_guards(&mut self) -> Step<T, E> {
        let Some(rest) = self.rest else { return Step::Begin };
        match rest.admit(&self.record.slot.runtime, self.record.header().deadline) {
            Ok(()) => Step::Begin,
            Err(Held::Refused(refusal)) => self.settle(refusal.into()),
            Err(Held::Wait(_)) => {
                rest.queued = true;
                let attempt = self.header().lifecycle.snapshot().attempt();
                self.happened(|| Happening::Queued { attempt });
                Step::Again
            }
        }
    }

    /// Whether the task has started, and waits for a guard.
    #[inline]
    fn is_queued(&self) -> bool {
        self.rest.as_ref().is_some_and(|rest| rest.queued)
    }

    /// One step of waiting for a guard.
    #[cold]
    fn queue(&mut self, cx: &task::Context<'_>) -> Step<T, E> {
        let (now, deadline) = (self.runtime().now(), self.header().deadline);
        if now >= deadline {
            return self.time_out(now);
        }
        let Some(rest) = self.rest else {
            return Step::Begin;
        };
        let waker = Some(cx.waker());
        let answer = rest.queue(Asking { now, deadline, waker });
        let notes = self.record.header().extra().notes();
        notes.set_queued(matches!(answer, Err(Held::Wait(_))));
        match answer {
            Ok(()) => {
                rest.queued = false;
                let attempt = self.header().lifecycle.snapshot().attempt();
                self.happened(|| Happening::Admitted { attempt });
                Step::Begin
            }
            Err(Held::Refused(refusal)) => self.settle(refusal.into()),
            Err(Held::Wait(until)) => Step::Park(until.min(deadline)),
        }
    }

    /// Begins an attempt that was admitted; gives a step if none came of it.
    #[inline]
    fn attempt(&mut self) -> Option<Step<T, E>> {
        if let Some(limit) = self.plan.attempt_timeout() {
            let limit = self.runtime().now() + limit;
            self.rest.get_or_insert_default().attempt_end = Some(limit);
        }
        if P::HEDGED
            && let Some(rest) = self.rest
        {
            self.plan.accept(rest.hand_over());
        }
        let seed = match self.stage.as_mut().project_replace(Stage::Gone) {
            StageOwned::Idle { seed } => Some(seed),
            _ => None,
        };
        let (plan, record) = (&mut *self.plan, &*self.record);
        let runtime = &record.slot.runtime;
        let context = || {
            record.header().set_contextual();
            Context::new(Arc::clone(record) as Node, runtime.clone())
        };
        match catch_unwind(AssertUnwindSafe(|| plan.begin(seed, runtime, context))) {
            Ok(Some(work)) => {
                self.stage.set(Stage::Attempt { work });
                None
            }
            // A plan is asked again only if it said so; the arm keeps the engine total.
            Ok(None) => Some(self.settle(Cause::Taken)),
            Err(payload) => Some(self.settle(Cause::Panicked(Panic::new(payload)))),
        }
    }

    #[cold]
    fn fault(&mut self, fault: Fault<E>) -> Step<T, E> {
        match fault {
            Fault::Error(error) => self.settle(Cause::Failed(error)),
            Fault::Cause(cause) => self.settle(cause),
            Fault::Task(error) => {
                self.drop_work();
                Step::End(Err(error))
            }
        }
    }

    /// An attempt has no value: another one, the fallback, or the end.
    #[cold]
    fn settle(&mut self, cause: Cause<E>) -> Step<T, E> {
        let seen = self.header().lifecycle.snapshot();
        self.attempt_failed(&cause);
        if seen.level().is_some() {
            self.record(Told::after(&cause, false));
            self.drop_work();
            return Step::End(Err(match cause {
                Cause::Failed(error) => self.cancelled(seen, Some(error)),
                cause => self.header().error(cause),
            }));
        }
        let now = self.runtime().now();
        let spent = now.since(self.header().started().unwrap_or(now));
        let (plan, runtime) = (&mut *self.plan, &self.record.slot.runtime);
        let again = catch_unwind(AssertUnwindSafe(|| plan.again(runtime, &cause, spent)));
        let overloaded = again.as_ref().is_ok_and(|again| again.overloaded);
        self.record(Told::after(&cause, overloaded));
        self.drop_work();
        let no_retry = match again.map(|again| again.delay) {
            Ok(Ok(delay)) => match self.wait_for(&cause, now, now + delay) {
                Ok(step) => return step,
                Err(no_retry) => no_retry,
            },
            Ok(Err(no_retry)) => no_retry,
            // The classifier is the caller's code as well.
            Err(payload) => return self.rescue(Cause::Panicked(Panic::new(payload)), None),
        };
        self.rescue(cause, no_retry)
    }

    /// Waits for the next attempt.
    #[cold]
    fn wait_for(
        &mut self,
        cause: &Cause<E>,
        now: Moment,
        until: Moment,
    ) -> Result<Step<T, E>, Option<NoRetry>> {
        // A wait that would outlast the deadline is not begun: its end is known now.
        if until >= self.header().deadline {
            return Err(Some(NoRetry::Deadline));
        }
        if let Some(rest) = self.rest {
            rest.draw(cause, now)
                .map_err(|spent| Some(NoRetry::Budget(spent)))?;
        }
        self.header().extra().notes().set_retry(until);
        // Refused only if the task was cancelled hard meanwhile.
        if self.header().lifecycle.wait().is_err() {
            return Err(None);
        }
        self.happened(|| Happening::Waiting { until });
        self.rest.get_or_insert_default().backoff_end = Some(until);
        self.stage.set(Stage::Backoff);
        // Work that fails at once and is tried again at once must not keep the executor to itself.
        Ok(if until <= now { Step::Yield } else { Step::Again })
    }

    #[cold]
    fn rescue(&mut self, cause: Cause<E>, no_retry: Option<NoRetry>) -> Step<T, E> {
        let rescuable = matches!(
            &cause,
            Cause::Failed(_)
                | Cause::Panicked(_)
                | Cause::CircuitOpen(_)
                | Cause::LimitReached(_)
                | Cause::HedgesFailed(_)
                | Cause::RateLimited(_)
                | Cause::TimedOut(TimedOut {
                    limit: Limit::Attempt | Limit::Own,
                    ..
                })
        );
        let error = self.header().error(cause).with_no_retry(no_retry);
        if !rescuable {
            return Step::End(Err(error));
        }
        let rescue = &mut *self.rescue;
        match catch_unwind(AssertUnwindSafe(|| rescue.rescue(error))) {
            Ok(Ok((begun, primary))) => {
                self.rest.get_or_insert_default().primary = Some(primary);
                match begun {
                    Ok(work) => {
                        self.happened(|| Happening::FallingBack);
                        self.header().set_fenced(false);
                        self.stage.set(Stage::Rescue { work });
                        Step::Again
                    }
                    Err(payload) => self.both_failed(Cause::Panicked(Panic::new(payload))),
                }
            }
            Ok(Err(error)) => Step::End(Err(error)),
            Err(payload) => Step::End(Err(self.header().error(Cause::Panicked(Panic::new(payload))))),
        }
    }

    #[cold]
    fn both_failed(&mut self, fallback: Cause<E>) -> Step<T, E> {
        self.drop_work();
        let fallback = self.header().error(fallback);
        let Some(primary) = self.rest.as_mut().and_then(|rest| rest.primary.take()) else {
            // There is one while a fallback runs; the arm keeps the engine total.
            return Step::End(Err(fallback));
        };
        Step::End(Err(self
            .header()
            .error(Cause::FallbackFailed { primary, fallback })))
    }

    /// A deadline of the whole task passed.
    #[cold]
    fn time_out(&mut self, now: Moment) -> Step<T, E> {
        let rescuing = matches!(*self.stage, Stage::Rescue { .. });
        self.record(Told::Overloaded);
        self.drop_work();
        let header = self.header();
        let (inherited, from) = header.inherited();
        let own = header.deadline < inherited && !rescuing;
        let (limit, deadline_of) = if own {
            (Limit::Own, header.id)
        } else {
            (Limit::Inherited, from)
        };
        let elapsed = now.since(header.created);
        let cause = Cause::TimedOut(TimedOut {
            deadline_of,
            limit,
            elapsed,
        });
        if rescuing {
            return self.both_failed(cause);
        }
        self.attempt_failed(&cause);
        if self.header().lifecycle.is_cancelled() {
            // A task that was told to stop and ran into its deadline was cancelled.
            return Step::End(Err(self.header().error(cause)));
        }
        self.rescue(cause, None)
    }

    /// Tells the task's hooks, if something accompanies it.
    #[inline]
    pub(super) fn happened(&self, what: impl FnOnce() -> Happening) {
        if self.header().is_watched() {
            (&**self.record as &TaskRecord).happened(what());
        }
    }

    #[cold]
    fn attempt_failed(&self, cause: &Cause<E>) {
        let attempt = self.header().lifecycle.snapshot().attempt();
        let failure = Failure::from(cause);
        self.happened(|| Happening::AttemptFailed { attempt, failure });
    }

    /// Drops the work, here and now; what its destructor panics with is the work's own affair.
    #[inline]
    fn drop_work(&mut self) {
        self.record(Told::Cancelled);
        let mut stage = self.stage.as_mut();
        let _ = catch_unwind(AssertUnwindSafe(move || stage.set(Stage::Gone)));
    }

    /// Tells the guards how an attempt that they admitted went; the first telling counts.
    #[inline]
    fn record(&mut self, how: Told) {
        if let Some(rest) = self.rest {
            rest.tell(how, &self.record.slot.runtime);
        }
    }

    #[cold]
    fn cancelled(&self, seen: Snapshot, error: Option<E>) -> TaskError<E> {
        let header = self.header();
        header.error(match header.cancellation(seen) {
            Some(cancellation) => Cause::Cancelled { cancellation, error },
            // Ended without having been told: the engine gives no such end to a task that is polled.
            None => Cause::Taken,
        })
    }
}

/// One poll of the caller's code; what it panics with is its outcome.
#[inline]
fn poll_work<R: Runtime, F: Future>(
    runtime: &R,
    work: Pin<&mut F>,
    cx: &mut task::Context<'_>,
) -> std::thread::Result<Poll<F::Output>> {
    catch_unwind(AssertUnwindSafe(|| {
        runtime.about_to_run();
        work.poll(cx)
    }))
}

/// How long a cancelled task may take to end by itself, if its builder says nothing: 5 seconds.
pub(crate) const GRACE: Duration = Duration::from_secs(5);
