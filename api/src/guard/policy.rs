//! Guards and a retry policy under one name, for several tasks, and for calls inside a task.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use core::fmt;
use core::future::{Future, poll_fn};
use core::marker::PhantomData;
use core::mem::{self, ManuallyDrop};
use core::pin::pin;
use core::task::{Poll, Waker};
use core::time::Duration;

use super::alarm::Alarm;
use super::{
    Asking, ConcurrencyLimit, Guards, Hedge, Held, Pass, Race, RateLimiter, RetryBudget, Told, Tries, Wait,
};
use crate::breaker::{Admission, CircuitBreaker};
use crate::task::{
    Again, Always, Cause, Classify, Context, Invalid, Limit, Made, NoRetry, RepeatableWork, Retry, Stopped,
    TaskError, TimedOut, Verdict,
};
use crate::{Moment, Runtime};

/// How a service is called: its breaker, limits, retries and their budget, bundled under one name.
///
/// A handle: clones speak of the same guards. Give it to tasks by
/// [`with_policy`](crate::TaskBuilder::with_policy), or make calls through it inside a task by [`call`](Self::call), which
/// starts no task and, when the first attempt succeeds, allocates nothing. The guards are asked in the order that
/// [the module](super) states, whatever the order in which they were named.
///
/// # Examples
/// ```
/// use sweet_async_api::breaker::CircuitBreaker;
/// use sweet_async_api::guard::{Policy, RetryBudget};
/// use sweet_async_api::task::{Context, Jitter, Retry, TaskError};
/// use sweet_async_api::units::DurationUnits;
/// use sweet_async_api::Runtime;
///
/// let search = Policy::builder()
///     .name("search")
///     .retry(Retry::exponential(50.millis()).attempts(3).jitter(Jitter::Full).attempt_timeout(2.seconds()))
///     .circuit_breaker(&CircuitBreaker::builder().last_calls(100).build()?)
///     .retry_budget(&RetryBudget::builder().build()?)
///     .build()?;
///
/// # async fn find(words: &str) -> Result<String, std::io::Error> { Ok(words.to_owned()) }
/// async fn handler<R: Runtime>(search: &Policy, cx: &Context<R>) -> Result<String, TaskError<std::io::Error>> {
///     search.call(cx, || find("sweet")).await
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Policy<C = Always, H = NoHedge> {
    shared: Arc<Shared<C, H>>,
}

struct Shared<C, H> {
    name: Cow<'static, str>,
    hedge: H,
    rules: Rules<C>,
}

struct Rules<C> {
    guards: Guards,
    retry: Retry,
    classify: C,
    /// Whether an attempt waits for no guard and has no limit, and nobody asks when the call began.
    is_light: bool,
}

/// Describes a policy.
#[derive(Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct PolicyBuilder<C = Always, H = NoHedge> {
    name: Cow<'static, str>,
    guards: Guards,
    retry: Retry,
    classify: C,
    hedge: H,
}

/// A slow attempt has no second try beside it.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct NoHedge;

impl Policy {
    /// Describes a policy. If nothing else is said, it makes one attempt and asks nobody.
    pub fn builder() -> PolicyBuilder {
        PolicyBuilder {
            name: Cow::Borrowed(""),
            guards: Guards::default(),
            retry: Retry::immediate().attempts(1),
            classify: Always,
            hedge: NoHedge,
        }
    }
}

impl<C> PolicyBuilder<C> {
    /// Starts a second try beside one that takes long, by the rules of `hedge`, in each attempt of a task or a call. What
    /// makes a second try is a future that can be dropped: a task with this policy has [`run`](crate::TaskBuilder::run),
    /// and no `run_blocking` or `run_local`.
    pub fn hedge(self, hedge: &Hedge) -> PolicyBuilder<C, Hedge> {
        let Self {
            name,
            guards,
            retry,
            classify,
            ..
        } = self;
        PolicyBuilder {
            name,
            guards,
            retry,
            classify,
            hedge: hedge.clone(),
        }
    }
}

impl<C, H> PolicyBuilder<C, H> {
    /// Names the policy, for people.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Tries again what fails, by the rules of `retry`.
    pub const fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Decides by the error whether and when an attempt is made again.
    pub fn classify<D>(self, classify: D) -> PolicyBuilder<D, H> {
        let Self {
            name,
            guards,
            retry,
            hedge,
            ..
        } = self;
        PolicyBuilder {
            name,
            guards,
            retry,
            classify,
            hedge,
        }
    }

