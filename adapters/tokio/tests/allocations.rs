//! Counts what a task allocates, beside a bare one.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use allocation_counter::measure;
use sweet_async_tokio::{AsyncTask, TaskBuilder, Tokio};

/// Allocations of one task, when a hundred run one after the other on a thread that has run as many before; and what is left
/// of them in the end.
fn of_a_task<F: Future<Output = ()>>(mut task: impl FnMut() -> F) -> std::io::Result<(u64, i64)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    let mut run = |count: usize| {
        measure(|| {
            runtime.block_on(async {
                for _ in 0..count {
                    task().await;
                }
            });
        })
    };
    run(100);
    let (none, hundred) = (run(0), run(100));
    let made = hundred.count_total - none.count_total;
    assert_eq!(made % 100, 0, "{made} allocations of a hundred tasks");
    Ok((made / 100, hundred.count_current))
}

fn named() -> TaskBuilder<Tokio, u64, Infallible> {
    AsyncTask::to::<u64>()
        .name("measured")
        .timeout(Duration::from_mins(1))
}

#[test]
fn a_task_is_one_allocation_more_than_a_bare_one() -> std::io::Result<()> {
    let bare = of_a_task(|| async {
        assert!(tokio::spawn(async { 1 }).await.is_ok());
    })?;
    let ours = of_a_task(|| async {
        assert_eq!(named().run(|| async { 1 }).await.ok(), Some(1));
    })?;
    assert_eq!(bare, (1, 0));
    assert_eq!(ours, (2, 0));
    Ok(())
}

#[test]
fn a_builder_that_was_made_before_costs_nothing_more() -> std::io::Result<()> {
    let builder = named();
    let clones = of_a_task(|| {
        let builder = builder.clone();
        async move {
            assert_eq!(builder.run(|| async { 1 }).await.ok(), Some(1));
        }
    })?;
    assert_eq!(clones, (2, 0));
    Ok(())
}
