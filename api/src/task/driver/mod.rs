//! The engine: one future that carries a task from its first attempt to its end.
//!
//! ```text
//!   Idle --> Attempt --> ... --> Gone          the work; every way out of it has a result
//!              |   ^
//!              v   |
//!        Backoff, Queue     Rescue             between attempts, or waiting for a guard; the fallback after the last
//!
//!   result --> children join --> lifecycle.finish --> callbacks --> leave the scope --> slot   (`close.rs`)
//! ```
//!
//! One timer serves every wait in turn: the task's deadline, the limit of an attempt, the backoff, the grace period.
//! It is made when the task first waits, so a task that never waits costs no timer (`rest.rs`). The work is polled
//! before any deadline is looked at: a result that is ready when its deadline passes counts.
//!
//! The common task, which runs once and ends, touches the fields here and nothing else; whatever only some tasks need
//! is in [`Rest`], made when it is needed.

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
        record: Arc<TaskRecord<Slot<T, E>>>,
        runtime: R,
        plan: P,
        rescue: B,
        #[pin]
        stage: Stage<P::Attempt, B::Future, E>,
        phase: Phase,
        // Whether somebody may hold a context, and so enter children.
        contextual: bool,
        // Whether something accompanies the task; see `watched.rs`.
        watched: bool,
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
            let mut this = this.project();
            if *this.phase != Phase::Left {
                this.stopped();
            }
        }
    }
}

