//! How a task's work is begun, begun again, and replaced when it failed.

use alloc::sync::Arc;
use core::convert::Infallible;
use core::fmt;
use core::future::{Future, Pending};
use core::marker::PhantomData;
use core::mem;
use core::panic::AssertUnwindSafe;
use core::pin::Pin;
use core::task::{self, Poll, Waker};
use core::time::Duration;
use std::panic::catch_unwind;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pin_project_lite::pin_project;

use super::context::{Context, Stopped};
use super::error::{Cancellation, Cause, Panic, TaskError};
use super::retry::{Again, Classify, Made, Retry, Verdict};
use super::view::TaskRef;
use super::work::{AsyncWork, IntoAsyncResult, RepeatableWork, SharedWork};
use crate::Runtime;
use crate::guard::{Guards, Hedge, Pass, Race, Tries};

/// Why an attempt has no value.
pub(crate) enum Fault<E> {
    /// The work returned this.
    Error(E),
    /// The engine found this.
    Cause(Cause<E>),
    /// Another task's error, taken over as it is.
    Task(TaskError<E>),
}

/// How often a task's work can be begun, and when again.
pub(crate) trait Plan<R: Runtime, T, E> {
    /// One attempt.
    type Attempt: Future<Output = Result<T, Fault<E>>>;

    /// What the first attempt is made of and no other one needs.
    type Seed;

    /// Whether an attempt goes on until it returns by itself, because it blocks a thread.
    const FENCED: bool = false;

    /// Whether an attempt tells the guards itself how its tries went.
    const HEDGED: bool = false;

    /// What the guards gave the attempt that is begun next, if it tells them itself.
    fn accept(&mut self, _pass: Option<Pass>) {}

    /// Begins an attempt; `None` if nothing is left to begin. The first one is given the seed.
    fn begin(
        &mut self,
        seed: Option<Self::Seed>,
        runtime: &R,
        context: impl FnOnce() -> Context<R>,
    ) -> Option<Self::Attempt>;

    /// After how long to try again, if at all.
    fn again(&mut self, _runtime: &R, _cause: &Cause<E>, _spent: Duration) -> Again {
        Again::NEVER
    }

    /// Whether anything is left that could be begun.
    fn is_left(&self) -> bool;

    /// Drops what is left of the work: nothing will be begun again.
    fn clear(&mut self);

    /// The rules by which it is begun again; `None` of work that is begun once.
    fn retry(&self) -> Option<Retry> {
        None
    }

    /// How long one attempt may take.
    #[inline]
    fn attempt_timeout(&self) -> Option<Duration> {
        self.retry()?.limit()
    }
}

/// What a task does when its work has failed for good.
pub trait Rescue<T, E> {
    /// The fallback's work.
    type Future: Future<Output = Result<T, E>>;

    /// Whether there is a fallback at all.
    const IS_SOME: bool = true;

    /// Begins the fallback, or hands the error back if there is none.
    fn rescue(&mut self, error: TaskError<E>) -> Result<Begun<Self::Future, E>, TaskError<E>>;

    /// Whether there is a fallback that has not begun.
    fn is_left(&self) -> bool;

    /// Drops a fallback that was not needed.
    fn clear(&mut self);
}

/// A fallback that has begun, or what it panicked with, and the error it was begun for.
pub type Begun<F, E> = (std::thread::Result<F>, Arc<TaskError<E>>);

/// Work that is begun once.
pub(crate) struct Once<F, A, M> {
    inferred: PhantomData<fn(F, A) -> M>,
}

/// Work that is begun again after a failure, as a policy says.
pub(crate) struct Repeated<F, A, M, C> {
    work: Option<F>,
    series: Series<C>,
    inferred: PhantomData<fn() -> (A, M)>,
}

/// Work that blocks a thread, begun again after a failure, as a policy says.
pub(crate) struct BlockingAgain<F, A, M, C> {
    work: Option<Arc<F>>,
    series: Series<C>,
    inferred: PhantomData<fn() -> (A, M)>,
}

/// The attempts of one task.
struct Series<C> {
    made: u32,
    retry: Retry,
    classify: C,
    previous: Duration,
}

/// Work that is begun again after a failure, and beside itself when it is slow.
pub(crate) struct Hedged<F, A, M, C> {
    work: Arc<Mutex<Option<F>>>,
    series: Series<Arc<C>>,
    hedge: Hedge,
    guards: Guards,
    pass: Option<Pass>,
    inferred: PhantomData<fn() -> (A, M)>,
}