    /// Asks `breaker` before each attempt, and tells it how the attempt went.
    pub fn circuit_breaker(mut self, breaker: &CircuitBreaker) -> Self {
        self.guards.breaker = Some(breaker.clone());
        self
    }

    /// Asks `limit` for a place before each attempt, and tells it how the attempt went.
    pub fn concurrency_limit(mut self, limit: &ConcurrencyLimit) -> Self {
        self.guards.limit = Some(limit.clone());
        self
    }

    /// Asks `rate` before each attempt.
    pub fn rate_limit(mut self, rate: &RateLimiter) -> Self {
        self.guards.rate = Some(rate.clone());
        self
    }

    /// Draws each retry from `budget`, and pays in once for each task or call.
    pub fn retry_budget(mut self, budget: &RetryBudget) -> Self {
        self.guards.budget = Some(budget.clone());
        self
    }

    /// Makes the policy.
    ///
    /// # Errors
    /// [`Invalid`] when the settings of the retry cannot be followed.
    pub fn build(self) -> Result<Policy<C, H>, Invalid> {
        self.retry.check(None)?;
        let is_limited = self.retry.limit().is_some() || self.retry.has_total();
        Ok(Policy {
            shared: Arc::new(Shared {
                name: self.name,
                hedge: self.hedge,
                rules: Rules {
                    is_light: !self.guards.is_waited_for() && !is_limited,
                    guards: self.guards,
                    retry: self.retry,
                    classify: self.classify,
                },
            }),
        })
    }
}

impl<C, H> Policy<C, H> {
    /// The name given to the builder; empty if none was.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    pub(crate) fn guards(&self) -> &Guards {
        &self.shared.rules.guards
    }

    pub(crate) fn retry(&self) -> Retry {
        self.shared.rules.retry
    }

    pub(crate) fn beside(&self) -> &H {
        &self.shared.hedge
    }
}

impl<C> Policy<C> {
    /// Makes a call by this policy, inside the task of `cx` and without a task of its own.
    ///
    /// `work` is a closure with or without a [`Context`] that gives a future of a `Result`; it is called once for each
    /// attempt. A first attempt that succeeds allocates nothing and takes no lock. It reads no clock either, unless calls are
    /// limited at once or in a time, the retries have a limit of time, or the breaker looks back over a time or at slow
    /// calls. The deadline of the task bounds every wait. Once the task is told to stop, no attempt is made but the first,
    /// and nobody waits for a guard or between attempts.
    ///
    /// # Errors
    /// As those of a task with the same policy: [`Cause::Failed`], [`Cause::TimedOut`] of an attempt, what a guard refused,
    /// and [`Cause::Cancelled`], with the error of the work if it has one, when the task was told to stop.
    /// [`TaskError::no_retry`] says why it was not tried again. The error has the id and the name of the task, and the
    /// number of the attempt within this call.
    ///
    /// # Panics
    /// What `work` and the classifier panic with ends the task; the guards are told that the attempt failed.
    ///
    /// # Cancel safety
    /// When the future is dropped, the attempt under way is dropped, and its guards are told that it was cancelled, or that
    /// it failed if the deadline of the task has passed; who waited leaves the line. What else is lost is up to `work`.
    pub async fn call<R, T, E, W, Args>(&self, cx: &Context<R>, mut work: W) -> Result<T, TaskError<E>>
    where
        R: Runtime,
        C: Classify<E>,
        W: RepeatableWork<Context<R>, Args>,
        W::Output: Future<Output = Result<T, E>>,
    {
        let policy = &self.shared.rules;
        if !policy.is_light {
            return Call::new(policy, cx).until_done(work).await;
        }
        // The first attempt, which mostly is the last one, carries nothing that only the others need.
        let (mut call, cause) = match policy.guards.try_pass(cx.runtime()) {
            Err(refusal) => (Call::new(policy, cx), refusal.into()),
            Ok(ticket) => {
                let mut light = Light { policy, cx, ticket };
                light.pay();
                match work.call_again(|| cx.clone()).await {
                    Ok(value) => {
                        light.succeeded();
                        return Ok(value);
                    }
                    Err(error) => (light.go_on(), Cause::Failed(error)),
                }
            }
        };
        call.settle(cause).await?;
        call.until_done(work).await
    }
}

