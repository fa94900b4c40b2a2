//! The promises of a task, on both flavours of Tokio, in virtual time.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use sweet_async_tokio::prelude::*;
use sweet_async_tokio::task::{CancellationResult, Limit};
use sweet_async_tokio::units::DurationUnits;

/// Runs each test on a current-thread runtime with paused time.
macro_rules! virtual_time {
    ($($(#[$meta:meta])* async fn $name:ident() $body:block)*) => {$(
        $(#[$meta])*
        #[test]
        fn $name() {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .start_paused(true)
                .build()
                .unwrap();
            runtime.block_on(async { $body });
        }
    )*};
}

virtual_time! {
    async fn a_timeout_is_not_a_cancellation_and_names_its_deadline() {
        let task = AsyncTask::to::<()>().timeout(5.seconds()).run(std::future::pending::<()>);
        let error = task.await.unwrap_err();
        let Cause::TimedOut(timed_out) = error.cause() else { panic!("{error}") };
        assert_eq!(timed_out.limit, Limit::Own);
        assert_eq!(timed_out.elapsed, Duration::from_secs(5));
        assert_eq!(Some(timed_out.deadline_of), error.task());
    }

    async fn work_that_is_ready_at_its_deadline_counts() {
        let task = AsyncTask::to::<u32>().timeout(1.seconds()).run(|| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            9
        });
        assert_eq!(task.await.unwrap(), 9);
    }

    async fn a_task_cancelled_before_it_starts_never_starts() {
        for level in [Level::Graceful, Level::Kill, Level::KillHard] {
            let ran = Arc::new(AtomicBool::new(false));
            let task = AsyncTask::to::<()>().run({
                let ran = Arc::clone(&ran);
                move || ran.store(true, Ordering::Relaxed)
            });
            task.cancel(level).unwrap();
            assert_eq!(task.status(), State::Cancelled);
            let error = task.await.unwrap_err();
            assert!(error.is_cancelled(), "{error}");
            tokio::task::yield_now().await;
            assert!(!ran.load(Ordering::Relaxed));
        }
    }

    async fn a_kill_drops_the_work_before_the_handle_resolves() {
        struct Flag(Arc<AtomicBool>);
        impl Drop for Flag {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let dropped = Arc::new(AtomicBool::new(false));
        let flag = Flag(Arc::clone(&dropped));
        let task = AsyncTask::to::<()>().run(move || async move {
            let _flag = flag;
            std::future::pending::<()>().await;
        });
        tokio::task::yield_now().await;
        task.cancel(Level::Kill).unwrap();
        assert!(!dropped.load(Ordering::Relaxed));
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(dropped.load(Ordering::Relaxed));
    }

    async fn grace_ends_in_a_kill() {
        let task = AsyncTask::to::<()>().grace(3.seconds()).run(std::future::pending::<()>);
        tokio::task::yield_now().await;
        let before = task.created_at();
        let reference = task.task_ref();
        let CancellationResult::Cancelled { level, .. } = task.stop(Level::Graceful).await else { panic!() };
        assert_eq!(level, Level::Kill);
        assert_eq!(reference.ended_at().unwrap().since(before), Duration::from_secs(3));
    }

    async fn graceful_work_may_finish_and_its_value_counts() {
        let task = AsyncTask::to::<&str>().run(|cx: Context| async move {
            cx.cancelled().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            "flushed"
        });
        tokio::task::yield_now().await;
        let CancellationResult::Completed(value) = task.stop(Level::Graceful).await else { panic!() };
        assert_eq!(value, "flushed");
    }

    async fn graceful_work_that_fails_ends_as_cancelled_and_keeps_its_error() {
        let task = AsyncTask::to::<()>().run(|cx: Context| async move {
            cx.cancelled().await;
            Err("half done")
        });
        tokio::task::yield_now().await;
        task.cancel(Level::Graceful).unwrap();
        let Cause::Cancelled { error, cancellation } = task.await.unwrap_err_cause() else { panic!() };
        assert_eq!((error, cancellation.level), (Some("half done"), Level::Graceful));
    }

    async fn cancelling_a_finished_task_is_refused() {
        let task = AsyncTask::to::<()>().run(|| ());
        let reference = task.task_ref();
        task.await.unwrap();
        assert_eq!(reference.cancel(Level::Kill).unwrap_err().state, State::Completed);
    }

    async fn a_shield_postpones_a_kill_but_not_a_hard_one() {
        let finished = Arc::new(AtomicBool::new(false));
        let task = AsyncTask::to::<()>().run({
            let finished = Arc::clone(&finished);
            move |cx: Context| async move {
                cx.shield(async {
                    tokio::time::sleep(Duration::from_secs(10)).await;
                    finished.store(true, Ordering::Relaxed);
                }).await.unwrap();
                std::future::pending::<()>().await;
            }
        });
        tokio::task::yield_now().await;
        task.cancel(Level::Kill).unwrap();
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(finished.load(Ordering::Relaxed));

        let task = AsyncTask::to::<()>().run(|cx: Context| async move {
            let _ = cx.shield(std::future::pending::<()>()).await;
        });
        tokio::task::yield_now().await;
        task.cancel(Level::KillHard).unwrap();
        assert!(task.await.unwrap_err().is_cancelled());
    }

    async fn callbacks_run_once_in_order_also_when_registered_late() {
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let task = AsyncTask::to::<()>().run({
            let order = Arc::clone(&order);
            move |cx: Context| async move {
                let late = Arc::clone(&order);
                cx.cancelled().await;
                cx.on_cancel(move |_| async move { late.lock().unwrap().push("late") }).unwrap();
                tokio::time::sleep(Duration::from_secs(1)).await;
                Err::<(), _>("stopped")
            }
        });
        for name in ["first", "panics", "second"] {
            let order = Arc::clone(&order);
            task.on_cancel(move |_| async move {
                tokio::time::sleep(Duration::from_millis(1)).await;
                assert_ne!(name, "panics");
                order.lock().unwrap().push(name);
            }).unwrap();
        }
        tokio::task::yield_now().await;
        let reference = task.task_ref();
        task.cancel(Level::Graceful).unwrap();
        task.await.unwrap_err();
        assert_eq!(*order.lock().unwrap(), ["first", "second", "late"]);
        reference.on_cancel(|_| async {}).unwrap_err();
    }

    async fn retry_waits_the_stated_delays() {
        let attempts = Arc::new(AtomicU32::new(0));
        let retry = Retry::exponential(100.millis()).max_delay(250.millis()).attempts(5);
        let task = AsyncTask::to::<u32>().retry(retry).run({
            let attempts = Arc::clone(&attempts);
            move || {
                let made = attempts.fetch_add(1, Ordering::Relaxed) + 1;
                async move { if made < 5 { Err(made) } else { Ok(made) } }
            }
        });
        let reference = task.task_ref();
        assert_eq!(task.await.unwrap(), 5);
        assert_eq!(reference.attempt(), 5);
        let spent = reference.ended_at().unwrap().since(reference.started_at().unwrap());
        assert_eq!(spent, Duration::from_millis(100 + 200 + 250 + 250));
    }

    async fn a_classifier_gives_up_or_sets_the_delay() {
        let retry = Retry::fixed(1.seconds()).attempts(10);
        let task = AsyncTask::to::<()>().retry(retry).classify(|error: &u32| match error {
            0 => Verdict::RetryAfter(7.seconds()),
            _ => Verdict::GiveUp,
        }).run({
            let mut made = 0;
            move || { made += 1; Err(made - 1) }
        });
        let reference = task.task_ref();
        assert_eq!(task.await.unwrap_err().failure(), Some(&1));
        assert_eq!(reference.attempt(), 2);
        assert_eq!(reference.ended_at().unwrap().since(reference.started_at().unwrap()), Duration::from_secs(7));
    }

    async fn an_attempt_has_its_own_limit() {
        let retry = Retry::fixed(1.seconds()).attempts(3).attempt_timeout(2.seconds());
        let task = AsyncTask::to::<()>().retry(retry).run(std::future::pending::<()>);
        let reference = task.task_ref();
        let Cause::TimedOut(timed_out) = task.await.unwrap_err_cause() else { panic!() };
        assert_eq!(timed_out.limit, Limit::Attempt);
        assert_eq!(reference.attempt(), 3);
        assert_eq!(reference.ended_at().unwrap().since(reference.started_at().unwrap()), Duration::from_secs(8));
    }

    async fn no_backoff_outlasts_the_deadline() {
        let task = AsyncTask::to::<()>().timeout(5.seconds()).retry(Retry::fixed(4.seconds()).attempts(9)).run(|| Err("no"));
        let reference = task.task_ref();
        let error = task.await.unwrap_err();
        assert_eq!(error.failure(), Some(&"no"));
        assert_eq!(reference.attempt(), 2);
        assert_eq!(reference.ended_at().unwrap().since(reference.started_at().unwrap()), Duration::from_secs(4));
    }

    async fn a_fallback_replaces_a_failure_and_both_errors_are_kept() {
        let value = AsyncTask::to::<u32>().fallback(|error| async move {
            assert_eq!(error.failure(), Some(&"primary"));
            Ok(7)
        }).run(|| Err("primary")).await.unwrap();
        assert_eq!(value, 7);
        let cause = AsyncTask::to::<u32>().fallback(|_| Err("secondary")).run(|| Err("primary")).await.unwrap_err_cause();
        let Cause::FallbackFailed { primary, fallback } = cause else { panic!() };
        assert_eq!((primary.failure(), fallback.failure()), (Some(&"primary"), Some(&"secondary")));
    }

    async fn a_fallback_also_serves_a_timeout_and_a_panic() {
        let value = AsyncTask::to::<u32>().timeout(1.seconds()).fallback(|error| async move {
            assert!(error.is_timed_out());
            tokio::time::sleep(Duration::from_secs(3)).await;
            1
        }).run(std::future::pending::<u32>).await.unwrap();
        assert_eq!(value, 1);
        let value = AsyncTask::to::<u32>().fallback(|_| 2).run(|| -> u32 { panic!("x") }).await.unwrap();
        assert_eq!(value, 2);
    }

    async fn children_end_before_their_parent() {
        let ended = Arc::new(AtomicU32::new(0));
        let parent = AsyncTask::to::<()>().run({
            let ended = Arc::clone(&ended);
            move |cx: Context| async move {
                for seconds in 1..=3 {
                    let ended = Arc::clone(&ended);
                    let child = cx.spawn_child(AsyncTask::to::<()>(), move |cx: Context| async move {
                        let grandchild = cx.spawn_child(AsyncTask::to::<()>(), move || async move {
                            tokio::time::sleep(Duration::from_secs(seconds)).await;
                            ended.fetch_add(1, Ordering::Relaxed);
                        });
                        grandchild.detach();
                    });
                    child.detach();
                }
                assert_eq!(cx.child_count(), 3);
                assert_eq!(cx.child_tasks().len(), 3);
            }
        });
        parent.await.unwrap();
        assert_eq!(ended.load(Ordering::Relaxed), 3);
    }

    async fn cancelling_reaches_all_below_and_nobody_beside() {
        let ended = Arc::new(AtomicU32::new(0));
        let root = AsyncTask::to::<()>().run({
            let ended = Arc::clone(&ended);
            move |cx: Context| nest(cx, 100, ended)
        });
        let sibling = AsyncTask::to::<u32>().run(|cx: Context| async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            u32::from(cx.is_cancelled())
        });
        for _ in 0..200 { tokio::task::yield_now().await; }
        root.cancel(Level::Graceful).unwrap();
        root.await.unwrap();
        assert_eq!(ended.load(Ordering::Relaxed), 101);
        assert_eq!(sibling.await.unwrap(), 0);
    }

    async fn a_child_of_a_cancelled_parent_never_starts() {
        let ran = Arc::new(AtomicBool::new(false));
        let parent = AsyncTask::to::<bool>().run({
            let ran = Arc::clone(&ran);
            move |cx: Context| async move {
                cx.cancelled().await;
                cx.run_child(AsyncTask::to::<()>(), move || ran.store(true, Ordering::Relaxed)).await.is_err()
            }
        });
        tokio::task::yield_now().await;
        parent.cancel(Level::Graceful).unwrap();
        assert!(parent.await.unwrap());
        assert!(!ran.load(Ordering::Relaxed));
    }

    async fn a_failing_parent_cancels_its_children() {
        let told = Arc::new(AtomicBool::new(false));
        let parent = AsyncTask::to::<()>().run({
            let told = Arc::clone(&told);
            move |cx: Context| async move {
                cx.spawn_child(AsyncTask::to::<()>(), move |cx: Context| async move {
                    let cancellation = cx.cancelled().await;
                    told.store(cancellation.reason == sweet_async_api::Reason::Parent, Ordering::Relaxed);
                }).detach();
                tokio::task::yield_now().await;
                Err("failed")
            }
        });
        parent.await.unwrap_err();
        assert!(told.load(Ordering::Relaxed));
    }

    async fn joiners_all_first_error_any() {
        AsyncTask::to::<()>().run(|cx: Context| async move {
            let make = |n: u64| cx.spawn_child(AsyncTask::to::<u64>(), move || async move {
                tokio::time::sleep(Duration::from_secs(n)).await;
                if n.is_multiple_of(2) { Ok(n) } else { Err(n) }
            });
            let all = cx.join_children(All, [make(4), make(1), make(2)]).await;
            let kinds: Vec<_> = all.iter().map(|(_, result)| result.as_ref().ok().copied()).collect();
            assert_eq!(kinds, [Some(4), None, Some(2)]);

            let slow = make(100);
            let reference = slow.task_ref();
            let error = cx.join_children(FirstError, [slow, make(1)]).await.unwrap_err();
            assert_eq!(error.failure(), Some(&1));
            assert_eq!(reference.status(), State::Cancelled);
            let values = cx.join_children(FirstError, [make(4), make(2)]).await.unwrap();
            assert_eq!(values.iter().map(|(_, value)| *value).collect::<Vec<_>>(), [4, 2]);

            let (_, value) = cx.join_children(Any, [make(1), make(2), make(100)]).await.unwrap();
            assert_eq!(value, 2);
            let errors = cx.join_children(Any, [make(3), make(1)]).await.unwrap_err();
            assert_eq!(errors.iter().map(|error| *error.failure().unwrap()).collect::<Vec<_>>(), [3, 1]);
        }).await.unwrap();
    }

    async fn a_chain_goes_on_with_the_value_and_stops_with_the_error() {
        let chained = AsyncTask::to::<u32>().run(|| async { Ok::<_, &str>(20) })
            .chain(|value| async move { Ok(value + 1) })
            .chain(|value: u32| async move { Ok(f64::from(value) * 2.0) });
        assert!((chained.await.unwrap() - 42.0).abs() < f64::EPSILON);

        let ran = Arc::new(AtomicBool::new(false));
        let first = AsyncTask::to::<u32>().name("first").run(|| async { Err("broken") });
        let id = first.id();
        let chained = first.chain({
            let ran = Arc::clone(&ran);
            move |value| { ran.store(true, Ordering::Relaxed); Ok(value) }
        });
        let error = chained.await.unwrap_err();
        assert_eq!((error.task(), error.failure()), (Some(id), Some(&"broken")));
        assert!(!ran.load(Ordering::Relaxed));
    }

    async fn cancelling_the_end_of_a_chain_cancels_its_beginning() {
        let first = AsyncTask::to::<()>().run(|| async { std::future::pending::<Result<(), &str>>().await });
        let reference = first.task_ref();
        let chained = first.chain(|()| Ok(())).chain(|()| Ok(()));
        for _ in 0..5 { tokio::task::yield_now().await; }
        chained.cancel(Level::Kill).unwrap();
        assert!(chained.await.unwrap_err().is_cancelled());
        for _ in 0..5 { tokio::task::yield_now().await; }
        assert_eq!(reference.status(), State::Cancelled);
    }
}

#[test]
fn blocking_work_sees_checkpoints_and_is_fenced_when_killed_hard() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let handle = Tokio::on(runtime.handle().clone());
    let builder = || sweet_async_api::TaskBuilder::<_, u32, _>::new(handle.clone());
    runtime.block_on(async {
        let (started, wait) = std::sync::mpsc::channel();
        let looping = builder().run_blocking({
            let started = started.clone();
            move |cx: Context| {
                started.send(()).unwrap();
                while cx.checkpoint().is_ok() {
                    std::hint::spin_loop();
                }
                1
            }
        });
        wait.recv().unwrap();
        let CancellationResult::Completed(1) = looping.stop(Level::Graceful).await else {
            panic!()
        };

        let killed = builder().run_blocking({
            let started = started.clone();
            move |cx: Context| {
                started.send(()).unwrap();
                while cx.checkpoint().is_ok() {
                    std::hint::spin_loop();
                }
                2
            }
        });
        wait.recv().unwrap();
        let CancellationResult::Cancelled {
            level: Level::Kill, ..
        } = killed.stop(Level::Kill).await
        else {
            panic!()
        };

        let (release, gate) = std::sync::mpsc::channel::<()>();
        let (returned, back) = std::sync::mpsc::channel();
        let stuck = builder().run_blocking(move || {
            started.send(()).unwrap();
            gate.recv().unwrap();
            returned.send(()).unwrap();
            3
        });
        wait.recv().unwrap();
        let reference = stuck.task_ref();
        let CancellationResult::Cancelled {
            level: Level::KillHard,
            ..
        } = stuck.stop(Level::KillHard).await
        else {
            panic!()
        };
        // The driver notices in its own time that its thread is abandoned.
        while handle.root().abandoned() == 0 {
            tokio::task::yield_now().await;
        }
        release.send(()).unwrap();
        back.recv().unwrap();
        while handle.root().abandoned() != 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(reference.status(), State::Cancelled);
    });
    assert_eq!(handle.root().live(), 0);
}

fn nest(
    cx: Context,
    depth: u32,
    ended: Arc<AtomicU32>,
) -> core::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        if depth > 0 {
            let next = Arc::clone(&ended);
            cx.spawn_child(AsyncTask::to::<()>(), move |cx: Context| {
                nest(cx, depth - 1, next)
            })
            .detach();
        }
        cx.cancelled().await;
        ended.fetch_add(1, Ordering::Relaxed);
    })
}

trait UnwrapErrCause<E> {
    fn unwrap_err_cause(self) -> Cause<E>;
}

impl<T: std::fmt::Debug, E: std::fmt::Debug> UnwrapErrCause<E> for Result<T, TaskError<E>> {
    fn unwrap_err_cause(self) -> Cause<E> {
        self.unwrap_err().into_cause()
    }
}
