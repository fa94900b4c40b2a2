//! A pool on the executor of smol, for the suite.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use sweet_async_api::conformance::{Difference, Harness};
use sweet_async_smol::{Pool, Smol};

/// A pool until it is shut down.
#[derive(Clone, Debug)]
pub(crate) struct Pooled {
    pool: Arc<Mutex<Option<Pool>>>,
    smol: Smol,
}

impl Harness for Pooled {
    type Runtime = Smol;

    const NAME: &'static str = "smol";
    const DIFFERENCES: &'static [Difference] = &[Difference::RealTime, Difference::AlwaysRunning];
    const THREADS: &'static str = "sweet-smol-";

    fn start(threads: usize) -> Self {
        let pool = Pool::new(threads).unwrap();
        let smol = pool.runtime();
        let pool = Arc::new(Mutex::new(Some(pool)));
        Self { pool, smol }
    }

    fn runtime(&self) -> Smol {
        self.smol.clone()
    }

    fn outside() -> Smol {
        Smol::default()
    }

    fn run<F: Future>(&self, future: F) -> F::Output {
        sweet_async_smol::block_on(future).unwrap()
    }

    fn shut_down(&self) {
        drop(self.pool.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn is_block_on_refused(&self) -> bool {
        sweet_async_smol::block_on(async {}).is_err()
    }
}
