//! The pool: that it survives, steals, sleeps, grows, refuses and ends.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::collections::BTreeSet;
use std::future::pending;
use std::num::NonZero;
use std::ops::RangeInclusive;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use common::{gate, plan, threads, until};
use sweet_async_core::priority::Patience;
use sweet_async_core::scaler::ScaleError;
use sweet_async_crossbeam::emit::edge::edge;
use sweet_async_crossbeam::prelude::*;
use sweet_async_crossbeam::task::Rejection;
use sweet_async_crossbeam::{BuildError, InsideWorker, WaitError, current};

fn pool(workers: u32) -> ThreadPool {
    ThreadPool::builder().workers(workers..=workers).build().unwrap()
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

/// Unwinds when it is dropped.
struct Twice;

impl Drop for Twice {
    fn drop(&mut self) {
        plan();
    }
}

#[test]
fn ten_thousand_panics_leave_the_pool_alive() {
    let pool = pool(2);
    let tasks: Vec<_> = pool.enter(|| {
        (0..10_000)
            .map(|_| AsyncTask::to::<()>().run(|| async { plan() }))
            .collect()
    });
    assert!(
        tasks
            .into_iter()
            .all(|task| task.wait().unwrap().unwrap_err().is_panicked())
    );
    let closures: Vec<_> = pool.enter(|| {
        (0..100)
            .map(|_| AsyncTask::to::<()>().run_blocking(plan))
            .collect()
    });
    assert!(
        closures
            .into_iter()
            .all(|task| task.wait().unwrap().unwrap_err().is_panicked())
    );
    // Futures that are not the engine's, which catches what tasks unwind with, and one whose payload unwinds as well.
    for number in 0..100 {
        let bare = pool.handle().spawn(async move {
            if number % 2 == 0 {
                std::panic::resume_unwind(Box::new(Twice));
            }
            plan();
        });
        bare.unwrap();
    }
    assert_eq!(
        pool.enter(|| AsyncTask::to::<u8>().run(|| 7))
            .wait()
            .unwrap()
            .unwrap(),
        7
    );
    assert_eq!(pool.stats().workers, 2);
}

#[test]
fn a_stolen_task_has_its_spawners_context() {
    let pool = pool(2);
    let parent = pool.enter(|| {
        AsyncTask::to::<()>()
            .name("parent")
            .timeout(Duration::from_hours(1))
            .run(|cx: Context| async move {
                let (tell, hear) = channel();
                let spawner = std::thread::current().id();
                let children: Vec<_> = (0..100)
                    .map(|_| {
                        let tell = tell.clone();
                        cx.spawn_child(AsyncTask::to::<()>(), move || {
                            let own = current().unwrap();
                            let thread = std::thread::current().id();
                            // The parent may be gone from the test, not from the tree.
                            let _ =
                                tell.send((thread, own.parent().map(|parent| parent.id()), own.deadline()));
                        })
                    })
                    .collect();
                // Its own worker is kept busy here, so only a thief can run the first child.
                let (thief, parent, deadline) = hear.recv().unwrap();
                assert_ne!(thief, spawner);
                assert_eq!((parent, deadline), (Some(cx.id()), cx.deadline()));
                assert!(deadline.is_some());
                for child in children {
                    child.await.unwrap();
                }
            })
    });
    parent.wait().unwrap().unwrap();
    assert!(pool.stats().steals > 0);
}

#[test]
fn what_a_thread_runs_is_known_to_it() {
    let pool = pool(1);
    assert!(current().is_none());
    let name = || current().map(|task| task.name().to_owned());
    let task = pool.enter(|| {
        AsyncTask::to::<Option<String>>()
            .name("async")
            .run(move || async move {
                yield_now().await;
                name()
            })
    });
    assert_eq!(task.wait().unwrap().unwrap().as_deref(), Some("async"));
    let closure = pool.enter(|| {
        AsyncTask::to::<Option<String>>()
            .name("blocking")
            .run_blocking(name)
    });
    assert_eq!(closure.wait().unwrap().unwrap().as_deref(), Some("blocking"));
    let bare = Arc::new(Mutex::new(None));
    let told = Arc::clone(&bare);
    pool.handle()
        .spawn(async move { *told.lock().unwrap() = Some(current().is_none()) })
        .unwrap();
    until(|| bare.lock().unwrap().is_some());
    assert_eq!(*bare.lock().unwrap(), Some(true));
}

#[test]
fn more_threads_than_processors_neither_deadlock_nor_starve() {
    const THREADS: usize = 64;
    let pool = pool(64);
    // All at once: each waits for all others.
    let meeting = Arc::new(Barrier::new(THREADS));
    let tasks: Vec<_> = pool.enter(|| {
        (0..THREADS)
            .map(|_| {
                let meeting = Arc::clone(&meeting);
                AsyncTask::to::<()>().run(move || {
                    meeting.wait();
                })
            })
            .collect()
    });
    for task in tasks {
        task.wait().unwrap().unwrap();
    }
    let turns: Vec<_> = (0..THREADS * 4).map(|_| Arc::new(AtomicUsize::new(0))).collect();
    let tasks: Vec<_> = pool.enter(|| {
        turns
            .iter()
            .map(|turns| {
                let turns = Arc::clone(turns);
                AsyncTask::to::<()>().run(move || async move {
                    for _ in 0..100 {
                        turns.fetch_add(1, Ordering::Relaxed);
                        yield_now().await;
                    }
                })
            })
            .collect()
    });
    for task in tasks {
        task.wait().unwrap().unwrap();
    }
    assert!(turns.iter().all(|turns| turns.load(Ordering::Relaxed) == 100));
}

#[test]
fn idle_workers_do_not_wake_and_one_task_wakes_one() {
    const TASKS: u64 = 200;
    let pool = pool(4);
    until(|| pool.stats().idle_workers == 4);
    let before = pool.stats();
    // Time passes; nothing but a deadline passes with it.
    let mut never = pool.enter(|| AsyncTask::to::<()>().run(pending::<()>));
    until(|| pool.stats().idle_workers == 4);
    let begun = pool.stats();
    assert!(begun.wake_ups <= before.wake_ups + 1);
    assert_eq!(
        never.wait_timeout(Duration::from_millis(20)).err(),
        Some(WaitError::TimedOut)
    );
    assert_eq!(
        (pool.stats().wake_ups, pool.stats().timer_wake_ups),
        (begun.wake_ups, begun.timer_wake_ups)
    );
    for _ in 0..TASKS {
        pool.enter(|| AsyncTask::to::<()>().run(|| ()))
            .wait()
            .unwrap()
            .unwrap();
    }
    assert!(pool.stats().wake_ups <= begun.wake_ups + TASKS);
}

#[test]
fn the_timer_wakes_for_deadlines_and_earlier_deadlines_alone() {
    const SLEEPS: u64 = 10;
    let pool = pool(1);
    pool.block_on(async {
        let runtime = pool.handle();
        for _ in 0..SLEEPS {
            let at = runtime.now() + Duration::from_millis(1);
            runtime.sleep_until(at).await;
            assert!(runtime.now() >= at);
        }
        // Far ones, later and later: the thread knows the first, and need not hear of the others.
        let far: Vec<_> = (1..=100)
            .map(|hours| {
                let mut sleep = Box::pin(runtime.sleep_until(runtime.now() + Duration::from_hours(hours)));
                let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
                assert!(sleep.as_mut().poll(&mut cx).is_pending());
                sleep
            })
            .collect();
        drop(far);
    })
    .unwrap();
    // Once when one is armed, once when it is due; and once for the first of the far ones.
    assert!(pool.stats().timer_wake_ups <= 2 * SLEEPS + 1);
}

#[test]
fn a_sleep_that_is_cancelled_ends_at_once() {
    let pool = pool(1);
    let task = pool.enter(|| {
        AsyncTask::to::<()>()
            .retry(Retry::fixed(Duration::from_hours(1)).attempts(2))
            .run(|| async { Err::<(), _>("first") })
    });
    until(|| task.status() == State::Waiting);
    task.cancel(Level::Graceful).unwrap();
    assert!(task.wait().unwrap().unwrap_err().is_cancelled());
}

#[test]
fn a_closure_that_outlives_its_deadline_is_fenced_and_counted() {
    let pool = pool(1);
    let (open, wait) = gate();
    let ran = Arc::new(AtomicBool::new(false));
    let late = Arc::clone(&ran);
    let task = pool.enter(|| {
        AsyncTask::to::<u8>()
            .timeout(Duration::from_millis(1))
            .run_blocking(move |cx: Context| {
                let _ = wait.recv();
                // Killed as its thread is: no checkpoint passes.
                late.store(cx.checkpoint().is_err() || cx.is_ended(), Ordering::Relaxed);
                1
            })
    });
    let seen = task.task_ref();
    assert!(task.wait().unwrap().unwrap_err().is_timed_out() || seen.status() == State::TimedOut);
    assert!(pool.stats().abandoned <= 1);
    drop(open);
    until(|| pool.stats().abandoned == 0);
    assert_eq!(seen.status(), State::TimedOut);
}

#[test]
fn waiting_is_for_threads_that_may_block() {
    let pool = Arc::new(pool(1));
    let inner = Arc::clone(&pool);
    let (on_a_worker, with_a_limit, of_a_pool) = pool
        .enter(|| {
            AsyncTask::to::<_>().run(move || {
                let mut ready = std::future::ready(1);
                (
                    std::future::ready(1).wait(),
                    ready.wait_timeout(Duration::ZERO),
                    inner.block_on(async { 1 }),
                )
            })
        })
        .wait()
        .unwrap()
        .unwrap();
    let inside = |error: InsideWorker| error.to_string();
    assert!(inside(on_a_worker.unwrap_err()).contains("worker"));
    assert!(matches!(with_a_limit, Err(WaitError::InsideWorker(_))));
    assert!(of_a_pool.is_err());
    // A closure may: its thread is no worker.
    let closure = pool.enter(|| {
        AsyncTask::to::<u8>().run_blocking(|| AsyncTask::to::<u8>().run(|| 5).wait().unwrap().unwrap())
    });
    assert_eq!(closure.wait().unwrap().unwrap(), 5);
}

#[test]
fn a_wait_with_a_limit_loses_nothing() {
    let pool = pool(1);
    let (open, wait) = gate();
    let mut task = pool.enter(|| {
        AsyncTask::to::<u8>().run_blocking(move || {
            let _ = wait.recv();
            3
        })
    });
    assert_eq!(
        task.wait_timeout(Duration::from_millis(1)).err(),
        Some(WaitError::TimedOut)
    );
    drop(open);
    assert_eq!(task.wait_timeout(Duration::MAX).unwrap().unwrap(), 3);
}

#[test]
fn edges_have_blocking_faces_with_limits() {
    let (sender, receiver) = edge::<Vec<u32>>(1, Overflow::Block);
    let mut taken = Vec::new();
    assert_eq!(
        pin!(receiver.recv(&mut taken)).wait_timeout(Duration::from_millis(1)),
        Err(WaitError::TimedOut)
    );
    let mut chunk = vec![1, 2];
    assert!(
        pin!(sender.send(&mut chunk))
            .wait_timeout(Duration::MAX)
            .unwrap()
            .is_ok()
    );
    let mut more = vec![3];
    // Full: the limit passes, and the rows are where they were.
    assert!(
        pin!(sender.send(&mut more))
            .wait_timeout(Duration::from_millis(1))
            .is_err()
    );
    assert_eq!(more, [3]);
    assert!(receiver.recv(&mut taken).wait().unwrap().is_ok());
    assert_eq!(taken, [1, 2]);
    drop(sender);
    assert!(receiver.recv(&mut taken).wait().unwrap().is_err());
}

#[test]
fn a_pipeline_runs_on_one_worker() {
    let pool = pool(1);
    let sum = pool
        .block_on(async {
            AsyncTask::emits::<u64>()
                .collect_into::<Vec<u64>>()
                .sender(|source| {
                    source
                        .of(1..=1_000)
                        .into_chunks(NonZero::new(10).unwrap().get().rows())
                })
                .receiver(ReceiverStrategy::parallel(4), |number, all| all.add(number))
                .await_final_event(|last| last.into_collected().into_iter().sum::<u64>())
                .await
        })
        .unwrap()
        .unwrap();
    assert_eq!(sum, 500_500);
}

#[test]
fn a_pool_that_is_shut_down_rejects() {
    let pool = pool(1);
    let handle = pool.handle();
    let report = pool.shutdown(Duration::MAX, Duration::MAX);
    assert!(report.is_clean() && report.tasks.cancelled.is_empty());
    let task = sweet_async_api::TaskBuilder::<Threads, u8, _>::new(handle.clone()).run(|| 1);
    assert_eq!(task.status(), State::Rejected);
    assert!(matches!(
        task.wait().unwrap().unwrap_err().cause(),
        Cause::Rejected(Rejection::NoRuntime | Rejection::ScopeClosed)
    ));
    assert!(handle.spawn(async {}).is_err());
    assert!(handle.spawn_blocking(|| ()).is_err());
    // Where there has never been one.
    let task = AsyncTask::to::<u8>().run(|| 1);
    assert!(matches!(
        task.wait().unwrap().unwrap_err().cause(),
        Cause::Rejected(Rejection::NoRuntime)
    ));
}

#[test]
fn a_full_queue_rejects_its_class_and_no_other() {
    let pool = ThreadPool::builder()
        .workers(1..=1)
        .queue_capacity(3)
        .build()
        .unwrap();
    let (open, wait) = gate();
    pool.enter(|| {
        let (begun, begins) = channel();
        let held = AsyncTask::to::<()>().run(move || {
            begun.send(()).unwrap();
            let _ = wait.recv();
        });
        begins.recv().unwrap();
        let queued: Vec<_> = (0..3).map(|_| AsyncTask::to::<()>().run(|| ())).collect();
        let refused = AsyncTask::to::<()>().run(|| ());
        assert_eq!(refused.status(), State::Rejected);
        assert!(matches!(
            refused.wait().unwrap().unwrap_err().cause(),
            Cause::Rejected(Rejection::ScopeFull)
        ));
        let urgent = AsyncTask::to::<()>().priority(Priority::Critical).run(|| ());
        drop(open);
        held.wait().unwrap().unwrap();
        urgent.wait().unwrap().unwrap();
        assert!(queued.into_iter().all(|task| task.wait().unwrap().is_ok()));
        assert_eq!(pool.handle().root().live(), 0);
    });
}

#[test]
fn contradictions_are_errors_of_build() {
    let build = || ThreadPool::builder();
    let bounds =
        |built: Result<ThreadPool, BuildError>| matches!(built, Err(BuildError::Workers(ScaleError::Bounds)));
    assert!(bounds(build().workers(0..=0).build()));
    assert!(bounds(build().workers(0..=4).build()));
    assert!(bounds(build().workers(RangeInclusive::new(5, 4)).build()));
    assert!(bounds(build().workers(1..=1_000_000).build()));
    let long = build().workers(1..=2).cool_down(Duration::MAX).build();
    assert!(matches!(long, Err(BuildError::Workers(ScaleError::CoolDown))));
    let none = build().blocking_threads(0).build();
    assert!(matches!(
        none,
        Err(BuildError::BlockingThreads(ScaleError::Bounds))
    ));
    assert!(matches!(
        build().queue_capacity(0).build(),
        Err(BuildError::ZeroCapacity)
    ));
    assert!(matches!(
        build().stack_size(1).build(),
        Err(BuildError::StackTooSmall { least: 16_384 })
    ));
    let error = build().name("a\0b").build().unwrap_err();
    assert!(matches!(error, BuildError::ZeroInName), "{error}");
}

#[test]
fn threads_are_as_many_as_asked_for_and_have_their_names_and_stacks() {
    // Larger than any that the system may have kept from a thread that ended.
    const STACK: usize = 48 << 20;
    let pool = ThreadPool::builder()
        .workers(3..=3)
        .name("counted")
        .stack_size(STACK)
        .build()
        .unwrap();
    until(|| pool.stats().idle_workers == 3);
    assert_eq!(
        threads("counted"),
        ["counted-1", "counted-2", "counted-3", "counted-timer"]
    );
    // The mapping that a worker's variable lies in begins at the far end of its stack.
    let (here, maps) = pool
        .enter(|| {
            AsyncTask::to::<_>().run(|| {
                let variable = 0_u8;
                let here = &raw const variable as usize;
                (here, std::fs::read_to_string("/proc/self/maps").unwrap())
            })
        })
        .wait()
        .unwrap()
        .unwrap();
    let below = maps.lines().find_map(|line| {
        let (start, rest) = line.split_once('-')?;
        let start = usize::from_str_radix(start, 16).ok()?;
        let end = usize::from_str_radix(rest.split(' ').next()?, 16).ok()?;
        (start..end).contains(&here).then(|| here - start)
    });
    let below = below.unwrap();
    assert!((STACK / 2..=STACK).contains(&below), "{below}");
    drop(pool);
    assert_eq!(threads("counted"), [""; 0]);
}

#[test]
fn threads_show_the_names_of_their_tasks_if_asked() {
    let pool = ThreadPool::builder()
        .workers(1..=1)
        .name("shows")
        .show_task_names()
        .build()
        .unwrap();
    let comm = || std::fs::read_to_string("/proc/thread-self/comm").unwrap();
    pool.enter(|| {
        let (open, wait) = gate();
        let held = AsyncTask::to::<()>()
            .name("shown-to-everybody")
            .run_blocking(move || {
                let _ = wait.recv();
            });
        // 15 bytes are what the system keeps.
        until(|| threads("shown-to") == ["shown-to-everyb"]);
        drop(open);
        held.wait().unwrap().unwrap();
        let shown = AsyncTask::to::<_>()
            .name("fetch")
            .run(comm)
            .wait()
            .unwrap()
            .unwrap();
        assert_eq!(shown, "fetch\n");
        let shown = AsyncTask::to::<_>().run(comm).wait().unwrap().unwrap();
        assert_eq!(shown, "shows-1\n");
    });
}

#[test]
fn the_number_of_workers_follows_the_load_within_its_bounds() {
    let pool = ThreadPool::builder()
        .workers(1..=4)
        .cool_down(Duration::from_millis(1))
        .name("elastic")
        .build()
        .unwrap();
    let workers = || {
        threads("elastic")
            .iter()
            .filter(|name| !name.ends_with("timer"))
            .count()
    };
    assert_eq!((pool.stats().workers, pool.stats().wanted_workers), (1, 1));
    for _ in 0..3 {
        let mut gates = Vec::new();
        // Each holds a worker; only four can be held at a time.
        let tasks: Vec<_> = pool.enter(|| {
            (0..8)
                .map(|_| {
                    let (open, wait) = gate();
                    gates.push(open);
                    AsyncTask::to::<()>().run(move || {
                        let _ = wait.recv();
                    })
                })
                .collect()
        });
        until(|| workers() == 4);
        assert_eq!(pool.stats().wanted_workers, 4);
        drop(gates);
        for task in tasks {
            assert!(pool.stats().workers <= 4);
            task.wait().unwrap().unwrap();
        }
        until(|| pool.stats().workers == 1 && workers() == 1);
        assert_eq!(pool.stats().wanted_workers, 1);
    }
}

#[test]
fn there_are_as_many_threads_for_closures_as_closures_run() {
    let pool = ThreadPool::builder()
        .workers(1..=1)
        .blocking_threads(3)
        .keep_blocking_threads(Duration::from_millis(1))
        .build()
        .unwrap();
    assert_eq!(pool.stats().blocking_threads, 0);
    let (begun, begins) = channel();
    let mut gates = Vec::new();
    let tasks: Vec<_> = pool.enter(|| {
        (0..5)
            .map(|_| {
                let (open, wait) = gate();
                gates.push(open);
                let begun = begun.clone();
                AsyncTask::to::<()>().run_blocking(move || {
                    begun.send(()).unwrap();
                    let _ = wait.recv();
                })
            })
            .collect()
    });
    // Three hold a thread each; the others wait for one.
    assert_eq!(begins.iter().take(3).count(), 3);
    assert_eq!(pool.stats().blocking_threads, 3);
    assert!(begins.try_recv().is_err());
    drop(gates);
    assert!(tasks.into_iter().all(|task| task.wait().unwrap().is_ok()));
    until(|| pool.stats().blocking_threads == 0);
}

/// Runs tasks of all classes that were there before the first of them began, and gives the order in which they ran.
fn order_of(workers: u32, patience: Patience, each: usize) -> Vec<Priority> {
    let pool = ThreadPool::builder()
        .workers(workers..=workers)
        .patience(patience)
        .build()
        .unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let meeting = Arc::new(Barrier::new(workers as usize + 1));
    pool.enter(|| {
        let held: Vec<_> = (0..workers)
            .map(|_| {
                let meeting = Arc::clone(&meeting);
                AsyncTask::to::<()>().priority(Priority::Critical).run(move || {
                    meeting.wait();
                    meeting.wait();
                })
            })
            .collect();
        meeting.wait();
        let tasks: Vec<_> = (0..each)
            .flat_map(|_| Priority::ALL.into_iter().rev())
            .map(|class| {
                let order = Arc::clone(&order);
                AsyncTask::to::<()>()
                    .priority(class)
                    .run(move || order.lock().unwrap().push(class))
            })
            .collect();
        meeting.wait();
        for task in held.into_iter().chain(tasks) {
            task.wait().unwrap().unwrap();
        }
    });
    let mut order = order.lock().unwrap();
    std::mem::take(&mut *order)
}

/// How many tasks of other classes ran at most, in a row, while more than `taken` of `class` had not run.
fn longest_wait(order: &[Priority], class: Priority, taken: usize) -> usize {
    let ran = order.iter().filter(|ran| **ran == class).count();
    order
        .split(|ran| *ran == class)
        .take(ran - taken)
        .map(<[Priority]>::len)
        .max()
        .unwrap()
}

#[test]
fn the_most_urgent_runs_first_and_none_starves() {
    const PATIENCE: usize = 8;
    let order = order_of(1, Patience::of::<8>(), 200);
    assert!(
        order
            .iter()
            .take(PATIENCE)
            .all(|class| *class == Priority::Critical)
    );
    for class in Priority::ALL {
        assert_eq!(order.iter().filter(|ran| **ran == class).count(), 200);
        assert!(longest_wait(&order, class, 0) <= PATIENCE + 4, "{class}");
    }
    // Who is more urgent is done sooner.
    let done: Vec<_> = Priority::ALL
        .map(|class| order.iter().rposition(|ran| *ran == class))
        .into();
    assert!(done.is_sorted(), "{done:?}");
}

#[test]
fn none_starves_on_several_workers() {
    const WORKERS: usize = 3;
    const PATIENCE: usize = 8;
    // What the system may stop a worker with: the one that it is about to run, and those that it is about to take over.
    const TAKEN: usize = WORKERS * (1 + 32);
    let order = order_of(3, Patience::of::<8>(), 300);
    for class in Priority::ALL {
        // Each worker passes a class over for so long at most, and may be about to note what it chose before.
        let longest = longest_wait(&order, class, TAKEN);
        assert!(
            longest <= WORKERS * (PATIENCE + 4) + WORKERS,
            "{class}: {longest}"
        );
    }
}

#[test]
fn tasks_that_wake_each_other_do_not_shut_out_those_outside() {
    let pool = pool(1);
    let stop = Arc::new(AtomicBool::new(false));
    pool.enter(|| {
        let busy: Vec<_> = (0..3)
            .map(|_| {
                let stop = Arc::clone(&stop);
                AsyncTask::to::<()>().run(move || async move {
                    while !stop.load(Ordering::Relaxed) {
                        yield_now().await;
                    }
                })
            })
            .collect();
        until(|| busy.iter().all(|task| task.started_at().is_some()));
        AsyncTask::to::<()>()
            .run(move || stop.store(true, Ordering::Relaxed))
            .wait()
            .unwrap()
            .unwrap();
        assert!(busy.into_iter().all(|task| task.wait().unwrap().is_ok()));
    });
}

#[test]
fn shutdown_drains_what_ends_by_itself() {
    let pool = pool(2);
    let ended = Arc::new(AtomicU32::new(0));
    pool.enter(|| {
        for _ in 0..100 {
            let ended = Arc::clone(&ended);
            AsyncTask::to::<()>()
                .run(move |cx: Context| async move {
                    yield_now().await;
                    // Below a task that is waited for, others may still begin.
                    let ended = Arc::clone(&ended);
                    let child = cx.spawn_child(AsyncTask::to::<()>(), move || async move {
                        yield_now().await;
                        ended.fetch_add(1, Ordering::Relaxed);
                    });
                    child.await.unwrap();
                })
                .detach();
        }
    });
    let report = pool.shutdown(Duration::MAX, Duration::ZERO);
    assert!(
        report.is_clean() && report.tasks.cancelled.is_empty(),
        "{report:?}"
    );
    assert_eq!(ended.load(Ordering::Relaxed), 100);
}

#[test]
fn shutdown_lets_those_who_listen_finish_within_the_grace() {
    let pool = pool(2);
    let tasks: Vec<_> = pool.enter(|| {
        (0..20)
            .map(|number| {
                AsyncTask::to::<u32>().run(move |cx: Context| async move {
                    assert_eq!(cx.cancelled().await.level, Level::Graceful);
                    yield_now().await;
                    number
                })
            })
            .collect()
    });
    until(|| tasks.iter().all(|task| task.started_at().is_some()));
    let report = pool.shutdown(Duration::ZERO, Duration::MAX);
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.tasks.cancelled.len(), 20);
    let sum: u32 = tasks.into_iter().map(|task| task.wait().unwrap().unwrap()).sum();
    assert_eq!(sum, 190);
}

