//! The receivers' side: workers take chunks, decode them, and call the user's closure on each item.

use alloc::sync::Arc;
use core::convert::Infallible;

use core::ops::{ControlFlow, Deref, DerefMut};
use std::thread;

use sweet_async_core::vector_clock::VectorClock;

use crate::breaker::{Admission, CircuitBreaker};
use crate::emit::chunk::Dated;
use crate::emit::clock::Dating;
use crate::emit::edge::EventReceiver;
use crate::emit::event::{EmitError, ItemError, Ledger, StreamingEvent};
use crate::emit::source::{Decode, Trouble};
use crate::emit::yielding::{ROWS_BETWEEN_YIELDS, yield_now};
use crate::emit::{Chunk, Collector};
use crate::guard::Told;
use crate::{Context, Runtime};

/// How many receivers work, and so in which order items are seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ReceiverStrategy {
    /// One item at a time, in the order of the source.
    Serial,
    /// So many workers, each with its own clone of the closure and its own shard of the collection. Chunks go to whoever
    /// is free; within a chunk items keep their order.
    Parallel(usize),
}

impl ReceiverStrategy {
    /// One item at a time, in the order of the source.
    #[must_use]
    pub const fn serial() -> Self {
        Self::Serial
    }

    /// So many workers, at least one.
    #[must_use]
    pub const fn parallel(workers: usize) -> Self {
        Self::Parallel(workers)
    }

    pub(crate) fn workers(self) -> usize {
        match self {
            Self::Serial => 1,
            Self::Parallel(workers) => workers.max(1),
        }
    }
}

/// What a receiver's closure may answer: nothing, or a `Result` whose error fails the item.
#[diagnostic::on_unimplemented(
    message = "a receiver cannot answer `{Self}`",
    note = "a receiver's closure returns `()` or `Result<(), E>`"
)]
pub trait ReceiverAnswer {
    /// The error of an item that failed.
    type Error: Send + Sync + 'static;

    /// The answer as a `Result`.
    ///
    /// # Errors
    /// The item failed.
    fn into_result(self) -> Result<(), Self::Error>;
}

impl ReceiverAnswer for () {
    type Error = Infallible;

    fn into_result(self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl<E: Send + Sync + 'static> ReceiverAnswer for Result<(), E> {
    type Error = E;

    fn into_result(self) -> Self {
        self
    }
}

/// One worker's part of the collection: the second argument of a receiver's closure.
///
/// Dereferences to the collection, so that a map's `entry` or a list's `push` work as well as [`Shard::add`].
#[derive(Debug)]
pub struct Shard<C, S = ()> {
    collection: C,
    /// What this worker knows: the stamps of its chunks, and those it observed.
    stamp: S,
}

impl<C, S: Default> Shard<C, S> {
    fn new(collection: C) -> Self {
        Self {
            collection,
            stamp: S::default(),
        }
    }
}

impl<C, const N: usize> Shard<C, VectorClock<N>> {
    /// What this worker knows: the stamp of the chunk that the item came in and of those before it, and what it
    /// observed. To be sent along with whatever the item causes.
    pub const fn stamp(&self) -> &VectorClock<N> {
        &self.stamp
    }

    /// Takes note of a stamp that came from elsewhere, for instance with the item. The final event knows of it.
    pub fn observe(&mut self, stamp: &VectorClock<N>) {
        self.stamp.merge(stamp);
    }
}

impl<C, S> Shard<C, S> {
    pub(crate) fn into_parts(self) -> (C, S) {
        (self.collection, self.stamp)
    }
}

impl<C: Collector, S> Shard<C, S> {
    /// Adds an item to the collection.
    #[inline]
    pub fn add(&mut self, item: C::Item) {
        self.collection.add(item);
    }

    /// Adds items to the collection.
    pub fn add_all(&mut self, items: impl IntoIterator<Item = C::Item>) {
        self.collection.add_all(items);
    }
}

impl<C, S> Deref for Shard<C, S> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.collection
    }
}

