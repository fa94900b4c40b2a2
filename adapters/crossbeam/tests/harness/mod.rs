//! A pool as the suite of the api knows it.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sweet_async_api::conformance::{Difference, Harness};
use sweet_async_crossbeam::{ThreadPool, Threads, Wait};

/// A pool until it is shut down, and a handle to it. Where it is elastic, workers come and go.
#[derive(Clone, Debug)]
pub(crate) struct OnThreads<const ELASTIC: bool = false> {
    pool: Arc<Mutex<Option<ThreadPool>>>,
    threads: Threads,
}

impl<const ELASTIC: bool> Harness for OnThreads<ELASTIC> {
    type Runtime = Threads;

    const NAME: &'static str = "threads";
    const DIFFERENCES: &'static [Difference] = &[Difference::RealTime, Difference::ListsTasks];
    const THREADS: &'static str = "suite";

    fn start(threads: usize) -> Self {
        let threads = u32::try_from(threads).unwrap();
        let pool = ThreadPool::builder()
            .workers(if ELASTIC { 1 } else { threads }..=threads)
            .cool_down(Duration::from_millis(5))
            .name(Self::THREADS)
            .build()
            .unwrap();
        Self {
            threads: pool.handle(),
            pool: Arc::new(Mutex::new(Some(pool))),
        }
    }

    fn runtime(&self) -> Threads {
        self.threads.clone()
    }

    fn outside() -> Threads {
        Threads::default()
    }

    fn run<F: Future>(&self, future: F) -> F::Output {
        future.wait().unwrap()
    }

    fn shut_down(&self) {
        let pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(pool) = pool {
            let _ = pool.shutdown(Duration::ZERO, Duration::ZERO);
        }
    }

    fn is_block_on_refused(&self) -> bool {
        // The pool is not to be waited for while somebody waits for it.
        let pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.as_ref().unwrap().block_on(async {}).is_err()
    }
}
