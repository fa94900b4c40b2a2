//! Both flavours of Tokio, for the suite: one thread in virtual time, several in real time.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use sweet_async_api::conformance::{Difference, Harness};
use sweet_async_tokio::Tokio;
use tokio::runtime::{Builder, Runtime};

/// A runtime until it is shut down, and a handle to it.
#[derive(Debug)]
struct Executor {
    runtime: Mutex<Option<Arc<Runtime>>>,
    tokio: Tokio,
}

impl Executor {
    fn new(builder: &mut Builder) -> Arc<Self> {
        let runtime = builder.enable_all().build().unwrap();
        let tokio = Tokio::on(runtime.handle().clone());
        let runtime = Mutex::new(Some(Arc::new(runtime)));
        Arc::new(Self { runtime, tokio })
    }

    fn run<F: Future>(&self, future: F) -> F::Output {
        let runtime = self
            .runtime
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        match runtime {
            Some(runtime) => runtime.block_on(future),
            // Shut down: what is waited for needs an executor no more.
            None => Builder::new_current_thread().build().unwrap().block_on(future),
        }
    }

    fn shut_down(&self) {
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(runtime) = runtime.and_then(Arc::into_inner) {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.shut_down();
    }
}

/// A flavour of Tokio.
#[derive(Clone, Debug)]
pub(crate) struct OnTokio<const MANY_THREADS: bool>(Arc<Executor>);

pub(crate) type CurrentThread = OnTokio<false>;
pub(crate) type MultiThread = OnTokio<true>;

impl<const MANY_THREADS: bool> Harness for OnTokio<MANY_THREADS> {
    type Runtime = Tokio;

    const NAME: &'static str = if MANY_THREADS {
        "Tokio, many threads"
    } else {
        "Tokio, one thread"
    };
    const DIFFERENCES: &'static [Difference] = if MANY_THREADS {
        &[
            Difference::RealTime,
            Difference::NoBlockOn,
            Difference::ForeignThreads,
        ]
    } else {
        &[
            Difference::OneThread,
            Difference::NoBlockOn,
            Difference::ForeignThreads,
            Difference::ClosuresHoldTime,
        ]
    };

    fn start(threads: usize) -> Self {
        Self(if MANY_THREADS {
            Executor::new(Builder::new_multi_thread().worker_threads(threads))
        } else {
            Executor::new(Builder::new_current_thread().start_paused(true))
        })
    }

    fn runtime(&self) -> Tokio {
        self.0.tokio.clone()
    }

    fn outside() -> Tokio {
        Tokio::current()
    }

    fn run<F: Future>(&self, future: F) -> F::Output {
        self.0.run(future)
    }

    fn shut_down(&self) {
        self.0.shut_down();
    }
}
