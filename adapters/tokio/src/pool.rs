//! Threads of one's own.

use core::fmt;
use core::future::Future;
use std::io;

use sweet_async_api::task::Name;
use sweet_async_api::{PoolBuilder, RuntimeOwner, StartThreads};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::Tokio;

/// A multi-thread runtime of Tokio's that lives as long as this: for programs that choose their adapter elsewhere. Others
/// have Tokio's own builder, with all of its settings, and [`Tokio::on`].
///
/// When it is dropped, its tasks are dropped where they wait and their handles resolve. Nobody waits for a thread that is in
/// the middle of a poll or of a closure.
pub struct Pool {
    // Taken as this is dropped.
    runtime: Option<Runtime>,
    tokio: Tokio,
}

/// Refused: this thread runs tasks, and might wait for one that only it would run. Await the future instead.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Inside;

impl Pool {
    /// Describes a pool; its settings are those of [`RuntimeBuilder`](sweet_async_api::RuntimeBuilder).
    pub const fn builder() -> PoolBuilder<Self> {
        PoolBuilder::new()
    }
}

impl StartThreads for Pool {
    const NAME: &'static str = "sweet-tokio";

    fn start(threads: u32, name: Name, stack_size: Option<usize>) -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        builder
            .enable_all()
            .thread_name(name)
            .worker_threads(usize::try_from(threads).unwrap_or(usize::MAX));
        if let Some(bytes) = stack_size {
            builder.thread_stack_size(bytes);
        }
        let runtime = builder.build()?;
        let tokio = Tokio::on(runtime.handle().clone());
        let runtime = Some(runtime);
        Ok(Self { runtime, tokio })
    }
}

impl RuntimeOwner for Pool {
    type Runtime = Tokio;
    type Inside = Inside;

    fn runtime(&self) -> Tokio {
        self.tokio.clone()
    }

    fn block_on<F: Future>(&self, future: F) -> Result<F::Output, Inside> {
        match &self.runtime {
            Some(runtime) if Handle::try_current().is_err() => Ok(runtime.block_on(future)),
            _ => Err(Inside),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pool").field(&self.tokio).finish()
    }
}

impl fmt::Display for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this thread is running tasks, and would wait for itself; await the future instead")
    }
}

impl core::error::Error for Inside {}