impl<C> Policy<C, Hedge> {
    /// Makes a call by this policy, inside the task of `cx` and without a task of its own, with a second try beside each
    /// attempt that is slow; `work` is called once for each try. All else is as without a [`Hedge`], but that a first
    /// success reads the clock.
    ///
    /// # Errors
    /// As those without a hedge, and [`Cause::HedgesFailed`] where several tries of an attempt failed.
    ///
    /// # Panics
    /// What `work` and the classifier panic with ends the task; the guards are told that the attempt failed.
    ///
    /// # Cancel safety
    /// When the future is dropped, so are the tries under way, and their guards are told that they were cancelled, or that
    /// they failed if the deadline of the task has passed; who waited leaves the line. What else is lost is up to `work`.
    pub async fn call<R, T, E, W, Args>(&self, cx: &Context<R>, mut work: W) -> Result<T, TaskError<E>>
    where
        R: Runtime,
        C: Classify<E>,
        W: RepeatableWork<Context<R>, Args>,
        W::Output: Future<Output = Result<T, E>>,
    {
        let (policy, hedge) = (&self.shared.rules, &self.shared.hedge);
        let mut call = Call::new(policy, cx);
        loop {
            if let Err(refused) = call.enter().await {
                call.settle(refused).await?;
                continue;
            }
            let tries = Beside {
                work: &mut work,
                policy,
                hedge,
                cx,
                inferred: PhantomData,
            };
            let (pass, limit) = (mem::take(&mut call.pass), policy.retry.limit());
            // The tries tell the guards themselves.
            let Some(race) = Race::begin(tries, Some(pass), limit) else {
                return Err(call.error(Cause::Taken, None));
            };
            let ended = match limit {
                None => race.await,
                Some(limit) => within(cx, limit, race).await,
            };
            match ended {
                Ok(value) => return Ok(value),
                Err(cause) => call.settle(cause).await?,
            }
        }
    }
}

/// The tries of one attempt of a call.
struct Beside<'a, R: Runtime, C, W, Args> {
    work: &'a mut W,
    policy: &'a Rules<C>,
    hedge: &'a Hedge,
    cx: &'a Context<R>,
    inferred: PhantomData<fn(Args)>,
}

impl<R, T, E, C, W, Args> Tries<E> for Beside<'_, R, C, W, Args>
where
    R: Runtime,
    C: Classify<E>,
    W: RepeatableWork<Context<R>, Args>,
    W::Output: Future<Output = Result<T, E>>,
{
    type Runtime = R;
    type Try = W::Output;

    fn begin(&mut self) -> Option<W::Output> {
        Some(self.work.call_again(|| self.cx.clone()))
    }

    fn is_overload(&self, error: &E) -> bool {
        matches!(self.policy.classify.classify(error), Verdict::RetryAfter(_))
    }

    fn guards(&self) -> &Guards {
        &self.policy.guards
    }

    fn hedge(&self) -> &Hedge {
        self.hedge
    }

    fn cx(&self) -> &Context<R> {
        self.cx
    }
}

/// The first attempt of a call that waits for no guard and has no limit of its own.
struct Light<'a, R: Runtime, C> {
    policy: &'a Rules<C>,
    cx: &'a Context<R>,
    ticket: Option<Admission>,
}

impl<'a, R: Runtime, C> Light<'a, R, C> {
    #[inline]
    fn pay(&self) {
        if let Some(budget) = &self.policy.guards.budget {
            budget.deposit();
        }
    }

    #[inline]
    fn succeeded(self) {
        // Nothing is left to be dropped once it is told.
        let mut told = ManuallyDrop::new(self);
        if let (Some(breaker), Some(ticket)) = (&told.policy.guards.breaker, told.ticket.take()) {
            breaker.tell(ticket, Told::Succeeded, || told.cx.runtime().now());
        }
    }

    /// The same attempt, of a call that may have more of them.
    #[cold]
    fn go_on(&mut self) -> Call<'a, R, C> {
        Call {
            pass: Pass::of(self.ticket.take()),
            paid: true,
            ..Call::new(self.policy, self.cx)
        }
    }
}

