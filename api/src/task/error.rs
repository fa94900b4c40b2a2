//! Why a task has no value.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use core::any::Any;
use core::convert::Infallible;
use core::error::Error;
use core::fmt;
use core::time::Duration;
use std::sync::{Mutex, PoisonError};

use sweet_async_core::group::EnterError;
use sweet_async_core::lifecycle::{Level, Reason};

use super::TaskId;
use super::id::IdsExhausted;
use crate::guard::{BudgetSpent, LimitReached, RateLimited};

/// A task that ended without a value: which task, in which attempt, and why.
///
/// The cause keeps everything: the task's own error, the panic's payload, whose deadline passed, who cancelled and how.
/// `E` is the error type of the task's own work, [`Infallible`] when it has none. This is an [`Error`] itself if `E` is
/// one. A `String`, a `Box<dyn Error + Send + Sync>` and what other crates make of it are none; with these `?` goes by
/// [`boxed`](Self::boxed).
pub struct TaskError<E = Infallible> {
    // Boxed, so that a result is two words on its way from the work to the handle.
    inner: Box<Inner<E>>,
}

/// Any error, in a box; see [`TaskError::boxed`].
pub struct Boxed(Box<dyn Error + Send + Sync>);

impl Boxed {
    /// What is in the box.
    #[must_use]
    pub fn into_inner(self) -> Box<dyn Error + Send + Sync> {
        self.0
    }
}

impl fmt::Debug for Boxed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Boxed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Error for Boxed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

struct Inner<E> {
    cause: Cause<E>,
    task: Option<TaskId>,
    name: Cow<'static, str>,
    attempt: u16,
    no_retry: Option<NoRetry>,
}

/// Why a task has no value.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause<E> {
    /// The work returned this error, and no attempt was left.
    Failed(E),
    /// The work unwound.
    Panicked(Panic),
    /// A deadline passed. Not a cancellation: nobody asked for it.
    TimedOut(TimedOut),
    /// Somebody cancelled the task.
    Cancelled {
        /// Who, why, and how far it went.
        cancellation: Cancellation,
        /// What the work returned while it was cancelled gracefully, if that was an error.
        error: Option<E>,
    },
    /// The circuit breaker refused the last attempt.
    CircuitOpen(CircuitOpen),
    /// The concurrency limit refused the last attempt.
    LimitReached(LimitReached),
    /// The rate limiter refused the last attempt.
    RateLimited(RateLimited),
    /// Several tries of the last attempt ran beside each other, and all failed; in the order in which they did.
    HedgesFailed(Vec<Self>),
    /// The task never ran.
    Rejected(Rejection),
    /// Both the work and its fallback failed.
    FallbackFailed {
        /// Why the work itself has no value.
        primary: Arc<TaskError<E>>,
        /// Why the fallback has none either.
        fallback: TaskError<E>,
    },
    /// The handle had given its result away before.
    Taken,
}

/// Why work that may be tried again was not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum NoRetry {
    /// As many attempts were made as the policy allows.
    Attempts,
    /// The next attempt would not have begun within the policy's total time.
    TotalTime,
    /// The next attempt would not have begun before the deadline.
    Deadline,
    /// The classifier said so, or what happened is never tried again.
    Permanent,
    /// The retry budget is used up.
    Budget(BudgetSpent),
}

/// What a task unwound with.
pub struct Panic {
    message: Box<str>,
    // A payload is `Send` but not `Sync`; the lock makes the error both. It is touched only to take the payload out.
    payload: Mutex<Box<dyn Any + Send>>,
}

/// Which deadline passed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct TimedOut {
    /// The task whose deadline it was: the task itself, or the ancestor it inherited the deadline from.
    pub deadline_of: TaskId,
    /// Which of its deadlines it was.
    pub limit: Limit,
    /// How long the task had existed when it was ended.
    pub elapsed: Duration,
}

/// The kinds of deadline that a task is under.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Limit {
    /// The time that one attempt may take.
    Attempt,
    /// The task's own timeout.
    Own,
    /// The deadline of an ancestor.
    Inherited,
}

/// Who cancelled a task, why, and how far it went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Cancellation {
    /// The highest level that was asked for.
    pub level: Level,
    /// The first reason given.
    pub reason: Reason,
    /// The task that asked first, if a task did.
    pub by: Option<TaskId>,
}