/// The tries of one attempt of it.
pub(crate) struct Beside<R: Runtime, T, E, F, A, M, C> {
    work: Arc<Mutex<Option<F>>>,
    classify: Arc<C>,
    hedge: Hedge,
    guards: Guards,
    cx: Context<R>,
    inferred: Inferred<T, E, A, M>,
}

type Inferred<T, E, A, M> = PhantomData<fn() -> (T, E, A, M)>;

/// The future of work that is begun with `F`.
type Begins<R, T, E, F, A, M> =
    <<F as RepeatableWork<Context<R>, A>>::Output as IntoAsyncResult<T, E, M>>::Future;

/// Work that blocks a thread, begun once.
pub(crate) struct Blocking<F, A, M> {
    work: Option<F>,
    inferred: PhantomData<fn() -> (A, M)>,
}

/// Work that takes over another task's error.
pub(crate) struct Linked<F> {
    work: Option<F>,
}

/// No fallback.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct NoFallback;

/// A fallback.
pub struct Fallback<F, M> {
    work: Option<F>,
    inferred: PhantomData<fn() -> M>,
}

impl<F, A, M> Once<F, A, M> {
    #[inline]
    pub(crate) const fn new(work: F) -> (Self, F) {
        let inferred = PhantomData;
        (Self { inferred }, work)
    }
}

impl<F, A, M, C> Repeated<F, A, M, C> {
    pub(crate) const fn new(work: F, retry: Retry, classify: C) -> Self {
        Self {
            work: Some(work),
            series: Series::new(retry, classify),
            inferred: PhantomData,
        }
    }
}

impl<F, A, M, C> BlockingAgain<F, A, M, C> {
    pub(crate) fn new(work: F, retry: Retry, classify: C) -> Self {
        Self {
            work: Some(Arc::new(work)),
            series: Series::new(retry, classify),
            inferred: PhantomData,
        }
    }
}

impl<C> Series<C> {
    const fn new(retry: Retry, classify: C) -> Self {
        Self {
            made: 0,
            retry,
            classify,
            previous: Duration::ZERO,
        }
    }

    fn next<E>(&mut self, runtime: &impl Runtime, cause: &Cause<E>, spent: Duration) -> Again
    where
        C: Classify<E>,
    {
        // Counted here, so that an attempt which a guard refused is one too.
        self.made = self.made.saturating_add(1);
        let made = Made {
            attempts: self.made,
            previous: self.previous,
            spent,
        };
        let again = self.retry.next(&self.classify, cause, made, || runtime.random());
        if let Ok(delay) = again.delay {
            self.previous = delay;
        }
        again
    }
}

impl<F, A, M, C> Hedged<F, A, M, C> {
    pub(crate) fn new(work: F, (retry, classify): (Retry, C), hedge: Hedge, guards: Guards) -> Self {
        Self {
            work: Arc::new(Mutex::new(Some(work))),
            series: Series::new(retry, Arc::new(classify)),
            hedge,
            guards,
            pass: None,
            inferred: PhantomData,
        }
    }
}

impl<F, A, M> Blocking<F, A, M> {
    pub(crate) const fn new(work: F) -> Self {
        Self {
            work: Some(work),
            inferred: PhantomData,
        }
    }
}

impl<F> Linked<F> {
    pub(crate) const fn new(work: F) -> Self {
        Self { work: Some(work) }
    }
}

impl<F, M> fmt::Debug for Fallback<F, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fallback")
            .field("begun", &self.work.is_none())
            .finish()
    }
}

impl<F, M> Fallback<F, M> {
    pub(crate) const fn new(work: F) -> Self {
        Self {
            work: Some(work),
            inferred: PhantomData,
        }
    }
}

impl<R, T, E, F, A, M> Plan<R, T, E> for Once<F, A, M>
where
    R: Runtime,
    F: AsyncWork<Context<R>, A>,
    F::Output: IntoAsyncResult<T, E, M>,
{
    type Attempt = Lift<<F::Output as IntoAsyncResult<T, E, M>>::Future>;

    type Seed = F;

    #[inline]
    fn begin(
        &mut self,
        seed: Option<F>,
        _: &R,
        context: impl FnOnce() -> Context<R>,
    ) -> Option<Self::Attempt> {
        Some(Lift {
            future: seed?.call(context).into_async_result(),
        })
    }

    #[inline]
    fn is_left(&self) -> bool {
        false
    }

    #[inline]
    fn clear(&mut self) {}
}