impl<R: Runtime, C> Drop for Light<'_, R, C> {
    #[inline]
    fn drop(&mut self) {
        if self.ticket.is_some() {
            // Cut off, which is told as the call is dropped.
            drop(self.go_on());
        }
    }
}

/// One call: what was done so far, and what its attempt was given; the guards are told what became of that, at the latest
/// as this is dropped.
struct Call<'a, R: Runtime, C> {
    policy: &'a Rules<C>,
    cx: &'a Context<R>,
    pass: Pass,
    attempts: u32,
    previous: Duration,
    /// When it began; read only where somebody asks.
    begun: Option<Moment>,
    paid: bool,
}

impl<'a, R: Runtime, C> Call<'a, R, C> {
    #[inline]
    fn new(policy: &'a Rules<C>, cx: &'a Context<R>) -> Self {
        Self {
            policy,
            cx,
            pass: Pass::default(),
            attempts: 0,
            previous: Duration::ZERO,
            begun: policy.retry.has_total().then(|| cx.runtime().now()),
            paid: false,
        }
    }

    /// Makes attempts until one succeeds or none is to follow.
    async fn until_done<T, E, W, Args>(mut self, mut work: W) -> Result<T, TaskError<E>>
    where
        C: Classify<E>,
        W: RepeatableWork<Context<R>, Args>,
        W::Output: Future<Output = Result<T, E>>,
    {
        loop {
            if let Err(refused) = self.enter().await {
                self.settle(refused).await?;
                continue;
            }
            let attempt = work.call_again(|| self.cx.clone());
            let ended = match self.policy.retry.limit() {
                None => attempt.await.map_err(Cause::Failed),
                Some(limit) => {
                    let attempt = async { attempt.await.map_err(Cause::Failed) };
                    within(self.cx, limit, attempt).await
                }
            };
            match ended {
                Ok(value) => {
                    self.tell(Told::Succeeded);
                    return Ok(value);
                }
                Err(cause) => self.settle(cause).await?,
            }
        }
    }

    /// Asks the guards, and waits for those that have to be waited for.
    async fn enter<E>(&mut self) -> Result<(), Cause<E>> {
        self.pass = self.stand_in_line().await?;
        if let (false, Some(budget)) = (self.paid, &self.policy.guards.budget) {
            budget.deposit();
        }
        self.paid = true;
        Ok(())
    }

    fn tell(&mut self, how: Told) {
        self.policy.guards.tell(&mut self.pass, how, self.cx.runtime());
    }

    async fn stand_in_line<E>(&self) -> Result<Pass, Cause<E>> {
        let (cx, guards) = (self.cx, &self.policy.guards);
        let mut wait = Wait::default();
        match guards.ask(&mut wait, asking(cx, None)) {
            Ok(pass) => return Ok(pass),
            Err(Held::Refused(refusal)) => return Err(refusal.into()),
            Err(Held::Wait(_)) => {}
        }
        let mut alarm = pin!(Alarm::new());
        let in_line = poll_fn(|polling| {
            loop {
                match guards.ask(&mut wait, asking(cx, Some(polling.waker()))) {
                    Ok(pass) => return Poll::Ready(Ok(pass)),
                    Err(Held::Refused(refusal)) => return Poll::Ready(Err(refusal.into())),
                    Err(Held::Wait(until)) => {
                        let alarm = alarm.as_mut();
                        core::task::ready!(alarm.poll(until, cx.runtime(), polling));
                    }
                }
            }
        });
        match cx.until_cancelled(in_line).await {
            Ok(passed) => passed,
            Err(Stopped { cancellation, .. }) => Err(Cause::Cancelled {
                cancellation,
                error: None,
            }),
        }
    }

