//! Results that are still on their way: what is made of them, and that it stays the same task.

use core::convert::Infallible;
use core::future::{Future, pending};
use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use super::stage::{Numbers, Seed, Stage, polled, sign, until};
use crate::prelude::*;
use crate::task::{AsyncResult, CancellationResult, Limit, SpawningTask, TaskResult};
use crate::{Context, Reason, Runtime, Task, TaskError};

/// A task with this result.
fn of<R: Runtime>(h: &Stage<R>, result: Result<u64, u64>) -> Task<R, u64, u64> {
    h.to::<u64, _>().run(move || result)
}

/// What `Result` would say.
async fn ended<T, E: Copy>(task: impl Future<Output = Result<T, TaskError<E>>>) -> Result<T, E> {
    task.await.map_err(|error| *error.failure().unwrap())
}

pub(super) async fn results_that_are_on_their_way_obey_the_laws_of_results<R: Runtime>(h: Stage<R>) {
    let seed = Seed::from_env("SWEET_ASYNC_COMBINE_SEED");
    let mut numbers = Numbers::new(seed.0);
    for _ in 0..200 {
        let number = numbers.below(1_000);
        let given = if numbers.below(2) == 0 {
            Ok(number)
        } else {
            Err(number)
        };
        let (by, from, gap) = (numbers.below(10), numbers.below(1_000), numbers.below(3));
        let scale = move |value: u64| value.wrapping_mul(by);
        let shift = move |value: u64| value.wrapping_add(from);
        // Some have a value and some have none.
        let first = move |value: u64| {
            if value % 3 == gap {
                Err(value + 1)
            } else {
                Ok(scale(value))
            }
        };
        let second = move |value: u64| {
            if value.is_multiple_of(2) {
                Ok(shift(value))
            } else {
                Err(value + 2)
            }
        };

        assert_eq!(ended(of(&h, given).map(|value| value)).await, given);
        let composed = ended(of(&h, given).map(move |value| shift(scale(value)))).await;
        assert_eq!(ended(of(&h, given).map(scale).map(shift)).await, composed);
        assert_eq!(composed, given.map(scale).map(shift));

        assert_eq!(ended(of(&h, given).map_err(|error| error)).await, given);
        let composed = ended(of(&h, given).map_err(move |error| shift(scale(error)))).await;
        assert_eq!(ended(of(&h, given).map_err(scale).map_err(shift)).await, composed);
        assert_eq!(composed, given.map_err(scale).map_err(shift));

        // Left to right, right to left, and what `Result` says; then the two identities.
        let left = ended(of(&h, given).and_then(first).and_then(second)).await;
        let right = ended(of(&h, given).and_then({
            let h = h.clone();
            move |value| async move { ended(of(&h, first(value)).and_then(second)).await }
        }));
        assert_eq!(right.await, left);
        assert_eq!(left, given.and_then(first).and_then(second));
        assert_eq!(ended(of(&h, Ok(number)).and_then(first)).await, first(number));
        assert_eq!(ended(of(&h, given).and_then(Ok)).await, given);

        let recovered = of(&h, given).or_else(move |error| second(*error.failure().unwrap()));
        assert_eq!(ended(recovered).await, given.or_else(second));
        let mapped: Task<R, u64, u64> = of(&h, given).map(scale).and_then(second);
        assert_eq!(ended(mapped).await, given.map(scale).and_then(second));
    }
}

pub(super) async fn what_map_gives_is_the_same_task<R: Runtime>(h: Stage<R>) {
    let builder = h.to::<u32, _>().name("one").priority(Priority::High);
    let task = builder.timeout(600.seconds()).run(pending::<Result<u32, &str>>);
    let (id, deadline) = (task.id(), task.deadline());
    let mapped = task.map(|value| value + 1).map_err(str::len);
    assert_eq!(h.live(), 1);
    assert_eq!((mapped.id(), mapped.name()), (id, "one"));
    assert_eq!((mapped.priority(), mapped.deadline()), (Priority::High, deadline));
    until(|| mapped.status() == State::Running).await;
    mapped.cancel(Level::Kill).unwrap();
    assert!(mapped.await.unwrap_err().is_cancelled());

    // Dropped, it does what the task's own handle would have done.
    let dropped = Arc::new(());
    let (arrive, arrived) = sign();
    let work = {
        let held = Arc::clone(&dropped);
        move || async move {
            arrive.give();
            pending::<()>().await;
            drop(held);
        }
    };
    let mapped = h.to::<(), Infallible>().cancel_on_drop().run(work).map(|()| 1);
    arrived.given().await;
    drop(mapped);
    until(|| Arc::strong_count(&dropped) == 1).await;
}

