//! How a task is described before it runs.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use core::convert::Infallible;
use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::time::Duration;

use sweet_async_core::Priority;
use sweet_async_core::lifecycle::Level;

use super::TaskId;
use super::context::Context;
use super::driver::{Driver, GRACE, Guarding};
use super::error::{Cause, Invalid, Rejection, TaskError};
use super::handle::Task;
use super::header::{Bond, Given, Header, Kind, Node, TaskRecord};
use super::plan::{
    Blocking, BlockingAgain, BlockingResult, Fallback, Hedged, NoFallback, Once, Plan, Repeated, Rescue,
};
use super::retry::{Always, Classify, Retry};
use super::scope::Place;
use super::slot::Slot;
use super::view::TaskRef;
use super::watch::{Above, Wanted, Watch, Watching};
use super::work::{AsyncValue, AsyncWork, IntoAsyncResult, RepeatableWork, SharedWork};
use crate::breaker::CircuitBreaker;
use crate::guard::{ConcurrencyLimit, Guards, Hedge, NoHedge, Policy, RateLimiter, RetryBudget};
use crate::hooks::{Happening, Hook, Hooks};
use crate::metrics::Metrics;
use crate::trace;
use crate::{LocalSpawn, Moment, Refused, Runtime};

/// Describes a task: immutable configuration, of which nothing happens before `run`.
///
/// Each method takes the builder and gives it back changed; a clone describes an independent task. `P` says how often
/// the work may run, and so what `run` takes: a `FnOnce` closure before [`retry`](Self::retry), a `FnMut` one after it.
/// Settings that contradict each other are found by `run`, whose handle then resolves to
/// [`Cause::Rejected`](super::Cause::Rejected).
#[must_use = "a builder does nothing until `run`"]
pub struct TaskBuilder<R, T, E, P = Single, B = NoFallback> {
    runtime: R,
    config: Config,
    policy: P,
    fallback: B,
    yields: PhantomData<fn() -> (T, E)>,
}

/// The work runs once.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Single;

/// The work runs until it succeeds or the policy gives up.
#[derive(Clone, Debug)]
pub struct Retrying<C> {
    retry: Retry,
    classify: C,
}

/// The work runs until it succeeds or the policy gives up, and beside itself when it is slow.
#[derive(Clone, Debug)]
pub struct Hedging<C> {
    retry: Retry,
    classify: C,
    hedge: Hedge,
}

#[derive(Clone)]
struct Config {
    name: Cow<'static, str>,
    priority: Priority,
    timeout: Option<Timeout>,
    grace: Duration,
    cancel_on_drop: Option<Level>,
    guarding: Guarding,
    parent: Option<Node>,
    /// Whose deadline the task inherits, if not its parent's.
    after: Option<Node>,
    metrics: Option<Metrics>,
    /// Whether the parent keeps a place for it.
    reserved: bool,
    hooks: Option<Arc<Hooks>>,
    /// Whether the task is a span; `None` is as the parent is.
    #[cfg(feature = "tracing")]
    traced: Option<bool>,
}

/// When a task has taken too long: the earlier of two.
#[derive(Clone, Copy, Debug)]
struct Timeout {
    /// After it was started.
    after: Option<Duration>,
    /// Whenever it is started.
    at: Moment,
}

impl<R: Runtime, T, E> TaskBuilder<R, T, E> {
    /// A task of `T` on `runtime` with no settings.
    pub const fn new(runtime: R) -> Self {
        let config = Config {
            name: Cow::Borrowed(""),
            priority: Priority::Normal,
            timeout: None,
            grace: GRACE,
            cancel_on_drop: None,
            guarding: Guarding {
                breaker: None,
                others: None,
            },
            parent: None,
            after: None,
            metrics: None,
            reserved: false,
            hooks: None,
            #[cfg(feature = "tracing")]
            traced: None,
        };
        Self {
            runtime,
            config,
            policy: Single,
            fallback: NoFallback,
            yields: PhantomData,
        }
    }
}