impl<C, S> DerefMut for Shard<C, S> {
    fn deref_mut(&mut self) -> &mut C {
        &mut self.collection
    }
}

/// What a worker hands in when it ends.
pub(crate) struct Harvest<C, S, E> {
    pub(crate) shard: Shard<C, S>,
    pub(crate) errors: Vec<ItemError<E>>,
    /// What made it stop before the edge was closed.
    pub(crate) stop: Option<EmitError<E>>,
}

impl<C, S: Default, E> Harvest<C, S, E> {
    pub(crate) fn new(collection: C) -> Self {
        Self {
            shard: Shard::new(collection),
            errors: Vec::new(),
            stop: None,
        }
    }
}

impl<C, S, E> Harvest<C, S, E> {
    /// An error if it stopped early.
    pub(crate) fn completed(mut self) -> Result<Self, EmitError<E>> {
        self.stop.take().map_or(Ok(self), Err)
    }
}

/// Who is told of events; called by several workers at once.
pub(crate) type Observer<E> = Arc<dyn Fn(&StreamingEvent<'_, E>) + Send + Sync>;

/// What a worker needs beside its closure.
pub(crate) struct Desk<R: Runtime, P: Chunk, S: Default + Send + 'static, E> {
    pub(crate) receiver: EventReceiver<Dated<P, S>>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) observer: Option<Observer<E>>,
    /// Errors to keep.
    pub(crate) keep: usize,
    /// Stop at the first item that fails.
    pub(crate) strict: bool,
    /// Asked before each call of the closure; an item that it refuses is dropped.
    pub(crate) breaker: Option<CircuitBreaker>,
    /// The pipeline's own.
    pub(crate) cx: Context<R>,
    /// Where the worker is.
    pub(crate) stage: Stage,
}

/// How far a worker came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stage {
    Before,
    AtWork,
    Done,
}

/// A worker that does not come to its end, or never starts, closes the edge: the sender must not wait for it. One that
/// never starts because the pipeline was told to stop leaves its part to the others and to the pipeline.
impl<R: Runtime, P: Chunk, S: Default + Send + 'static, E> Drop for Desk<R, P, S, E> {
    fn drop(&mut self) {
        let excused = match self.stage {
            Stage::Before => self.cx.is_cancelled(),
            Stage::AtWork => false,
            Stage::Done => true,
        };
        if !excused {
            self.receiver.close();
        }
    }
}

impl<R: Runtime, P: Chunk, S: Default + Send + 'static, E> Desk<R, P, S, E> {
    fn tell(&self, event: &StreamingEvent<'_, E>) {
        if let Some(observer) = &self.observer {
            observer(event);
        }
    }
}

/// Works on chunks until the edge is closed and empty.
///
/// A graceful cancellation does not concern it: it ends when the sender has ended and what is in flight is done. When it
/// ends in any other way than by the edge, it closes the edge.
pub(crate) async fn work<R, D, F, A, C, K>(
    mut desk: Desk<R, D::Chunk, K::Stamp, A::Error>,
    mut decoder: D,
    mut on_item: F,
    collection: C,
) -> Harvest<C, K::Stamp, A::Error>
where
    R: Runtime,
    D: Decode,
    F: for<'a> FnMut(D::Item<'a>, &mut Shard<C, K::Stamp>) -> A,
    A: ReceiverAnswer,
    K: Dating,
{
    desk.stage = Stage::AtWork;
    let mut harvest = Harvest::new(collection);
    let mut chunk = Dated::default();
    let mut since_yield = 0;
    while desk.receiver.recv(&mut chunk).await.is_ok() {
        since_yield += chunk.rows();
        K::merge(&mut harvest.shard.stamp, &chunk.stamp);
        work_on::<R, D, F, A, C, K>(&desk, &mut decoder, &mut on_item, &mut chunk.rows, &mut harvest);
        if harvest.stop.is_some() {
            return harvest;
        }
        if since_yield >= ROWS_BETWEEN_YIELDS {
            since_yield = 0;
            yield_now().await;
        }
    }
    desk.stage = Stage::Done;
    harvest
}

