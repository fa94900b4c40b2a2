//! What tasks allocate and free, by an allocator that says so: jemalloc, for this whole program.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::hint::black_box;
use std::ops::RangeInclusive;
use std::sync::mpsc;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread::{self, ThreadId};

use sweet_async_tokio::Context;
use sweet_async_tokio::metrics::{self, MemorySourceError, MemoryUsage, install_memory_source};
use sweet_async_tokio::prelude::*;
use sweet_async_tokio::task::TaskRecord;
use tikv_jemalloc_ctl::{epoch, stats};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::yield_now;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const MB: usize = 1_000_000;

/// Ten of them.
const KEPT: i64 = 10_000_000;

/// One test at a time, so that what the process allocates is what the test does. Installs the source.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    static INSTALL: Once = Once::new();
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    INSTALL.call_once(|| {
        assert_eq!(
            install_memory_source(|| None),
            Err(MemorySourceError::CountsNothing)
        );
        assert_eq!(install_memory_source(metrics::jemalloc), Ok(()));
        let again = install_memory_source(metrics::jemalloc);
        assert_eq!(again, Err(MemorySourceError::AlreadyInstalled));
    });
    alone
}

fn run<F: Future>(future: F) -> F::Output {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().build().unwrap().block_on(future)
}

fn memory() -> Metrics {
    Metrics::time().memory()
}

fn used(task: &TaskRecord) -> MemoryUsage {
    task.metrics().memory.value().unwrap()
}

/// Memory that is really written to.
fn buffer(bytes: usize) -> Vec<u8> {
    black_box(vec![1; bytes])
}

/// What so many bytes are counted as: in size classes, each a quarter larger than the one before, and a little besides.
fn about(bytes: usize) -> RangeInclusive<u64> {
    let bytes = bytes as u64;
    bytes..=bytes + bytes / 4 + 64 * 1024
}

const LITTLE: RangeInclusive<u64> = 0..=64 * 1024;

#[test]
fn what_a_task_keeps_is_its_own_and_what_it_frees_is_counted_where_it_is_freed() {
    let _alone = alone();
    run(async {
        let keeps = AsyncTask::to::<Vec<u8>>()
            .metrics(memory())
            .run(|| async { buffer(10 * MB) });
        let seen = keeps.task_ref();
        let kept = keeps.await.unwrap();
        let usage = used(&seen);
        assert!(about(10 * MB).contains(&usage.allocated), "{usage}");
        assert!(LITTLE.contains(&usage.freed), "{usage}");
        assert!(
            usage.kept() >= KEPT && usage.peak >= KEPT.unsigned_abs(),
            "{usage}"
        );
        assert!(seen.metrics().to_string().contains(&usage.to_string()));

        let frees = AsyncTask::to::<()>()
            .metrics(memory())
            .run(move || async move { drop(kept) });
        let seen = frees.task_ref();
        frees.await.unwrap();
        let usage = used(&seen);
        assert!(LITTLE.contains(&usage.allocated), "{usage}");
        assert!(about(10 * MB).contains(&usage.freed), "{usage}");
        assert!(usage.kept() <= -KEPT, "{usage}");
        assert!(LITTLE.contains(&usage.peak), "{usage}");

        // Kept over a poll and freed: the highest is remembered.
        let both = AsyncTask::to::<()>().metrics(memory()).run(|| async {
            let held = buffer(10 * MB);
            yield_now().await;
            drop(held);
        });
        let seen = both.task_ref();
        both.await.unwrap();
        let usage = used(&seen);
        assert!(usage.kept().unsigned_abs() <= *LITTLE.end(), "{usage}");
        assert!(about(10 * MB).contains(&usage.peak), "{usage}");

        // One that does not ask is not measured.
        let plain = AsyncTask::to::<()>().metered().run(|| async {});
        let seen = plain.task_ref();
        plain.await.unwrap();
        assert_eq!(seen.metrics().memory, Measured::NotInstrumented);
    });
}

#[test]
fn a_buffer_that_grows_is_allocated_anew_and_freed_as_it_was() {
    let _alone = alone();
    run(async {
        let task = AsyncTask::to::<Vec<u8>>().metrics(memory()).run(|| async {
            let mut grows = buffer(MB);
            for size in [2 * MB, 4 * MB, 8 * MB, 16 * MB] {
                grows.reserve_exact(size - grows.len());
                grows.resize(size, 1);
                yield_now().await;
            }
            black_box(grows)
        });
        let seen = task.task_ref();
        let grown = task.await.unwrap();
        let usage = used(&seen);
        assert!(
            about(16 * MB).contains(&u64::try_from(usage.kept()).unwrap()),
            "{usage}"
        );
        // 1 + 2 + 4 + 8 MB were outgrown.
        assert!(about(15 * MB).contains(&usage.freed), "{usage}");
        assert!(about(31 * MB).contains(&usage.allocated), "{usage}");
        drop(grown);
    });
}

