//! What was asked for, and what came out.

use core::fmt;
use core::time::Duration;

use super::cpu::{CpuUsage, Reading};
use super::io::IoUsage;
use super::memory::MemoryUsage;

/// A figure, or that nobody measured it.
///
/// # Examples
/// ```
/// use sweet_async_api::metrics::Measured;
///
/// let polls = Measured::Value(3_u64);
/// assert_eq!(polls.value(), Some(3));
/// assert_eq!(Measured::<u64>::NotInstrumented.value(), None);
/// assert_eq!(polls.map(|polls| polls * 2), Measured::Value(6));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a figure was measured or it was not")]
pub enum Measured<T> {
    /// What was measured, which may be zero.
    Value(T),
    /// Nobody measured it: it was not asked for, or it cannot be measured here.
    #[default]
    NotInstrumented,
}

impl<T> Measured<T> {
    /// The figure, if it was measured.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::NotInstrumented => None,
        }
    }

    /// Whether it was measured.
    pub const fn is_measured(&self) -> bool {
        matches!(self, Self::Value(_))
    }

    /// What `f` makes of a figure that was measured.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Measured<U> {
        match self {
            Self::Value(value) => Measured::Value(f(value)),
            Self::NotInstrumented => Measured::NotInstrumented,
        }
    }
}

impl<T> From<Option<T>> for Measured<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::NotInstrumented, Self::Value)
    }
}

impl<T> From<Measured<T>> for Option<T> {
    fn from(measured: Measured<T>) -> Self {
        measured.value()
    }
}

/// `not instrumented`, or the figure.
impl<T: fmt::Display> fmt::Display for Measured<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => value.fmt(f),
            Self::NotInstrumented => f.pad("not instrumented"),
        }
    }
}

/// What to measure of a task, for [`TaskBuilder::metrics`](crate::TaskBuilder::metrics).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "tell a builder: `.metrics(..)`"]
pub struct Metrics {
    pub(crate) children: bool,
    pub(crate) cpu: Option<Reading>,
    pub(crate) memory: bool,
}

impl Metrics {
    /// Polls, and where the time between creation and end went.
    pub const fn time() -> Self {
        Self {
            children: false,
            cpu: None,
            memory: false,
        }
    }

    /// Also the time that a processor worked for the task. Two system calls a poll.
    pub const fn cpu(mut self) -> Self {
        self.cpu = Some(Reading::Total);
        self
    }

    /// The same, and how much of it was in the program and how much in the system. Four system calls a poll.
    ///
    /// How exactly the two are told apart is the system's affair; Linux may go by which of the two each tick of its timer
    /// met, so that short polls are told apart in the sum over many.
    pub const fn cpu_user_and_system(mut self) -> Self {
        self.cpu = Some(Reading::Split);
        self
    }

    /// Also the memory that the task allocates and frees, if the process has an allocator that says so; see
    /// [`install_memory_source`](super::install_memory_source).
    pub const fn memory(mut self) -> Self {
        self.memory = true;
        self
    }

    /// Also the children of the task, and theirs. One that asks for metrics itself gets what it asks for.
    pub const fn and_children(mut self) -> Self {
        self.children = true;
        self
    }
}

/// What is known of the cost of a task; [`TaskRecord::metrics`](crate::task::TaskRecord::metrics).
///
/// Times of a task that has not ended reach up to the end of its last poll.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct TaskMetrics {
    /// From creation to the first poll; `None` for a task that has not started. Known of every task.
    pub queued: Option<Duration>,
    /// How many attempts have begun. Known of every task.
    pub attempts: u16,
    /// How often the executor ran the task.
    pub polls: Measured<u64>,
    /// The time that was spent inside those polls.
    pub busy: Measured<Duration>,
    /// The longest of them.
    pub longest_poll: Measured<Duration>,
    /// The time in which the task waited to be woken.
    pub idle: Measured<Duration>,
    /// The time that the task, woken, waited for the executor to run it.
    pub delayed: Measured<Duration>,
    /// The longest wait for the executor.
    pub longest_delay: Measured<Duration>,
    /// The time that a blocking closure of the task ran on its thread, up to its return.
    pub in_closure: Measured<Duration>,
    /// The time that a processor worked for the task, in its polls and in its blocking closure up to its return.
    pub cpu: Measured<CpuUsage>,
    /// What it allocated and freed, if the allocator says so; see [`MemoryUsage`].
    pub memory: Measured<MemoryUsage>,
    /// What it read and wrote, if it has readers or writers that count; see [`MeteredIo`](super::MeteredIo).
    pub io: Measured<IoUsage>,
}

impl TaskMetrics {
    /// The mean length of a poll; `NotInstrumented` as well while there was none.
    #[must_use]
    pub fn mean_poll(&self) -> Measured<Duration> {
        mean(self.busy, self.polls)
    }

    /// The share of its busy time, polls and closure, in which a processor worked for the task. Far below 1, its polls
    /// block, or its threads wait for a processor.
    #[must_use]
    pub fn utilisation(&self) -> Measured<f64> {
        match (self.cpu, self.busy, self.in_closure) {
            (Measured::Value(cpu), Measured::Value(busy), Measured::Value(in_closure))
                if !(busy + in_closure).is_zero() =>
            {
                Measured::Value(cpu.total.div_duration_f64(busy + in_closure))
            }
            _ => Measured::NotInstrumented,
        }
    }
}

/// One line of what was measured; what was not is left out.
impl fmt::Display for TaskMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} attempts", self.attempts)?;
        if let Some(queued) = self.queued {
            write!(f, ", queued {queued:.1?}")?;
        }
        if let Measured::Value(polls) = self.polls {
            write!(f, ", {polls} polls")?;
        }
        let times = [
            ("busy", self.busy),
            ("longest poll", self.longest_poll),
            ("idle", self.idle),
            ("delayed", self.delayed),
            ("longest delay", self.longest_delay),
            ("in closure", self.in_closure),
            ("cpu", self.cpu.map(|cpu| cpu.total)),
        ];
        for (what, time) in times {
            if let Measured::Value(time) = time {
                write!(f, ", {what} {time:.1?}")?;
            }
        }
        if let Measured::Value(memory) = self.memory {
            write!(f, ", {memory}")?;
        }
        if let Measured::Value(io) = self.io {
            write!(f, ", read {} bytes, wrote {}", io.read.bytes, io.written.bytes)?;
        }
        Ok(())
    }
}

/// `sum / count` without loss, for counts beyond what a [`Duration`] can be divided by.
pub(super) fn mean(sum: Measured<Duration>, count: Measured<u64>) -> Measured<Duration> {
    let (Measured::Value(sum), Measured::Value(count)) = (sum, count) else {
        return Measured::NotInstrumented;
    };
    let nanos = sum.as_nanos().checked_div(u128::from(count));
    nanos
        .map(|nanos| Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
        .into()
}
