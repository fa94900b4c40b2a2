//! Edges of a task's life: foreign code that panics where nobody expects it, the moments around the end, and scopes that
//! close while somebody enters.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

use sweet_async_api::{Reason, Runtime, TaskBuilder};
use sweet_async_tokio::prelude::*;
use sweet_async_tokio::task::{Rejection, TaskRef};
use sweet_async_tokio::units::DurationUnits;
use tokio::task::yield_now;

#[tokio::test(start_paused = true)]
async fn a_callback_is_handed_back_by_a_plain_task_that_has_ended() {
    let task = AsyncTask::to::<()>().run(|| ());
    let seen = task.task_ref();
    task.await.unwrap();
    assert!(seen.on_cancel(|_| async {}).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_task_that_has_ended_takes_no_child() {
    let cx = AsyncTask::to::<Context>().run(|cx: Context| cx).await.unwrap();
    let ran = Arc::new(AtomicBool::new(false));
    let child = cx.spawn_child(AsyncTask::to::<()>(), {
        let ran = Arc::clone(&ran);
        move || ran.store(true, Ordering::Relaxed)
    });
    assert_eq!(child.status(), State::Rejected);
    let error = child.await.unwrap_err();
    assert!(
        matches!(error.cause(), Cause::Rejected(Rejection::ScopeClosed)),
        "{error}"
    );
    yield_now().await;
    assert!(!ran.load(Ordering::Relaxed));
    assert_eq!(cx.child_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_classifier_that_panics_ends_the_task_as_panicked() {
    let task = AsyncTask::to::<()>()
        .retry(Retry::immediate())
        .classify(|_: &&str| -> Verdict { panic!("no idea") })
        .run(|| Err("failed"));
    let seen = task.task_ref();
    let Cause::Panicked(panic) = task.await.unwrap_err().into_cause() else {
        panic!("not a panic")
    };
    assert_eq!(panic.message(), "no idea");
    assert_eq!(seen.status(), State::Panicked);
}

#[tokio::test(start_paused = true)]
async fn a_fallback_that_panics_at_once_keeps_the_first_error() {
    let task = AsyncTask::to::<()>()
        .fallback(|_| -> Result<(), &str> { panic!("no plan either") })
        .run(|| Err("failed"));
    let Cause::FallbackFailed { primary, fallback } = task.await.unwrap_err().into_cause() else {
        panic!("one of the errors is lost")
    };
    assert_eq!(primary.failure(), Some(&"failed"));
    assert!(fallback.is_panicked());
}

/// Runs a closure as it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[tokio::test(start_paused = true)]
async fn a_callback_that_panics_as_it_is_dropped_costs_nobody_anything() {
    for cancel in [None, Some(Level::Kill), Some(Level::KillHard)] {
        let done = Arc::new(AtomicU32::new(0));
        let task = AsyncTask::to::<u32>().grace(1.seconds()).run(|| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            7
        });
        // The first one never ends, so that the others are left over when the grace period ends.
        task.on_cancel(|_| pending()).unwrap();
        for _ in 0..2 {
            let done = Arc::clone(&done);
            let left = OnDrop(move || {
                done.fetch_add(1, Ordering::Relaxed);
                panic!("dropped")
            });
            task.on_cancel(move |_| async move { drop(left) }).unwrap();
        }
        yield_now().await;
        if let Some(level) = cancel {
            task.cancel(level).unwrap();
        }
        match cancel {
            None => assert_eq!(task.await.unwrap(), 7),
            Some(_) => assert!(task.await.unwrap_err().is_cancelled()),
        }
        yield_now().await;
        assert_eq!(done.load(Ordering::Relaxed), 2, "{cancel:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_callback_may_ask_its_task_as_it_is_dropped() {
    let task = AsyncTask::to::<()>().run(|| ());
    let asked = Arc::new(AtomicBool::new(false));
    let guard = OnDrop({
        let (seen, asked) = (task.task_ref(), Arc::clone(&asked));
        move || asked.store(seen.on_cancel(|_| async {}).is_err(), Ordering::Relaxed)
    });
    task.on_cancel(move |_| async move { drop(guard) }).unwrap();
    task.await.unwrap();
    assert!(asked.load(Ordering::Relaxed));
}

#[test]
fn a_shutdown_resolves_a_task_whose_callback_panics_as_it_is_dropped() {
    let runtime = current_thread();
    let tokio = Tokio::on(runtime.handle().clone());
    let task = TaskBuilder::<_, (), _>::new(tokio.clone()).run(pending::<()>);
    let guard = OnDrop(|| panic!("dropped"));
    task.on_cancel(move |_| async move { drop(guard) }).unwrap();
    runtime.block_on(yield_now());
    drop(runtime);
    assert!(current_thread().block_on(task).unwrap_err().is_cancelled());
    assert_eq!(tokio.root().live(), 0);
}

#[test]
fn a_shutdown_during_the_callbacks_keeps_the_value() {
    let runtime = current_thread();
    let task =
        TaskBuilder::<_, u32, _>::new(Tokio::on(runtime.handle().clone())).run(|cx: Context| async move {
            cx.cancelled().await;
            5
        });
    task.on_cancel(|_| pending()).unwrap();
    runtime.block_on(async {
        yield_now().await;
        task.cancel(Level::Graceful).unwrap();
        while !task.is_ended() {
            yield_now().await;
        }
    });
    assert_eq!(task.status(), State::Completed);
    drop(runtime);
    assert_eq!(current_thread().block_on(task).unwrap(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_retry_without_delay_lets_others_run() {
    let over = Arc::new(AtomicBool::new(false));
    let task = AsyncTask::to::<()>()
        .retry(Retry::immediate().attempts(u32::MAX))
        .run({
            let over = Arc::clone(&over);
            move || {
                if over.load(Ordering::Relaxed) {
                    Ok(())
                } else {
                    Err("not yet")
                }
            }
        });
    AsyncTask::to::<()>()
        .run(move || over.store(true, Ordering::Relaxed))
        .await
        .unwrap();
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn attempts_are_counted_past_what_the_word_holds() {
    let made = Arc::new(AtomicU32::new(0));
    let task = AsyncTask::to::<()>()
        .retry(Retry::immediate().attempts(70_000))
        .run({
            let made = Arc::clone(&made);
            move || Err(made.fetch_add(1, Ordering::Relaxed))
        });
    assert_eq!(task.await.unwrap_err().failure(), Some(&69_999));
    assert_eq!(made.load(Ordering::Relaxed), 70_000);
}

#[tokio::test(start_paused = true)]
async fn no_attempt_begins_after_the_total_time_whoever_sets_the_delay() {
    let task = AsyncTask::to::<()>()
        .retry(Retry::fixed(1.seconds()).total(5.seconds()))
        .classify(|_: &&str| Verdict::RetryAfter(10.seconds()))
        .run(|| Err("busy"));
    let seen = task.task_ref();
    task.await.unwrap_err();
    assert_eq!(seen.attempt(), 1);
    assert_eq!(seen.started_at(), seen.ended_at());
}

#[tokio::test(start_paused = true)]
async fn a_handle_cut_off_by_a_hard_kill_resolves_once() {
    let mut task = AsyncTask::to::<()>().run(pending::<()>);
    yield_now().await;
    task.cancel(Level::KillHard).unwrap();
    assert!((&mut task).await.unwrap_err().is_cancelled());
    for _ in 0..3 {
        assert!(matches!((&mut task).await.unwrap_err().cause(), Cause::Taken));
        yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn grace_also_ends_the_wait_for_children() {
    let task = AsyncTask::to::<()>().grace(3.seconds()).run(|cx: Context| {
        cx.spawn_child(
            AsyncTask::to::<()>().grace(Duration::from_hours(1)),
            pending::<()>,
        )
        .detach();
    });
    yield_now().await;
    yield_now().await;
    assert_eq!((task.child_count(), task.is_ended()), (1, false));
    let seen = task.task_ref();
    task.cancel(Level::Graceful).unwrap();
    task.await.unwrap_err();
    assert_eq!(
        seen.ended_at().unwrap().since(seen.created_at()),
        Duration::from_secs(3)
    );
}

/// Notes as it wakes whether something had been dropped by then.
struct Witness {
    dropped: Arc<AtomicBool>,
    seen: Mutex<Option<bool>>,
}

impl Wake for Witness {
    fn wake(self: Arc<Self>) {
        let dropped = self.dropped.load(Ordering::Relaxed);
        self.seen.lock().unwrap().get_or_insert(dropped);
    }
}

#[tokio::test(start_paused = true)]
async fn what_work_and_fallback_captured_is_gone_when_the_handle_resolves() {
    for retry in [false, true] {
        let dropped = Arc::new(AtomicBool::new(false));
        let guard = OnDrop({
            let dropped = Arc::clone(&dropped);
            move || dropped.store(true, Ordering::Relaxed)
        });
        let mut task = if retry {
            AsyncTask::to::<()>().retry(Retry::immediate()).run(move || {
                let _captured = &guard;
                Ok::<_, &str>(())
            })
        } else {
            AsyncTask::to::<()>()
                .fallback(move |_| {
                    drop(guard);
                    Ok(())
                })
                .run(|| Ok::<_, &str>(()))
        };
        let witness = Arc::new(Witness {
            dropped,
            seen: Mutex::new(None),
        });
        let waker = Waker::from(Arc::clone(&witness));
        let mut context = std::task::Context::from_waker(&waker);
        assert!(pin!(&mut task).poll(&mut context).is_pending());
        while witness.seen.lock().unwrap().is_none() {
            yield_now().await;
        }
        assert_eq!(*witness.seen.lock().unwrap(), Some(true), "retry: {retry}");
        task.await.unwrap();
    }
}

#[test]
fn a_scope_outlives_what_a_hard_kill_left_in_the_middle_of_a_poll() {
    let runtime = multi_thread(3);
    runtime.block_on(async {
        let (inside, wait) = mpsc::channel();
        let (release, gate) = mpsc::channel::<()>();
        let early = Arc::new(AtomicBool::new(false));
        let scope = AsyncTask::to::<()>().run({
            let early = Arc::clone(&early);
            move |scope: Context| {
                let outer = (*scope).clone();
                scope
                    .spawn_child(AsyncTask::to::<()>(), move |parent: Context| {
                        let me = (*parent).clone();
                        parent
                            .spawn_child(AsyncTask::to::<()>(), move || async move {
                                inside.send(me).unwrap();
                                gate.recv().unwrap();
                                early.store(outer.is_ended(), Ordering::Relaxed);
                            })
                            .detach();
                    })
                    .detach();
            }
        });
        let parent: TaskRef = tokio::task::spawn_blocking(move || wait.recv().unwrap())
            .await
            .unwrap();
        parent.cancel(Level::KillHard).unwrap();
        for _ in 0..10_000 {
            yield_now().await;
        }
        release.send(()).unwrap();
        scope.await.unwrap();
        assert!(!early.load(Ordering::Relaxed));
    });
}

#[test]
fn a_blocking_closure_that_has_not_begun_is_not_begun_after_a_cancellation() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        for level in [Level::Graceful, Level::Kill, Level::KillHard] {
            let (release, gate) = mpsc::channel::<()>();
            let first = AsyncTask::to::<()>().run_blocking(move || gate.recv().unwrap());
            while first.status() == State::Pending {
                yield_now().await;
            }
            let ran = Arc::new(AtomicBool::new(false));
            let second = AsyncTask::to::<()>().run_blocking({
                let ran = Arc::clone(&ran);
                move || ran.store(true, Ordering::Relaxed)
            });
            while second.status() == State::Pending {
                yield_now().await;
            }
            second.cancel(level).unwrap();
            release.send(()).unwrap();
            first.await.unwrap();
            assert!(second.await.unwrap_err().is_cancelled(), "{level}");
            let other = AsyncTask::to::<()>().run_blocking(|| ());
            other.await.unwrap();
            assert!(!ran.load(Ordering::Relaxed), "{level}");
        }
    });
}

/// A parent that fails while another thread enters children: each child is refused or told.
#[test]
fn a_child_that_enters_as_its_parent_fails_is_refused_or_told() {
    let runtime = multi_thread(2);
    runtime.block_on(async {
        for _ in 0..2_000 {
            let (give, take) = tokio::sync::oneshot::channel::<Context>();
            let parent = AsyncTask::to::<()>().run(move |cx: Context| {
                let _ = give.send(cx);
                Err("failed")
            });
            let cx = take.await.unwrap();
            let child = cx.spawn_child(AsyncTask::to::<()>(), |cx: Context| async move {
                assert_eq!(cx.cancelled().await.reason, Reason::Parent);
            });
            drop(child.await);
            parent.await.unwrap_err();
            assert_eq!(cx.child_count(), 0);
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_reference_to_the_deepest_of_100_000_may_be_the_last() {
    let (give, mut take) = tokio::sync::mpsc::channel(1);
    AsyncTask::to::<()>()
        .run(move |cx: Context| descend(&cx, 100_000, give))
        .await
        .unwrap();
    let deepest: TaskRef = take.recv().await.unwrap();
    assert!(deepest.is_ended());
    drop(deepest);
}

#[tokio::test(start_paused = true)]
async fn a_chain_may_be_100_000_links_long() {
    let mut link = AsyncTask::to::<u32>().run(|| Ok::<_, &str>(0));
    for _ in 0..100_000 {
        link = link.chain(|value| Ok(value + 1));
    }
    assert_eq!(link.await.unwrap(), 100_000);
}

#[tokio::test(start_paused = true)]
async fn a_grace_period_shorter_than_the_clock_ticks_is_not_none() {
    let task = AsyncTask::to::<u32>()
        .grace(Duration::from_micros(1))
        .run(|cx: Context| async move {
            cx.cancelled().await;
            yield_now().await;
            yield_now().await;
            1
        });
    yield_now().await;
    task.cancel(Level::Graceful).unwrap();
    assert_eq!(task.await.unwrap(), 1);
}

fn descend(cx: &Context, left: u32, give: tokio::sync::mpsc::Sender<TaskRef>) {
    if left == 0 {
        give.try_send((**cx).clone()).unwrap();
        return;
    }
    cx.spawn_child(AsyncTask::to::<()>(), move |cx: Context| {
        descend(&cx, left - 1, give);
    })
    .detach();
}

#[tokio::test(start_paused = true)]
async fn a_shield_opened_elsewhere_postpones_the_end_of_a_backoff_no_longer_than_it_is_open() {
    let (give, mut take) = tokio::sync::mpsc::channel(1);
    let task = AsyncTask::to::<()>()
        .retry(Retry::fixed(100.seconds()))
        .run(move |cx: Context| {
            give.try_send(cx).unwrap();
            Err("again")
        });
    let cx = take.recv().await.unwrap();
    yield_now().await;
    assert_eq!(task.status(), State::Waiting);
    {
        let mut open = pin!(cx.shield(pending::<()>()));
        let once = std::future::poll_fn(|context| Poll::Ready(open.as_mut().poll(context).is_pending()));
        assert!(once.await);
        task.cancel(Level::Graceful).unwrap();
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(!task.is_ended());
    }
    let seen = task.task_ref();
    task.await.unwrap_err();
    assert_eq!(
        seen.ended_at().unwrap().since(seen.created_at()),
        Duration::from_secs(10)
    );
}

#[test]
fn nothing_of_this_unwinds_into_the_caller() {
    // A handle whose result panics as it is dropped, dropped after the task has ended.
    let runtime = current_thread();
    let task = {
        let _inside = runtime.enter();
        AsyncTask::to::<Loud>().run(|| Loud)
    };
    runtime.block_on(async { yield_now().await });
    assert!(task.is_ended());
    // The owner's own destructor in the owner's own thread: his affair.
    assert!(catch_unwind(AssertUnwindSafe(|| drop(task))).is_err());
    // And before it has ended: the executor's thread, where it is caught.
    runtime.block_on(async {
        let task = AsyncTask::to::<Loud>().run(|| Loud);
        let seen = task.task_ref();
        task.detach();
        yield_now().await;
        assert_eq!(seen.status(), State::Completed);
    });
}

struct Loud;

impl Drop for Loud {
    fn drop(&mut self) {
        panic!("loud");
    }
}

fn current_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn multi_thread(workers: usize) -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .unwrap()
}
