//! What only Tokio has: a bound on the threads for work that blocks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use sweet_async_tokio::prelude::*;
use tokio::task::yield_now;

#[test]
fn a_closure_that_waits_for_a_thread_is_not_begun_after_a_cancellation() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        for level in [Level::Graceful, Level::Kill, Level::KillHard] {
            let (release, gate) = mpsc::channel::<()>();
            let first = AsyncTask::to::<()>().run_blocking(move || gate.recv().unwrap());
            while first.status() == State::Pending {
                yield_now().await;
            }
            let ran = Arc::new(AtomicBool::new(false));
            let second = AsyncTask::to::<()>().run_blocking({
                let ran = Arc::clone(&ran);
                move || ran.store(true, Ordering::Relaxed)
            });
            while second.status() == State::Pending {
                yield_now().await;
            }
            second.cancel(level).unwrap();
            release.send(()).unwrap();
            first.await.unwrap();
            assert!(second.await.unwrap_err().is_cancelled(), "{level}");
            let other = AsyncTask::to::<()>().run_blocking(|| ());
            other.await.unwrap();
            assert!(!ran.load(Ordering::Relaxed), "{level}");
        }
    });
}