impl<R, T, E, F, A, M, C> Plan<R, T, E> for Repeated<F, A, M, C>
where
    R: Runtime,
    F: RepeatableWork<Context<R>, A>,
    F::Output: IntoAsyncResult<T, E, M>,
    C: Classify<E>,
{
    type Attempt = Lift<<F::Output as IntoAsyncResult<T, E, M>>::Future>;

    type Seed = ();

    fn begin(&mut self, _: Option<()>, _: &R, context: impl FnOnce() -> Context<R>) -> Option<Self::Attempt> {
        Some(Lift {
            future: self.work.as_mut()?.call_again(context).into_async_result(),
        })
    }

    #[inline]
    fn is_left(&self) -> bool {
        self.work.is_some()
    }

    fn clear(&mut self) {
        self.work = None;
    }

    fn again(&mut self, runtime: &R, cause: &Cause<E>, spent: Duration) -> Again {
        self.series.next(runtime, cause, spent)
    }

    fn retry(&self) -> Option<Retry> {
        Some(self.series.retry)
    }
}

impl<R, T, E, F, A, M, C> Plan<R, T, E> for Hedged<F, A, M, C>
where
    R: Runtime,
    F: RepeatableWork<Context<R>, A>,
    F::Output: IntoAsyncResult<T, E, M>,
    C: Classify<E>,
{
    type Attempt = Contest<Race<Beside<R, T, E, F, A, M, C>, Begins<R, T, E, F, A, M>, E, R::Sleep>>;

    type Seed = ();

    const HEDGED: bool = true;

    fn accept(&mut self, pass: Option<Pass>) {
        self.pass = pass;
    }

    fn begin(&mut self, _: Option<()>, _: &R, context: impl FnOnce() -> Context<R>) -> Option<Self::Attempt> {
        let tries = Beside {
            work: Arc::clone(&self.work),
            classify: Arc::clone(&self.series.classify),
            hedge: self.hedge.clone(),
            guards: self.guards.clone(),
            cx: context(),
            inferred: PhantomData,
        };
        let race = Race::begin(tries, self.pass.take(), self.series.retry.limit())?;
        Some(Contest { race })
    }

    fn again(&mut self, runtime: &R, cause: &Cause<E>, spent: Duration) -> Again {
        self.series.next(runtime, cause, spent)
    }

    fn is_left(&self) -> bool {
        lock(&self.work).is_some()
    }

    fn clear(&mut self) {
        let work = lock(&self.work).take();
        drop(work);
    }

    fn retry(&self) -> Option<Retry> {
        Some(self.series.retry)
    }
}

impl<R, T, E, F, A, M, C> Tries<E> for Beside<R, T, E, F, A, M, C>
where
    R: Runtime,
    F: RepeatableWork<Context<R>, A>,
    F::Output: IntoAsyncResult<T, E, M>,
    C: Classify<E>,
{
    type Runtime = R;
    type Try = Begins<R, T, E, F, A, M>;

    fn begin(&mut self) -> Option<Self::Try> {
        let mut work = lock(&self.work);
        Some(work.as_mut()?.call_again(|| self.cx.clone()).into_async_result())
    }

    fn is_overload(&self, error: &E) -> bool {
        matches!(self.classify.classify(error), Verdict::RetryAfter(_))
    }

    fn guards(&self) -> &Guards {
        &self.guards
    }

    fn hedge(&self) -> &Hedge {
        &self.hedge
    }

    fn cx(&self) -> &Context<R> {
        &self.cx
    }
}

impl<R, T, E, F, A, M> Plan<R, T, E> for Blocking<F, A, M>
where
    R: Runtime,
    T: Send + 'static,
    E: Send + Sync + 'static,
    F: AsyncWork<Context<R>, A> + Send + 'static,
    F::Output: BlockingResult<T, E, M>,
{
    type Attempt = BlockingAttempt<R, T, E>;

    type Seed = ();

    const FENCED: bool = true;

    fn begin(
        &mut self,
        _: Option<()>,
        runtime: &R,
        context: impl FnOnce() -> Context<R>,
    ) -> Option<Self::Attempt> {
        let work = self.work.take()?;
        Some(on_a_thread(runtime, context(), |context| {
            work.call(|| context).into_result()
        }))
    }

    #[inline]
    fn is_left(&self) -> bool {
        self.work.is_some()
    }

    fn clear(&mut self) {
        self.work = None;
    }
}

