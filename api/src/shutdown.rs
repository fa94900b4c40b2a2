//! The end of an executor's tasks, in order.

use core::fmt;
use core::time::Duration;

use sweet_async_core::lifecycle::{Level, Reason};

use crate::task::TaskRef;
use crate::{Moment, Runtime};

/// Ends the tasks of `runtime`, and says who did not stop. The executor itself is not touched: what remains of it is its
/// owner's to shut down.
///
/// 1. From now on, and for good, tasks without a parent are rejected. Those that live have `drain` to end by themselves; they
///    may still start children, which many need to come to an end.
/// 2. Those that have not are cancelled gracefully, with everybody below them, and have `grace`.
/// 3. Those that still live are killed and have `grace` again; then they are killed hard, and have it once more.
///
/// So it takes `drain` and three times `grace` at most, and no longer than the tasks do. It looks for them every few
/// milliseconds. Who is to be told has to be known: call [`Root::list_tasks`](crate::Root::list_tasks) before the first task
/// is started; tasks that are not listed are waited for and counted, and that is all. A task of `runtime` that awaits this is
/// one of those that are waited for, and cancelled.
///
/// # Cancel safety
/// What was done stands when the future is dropped: no task is let in any more, and who was told was told.
///
/// # Examples
/// ```
/// use core::time::Duration;
/// use sweet_async_api::{Runtime, shutdown};
///
/// fn begin<R: Runtime>(runtime: &R) {
///     runtime.root().list_tasks(10_000);
/// }
///
/// async fn end<R: Runtime>(runtime: &R) -> Result<(), String> {
///     let report = shutdown(runtime, Duration::from_secs(10), Duration::from_secs(2)).await;
///     if report.is_clean() { Ok(()) } else { Err(report.to_string()) }
/// }
/// ```
pub async fn shutdown<R: Runtime>(runtime: &R, drain: Duration, grace: Duration) -> Report {
    let root = runtime.root();
    let _ = root.close();
    let mut cancelled = Vec::new();
    if !is_quiet(runtime, drain).await {
        cancelled = listed(runtime);
        for level in [Level::Graceful, Level::Kill, Level::KillHard] {
            for task in listed(runtime) {
                // One that has ended meanwhile needs no telling.
                let _ = task.cancel_because(level, Reason::Shutdown, None);
            }
            if is_quiet(runtime, grace).await {
                break;
            }
        }
    }
    let left = listed(runtime);
    Report {
        unlisted: root.live().saturating_sub(left.len() as u64),
        abandoned: root.abandoned(),
        closures: root.abandoned_tasks(),
        cancelled,
        left,
    }
}

/// How the tasks of an executor ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use = "it says who did not stop"]
pub struct Report {
    /// The tasks without a parent that did not end by themselves in time, and were told to.
    pub cancelled: Vec<TaskRef>,
    /// Those of them that are still there: in the middle of something that does not come back to the executor.
    pub left: Vec<TaskRef>,
    /// How many live besides that were never listed, and so not told.
    pub unlisted: u64,
    /// How many blocking closures run on although their task is over; see [`Root::abandoned`](crate::Root::abandoned).
    pub abandoned: usize,
    /// Whose they are; see [`Root::abandoned_tasks`](crate::Root::abandoned_tasks).
    pub closures: Vec<TaskRef>,
}

impl Report {
    /// Whether nothing is left behind.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.left.is_empty() && self.unlisted == 0 && self.abandoned == 0
    }
}

/// Waits until no task lives, at most so long. Whether none does.
async fn is_quiet<R: Runtime>(runtime: &R, limit: Duration) -> bool {
    let end = runtime.now() + limit;
    let mut pause = Duration::from_millis(1);
    while runtime.root().live() != 0 {
        let now = runtime.now();
        if now >= end {
            return false;
        }
        runtime.sleep_until(Moment::min(now + pause, end)).await;
        pause = PAUSE.min(pause * 2);
    }
    true
}

fn listed<R: Runtime>(runtime: &R) -> Vec<TaskRef> {
    let mut nodes = Vec::new();
    let _ = runtime.root().visit_listed(usize::MAX, |node| nodes.push(node));
    nodes.into_iter().map(TaskRef::of).collect()
}

/// How long nobody looks whether tasks have ended.
const PAUSE: Duration = Duration::from_millis(16);

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} tasks were cancelled, {} are left",
            self.cancelled.len(),
            self.left.len() as u64 + self.unlisted
        )?;
        for task in &self.left {
            // Its lifecycle is over since the hard kill; what it does is not.
            write!(f, "; {} was killed and does not come back", Named(task))?;
        }
        if self.unlisted > 0 {
            write!(f, "; {} were not listed", self.unlisted)?;
        }
        if self.abandoned > 0 {
            write!(f, "; {} closures still run", self.abandoned)?;
        }
        for (index, task) in self.closures.iter().enumerate() {
            write!(f, "{} {}", if index == 0 { ": of" } else { "," }, Named(task))?;
        }
        Ok(())
    }
}

struct Named<'a>(&'a TaskRef);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.name() {
            "" => write!(f, "task {}", self.0.id()),
            name => write!(f, "task `{name}` ({})", self.0.id()),
        }
    }
}
