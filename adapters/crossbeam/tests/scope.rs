//! Scopes: closures that borrow, and what a panic of one does to the others.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;

use common::{PLANNED, plan, threads, until};
use sweet_async_crossbeam::{Cancelled, Scope, ThreadPool};

fn pool(workers: u32) -> ThreadPool {
    ThreadPool::builder().workers(workers..=workers).build().unwrap()
}

#[test]
fn closures_borrow_what_outlives_the_scope() {
    for workers in [1, 2, 8] {
        let pool = pool(workers);
        let numbers: Vec<u64> = (0..10_000).collect();
        let mut doubled = vec![0; numbers.len()];
        let seen = pool
            .scope(|scope| {
                for (from, to) in numbers.chunks(100).zip(doubled.chunks_mut(100)) {
                    scope.spawn(move |_| {
                        for (from, to) in from.iter().zip(to) {
                            *to = from * 2;
                        }
                    });
                }
                numbers.len()
            })
            .unwrap();
        assert_eq!(seen, 10_000);
        assert!(
            doubled
                .iter()
                .zip(&numbers)
                .all(|(doubled, number)| *doubled == number * 2)
        );
    }
}

/// Halves a slice until it is small.
fn sum<'env>(scope: &Scope<'_, 'env>, numbers: &'env [u64], total: &'env AtomicUsize) {
    if numbers.len() <= 10 {
        let few = usize::try_from(numbers.iter().sum::<u64>()).unwrap();
        total.fetch_add(few, Ordering::Relaxed);
        return;
    }
    let (left, right) = numbers.split_at(numbers.len() / 2);
    scope.spawn(move |scope| sum(scope, left, total));
    scope.spawn(move |scope| sum(scope, right, total));
}

#[test]
fn closures_start_others() {
    let pool = pool(4);
    let numbers: Vec<u64> = (0..100_000).collect();
    let total = AtomicUsize::new(0);
    pool.scope(|scope| sum(scope, &numbers, &total)).unwrap();
    assert_eq!(total.into_inner(), 99_999 * 100_000 / 2);
}

/// One unwinds while another waits for what will never come: where threads are joined and nothing more, it hangs
/// (crossbeam, issue 196).
#[test]
fn one_that_panics_cancels_the_others_and_all_are_joined() {
    let pool = ThreadPool::builder()
        .workers(3..=3)
        .name("joined")
        .build()
        .unwrap();
    let (waits, loops) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let result = pool.scope(|scope| {
        // All three run at the same time before one of them unwinds.
        let (ready, all) = sync_channel(2);
        let again = ready.clone();
        let (waits, loops) = (&waits, &loops);
        scope.spawn(move |scope| {
            ready.send(()).unwrap();
            let stopped: Result<(), Cancelled> = scope.wait(pending());
            assert!(stopped.is_err());
            waits.fetch_add(1, Ordering::Relaxed);
        });
        scope.spawn(move |scope| {
            again.send(()).unwrap();
            while scope.checkpoint().is_ok() {
                std::thread::yield_now();
            }
            loops.fetch_add(1, Ordering::Relaxed);
        });
        scope.spawn(move |_| {
            all.recv().unwrap();
            all.recv().unwrap();
            plan();
        });
        "returned"
    });
    let panicked = result.unwrap_err();
    assert_eq!(panicked.message().as_deref(), Some(PLANNED));
    assert!(panicked.into_payload().is::<String>());
    assert_eq!((waits.into_inner(), loops.into_inner()), (1, 1));
    // What they run is over; the system may take a moment longer to end them.
    until(|| threads("joined-s").is_empty());
    pool.scope(|_| ()).unwrap();
}

/// Counted when it is made and when it is dropped.
struct Held<'a>(&'a AtomicUsize);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_cancelled_scope_drops_what_has_not_begun() {
    for panics in [false, true] {
        let pool = pool(1);
        let (begun, dropped) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let result = pool.scope(|scope| {
            for number in 0..100 {
                let (begun, held) = (&begun, Held(&dropped));
                scope.spawn(move |scope| {
                    let _held = held;
                    begun.fetch_add(1, Ordering::Relaxed);
                    // The last to be spawned is the first to run.
                    if number == 90 {
                        if panics {
                            plan();
                        }
                        scope.cancel();
                    }
                });
            }
        });
        assert_eq!(result.is_err(), panics);
        assert_eq!((begun.into_inner(), dropped.into_inner()), (10, 100));
    }
}

#[test]
fn the_callers_own_panic_is_the_callers_after_all_are_joined() {
    let pool = pool(2);
    let dropped = AtomicUsize::new(0);
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        pool.scope(|scope| {
            for _ in 0..10 {
                let held = Held(&dropped);
                scope.spawn(move |_| drop(held));
            }
            plan();
        })
    }));
    assert!(unwound.unwrap_err().is::<String>());
    assert_eq!(dropped.into_inner(), 10);
}

#[test]
fn a_scope_serves_tasks_of_its_pool() {
    use sweet_async_crossbeam::prelude::*;

    let pool = pool(2);
    let text = String::from("borrowed");
    let length = AtomicUsize::new(0);
    pool.scope(|scope| {
        scope.spawn(|scope| {
            let task = pool.enter(|| AsyncTask::to::<usize>().run(|| 2));
            let two = scope.wait(task).unwrap().unwrap();
            length.store(text.len() * two, Ordering::Relaxed);
        });
    })
    .unwrap();
    assert_eq!(length.into_inner(), 16);
}
