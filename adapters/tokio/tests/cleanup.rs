//! What a task holds is given back at every level, and what is dropped half-way loses nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::fs::{self, File};
use std::future::{Future, pending};
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::task::{self, Poll};
use std::time::Duration;

use common::Numbers;
use sweet_async_api::{Runtime, TaskBuilder};
use sweet_async_tokio::prelude::*;
use sweet_async_tokio::task::Rejection;
use sweet_async_tokio::units::DurationUnits;
use tokio::sync::Semaphore;
use tokio::task::yield_now;

/// A file that is removed as it is dropped.
struct Scratch {
    path: PathBuf,
    _open: File,
}

impl Scratch {
    fn new(folder: &Path, number: u64) -> Self {
        let path = folder.join(number.to_string());
        let open = File::create(&path).unwrap();
        Self { path, _open: open }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_file(&self.path).unwrap();
    }
}

/// How many descriptors of this process point into `folder`.
fn open_files(folder: &Path) -> usize {
    let descriptors = fs::read_dir("/proc/self/fd").unwrap();
    let targets = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets.filter(|target| target.starts_with(folder)).count()
}

#[test]
fn files_and_permits_are_back_after_10_000_cancellations_at_each_level() {
    const TASKS: u64 = 10_000;
    const PERMITS: usize = 64;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let folder = std::env::temp_dir().join(format!("sweet-async-cleanup-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let tokio = Tokio::on(runtime.handle().clone());
    let permits = Arc::new(Semaphore::new(PERMITS));
    let seen_open = AtomicUsize::new(0);
    for level in [Level::Graceful, Level::Kill, Level::KillHard] {
        runtime.block_on(async {
            let mut numbers = Numbers::new(7);
            for start in (0..TASKS).step_by(100) {
                let tasks: Vec<_> = (start..start + 100)
                    .map(|number| {
                        let (permits, folder) = (Arc::clone(&permits), folder.clone());
                        TaskBuilder::<_, (), _>::new(tokio.clone()).run(move |cx: Context| async move {
                            let _permit = permits.acquire_owned().await.unwrap();
                            let _scratch = Scratch::new(&folder, number);
                            cx.cancelled().await;
                        })
                    })
                    .collect();
                for (place, task) in tasks.iter().enumerate() {
                    if start == 0 && place == 50 {
                        while open_files(&folder) == 0 {
                            yield_now().await;
                        }
                        seen_open.store(open_files(&folder), Ordering::Relaxed);
                    }
                    if numbers.below(4) != 0 {
                        yield_now().await;
                    }
                    // Waiting for a permit, holding one, or not started.
                    task.cancel(level).unwrap();
                }
                for task in tasks {
                    let ended = task.await;
                    assert!(ended.is_err() || level == Level::Graceful);
                }
            }
            while tokio.root().live() != 0 {
                yield_now().await;
            }
        });
        assert_eq!(permits.available_permits(), PERMITS, "{level}");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "{level}");
        assert_eq!(open_files(&folder), 0, "{level}");
        // The counting itself counts.
        assert!(seen_open.load(Ordering::Relaxed) > 0, "{level}");
    }
    fs::remove_dir(&folder).unwrap();
}

#[test]
fn a_runtime_that_shuts_down_rejects_and_gives_back() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let tokio = Tokio::on(runtime.handle().clone());
    let held = Arc::new(());
    let job = || {
        let held = Arc::clone(&held);
        TaskBuilder::<_, (), _>::new(tokio.clone()).run(move || async move {
            pending::<()>().await;
            drop(held);
        })
    };
    let before: Vec<_> = (0..100).map(|_| job()).collect();
    // While it shuts down: another thread goes on starting tasks until one is refused.
    let during = std::thread::scope(|scope| {
        let starter = scope.spawn(|| {
            let mut started = Vec::new();
            loop {
                let task = job();
                let refused = task.status() == State::Rejected;
                started.push(task);
                if refused {
                    return started;
                }
            }
        });
        runtime.shutdown_background();
        starter.join().unwrap()
    });
    let after: Vec<_> = (0..100).map(|_| job()).collect();
    let other = tokio::runtime::Builder::new_current_thread().build().unwrap();
    other.block_on(async {
        for task in after {
            let error = task.await.unwrap_err();
            assert!(
                matches!(error.cause(), Cause::Rejected(Rejection::NoRuntime)),
                "{error}"
            );
        }
        for task in before.into_iter().chain(during) {
            let error = task.await.unwrap_err();
            assert!(error.is_cancelled() || error.is_rejected(), "{error}");
        }
    });
    while tokio.root().live() != 0 || Arc::strong_count(&held) != 1 {
        std::thread::yield_now();
    }
}