    /// An attempt has no value: waits for the next one, or says that there is none.
    #[cold]
    async fn settle<E>(&mut self, cause: Cause<E>) -> Result<(), TaskError<E>>
    where
        C: Classify<E>,
    {
        self.attempts = self.attempts.saturating_add(1);
        let runtime = self.cx.runtime();
        let now = runtime.now();
        let made = Made {
            attempts: self.attempts,
            previous: self.previous,
            spent: self.begun.map_or(Duration::ZERO, |begun| now.since(begun)),
        };
        let Again { delay, overloaded } = self
            .policy
            .retry
            .next(&self.policy.classify, &cause, made, || runtime.random());
        self.tell(Told::after(&cause, overloaded));
        if let Some(cancellation) = self.cx.cancellation() {
            return Err(self.error(
                match cause {
                    Cause::Failed(error) => Cause::Cancelled {
                        cancellation,
                        error: Some(error),
                    },
                    cause => cause,
                },
                None,
            ));
        }
        let delay = match delay {
            Ok(delay) => delay,
            Err(no_retry) => return Err(self.error(cause, no_retry)),
        };
        let until = now + delay;
        if self.cx.deadline().is_some_and(|deadline| until >= deadline) {
            return Err(self.error(cause, Some(NoRetry::Deadline)));
        }
        if let Err(spent) = self.policy.guards.draw(&cause, now) {
            return Err(self.error(cause, Some(NoRetry::Budget(spent))));
        }
        self.previous = delay;
        match self.cx.until_cancelled(pause(runtime, until)).await {
            Ok(()) => Ok(()),
            Err(Stopped { cancellation, .. }) => {
                let error = match cause {
                    Cause::Failed(error) => Some(error),
                    _ => None,
                };
                Err(self.error(Cause::Cancelled { cancellation, error }, None))
            }
        }
    }

    fn error<E>(&self, cause: Cause<E>, no_retry: Option<NoRetry>) -> TaskError<E> {
        self.cx
            .error_of_call(cause, self.attempts)
            .with_no_retry(no_retry)
    }
}

impl<R: Runtime, C> Call<'_, R, C> {
    /// It was cut off in the middle of an attempt.
    #[cold]
    fn give_up(&mut self) {
        let overdue = || {
            let deadline = self.cx.deadline();
            deadline.is_some_and(|deadline| self.cx.runtime().now() >= deadline)
        };
        let how = if std::thread::panicking() {
            Told::Failed
        } else if overdue() {
            Told::Overloaded
        } else {
            Told::Cancelled
        };
        self.tell(how);
    }
}

impl<R: Runtime, C> Drop for Call<'_, R, C> {
    #[inline]
    fn drop(&mut self) {
        if self.pass.is_held() {
            self.give_up();
        }
    }
}

fn asking<'a, R: Runtime>(cx: &Context<R>, waker: Option<&'a Waker>) -> Asking<'a> {
    Asking {
        now: cx.runtime().now(),
        deadline: cx.deadline().unwrap_or(Moment::NEVER),
        waker,
    }
}

/// One attempt that may take so long.
async fn within<R: Runtime, T, E, F>(cx: &Context<R>, limit: Duration, work: F) -> Result<T, Cause<E>>
where
    F: Future<Output = Result<T, Cause<E>>>,
{
    let mut work = pin!(work);
    let mut alarm = pin!(Alarm::new());
    let end = cx.runtime().now() + limit;
    poll_fn(|polling| {
        if let Poll::Ready(ended) = work.as_mut().poll(polling) {
            return Poll::Ready(ended);
        }
        let overdue = alarm.as_mut().poll(end, cx.runtime(), polling);
        overdue.map(|()| {
            Err(Cause::TimedOut(TimedOut {
                deadline_of: cx.id(),
                limit: Limit::Attempt,
                elapsed: cx.runtime().now().since(cx.created_at()),
            }))
        })
    })
    .await
}

/// A pause in which others run, however short it is.
async fn pause<R: Runtime>(runtime: &R, until: Moment) {
    let mut yielded = false;
    poll_fn(|polling| {
        if mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        polling.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    if runtime.now() < until {
        runtime.sleep_until(until).await;
    }
}

impl<E, C: Classify<E>, H> Classify<E> for Policy<C, H> {
    fn classify(&self, error: &E) -> Verdict {
        self.shared.rules.classify.classify(error)
    }
}

impl<C, H> Clone for Policy<C, H> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<C, H: fmt::Debug> fmt::Debug for Policy<C, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("name", &self.name())
            .field("guards", &self.shared.rules.guards)
            .field("retry", &self.shared.rules.retry)
            .field("hedge", &self.shared.hedge)
            .finish_non_exhaustive()
    }
}

impl<C, H: fmt::Debug> fmt::Debug for PolicyBuilder<C, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyBuilder")
            .field("name", &self.name)
            .field("guards", &self.guards)
            .field("retry", &self.retry)
            .field("hedge", &self.hedge)
            .finish_non_exhaustive()
    }
}
