//! Children that are started again when they fail.

use alloc::collections::VecDeque;
use core::error::Error;
use core::fmt;
use core::pin::pin;
use core::time::Duration;

use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use sweet_async_core::backoff::{Backoff, Jitter};
use sweet_async_core::lifecycle::{Level, Reason};

use super::{Ended, as_listed};
use crate::task::error::{Cause, Limit, TimedOut};
use crate::task::{Context, Task, TaskError, TaskId, TaskRef};
use crate::{Moment, Runtime};

/// Starts children, and starts them again when they fail, until each has a value or it is no use any more.
///
/// The rules are those of the supervisors of Erlang/OTP. A child is made by a closure, which is called again for each
/// start, and is started again when it failed, panicked, was refused by a guard or ran into a timeout of its own. A
/// value ends a child for good. One that was cancelled or refused a place, or that ran into an inherited deadline, is
/// not started again: that would help nothing, and supervision gives up.
///
/// Between a failure and the next start lies a delay, which doubles with each restart of the same child that is still
/// counted, and is never less than a millisecond: a child that always fails does not spin. With more restarts within the
/// time than are allowed, supervision gives up: the children that live are killed and waited for, and the error says
/// which child it was, and what it ended with.
///
/// Unless said otherwise, 3 restarts within 5 seconds, with delays from 50 milliseconds to 1 second.
#[must_use = "a supervisor starts nothing until `run`"]
pub struct Supervisor<R: Runtime, T: Send + 'static, E: Send + Sync + 'static> {
    rule: Restart,
    restarts: usize,
    within: Duration,
    backoff: Backoff,
    children: Vec<Child<R, T, E>>,
}

/// Who is started again when one fails. The others that are concerned are told gracefully, from the last to the first, and
/// start again after they have ended, with the one that failed, from the first to the last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Restart {
    /// The one that failed, and no other.
    OneForOne,
    /// All of them, those included that had a value already: it is given up.
    OneForAll,
    /// The one that failed and those that were listed after it, values included.
    RestForOne,
}

/// Supervision gave up.
#[derive(Debug)]
#[non_exhaustive]
pub struct Escalation<E> {
    /// Where the child was listed, from 0. Its name is in its error.
    pub place: usize,
    /// Why it was not started again.
    pub why: GaveUp,
    /// What the child ended with.
    pub error: TaskError<E>,
}

/// Why supervision gave up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum GaveUp {
    /// As many restarts as are allowed had been made within the time.
    TooManyRestarts {
        /// How many that is.
        allowed: usize,
        /// The time.
        within: Duration,
    },
    /// Another start would end the same way: the child was cancelled or rejected, or its deadline was inherited.
    NoUse,
}

/// One child, through all its lives.
struct Child<R: Runtime, T: Send + 'static, E: Send + Sync + 'static> {
    start: Start<R, T, E>,
    state: State<T>,
}

type Start<R, T, E> = Box<dyn FnMut(&Context<R>) -> Task<R, T, E> + Send>;

enum State<T> {
    /// Starts at this moment.
    Due(Moment),
    Running(TaskRef),
    /// Was told to end, and starts again then.
    Stopping(TaskRef, Moment),
    Done(TaskId, T),
}

impl<R: Runtime, T: Send + 'static, E: Send + Sync + 'static> Supervisor<R, T, E> {
    /// No children yet.
    pub const fn new(rule: Restart) -> Self {
        Self {
            rule,
            restarts: 3,
            within: Duration::from_secs(5),
            backoff: Backoff::exponential(50).cap(1_000),
            children: Vec::new(),
        }
    }

    /// At most so many restarts, of all children together, within this time. None at all: the first failure escalates.
    pub const fn restarts(mut self, allowed: usize, within: Duration) -> Self {
        self.restarts = allowed;
        self.within = within;
        self
    }

    /// Waits `first` before a restart, twice as long before the next one of the same child, and so on up to `longest`.
    pub fn delay(mut self, first: Duration, longest: Duration) -> Self {
        self.backoff = Backoff::exponential(millis(first)).cap(millis(longest));
        self
    }

