//! A pipeline: how it is described, how it runs as a task, and its handle.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use core::convert::Infallible;
use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::ops::Deref;
use core::pin::Pin;
use core::task::{self, Poll};
use core::time::Duration;

use futures_util::future::join as join_both;
use sweet_async_core::vector_clock::AtomicVectorClock;

use crate::breaker::CircuitBreaker;
use crate::emit::Chunk;
use crate::emit::clock::{Dating, NodeClock, Undated};
use crate::emit::collector::Collector;
use crate::emit::edge::{EventReceiver, Overflow, edge};
use crate::emit::event::{EmitError, LastEvent, Ledger, Stats, StreamingEvent};
use crate::emit::receiver::{Desk, Harvest, Observer, ReceiverAnswer, ReceiverStrategy, Shard, Stage, work};
use crate::emit::sender::{Pumped, pump};
use crate::emit::source::{Decode, EventSource, Feed, Source, SourceError};
use crate::task::{SpawningTask, Task, TaskBuilder, TaskError, TaskRecord, TaskRef};
use crate::{Context, Level, Priority, Runtime};

/// Describes a pipeline of events of type `T`: first how it behaves, what it collects into (`M` makes that) and with which
/// clock (`K`), then its
/// [`sender`](Self::sender), then its [`receiver`](Sending::receiver).
#[must_use = "a builder does nothing until its receiver runs"]
pub struct EmitBuilder<R: Runtime, T, E, M = fn(), K = Undated> {
    runtime: R,
    settings: Settings<R>,
    make: M,
    clock: K,
    emits: PhantomData<fn() -> (T, E)>,
}

struct Settings<R: Runtime> {
    name: Cow<'static, str>,
    priority: Priority,
    timeout: Option<Duration>,
    grace: Option<Duration>,
    parent: Option<Context<R>>,
    capacity: usize,
    overflow: Overflow,
    keep: usize,
    strict: bool,
    breaker: Option<CircuitBreaker>,
    #[cfg(feature = "tracing")]
    traced: Option<bool>,
}

impl<R: Runtime, T, E> EmitBuilder<R, T, E> {
    /// A pipeline on `runtime` with no settings, that collects nothing.
    pub fn new(runtime: R) -> Self {
        let settings = Settings {
            name: Cow::Borrowed(""),
            priority: Priority::Normal,
            timeout: None,
            grace: None,
            parent: None,
            capacity: CAPACITY,
            overflow: Overflow::Block,
            keep: KEPT_ERRORS,
            strict: false,
            breaker: None,
            #[cfg(feature = "tracing")]
            traced: None,
        };
        Self {
            clock: Undated,
            runtime,
            settings,
            make: || (),
            emits: PhantomData,
        }
    }
}