#[test]
fn shutdown_tells_who_did_not_stop() {
    let pool = pool(3);
    let (open_closure, closure) = gate();
    let (open_poll, polled) = gate();
    let (begun, begins) = channel();
    let tell = |name: &'static str| {
        let begun = begun.clone();
        move || begun.send(name).unwrap()
    };
    let tasks: Vec<Task<()>> = pool.enter(|| {
        let (waits, blocks, holds) = (tell("waits"), tell("blocks"), tell("holds"));
        vec![
            AsyncTask::to::<()>().name("waits").run(move || async move {
                waits();
                pending::<()>().await;
            }),
            AsyncTask::to::<()>().name("blocks").run_blocking(move || {
                blocks();
                let _ = closure.recv();
            }),
            AsyncTask::to::<()>().name("holds").run(move || {
                holds();
                let _ = polled.recv();
            }),
        ]
    });
    assert_eq!(begins.iter().take(3).count(), 3);
    let report = pool.shutdown(Duration::ZERO, Duration::from_millis(1));
    let cancelled: BTreeSet<_> = report.tasks.cancelled.iter().map(|task| task.name()).collect();
    assert_eq!(cancelled, BTreeSet::from(["waits", "blocks", "holds"]));
    // The one that waits may be on its way out just now.
    let left: BTreeSet<_> = report.threads.iter().map(|left| left.task.name()).collect();
    assert!(left.is_superset(&BTreeSet::from(["blocks", "holds"])), "{left:?}");
    for task in tasks {
        assert!(task.wait().unwrap().unwrap_err().is_cancelled());
    }
    drop((open_closure, open_poll));
}

