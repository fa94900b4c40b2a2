//! Threads that run tasks.

use core::future::Future;
use std::sync::{Arc, LazyLock};
use std::{env, io, thread};

use async_channel::Sender;
use async_executor::Executor;
use sweet_async_api::task::Name;
use sweet_async_api::{PoolBuilder, Runtime, RuntimeBuilder as _, RuntimeOwner, StartError, StartThreads};

use crate::inside::{Inside, Mark};
use crate::runtime::Smol;

/// Threads that run an executor of their own, for as long as this lives.
///
/// When it is dropped, its tasks are dropped where they wait and their handles resolve: as rejected if they had not
/// begun, as cancelled if they had. Nobody waits for a thread that is in the middle of a poll, which drops its task when
/// it comes out. What is started afterwards is rejected.
#[derive(Debug)]
pub struct Pool {
    smol: Smol,
    // The threads run until it is dropped.
    _stop: Sender<()>,
}

impl Pool {
    /// Starts so many threads, at least one. They go by `sweet-smol-` and a number.
    ///
    /// # Errors
    /// [`StartError::Thread`] when the system starts no thread.
    pub fn new(threads: usize) -> Result<Self, StartError> {
        let threads = u32::try_from(threads.max(1)).unwrap_or(u32::MAX);
        Self::builder().worker_threads(threads).build()
    }

    /// Describes a pool; its settings are those of [`RuntimeBuilder`](sweet_async_api::RuntimeBuilder).
    pub const fn builder() -> PoolBuilder<Self> {
        PoolBuilder::new()
    }

    /// Where tasks are told to run: `TaskBuilder::<_, u32, _>::new(pool.runtime())`.
    #[must_use]
    pub fn runtime(&self) -> Smol {
        self.smol.clone()
    }

    /// Runs `future` on this thread until it is ready. Tasks run on the threads of the pool.
    ///
    /// # Errors
    /// [`Inside`] a task; `future` has not begun.
    pub fn block_on<F: Future>(&self, future: F) -> Result<F::Output, Inside> {
        let _mark = Mark::first()?;
        Ok(async_io::block_on(future))
    }
}

impl StartThreads for Pool {
    const NAME: &'static str = NAME;

    fn start(threads: u32, name: Name, stack_size: Option<usize>) -> io::Result<Self> {
        let executor = Arc::new(Executor::new());
        let (stop, stopped) = async_channel::bounded::<()>(1);
        let smol = Smol::on(&executor);
        for number in 0..threads {
            let (executor, stopped) = (Arc::clone(&executor), stopped.clone());
            let mut builder = thread::Builder::new().name(format!("{name}-{number}"));
            if let Some(bytes) = stack_size {
                builder = builder.stack_size(bytes);
            }
            builder.spawn(move || {
                // Nothing is ever sent. The last thread drops the executor, and with it the tasks.
                let _ = async_io::block_on(executor.run(stopped.recv()));
            })?;
        }
        Ok(Self { smol, _stop: stop })
    }
}

impl RuntimeOwner for Pool {
    type Runtime = Smol;
    type Inside = Inside;

    fn runtime(&self) -> Smol {
        Self::runtime(self)
    }

    fn block_on<F: Future>(&self, future: F) -> Result<F::Output, Inside> {
        Self::block_on(self, future)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.smol.root().close();
    }
}

/// The executor of this process; `None` if it has no thread.
#[inline]
pub(crate) fn global() -> Option<&'static Executor<'static>> {
    static EXECUTOR: Executor<'static> = Executor::new();
    static THREADS: LazyLock<usize> = LazyLock::new(|| {
        let wanted = env::var("SMOL_THREADS")
            .ok()
            .and_then(|number| number.parse().ok());
        let wanted = wanted.or_else(|| thread::available_parallelism().ok().map(usize::from));
        let started = (0..wanted.unwrap_or(1).max(1)).filter(|number| {
            let thread = thread::Builder::new().name(name(*number)).spawn(|| {
                async_io::block_on(EXECUTOR.run(core::future::pending::<()>()));
            });
            thread.is_ok()
        });
        started.count()
    });
    (*THREADS != 0).then_some(&EXECUTOR)
}

fn name(number: usize) -> String {
    format!("{NAME}-{number}")
}

const NAME: &str = "sweet-smol";