impl<R: Runtime, T, E, M, K> EmitBuilder<R, T, E, M, K> {
    /// Names the pipeline's task, for people.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.settings.name = name.into();
        self
    }

    /// Says how urgent the pipeline's task is.
    pub const fn priority(mut self, priority: Priority) -> Self {
        self.settings.priority = priority;
        self
    }

    /// Ends the pipeline with a timeout error this long after it started; see [`TaskBuilder::timeout`].
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = Some(timeout);
        self
    }

    /// How long what is in flight may take after a graceful cancellation; see [`TaskBuilder::grace`].
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.settings.grace = Some(grace);
        self
    }

    /// Whether the pipeline's tasks are spans; see [`TaskBuilder::tracing`].
    #[cfg(feature = "tracing")]
    pub const fn tracing(mut self, traced: bool) -> Self {
        self.settings.traced = Some(traced);
        self
    }

    /// Makes the pipeline's task a child of the one that `cx` belongs to.
    pub fn parent(mut self, cx: &Context<R>) -> Self {
        self.settings.parent = Some(cx.clone());
        self
    }

    /// How many chunks wait between sender and receivers, at least one; 64 if not said. Memory is bounded by it.
    pub const fn edge_capacity(mut self, chunks: usize) -> Self {
        self.settings.capacity = chunks;
        self
    }

    /// What the sender does when so many chunks wait; it waits if not said. Displaced rows are counted as dropped.
    pub const fn overflow(mut self, overflow: Overflow) -> Self {
        self.settings.overflow = overflow;
        self
    }

    /// How many item errors are kept for the final event; 100 if not said. All are counted.
    pub const fn keep_errors(mut self, errors: usize) -> Self {
        self.settings.keep = errors;
        self
    }

    /// Ends the pipeline with [`EmitError::Item`] at the first item that fails, instead of counting it and going on.
    pub const fn stop_on_error(mut self) -> Self {
        self.settings.strict = true;
        self
    }

    /// Asks `breaker` before each call of the receiver's closure, and tells it afterwards how the call went.
    ///
    /// An item that it refuses is counted as dropped: the closure is not called. An error and a panic count as failures.
    pub fn with_circuit_breaker(mut self, breaker: &CircuitBreaker) -> Self {
        self.settings.breaker = Some(breaker.clone());
        self
    }

    /// Collects into a `C`, one for each worker, merged at the end.
    pub fn collect_into<C: Collector + Default>(self) -> EmitBuilder<R, T, E, fn() -> C, K> {
        self.collect_with(C::default)
    }

    /// Collects into what `make` makes: one for each worker, and one that these are merged into.
    pub fn collect_with<N>(self, make: N) -> EmitBuilder<R, T, E, N, K> {
        EmitBuilder {
            clock: self.clock,
            runtime: self.runtime,
            settings: self.settings,
            make,
            emits: PhantomData,
        }
    }

    /// Stamps each chunk, and the final event, with the clock of `node`, which is one of the `N` that `nodes` counts.
    ///
    /// Each chunk is an event of the node. A receiver knows the stamps of its chunks, may take note of further ones, and
    /// finds what it knows in [`Shard::stamp`]. The final event is after all of that, and so is whatever the node does
    /// with `nodes` later.
    pub fn with_vector_clock<const N: usize>(
        self,
        node: usize,
        nodes: &Arc<AtomicVectorClock<N>>,
    ) -> EmitBuilder<R, T, E, M, NodeClock<N>> {
        EmitBuilder {
            clock: NodeClock::new(node, nodes),
            runtime: self.runtime,
            settings: self.settings,
            make: self.make,
            emits: PhantomData,
        }
    }

    /// Says what to read. The closure gets a [`Source`] to begin with.
    pub fn sender<S: EventSource<T>>(self, source: impl FnOnce(Source) -> S) -> Sending<R, T, E, M, S, K> {
        Sending {
            source: source(Source),
            builder: self,
        }
    }
}

/// A pipeline that knows what to read.
#[must_use = "a builder does nothing until its receiver runs"]
pub struct Sending<R: Runtime, T, E, M, S, K> {
    builder: EmitBuilder<R, T, E, M, K>,
    source: S,
}

impl<R, T, E, M, S, C, K> Sending<R, T, E, M, S, K>
where
    R: Runtime,
    M: Fn() -> C,
    S: EventSource<T>,
    C: Collector,
    K: Dating,
{
    /// Says what to do with each item: a closure that gets the item and this worker's [`Shard`] of the collection, and
    /// answers nothing or a `Result`. Each worker has a clone of it.
    ///
    /// An item whose error it answers is counted as failed, the first errors are kept, and the next item is taken, unless
    /// [`stop_on_error`](EmitBuilder::stop_on_error) was said. A panic ends the pipeline with [`EmitError::Receiver`].
    pub fn receiver<F, A>(self, strategy: ReceiverStrategy, on_item: F) -> Emitter<R, T, E, M, S, F, A, K>
    where
        F: for<'a> FnMut(<S::Decoder as Decode>::Item<'a>, &mut Shard<C, K::Stamp>) -> A
            + Clone
            + Send
            + 'static,
        A: ReceiverAnswer<Error = E>,
    {
        Emitter {
            answers: PhantomData,
            sending: self,
            strategy,
            on_item,
            observer: None,
        }
    }
}

