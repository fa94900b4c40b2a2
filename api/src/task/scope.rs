//! Scopes within a task.
//!
//! ```text
//!   task ── scope ── child, child, child        a scope is a task whose work is to wait until it is joined
//! ```
//!
//! So all that holds for a task holds for a scope: it has a name and a place in the tree, cancelling it reaches all below,
//! its deadline is theirs, and its parent does not end before it.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use core::convert::Infallible;
use core::error::Error;
use core::fmt;
use core::future::poll_fn;
use core::ops::Deref;
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::{Acquire, Release};
use core::task::Poll;
use core::time::Duration;
use std::sync::OnceLock;

use atomic_waker::AtomicWaker;
use event_listener::Event;
use sweet_async_core::Priority;
use sweet_async_core::group::{EnterError, Group};
use sweet_async_core::lifecycle::{Level, State};

use super::builder::{SpawningTaskBuilder, TaskBuilder, launch_scope};
use super::combine::SpawningTask;
use super::context::{Context, Stopped};
use super::error::{Cause, TaskError};
use super::handle::Task;
use super::header::{Bond, Node};
use super::view::TaskRef;
use super::{Name, TaskId};
use crate::Runtime;

/// Describes a scope; made by [`Context::scope`].
#[must_use = "a scope is there once it is opened"]
pub struct ScopeBuilder<R: Runtime> {
    task: TaskBuilder<R, (), Infallible>,
    limit: u32,
    on_failure: Option<Level>,
}

/// Children that belong together, until they are joined.
///
/// Dropping it kills those that live, and refuses others. They are still owned: the task in which the scope was opened does
/// not end before them.
///
/// # Examples
/// ```
/// use sweet_async_api::{Context, Runtime, task::ScopeError};
///
/// /// At most eight at once, each started when there is a place for it; the first that fails stops the others.
/// async fn all<R: Runtime>(cx: &Context<R>, pages: Vec<u32>) -> Result<(), ScopeError> {
///     let scope = cx.scope().name("pages").limit(8).cancel_on_failure().open()?;
///     for page in pages {
///         let work = move || async move { if page > 0 { Ok(()) } else { Err("no such page") } };
///         let Ok(task) = scope.spawn(scope.child::<(), _>(), work).await else { break };
///         task.detach();
///     }
///     scope.join().await
/// }
/// ```
#[must_use = "dropping a scope kills those inside; join it, or close it"]
pub struct Scope<R: Runtime> {
    spawner: Spawner<R>,
    task: Task<R, (), Infallible>,
    door: Arc<Door>,
}

/// Starts children of a scope, wherever it is. The [`TaskRecord`](super::TaskRecord) that it dereferences to is the scope's.
pub struct Spawner<R: Runtime> {
    scope: Context<R>,
}

/// A place in a scope that is kept for a child. Dropped, it is free again.
#[must_use = "a place that is dropped is another's"]
pub struct Place<R: Runtime> {
    // None once it is the child's.
    scope: Option<Context<R>>,
}

/// A child that was not started, whole.
#[non_exhaustive]
pub struct NotSpawned<B, W> {
    /// Why not.
    pub why: NoPlace,
    /// Its builder.
    pub builder: B,
    /// Its work.
    pub work: W,
}

/// Why a scope has no place for a child.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum NoPlace {
    /// As many live in it as may.
    Full {
        /// How many that is.
        live: u32,
    },
    /// It was joined, closed, dropped or cancelled, or the task around it is ending.
    Closed,
}

/// Why a scope did not end well.
#[derive(Debug)]
#[non_exhaustive]
pub enum ScopeError {
    /// A child failed, and the others were told, as the scope was asked to do.
    Failed(FirstFailure),
    /// The scope itself was cancelled, timed out or was never let in.
    Ended(TaskError),
}

/// The first child of a scope that failed. Its error is its handle's.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct FirstFailure {
    /// Which one.
    pub id: TaskId,
    /// Its name.
    pub name: Name,
    /// How it ended.
    pub state: State,
}

/// Where the scope's own work waits.
#[derive(Default)]
struct Door {
    joined: AtomicBool,
    task: AtomicWaker,
}

impl<R: Runtime> ScopeBuilder<R> {
    pub(super) fn new(cx: &Context<R>) -> Self {
        Self {
            task: cx.child(),
            limit: Group::MAX_LIVE,
            on_failure: None,
        }
    }