/// Polls `future` at most `polls` times, each time it is woken, and drops it.
async fn polled<F: Future>(future: F, polls: u32) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        let polled = future.as_mut().poll(context).map(Some);
        if left == 0 && polled.is_pending() {
            return Poll::Ready(None);
        }
        polled
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn an_await_of_a_handle_dropped_at_each_poll_loses_no_result() {
    for turns in 0..4_u32 {
        for polls in 0..4 {
            let mut task = AsyncTask::to::<u32>().run(move || async move {
                for _ in 0..turns {
                    yield_now().await;
                }
                turns
            });
            let mut given = None;
            for _ in 0..3 {
                given = polled(&mut task, polls).await;
                if given.is_some() {
                    break;
                }
                yield_now().await;
            }
            let value = match given {
                Some(result) => result.unwrap(),
                None => task.await.unwrap(),
            };
            assert_eq!(value, turns);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_inside_dropped_at_each_poll_misses_nothing() {
    for polls in 0..3 {
        let parent = AsyncTask::to::<u32>().run(move |cx: Context| async move {
            let child = cx.child::<u32, core::convert::Infallible>().run(|| async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                5
            });
            let mut seen = 0;
            // A listener that is dropped passes its wake-up on, whether or not it had it.
            assert_eq!(polled(cx.children_ended(), polls.min(1)).await, None);
            assert_eq!(polled(cx.cancelled(), polls.min(1)).await, None);
            assert_eq!(polled(cx.shield(pending::<()>()), polls.min(1)).await, None);
            assert!(!cx.snapshot().is_shielded());
            let mut joined = pin!(cx.join_children(All, [child]));
            let results = match polled(joined.as_mut(), polls).await {
                Some(results) => results,
                None => joined.await,
            };
            for (_, result) in results {
                seen += result.unwrap();
            }
            cx.children_ended().await;
            assert_eq!(cx.child_count(), 0);
            cx.cancelled().await;
            seen
        });
        tokio::time::sleep(2.seconds()).await;
        parent.cancel(Level::Graceful).unwrap();
        assert_eq!(parent.await.unwrap(), 5, "{polls}");
    }
}

#[tokio::test(start_paused = true)]
async fn joining_dropped_at_each_poll_leaves_the_children_to_their_parent() {
    for polls in 0..4 {
        let done = Arc::new(AtomicU32::new(0));
        let parent = AsyncTask::to::<()>().run({
            let done = Arc::clone(&done);
            move |cx: Context| async move {
                let children: Vec<_> = (1..=3)
                    .map(|seconds| {
                        let done = Arc::clone(&done);
                        cx.child::<(), core::convert::Infallible>()
                            .run(move || async move {
                                tokio::time::sleep(Duration::from_secs(seconds)).await;
                                done.fetch_add(1, Ordering::Relaxed);
                            })
                    })
                    .collect();
                drop(polled(cx.join_children(All, children), polls).await);
            }
        });
        parent.await.unwrap();
        assert_eq!(done.load(Ordering::Relaxed), 3, "{polls}");
    }
}

/// Two wait for the same: one of them is dropped when it has been woken and not polled.
#[tokio::test(start_paused = true)]
async fn a_waiter_that_is_dropped_after_it_was_woken_takes_nobody_elses_wake_up() {
    let task = AsyncTask::to::<bool>().run(|cx: Context| async move {
        let mut dropped: Option<Pin<Box<dyn Future<Output = ()> + Send>>> = Some(Box::pin({
            let cx = cx.clone();
            async move {
                cx.cancelled().await;
            }
        }));
        let mut kept = pin!(cx.cancelled());
        std::future::poll_fn(|context| {
            if cx.is_cancelled() {
                // It was woken and has not been polled since.
                dropped = None;
            } else if let Some(first) = &mut dropped {
                let mut nobody = task::Context::from_waker(task::Waker::noop());
                assert!(first.as_mut().poll(&mut nobody).is_pending());
            }
            kept.as_mut().poll(context).map(|_| ())
        })
        .await;
        true
    });
    yield_now().await;
    task.cancel(Level::Graceful).unwrap();
    assert!(task.await.unwrap());
}