pub(super) async fn every_error_of_the_work_is_mapped_wherever_it_is<R: Runtime>(h: Stage<R>) {
    let both = h
        .to::<(), _>()
        .fallback(|_| Err(20))
        .run(|| Err(10))
        .map_err(|error| error + 1);
    let error = both.await.unwrap_err();
    let Cause::FallbackFailed { primary, fallback } = error.cause() else {
        panic!("{error}");
    };
    assert_eq!((primary.failure(), fallback.failure()), (Some(&11), Some(&21)));

    let (arrive, arrived) = sign();
    let told = h
        .to::<(), _>()
        .grace(600.seconds())
        .run(move |cx: Context<R>| async move {
            arrive.give();
            cx.cancelled().await;
            Err(30)
        })
        .map_err(|error| error + 1);
    arrived.given().await;
    let ended = told.stop(Level::Graceful).await;
    let CancellationResult::Cancelled { error, .. } = &ended else {
        panic!("{ended:?}");
    };
    assert!(matches!(error.cause(), Cause::Cancelled { error: Some(31), .. }));
    assert!(TaskResult::is_err(&ended));
}

pub(super) async fn cancelling_a_link_cancels_what_it_waits_for<R: Runtime>(h: Stage<R>) {
    let endless = || {
        let (arrive, arrived) = sign();
        let work = move || async move {
            arrive.give();
            pending::<Result<u32, &str>>().await
        };
        (
            h.to::<u32, _>().name("first").grace(h.units(1)).run(work),
            arrived,
        )
    };
    let next = Arc::new(AtomicBool::new(false));
    let called = || {
        let next = Arc::clone(&next);
        move || next.store(true, Ordering::Relaxed)
    };

    let (first, arrived) = endless();
    let (seen, call) = (first.task_ref(), called());
    let link: Task<R, u32, _> = first.map(|value| value + 1).and_then(move |value| {
        call();
        Ok(value)
    });
    assert_eq!(link.name(), "first");
    arrived.given().await;
    until(|| link.attempt() == 1).await;
    link.cancel(Level::Kill).unwrap();
    assert!(link.await.unwrap_err().is_cancelled());
    until(|| seen.is_ended()).await;
    assert_eq!(seen.status(), State::Cancelled);

    let (first, arrived) = endless();
    let (seen, call) = (first.task_ref(), called());
    let link = first.or_else(move |_| {
        call();
        Ok::<_, Infallible>(0)
    });
    arrived.given().await;
    until(|| link.attempt() == 1).await;
    link.cancel_because(Level::Graceful, Reason::Sibling, None)
        .unwrap();
    let error = link.await.unwrap_err();
    assert!(error.is_cancelled(), "{error}");
    until(|| seen.is_ended()).await;
    assert_eq!(seen.cancellation().map(|told| told.reason), Some(Reason::Sibling));
    assert!(!next.load(Ordering::Relaxed));
}

pub(super) async fn a_link_recovers_from_what_is_no_timeout<R: Runtime>(h: Stage<R>) {
    // Somebody else's kill is an error like another.
    let (arrive, arrived) = sign();
    let first = h.to::<u32, _>().run(move || async move {
        arrive.give();
        pending::<Result<u32, &str>>().await
    });
    let seen = first.task_ref();
    let link = first.or_else(|error| Ok::<_, Infallible>(u32::from(error.is_cancelled())));
    arrived.given().await;
    seen.cancel(Level::Kill).unwrap();
    assert_eq!(link.await.unwrap(), 1);

    let next = Arc::new(AtomicBool::new(false));
    let first = h
        .to::<u32, _>()
        .timeout(h.units(2))
        .run(pending::<Result<u32, &str>>);
    let (id, called) = (first.id(), Arc::clone(&next));
    let link = first.or_else(move |_| {
        called.store(true, Ordering::Relaxed);
        Ok::<_, Infallible>(0)
    });
    let error = link.await.unwrap_err();
    let Cause::TimedOut(timed_out) = error.cause() else {
        panic!("{error}");
    };
    assert_eq!((timed_out.deadline_of, timed_out.limit), (id, Limit::Inherited));
    assert!(!next.load(Ordering::Relaxed));
}

