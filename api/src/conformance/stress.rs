//! Many tasks with random faults: each ends once, and all books balance.

use core::convert::Infallible;
use core::future::pending;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::stage::{
    Flavour, Numbers, Seed, Stage, number_from_env, quiet_about_planned_panics, sign, yield_now,
};
use super::{Difference, Harness};
use crate::prelude::*;
use crate::task::TaskRef;
use crate::{Context, Runtime, Task};

/// How many, if nobody says.
const TASKS: u64 = 100_000;
const BATCH: u64 = 128;

#[derive(Default)]
struct Books {
    begun: AtomicU64,
    created: AtomicU64,
    dropped: AtomicU64,
    resolved: AtomicU64,
    awaited: AtomicU64,
    lost: AtomicU64,
    ends: [AtomicU64; 9],
    callbacks: [AtomicU64; 3],
}

/// Lives in a task's work; counted when it is made and when it is dropped.
struct Held(Arc<Books>);

impl Held {
    fn new(books: &Arc<Books>) -> Self {
        books.created.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(books))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// Counts a handle that is dropped while it is awaited, because the parent that awaits it is killed.
struct Awaiting<'a>(Option<&'a Books>);

impl Drop for Awaiting<'_> {
    fn drop(&mut self) {
        if let Some(books) = self.0 {
            books.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// One task of the batch, looked at again when it has ended.
struct Entry {
    task: TaskRef,
    callback: Option<Arc<AtomicU32>>,
    children: bool,
}

type Handle<R> = Task<R, u64, &'static str>;

struct Batch<R: Runtime> {
    books: Arc<Books>,
    h: Stage<R>,
    entries: Mutex<Vec<Entry>>,
}

impl<R: Runtime> Batch<R> {
    /// Starts a random task, below `parent` if there is one.
    fn start(self: &Arc<Self>, numbers: &mut Numbers, parent: Option<&Context<R>>) -> Handle<R> {
        self.books.begun.fetch_add(1, Ordering::Relaxed);
        let class = usize::try_from(numbers.below(9)).unwrap();
        let class = Priority::ALL.get(class).copied().unwrap_or_default();
        let mut builder = self.h.to::<u64, &str>().name("stress").priority(class);
        if let Some(cx) = parent {
            builder = builder.parent(cx);
        }
        if numbers.below(8) == 0 {
            builder = builder.timeout(u32::try_from(numbers.below(3) + 1).unwrap().millis());
        }
        if numbers.below(4) == 0 {
            builder = builder.cancel_on_drop();
        }
        let held = Held::new(&self.books);
        let kind = numbers.below(13);
        let turns = numbers.below(4);
        let mut own = numbers.clone();
        let batch = Arc::clone(self);
        let task = match kind {
            0..3 => builder.run(move || {
                drop(held);
                Ok(kind)
            }),
            3..6 => builder.run(move || async move {
                let _held = held;
                for _ in 0..turns {
                    yield_now().await;
                }
                if turns == 3 { Err("turned") } else { Ok(turns) }
            }),
            6 => builder.run(move || async move {
                let _held = held;
                yield_now().await;
                assert_ne!(kind, 6, "planned");
                Ok(0)
            }),
            7 => {
                let mut made = 0;
                builder
                    .retry(Retry::immediate().attempts(3))
                    .fallback(move |_| if turns == 0 { Err("both") } else { Ok(turns) })
                    .run(move || {
                        let _held = &held;
                        made += 1;
                        if made > turns { Ok(made) } else { Err("again") }
                    })
            }
            8 | 9 if parent.is_none() => builder.run(move |cx: Context<R>| async move {
                let _held = held;
                let mut handles = Vec::new();
                for _ in 0..=own.below(3) {
                    let child = batch.start(&mut own, Some(&cx));
                    if own.below(2) == 0 {
                        child.detach();
                    } else {
                        handles.push(child);
                    }
                }
                for child in handles {
                    batch.resolve(child).await;
                }
                if turns == 0 { Err("parent") } else { Ok(turns) }
            }),
            // A simulation has a thread for each, and nothing else here is as slow.
            10 if numbers.below(8) == 0 => builder.run_blocking(move |cx: Context<R>| {
                let _held = held;
                for _ in 0..turns {
                    if cx.checkpoint().is_err() {
                        return Err("told");
                    }
                }
                Ok(turns)
            }),
            11 => builder.timeout(1.millis()).run(move || async move {
                let _held = held;
                pending().await
            }),
            _ => builder.timeout(5.millis()).run(move |cx: Context<R>| async move {
                let _held = held;
                cx.cancelled().await;
                if turns == 0 { Err("cancelled") } else { Ok(turns) }
            }),
        };
        let callback = (numbers.below(8) == 0)
            .then(|| {
                let ran = Arc::new(AtomicU32::new(0));
                let count = Arc::clone(&ran);
                let registered = task.on_cancel(move |_| async move {
                    count.fetch_add(1, Ordering::Relaxed);
                });
                registered.is_ok().then_some(ran)
            })
            .flatten();
        self.entries.lock().unwrap().push(Entry {
            task: task.task_ref(),
            callback,
            children: matches!(kind, 8 | 9),
        });
        task
    }

    /// Awaits a handle and compares what it gives with how the task ended.
    async fn resolve(&self, mut task: Handle<R>) {
        self.books.awaited.fetch_add(1, Ordering::Relaxed);
        let mut awaiting = Awaiting(Some(&self.books));
        let result = (&mut task).await;
        awaiting.0 = None;
        self.books.resolved.fetch_add(1, Ordering::Relaxed);
        let state = task.status();
        let right = match &result {
            Ok(_) => state == State::Completed,
            Err(error) => match error.cause() {
                Cause::Failed(_) | Cause::FallbackFailed { .. } => state == State::Failed,
                Cause::Panicked(_) => state == State::Panicked,
                Cause::TimedOut(_) => state == State::TimedOut,
                Cause::Cancelled { .. } => state == State::Cancelled,
                Cause::Rejected(_) => state == State::Rejected,
                _ => false,
            },
        };
        assert!(right, "{result:?} of a task that ended as {state}");
        assert!(matches!((&mut task).await.unwrap_err().cause(), Cause::Taken));
    }

    /// Does with the handle what an owner may do.
    async fn own(&self, numbers: &mut Numbers, task: Handle<R>) {
        let level = match numbers.below(3) {
            0 => Level::Graceful,
            1 => Level::Kill,
            _ => Level::KillHard,
        };
        match numbers.below(8) {
            0 => {
                // One that has ended refuses.
                let _ = task.cancel(level);
            }
            1 => {
                yield_now().await;
                let _ = task.cancel(level);
            }
            2 => {
                // From another task, and so perhaps from another thread, while this one goes on.
                let other = task.task_ref();
                let _ = self.h.runtime().spawn(async move {
                    let _ = other.cancel(level);
                });
            }
            3 => {
                let _ = task.cancel(Level::Graceful);
                let _ = task.cancel(level);
            }
            4 => return drop(task),
            5 => return task.detach(),
            _ => {}
        }
        self.resolve(task).await;
    }

    /// Waits until every task of the batch has ended, and books how.
    async fn close(&self) {
        // Also children enter themselves here; those of tasks that have ended cannot come any more.
        let entries = || core::mem::take(&mut *self.entries.lock().unwrap());
        for entry in std::iter::repeat_with(entries)
            .take_while(|taken| !taken.is_empty())
            .flatten()
        {
            while !entry.task.is_ended() {
                self.h.turn().await;
            }
            let state = entry.task.status();
            self.books
                .ends
                .get(state as usize)
                .unwrap()
                .fetch_add(1, Ordering::Relaxed);
            if let Some(ran) = entry.callback {
                let level = entry.task.cancellation().map(|cancellation| cancellation.level);
                if matches!(level, Some(Level::Graceful | Level::Kill)) {
                    // They run after the end of a task that was cancelled before it started.
                    while ran.load(Ordering::Relaxed) == 0 {
                        self.h.turn().await;
                    }
                }
                let ran = ran.load(Ordering::Relaxed);
                let (right, book) = match level {
                    None => (ran == 0, 0),
                    Some(Level::KillHard) => (ran <= 1, 1),
                    Some(_) => (ran == 1, 2),
                };
                assert!(right, "a callback ran {ran} times, cancelled: {level:?}");
                self.books
                    .callbacks
                    .get(book)
                    .unwrap()
                    .fetch_add(1, Ordering::Relaxed);
            }
            if entry.children
                && entry
                    .task
                    .cancellation()
                    .is_none_or(|it| it.level < Level::KillHard)
            {
                assert_eq!(entry.task.child_count(), 0, "{state}");
            }
        }
    }
}

/// A hundred thousand tasks, or as many as `SWEET_STRESS_TASKS` says. `SWEET_STRESS_SEED` says which.
pub(super) fn each_task_ends_once_and_the_books_balance<R: Runtime>(flavour: Flavour<R>) {
    run(flavour, number_from_env("SWEET_STRESS_TASKS").unwrap_or(TASKS));
}

/// At least so many tasks with every way to end, which are cancelled, dropped and awaited at random: each ends once, and
/// what was begun, ended, made, dropped, awaited and delivered balances.
///
/// # Panics
/// If it does not.
pub fn faults<H: Harness>(tasks: u64) {
    run(Flavour::of::<H>(), tasks);
}

fn run<R: Runtime>(flavour: Flavour<R>, tasks: u64) {
    quiet_about_planned_panics();
    let seed = Seed::from_env("SWEET_STRESS_SEED");
    let h = flavour.start(2);
    let books = Arc::new(Books::default());
    let owners: Vec<_> = (0..16)
        .map(|owner| {
            let (at_work, books) = (h.clone(), Arc::clone(&books));
            let mut numbers = Numbers::new(seed.0 ^ owner);
            h.to::<(), Infallible>().run(move || async move {
                while books.begun.load(Ordering::Relaxed) < tasks {
                    let batch = Arc::new(Batch {
                        books: Arc::clone(&books),
                        h: at_work.clone(),
                        entries: Mutex::default(),
                    });
                    let handles: Vec<_> = (0..BATCH).map(|_| batch.start(&mut numbers, None)).collect();
                    for task in handles {
                        batch.own(&mut numbers, task).await;
                    }
                    batch.close().await;
                }
            })
        })
        .collect();
    h.run(async {
        for owner in owners {
            owner.await.unwrap();
        }
        while h.live() != 0 || h.runtime().root().abandoned() != 0 {
            h.turn().await;
        }
    });
    let read = |book: &AtomicU64| book.load(Ordering::Relaxed);
    let (begun, ended) = (read(&books.begun), books.ends.iter().map(read).sum::<u64>());
    assert!(begun >= tasks);
    assert_eq!(begun, ended, "begun and ended");
    assert_eq!(
        read(&books.created),
        read(&books.dropped),
        "work made and dropped"
    );
    assert_eq!(begun, read(&books.created), "tasks and their work");
    assert_eq!(
        read(&books.awaited),
        read(&books.resolved) + read(&books.lost),
        "handles"
    );
    for state in [
        State::Completed,
        State::Failed,
        State::Panicked,
        State::TimedOut,
        State::Cancelled,
        State::Rejected,
    ] {
        let count = books.ends.get(state as usize).map(read).unwrap();
        // A child of a scope that closes is refused; that takes a race which need not happen.
        assert!(
            count > begun / 1_000 || state == State::Rejected,
            "{state}: {count}"
        );
    }
    h.shut_down();
}

/// No panic costs a thread or its place: the executor goes on as before.
pub(super) async fn it_lives_through_ten_thousand_panics<R: Runtime>(h: Stage<R>) {
    quiet_about_planned_panics();
    for round in 0..10 {
        let tasks: Vec<_> = (0..1_000)
            .map(|number| {
                h.to::<(), Infallible>().run(move || async move {
                    if number % 2 == 0 {
                        yield_now().await;
                    }
                    assert!(number > 1_000, "planned: {round} {number}");
                })
            })
            .collect();
        for task in tasks {
            assert!(task.await.unwrap_err().is_panicked());
        }
    }
    if h.differs(Difference::OneThread) {
        assert_eq!(h.to::<u32, Infallible>().run(|| 1).await.unwrap(), 1);
        return;
    }
    // Every thread is still there: they meet.
    let ((arrive, arrived), (open, gate)) = (sign(), sign());
    let first = h.to::<bool, Infallible>().run(move || async move {
        arrive.give();
        gate.given_blocking()
    });
    arrived.given().await;
    h.to::<(), Infallible>().run(move || open.give()).await.unwrap();
    assert!(first.await.unwrap());
}
