//! What was measured of tasks, against what others measure: `tokio-metrics`, and the system.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use sweet_async_tokio::metrics::CpuUsage;
use sweet_async_tokio::prelude::*;
use tokio::task::yield_now;
use tokio_metrics::TaskMonitor;

fn run<F: Future>(future: F) -> F::Output {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap().block_on(future)
}

/// A future of a few polls, with timers and wake-ups in between.
async fn work() {
    for millis in [0, 1, 2] {
        yield_now().await;
        tokio::time::sleep(Duration::from_millis(millis)).await;
        tokio::spawn(async {}).await.unwrap();
    }
}

#[test]
fn polls_are_as_many_as_tokio_metrics_counts() {
    run(async {
        tokio::time::pause();
        let monitor = TaskMonitor::new();
        tokio::spawn(monitor.instrument(work())).await.unwrap();
        let theirs = monitor.cumulative();
        let task = AsyncTask::to::<()>().metered().run(work);
        let seen = task.task_ref();
        task.await.unwrap();
        let ours = seen.metrics();
        assert_eq!(ours.polls, Measured::Value(theirs.total_poll_count));
        // The clock stands still but for the timers, so what was waited for is the timers, in both.
        assert!(ours.idle.value() >= Some(Duration::from_millis(3)), "{ours:?}");
        assert_eq!(theirs.total_scheduled_count + 1, theirs.total_poll_count);
    });
}

fn burn(time: Duration) {
    let used = || CpuUsage::of_this_thread().value().map(|usage| usage.total);
    let end = used().map(|used| used + time);
    let mut number = 1_u64;
    while used() < end {
        for _ in 0..1_000 {
            number = std::hint::black_box(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        }
    }
}

/// One thread polls all tasks: what they used is what it used, but for what the executor takes.
#[cfg(target_os = "linux")]
#[test]
fn what_tasks_used_of_the_processor_adds_up_to_what_their_thread_used() {
    run(async {
        let before = CpuUsage::of_this_thread().value().unwrap();
        let tasks: Vec<_> = (1..=6)
            .map(|number| {
                let metrics = Metrics::time().cpu_user_and_system();
                AsyncTask::to::<()>().metrics(metrics).run(move || async move {
                    for _ in 0..10 {
                        burn(Duration::from_millis(number));
                        yield_now().await;
                    }
                })
            })
            .collect();
        let seen: Vec<_> = tasks.iter().map(Task::task_ref).collect();
        for task in tasks {
            task.await.unwrap();
        }
        let after = CpuUsage::of_this_thread().value().unwrap();
        let used: Vec<_> = seen
            .iter()
            .map(|task| task.metrics().cpu.value().unwrap())
            .collect();
        for (used, number) in used.iter().zip(1..) {
            assert!(used.total >= Duration::from_millis(10 * number), "{used:?}");
        }
        let split = |usage: &CpuUsage| usage.user.value().unwrap() + usage.system.value().unwrap();
        // By `getrusage`, and by the clock of the thread.
        for (tasks, thread) in [
            (
                used.iter().map(split).sum::<Duration>(),
                split(&after).saturating_sub(split(&before)),
            ),
            (
                used.iter().map(|usage| usage.total).sum(),
                after.total.saturating_sub(before.total),
            ),
        ] {
            let apart = tasks.abs_diff(thread);
            assert!(
                apart < thread / 20,
                "the tasks used {tasks:?}, their thread {thread:?}"
            );
        }
    });
}
