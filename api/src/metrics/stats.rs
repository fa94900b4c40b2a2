//! Sums over many tasks: those of a runtime, or of a part of a tree.

use alloc::boxed::Box;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use sweet_async_core::lifecycle::State;
use sweet_async_core::stats::{Bucket, Counter, Histogram, Snapshot};

use crate::hooks::{Happening, Hook};
use crate::task::TaskRecord;

/// Counts tasks by how they end and sums up how long they ran: a [`Hook`].
///
/// Set for a runtime it counts all of its tasks, set by a builder those of the tree that begins there, and both may be.
/// Nothing is locked. Counts stop at [`Counter::MAX`], 2^31, and then say "at least".
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use sweet_async_api::metrics::ExecutionStats;
///
/// let stats = Arc::new(ExecutionStats::new());
/// // `runtime.root().set_hook(stats.clone())`, or `builder.hook(stats.clone())`
/// let seen = stats.read();
/// assert_eq!((seen.created, seen.ended(), seen.pending()), (0, 0, 0));
/// assert_eq!(seen.run_time.quantile(990_000), None);
/// ```
#[derive(Debug)]
pub struct ExecutionStats {
    pub(super) created: Counter,
    pub(super) started: Counter,
    pub(super) completed: Counter,
    pub(super) failed: Counter,
    pub(super) panicked: Counter,
    pub(super) timed_out: Counter,
    pub(super) cancelled: Counter,
    pub(super) rejected: Counter,
    pub(super) never_ran: Counter,
    pub(super) failed_attempts: Counter,
    // Relaxed: figures that stand alone.
    pub(super) nanos: AtomicU64,
    pub(super) shortest: AtomicU64,
    pub(super) longest: AtomicU64,
    /// In microseconds.
    pub(super) run_times: Histogram<464>,
}

/// What was counted up to a moment.
///
/// Read while tasks run, a task that is just starting or ending may be in one figure and not yet in another.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StatsSnapshot {
    /// How many tasks were let into their scopes.
    pub created: u32,
    /// How many of them have begun to run.
    pub started: u32,
    /// How many ended with a value.
    pub completed: u32,
    /// How many ended with an error.
    pub failed: u32,
    /// How many ended with a panic.
    pub panicked: u32,
    /// How many ended by a deadline.
    pub timed_out: u32,
    /// How many ended cancelled.
    pub cancelled: u32,
    /// How many were refused, at the door or by an executor that shut down before it ran them.
    pub rejected: u32,
    /// How many of those that were let in ended without having run.
    pub never_ran: u32,
    /// How many attempts had no value.
    pub failed_attempts: u32,
    /// How long tasks ran that have run and ended.
    pub run_time: RunTimes,
}

/// How times are distributed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RunTimes {
    /// All of them together.
    pub sum: Duration,
    /// The shortest; `None` of nothing.
    pub min: Option<Duration>,
    /// The longest; `None` of nothing.
    pub max: Option<Duration>,
    micros: Box<Snapshot<464>>,
}