impl<R, T, E, F, A, M, C> Plan<R, T, E> for BlockingAgain<F, A, M, C>
where
    R: Runtime,
    T: Send + 'static,
    E: Send + Sync + 'static,
    F: SharedWork<Context<R>, A> + Send + Sync + 'static,
    F::Output: BlockingResult<T, E, M>,
    C: Classify<E>,
{
    type Attempt = BlockingAttempt<R, T, E>;

    type Seed = ();

    const FENCED: bool = true;

    fn begin(
        &mut self,
        _: Option<()>,
        runtime: &R,
        context: impl FnOnce() -> Context<R>,
    ) -> Option<Self::Attempt> {
        let work = Arc::clone(self.work.as_ref()?);
        Some(on_a_thread(runtime, context(), move |context| {
            work.call_shared(|| context).into_result()
        }))
    }

    fn again(&mut self, runtime: &R, cause: &Cause<E>, spent: Duration) -> Again {
        self.series.next(runtime, cause, spent)
    }

    fn is_left(&self) -> bool {
        self.work.is_some()
    }

    fn clear(&mut self) {
        self.work = None;
    }

    fn retry(&self) -> Option<Retry> {
        Some(self.series.retry)
    }
}

/// Calls `work` where blocking is allowed.
fn on_a_thread<R, T, E>(
    runtime: &R,
    context: Context<R>,
    work: impl FnOnce(Context<R>) -> Result<T, E> + Send + 'static,
) -> BlockingAttempt<R, T, E>
where
    R: Runtime,
    T: Send + 'static,
    E: Send + Sync + 'static,
{
    let task = TaskRef::clone(&context);
    let desk = Arc::new(Mutex::new(Desk::Working(None)));
    let closure = Closure {
        desk: Arc::clone(&desk),
        runtime: runtime.clone(),
    };
    let call = move || {
        // One that was abandoned or cancelled in the queue is not begun.
        if closure.is_abandoned() {
        } else if let Err(Stopped { cancellation }) = context.may_go_on() {
            closure.leave(Desk::Stopped(cancellation));
        } else {
            let watching = context.watching();
            let work = || catch_unwind(AssertUnwindSafe(|| work(context)));
            let result = match watching {
                None => work(),
                Some(watching) => watching.accompany(work),
            };
            closure.hand_in(result);
        }
    };
    // A closure that is handed back or dropped uncalled reports that itself, as it is dropped.
    drop(runtime.spawn_blocking_task(call, || task.clone()));
    BlockingAttempt {
        desk,
        task,
        runtime: runtime.clone(),
    }
}

impl<R, T, E, F, W> Plan<R, T, E> for Linked<F>
where
    R: Runtime,
    F: FnOnce(Context<R>) -> W,
    W: Future<Output = Result<T, Fault<E>>>,
{
    type Attempt = W;

    type Seed = ();

    fn begin(&mut self, _: Option<()>, _: &R, context: impl FnOnce() -> Context<R>) -> Option<W> {
        let work = self.work.take()?;
        Some(work(context()))
    }

    #[inline]
    fn is_left(&self) -> bool {
        self.work.is_some()
    }

    fn clear(&mut self) {
        self.work = None;
    }
}

impl<T, E> Rescue<T, E> for NoFallback {
    type Future = Pending<Result<T, E>>;

    const IS_SOME: bool = false;

    fn rescue(&mut self, error: TaskError<E>) -> Result<Begun<Self::Future, E>, TaskError<E>> {
        Err(error)
    }

    #[inline]
    fn is_left(&self) -> bool {
        false
    }

    #[inline]
    fn clear(&mut self) {}
}

impl<T, E, F, O, M> Rescue<T, E> for Fallback<F, M>
where
    F: FnOnce(Arc<TaskError<E>>) -> O,
    O: IntoAsyncResult<T, E, M>,
{
    type Future = O::Future;

    fn rescue(&mut self, error: TaskError<E>) -> Result<Begun<Self::Future, E>, TaskError<E>> {
        let Some(work) = self.work.take() else {
            return Err(error);
        };
        let error = Arc::new(error);
        let given = Arc::clone(&error);
        let begun = catch_unwind(AssertUnwindSafe(|| work(given).into_async_result()));
        Ok((begun, error))
    }

    #[inline]
    fn is_left(&self) -> bool {
        self.work.is_some()
    }

    fn clear(&mut self) {
        self.work = None;
    }
}

/// What a blocking closure may return: `T` or `Result<T, E>`.
pub trait BlockingResult<T, E, Marker> {
    /// As a `Result`.
    fn into_result(self) -> Result<T, E>;
}

