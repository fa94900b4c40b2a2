//! A million tasks with random faults; `.ci/stress` runs them, optimized.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use std::convert::Infallible;
use std::sync::Arc;

use harness::{CurrentThread, MultiThread};
use sweet_async_api::conformance::{Harness, faults};
use sweet_async_api::hooks::Hook;
use sweet_async_api::metrics::ExecutionStats;
use sweet_async_api::{Runtime, TaskBuilder};
use sweet_async_tokio::Context;

#[test]
#[ignore = "takes its time without optimizations"]
fn a_million_tasks_on_one_thread() {
    faults::<CurrentThread>(1_000_000);
}

#[test]
#[ignore = "takes its time without optimizations"]
fn a_million_tasks_on_two_threads() {
    faults::<MultiThread>(1_000_000);
}

/// More than ten million events on two threads, each counted once.
#[test]
#[ignore = "takes its time without optimizations"]
fn ten_million_events_are_summed_up_without_loss() {
    const EACH: u32 = 850_000;
    let h = MultiThread::start(2);
    let stats = Arc::new(ExecutionStats::new());
    h.runtime()
        .root()
        .set_hook(Arc::clone(&stats) as Arc<dyn Hook>)
        .unwrap();
    h.run(async {
        let crowd: Vec<_> = (0..4)
            .map(|_| {
                let tokio = h.runtime();
                TaskBuilder::<_, (), Infallible>::new(tokio).run(|cx: Context| async move {
                    for number in 0..EACH {
                        let child = cx.child::<u32, u32>().run(move || async move {
                            if number % 4 == 0 { Err(number) } else { Ok(number) }
                        });
                        assert_eq!(child.await.is_err(), number % 4 == 0);
                    }
                })
            })
            .collect();
        for task in crowd {
            task.await.unwrap();
        }
    });
    let seen = stats.read();
    let all = 4 * EACH + 4;
    assert_eq!(
        (seen.created, seen.started, seen.ended()),
        (all, all, all),
        "{seen}"
    );
    assert_eq!((seen.failed, seen.failed_attempts), (EACH, EACH), "{seen}");
    assert_eq!(seen.run_time.count(), u64::from(all));
    assert_eq!((seen.pending(), seen.running()), (0, 0), "{seen}");
}