impl<R: Runtime, T, E, P, B> TaskBuilder<R, T, E, P, B> {
    /// Names the task, for people: in errors, dumps and logs. A `&'static str` costs no allocation.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.config.name = name.into();
        self
    }

    /// Says how urgent the task is.
    pub const fn priority(mut self, priority: Priority) -> Self {
        self.config.priority = priority;
        self
    }

    /// Ends the task with a timeout error this long after `run`, all attempts and waits included.
    ///
    /// Children inherit the deadline. An inherited deadline that is earlier stays in force. Work that is ready when its
    /// deadline passes counts as ready. The fallback, if there is one, runs under the inherited deadline only.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        let at = match self.config.timeout {
            Some(before) => before.at,
            None => Moment::NEVER,
        };
        self.config.timeout = Some(Timeout {
            after: Some(timeout),
            at,
        });
        self
    }

    /// Ends the task with a timeout error at `deadline`, whenever it is started; with a [`timeout`](Self::timeout) as well,
    /// the earlier one counts, and so does an inherited one. A task that is started later than that does not begin its work.
    ///
    /// It is what a request says that comes from another process; see [`TimeLeft`](crate::TimeLeft).
    pub const fn deadline(mut self, deadline: Moment) -> Self {
        let after = match self.config.timeout {
            Some(before) => before.after,
            None => None,
        };
        self.config.timeout = Some(Timeout { after, at: deadline });
        self
    }

    /// How long a task that is cancelled gracefully may take before it is killed, and how long its callbacks may take
    /// after that. 5 seconds if not said.
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.config.grace = grace;
        self
    }

    /// Kills the task when its handle is dropped, instead of detaching it.
    pub const fn cancel_on_drop(mut self) -> Self {
        self.config.cancel_on_drop = Some(Level::Kill);
        self
    }

    /// Asks `breaker` before each attempt, and tells it afterwards how the attempt went.
    ///
    /// An error, a panic and a passed deadline count as failures, a cancelled attempt as nothing. An attempt that is
    /// refused fails with [`Cause::CircuitOpen`](super::Cause::CircuitOpen), which says when to come back; with
    /// [`retry`](Self::retry) the task waits that long, if its deadline allows.
    pub fn with_circuit_breaker(mut self, breaker: &CircuitBreaker) -> Self {
        self.config.guarding.breaker = Some(breaker.clone());
        self
    }

    /// Has the task measured: [`metrics`](super::TaskRecord::metrics) then says what it cost. The same as
    /// `.metrics(Metrics::time())`.
    pub const fn metered(self) -> Self {
        self.metrics(Metrics::time())
    }

    /// Says what to measure of the task, and whether its children are measured too.
    pub const fn metrics(mut self, metrics: Metrics) -> Self {
        self.config.metrics = Some(metrics);
        self
    }

    /// Asks `limit` for a place before each attempt, and tells it afterwards how the attempt went.
    ///
    /// An attempt that is not let through waits or fails with [`Cause::LimitReached`](super::Cause::LimitReached), as the
    /// [`Patience`](crate::guard::Patience) of the handle says. For the order in which guards are asked and what they are
    /// told, see [`guard`](crate::guard).
    pub fn with_concurrency_limit(mut self, limit: &ConcurrencyLimit) -> Self {
        self.guards().limit = Some(limit.clone());
        self
    }

    /// Asks `rate` before each attempt.
    ///
    /// An attempt that is not let through waits or fails with [`Cause::RateLimited`](super::Cause::RateLimited), which says
    /// when to come back, as the [`Patience`](crate::guard::Patience) of the handle says.
    pub fn with_rate_limit(mut self, rate: &RateLimiter) -> Self {
        self.guards().rate = Some(rate.clone());
        self
    }

    /// Draws each retry from `budget`, and pays in once. Without [`retry`](Self::retry) it is paid and never drawn from.
    ///
    /// If nothing is there, the task ends with the failure at hand, and [`TaskError::no_retry`] says why.
    pub fn with_retry_budget(mut self, budget: &RetryBudget) -> Self {
        self.guards().budget = Some(budget.clone());
        self
    }

    /// The guards besides the breaker.
    fn guards(&mut self) -> &mut Guards {
        self.config.guarding.others.get_or_insert_default()
    }

    /// Tells `hook` what happens to the task, and to everybody below it. Called again, the later hook is called first; those
    /// of whoever is above are called after the task's own.
    pub fn hook(mut self, hook: impl Hook + 'static) -> Self {
        let before = self.config.hooks.take();
        self.config.hooks = Some(Arc::new(Hooks::new(Arc::new(hook), before)));
        self
    }

    /// Whether the task is a span where a subscriber listens, and says in it what happens. If nothing is said, it is what its
    /// parent is; a task without a parent is a span. With the feature `tracing`.
    ///
    /// `false` holds for everybody below as well, but for those that say `true`; the span of such a one lies in none of the
    /// tasks above it.
    #[cfg(feature = "tracing")]
    pub const fn tracing(mut self, traced: bool) -> Self {
        self.config.traced = Some(traced);
        self
    }

    /// Makes the task a child of the one that `cx` belongs to; see [`Context::spawn_child`].
    pub fn parent(mut self, cx: &Context<R>) -> Self {
        self.config.parent = Some(Arc::clone(cx.node()));
        self
    }

    fn at(mut self, place: Place<R>) -> Self {
        self.config.parent = place.hand_over();
        self.config.reserved = self.config.parent.is_some();
        self
    }

    /// What to run when the work has failed for good, panicked, timed out or was refused by its breaker.
    ///
    /// It gets the error of the work. If it fails as well, the task's error carries both.
    pub fn fallback<F, O, M>(self, fallback: F) -> TaskBuilder<R, T, E, P, Fallback<F, M>>
    where
        F: FnOnce(Arc<TaskError<E>>) -> O,
        O: IntoAsyncResult<T, E, M>,
    {
        let Self {
            runtime,
            config,
            policy,
            yields,
            ..
        } = self;
        TaskBuilder {
            runtime,
            config,
            policy,
            fallback: Fallback::new(fallback),
            yields,
        }
    }
}

