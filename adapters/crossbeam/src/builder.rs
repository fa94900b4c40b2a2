//! How a pool is described.

use alloc::borrow::Cow;
use core::error::Error;
use core::fmt;
use core::ops::RangeInclusive;
use core::time::Duration;
use std::io;
use std::thread::available_parallelism;

use sweet_async_api::RuntimeBuilder;
use sweet_async_api::task::Name;
use sweet_async_core::priority::Patience;
use sweet_async_core::scaler::{Scale, ScaleError};

use crate::ThreadPool;
use crate::pool::Shared;

/// Describes a [`ThreadPool`]. Contradictions are errors of [`build`](Self::build).
///
/// ```
/// use sweet_async_crossbeam::{BuildError, ThreadPool};
///
/// let pool = ThreadPool::builder().workers(1..=4).stack_size(256 * 1024).name("import").build()?;
/// assert_eq!(pool.stats().workers, 1);
/// assert!(matches!(ThreadPool::builder().workers(4..=1).build(), Err(BuildError::Workers(_))));
/// # Ok::<(), BuildError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    workers: Option<RangeInclusive<u32>>,
    blocking: u32,
    keep_idle: Duration,
    stack_size: Option<usize>,
    capacity: usize,
    prefix: Cow<'static, str>,
    cool_down: Duration,
    patience: Patience,
    show_names: bool,
}

/// Why a pool was not built.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// No worker at all, more at least than at most, or more than can be counted; or a cool-down too long to be counted.
    Workers(ScaleError),
    /// No thread for closures that block, or more than can be counted.
    BlockingThreads(ScaleError),
    /// A queue without room takes no task.
    ZeroCapacity,
    /// No thread runs on a stack this small.
    StackTooSmall {
        /// The least that is taken.
        least: usize,
    },
    /// The system takes no zero byte in a thread's name.
    ZeroInName,
    /// The system did not start a thread.
    Thread(io::Error),
}

impl Builder {
    pub(crate) const fn new() -> Self {
        Self {
            workers: None,
            blocking: 512,
            keep_idle: Duration::from_secs(10),
            stack_size: None,
            capacity: 1 << 20,
            prefix: Cow::Borrowed("sweet"),
            cool_down: Duration::from_millis(100),
            patience: Patience::of::<16>(),
            show_names: false,
        }
    }

    /// At least and at most so many workers. Without this, as many as there are processors, always.
    ///
    /// The number follows the load, one worker for each task that runs or waits to run, and falls when fewer than half are
    /// needed.
    pub const fn workers(mut self, workers: RangeInclusive<u32>) -> Self {
        self.workers = Some(workers);
        self
    }

    /// How soon the number of workers changes after a change; 100 milliseconds without this.
    pub const fn cool_down(mut self, cool_down: Duration) -> Self {
        self.cool_down = cool_down;
        self
    }

    /// At most so many threads for closures that block (`run_blocking`); 512 without this. There are as many as are needed.
    pub const fn blocking_threads(mut self, most: u32) -> Self {
        self.blocking = most;
        self
    }

    /// How long a thread for closures stays without one before it may leave; 10 seconds without this.
    pub const fn keep_blocking_threads(mut self, idle: Duration) -> Self {
        self.keep_idle = idle;
        self
    }

    /// The stack of each worker and of each thread for closures, in bytes. Without this, what Rust gives a thread.
    pub const fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// So many tasks of each class may wait to begin; a million without this. Further ones are rejected. Several threads
    /// that spawn at the same time may exceed it by one each.
    pub const fn queue_capacity(mut self, tasks: usize) -> Self {
        self.capacity = tasks;
        self
    }