/// Works on one chunk, without awaiting.
fn work_on<R, D, F, A, C, K>(
    desk: &Desk<R, D::Chunk, K::Stamp, A::Error>,
    decoder: &mut D,
    on_item: &mut F,
    chunk: &mut D::Chunk,
    harvest: &mut Harvest<C, K::Stamp, A::Error>,
) where
    R: Runtime,
    D: Decode,
    F: for<'a> FnMut(D::Item<'a>, &mut Shard<C, K::Stamp>) -> A,
    A: ReceiverAnswer,
    K: Dating,
{
    let mut tally = Tally {
        ledger: &desk.ledger,
        rows: chunk.rows() as u64,
        out: 0,
        failed: 0,
    };
    let Harvest { shard, errors, stop } = harvest;
    decoder.decode(chunk, |answer| {
        let failure = match answer {
            Ok(item) => match guarded(desk, || on_item(item, shard).into_result()) {
                None => return ControlFlow::Continue(()),
                Some(Ok(())) => {
                    tally.out += 1;
                    return ControlFlow::Continue(());
                }
                Some(Err(error)) => ItemError::Receiver(error),
            },
            Err(Trouble::Row(error)) => ItemError::Row(*error),
            Err(Trouble::Source(error)) => {
                *stop = Some(EmitError::Source(*error));
                return ControlFlow::Break(());
            }
        };
        tally.failed += 1;
        desk.tell(&StreamingEvent::Error(&failure));
        if desk.strict {
            *stop = Some(EmitError::Item(failure));
            return ControlFlow::Break(());
        }
        if errors.len() < desk.keep {
            errors.push(failure);
        }
        ControlFlow::Continue(())
    });
    drop(tally);
    if desk.observer.is_some() {
        desk.tell(&StreamingEvent::Continue(desk.ledger.read()));
    }
}

/// Calls the closure if there is no breaker or it admits the call, and tells it how the call went; `None` if it refused.
#[inline]
fn guarded<R, P, S, E>(desk: &Desk<R, P, S, E>, call: impl FnOnce() -> Result<(), E>) -> Option<Result<(), E>>
where
    R: Runtime,
    P: Chunk,
    S: Default + Send + 'static,
{
    let Some(breaker) = &desk.breaker else {
        return Some(call());
    };
    let admission = breaker.admit(|| desk.cx.runtime().now()).ok()?;
    let mut attempt = Attempt {
        breaker,
        runtime: desk.cx.runtime(),
        admission: Some(admission),
    };
    let answer = call();
    attempt.ended(answer.is_ok());
    Some(answer)
}

/// A call that the breaker admitted. One that unwinds has failed.
struct Attempt<'a, R: Runtime> {
    breaker: &'a CircuitBreaker,
    runtime: &'a R,
    admission: Option<Admission>,
}

impl<R: Runtime> Attempt<'_, R> {
    fn ended(&mut self, well: bool) {
        let how = if well { Told::Succeeded } else { Told::Failed };
        if let Some(admission) = self.admission.take() {
            self.breaker.tell(admission, how, || self.runtime.now());
        }
    }
}

impl<R: Runtime> Drop for Attempt<'_, R> {
    fn drop(&mut self) {
        self.ended(false);
    }
}

/// The counts of one chunk. Entered into the ledger when the chunk is done, or the closure panics: then the item it
/// panicked on has failed, and those after it are dropped.
struct Tally<'a> {
    ledger: &'a Ledger,
    rows: u64,
    out: u64,
    failed: u64,
}

impl Drop for Tally<'_> {
    fn drop(&mut self) {
        let left = self.rows.saturating_sub(self.out + self.failed);
        let panicked = u64::from(thread::panicking()).min(left);
        self.ledger
            .settle(self.out, left - panicked, self.failed + panicked);
    }
}