impl<R: Runtime, T, E, B> TaskBuilder<R, T, E, Single, B> {
    /// Runs the work again when it fails, by the rules of `retry`. From here on `run` takes a `FnMut` closure: what a future
    /// of it takes along is cloned for each attempt, `move || { let url = url.clone(); async move { .. } }`.
    pub fn retry(self, retry: Retry) -> TaskBuilder<R, T, E, Retrying<Always>, B> {
        let Self {
            runtime,
            config,
            fallback,
            yields,
            ..
        } = self;
        TaskBuilder {
            runtime,
            config,
            policy: Retrying {
                retry,
                classify: Always,
            },
            fallback,
            yields,
        }
    }
}

impl<R: Runtime, T, E, B> TaskBuilder<R, T, E, Single, B> {
    /// Runs the work by `policy`: its guards, its retries, its classifier and its hedge. From here on `run` takes a `FnMut`
    /// closure.
    ///
    /// Guards that the builder had before stay where the policy has none.
    pub fn with_policy<C, H>(
        mut self,
        policy: &Policy<C, H>,
    ) -> TaskBuilder<R, T, E, H::Attempts<Policy<C, H>>, B>
    where
        C: Classify<E>,
        H: MayHedge,
    {
        let of_policy = policy.guards();
        if let Some(breaker) = &of_policy.breaker {
            self.config.guarding.breaker = Some(breaker.clone());
        }
        if of_policy.has_more_than_a_breaker() {
            self.guards().overlay(of_policy);
        }
        let retrying = self.retry(policy.retry()).classify(policy.clone());
        policy.beside().apply(retrying)
    }
}

/// Whether the attempts of a [`Policy`] have further tries: [`NoHedge`] and [`Hedge`].
pub trait MayHedge {
    /// How often the work may run.
    type Attempts<C>;

    /// Has the task follow suit.
    fn apply<R: Runtime, T, E, C, B>(
        &self,
        builder: TaskBuilder<R, T, E, Retrying<C>, B>,
    ) -> TaskBuilder<R, T, E, Self::Attempts<C>, B>;
}

impl MayHedge for NoHedge {
    type Attempts<C> = Retrying<C>;

    fn apply<R: Runtime, T, E, C, B>(
        &self,
        builder: TaskBuilder<R, T, E, Retrying<C>, B>,
    ) -> TaskBuilder<R, T, E, Retrying<C>, B> {
        builder
    }
}

impl MayHedge for Hedge {
    type Attempts<C> = Hedging<C>;

    fn apply<R: Runtime, T, E, C, B>(
        &self,
        builder: TaskBuilder<R, T, E, Retrying<C>, B>,
    ) -> TaskBuilder<R, T, E, Hedging<C>, B> {
        builder.hedge(self)
    }
}

