//! A million tasks with random faults; `.ci/stress` runs them, optimized.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use harness::{CurrentThread, MultiThread};
use sweet_async_api::conformance::faults;

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