/// A pipeline that lacks nothing and can run.
#[must_use = "a pipeline does nothing until `run` or `await_final_event`"]
pub struct Emitter<R: Runtime, T, E, M, S, F, A, K> {
    sending: Sending<R, T, E, M, S, K>,
    strategy: ReceiverStrategy,
    on_item: F,
    observer: Option<Observer<E>>,
    answers: PhantomData<fn() -> A>,
}

impl<R, T, E, M, S, F, A, C, K> Emitter<R, T, E, M, S, F, A, K>
where
    R: Runtime,
    T: 'static,
    M: Fn() -> C,
    S: EventSource<T>,
    F: for<'a> FnMut(<S::Decoder as Decode>::Item<'a>, &mut Shard<C, K::Stamp>) -> A + Clone + Send + 'static,
    A: ReceiverAnswer<Error = E> + 'static,
    E: Send + Sync + 'static,
    C: Collector,
    K: Dating,
{
    /// Tells `observer` of each chunk that is done, of each item that failed, of a graceful cancellation and of the end.
    /// Workers call it, several at once: it should be quick and must not block.
    pub fn on_event(mut self, observer: impl Fn(&StreamingEvent<'_, E>) + Send + Sync + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Starts the pipeline.
    ///
    /// It runs as a task with its sender and each of its receivers as child tasks. Cancelled gracefully, the sender
    /// stops, what is in flight is worked on, and the final event says that it is partial; cancelled by a kill, what is
    /// in flight is dropped, and counted.
    pub fn run(self) -> Emission<R, C, E, K::Stamp> {
        let Self {
            sending: Sending { builder, source },
            strategy,
            on_item,
            observer,
            ..
        } = self;
        let EmitBuilder {
            clock,
            runtime,
            settings,
            make,
            ..
        } = builder;
        let Settings {
            name,
            priority,
            timeout,
            grace,
            parent,
            capacity,
            overflow,
            keep,
            strict,
            breaker,
            #[cfg(feature = "tracing")]
            traced,
        } = settings;
        let ledger = Arc::new(Ledger::default());
        let plan = Plan {
            clock,
            source,
            on_item,
            whole: make(),
            shards: (0..strategy.workers()).map(|_| make()).collect(),
            observer,
            ledger: Arc::clone(&ledger),
            capacity,
            overflow,
            keep,
            strict,
            breaker,
            emits: PhantomData::<fn() -> T>,
        };
        let mut builder = TaskBuilder::new(runtime).name(name).priority(priority);
        if let Some(timeout) = timeout {
            builder = builder.timeout(timeout);
        }
        if let Some(grace) = grace {
            builder = builder.grace(grace);
        }
        if let Some(parent) = parent {
            builder = builder.parent(&parent);
        }
        #[cfg(feature = "tracing")]
        if let Some(traced) = traced {
            builder = builder.tracing(traced);
        }
        let task = builder.run(move |cx: Context<R>| drive(cx, plan));
        Emission { task, ledger }
    }

    /// Starts the pipeline and waits for its final event; what `end` makes of it is the result.
    ///
    /// # Errors
    /// [`TaskError`] whose cause is an [`EmitError`], a timeout or a cancellation.
    ///
    /// # Cancel safety
    /// Dropping the future detaches the pipeline, which runs on.
    pub async fn await_final_event<U>(
        self,
        end: impl FnOnce(LastEvent<C, E, K::Stamp>) -> U,
    ) -> Result<U, TaskError<EmitError<E>>> {
        self.run().await.map(end)
    }
}

impl<R: Runtime, T, E, M, K> fmt::Debug for EmitBuilder<R, T, E, M, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.settings;
        f.debug_struct("EmitBuilder")
            .field("name", &settings.name)
            .field("priority", &settings.priority)
            .field("timeout", &settings.timeout)
            .field("grace", &settings.grace)
            .field("edge_capacity", &settings.capacity)
            .field("overflow", &settings.overflow)
            .field("keep_errors", &settings.keep)
            .field("stop_on_error", &settings.strict)
            .finish_non_exhaustive()
    }
}