impl<R: Runtime, T, E, B> TaskBuilder<R, T, E, Single, B> {
    /// Starts a second try beside one that takes long, by the rules of `hedge`. From here on `run` takes a `FnMut` closure
    /// that gives a future; see [`Hedge`]. `run_blocking` and `run_local` do not compile after it: the one cannot drop the
    /// loser, the other has no two tries beside each other.
    pub fn hedge(self, hedge: &Hedge) -> TaskBuilder<R, T, E, Hedging<Always>, B> {
        self.retry(Retry::immediate().attempts(1)).hedge(hedge)
    }
}

impl<R: Runtime, T, E, C, B> TaskBuilder<R, T, E, Retrying<C>, B> {
    /// Starts a second try beside one that takes long, by the rules of `hedge`, in each attempt; see [`Hedge`].
    ///
    /// An attempt all of whose tries fail ends with [`Cause::HedgesFailed`](super::Cause::HedgesFailed), and the strictest
    /// of what the classifier says of their errors counts. The limit of an attempt is one for all its tries.
    pub fn hedge(self, hedge: &Hedge) -> TaskBuilder<R, T, E, Hedging<C>, B> {
        let Self {
            runtime,
            mut config,
            policy: Retrying { retry, classify },
            fallback,
            yields,
        } = self;
        // The tries tell the guards themselves, so all of them are in one place.
        config.guarding.others.get_or_insert_default();
        TaskBuilder {
            runtime,
            config,
            policy: Hedging {
                retry,
                classify,
                hedge: hedge.clone(),
            },
            fallback,
            yields,
        }
    }
}

impl<R, T, E, C, B> TaskBuilder<R, T, E, Hedging<C>, B>
where
    R: Runtime,
    T: Send + 'static,
    E: Send + Sync + 'static,
    C: Classify<E> + Send + Sync + 'static,
    B: Rescue<T, E> + Send + 'static,
    B::Future: Send,
{
    /// Starts the task; `work` is called once for each try.
    pub fn run<W, Args, M>(self, work: W) -> Task<R, T, E>
    where
        W: RepeatableWork<Context<R>, Args> + Send + 'static,
        W::Output: IntoAsyncResult<T, E, M>,
        <W::Output as IntoAsyncResult<T, E, M>>::Future: Send,
        Args: 'static,
        M: 'static,
    {
        let Hedging {
            retry,
            classify,
            hedge,
        } = self.policy;
        let invalid = retry.check(self.config.timeout()).err();
        let guards = self.config.guarding.all();
        launch(
            self.runtime,
            self.config,
            (
                Hedged::<W, Args, M, C>::new(work, (retry, classify), hedge, guards),
                (),
            ),
            self.fallback,
            invalid,
        )
    }
}

impl<R: Runtime, T, E, C, B> TaskBuilder<R, T, E, Retrying<C>, B> {
    /// Decides by the error whether and when an attempt is made again.
    pub fn classify<D>(self, classify: D) -> TaskBuilder<R, T, E, Retrying<D>, B>
    where
        D: Classify<E>,
    {
        let Self {
            runtime,
            config,
            policy,
            fallback,
            yields,
        } = self;
        TaskBuilder {
            runtime,
            config,
            policy: Retrying {
                retry: policy.retry,
                classify,
            },
            fallback,
            yields,
        }
    }
}

impl<R, T, E, B> TaskBuilder<R, T, E, Single, B>
where
    R: Runtime,
    T: Send + 'static,
    E: Send + Sync + 'static,
    B: Rescue<T, E> + Send + 'static,
    B::Future: Send,
{
    /// Starts the task.
    ///
    /// `work` is a closure with or without a [`Context`], that returns `T`, `Result<T, E>`, or a future of either. A
    /// closure that calls methods on its context names the type: `|cx: Context| async move { .. }`.
    #[inline]
    pub fn run<W, Args, M>(self, work: W) -> Task<R, T, E>
    where
        W: AsyncWork<Context<R>, Args> + Send + 'static,
        W::Output: IntoAsyncResult<T, E, M>,
        <W::Output as IntoAsyncResult<T, E, M>>::Future: Send,
        Args: 'static,
        M: 'static,
    {
        launch(
            self.runtime,
            self.config,
            Once::<W, Args, M>::new(work),
            self.fallback,
            None,
        )
    }

    /// Starts the task on a thread that may block.
    ///
    /// A thread cannot be stopped from outside. A graceful cancellation and a kill are seen at the closure's next
    /// [`checkpoint`](Context::checkpoint); a hard kill and a timeout resolve the handle at once and abandon the thread:
    /// its result is never published, and it is counted until it returns.
    pub fn run_blocking<W, Args, M>(self, work: W) -> Task<R, T, E>
    where
        W: AsyncWork<Context<R>, Args> + Send + 'static,
        W::Output: BlockingResult<T, E, M>,
        Args: 'static,
        M: 'static,
    {
        launch(
            self.runtime,
            self.config,
            (Blocking::<W, Args, M>::new(work), ()),
            self.fallback,
            None,
        )
    }
}