    /// Spreads the delays by chance.
    pub const fn jitter(mut self, jitter: Jitter) -> Self {
        self.backoff = self.backoff.jitter(jitter);
        self
    }

    /// Adds a child, which `start` starts: `|cx| cx.child().name("reader").run(..)`.
    pub fn child<F>(mut self, start: F) -> Self
    where
        F: FnMut(&Context<R>) -> Task<R, T, E> + Send + 'static,
    {
        self.children.push(Child {
            start: Box::new(start),
            state: State::Due(Moment::START),
        });
        self
    }

    /// Starts the children, and waits until each has a value; the values come as listed.
    ///
    /// # Errors
    /// [`Escalation`] when supervision gave up; all children have ended then.
    ///
    /// # Cancel safety
    /// Dropping the future detaches the children that live, which their parent still owns.
    pub async fn run(mut self, cx: &Context<R>) -> Result<Vec<(TaskId, T)>, Escalation<E>> {
        let mut running = FuturesUnordered::new();
        // When who was started again, as long as it counts.
        let mut history = VecDeque::new();
        loop {
            for (place, task) in self.start_those_due(cx) {
                running.push(async move {
                    Ended {
                        place,
                        id: task.id(),
                        result: task.await,
                    }
                });
            }
            let next_start = self.next_start();
            let ended = match (running.is_empty(), next_start) {
                // All have a value: who has none runs, is told to stop, or is due.
                (true, None) => return Ok(self.values()),
                (true, Some(at)) => {
                    // Told to stop meanwhile, it goes on at once: see `start_those_due`.
                    let _ = cx.until_cancelled(cx.runtime().sleep_until(at)).await;
                    continue;
                }
                (false, None) => running.next().await,
                (false, Some(at)) => {
                    let start = pin!(cx.runtime().sleep_until(at));
                    match select(running.next(), start).await {
                        Either::Left((ended, _)) => ended,
                        Either::Right(_) => continue,
                    }
                }
            };
            let Some(ended) = ended else { continue };
            if let Err(escalation) = self.on_end(ended, cx.runtime(), &mut history) {
                self.tell(|_| true, Level::Kill, None);
                while running.next().await.is_some() {}
                return Err(escalation);
            }
        }
    }

    /// Starts whoever is due, once those that are to start with them have ended.
    fn start_those_due(&mut self, cx: &Context<R>) -> Vec<(usize, Task<R, T, E>)> {
        if self.is_stopping() {
            return Vec::new();
        }
        // Where the parent was told to stop, nobody waits: a child is cancelled before it starts, and that escalates.
        let now = if cx.is_cancelled() {
            Moment::NEVER
        } else {
            cx.runtime().now()
        };
        let mut started = Vec::new();
        for (place, child) in self.children.iter_mut().enumerate() {
            if matches!(child.state, State::Due(at) if at <= now) {
                let task = (child.start)(cx);
                child.state = State::Running(task.task_ref());
                started.push((place, task));
            }
        }
        started
    }

    fn is_stopping(&self) -> bool {
        let is_stopping = |child: &Child<_, _, _>| matches!(child.state, State::Stopping(..));
        self.children.iter().any(is_stopping)
    }

    fn next_start(&self) -> Option<Moment> {
        if self.is_stopping() {
            return None;
        }
        let due = self.children.iter().filter_map(|child| match child.state {
            State::Due(at) => Some(at),
            _ => None,
        });
        due.min()
    }