impl<R: Runtime, T, E, M, S: fmt::Debug, K> fmt::Debug for Sending<R, T, E, M, S, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending")
            .field("builder", &self.builder)
            .field("source", &self.source)
            .finish()
    }
}

impl<R: Runtime, T, E, M, S: fmt::Debug, F, A, K> fmt::Debug for Emitter<R, T, E, M, S, F, A, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emitter")
            .field("sending", &self.sending)
            .field("strategy", &self.strategy)
            .finish_non_exhaustive()
    }
}

/// A running pipeline: a future of its final event, live counts, and everything that its task answers.
///
/// Dropping it detaches the pipeline, which runs on.
#[must_use = "a dropped handle detaches its pipeline; await it"]
pub struct Emission<R: Runtime, C: Send + 'static, E: Send + Sync + 'static, S: Send + 'static = ()> {
    task: Task<R, LastEvent<C, E, S>, EmitError<E>>,
    ledger: Arc<Ledger>,
}

impl<R: Runtime, C: Send + 'static, E: Send + Sync + 'static, S: Send + 'static> Emission<R, C, E, S> {
    /// The counts now. Four loads.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.ledger.read()
    }

    /// The counts, for a progress bar that outlives this handle.
    #[must_use]
    pub fn live_stats(&self) -> LiveStats {
        LiveStats {
            ledger: Arc::clone(&self.ledger),
        }
    }

    /// Whether the pipeline has ended, however it did.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.task.is_ended()
    }

    /// Waits for the final event; what `end` makes of it is the result.
    ///
    /// # Errors
    /// [`TaskError`] whose cause is an [`EmitError`], a timeout or a cancellation.
    ///
    /// # Cancel safety
    /// Dropping the future detaches the pipeline, which runs on.
    pub async fn await_final_event<U>(
        self,
        end: impl FnOnce(LastEvent<C, E, S>) -> U,
    ) -> Result<U, TaskError<EmitError<E>>> {
        self.await.map(end)
    }
}

impl<R: Runtime, C: Send + 'static, E: Send + Sync + 'static, S: Send + 'static> Future
    for Emission<R, C, E, S>
{
    type Output = Result<LastEvent<C, E, S>, TaskError<EmitError<E>>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.task).poll(cx)
    }
}

impl<R: Runtime, C: Send + 'static, E: Send + Sync + 'static, S: Send + 'static>
    SpawningTask<LastEvent<C, E, S>, EmitError<E>> for Emission<R, C, E, S>
{
    type Runtime = R;

    fn runtime(&self) -> &R {
        self.task.runtime()
    }

    fn cancel_on_drop(mut self, level: Option<Level>) -> Self {
        self.task = self.task.cancel_on_drop(level);
        self
    }

    fn task_ref(&self) -> TaskRef {
        self.task.task_ref()
    }
}

impl<R: Runtime, C: Send + 'static, E: Send + Sync + 'static, S: Send + 'static> Deref
    for Emission<R, C, E, S>
{
    type Target = TaskRecord;

    fn deref(&self) -> &TaskRecord {
        &self.task
    }
}

impl<R: Runtime, C: Send + 'static, E: Send + Sync + 'static, S: Send + 'static> fmt::Debug
    for Emission<R, C, E, S>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emission")
            .field("task", &self.task)
            .field("ledger", &self.ledger)
            .finish()
    }
}

/// The counts of a pipeline, wherever it is.
#[derive(Clone, Debug)]
pub struct LiveStats {
    ledger: Arc<Ledger>,
}

impl LiveStats {
    /// The counts now. Four loads.
    #[must_use]
    pub fn read(&self) -> Stats {
        self.ledger.read()
    }
}

/// What the pipeline's task works with.
struct Plan<S, F, C, E, T, K> {
    clock: K,
    source: S,
    on_item: F,
    /// What the shards are merged into.
    whole: C,
    /// One for each worker.
    shards: Vec<C>,
    observer: Option<Observer<E>>,
    ledger: Arc<Ledger>,
    capacity: usize,
    overflow: Overflow,
    keep: usize,
    strict: bool,
    breaker: Option<CircuitBreaker>,
    emits: PhantomData<fn() -> T>,
}