impl<R, T, E, C, B> TaskBuilder<R, T, E, Retrying<C>, B>
where
    R: Runtime,
    T: Send + 'static,
    E: Send + Sync + 'static,
    C: Classify<E> + Send + 'static,
    B: Rescue<T, E> + Send + 'static,
    B::Future: Send,
{
    /// Starts the task; `work` is called once for each attempt.
    pub fn run<W, Args, M>(self, work: W) -> Task<R, T, E>
    where
        W: RepeatableWork<Context<R>, Args> + Send + 'static,
        W::Output: IntoAsyncResult<T, E, M>,
        <W::Output as IntoAsyncResult<T, E, M>>::Future: Send,
        Args: 'static,
        M: 'static,
    {
        let Retrying { retry, classify } = self.policy;
        let invalid = retry.check(self.config.timeout()).err();
        launch(
            self.runtime,
            self.config,
            (Repeated::<W, Args, M, C>::new(work, retry, classify), ()),
            self.fallback,
            invalid,
        )
    }
}

impl<R, T, E, B> TaskBuilder<R, T, E, Single, B>
where
    R: Runtime,
    T: Send + 'static,
    E: Send + Sync + 'static,
    B: Rescue<T, E> + 'static,
{
    /// Starts the task on an executor of one thread: what the work captures and holds need not be [`Send`].
    ///
    /// The value and the handle may go to other threads as always, and so may requests to stop: a kill that is made
    /// elsewhere drops the work on its own thread, a hard one resolves the handle before that.
    pub fn run_local<L, W, Args, M>(self, executor: &L, work: W) -> Task<R, T, E>
    where
        L: LocalSpawn<R>,
        W: AsyncWork<Context<R>, Args> + 'static,
        W::Output: IntoAsyncResult<T, E, M>,
        Args: 'static,
        M: 'static,
    {
        let plan = Once::<W, Args, M>::new(work);
        launch_by(
            self.runtime,
            self.config,
            plan,
            self.fallback,
            None,
            |driver, _| executor.spawn_local(driver),
        )
    }
}

impl<R, T, E, C, B> TaskBuilder<R, T, E, Retrying<C>, B>
where
    R: Runtime,
    T: Send + 'static,
    E: Send + Sync + 'static,
    C: Classify<E> + 'static,
    B: Rescue<T, E> + 'static,
{
    /// Starts the task on an executor of one thread; `work`, which need not be [`Send`], is called once for each attempt.
    pub fn run_local<L, W, Args, M>(self, executor: &L, work: W) -> Task<R, T, E>
    where
        L: LocalSpawn<R>,
        W: RepeatableWork<Context<R>, Args> + 'static,
        W::Output: IntoAsyncResult<T, E, M>,
        Args: 'static,
        M: 'static,
    {
        let Retrying { retry, classify } = self.policy;
        let invalid = retry.check(self.config.timeout()).err();
        let plan = (Repeated::<W, Args, M, C>::new(work, retry, classify), ());
        launch_by(
            self.runtime,
            self.config,
            plan,
            self.fallback,
            invalid,
            |driver, _| executor.spawn_local(driver),
        )
    }
}

