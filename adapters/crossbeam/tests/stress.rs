//! A million tasks (50,000 in a debug build) with every way to end, started and waited for by plain threads: each ends once,
//! and all books balance.
//!
//! `SWEET_STRESS_TASKS` sets how many.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use common::{plan, until};
use sweet_async_crossbeam::prelude::*;
use sweet_async_crossbeam::task::TaskRef;

/// A build without optimizations takes its time.
const TASKS: u64 = if cfg!(debug_assertions) { 50_000 } else { 1_000_000 };
const OWNERS: u64 = 4;
const BATCH: u64 = 200;

#[derive(Default)]
struct Books {
    begun: AtomicU64,
    made: AtomicU64,
    dropped: AtomicU64,
    resolved: AtomicU64,
    let_go: AtomicU64,
    ends: [AtomicU64; 9],
}

/// Lives in a task's work; counted when it is made and when it is dropped.
struct Held(Arc<Books>);

impl Held {
    fn new(books: &Arc<Books>) -> Self {
        books.made.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(books))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// Numbers by chance (`SplitMix64`, by Sebastiano Vigna).
struct Numbers(u64);

impl Numbers {
    const fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }
}

fn start(books: &Arc<Books>, numbers: &mut Numbers, seen: &mut Vec<TaskRef>) -> Task<u64, &'static str> {
    books.begun.fetch_add(1, Ordering::Relaxed);
    let held = Held::new(books);
    let class = Priority::ALL
        .into_iter()
        .nth(usize::try_from(numbers.below(9)).unwrap());
    let builder = AsyncTask::to::<u64>()
        .name("stress")
        .priority(class.unwrap_or_default());
    let turns = numbers.below(4);
    let task = match numbers.below(12) {
        0..4 => builder.run(move || {
            drop(held);
            Ok(turns)
        }),
        4..7 => builder.run(move || async move {
            let _held = held;
            for _ in 0..turns {
                yield_now().await;
            }
            if turns == 3 { Err("turned") } else { Ok(turns) }
        }),
        7 => builder.run(move || {
            let _held = held;
            plan();
            Ok(0)
        }),
        8 => builder.timeout(Duration::from_millis(1)).run(move || async move {
            let _held = held;
            pending().await
        }),
        9 => builder.run_blocking(move |cx: Context| {
            let _held = held;
            for _ in 0..turns {
                if cx.checkpoint().is_err() {
                    return Err("told");
                }
                thread::yield_now();
            }
            Ok(turns)
        }),
        10 => {
            let below = Arc::clone(books);
            books.begun.fetch_add(turns, Ordering::Relaxed);
            books.let_go.fetch_add(turns, Ordering::Relaxed);
            let children: Vec<_> = (0..turns).map(|_| Held::new(books)).collect();
            builder.run(move |cx: Context| async move {
                let _held = held;
                for child in children {
                    let below = Arc::clone(&below);
                    cx.spawn_child(AsyncTask::to::<()>(), move || async move {
                        let _child = child;
                        yield_now().await;
                        drop(below);
                    })
                    .detach();
                }
                Ok(turns)
            })
        }
        _ => builder.retry(Retry::immediate().attempts(3)).run({
            let mut made = 0;
            move || {
                let _held = &held;
                made += 1;
                if made > turns { Ok(made) } else { Err("again") }
            }
        }),
    };
    seen.push(task.task_ref());
    task
}

/// Lets others run.
async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

/// Does with the handle what an owner may do.
fn own(books: &Books, numbers: &mut Numbers, mut task: Task<u64, &'static str>) {
    let level = match numbers.below(3) {
        0 => Level::Graceful,
        1 => Level::Kill,
        _ => Level::KillHard,
    };
    match numbers.below(8) {
        // One that has ended refuses.
        0 => {
            let _ = task.cancel(level);
        }
        1 => {
            thread::yield_now();
            let _ = task.cancel(level);
        }
        2 => {
            books.let_go.fetch_add(1, Ordering::Relaxed);
            return task.detach();
        }
        // One that was over already gives its result here, and below none.
        3 => drop(task.wait_timeout(Duration::ZERO)),
        _ => {}
    }
    let result = task.wait_timeout(Duration::MAX).unwrap();
    books.resolved.fetch_add(1, Ordering::Relaxed);
    let right = match (&result, task.status()) {
        (Ok(_), state) => state == State::Completed,
        (Err(error), state) => match error.cause() {
            Cause::Failed(_) => state == State::Failed,
            Cause::Panicked(_) => state == State::Panicked,
            Cause::TimedOut(_) => state == State::TimedOut,
            Cause::Cancelled { .. } => state == State::Cancelled,
            Cause::Taken => state.is_terminal(),
            _ => false,
        },
    };
    assert!(right, "{result:?} of a task that ended as {}", task.status());
}

#[test]
fn each_task_ends_once_and_the_books_balance() {
    let tasks = std::env::var("SWEET_STRESS_TASKS").map_or(TASKS, |tasks| tasks.parse().unwrap());
    let pool = ThreadPool::builder()
        .workers(1..=4)
        .blocking_threads(4)
        .cool_down(Duration::from_millis(5))
        .build()
        .unwrap();
    let books = Arc::new(Books::default());
    thread::scope(|threads| {
        for owner in 0..OWNERS {
            let (pool, books) = (&pool, &books);
            threads.spawn(move || {
                let mut numbers = Numbers(owner);
                while books.begun.load(Ordering::Relaxed) < tasks {
                    let mut seen = Vec::new();
                    let handles: Vec<_> = pool.enter(|| {
                        (0..BATCH)
                            .map(|_| start(books, &mut numbers, &mut seen))
                            .collect()
                    });
                    for task in handles {
                        own(books, &mut numbers, task);
                    }
                    for task in seen {
                        until(|| task.is_ended());
                        let end = books.ends.get(task.status() as usize).unwrap();
                        end.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let read = |book: &AtomicU64| book.load(Ordering::Relaxed);
    let handle = pool.handle();
    until(|| handle.root().live() == 0 && read(&books.made) == read(&books.dropped));
    let begun = read(&books.begun);
    assert!(begun >= tasks);
    assert_eq!(begun, read(&books.made), "tasks and their work");
    assert_eq!(begun, read(&books.resolved) + read(&books.let_go), "handles");
    let ended: u64 = books.ends.iter().map(read).sum();
    // Children were let go of by their parents and are in no batch.
    assert!(ended <= begun && ended >= read(&books.resolved));
    for state in [
        State::Completed,
        State::Failed,
        State::Panicked,
        State::TimedOut,
        State::Cancelled,
    ] {
        let count = books.ends.get(state as usize).map(read).unwrap();
        assert!(count > begun / 1_000, "{state}: {count} of {begun}");
    }
    assert_eq!(books.ends.get(State::Rejected as usize).map(read), Some(0));
    let report = pool.shutdown(Duration::MAX, Duration::ZERO);
    assert!(
        report.cancelled.is_empty() && report.left.is_empty(),
        "{report:?}"
    );
}