    /// Names the scope, for people.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.task = self.task.name(name);
        self
    }

    /// Says how urgent the scope's own task is. Its children say it for themselves.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.task = self.task.priority(priority);
        self
    }

    /// Ends everybody inside with a timeout error this long after the scope was opened.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.task = self.task.timeout(timeout);
        self
    }

    /// How long those inside may take altogether once the scope is cancelled gracefully, before they are killed.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.task = self.task.grace(grace);
        self
    }

    /// Lets at most so many children live at once. A place is taken before anything is made for the child.
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// Kills the others when one of those inside fails, panics or times out, and lets nobody in any more.
    pub const fn cancel_on_failure(self) -> Self {
        self.cancel_on_failure_at(Level::Kill)
    }

    /// The same at another level.
    pub const fn cancel_on_failure_at(mut self, level: Level) -> Self {
        self.on_failure = Some(level);
        self
    }

    /// Opens the scope.
    ///
    /// # Errors
    /// [`TaskError`] of the cause [`Rejected`](super::Cause::Rejected): the task around it is ending, or the limit is zero.
    pub fn open(self) -> Result<Scope<R>, TaskError> {
        let door = Arc::new(Door::default());
        let bond = Bond {
            limit: self.limit,
            on_failure: self.on_failure,
            first: OnceLock::new(),
            room: Event::new(),
        };
        let work = {
            let door = Arc::clone(&door);
            move |cx: Context<R>| async move {
                // Told to stop, it waits for its children alone, as its driver does for it.
                let _ = cx.until_cancelled(door.passed()).await;
            }
        };
        let mut task = launch_scope(self.task.cancel_on_drop(), bond, work);
        if task.status() == State::Rejected
            && let Some(Err(error)) = task.try_take()
        {
            return Err(error);
        }
        let scope = Context::new(task.task_ref().node, task.runtime().clone());
        let spawner = Spawner { scope };
        Ok(Scope { spawner, task, door })
    }

    /// Opens the scope, runs `body` in it, and joins it. Where the scope is told to stop meanwhile, by a child that failed
    /// for instance, `body` is dropped at its next await point.
    ///
    /// # Errors
    /// As [`open`](Self::open) and [`join`](Scope::join). What `body` returned is dropped then.
    ///
    /// # Cancel safety
    /// Dropping the future drops `body` and kills those inside.
    pub async fn run<O>(self, body: impl AsyncFnOnce(&Spawner<R>) -> O) -> Result<O, ScopeError> {
        let scope = self.open()?;
        let inside = scope.spawner();
        let output = inside.scope.until_cancelled(body(&inside)).await;
        scope.join().await?;
        output.map_err(|Stopped { cancellation }| {
            // Told gracefully, a scope ends well; its body did not.
            let error = None;
            ScopeError::Ended(inside.header().error(Cause::Cancelled { cancellation, error }))
        })
    }
}

impl<R: Runtime> Scope<R> {
    /// The half that starts children, for other tasks.
    #[must_use]
    pub fn spawner(&self) -> Spawner<R> {
        self.spawner.clone()
    }

    /// Lets nobody in any more and waits until all have ended.
    ///
    /// # Errors
    /// [`ScopeError::Failed`] when a child failed and the others were told; without
    /// [`cancel_on_failure`](ScopeBuilder::cancel_on_failure) what becomes of a child is the business of who holds its
    /// handle. [`ScopeError::Ended`] when the scope itself was killed or timed out.
    ///
    /// # Cancel safety
    /// Dropping the future kills those inside, as dropping the scope does.
    pub async fn join(self) -> Result<(), ScopeError> {
        let Self { spawner, task, door } = self;
        door.open();
        let ended = task.await;
        // A scope that was cancelled before it began, or killed hard, has ended before its children.
        spawner.scope.children_ended().await;
        match spawner.first_failure() {
            Some(failure) => Err(ScopeError::Failed(failure)),
            None => ended.map_err(ScopeError::Ended),
        }
    }

    /// Cancels everybody inside gracefully and waits until all have ended.
    ///
    /// # Cancel safety
    /// Dropping the future kills those inside.
    pub async fn close(self) {
        // One that has been killed before is only waited for.
        let _ = self.cancel(Level::Graceful);
        let _ = self.join().await;
    }
}

impl<R: Runtime> Spawner<R> {
    /// Describes a child of the scope. [`run`](TaskBuilder::run) on it starts the child at once, or rejects it where the
    /// scope is full; [`spawn`](Self::spawn) waits for a place. One that is handed to `spawn` says what it yields:
    /// `scope.child::<u32, _>()`.
    pub fn child<T, E>(&self) -> TaskBuilder<R, T, E> {
        self.scope.child()
    }

    /// Starts a child, if there is a place.
    ///
    /// # Errors
    /// [`NotSpawned`] hands builder and work back.
    pub fn try_spawn<B, W, Args, M>(&self, builder: B, work: W) -> Result<B::Task, NotSpawned<B, W>>
    where
        B: SpawningTaskBuilder<R, W, Args, M>,
    {
        match self.try_place() {
            Ok(place) => Ok(place.spawn(builder, work)),
            Err(why) => Err(NotSpawned { why, builder, work }),
        }
    }

    /// Waits for a place and starts a child in it; see [`place`](Self::place).
    ///
    /// # Errors
    /// [`NotSpawned`] hands builder and work back when the scope lets nobody in any more.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing was started, and builder and work are dropped. Who wants to keep them waits for
    /// the place alone.
    pub async fn spawn<B, W, Args, M>(&self, builder: B, work: W) -> Result<B::Task, NotSpawned<B, W>>
    where
        B: SpawningTaskBuilder<R, W, Args, M>,
    {
        match self.place().await {
            Ok(place) => Ok(place.spawn(builder, work)),
            Err(why) => Err(NotSpawned { why, builder, work }),
        }
    }