impl<R, T, E, C, B> TaskBuilder<R, T, E, Retrying<C>, B>
where
    R: Runtime,
    T: Send + 'static,
    E: Send + Sync + 'static,
    C: Classify<E> + Send + 'static,
    B: Rescue<T, E> + Send + 'static,
    B::Future: Send,
{
    /// Starts the task on a thread that may block, once for each attempt; see [`run_blocking`](TaskBuilder::run_blocking)
    /// without a retry.
    ///
    /// An attempt that takes too long is given up: its thread is counted as abandoned until it returns, its result is never
    /// published, and the next attempt may begin while it still runs. That is why `work` is a `Fn` that threads may share.
    pub fn run_blocking<W, Args, M>(self, work: W) -> Task<R, T, E>
    where
        W: SharedWork<Context<R>, Args> + Send + Sync + 'static,
        W::Output: BlockingResult<T, E, M>,
        Args: 'static,
        M: 'static,
    {
        let Retrying { retry, classify } = self.policy;
        let invalid = retry.check(self.config.timeout()).err();
        launch(
            self.runtime,
            self.config,
            (BlockingAgain::<W, Args, M, C>::new(work, retry, classify), ()),
            self.fallback,
            invalid,
        )
    }
}

/// A builder that lacks nothing but the work. What [`Context::spawn_child`] takes.
pub trait SpawningTaskBuilder<R: Runtime, W, Args, M>: Sized {
    /// The handle that `run` gives.
    type Task;

    /// Starts the task as a child of the one that `cx` belongs to.
    fn run_under(self, cx: &Context<R>, work: W) -> Self::Task;

    /// Starts the task in a place that a scope keeps for it; see [`Spawner`](super::Spawner).
    fn run_at(self, place: Place<R>, work: W) -> Self::Task;
}

impl<R, T, E, B, W, Args, M> SpawningTaskBuilder<R, W, Args, M> for TaskBuilder<R, T, E, Single, B>
where
    R: Runtime,
    T: Send + 'static,
    E: Send + Sync + 'static,
    B: Rescue<T, E> + Send + 'static,
    B::Future: Send,
    W: AsyncWork<Context<R>, Args> + Send + 'static,
    W::Output: IntoAsyncResult<T, E, M>,
    <W::Output as IntoAsyncResult<T, E, M>>::Future: Send,
    Args: 'static,
    M: 'static,
{
    type Task = Task<R, T, E>;

    fn run_under(self, cx: &Context<R>, work: W) -> Self::Task {
        self.parent(cx).run(work)
    }

    fn run_at(self, place: Place<R>, work: W) -> Self::Task {
        self.at(place).run(work)
    }
}

impl<R, T, E, C, B, W, Args, M> SpawningTaskBuilder<R, W, Args, M> for TaskBuilder<R, T, E, Retrying<C>, B>
where
    R: Runtime,
    T: Send + 'static,
    E: Send + Sync + 'static,
    C: Classify<E> + Send + 'static,
    B: Rescue<T, E> + Send + 'static,
    B::Future: Send,
    W: RepeatableWork<Context<R>, Args> + Send + 'static,
    W::Output: IntoAsyncResult<T, E, M>,
    <W::Output as IntoAsyncResult<T, E, M>>::Future: Send,
    Args: 'static,
    M: 'static,
{
    type Task = Task<R, T, E>;

    fn run_under(self, cx: &Context<R>, work: W) -> Self::Task {
        self.parent(cx).run(work)
    }

    fn run_at(self, place: Place<R>, work: W) -> Self::Task {
        self.at(place).run(work)
    }
}

/// Starts a task that is a scope: it lets children in by the rules of `bond`, from before it runs.
pub(super) fn launch_scope<R, F>(
    builder: TaskBuilder<R, (), Infallible>,
    bond: Bond,
    work: impl FnOnce(Context<R>) -> F + Send + 'static,
) -> Task<R, (), Infallible>
where
    R: Runtime,
    F: Future<Output = ()> + Send + 'static,
{
    let invalid = (bond.limit == 0).then_some(Invalid::ZeroLimit);
    let (runtime, config) = (builder.runtime, builder.config);
    let plan = Once::<_, (Context<R>,), AsyncValue>::new(work);
    launch_by(runtime, config, plan, NoFallback, invalid, |driver, record| {
        record.header().extra().children.bind(bond);
        record.slot.runtime.spawn_task(driver, || TaskRef {
            node: Arc::clone(record) as Node,
        })
    })
}