impl ExecutionStats {
    /// Nothing counted.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            created: Counter::new(),
            started: Counter::new(),
            completed: Counter::new(),
            failed: Counter::new(),
            panicked: Counter::new(),
            timed_out: Counter::new(),
            cancelled: Counter::new(),
            rejected: Counter::new(),
            never_ran: Counter::new(),
            failed_attempts: Counter::new(),
            nanos: AtomicU64::new(0),
            shortest: AtomicU64::new(u64::MAX),
            longest: AtomicU64::new(0),
            run_times: Histogram::new(),
        }
    }

    /// What was counted so far.
    #[must_use]
    pub fn read(&self) -> StatsSnapshot {
        // Ends are read before beginnings: whoever has ended had begun, so no difference is negative.
        let [
            completed,
            failed,
            panicked,
            timed_out,
            cancelled,
            rejected,
            never_ran,
        ] = [
            &self.completed,
            &self.failed,
            &self.panicked,
            &self.timed_out,
            &self.cancelled,
            &self.rejected,
            &self.never_ran,
        ]
        .map(Counter::value);
        let micros = Box::new(self.run_times.snapshot());
        let any = micros.count() > 0;
        let time = |nanos: &AtomicU64| Duration::from_nanos(nanos.load(Ordering::Relaxed));
        StatsSnapshot {
            completed,
            failed,
            panicked,
            timed_out,
            cancelled,
            rejected,
            never_ran,
            failed_attempts: self.failed_attempts.value(),
            run_time: RunTimes {
                sum: time(&self.nanos),
                min: any.then(|| time(&self.shortest)),
                max: any.then(|| time(&self.longest)),
                micros,
            },
            started: self.started.value(),
            created: self.created.value(),
        }
    }

    fn ended(&self, task: &TaskRecord, state: State) {
        let counter = match state {
            State::Completed => &self.completed,
            State::Panicked => &self.panicked,
            State::TimedOut => &self.timed_out,
            State::Cancelled => &self.cancelled,
            State::Rejected => &self.rejected,
            _ => &self.failed,
        };
        if task.attempt() > 0 {
            let ran = task.ended_at().zip(task.started_at());
            self.ran(ran.map_or(Duration::ZERO, |(ended, started)| ended.since(started)));
        } else {
            self.never_ran.increment();
        }
        counter.increment();
    }

    pub(super) fn ran(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        // Never fails: the closure always answers.
        let add = |sum: u64| Some(sum.saturating_add(nanos));
        let _ = self.nanos.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        self.shortest.fetch_min(nanos, Ordering::Relaxed);
        self.longest.fetch_max(nanos, Ordering::Relaxed);
        self.run_times
            .record(u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
    }
}

impl Hook for ExecutionStats {
    fn happened(&self, task: &TaskRecord, what: Happening) {
        match what {
            Happening::Created => self.created.increment(),
            Happening::Started => self.started.increment(),
            Happening::AttemptFailed { .. } => self.failed_attempts.increment(),
            Happening::Ended(state) => self.ended(task, state),
            Happening::Refused(_) => self.rejected.increment(),
            _ => {}
        }
    }
}

impl StatsSnapshot {
    /// How many have ended, refused ones included.
    #[must_use]
    pub fn ended(&self) -> u32 {
        [
            self.completed,
            self.failed,
            self.panicked,
            self.timed_out,
            self.cancelled,
            self.rejected,
        ]
        .into_iter()
        .fold(0, u32::saturating_add)
    }

    /// How many were let in and have neither run nor ended.
    #[must_use]
    pub const fn pending(&self) -> u32 {
        self.created
            .saturating_sub(self.started)
            .saturating_sub(self.never_ran)
    }

    /// How many have begun and not ended, those that wait for another attempt included.
    #[must_use]
    pub fn running(&self) -> u32 {
        let ran = u32::try_from(self.run_time.count()).unwrap_or(u32::MAX);
        self.started.saturating_sub(ran)
    }
}

impl RunTimes {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.micros.count()
    }

    /// Their mean; `None` of nothing.
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        let nanos = self.sum.as_nanos().checked_div(u128::from(self.count()))?;
        Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    /// Between which two times the one lies that `per_million` of a million do not exceed; at most a sixteenth apart, and
    /// a microsecond. `None` of nothing. Times beyond 71 minutes count as that.
    #[must_use]
    pub fn quantile(&self, per_million: u32) -> Option<(Duration, Duration)> {
        let Bucket { low, high } = self.micros.quantile(per_million)?;
        let after = Duration::from_micros(u64::from(high)) + Duration::from_nanos(999);
        Some((Duration::from_micros(u64::from(low)), after))
    }
}

impl Default for ExecutionStats {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for StatsSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} created, {} pending, {} running, {} completed, {} failed, {} panicked, {} timed out, {} cancelled, {} rejected",
            self.created,
            self.pending(),
            self.running(),
            self.completed,
            self.failed,
            self.panicked,
            self.timed_out,
            self.cancelled,
            self.rejected
        )
    }
}