/// A circuit breaker refused an attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct CircuitOpen {
    /// After how long it is worth trying again; `None` while the breaker is forced open.
    pub retry_in: Option<Duration>,
}

/// Why a task never ran.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Rejection {
    /// No executor is running here, or it is shutting down.
    NoRuntime,
    /// The scope is closed: the parent has ended or is ending, or the runtime takes no more tasks.
    ScopeClosed,
    /// The parent's scope, or the runtime, holds as many live tasks as it can count, or as many that wait as it was told to.
    ScopeFull,
    /// No task id is left.
    IdsExhausted,
    /// A setting makes no sense.
    Invalid(Invalid),
}

/// A setting that makes no sense.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Invalid {
    /// A timeout of zero would end every task before it starts.
    ZeroTimeout,
    /// An attempt timeout of zero would end every attempt before it starts.
    ZeroAttemptTimeout,
    /// Zero attempts would never run the work.
    ZeroAttempts,
    /// An attempt timeout that is not shorter than the timeout of the task never applies.
    AttemptTimeoutTooLong,
    /// A scope with room for nobody lets nobody in.
    ZeroLimit,
    /// Mail without room takes nothing.
    ZeroCapacity,
}

impl<E> TaskError<E> {
    #[cold]
    pub(crate) fn new(cause: Cause<E>, task: Option<TaskId>, name: Cow<'static, str>, attempt: u16) -> Self {
        Self {
            inner: Box::new(Inner {
                cause,
                task,
                name,
                attempt,
                no_retry: None,
            }),
        }
    }

    pub(crate) fn with_no_retry(mut self, why: Option<NoRetry>) -> Self {
        self.inner.no_retry = why;
        self
    }

    /// Why.
    #[must_use]
    pub fn cause(&self) -> &Cause<E> {
        &self.inner.cause
    }

    /// Why, by value.
    #[must_use]
    pub fn into_cause(self) -> Cause<E> {
        self.inner.cause
    }

    /// The task, unless it was rejected before it had an id.
    #[must_use]
    pub fn task(&self) -> Option<TaskId> {
        self.inner.task
    }

    /// The task's name; empty if it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The attempt that was the last, counted from 1; 0 if none was made.
    #[must_use]
    pub fn attempt(&self) -> u16 {
        self.inner.attempt
    }

    /// The same error, with `f` called on each error of the work's own that it holds.
    ///
    /// When both work and fallback failed, `f` is called for both. The first error is then shared with the fallback; if
    /// that has given it to somebody who still has it, it stays with them, and only the fallback's own is mapped.
    #[must_use]
    pub fn map<G>(self, mut f: impl FnMut(E) -> G) -> TaskError<G> {
        self.map_by(&mut f)
    }

    /// The same error where the work's own is a text or a box of any error, which `?` does not take.
    ///
    /// # Examples
    /// ```
    /// use std::error::Error;
    /// use sweet_async_api::task::{AsyncResult, TaskError};
    ///
    /// type Boxed = Box<dyn Error + Send + Sync>;
    ///
    /// async fn length<A: AsyncResult<String, Boxed>>(text: A) -> Result<usize, Boxed> {
    ///     Ok(text.await.map_err(TaskError::boxed)?.len())
    /// }
    /// ```
    #[must_use]
    pub fn boxed(self) -> TaskError<Boxed>
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.map(|error| Boxed(error.into()))
    }

    fn map_by<G>(self, f: &mut dyn FnMut(E) -> G) -> TaskError<G> {
        let Inner {
            cause,
            task,
            name,
            attempt,
            no_retry,
        } = *self.inner;
        TaskError::new(cause.map_by(f), task, name, attempt).with_no_retry(no_retry)
    }

    /// Why no further attempt was made, if the work may be tried again; `None` for a task without a retry policy, and for
    /// one that ended for another reason than a failed attempt.
    #[must_use]
    pub fn no_retry(&self) -> Option<NoRetry> {
        self.inner.no_retry
    }

    /// The work's own error, if that is the cause.
    #[must_use]
    pub fn failure(&self) -> Option<&E> {
        match &self.inner.cause {
            Cause::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// Whether somebody cancelled the task.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self.inner.cause, Cause::Cancelled { .. })
    }

    /// Whether a deadline passed.
    #[must_use]
    pub fn is_timed_out(&self) -> bool {
        matches!(self.inner.cause, Cause::TimedOut(_))
    }

    /// Whether the work unwound.
    #[must_use]
    pub fn is_panicked(&self) -> bool {
        matches!(self.inner.cause, Cause::Panicked(_))
    }

    /// Whether the task never ran.
    #[must_use]
    pub fn is_rejected(&self) -> bool {
        matches!(self.inner.cause, Cause::Rejected(_))
    }
}