    /// Takes a place for a child, if there is one.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub fn try_place(&self) -> Result<Place<R>, NoPlace> {
        if self.is_cancelled() {
            return Err(NoPlace::Closed);
        }
        self.header().reserve().map_err(|refused| match refused {
            EnterError::Full { live } => NoPlace::Full { live },
            _ => NoPlace::Closed,
        })?;
        Ok(Place {
            scope: Some(self.scope.clone()),
        })
    }

    /// Waits for a place for a child. Who comes while others wait may be served before them.
    ///
    /// # Errors
    /// [`NoPlace::Closed`] when the scope lets nobody in any more.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped: a place that had come free is another's.
    pub async fn place(&self) -> Result<Place<R>, NoPlace> {
        loop {
            // The listener is made, then the count is read; whoever leaves is counted, then tells.
            let room = self.bond().map(|bond| bond.room.listen());
            let why = match (self.try_place(), room) {
                (Ok(place), _) => return Ok(place),
                (Err(NoPlace::Full { .. }), Some(room)) => match self.scope.until_cancelled(room).await {
                    Ok(()) => continue,
                    Err(_) => NoPlace::Closed,
                },
                (Err(why), _) => why,
            };
            if let Some(bond) = self.bond() {
                // Those behind this one wait in vain as well.
                bond.room.notify(usize::MAX);
            }
            return Err(why);
        }
    }

    /// The first child that failed, if the scope is one that tells the others.
    #[must_use]
    pub fn first_failure(&self) -> Option<FirstFailure> {
        let (id, name, state) = self.bond()?.first.get()?.clone();
        Some(FirstFailure { id, name, state })
    }

    fn bond(&self) -> Option<&Bond> {
        self.header().extra_if_any()?.children.bond()
    }
}

impl<R: Runtime> Place<R> {
    /// Starts the child that the place was taken for.
    pub fn spawn<B, W, Args, M>(self, builder: B, work: W) -> B::Task
    where
        B: SpawningTaskBuilder<R, W, Args, M>,
    {
        builder.run_at(self, work)
    }

    /// Makes the place the child's.
    pub(super) fn hand_over(mut self) -> Option<Node> {
        self.scope.take().map(|scope| Arc::clone(scope.node()))
    }
}

impl<R: Runtime> Drop for Place<R> {
    fn drop(&mut self) {
        if let Some(scope) = self.scope.take() {
            scope.header().vacate();
        }
    }
}

impl Door {
    fn open(&self) {
        // Release: what the scope's owner did before it joined is done before the scope ends.
        self.joined.store(true, Release);
        self.task.wake();
    }

    async fn passed(&self) {
        poll_fn(|cx| {
            self.task.register(cx.waker());
            if self.joined.load(Acquire) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

impl<R: Runtime> Clone for Spawner<R> {
    fn clone(&self) -> Self {
        Self {
            scope: self.scope.clone(),
        }
    }
}

impl<R: Runtime> Deref for Scope<R> {
    type Target = Spawner<R>;

    fn deref(&self) -> &Spawner<R> {
        &self.spawner
    }
}

impl<R: Runtime> Deref for Spawner<R> {
    type Target = TaskRef;

    fn deref(&self) -> &TaskRef {
        &self.scope
    }
}

impl<R: Runtime> fmt::Debug for ScopeBuilder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeBuilder")
            .field("task", &self.task)
            .field("limit", &self.limit)
            .field("on_failure", &self.on_failure)
            .finish()
    }
}

impl<R: Runtime> fmt::Debug for Scope<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scope").field(&self.spawner.scope).finish()
    }
}

impl<R: Runtime> fmt::Debug for Spawner<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Spawner").field(&self.scope).finish()
    }
}

impl<R: Runtime> fmt::Debug for Place<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(&self.scope).finish()
    }
}

impl<B, W> fmt::Debug for NotSpawned<B, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotSpawned")
            .field("why", &self.why)
            .finish_non_exhaustive()
    }
}

impl<B, W> fmt::Display for NotSpawned<B, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}

impl fmt::Display for NoPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { live } => write!(f, "the scope is full with {live} children; wait for a place"),
            Self::Closed => f.write_str("the scope lets nobody in any more; start the task in another one"),
        }
    }
}

impl fmt::Display for FirstFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("task ")?;
        if !self.name.is_empty() {
            write!(f, "`{}` ", self.name)?;
        }
        write!(f, "({}) ended as {}", self.id, self.state)
    }
}

impl fmt::Display for ScopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(first) => write!(f, "{first}, and its scope was cancelled"),
            Self::Ended(error) => write!(f, "the scope: {error}"),
        }
    }
}

impl<B, W> Error for NotSpawned<B, W> {}
impl Error for NoPlace {}
impl Error for FirstFailure {}

impl Error for ScopeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(match self {
            Self::Failed(first) => first,
            Self::Ended(error) => error,
        })
    }
}

impl From<TaskError> for ScopeError {
    fn from(error: TaskError) -> Self {
        Self::Ended(error)
    }
}
