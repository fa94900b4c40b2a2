//! Results in the order in which the tasks end.

use alloc::sync::Arc;
use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{self, Poll, ready};

use atomic_waker::AtomicWaker;
use concurrent_queue::{ConcurrentQueue, PopError};
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::task::combine::SpawningTask;
use crate::task::{TaskError, TaskId};

/// Makes a stream of results in the order in which tasks end, and the other half, which takes the tasks.
///
/// The halves go to different tasks if need be: one starts, the other takes what is done. How many may live at once is
/// the business of who starts them; see [`Scope`](crate::task::Scope).
///
/// # Examples
/// ```
/// use sweet_async_api::task::{JoinStream, SpawningTask};
///
/// /// Those that are done first.
/// async fn first<A: SpawningTask<u32, E>, E>(tasks: Vec<A>, count: usize) -> Vec<u32> {
///     let mut ended = JoinStream::from_iter(tasks);
///     let mut values = Vec::new();
///     while let Some((_, result)) = ended.next().await && values.len() < count {
///         values.extend(result.ok());
///     }
///     values
/// }
/// ```
pub fn join_stream<A>() -> (JoinSender<A>, JoinStream<A>) {
    let shared = Arc::new(Shared {
        incoming: ConcurrentQueue::unbounded(),
        stream: AtomicWaker::new(),
    });
    let senders = Arc::new(Senders(Arc::clone(&shared)));
    (JoinSender { senders }, JoinStream::on(shared))
}

struct Shared<A> {
    incoming: ConcurrentQueue<A>,
    stream: AtomicWaker,
}

/// What all senders share. Dropped with the last of them, after all that was added, it closes the stream.
struct Senders<A>(Arc<Shared<A>>);

/// The half that takes tasks. Clones feed the same stream, which ends when all of them are gone and all tasks have ended.
pub struct JoinSender<A> {
    senders: Arc<Senders<A>>,
}

/// The half that gives results. Dropped, it drops the handles that it has, by the rule of each.
#[must_use = "a stream of results gives none unless it is asked"]
pub struct JoinStream<A> {
    shared: Arc<Shared<A>>,
    running: FuturesUnordered<Running<A>>,
}

impl<A> JoinSender<A> {
    /// Adds a task.
    ///
    /// # Errors
    /// Hands the task back when nobody asks for results any more.
    pub fn add(&self, task: A) -> Result<(), A> {
        let Senders(shared) = &*self.senders;
        let added = shared.incoming.push(task);
        shared.stream.wake();
        added.map_err(concurrent_queue::PushError::into_inner)
    }
}

impl<A> Clone for JoinSender<A> {
    fn clone(&self) -> Self {
        Self {
            senders: Arc::clone(&self.senders),
        }
    }
}

impl<A> Drop for Senders<A> {
    fn drop(&mut self) {
        self.0.incoming.close();
        self.0.stream.wake();
    }
}

impl<A> JoinStream<A> {
    fn on(shared: Arc<Shared<A>>) -> Self {
        Self {
            shared,
            running: FuturesUnordered::new(),
        }
    }

    /// The result of the next task to end; `None` when all have ended and no further one can come.
    ///
    /// Of tasks that had ended before they were looked at, any may come first.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next<T, E>(&mut self) -> Option<(TaskId, Result<T, TaskError<E>>)>
    where
        A: SpawningTask<T, E>,
    {
        poll_fn(|cx| {
            // Whoever adds wakes afterwards; here the waker is in place, then the queue is looked at.
            self.shared.stream.register(cx.waker());
            let closed = loop {
                match self.shared.incoming.pop() {
                    Ok(task) => self.running.push(Running { task }),
                    Err(PopError::Empty) => break false,
                    Err(PopError::Closed) => break true,
                }
            };
            match ready!(self.running.poll_next_unpin(cx)) {
                None if !closed => Poll::Pending,
                ended => Poll::Ready(ended),
            }
        })
        .await
    }
}

/// A stream that takes no further tasks.
impl<A> FromIterator<A> for JoinStream<A> {
    fn from_iter<I: IntoIterator<Item = A>>(tasks: I) -> Self {
        let (sender, stream) = join_stream();
        for task in tasks {
            // The stream is here, so nothing is handed back.
            let _ = sender.add(task);
        }
        stream
    }
}

impl<A> Drop for JoinStream<A> {
    fn drop(&mut self) {
        self.shared.incoming.close();
        while let Ok(task) = self.shared.incoming.pop() {
            drop(task);
        }
    }
}

/// A handle that tells whose result it gives.
struct Running<A> {
    task: A,
}

impl<A, T, E> Future for Running<A>
where
    A: SpawningTask<T, E> + Future<Output = Result<T, TaskError<E>>>,
{
    type Output = (TaskId, Result<T, TaskError<E>>);

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let result = ready!(Pin::new(&mut self.task).poll(cx));
        Poll::Ready((self.task.id(), result))
    }
}

impl<A> fmt::Debug for JoinSender<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSender")
            .field("waiting", &self.senders.0.incoming.len())
            .finish_non_exhaustive()
    }
}

impl<A> fmt::Debug for JoinStream<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinStream")
            .field("waiting", &self.shared.incoming.len())
            .field("running", &self.running.len())
            .finish_non_exhaustive()
    }
}