impl<E> Cause<E> {
    fn map_by<G>(self, f: &mut dyn FnMut(E) -> G) -> Cause<G> {
        match self {
            Self::Failed(error) => Cause::Failed(f(error)),
            Self::Panicked(panic) => Cause::Panicked(panic),
            Self::TimedOut(timed_out) => Cause::TimedOut(timed_out),
            Self::Cancelled { cancellation, error } => Cause::Cancelled {
                cancellation,
                error: error.map(f),
            },
            Self::CircuitOpen(open) => Cause::CircuitOpen(open),
            Self::LimitReached(reached) => Cause::LimitReached(reached),
            Self::HedgesFailed(all) => {
                Cause::HedgesFailed(all.into_iter().map(|cause| cause.map_by(f)).collect())
            }
            Self::RateLimited(limited) => Cause::RateLimited(limited),
            Self::Rejected(rejection) => Cause::Rejected(rejection),
            Self::FallbackFailed { primary, fallback } => match Arc::try_unwrap(primary) {
                Ok(primary) => Cause::FallbackFailed {
                    primary: Arc::new(primary.map_by(f)),
                    fallback: fallback.map_by(f),
                },
                Err(_) => fallback.map_by(f).into_cause(),
            },
            Self::Taken => Cause::Taken,
        }
    }
}

impl Panic {
    pub(crate) fn new(payload: Box<dyn Any + Send>) -> Self {
        let message: Box<str> = if let Some(text) = payload.downcast_ref::<&'static str>() {
            (*text).into()
        } else if let Some(text) = payload.downcast_ref::<String>() {
            text.as_str().into()
        } else {
            "the panic carries no text".into()
        };
        Self {
            message,
            payload: Mutex::new(payload),
        }
    }

    /// The text of the panic.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What the task panicked with, for `std::panic::resume_unwind` or a downcast.
    #[must_use]
    pub fn into_payload(self) -> Box<dyn Any + Send> {
        self.payload.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E> From<IdsExhausted> for Cause<E> {
    fn from(_: IdsExhausted) -> Self {
        Self::Rejected(Rejection::IdsExhausted)
    }
}

impl<E> From<Rejection> for Cause<E> {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<EnterError> for Rejection {
    fn from(refused: EnterError) -> Self {
        match refused {
            EnterError::Full { .. } => Self::ScopeFull,
            _ => Self::ScopeClosed,
        }
    }
}

impl From<Invalid> for Rejection {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl<E: fmt::Debug> fmt::Debug for TaskError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskError")
            .field("cause", &self.inner.cause)
            .field("task", &self.inner.task)
            .field("name", &self.inner.name)
            .field("attempt", &self.inner.attempt)
            .field("no_retry", &self.inner.no_retry)
            .finish()
    }
}

impl<E: fmt::Display> fmt::Display for TaskError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("task ")?;
        if !self.inner.name.is_empty() {
            write!(f, "`{}` ", self.inner.name)?;
        }
        if let Some(id) = self.inner.task {
            write!(f, "({id}) ")?;
        }
        if self.inner.attempt > 1 {
            write!(f, "in attempt {} ", self.inner.attempt)?;
        }
        self.inner.cause.fmt(f)
    }
}

