//! Tasks as the metrics of a program, through the facade `metrics`: whatever recorder is installed has them.

use ::metrics::{counter, gauge, histogram};
use sweet_async_core::lifecycle::State;

use crate::hooks::{Happening, Hook};
use crate::task::TaskRecord;

/// A [`Hook`] that hands what happens to tasks to the recorder of the crate `metrics`. With the feature `metrics-export`.
///
/// | name | kind | what |
/// |---|---|---|
/// | `tasks_scheduled` | counter | let into their scopes |
/// | `tasks_running` | gauge | begun and not ended |
/// | `tasks_completed`, `tasks_failed`, `tasks_panicked`, `tasks_timed_out`, `tasks_cancelled`, `tasks_rejected` | counter | ended so |
/// | `task_attempts_failed` | counter | attempts without a value |
/// | `task_duration` | histogram | seconds from start to end, of those that have run |
///
/// Without labels: names and ids of tasks are as many as there are tasks. Where no recorder is installed it does nothing.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Export;

impl Export {
    /// The hook, for [`Root::set_hook`](crate::Root::set_hook) or [`TaskBuilder::hook`](crate::TaskBuilder::hook).
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Hook for Export {
    fn happened(&self, task: &TaskRecord, what: Happening) {
        match what {
            Happening::Created => counter!("tasks_scheduled").increment(1),
            Happening::Started => gauge!("tasks_running").increment(1),
            Happening::AttemptFailed { .. } => counter!("task_attempts_failed").increment(1),
            Happening::Refused(_) => counter!("tasks_rejected").increment(1),
            Happening::Ended(state) => ended(task, state),
            _ => {}
        }
    }
}

fn ended(task: &TaskRecord, state: State) {
    let counter = match state {
        State::Completed => counter!("tasks_completed"),
        State::Panicked => counter!("tasks_panicked"),
        State::TimedOut => counter!("tasks_timed_out"),
        State::Cancelled => counter!("tasks_cancelled"),
        State::Rejected => counter!("tasks_rejected"),
        _ => counter!("tasks_failed"),
    };
    counter.increment(1);
    if task.attempt() > 0 {
        gauge!("tasks_running").decrement(1);
        if let Some((ended, started)) = task.ended_at().zip(task.started_at()) {
            histogram!("task_duration").record(ended.since(started));
        }
    }
}