pin_project! {
    /// The work.
    #[project = StageProjection]
    enum Stage<A, F, E> {
        Idle,
        Attempt {
            #[pin]
            work: A,
        },
        Backoff {
            until: Moment,
        },
        Queue,
        Rescue {
            #[pin]
            work: F,
            primary: Arc<TaskError<E>>,
        },
        Gone,
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

/// What the driver does next.
enum Step<T, E> {
    /// Looks again.
    Again,
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
        record: Arc<TaskRecord<Slot<T, E>>>,
        runtime: R,
        plan: P,
        rescue: B,
        guarding: Guarding,
        watched: bool,
    ) -> Self {
        let rest = Rest::guarded(guarding);
        let (stage, phase) = (Stage::Idle, Phase::Work);
        Self {
            record,
            runtime,
            plan,
            rescue,
            stage,
            phase,
            contextual: false,
            watched,
            rest,
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
        if *this.watched {
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

    /// Steps until the task waits for something or is over.
    #[inline]
    fn run(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        loop {
            let seen = self.header().lifecycle.snapshot();
            let step = match *self.phase {
                Phase::Work if seen.level().is_none() => self.work(cx),
                Phase::Work => self.work_on_notice(cx, seen),
                Phase::Closing | Phase::Ended => self.close(cx),
                Phase::Left => return Poll::Ready(()),
            };
            match step {
                Step::Again => {}
                Step::Yield => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Step::End(result) => self.end(result),
                Step::Park(until) => {
                    if self.park(cx, until, seen).is_pending() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    /// One step of the work of a task that was told to stop.
    #[cold]
    fn work_on_notice(&mut self, cx: &mut task::Context<'_>, seen: Snapshot) -> Step<T, E> {
        let idle = matches!(*self.stage, Stage::Idle | Stage::Backoff { .. } | Stage::Queue);
        let fenced = P::FENCED && matches!(*self.stage, Stage::Attempt { .. });
        let at_once = idle || (seen.level() >= Some(Level::Kill) && !fenced);
        if seen.state().is_terminal() || (at_once && !seen.is_shielded()) {
            self.drop_work();
            if self.end_unseen(seen) {
                return Step::Again;
            }
            return Step::End(Err(self.cancelled(seen, None)));
        }
        self.begin_grace();
        let step = self.work(cx);
        if matches!(step, Step::Park(_)) {
            let _ = self.poll_callbacks(cx);
        }
        step
    }

    /// The grace period begins when the driver first sees that its task was told to stop.
    #[cold]
    fn begin_grace(&mut self) {
        let (runtime, grace) = (&*self.runtime, self.record.header().grace());
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
        match self.stage.as_mut().project() {
            StageProjection::Attempt { work } => match poll_work(&*self.runtime, work, cx) {
                Ok(Poll::Ready(Ok(value))) => {
                    self.record(Told::Succeeded);
                    self.drop_work();
                    Step::End(Ok(value))
                }
                Ok(Poll::Pending) => Step::Park(self.header().deadline),
                Ok(Poll::Ready(Err(fault))) => self.fault(fault),
                Err(payload) => self.settle(Cause::Panicked(Panic::new(payload))),
            },
            StageProjection::Idle => self.start(),
            StageProjection::Backoff { until } => {
                let until = *until;
                self.back_off(until)
            }
            StageProjection::Queue => self.queue(cx),
            StageProjection::Rescue { work, primary } => {
                let primary = Arc::clone(primary);
                match poll_work(&*self.runtime, work, cx) {
                    Ok(Poll::Pending) => Step::Park(self.header().inherited().0),
                    Ok(Poll::Ready(Ok(value))) => {
                        self.drop_work();
                        Step::End(Ok(value))
                    }
                    Ok(Poll::Ready(Err(error))) => self.both_failed(primary, Cause::Failed(error)),
                    Err(payload) => self.both_failed(primary, Cause::Panicked(Panic::new(payload))),
                }
            }
            StageProjection::Gone => Step::End(Err(self.header().error(Cause::Taken))),
        }
    }

    #[inline]
    fn start(&mut self) -> Step<T, E> {
        let now = self.runtime.now();
        self.header().set_started(now);
        let Start::Run = self.header().lifecycle.start() else {
            return Step::Again;
        };
        self.happened(|| Happening::Started);
        if now >= self.header().deadline {
            self.time_out(now, None)
        } else {
            self.begin()
        }
    }

    #[cold]
    fn back_off(&mut self, until: Moment) -> Step<T, E> {
        if self.runtime.now() < until {
            return Step::Park(until);
        }
        match self.header().lifecycle.resume() {
            Ok(_) => {
                let attempt = self.header().lifecycle.snapshot().attempt();
                self.happened(|| Happening::Resumed { attempt });
                self.begin()
            }
            // Cancelled hard meanwhile; the next look sees it.
            Err(_) => Step::Again,
        }
    }

    /// Begins an attempt, if the guards let it.
    #[inline]
    fn begin(&mut self) -> Step<T, E> {
        if let Some(rest) = self.rest {
            match rest.admit(&*self.runtime, self.record.header().deadline) {
                Ok(()) => {}
                Err(Held::Refused(refusal)) => return self.settle(refusal.into()),
                Err(Held::Wait(_)) => {
                    let attempt = self.header().lifecycle.snapshot().attempt();
                    self.happened(|| Happening::Queued { attempt });
                    self.stage.set(Stage::Queue);
                    return Step::Again;
                }
            }
        }
        self.attempt()
    }

    /// One step of waiting for a guard.
    #[cold]
    fn queue(&mut self, cx: &task::Context<'_>) -> Step<T, E> {
        let (now, deadline) = (self.runtime.now(), self.header().deadline);
        if now >= deadline {
            return self.time_out(now, None);
        }
        let Some(rest) = self.rest else {
            return self.attempt();
        };
        let waker = Some(cx.waker());
        let answer = rest.queue(Asking { now, deadline, waker });
        let notes = self.record.header().extra().notes();
        notes.set_queued(matches!(answer, Err(Held::Wait(_))));
        match answer {
            Ok(()) => {
                let attempt = self.header().lifecycle.snapshot().attempt();
                self.happened(|| Happening::Admitted { attempt });
                self.attempt()
            }
            Err(Held::Refused(refusal)) => self.settle(refusal.into()),
            Err(Held::Wait(until)) => Step::Park(until.min(deadline)),
        }
    }

    /// Begins an attempt that was admitted.
    #[inline]
    fn attempt(&mut self) -> Step<T, E> {
        if let Some(limit) = self.plan.attempt_timeout() {
            let limit = self.runtime.now() + limit;
            self.rest.get_or_insert_default().attempt_end = Some(limit);
        }
        if P::HEDGED
            && let Some(rest) = self.rest
        {
            self.plan.accept(rest.hand_over());
        }
        let (plan, record, runtime) = (&mut *self.plan, &*self.record, &*self.runtime);
        let contextual = &mut *self.contextual;
        let context = || {
            *contextual = true;
            Context::new(Arc::clone(record) as Node, runtime.clone())
        };
        match catch_unwind(AssertUnwindSafe(|| plan.begin(runtime, context))) {
            Ok(Some(work)) => {
                self.stage.set(Stage::Attempt { work });
                Step::Again
            }
            // A plan is asked again only if it said so; the arm keeps the engine total.
            Ok(None) => self.settle(Cause::Taken),
            Err(payload) => self.settle(Cause::Panicked(Panic::new(payload))),
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
        let now = self.runtime.now();
        let spent = now.since(self.header().started().unwrap_or(now));
        let (plan, runtime) = (&mut *self.plan, &*self.runtime);
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
        self.stage.set(Stage::Backoff { until });
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
            Ok(Ok((Err(payload), primary))) => {
                self.both_failed(primary, Cause::Panicked(Panic::new(payload)))
            }
            Ok(Ok((Ok(work), primary))) => {
                self.happened(|| Happening::FallingBack);
                self.header().set_fenced(false);
                self.stage.set(Stage::Rescue { work, primary });
                Step::Again
            }
            Ok(Err(error)) => Step::End(Err(error)),
            Err(payload) => Step::End(Err(self.header().error(Cause::Panicked(Panic::new(payload))))),
        }
    }

    #[cold]
    fn both_failed(&mut self, primary: Arc<TaskError<E>>, fallback: Cause<E>) -> Step<T, E> {
        self.drop_work();
        let fallback = self.header().error(fallback);
        Step::End(Err(self
            .header()
            .error(Cause::FallbackFailed { primary, fallback })))
    }

    /// A deadline of the whole task passed.
    #[cold]
    fn time_out(&mut self, now: Moment, primary: Option<Arc<TaskError<E>>>) -> Step<T, E> {
        self.record(Told::Overloaded);
        self.drop_work();
        let header = self.header();
        let (inherited, from) = header.inherited();
        let own = header.deadline < inherited && primary.is_none();
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
        if primary.is_none() {
            self.attempt_failed(&cause);
        }
        match primary {
            Some(primary) => self.both_failed(primary, cause),
            // A task that was told to stop and ran into its deadline was cancelled.
            None if self.header().lifecycle.is_cancelled() => Step::End(Err(self.header().error(cause))),
            None => self.rescue(cause, None),
        }
    }

    /// Tells the task's hooks, if something accompanies it.
    #[inline]
    pub(super) fn happened(&self, what: impl FnOnce() -> Happening) {
        if *self.watched {
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
            rest.tell(how, &*self.runtime);
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