pub(super) async fn a_result_can_be_looked_at_and_taken_without_waiting<R: Runtime>(h: Stage<R>) {
    let (go, gone) = sign();
    let mut task = h.to::<String, Infallible>().run(move || async move {
        gone.given().await;
        "done".to_owned()
    });
    assert!(task.peek().is_none() && task.value().is_none() && task.try_take().is_none());
    // Somebody who waits meanwhile loses nothing by being looked past.
    assert!(polled(&mut task, 1).await.is_none());
    go.give();
    until(|| task.value().is_some()).await;
    assert_eq!(task.value().map(String::as_str), Some("done"));
    assert_eq!(task.peek().unwrap().unwrap(), "done");
    // Looking leaves it, also to whoever awaits.
    assert_eq!((&mut task).await.unwrap(), "done");
    assert!(task.peek().is_none() && task.try_take().is_none());
    assert!(matches!((&mut task).await.unwrap_err().cause(), Cause::Taken));

    let mut task = of(&h, Err(5));
    until(|| task.is_ended()).await;
    until(|| task.peek().is_some()).await;
    assert!(task.value().is_none());
    let result = task.try_take().unwrap();
    assert_eq!(result.result().unwrap_err().failure(), Some(&5));
    assert!(task.try_take().is_none());

    // A hard kill is there at once.
    let mut task = h.to::<(), Infallible>().run(pending::<()>);
    task.cancel(Level::KillHard).unwrap();
    assert!(task.try_take().unwrap().unwrap_err().is_cancelled());
}

/// Twice what comes, of whatever handle; and whether there was anything.
async fn doubled<A: AsyncResult<u64, E>, E>(task: A) -> (Option<u64>, bool) {
    let result = task.map(|value| value * 2).await;
    (result.result().ok().copied(), TaskResult::is_ok(&result))
}

/// How many of those that have ended have a value.
fn values<O: TaskResult<T, E>, T, E>(ended: impl IntoIterator<Item = O>) -> usize {
    ended.into_iter().filter_map(|end| end.into_result().ok()).count()
}

/// Lets the first go and stops the second, whatever they are.
async fn keep_one<A, B, T, E, U, F>(keep: A, stop: B) -> bool
where
    A: SpawningTask<T, E>,
    B: SpawningTask<U, F>,
{
    let running = keep.runtime().root().live();
    keep.detach();
    running > 0 && stop.stop(Level::Kill).await.is_err()
}

pub(super) async fn one_function_serves_every_handle<R: Runtime>(h: Stage<R>) {
    assert_eq!(doubled(of(&h, Ok(4))).await, (Some(8), true));
    assert_eq!(
        doubled(of(&h, Err(4)).map(|value| value + 1)).await,
        (None, false)
    );
    let all = All.join([of(&h, Ok(1)), of(&h, Err(2)), of(&h, Ok(3))]).await;
    assert_eq!(values(all), 2);
    let joined = FirstError
        .join([1, 2, 3].map(|number| of(&h, Ok(number)).map(|value| value * 10)))
        .await
        .unwrap();
    assert_eq!(joined.iter().map(|(_, value)| *value).sum::<u64>(), 60);

    let (go, gone) = sign();
    let kept = h.to::<(), Infallible>().run(move || async move {
        gone.given().await;
    });
    let seen = kept.task_ref();
    let endless = h.to::<u32, Infallible>().run(pending::<u32>);
    assert!(keep_one(kept.map(|()| 1), endless).await);
    assert!(!seen.is_ended());
    go.give();
    until(|| seen.is_ended()).await;
    assert_eq!(seen.status(), State::Completed);
    let pipeline = h
        .emits::<u64, Infallible>()
        .collect_into::<u64>()
        .sender(|source| source.of(0..).into_chunks(5.rows()))
        .receiver(ReceiverStrategy::serial(), |_, count| count.add(()))
        .run();
    let endless = h.to::<u32, Infallible>().run(pending::<u32>);
    let seen = pipeline.task_ref();
    assert!(keep_one(pipeline, endless).await);
    seen.cancel(Level::KillHard).unwrap();
}