impl<R, T, E, C, B, W, Args, M> SpawningTaskBuilder<R, W, Args, M> for TaskBuilder<R, T, E, Hedging<C>, B>
where
    R: Runtime,
    T: Send + 'static,
    E: Send + Sync + 'static,
    C: Classify<E> + Send + Sync + 'static,
    B: Rescue<T, E> + Send + 'static,
    B::Future: Send,
    W: RepeatableWork<Context<R>, Args> + Send + 'static,
    W::Output: IntoAsyncResult<T, E, M>,
    <W::Output as IntoAsyncResult<T, E, M>>::Future: Send,
    Args: 'static,
    M: 'static,
{
    type Task = Task<R, T, E>;

    fn run_under(self, cx: &Context<R>, work: W) -> Self::Task {
        self.parent(cx).run(work)
    }

    fn run_at(self, place: Place<R>, work: W) -> Self::Task {
        self.at(place).run(work)
    }
}

/// Starts a task that takes over the error of another one; see [`Task::and_then`].
pub(crate) fn launch_linked<R, T, E, P>(runtime: R, after: &Node, plan: P) -> Task<R, T, E>
where
    R: Runtime,
    T: Send + 'static,
    E: Send + Sync + 'static,
    P: Plan<R, T, E, Seed = ()> + Send + 'static,
    P::Attempt: Send,
{
    let mut builder = TaskBuilder::<R, T, E>::new(runtime)
        .name(after.header().name_to_keep())
        .grace(after.header().grace());
    builder.config.parent.clone_from(&after.header().parent);
    builder.config.after = Some(Arc::clone(after));
    builder.config.priority = after.header().priority;
    launch(builder.runtime, builder.config, (plan, ()), NoFallback, None)
}

/// Admits a task into its scope and hands it to the executor.
#[inline]
fn launch<R, T, E, P, B>(
    runtime: R,
    config: Config,
    plan: (P, P::Seed),
    rescue: B,
    invalid: Option<Invalid>,
) -> Task<R, T, E>
where
    R: Runtime,
    T: Send + 'static,
    E: Send + Sync + 'static,
    P: Plan<R, T, E> + Send + 'static,
    P::Attempt: Send,
    P::Seed: Send,
    B: Rescue<T, E> + Send + 'static,
    B::Future: Send,
{
    launch_by(runtime, config, plan, rescue, invalid, |driver, record| {
        record.slot.runtime.spawn_task(driver, || TaskRef {
            node: Arc::clone(record) as Node,
        })
    })
}

/// The same, handed to whatever `spawn` says.
#[inline]
fn launch_by<R, T, E, P, B, S>(
    runtime: R,
    config: Config,
    plan: (P, P::Seed),
    rescue: B,
    invalid: Option<Invalid>,
    spawn: S,
) -> Task<R, T, E>
where
    R: Runtime,
    T: Send + 'static,
    E: Send + Sync + 'static,
    P: Plan<R, T, E>,
    B: Rescue<T, E>,
    S: FnOnce(Driver<R, T, E, P, B>, &Arc<TaskRecord<Slot<R, T, E>>>) -> Spawned<R, T, E, P, B>,
{
    let Config {
        name,
        priority,
        timeout,
        grace,
        cancel_on_drop,
        guarding,
        parent,
        after,
        metrics,
        reserved,
        hooks,
        #[cfg(feature = "tracing")]
        traced,
    } = config;
    let now = runtime.now();
    let id = TaskId::next();
    let own = timeout.map_or(Moment::NEVER, |timeout| timeout.end(now));
    let deadline = match after.as_ref().or(parent.as_ref()) {
        None => own,
        Some(elder) => own.min(elder.header().deadline),
    };
    #[cfg(feature = "tracing")]
    let traced = traced.unwrap_or_else(|| {
        parent
            .as_ref()
            .is_none_or(|parent| parent.header().kind.is_traced())
    });
    #[cfg(not(feature = "tracing"))]
    let traced = false;
    let may_be_watched = metrics.is_some()
        || hooks.is_some()
        || parent.is_some()
        || runtime.root().has_hook()
        || (traced && trace::is_on());
    let watched = if may_be_watched {
        let task = (id.unwrap_or(TaskId::NONE), &*name);
        let own = Wanted {
            metrics,
            hooks,
            traced,
        };
        watch(task, own, parent.as_ref(), &runtime)
    } else {
        None
    };
    let is_watched = watched.is_some();
    let retry = plan.0.retry();
    let (name, given_name) = match name {
        Cow::Borrowed(name) => (name, None),
        Cow::Owned(name) => ("", Some(name.into_boxed_str())),
    };
    let any = after.is_some() || is_watched || retry.is_some() || given_name.is_some();
    let given = any.then(|| {
        Box::new(Given {
            name: given_name,
            retry: retry.map(Box::new),
            after,
            watch: watched,
        })
    });
    let mut header = Header::new(
        (id.unwrap_or(TaskId::NONE), name, priority),
        now,
        deadline,
        grace,
        parent,
        given,
    );
    header.kind = Kind::new(B::IS_SOME, traced);
    let record = Arc::new(TaskRecord::new(header, Slot::new(runtime)));
    if P::FENCED {
        record.header().set_fenced(true);
    }
    let invalid = if timeout.and_then(|timeout| timeout.after) == Some(Duration::ZERO) {
        Some(Invalid::ZeroTimeout)
    } else {
        invalid
    };
    let admitted = match (id, invalid) {
        (Err(_), _) => Err(Rejection::IdsExhausted),
        (_, Some(invalid)) => Err(Rejection::Invalid(invalid)),
        _ => match &record.header().parent {
            None => record.slot.runtime.root().enter(|| Arc::clone(&record) as Node),
            Some(parent) => parent.header().adopt(&(Arc::clone(&record) as Node), reserved),
        },
    };
    if let Err(rejection) = admitted {
        if let Some(parent) = record.header().parent.as_ref().filter(|_| reserved) {
            parent.header().vacate();
        }
        return refuse(record, rejection);
    }
    if is_watched && record.header().parent.is_none() {
        (&*record as &TaskRecord).happened(Happening::Created);
    }
    let driver = Driver::new(Arc::clone(&record), plan, rescue, guarding);
    // A driver that is handed back, or dropped before it was polled, rejects the task and leaves the scope.
    let spawned = spawn(driver, &record).ok();
    Task::new(record, spawned, cancel_on_drop)
}