/// The pipeline's task: opens the source, starts sender and receivers, joins them, merges the shards.
async fn drive<R, S, F, A, C, T, E, K>(
    cx: Context<R>,
    plan: Plan<S, F, C, E, T, K>,
) -> Result<LastEvent<C, E, K::Stamp>, EmitError<E>>
where
    R: Runtime,
    S: EventSource<T>,
    F: for<'a> FnMut(<S::Decoder as Decode>::Item<'a>, &mut Shard<C, K::Stamp>) -> A + Clone + Send + 'static,
    A: ReceiverAnswer<Error = E> + 'static,
    E: Send + Sync + 'static,
    C: Collector,
    T: 'static,
    K: Dating,
{
    let Plan {
        clock,
        source,
        on_item,
        whole,
        shards,
        observer,
        ledger,
        capacity,
        overflow,
        keep,
        strict,
        breaker,
        ..
    } = plan;
    let Some((feed, decoder)) = open(&cx, source).await? else {
        let nothing = merge::<C, E, K>(Harvest::new(whole), Vec::new());
        return conclude(nothing, &clock, &ledger, observer.as_ref());
    };
    let (sender, receiver) = edge(capacity, overflow);
    let leftovers = Leftovers {
        receiver: receiver.clone(),
        ledger: &ledger,
    };
    let desk = || Desk {
        receiver: receiver.clone(),
        ledger: Arc::clone(&ledger),
        observer: observer.clone(),
        keep,
        strict,
        breaker: breaker.clone(),
        cx: cx.clone(),
        stage: Stage::Before,
    };
    let mut workers = Vec::with_capacity(shards.len());
    for shard in shards {
        let (desk, decoder, on_item) = (desk(), decoder.clone(), on_item.clone());
        workers.push(
            cx.child()
                .name("receiver")
                .run(move || work::<_, _, _, _, _, K>(desk, decoder, on_item, shard)),
        );
    }
    let pumping = {
        let (ledger, clock) = (Arc::clone(&ledger), clock.clone());
        cx.child()
            .name("sender")
            .run(move |cx: Context<R>| pump(cx, feed, sender, ledger, clock))
    };
    let pumping = async {
        let pumped = join(&cx, pumping).await;
        if matches!(pumped, Ok(None | Some(Pumped::Partial)))
            && cx.is_cancelled()
            && let Some(observer) = &observer
        {
            observer(&StreamingEvent::Cancelled(ledger.read()));
        }
        pumped
    };
    let harvesting = async {
        let harvests = gather(&cx, workers).await?;
        // The part of those who were told to stop before they began.
        let rest = work::<_, _, _, _, _, K>(desk(), decoder, on_item, whole).await;
        Ok((rest.completed()?, harvests))
    };
    let (pumped, harvested) = join_both(pumping, harvesting).await;
    drop(leftovers);

    let (rest, harvests) = harvested?;
    let mut last = merge::<C, E, K>(rest, harvests);
    last.errors.truncate(keep);
    last.partial = match pumped.map_err(EmitError::Sender)? {
        Some(Pumped::Whole) => false,
        Some(Pumped::Partial) | None => true,
        Some(Pumped::Broken(error)) => return Err(EmitError::Source(error)),
        Some(Pumped::Undatable(error)) => return Err(EmitError::Clock(error)),
        Some(Pumped::Failed(error)) => return Err(EmitError::Sender(error)),
    };
    conclude(last, &clock, &ledger, observer.as_ref())
}

