//! Executors with threads of their own: how they are described, and who owns them.

use core::error::Error;
use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use std::io;
use std::thread::available_parallelism;

use crate::Runtime;
use crate::task::Name;

/// Describes an executor with threads of its own, for programs that are generic over adapters. Without any of these
/// settings there are as many threads as processors, with names and stacks as the adapter says.
///
/// # Examples
/// ```
/// use sweet_async_api::task::TaskBuilder;
/// use sweet_async_api::{RuntimeBuilder, RuntimeOwner};
///
/// fn on_two_threads<B: RuntimeBuilder>(builder: B) -> Result<u32, Box<dyn std::error::Error>> {
///     let owner = builder.worker_threads(2).thread_name("import").build()?;
///     let task = TaskBuilder::new(owner.runtime()).run(|| async { 42 });
///     Ok(owner.block_on(task)??)
/// }
/// ```
#[must_use = "a builder does nothing until `build`"]
pub trait RuntimeBuilder: Sized {
    /// What owns the threads.
    type Owner: RuntimeOwner;
    /// Why there is none.
    type Error: Error + Send + Sync + 'static;

    /// So many threads run tasks. Those for closures that block are not among them.
    #[must_use]
    fn worker_threads(self, threads: u32) -> Self;

    /// What the names of the threads begin with.
    #[must_use]
    fn thread_name(self, prefix: impl Into<Name>) -> Self;

    /// The stack of each thread, in bytes.
    #[must_use]
    fn thread_stack_size(self, bytes: usize) -> Self;

    /// Starts the threads.
    ///
    /// # Errors
    /// When the settings make no sense, or the system starts no thread.
    fn build(self) -> Result<Self::Owner, Self::Error>;
}

/// Owns the threads of an executor. What becomes of its tasks when it is dropped is the adapter's to say; all of them
/// resolve.
pub trait RuntimeOwner: Send + Sync + 'static {
    /// The executor, as tasks are given it.
    type Runtime: Runtime;
    /// Refused: this thread runs tasks, and might wait for one that only it would run.
    type Inside: Error + Send + Sync + 'static;

    /// The executor, to be passed around. It keeps nothing running.
    fn runtime(&self) -> Self::Runtime;

    /// Runs `future` on this thread until it is ready. Tasks run on the executor's threads.
    ///
    /// # Errors
    /// Inside a task; `future` has not begun.
    fn block_on<F: Future>(&self, future: F) -> Result<F::Output, Self::Inside>;
}

/// Describes the threads of an owner that has no other settings.
#[must_use = "a builder does nothing until `build`"]
pub struct PoolBuilder<O> {
    threads: Option<u32>,
    name: Name,
    stack_size: Option<usize>,
    owner: PhantomData<fn() -> O>,
}

/// What an adapter implements to be built by a [`PoolBuilder`].
pub trait StartThreads: RuntimeOwner + Sized {
    /// What the names of the threads begin with if nothing else was said.
    const NAME: &'static str;

    /// Starts so many threads, at least one, by names that begin like this.
    ///
    /// # Errors
    /// When the system starts no thread.
    fn start(threads: u32, name: Name, stack_size: Option<usize>) -> io::Result<Self>;
}

impl<O: StartThreads> PoolBuilder<O> {
    /// Without settings: as many threads as processors.
    pub const fn new() -> Self {
        Self {
            threads: None,
            name: Name::Borrowed(O::NAME),
            stack_size: None,
            owner: PhantomData,
        }
    }
}

impl<O: StartThreads> RuntimeBuilder for PoolBuilder<O> {
    type Owner = O;
    type Error = StartError;

    fn worker_threads(mut self, threads: u32) -> Self {
        self.threads = Some(threads);
        self
    }

    fn thread_name(mut self, prefix: impl Into<Name>) -> Self {
        self.name = prefix.into();
        self
    }

    fn thread_stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    fn build(self) -> Result<O, StartError> {
        let threads = self.threads.unwrap_or_else(|| {
            let processors = available_parallelism().map_or(1, usize::from);
            u32::try_from(processors).unwrap_or(u32::MAX)
        });
        if threads == 0 {
            return Err(StartError::ZeroThreads);
        }
        if self.name.contains('\0') {
            return Err(StartError::ZeroInName);
        }
        O::start(threads, self.name, self.stack_size).map_err(StartError::Thread)
    }
}

impl<O: StartThreads> Default for PoolBuilder<O> {
    fn default() -> Self {
        Self::new()
    }
}

impl<O> Clone for PoolBuilder<O> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            ..*self
        }
    }
}

impl<O> fmt::Debug for PoolBuilder<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolBuilder")
            .field("threads", &self.threads)
            .field("name", &self.name)
            .field("stack_size", &self.stack_size)
            .finish_non_exhaustive()
    }
}

/// Why threads were not started.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// No thread at all would run no task.
    ZeroThreads,
    /// The system takes no zero byte in a thread's name.
    ZeroInName,
    /// The system did not start a thread.
    Thread(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ZeroThreads => "no thread at all would run no task; ask for one or more",
            Self::ZeroInName => "the system takes no zero byte in a thread's name; leave it out",
            Self::Thread(_) => "the system did not start a thread",
        })
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Thread(error) => Some(error),
            Self::ZeroThreads | Self::ZeroInName => None,
        }
    }
}
