//! What a program exports of its tasks, through a recorder for Prometheus and a parser of its text: a process of its own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::HashMap;
use std::future::pending;

use metrics_exporter_prometheus::PrometheusBuilder;
use prometheus_parse::{Scrape, Value};
use sweet_async_tokio::metrics::{ExecutionStats, Export};
use sweet_async_tokio::prelude::*;

/// The figures that have one value.
fn scrape(text: &str) -> HashMap<String, f64> {
    let scrape = Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).unwrap();
    let figures = scrape
        .samples
        .into_iter()
        .filter_map(|sample| match sample.value {
            Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value) => {
                Some((sample.metric, value))
            }
            _ => None,
        });
    figures.collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_exported_is_what_was_summed_up() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let prometheus = recorder.handle();
    metrics::set_global_recorder(recorder).unwrap();
    let stats = std::sync::Arc::new(ExecutionStats::new());
    let top = AsyncTask::to::<()>()
        .hook(Export::new())
        .hook(std::sync::Arc::clone(&stats));
    let run = top.run(|cx: Context| async move {
        for number in 0..6_u32 {
            let child = cx
                .child::<(), u32>()
                .run(move || async move { if number < 2 { Err(number) } else { Ok(()) } });
            assert_eq!(child.await.is_err(), number < 2);
            let late = cx
                .child::<(), u32>()
                .timeout(2.seconds())
                .run(pending::<Result<(), u32>>);
            assert!(late.await.is_err());
        }
        let killed = cx.child::<(), u32>().run(pending::<Result<(), u32>>);
        while killed.status() == State::Pending {
            tokio::task::yield_now().await;
        }
        killed.cancel(Level::Kill).unwrap();
        assert!(killed.await.is_err());
    });
    run.await.unwrap();

    let text = prometheus.render();
    let figures = scrape(&text);
    let sums = stats.read();
    for (name, sum) in [
        ("tasks_scheduled", sums.created),
        ("tasks_completed", sums.completed),
        ("tasks_failed", sums.failed),
        ("tasks_timed_out", sums.timed_out),
        ("tasks_cancelled", sums.cancelled),
        ("task_attempts_failed", sums.failed_attempts),
        ("tasks_running", sums.running()),
        ("task_duration_count", sums.started),
    ] {
        assert_eq!(figures.get(name), Some(&f64::from(sum)), "{name} in\n{text}");
    }
    assert_eq!(
        (
            sums.created,
            sums.completed,
            sums.failed,
            sums.timed_out,
            sums.cancelled
        ),
        (14, 5, 2, 6, 1)
    );
    // Six children of two seconds, and the top, which waited for them.
    let seconds = figures.get("task_duration_sum").unwrap();
    assert!(
        (seconds - sums.run_time.sum.as_secs_f64()).abs() < 1e-6 && *seconds >= 24.0,
        "{text}"
    );
}