    /// A child has ended: for good, or until its next start.
    fn on_end(
        &mut self,
        ended: Ended<T, E>,
        runtime: &R,
        history: &mut VecDeque<(Moment, usize)>,
    ) -> Result<(), Escalation<E>> {
        let Ended { place, id, result } = ended;
        let Some(child) = self.children.get_mut(place) else {
            return Ok(());
        };
        if let State::Stopping(_, at) = child.state {
            child.state = State::Due(at);
            return Ok(());
        }
        let error = match result {
            Ok(value) => {
                child.state = State::Done(id, value);
                return Ok(());
            }
            Err(error) => error,
        };
        let now = runtime.now();
        while history
            .front()
            .is_some_and(|(at, _)| now.since(*at) >= self.within)
        {
            history.pop_front();
        }
        let why = if !may_help(error.cause()) {
            GaveUp::NoUse
        } else if history.len() >= self.restarts {
            GaveUp::TooManyRestarts {
                allowed: self.restarts,
                within: self.within,
            }
        } else {
            history.push_back((now, place));
            let times = history.iter().filter(|(_, who)| *who == place).count();
            let at = now + self.wait(times, runtime.random());
            self.restart(place, id, at);
            return Ok(());
        };
        Err(Escalation { place, why, error })
    }

    /// How long to wait before a restart, the how manieth it is.
    fn wait(&self, times: usize, random: u32) -> Duration {
        let times = u32::try_from(times).unwrap_or(u32::MAX);
        // Refused only by a limit that is never set here.
        let wait = self.backoff.next(times, 0, 0, random).unwrap_or(u32::MAX);
        Duration::from_millis(u64::from(wait.max(1)))
    }

    /// The one at `place` starts again, and those that have to together with it.
    fn restart(&mut self, place: usize, id: TaskId, at: Moment) {
        let rule = self.rule;
        let concerned = |other: usize| match rule {
            Restart::OneForOne => false,
            Restart::OneForAll => other != place,
            Restart::RestForOne => other > place,
        };
        self.tell(concerned, Level::Graceful, Some(id));
        for (other, child) in self.children.iter_mut().enumerate() {
            if other == place {
                child.state = State::Due(at);
            } else if concerned(other) {
                child.state = match &child.state {
                    State::Running(task) => State::Stopping(task.clone(), at),
                    State::Stopping(task, then) => State::Stopping(task.clone(), at.max(*then)),
                    State::Due(then) => State::Due(at.max(*then)),
                    State::Done(..) => State::Due(at),
                };
            }
        }
    }

    fn tell(&self, concerned: impl Fn(usize) -> bool, level: Level, by: Option<TaskId>) {
        for (place, child) in self.children.iter().enumerate().rev() {
            if let State::Running(task) | State::Stopping(task, _) = &child.state
                && concerned(place)
            {
                // One that has ended meanwhile needs no telling.
                let _ = task.cancel_because(level, Reason::Sibling, by);
            }
        }
    }

    fn values(self) -> Vec<(TaskId, T)> {
        let done = self.children.into_iter().enumerate();
        let values = done.filter_map(|(place, child)| match child.state {
            State::Done(id, value) => Some((place, (id, value))),
            _ => None,
        });
        as_listed(values.collect())
    }
}

/// Whether another start may end otherwise.
const fn may_help<E>(cause: &Cause<E>) -> bool {
    match cause {
        Cause::Failed(_)
        | Cause::Panicked(_)
        | Cause::CircuitOpen(_)
        | Cause::RateLimited(_)
        | Cause::LimitReached(_)
        | Cause::FallbackFailed { .. } => true,
        Cause::TimedOut(TimedOut { limit, .. }) => !matches!(limit, Limit::Inherited),
        _ => false,
    }
}

/// In whole milliseconds, rounded up.
fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX)
}

impl<R: Runtime, T: Send + 'static, E: Send + Sync + 'static> fmt::Debug for Supervisor<R, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor")
            .field("rule", &self.rule)
            .field("restarts", &self.restarts)
            .field("within", &self.within)
            .field("backoff", &self.backoff)
            .field("children", &self.children.len())
            .finish()
    }
}

impl<E: fmt::Display> fmt::Display for Escalation<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "supervision gave up on child {}: {}; {}",
            self.place, self.error, self.why
        )
    }
}

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyRestarts { allowed, within } => {
                write!(
                    f,
                    "all {allowed} restarts that are allowed within {within:?} were made"
                )
            }
            Self::NoUse => f.write_str("another start would end the same way"),
        }
    }
}

impl<E: Error + 'static> Error for Escalation<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}
