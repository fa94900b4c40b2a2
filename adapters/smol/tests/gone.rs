//! An executor that goes away while another thread wakes its tasks.

use std::sync::{Arc, Barrier};
use std::thread;

use async_executor::Executor;
use sweet_async_api::{Runtime as _, TaskBuilder};
use sweet_async_smol::Smol;

/// A wake may have set its mark in the task and not have put it into the queue yet when the executor empties that: nobody
/// would ever take the task out again.
#[test]
fn a_wake_that_meets_the_end_of_the_executor_loses_no_task() {
    for _ in 0..ROUNDS {
        let executor = Arc::new(Executor::new());
        let smol = Smol::on(&executor);
        let (wake, woken) = async_channel::bounded::<()>(1);
        let task = TaskBuilder::<_, bool, core::convert::Infallible>::new(smol.clone())
            .run(move || async move { woken.recv().await.is_ok() });
        while executor.try_tick() {}
        assert!(task.started_at().is_some());
        let together = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                together.wait();
                let _ = wake.try_send(());
            });
            together.wait();
            drop(executor);
        });
        // Whoever held the executor last is dropping it.
        while smol.root().live() != 0 {
            thread::yield_now();
        }
        let error = sweet_async_smol::block_on(task).unwrap().unwrap_err();
        assert!(error.is_cancelled(), "{error}");
    }
}

const ROUNDS: u32 = 20_000;
