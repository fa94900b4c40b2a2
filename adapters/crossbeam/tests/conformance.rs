//! The suite of the api on threads, in real time.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sweet_async_api::conformance::{Difference, Harness};
use sweet_async_crossbeam::{ThreadPool, Threads, Wait};

/// A pool until it is shut down, and a handle to it.
#[derive(Clone, Debug)]
struct OnThreads {
    pool: Arc<Mutex<Option<ThreadPool>>>,
    threads: Threads,
}

impl Harness for OnThreads {
    type Runtime = Threads;

    const NAME: &'static str = "threads";
    const DIFFERENCES: &'static [Difference] = &[Difference::RealTime];
    const THREADS: &'static str = "suite";

    fn start(threads: usize) -> Self {
        let threads = u32::try_from(threads).unwrap();
        let pool = ThreadPool::builder()
            .workers(threads..=threads)
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

sweet_async_api::conformance!(threads: OnThreads);
