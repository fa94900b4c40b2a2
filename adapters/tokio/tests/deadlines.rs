//! Deadlines that come from another task, and what a task does with the time it is given.

use std::future::pending;
use std::time::Duration;

use sweet_async_tokio::prelude::*;
use sweet_async_tokio::task::Limit;
use sweet_async_tokio::units::DurationUnits;
use tokio::sync::oneshot;

/// Its parent's work is done and waits for it; a parent that is at work ends at the same deadline, and takes it along.
#[tokio::test(start_paused = true)]
async fn a_child_that_ends_at_its_parents_deadline_names_the_parent() {
    let (give, given) = oneshot::channel();
    let parent = AsyncTask::to::<()>()
        .timeout(2.seconds())
        .run(move |cx: Context| async move {
            let longer = AsyncTask::to::<()>().timeout(60.seconds());
            drop(give.send(cx.spawn_child(longer, pending::<()>)));
        });
    let id = parent.id();
    let child = given.await.unwrap();
    assert_eq!(child.deadline(), parent.deadline());
    let error = child.await.unwrap_err();
    let Cause::TimedOut(timed_out) = error.cause() else {
        panic!("{error}")
    };
    assert_eq!((timed_out.limit, timed_out.deadline_of), (Limit::Inherited, id));
    assert_eq!(timed_out.elapsed, Duration::from_secs(2));
    parent.await.unwrap();
}

/// Its parent is at work: both come to the deadline at once, and whoever is first, the child's end speaks of the deadline.
#[tokio::test(start_paused = true)]
async fn a_child_of_a_parent_that_times_out_learns_that_it_was_the_deadline() {
    for seconds in [1, 60] {
        let (give, given) = oneshot::channel();
        let parent = AsyncTask::to::<()>()
            .timeout(2.seconds())
            .run(move |cx: Context| async move {
                let builder = AsyncTask::to::<()>();
                let builder = if seconds == 60 {
                    builder.timeout(60.seconds())
                } else {
                    builder
                };
                drop(give.send(cx.spawn_child(builder, pending::<()>)));
                pending::<()>().await;
            });
        let child = given.await.unwrap();
        match child.await.unwrap_err().cause() {
            Cause::TimedOut(timed_out) => assert_eq!(timed_out.limit, Limit::Inherited),
            Cause::Cancelled { cancellation, .. } => {
                assert_eq!(cancellation.reason, sweet_async_api::Reason::Deadline);
                assert_eq!(cancellation.by, Some(parent.id()));
            }
            other => panic!("{other}"),
        }
        assert!(parent.await.unwrap_err().is_timed_out());
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_of_a_chain_ends_at_the_deadline_of_the_first() {
    let first = AsyncTask::to::<()>().timeout(5.seconds()).run(|| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok::<_, &str>(())
    });
    let (id, deadline, created) = (first.id(), first.deadline(), first.created_at());
    assert!(deadline.is_some());
    let last = first.chain(|()| async { pending::<Result<(), &str>>().await });
    assert_eq!(last.deadline(), deadline);
    let seen = last.task_ref();
    let Cause::TimedOut(timed_out) = last.await.unwrap_err().into_cause() else {
        panic!("another end")
    };
    assert_eq!((timed_out.limit, timed_out.deadline_of), (Limit::Inherited, id));
    assert_eq!(seen.ended_at().unwrap().since(created), Duration::from_secs(5));
}

/// Three links, cancelled while the second one runs: the first has its value, the third never begins.
#[tokio::test(start_paused = true)]
async fn a_chain_that_is_cancelled_in_its_middle_does_not_go_on() {
    let (arrive, arrived) = oneshot::channel();
    let middle = AsyncTask::to::<u32>()
        .run(|| async { Ok::<_, &str>(1) })
        .chain(|_| async move {
            arrive.send(()).unwrap();
            pending::<Result<u32, &str>>().await
        });
    let second = middle.task_ref();
    let (began, begins) = oneshot::channel::<()>();
    let last = middle.chain(|value: u32| async move {
        let _ = began.send(());
        Ok(value)
    });
    arrived.await.unwrap();
    second.cancel(Level::Kill).unwrap();
    assert!(last.await.unwrap_err().is_cancelled());
    assert_eq!(second.status(), State::Cancelled);
    // Its closure was dropped without having been called.
    begins.await.unwrap_err();
}

/// Work that is told to stop has its grace period to write what it holds.
#[tokio::test]
async fn graceful_work_writes_what_it_holds_before_it_ends() {
    let path = std::env::temp_dir().join(format!("sweet-async-flush-{}", std::process::id()));
    let (arrive, arrived) = oneshot::channel();
    let task = AsyncTask::to::<()>().grace(60.seconds()).run({
        let path = path.clone();
        move |cx: Context| async move {
            let held = "the last line\n".repeat(1_000);
            arrive.send(()).unwrap();
            cx.cancelled().await;
            tokio::fs::write(path, held).await
        }
    });
    arrived.await.unwrap();
    task.cancel(Level::Graceful).unwrap();
    task.await.unwrap();
    let written = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    assert_eq!(written, "the last line\n".repeat(1_000));
}
