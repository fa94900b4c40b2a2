//! What a program that runs for long holds in memory; `.ci/stress` runs it at full size, optimized.
//!
//! A day at a thousand events a second is 86 million. Resident memory is read after the first tenth, when everything that
//! is kept for later has been made, and again at the end.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;

use sweet_async_tokio::Context;
use sweet_async_tokio::prelude::*;
use tokio::runtime::Builder;

const MIB: u64 = 1024 * 1024;

#[test]
fn a_long_run_holds_no_more_at_its_end_than_at_its_beginning() {
    runs_for_long(1_000_000, 50_000);
}

#[test]
#[ignore = "takes its time without optimizations"]
fn a_day_of_events_holds_no_more_at_its_end_than_at_its_beginning() {
    runs_for_long(100_000_000, 5_000_000);
}

fn runs_for_long(events: u64, children: u32) {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let before = after_a_pipeline(events / 10).await;
        let grown = after_a_pipeline(events).await.saturating_sub(before);
        assert!(grown < 4 * MIB, "{grown} bytes more after {events} events");

        // One task that lives on while its children come and go.
        let parent = AsyncTask::to::<u64>()
            .name("long-lived")
            .run(move |cx: Context| async move {
                let before = after_children(&cx, children / 10).await;
                after_children(&cx, children).await.saturating_sub(before)
            });
        let grown = parent.await.unwrap();
        assert!(grown < 4 * MIB, "{grown} bytes more after {children} children");
    });
}

async fn after_a_pipeline(events: u64) -> u64 {
    let sum = AsyncTask::emits::<u64>()
        .collect_with(|| Fold::new(0, |sum: &mut u64, event: u64| *sum += event, |a, b| a + b))
        .sender(|source| source.of(0..events).into_chunks(1_000.rows()))
        .receiver(ReceiverStrategy::parallel(2), |event, sum| sum.add(event))
        .await_final_event(|last| last.into_collected().into_value())
        .await
        .unwrap();
    assert_eq!(sum, events * (events - 1) / 2);
    resident()
}

/// Children that complete, fail at first, fail for good, are stopped with a callback, and are left to themselves.
async fn after_children(cx: &Context, children: u32) -> u64 {
    for number in 0..children {
        let child = cx.child::<u32, &str>();
        match number % 64 {
            0 => {
                let mut attempts = 0;
                let flaky = child.retry(Retry::immediate()).run(move || {
                    attempts += 1;
                    let result = if attempts == 2 { Ok(number) } else { Err("not yet") };
                    async move { result }
                });
                assert_eq!(flaky.await.unwrap(), number);
            }
            1 => assert!(child.run(|| Err("never")).await.is_err()),
            2 => {
                let stopped = child.run(|cx: Context| async move {
                    cx.cancelled().await;
                    Err("told to stop")
                });
                let _ = stopped.on_cancel(|_| async {});
                let _ = stopped.stop(Level::Graceful).await;
            }
            3 => child.run(move || Ok(number)).detach(),
            _ => assert_eq!(child.run(move || Ok(number)).await.unwrap(), number),
        }
    }
    cx.children_ended().await;
    resident()
}

/// What the process holds resident now, in bytes.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kib: u64 = line.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    kib * 1024
}
