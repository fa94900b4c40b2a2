//! With the feature: the span of a task, and what is said in it.

use core::error::Error;
use core::fmt;
use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::{Mutex, PoisonError};

use tracing::dispatcher::{Dispatch, with_default};
use tracing::level_filters::LevelFilter;
use tracing::span::{Id, Span};
use tracing::subscriber::NoSubscriber;
use tracing::{Level, event, info_span};

use crate::hooks::Happening;
use crate::task::{TaskId, TaskRecord};

/// The span of a task, until it is over.
pub(crate) struct Trace {
    // Locked to look who is to be called, never while somebody is.
    span: Mutex<Option<Span>>,
}

/// A span that was entered on this thread, and whom to tell when it is left.
pub(crate) struct Entered {
    id: Id,
    subscriber: Dispatch,
}

/// Whether a subscriber may listen to tasks. One relaxed load.
#[inline]
pub(crate) fn is_on() -> bool {
    LevelFilter::current() >= LevelFilter::INFO
}

impl Trace {
    /// The span of a task; `None` if no subscriber wants it.
    pub(crate) fn start(id: TaskId, name: &str, parent: Option<&Self>) -> Option<Self> {
        let parent = parent.and_then(Self::entrance);
        let span = quietly(|| match parent {
            None => info_span!(target: TARGET, "task", %id, name),
            Some(Entered {
                id: above,
                subscriber,
            }) => with_default(
                &subscriber,
                || info_span!(target: TARGET, parent: above, "task", %id, name),
            ),
        })?;
        // Where another thread has a subscriber and this one has none, a span is made that nobody hears of.
        let heard = span.with_subscriber(|(_, subscriber)| !subscriber.is::<NoSubscriber>());
        let span = Some(span).filter(|_| heard == Some(true))?;
        Some(Self {
            span: Mutex::new(Some(span)),
        })
    }

    /// A poll begins, or a blocking closure, on this thread.
    pub(crate) fn enter(&self) -> Option<Entered> {
        let entered = self.entrance()?;
        quietly(|| entered.subscriber.enter(&entered.id))?;
        Some(entered)
    }

    #[expect(clippy::unused_self, reason = "as the other form of this module has it")]
    pub(crate) fn exit(&self, Entered { id, subscriber }: &Entered) {
        let _ = quietly(|| subscriber.exit(id));
    }

    /// The task is over.
    pub(crate) fn close(&self) {
        let span = self.span.lock().unwrap_or_else(PoisonError::into_inner).take();
        let _ = quietly(|| drop(span));
    }

    /// Whether a subscriber still listens.
    pub(crate) fn is_open(&self) -> bool {
        self.entrance().is_some()
    }

    /// Says what happened to the task, inside its span.
    pub(crate) fn happened(&self, task: &TaskRecord, what: Happening) {
        /// One event with what all of them have.
        macro_rules! say {
            ($level:ident, $($rest:tt)*) => {
                self.say(task, |said| {
                    let Said { parent, id, name, attempt } = said;
                    event!(target: TARGET, parent: parent, Level::$level, %id, name, attempt, $($rest)*);
                })
            };
        }
        match what {
            Happening::Created => say!(DEBUG, "created"),
            Happening::Started => say!(DEBUG, "started"),
            Happening::AttemptFailed { failure, .. } => say!(WARN, %failure, "attempt failed"),
            Happening::Waiting { until } => say!(WARN, %until, "waiting for another attempt"),
            Happening::Resumed { .. } => say!(DEBUG, "another attempt"),
            Happening::Queued { .. } => say!(DEBUG, "waiting for a guard"),
            Happening::Admitted { .. } => say!(DEBUG, "let through"),
            Happening::FallingBack => say!(WARN, "falling back"),
            Happening::Told(cancellation) => say!(INFO, %cancellation, "told to stop"),
            Happening::Ended(state) => say!(DEBUG, %state, "ended"),
            Happening::Refused(rejection) => say!(WARN, %rejection, "refused"),
        }
    }

    /// Says what the task's own code has to say.
    pub(crate) fn error(&self, task: &TaskRecord, error: &(dyn Error + 'static)) {
        self.say(
            task,
            |Said {
                 parent,
                 id,
                 name,
                 attempt,
             }| {
                event!(target: TARGET, parent: parent, Level::ERROR, %id, name, attempt, error, "error");
            },
        );
    }

    fn say(&self, task: &TaskRecord, event: impl FnOnce(Said<'_>)) {
        let Some(Entered {
            id: parent,
            subscriber,
        }) = self.entrance()
        else {
            return;
        };
        let said = Said {
            parent,
            id: task.id(),
            name: task.name(),
            attempt: task.attempt(),
        };
        // To the subscriber of the span, also on a thread that has another or none.
        let _ = quietly(|| with_default(&subscriber, || event(said)));
    }

    fn entrance(&self) -> Option<Entered> {
        let span = self.span.lock().unwrap_or_else(PoisonError::into_inner);
        span.as_ref()?.with_subscriber(|(id, subscriber)| Entered {
            id: id.clone(),
            subscriber: subscriber.clone(),
        })
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        self.close();
    }
}

/// What every event of a task says.
struct Said<'a> {
    parent: Id,
    id: TaskId,
    name: &'a str,
    attempt: u16,
}

/// What `subscriber` does, unless it panics.
fn quietly<T>(subscriber: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(subscriber)).ok()
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("open", &self.is_open()).finish()
    }
}

const TARGET: &str = "sweet_async";
