//! A million tasks with random faults; `.ci/stress` runs them, optimized.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use harness::OnThreads;
use sweet_async_api::conformance::faults;

#[test]
#[ignore = "takes its time without optimizations"]
fn a_million_tasks_on_workers_that_come_and_go() {
    faults::<OnThreads<true>>(1_000_000);
}