#[test]
fn tasks_in_turn_on_one_thread_do_not_mix() {
    let _alone = alone();
    run(async {
        let keeps = |each: usize| {
            AsyncTask::to::<Vec<Vec<u8>>>()
                .metrics(memory())
                .run(move || async move {
                    let mut kept = Vec::new();
                    for _ in 0..10 {
                        kept.push(buffer(each));
                        // The other one has its turn.
                        yield_now().await;
                    }
                    kept
                })
        };
        let (small, large) = (keeps(MB / 10), keeps(MB));
        let seen = [small.task_ref(), large.task_ref()];
        let before = metrics::jemalloc().unwrap();
        let kept = (small.await.unwrap(), large.await.unwrap());
        let after = metrics::jemalloc().unwrap();
        let [small, large] = seen.map(|task| used(&task));
        assert!(about(MB).contains(&small.allocated), "{small}");
        assert!(about(10 * MB).contains(&large.allocated), "{large}");
        assert!(LITTLE.contains(&small.freed) && LITTLE.contains(&large.freed));
        // Both together are what their thread allocated, but for what the executor takes.
        let thread = after.allocated - before.allocated;
        let apart = thread - (small.allocated + large.allocated);
        assert!(apart <= *LITTLE.end(), "{apart} of {thread} are nobody's");
        drop(kept);
    });
}

#[test]
fn a_child_counts_for_itself() {
    let _alone = alone();
    run(async {
        let parent = AsyncTask::to::<(Vec<u8>, MemoryUsage)>()
            .metrics(memory().and_children())
            .run(|cx: Context| async move {
                let child = cx.child::<Vec<u8>, _>().run(|| async { buffer(10 * MB) });
                let seen = child.task_ref();
                (child.await.unwrap(), used(&seen))
            });
        let seen = parent.task_ref();
        let (held, child) = parent.await.unwrap();
        assert!(about(10 * MB).contains(&child.allocated), "{child}");
        assert!(LITTLE.contains(&used(&seen).allocated), "{}", used(&seen));
        drop(held);
    });
}

/// Holds a worker thread until it is let go.
struct Held {
    thread: ThreadId,
    release: mpsc::Sender<()>,
}

async fn hold() -> Held {
    let ((arrive, arrived), (release, released)) = (oneshot::channel(), mpsc::channel());
    tokio::spawn(async move {
        let _ = arrive.send(thread::current().id());
        let _ = released.recv();
    });
    Held {
        thread: arrived.await.unwrap(),
        release,
    }
}

#[test]
fn a_task_that_goes_from_thread_to_thread_is_counted_on_each() {
    let _alone = alone();
    let workers = Builder::new_multi_thread().worker_threads(2).build().unwrap();
    workers.block_on(async {
        let ((arrive, arrived), (go, gone)) = (oneshot::channel(), oneshot::channel::<()>());
        let task = AsyncTask::to::<(ThreadId, [Vec<u8>; 2])>()
            .metrics(memory())
            .run(move || async move {
                let first = buffer(4 * MB);
                let _ = arrive.send(thread::current().id());
                gone.await.unwrap();
                (thread::current().id(), [first, buffer(6 * MB)])
            });
        let seen = task.task_ref();
        let first: ThreadId = arrived.await.unwrap();
        // Both workers are held, then the one that the task was not on is free.
        let (one, other) = (hold().await, hold().await);
        let (stays, free) = if one.thread == first {
            (one, other)
        } else {
            (other, one)
        };
        free.release.send(()).unwrap();
        go.send(()).unwrap();
        let (second, held) = task.await.unwrap();
        assert_ne!(first, second);
        stays.release.send(()).unwrap();
        let usage = used(&seen);
        assert!(about(10 * MB).contains(&usage.allocated), "{usage}");
        drop(held);
    });
}

#[test]
fn a_blocking_closure_counts_for_its_task() {
    let _alone = alone();
    run(async {
        let task = AsyncTask::to::<Vec<u8>>()
            .metrics(memory())
            .run_blocking(|| buffer(10 * MB));
        let seen = task.task_ref();
        let held = task.await.unwrap();
        let usage = used(&seen);
        assert!(about(10 * MB).contains(&usage.allocated), "{usage}");
        assert!(about(10 * MB).contains(&usage.peak), "{usage}");
        drop(held);
    });
}

/// What the process holds is what its tasks keep.
#[test]
fn what_tasks_keep_adds_up_to_what_the_process_holds() {
    let _alone = alone();
    let held = || {
        epoch::advance().unwrap();
        i64::try_from(stats::allocated::read().unwrap()).unwrap()
    };
    let workers = Builder::new_multi_thread().worker_threads(2).build().unwrap();
    workers.block_on(async {
        let before = held();
        let tasks: Vec<_> = (1..=12)
            .map(|number| {
                AsyncTask::to::<Vec<u8>>()
                    .metrics(memory())
                    .run(move || async move {
                        let kept = buffer(number * MB);
                        for _ in 0..10 {
                            drop(buffer(MB));
                            yield_now().await;
                        }
                        kept
                    })
            })
            .collect();
        let seen: Vec<_> = tasks.iter().map(Task::task_ref).collect();
        let mut kept = Vec::new();
        for task in tasks {
            kept.push(task.await.unwrap());
        }
        let process = held() - before;
        let tasks: i64 = seen.iter().map(|task| used(task).kept()).sum();
        assert!(tasks >= KEPT * 78 / 10);
        let apart = (process - tasks).abs();
        assert!(
            apart <= tasks / 50,
            "the tasks keep {tasks}, the process {process}"
        );
        drop(kept);
    });
}