    /// What the names of all threads begin with; "sweet" without this.
    pub fn name(mut self, prefix: impl Into<Cow<'static, str>>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How often a class may be passed over for more urgent ones before it is its turn: by each worker at most 4 times
    /// more than that. 16 without this.
    pub const fn patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// Names each thread after the task it is running, in the system's own tables: `top -H`, `/proc/self/task/*/comm`.
    ///
    /// On Linux; elsewhere nothing happens. It costs two writes to a file of the system for each time a task is polled.
    pub const fn show_task_names(mut self) -> Self {
        self.show_names = true;
        self
    }

    /// Starts the threads.
    pub fn build(self) -> Result<ThreadPool, BuildError> {
        let settings = self.check()?;
        Shared::start(settings)
            .map(ThreadPool::new_on)
            .map_err(BuildError::Thread)
    }

    fn check(self) -> Result<Settings, BuildError> {
        let workers = self.workers.unwrap_or_else(|| {
            let processors = available_parallelism().map_or(1, usize::from);
            let processors = u32::try_from(processors).unwrap_or(Scale::MAX).min(Scale::MAX);
            processors..=processors
        });
        let (least, most) = (*workers.start(), *workers.end());
        if least == 0 {
            return Err(BuildError::Workers(ScaleError::Bounds));
        }
        let cool_down = u32::try_from(self.cool_down.as_millis()).unwrap_or(u32::MAX);
        // A thread is full at one job; see `Crew::observe`.
        let worker_scale = Scale::new(least, most)
            .and_then(|scale| scale.load(1, 2))
            .and_then(|scale| scale.cool_down(cool_down))
            .map_err(BuildError::Workers)?;
        let blocking_scale = Scale::new(0, self.blocking)
            .and_then(|scale| scale.load(1, 2))
            .map_err(BuildError::BlockingThreads)?;
        if self.capacity == 0 {
            return Err(BuildError::ZeroCapacity);
        }
        if self.stack_size.is_some_and(|bytes| bytes < LEAST_STACK) {
            return Err(BuildError::StackTooSmall { least: LEAST_STACK });
        }
        if self.prefix.contains('\0') {
            return Err(BuildError::ZeroInName);
        }
        Ok(Settings {
            workers: (least, most),
            worker_scale,
            blocking_scale,
            keep_idle: self.keep_idle,
            cool_down: self.cool_down,
            stack_size: self.stack_size,
            capacity: self.capacity,
            prefix: self.prefix,
            patience: self.patience,
            show_names: self.show_names,
        })
    }
}

impl RuntimeBuilder for Builder {
    type Owner = ThreadPool;
    type Error = BuildError;

    fn worker_threads(self, threads: u32) -> Self {
        self.workers(threads..=threads)
    }

    fn thread_name(self, prefix: impl Into<Name>) -> Self {
        self.name(prefix)
    }

    fn thread_stack_size(self, bytes: usize) -> Self {
        self.stack_size(bytes)
    }

    fn build(self) -> Result<ThreadPool, BuildError> {
        Self::build(self)
    }
}

/// What was asked for, and makes sense.
pub(crate) struct Settings {
    /// At least, at most.
    pub(crate) workers: (u32, u32),
    pub(crate) worker_scale: Scale,
    pub(crate) blocking_scale: Scale,
    pub(crate) keep_idle: Duration,
    pub(crate) cool_down: Duration,
    pub(crate) stack_size: Option<usize>,
    pub(crate) capacity: usize,
    pub(crate) prefix: Cow<'static, str>,
    pub(crate) patience: Patience,
    pub(crate) show_names: bool,
}

impl Settings {
    /// Whether the number of workers changes.
    #[inline]
    pub(crate) const fn is_elastic(&self) -> bool {
        self.workers.0 != self.workers.1
    }
}

/// Less than this does not hold what a worker itself needs.
const LEAST_STACK: usize = 16 * 1024;

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workers(error) => write!(f, "workers: {error}"),
            Self::BlockingThreads(error) => write!(f, "threads for closures: {error}"),
            Self::ZeroCapacity => f.write_str("a queue without room takes no task; choose at least 1"),
            Self::StackTooSmall { least } => {
                write!(f, "the stack is too small; choose at least {least} bytes")
            }
            Self::ZeroInName => f.write_str("a thread's name holds no zero byte"),
            Self::Thread(error) => write!(f, "a thread could not be started: {error}"),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Workers(error) | Self::BlockingThreads(error) => Some(error),
            Self::Thread(error) => Some(error),
            _ => None,
        }
    }
}