/// What the workers hand in who began. The first error ends the pipeline, once all have ended.
async fn gather<R: Runtime, C: Send + 'static, S: Send + 'static, E: Send + Sync + 'static>(
    cx: &Context<R>,
    workers: Vec<Task<R, Harvest<C, S, E>, Infallible>>,
) -> Result<Vec<Harvest<C, S, E>>, EmitError<E>> {
    let mut ended = Vec::with_capacity(workers.len());
    for worker in workers {
        ended.push(match join(cx, worker).await {
            Ok(harvest) => harvest.map(Harvest::completed).transpose(),
            Err(error) => Err(EmitError::Receiver(error)),
        });
    }
    ended.into_iter().filter_map(Result::transpose).collect()
}

/// All shards as one.
fn merge<C: Collector, E, K: Dating>(
    first: Harvest<C, K::Stamp, E>,
    others: Vec<Harvest<C, K::Stamp, E>>,
) -> LastEvent<C, E, K::Stamp> {
    let (collected, stamp) = first.shard.into_parts();
    let mut last = LastEvent {
        collected,
        stats: Stats::default(),
        errors: first.errors,
        partial: true,
        stamp,
    };
    for Harvest { shard, errors, .. } in others {
        let (collection, stamp) = shard.into_parts();
        last.collected.merge(collection);
        K::merge(&mut last.stamp, &stamp);
        last.errors.extend(errors);
    }
    last
}

/// Dates the final event and tells it.
fn conclude<C, E, K: Dating>(
    mut last: LastEvent<C, E, K::Stamp>,
    clock: &K,
    ledger: &Ledger,
    observer: Option<&Observer<E>>,
) -> Result<LastEvent<C, E, K::Stamp>, EmitError<E>> {
    clock.learn(&last.stamp);
    last.stamp = clock.date().map_err(EmitError::Clock)?;
    last.stats = ledger.read();
    if let Some(observer) = observer {
        observer(&StreamingEvent::Final(last.stats));
    }
    Ok(last)
}

/// Opens the source, on a thread that may block if it may.
async fn open<R, S, T, E>(cx: &Context<R>, source: S) -> Result<Option<(S::Feed, S::Decoder)>, EmitError<E>>
where
    R: Runtime,
    S: EventSource<T>,
    T: 'static,
{
    if !S::Feed::BLOCKS {
        return source.open().map(Some).map_err(EmitError::Source);
    }
    let opening = cx
        .child()
        .name("open")
        .run_blocking(move || Opened(source.open()));
    let reference = opening.task_ref();
    let Ok(opened) = cx.until_cancelled(join(cx, opening)).await else {
        // As a read does, one that waits for a header that may never come is left behind.
        let _ = reference.cancel(Level::KillHard);
        return Ok(None);
    };
    match opened.map_err(EmitError::Sender)? {
        Some(Opened(opened)) => opened.map(Some).map_err(EmitError::Source),
        None => Ok(None),
    }
}

/// Waits for a child. `None`: the pipeline was told to stop before the child had started.
///
/// The child's deadline is that of the pipeline: when it has passed, the pipeline is about to end too, and its own error
/// says so better.
async fn join<R: Runtime, T: Send + 'static>(
    cx: &Context<R>,
    child: Task<R, T, Infallible>,
) -> Result<Option<T>, TaskError> {
    match child.await {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_timed_out() => core::future::pending().await,
        Err(error) if error.is_cancelled() && cx.is_cancelled() => Ok(None),
        Err(error) => Err(error),
    }
}

/// A source that was opened, or not: the task that tried has done its work either way.
struct Opened<F, D>(Result<(F, D), SourceError>);

/// What is left on the edge when the pipeline ends, by whatever way, is dropped and counted.
struct Leftovers<'a, P: Chunk> {
    receiver: EventReceiver<P>,
    ledger: &'a Ledger,
}

impl<P: Chunk> Drop for Leftovers<'_, P> {
    fn drop(&mut self) {
        self.receiver.close();
        let mut chunk = P::default();
        while self.receiver.try_recv(&mut chunk).is_ok() {
            self.ledger.drop_rows(chunk.rows() as u64);
        }
    }
}

/// Chunks on an edge if the user does not say.
const CAPACITY: usize = 64;

/// Errors kept if the user does not say.
const KEPT_ERRORS: usize = 100;