impl<E: fmt::Display> fmt::Display for Cause<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => write!(f, "failed: {error}"),
            Self::Panicked(panic) => write!(f, "panicked: {}", panic.message),
            Self::TimedOut(timed_out) => timed_out.fmt(f),
            Self::Cancelled { cancellation, error } => {
                cancellation.fmt(f)?;
                error
                    .as_ref()
                    .map_or(Ok(()), |error| write!(f, " and returned: {error}"))
            }
            Self::CircuitOpen(open) => open.fmt(f),
            Self::LimitReached(reached) => reached.fmt(f),
            Self::HedgesFailed(all) => {
                f.write_str("failed in every try of the attempt")?;
                for (number, cause) in all.iter().enumerate() {
                    write!(f, "{} {cause}", if number == 0 { ":" } else { "; then" })?;
                }
                Ok(())
            }
            Self::RateLimited(limited) => limited.fmt(f),
            Self::Rejected(rejection) => rejection.fmt(f),
            Self::FallbackFailed { primary, fallback } => {
                write!(
                    f,
                    "failed and its fallback too: {}; then {}",
                    primary.inner.cause, fallback.inner.cause
                )
            }
            Self::Taken => f.write_str("gave its result away before; await a handle once"),
        }
    }
}

impl fmt::Display for Cancellation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "was cancelled ({}, {}", self.level, self.reason)?;
        if let Some(by) = self.by {
            write!(f, " by task {by}")?;
        }
        f.write_str(")")
    }
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "timed out after {:?} at ", self.elapsed)?;
        match self.limit {
            Limit::Attempt => f.write_str("the limit of its attempt"),
            Limit::Own => f.write_str("its own deadline"),
            Limit::Inherited => write!(f, "the deadline inherited from task {}", self.deadline_of),
        }
    }
}

impl fmt::Display for NoRetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attempts => f.write_str("all attempts were made"),
            Self::TotalTime => f.write_str("the total time of the attempts would be over"),
            Self::Deadline => f.write_str("the deadline would be over"),
            Self::Permanent => f.write_str("it would fail again"),
            Self::Budget(spent) => spent.fmt(f),
        }
    }
}

impl fmt::Display for CircuitOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.retry_in {
            Some(wait) => write!(f, "was refused by its circuit breaker; try again in {wait:?}"),
            None => f.write_str("was refused by its circuit breaker, which is forced open"),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRuntime => f.write_str(
                "was rejected: no executor runs here; start it inside one, or through a handle to one",
            ),
            Self::ScopeClosed => {
                f.write_str("was rejected: its scope has closed; start it where tasks are still taken")
            }
            Self::ScopeFull => f.write_str("was rejected: its scope is full; wait for a task of it to end"),
            Self::IdsExhausted => {
                f.write_str("was rejected: every task id of this process has been given out")
            }
            Self::Invalid(invalid) => write!(f, "was rejected: {invalid}"),
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ZeroTimeout => "a timeout of zero ends the task before it starts; leave it out or raise it",
            Self::ZeroAttemptTimeout => "an attempt timeout of zero ends each attempt before it starts; raise it",
            Self::ZeroCapacity => "a capacity of zero has room for nothing; allow at least one",
            Self::ZeroLimit => "a limit of zero lets no child in; allow at least one",
            Self::ZeroAttempts => "zero attempts never run the work; allow at least one",
            Self::AttemptTimeoutTooLong => {
                "an attempt timeout that is not shorter than the timeout never applies; lower it or leave it out"
            }
        })
    }
}

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Panic")
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl<E: Error + 'static> Error for TaskError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.inner.cause.beneath()
    }
}

impl<E: Error + 'static> Cause<E> {
    fn beneath(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => Some(error),
            Self::TimedOut(timed_out) => Some(timed_out),
            Self::Cancelled { error, .. } => error.as_ref().map(|error| error as _),
            Self::CircuitOpen(open) => Some(open),
            Self::LimitReached(reached) => Some(reached),
            Self::RateLimited(limited) => Some(limited),
            Self::Rejected(rejection) => Some(rejection),
            Self::HedgesFailed(all) => all.last()?.beneath(),
            Self::FallbackFailed { fallback, .. } => Some(fallback),
            Self::Panicked(panic) => Some(panic),
            Self::Taken => None,
        }
    }
}

impl Error for Panic {}
impl Error for Cancellation {}
impl Error for TimedOut {}
impl Error for CircuitOpen {}
impl Error for Invalid {}

impl Error for Rejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Invalid(invalid) => Some(invalid),
            _ => None,
        }
    }
}