/// What an executor answers to a driver.
type Spawned<R, T, E, P, B> = Result<<R as Runtime>::Spawned, Refused<Driver<R, T, E, P, B>>>;

/// What accompanies a task, by its own builder's wish or because of the task above it.
#[cold]
fn watch<R: Runtime>(
    task: (TaskId, &str),
    own: Wanted,
    parent: Option<&Node>,
    runtime: &R,
) -> Option<Arc<dyn Watching>> {
    let above = match parent {
        None => Above::Root(runtime.root()),
        Some(parent) => Above::Task(parent.header().watch()),
    };
    Watch::start(task, own, above, runtime)
}

/// A task that was refused at the door.
#[cold]
fn refuse<R, T, E>(record: Arc<TaskRecord<Slot<R, T, E>>>, rejection: Rejection) -> Task<R, T, E>
where
    R: Runtime,
    T: Send + 'static,
    E: Send + Sync + 'static,
{
    // Refused only if somebody else ended it first.
    let _ = record.header().lifecycle.reject();
    (&*record as &TaskRecord).happened(Happening::Refused(rejection));
    record
        .slot
        .put(Err(record.header().error(Cause::Rejected(rejection))));
    Task::new(record, None, None)
}

impl Timeout {
    fn end(self, started: Moment) -> Moment {
        match self.after {
            Some(after) => self.at.min(started + after),
            None => self.at,
        }
    }
}

impl Config {
    /// The stated length of time, if there is one.
    fn timeout(&self) -> Option<Duration> {
        self.timeout?.after
    }
}

impl<R: Clone, T, E, P: Clone, B: Clone> Clone for TaskBuilder<R, T, E, P, B> {
    fn clone(&self) -> Self {
        Self {
            runtime: self.runtime.clone(),
            config: self.config.clone(),
            policy: self.policy.clone(),
            fallback: self.fallback.clone(),
            yields: PhantomData,
        }
    }
}

impl<R, T, E, P, B> fmt::Debug for TaskBuilder<R, T, E, P, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskBuilder")
            .field("name", &self.config.name)
            .field("priority", &self.config.priority)
            .field("timeout", &self.config.timeout)
            .field("grace", &self.config.grace)
            .field("cancel_on_drop", &self.config.cancel_on_drop)
            .field("circuit_breaker", &self.config.guarding.breaker)
            .field("guards", &self.config.guarding.others)
            .finish_non_exhaustive()
    }
}
