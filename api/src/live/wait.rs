//! What a task waits on: what the engine knows, and what the task says itself.

use core::fmt;
use core::future::Future;
use core::mem;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sweet_async_core::lifecycle::{Level, Snapshot, State};

use crate::task::{Header, Name, TaskId};
use crate::{Context, Moment, Runtime};

/// What a task waits on.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum WaitsOn {
    /// To be started by its executor.
    Start,
    /// The next attempt.
    Retry {
        /// When it begins.
        at: Moment,
    },
    /// A guard that does not admit it yet: a rate, a limit of how many run at once.
    Guard,
    /// A timer, in [`Context::sleep`](crate::Context::sleep).
    Timer {
        /// When it fires.
        at: Moment,
    },
    /// Another task, in [`Context::run_child`](crate::Context::run_child).
    Task(TaskId),
    /// Several tasks, in [`Context::join_children`](crate::Context::join_children).
    Tasks,
    /// Its children: its work is done, or it said so in [`Context::children_ended`](crate::Context::children_ended).
    Children,
    /// Its closure, which is on a thread that may block.
    Closure,
    /// What it said in [`Context::waiting_on`](crate::Context::waiting_on).
    Label(Name),
    /// Its callbacks, which run after its end.
    Callbacks,
    /// Its executor, which has not let go of it since it ended.
    Executor,
}

/// What is noted for whoever looks at a task from outside. Made when there is something to note.
#[derive(Default)]
pub(crate) struct Notes {
    said: Mutex<Said>,
    /// When the next attempt begins; 0 if none was ever put off.
    retry_at: AtomicU64,
    /// Whether a guard has it wait.
    queued: AtomicBool,
    /// When graceful turns into kill; 0 before the grace period.
    grace_end: AtomicU64,
}

/// What the task's own code says that it waits on. What was said last is shown; it is apart from the others, so that one
/// alone needs no list.
#[derive(Default)]
struct Said {
    made: u64,
    last: Option<(u64, WaitsOn)>,
    before: Vec<(u64, WaitsOn)>,
}

/// What was said holds until this is dropped; then what was said before holds again.
pub(crate) struct Saying<'a> {
    notes: &'a Notes,
    number: u64,
}

impl Notes {
    pub(crate) fn say(&self, waits: WaitsOn) -> Saying<'_> {
        let mut said = self.said();
        let number = said.made;
        said.made += 1;
        let before = said.last.replace((number, waits));
        said.before.extend(before);
        drop(said);
        Saying { notes: self, number }
    }

    pub(crate) fn set_retry(&self, at: Moment) {
        // Relaxed: a moment that stands alone.
        self.retry_at.store(at.as_nanos(), Ordering::Relaxed);
    }

    pub(crate) fn set_queued(&self, queued: bool) {
        self.queued.store(queued, Ordering::Relaxed);
    }

    pub(crate) fn set_grace_end(&self, at: Moment) {
        self.grace_end.store(at.as_nanos(), Ordering::Relaxed);
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Saying<'_> {
    fn drop(&mut self) {
        let mut said = self.notes.said();
        let is_this = |(number, _): &(u64, _)| *number == self.number;
        let over = if said.last.as_ref().is_some_and(is_this) {
            let before = said.before.pop();
            mem::replace(&mut said.last, before)
        } else {
            let place = said.before.iter().rposition(is_this);
            place.map(|place| said.before.remove(place))
        };
        // A name is dropped outside the lock.
        drop(said);
        drop(over);
    }
}

impl Header {
    /// What the task waits on, if that is known, as far as `seen` says where it is.
    pub(crate) fn waits_on(&self, seen: Snapshot) -> Option<WaitsOn> {
        let extra = self.extra_if_any();
        let children = self.child_count() != 0;
        if seen.state().is_terminal() {
            let soft = seen.level().is_some_and(|level| level < Level::KillHard);
            return match extra {
                Some(_) if children => Some(WaitsOn::Children),
                Some(extra) if soft && !extra.lock_callbacks().is_closed() => Some(WaitsOn::Callbacks),
                // Its own moment is set by whoever polls it.
                _ => self.ended().is_none().then_some(WaitsOn::Executor),
            };
        }
        let notes = extra.and_then(|extra| extra.notes_if_any());
        match seen.state() {
            State::Pending => return Some(WaitsOn::Start),
            State::Waiting => {
                let at = notes.map_or(0, |notes| notes.retry_at.load(Ordering::Relaxed));
                let at = Moment::from_nanos(at);
                return Some(WaitsOn::Retry { at });
            }
            _ => {}
        }
        if children && extra.is_some_and(|extra| extra.children.group.is_closed()) {
            return Some(WaitsOn::Children);
        }
        if notes.is_some_and(|notes| notes.queued.load(Ordering::Relaxed)) {
            return Some(WaitsOn::Guard);
        }
        let said = notes.and_then(|notes| Some(notes.said().last.as_ref()?.1.clone()));
        said.or_else(|| self.is_fenced().then_some(WaitsOn::Closure))
    }

    /// When graceful turns into kill; `None` before the grace period begins, and after the end.
    pub(crate) fn grace_end(&self, seen: Snapshot) -> Option<Moment> {
        if seen.level() != Some(Level::Graceful) || seen.state().is_terminal() {
            return None;
        }
        let notes = self.extra_if_any()?.notes_if_any()?;
        match notes.grace_end.load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Moment::from_nanos(nanos)),
        }
    }
}

impl<R: Runtime> Context<R> {
    /// Awaits `work`, and says meanwhile what for, to whoever looks at the [live tree](crate::live).
    ///
    /// Sections nest: what was said before is shown again when this one is over. Of several at once, the last that began
    /// is shown. Costs a short lock when it begins and when it ends, and two allocations for the first in a task.
    ///
    /// # Cancel safety
    /// As that of `work`.
    pub async fn waiting_on<F: Future>(&self, label: impl Into<Name>, work: F) -> F::Output {
        let _saying = self.say(WaitsOn::Label(label.into()));
        work.await
    }
}

/// As the end of a sentence about the task; moments are told as seen at `now`.
pub(super) struct Told<'a>(pub(super) &'a WaitsOn, pub(super) Moment);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(waits, now) = self;
        match waits {
            WaitsOn::Start => f.write_str("waits to be started"),
            WaitsOn::Retry { at } => write!(f, "tries again in {}", super::Seconds(at.since(*now))),
            WaitsOn::Guard => f.write_str("waits on a guard"),
            WaitsOn::Timer { at } => write!(f, "sleeps for {}", super::Seconds(at.since(*now))),
            WaitsOn::Task(id) => write!(f, "waits on task {id}"),
            WaitsOn::Tasks => f.write_str("waits on several tasks"),
            WaitsOn::Children => f.write_str("waits on its children"),
            WaitsOn::Closure => f.write_str("waits on its closure"),
            WaitsOn::Label(label) => write!(f, "waits on {label:?}"),
            WaitsOn::Callbacks => f.write_str("waits on its callbacks"),
            WaitsOn::Executor => f.write_str("waits on its executor"),
        }
    }
}

impl WaitsOn {
    /// One word for it.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Retry { .. } => "retry",
            Self::Guard => "guard",
            Self::Timer { .. } => "timer",
            Self::Task(_) => "task",
            Self::Tasks => "tasks",
            Self::Children => "children",
            Self::Closure => "closure",
            Self::Label(_) => "label",
            Self::Callbacks => "callbacks",
            Self::Executor => "executor",
        }
    }
}