impl<T> BlockingResult<T, Infallible, super::work::Value> for T {
    fn into_result(self) -> Result<T, Infallible> {
        Ok(self)
    }
}

impl<T, E> BlockingResult<T, E, super::work::Fallible> for Result<T, E> {
    fn into_result(self) -> Self {
        self
    }
}

pin_project! {
    /// The work's future, its error told apart from the engine's.
    pub(crate) struct Lift<F> {
        #[pin]
        future: F,
    }
}

impl<T, E, F: Future<Output = Result<T, E>>> Future for Lift<F> {
    type Output = Result<T, Fault<E>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        self.project().future.poll(cx).map_err(Fault::Error)
    }
}

pin_project! {
    /// The tries of an attempt, as an attempt.
    pub(crate) struct Contest<F> {
        #[pin]
        race: F,
    }
}

impl<T, E, F: Future<Output = Result<T, Cause<E>>>> Future for Contest<F> {
    type Output = Result<T, Fault<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        self.project().race.poll(cx).map_err(Fault::Cause)
    }
}

/// A closure that runs on a thread of its own, seen from its task. Dropped while it runs, it is abandoned: its result is
/// dropped, and it is counted until it returns.
pub(crate) struct BlockingAttempt<R: Runtime, T, E> {
    desk: Arc<Mutex<Desk<T, E>>>,
    task: TaskRef,
    runtime: R,
}

/// The same, seen from the thread.
struct Closure<R: Runtime, T, E> {
    desk: Arc<Mutex<Desk<T, E>>>,
    runtime: R,
}

/// Where the two meet.
enum Desk<T, E> {
    Working(Option<Waker>),
    Done(std::thread::Result<Result<T, E>>),
    /// The task was told to stop before the closure was called.
    Stopped(Cancellation),
    /// The closure was dropped uncalled.
    Lost,
    /// Whether the root lists it, and where.
    Abandoned(Option<usize>),
}

impl<R: Runtime, T, E> Closure<R, T, E> {
    fn is_abandoned(&self) -> bool {
        matches!(&*lock(&self.desk), Desk::Abandoned(_))
    }

    fn hand_in(&self, result: std::thread::Result<Result<T, E>>) {
        self.leave(Desk::Done(result));
    }

    /// Leaves `last` on the desk if the closure has left nothing yet.
    fn leave(&self, last: Desk<T, E>) {
        let mut desk = lock(&self.desk);
        let Desk::Working(waker) = &mut *desk else {
            drop(desk);
            let _ = catch_unwind(AssertUnwindSafe(|| drop(last)));
            return;
        };
        let waker = waker.take();
        *desk = last;
        drop(desk);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<R: Runtime, T, E> Drop for Closure<R, T, E> {
    fn drop(&mut self) {
        let abandoned = match &*lock(&self.desk) {
            Desk::Abandoned(place) => Some(*place),
            _ => None,
        };
        match abandoned {
            Some(place) => self.runtime.root().returned(place),
            None => self.leave(Desk::Lost),
        }
    }
}

impl<R: Runtime, T, E> Future for BlockingAttempt<R, T, E> {
    type Output = Result<T, Fault<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let mut desk = lock(&self.desk);
        if let Desk::Working(waker) = &mut *desk {
            let before = waker.replace(cx.waker().clone());
            drop(desk);
            drop(before);
            return Poll::Pending;
        }
        Poll::Ready(match mem::replace(&mut *desk, Desk::Lost) {
            Desk::Done(Ok(Ok(value))) => Ok(value),
            Desk::Done(Ok(Err(error))) => Err(Fault::Error(error)),
            Desk::Done(Err(payload)) => Err(Fault::Cause(Cause::Panicked(Panic::new(payload)))),
            Desk::Stopped(cancellation) => Err(Fault::Cause(Cause::Cancelled {
                cancellation,
                error: None,
            })),
            Desk::Working(_) | Desk::Lost | Desk::Abandoned(_) => {
                Err(Fault::Cause(Cause::Rejected(self.runtime.refusal())))
            }
        })
    }
}

impl<R: Runtime, T, E> Drop for BlockingAttempt<R, T, E> {
    fn drop(&mut self) {
        let mut desk = lock(&self.desk);
        if matches!(&*desk, Desk::Working(_)) {
            // Counted before the closure can see it, so that the count never dips below.
            let place = self.runtime.root().abandon(self.task.clone());
            *desk = Desk::Abandoned(place);
        }
    }
}

fn lock<D>(shared: &Mutex<D>) -> MutexGuard<'_, D> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