#[test]
fn a_pool_that_a_task_of_its_own_shuts_down_waits_for_nobody() {
    let pool = pool(2);
    let handle = pool.handle();
    let (give, take) = channel::<ThreadPool>();
    let (tell, hear) = channel();
    let own = pool.enter(|| {
        AsyncTask::to::<()>().name("own").run(move || {
            let report = take.recv().unwrap().shutdown(Duration::MAX, Duration::MAX);
            let left = report.threads.iter().any(|left| left.task.name() == "own");
            tell.send(left).unwrap();
        })
    });
    give.send(pool).unwrap();
    assert!(hear.recv().unwrap());
    assert!(own.wait().unwrap().unwrap_err().is_cancelled());
    assert!(handle.spawn(async {}).is_err());
}

/// Tells that it was dropped.
struct Held(Arc<AtomicBool>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_pool_that_is_dropped_resolves_its_tasks() {
    let pool = pool(1);
    let dropped = Arc::new(AtomicBool::new(false));
    let held = Held(Arc::clone(&dropped));
    let task = pool.enter(|| {
        AsyncTask::to::<()>().run(move || async move {
            let _held = held;
            pending::<()>().await;
        })
    });
    until(|| task.started_at().is_some());
    drop(pool);
    assert!(task.wait().unwrap().unwrap_err().is_cancelled());
    until(|| dropped.load(Ordering::Relaxed));
}

/// One that has ended cannot be cancelled any more; its callbacks hang, and it is below another one. The end of the pool
/// meets it at every point of its way there.
#[test]
fn whoever_hangs_in_callbacks_is_dropped_when_the_pool_ends() {
    for round in 0..200 {
        let pool = pool(2);
        let handle = pool.handle();
        let (give, child) = channel();
        let parent = pool.enter(|| {
            AsyncTask::to::<u32>().run(move |cx: Context| async move {
                let child = cx.spawn_child(
                    AsyncTask::to::<u32>().grace(1_000.seconds()),
                    |cx: Context| async move {
                        cx.cancelled().await;
                        5
                    },
                );
                child.on_cancel(|_| pending()).unwrap();
                while child.started_at().is_none() {
                    yield_now().await;
                }
                child.cancel(Level::Graceful).unwrap();
                give.send(child).unwrap();
                4
            })
        });
        let child = child.recv().unwrap();
        if round % 2 == 0 {
            until(|| child.is_ended());
        }
        let completed = child.status() == State::Completed;
        let _ = pool.shutdown(Duration::ZERO, Duration::ZERO);
        let value = child.wait().unwrap();
        assert!(!completed || value.is_ok_and(|value| value == 5));
        let _ = parent.wait().unwrap();
        until(|| handle.root().live() == 0);
    }
}

/// Whether the system has taken the thread off its processor, for it to wait.
#[cfg(target_os = "linux")]
fn sleeps(thread: &std::path::Path) -> bool {
    let status = std::fs::read_to_string(thread.join("status")).unwrap();
    status.lines().any(|line| line.starts_with("State:\tS"))
}

#[cfg(target_os = "linux")]
#[test]
fn a_task_whose_thread_is_off_the_processor_in_the_middle_of_a_poll_answers() {
    let pool = pool(1);
    let (open, gate) = gate();
    let (tell, hear) = channel();
    let task = pool.enter(|| {
        AsyncTask::to::<u32>()
            .name("held")
            .run(move |cx: Context| async move {
                let thread = std::fs::read_link("/proc/thread-self").unwrap();
                tell.send(std::path::Path::new("/proc").join(thread)).unwrap();
                let _ = gate.recv();
                u32::from(cx.is_cancelled())
            })
    });
    let thread = hear.recv().unwrap();
    until(|| sleeps(&thread));
    assert_eq!((task.status(), task.attempt()), (State::Running, 1));
    assert_eq!((task.name(), task.child_count()), ("held", 0));
    assert!(task.started_at().is_some() && task.ended_at().is_none());
    task.cancel(Level::Graceful).unwrap();
    assert!(sleeps(&thread), "asking and telling have not woken it");
    assert_eq!(task.status(), State::Running);
    assert!(task.is_cancelled());
    assert_eq!(task.cancellation().unwrap().level, Level::Graceful);
    drop(open);
    assert_eq!(task.wait().unwrap().unwrap(), 1);
}
