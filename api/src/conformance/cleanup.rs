//! What a task holds is given back at every level, and what is dropped half-way loses nothing.

use alloc::boxed::Box;
use core::convert::Infallible;
use core::future::{Future, pending, poll_fn};
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use core::task::{Context as Polling, Waker};
use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::stage::{Numbers, Permits, Stage, polled, quiet_about_planned_panics, sign, until, yield_now};
use crate::prelude::*;
use crate::{Context, Runtime};

/// A file that is removed as it is dropped.
struct Held {
    path: PathBuf,
    _open: File,
}

impl Held {
    fn new(folder: &Path, number: u64) -> Self {
        let path = folder.join(number.to_string());
        let open = File::create(&path).unwrap();
        Self { path, _open: open }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        fs::remove_file(&self.path).unwrap();
    }
}

/// How many descriptors of this process point into `folder`; none is known where there is no `/proc`.
fn open_files(folder: &Path) -> usize {
    let Ok(descriptors) = fs::read_dir("/proc/self/fd") else {
        return 0;
    };
    let targets = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets.filter(|target| target.starts_with(folder)).count()
}

pub(super) async fn files_and_permits_are_back_after_10_000_cancellations_at_each_level<R: Runtime>(
    h: Stage<R>,
) {
    const TASKS: u64 = 10_000;
    const PERMITS: usize = 64;
    let folder = format!("sweet-async-cleanup-{}-{}", std::process::id(), fastrand::u64(..));
    let folder = std::env::temp_dir().join(folder);
    fs::create_dir_all(&folder).unwrap();
    let permits = Permits::new(PERMITS);
    let seen_open = AtomicUsize::new(0);
    for level in [Level::Graceful, Level::Kill, Level::KillHard] {
        let mut numbers = Numbers::new(7);
        for start in (0..TASKS).step_by(100) {
            let work = |number| {
                let (permits, folder) = (permits.clone(), folder.clone());
                h.to::<(), Infallible>()
                    .grace(1_000.seconds())
                    .run(move |cx: Context<R>| async move {
                        let permit = cx.until_cancelled(permits.acquire()).await;
                        let _held = permit.is_ok().then(|| Held::new(&folder, number));
                        cx.cancelled().await;
                    })
            };
            let tasks: Vec<_> = (start..start + 100).map(work).collect();
            for (place, task) in tasks.iter().enumerate() {
                if start == 0 && place == 50 && cfg!(target_os = "linux") {
                    // One look: those seen open may be closed at the next.
                    until(|| {
                        let open = open_files(&folder);
                        seen_open.store(open, Ordering::Relaxed);
                        open != 0
                    })
                    .await;
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
        until(|| h.live() == 0).await;
        assert_eq!(permits.available(), PERMITS, "{level}");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "{level}");
        assert_eq!(open_files(&folder), 0, "{level}");
        // The counting itself counts.
        assert!(
            seen_open.load(Ordering::Relaxed) > 0 || !cfg!(target_os = "linux"),
            "{level}"
        );
    }
    fs::remove_dir(&folder).unwrap();
}

pub(super) async fn an_await_of_a_handle_dropped_at_each_poll_loses_no_result<R: Runtime>(h: Stage<R>) {
    for turns in 0..4_u32 {
        for polls in 0..4 {
            let mut task = h.to::<u32, Infallible>().run(move || async move {
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

pub(super) async fn waiting_inside_dropped_at_each_poll_misses_nothing<R: Runtime>(h: Stage<R>) {
    for polls in 0..3 {
        let ((arrive, arrived), at_work) = (sign(), h.clone());
        let parent = h
            .to::<u32, Infallible>()
            .grace(1_000.seconds())
            .run(move |cx: Context<R>| async move {
                let (open, gate) = sign();
                let child = cx.child::<u32, Infallible>().run(move || async move {
                    gate.given().await;
                    at_work.pass(1).await;
                    5
                });
                let mut seen = 0;
                // A listener that is dropped passes its wake-up on, whether or not it had it.
                assert_eq!(polled(cx.children_ended(), polls.min(1)).await, None);
                assert_eq!(polled(cx.cancelled(), polls.min(1)).await, None);
                assert_eq!(polled(cx.shield(pending::<()>()), polls.min(1)).await, None);
                assert!(!cx.snapshot().is_shielded());
                open.give();
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
                arrive.give();
                cx.cancelled().await;
                seen
            });
        arrived.given().await;
        parent.cancel(Level::Graceful).unwrap();
        assert_eq!(parent.await.unwrap(), 5, "{polls}");
    }
}

pub(super) async fn joining_dropped_at_each_poll_leaves_the_children_to_their_parent<R: Runtime>(
    h: Stage<R>,
) {
    for polls in 0..4 {
        let done = Arc::new(AtomicU32::new(0));
        let parent = h.to::<(), Infallible>().run({
            let (done, h) = (Arc::clone(&done), h.clone());
            move |cx: Context<R>| async move {
                let child = |units| {
                    let (done, h) = (Arc::clone(&done), h.clone());
                    cx.child::<(), Infallible>().run(move || async move {
                        h.pass(units).await;
                        done.fetch_add(1, Ordering::Relaxed);
                    })
                };
                let children: Vec<_> = (1..=3).map(child).collect();
                drop(polled(cx.join_children(All, children), polls).await);
            }
        });
        parent.await.unwrap();
        assert_eq!(done.load(Ordering::Relaxed), 3, "{polls}");
    }
}

/// Two wait for the same: one of them is dropped when it has been woken and not polled.
pub(super) async fn a_waiter_that_is_dropped_after_it_was_woken_takes_nobody_elses_wake_up<R: Runtime>(
    h: Stage<R>,
) {
    let (arrive, arrived) = sign();
    let task = h
        .to::<bool, Infallible>()
        .grace(1_000.seconds())
        .run(|cx: Context<R>| async move {
            let mut dropped: Option<Pin<Box<dyn Future<Output = ()> + Send>>> = Some(Box::pin({
                let cx = cx.clone();
                async move {
                    cx.cancelled().await;
                }
            }));
            let mut kept = pin!(cx.cancelled());
            poll_fn(|context| {
                if cx.is_cancelled() {
                    // It was woken and has not been polled since.
                    dropped = None;
                } else if let Some(first) = &mut dropped {
                    let _ = first.as_mut().poll(&mut Polling::from_waker(Waker::noop()));
                }
                let polled = kept.as_mut().poll(context).map(|_| ());
                arrive.give();
                polled
            })
            .await;
            true
        });
    arrived.given().await;
    task.cancel(Level::Graceful).unwrap();
    assert!(task.await.unwrap());
}

struct Loud;

impl Drop for Loud {
    fn drop(&mut self) {
        panic!("planned: loud");
    }
}

pub(super) async fn a_value_that_panics_as_it_is_dropped_costs_no_thread<R: Runtime>(h: Stage<R>) {
    quiet_about_planned_panics();
    // A handle whose result panics as it is dropped, dropped after the task has ended.
    let task = h.to::<Loud, Infallible>().run(|| Loud);
    let seen = task.task_ref();
    until(|| seen.is_ended() && h.live() == 0).await;
    // The owner's own destructor in the owner's own thread: his affair.
    assert!(catch_unwind(AssertUnwindSafe(|| drop(task))).is_err());
    // And before it has ended: a thread of the executor, where it is caught.
    for _ in 0..100 {
        let (go, gone) = sign();
        let task = h.to::<Loud, Infallible>().run(move || async move {
            gone.given().await;
            Loud
        });
        let seen = task.task_ref();
        task.detach();
        go.give();
        until(|| seen.is_ended()).await;
        assert_eq!(seen.status(), State::Completed);
    }
    h.to::<(), Infallible>().run(|| ()).await.unwrap();
}
