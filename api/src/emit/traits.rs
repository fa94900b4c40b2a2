//! What pipelines have in common, for code that is generic over them.

use core::future::Future;

use crate::Runtime;
use crate::emit::{Emission, EmitBuilder, EmitError, LastEvent, Overflow, Stats};
use crate::task::{AsyncTaskBuilder, CancellableTask, NamedTask, PrioritizedTask, StatusEnabledTask};
use crate::task::{TaskError, TimedTask};

/// A running pipeline: a task that counts its items and ends with a final event.
///
/// # Examples
/// ```
/// use sweet_async_api::Level;
/// use sweet_async_api::emit::EmittingTask;
///
/// /// Has a pipeline stop early once so many items went wrong.
/// fn give_up_after<P: EmittingTask>(pipeline: &P, failed: u64) {
///     if !pipeline.is_complete() && pipeline.stats().failed >= failed {
///         // Refused if it has ended since: then nothing is left to stop.
///         let _ = pipeline.cancel(Level::Graceful);
///     }
/// }
/// ```
pub trait EmittingTask:
    NamedTask + PrioritizedTask + StatusEnabledTask + TimedTask + CancellableTask + Sized
{
    /// What it collects into.
    type Collected;
    /// The error of an item that a receiver refused.
    type Error;
    /// How its events are stamped; `()` if they are not.
    type Stamp;

    /// The counts now.
    fn stats(&self) -> Stats;

    /// Whether the pipeline has ended, however it did.
    fn is_complete(&self) -> bool {
        self.is_ended()
    }

    /// Waits for the final event; what `end` makes of it is the result.
    ///
    /// # Errors
    /// [`TaskError`] whose cause is an [`EmitError`], a timeout or a cancellation.
    ///
    /// # Cancel safety
    /// Dropping the future detaches the pipeline, which runs on.
    fn await_final_event<U, F>(
        self,
        end: F,
    ) -> impl Future<Output = Result<U, TaskError<EmitError<Self::Error>>>> + Send
    where
        F: FnOnce(LastEvent<Self::Collected, Self::Error, Self::Stamp>) -> U + Send;
}

impl<R: Runtime, C: Send + 'static, E: Send + Sync + 'static, S: Send + 'static> EmittingTask
    for Emission<R, C, E, S>
{
    type Collected = C;
    type Error = E;
    type Stamp = S;

    fn stats(&self) -> Stats {
        Self::stats(self)
    }

    async fn await_final_event<U, F>(self, end: F) -> Result<U, TaskError<EmitError<E>>>
    where
        F: FnOnce(LastEvent<C, E, S>) -> U + Send,
    {
        self.await.map(end)
    }
}

/// The settings of a pipeline, for functions that apply the rules of a house to any.
///
/// # Examples
/// ```
/// use sweet_async_api::emit::{EmittingTaskBuilder, Overflow};
///
/// fn telemetry<B: EmittingTaskBuilder>(builder: B) -> B {
///     builder.name("telemetry").edge_capacity(8).overflow(Overflow::DropOldest)
/// }
/// ```
#[must_use = "a builder does nothing until its receiver runs"]
pub trait EmittingTaskBuilder: AsyncTaskBuilder {
    /// How many chunks wait between sender and receivers, at least one.
    #[must_use]
    fn edge_capacity(self, chunks: usize) -> Self;
    /// What the sender does when so many chunks wait.
    #[must_use]
    fn overflow(self, overflow: Overflow) -> Self;
    /// How many item errors are kept for the final event. All are counted.
    #[must_use]
    fn keep_errors(self, errors: usize) -> Self;
    /// Ends the pipeline at the first item that fails, instead of counting it and going on.
    #[must_use]
    fn stop_on_error(self) -> Self;
}

impl<R: Runtime, T, E, M, K> EmittingTaskBuilder for EmitBuilder<R, T, E, M, K> {
    fn edge_capacity(self, chunks: usize) -> Self {
        Self::edge_capacity(self, chunks)
    }

    fn overflow(self, overflow: Overflow) -> Self {
        Self::overflow(self, overflow)
    }

    fn keep_errors(self, errors: usize) -> Self {
        Self::keep_errors(self, errors)
    }

    fn stop_on_error(self) -> Self {
        Self::stop_on_error(self)
    }
}
