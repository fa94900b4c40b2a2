//! Generic code over the task traits: the same function serves handles, contexts and references.

use core::convert::Infallible;
use core::future::{Future, pending};

use super::stage::{Stage, sign, until};
use crate::emit::{EmitError, ItemError};
use crate::prelude::*;
use crate::task;
use crate::{Context, Runtime};

/// What a dump line says, of whatever task.
fn line<A>(task: &A) -> String
where
    A: task::NamedTask + task::PrioritizedTask + task::StatusEnabledTask + task::RecoverableTask,
{
    let (name, priority, status) = (task.name(), task.priority(), task.status());
    format!(
        "{name} {priority} {status} attempt {} recovering {}",
        task.attempt(),
        task.is_recovering()
    )
}

fn stop<A: task::CancellableTask>(task: &A, level: Level) -> bool {
    let asked = match level {
        Level::Graceful => task.cancel_gracefully(),
        Level::Kill => task.cancel_forcefully(),
        Level::KillHard => task.cancel_immediately(),
    };
    asked.is_ok() && task.is_cancelled() && task.cancellation().is_some_and(|told| told.level >= level)
}

fn relatives<A: task::ContextualizedTask>(task: &A) -> (bool, usize, usize) {
    (
        task.parent().is_some(),
        task.child_count(),
        task.child_tasks().len(),
    )
}

fn outcome<A: task::AsyncTask<T, E>, T, E>(task: A) -> impl Future<Output = Option<T>> {
    assert!(task.ran_for().is_none());
    async move { task.await.ok() }
}

fn by_the_house<B: task::AsyncTaskBuilder>(builder: B) -> B {
    builder
        .name("house")
        .priority(Priority::High)
        .timeout(600.seconds())
        .grace(300.seconds())
}

pub(super) async fn one_function_serves_handles_contexts_and_references<R: Runtime>(h: Stage<R>) {
    let (go, gone) = sign();
    let builder = by_the_house(h.to::<(String, (bool, usize, usize)), Infallible>());
    let task = builder.run(move |cx: Context<R>| async move {
        gone.given().await;
        let child = cx.child::<(), Infallible>().run(pending::<()>);
        let seen = (line(&cx), relatives(&cx));
        assert_eq!(relatives(&child.task_ref()), (true, 0, 0));
        assert!(stop(&child, Level::Kill));
        seen
    });
    assert!(line(&task).starts_with("house high "));
    assert_eq!(
        task::TimedTask::deadline(&task),
        Some(task.created_at() + 600.seconds())
    );
    let reference = task.task_ref();
    let outcome = outcome(task);
    go.give();
    let (inside, tree) = outcome.await.unwrap();
    assert_eq!(inside, "house high running attempt 1 recovering false");
    assert_eq!(tree, (false, 1, 1));
    assert_eq!(
        line(&reference),
        "house high completed attempt 1 recovering false"
    );
    assert!(!stop(&reference, Level::KillHard));
}

pub(super) async fn a_task_between_attempts_is_recovering<R: Runtime>(h: Stage<R>) {
    let task = h
        .to::<(), _>()
        .retry(Retry::fixed(1_000.seconds()))
        .run(|| Err("again"));
    until(|| task.status() == State::Waiting).await;
    assert!(task::RecoverableTask::is_recovering(&task));
    assert!(stop(&task, Level::Graceful));
    assert!(task.await.unwrap_err().is_cancelled());
}

/// Attempt, retry, most attempts and retries; recovering, exhausted, with a fallback.
fn recovery<A: task::RecoverableTask>(task: &A) -> ([u32; 4], [bool; 3]) {
    (
        [
            u32::from(task.attempt()),
            u32::from(task.current_retry()),
            task.max_attempts(),
            task.max_retries(),
        ],
        [task.is_recovering(), task.is_exhausted(), task.has_fallback()],
    )
}

pub(super) async fn a_task_says_how_it_is_recovered<R: Runtime>(h: Stage<R>) {
    let retry = Retry::immediate().attempts(3).jitter(Jitter::Full);
    let task = h
        .to::<u32, u32>()
        .retry(retry)
        .fallback(|_| Ok(7))
        .run(move |cx: Context<R>| {
            let number = u32::from(cx.attempt());
            let expected = ([number, number - 1, 3, 2], [number > 1, number == 3, true]);
            assert_eq!(recovery(&cx), expected);
            async move { Err(number) }
        });
    let seen = task.task_ref();
    assert_eq!(task::RecoverableTask::retry_strategy(&task), Some(retry));
    assert_eq!(retry.max_attempts(), 3);
    assert_eq!(task.await.unwrap(), 7);
    assert_eq!(recovery(&seen), ([3, 2, 3, 2], [false, true, true]));

    // One attempt that is given up leaves two.
    let task = h.to::<(), _>().retry(retry).classify(|_: &u32| Verdict::GiveUp);
    let task = task.run(|| Err(1));
    let seen = task.task_ref();
    assert_eq!(task.await.unwrap_err().failure(), Some(&1));
    assert_eq!(recovery(&seen), ([1, 0, 3, 2], [false, false, false]));

    let waits = h
        .to::<(), u32>()
        .retry(Retry::fixed(1_000.seconds()).attempts(2))
        .run(|| Err(1));
    until(|| waits.status() == State::Waiting).await;
    assert_eq!(recovery(&waits), ([1, 0, 2, 1], [true, false, false]));
    assert!(stop(&waits, Level::Kill));
    waits.await.unwrap_err();

    let plain = h.to::<u32, Infallible>().run(|| 1);
    let seen = plain.task_ref();
    assert_eq!(plain.await.unwrap(), 1);
    assert_eq!(recovery(&seen), ([1, 0, 1, 0], [false, true, false]));
    assert_eq!(seen.retry_strategy(), None);
}

pub(super) async fn the_rules_of_a_house_hold_for_pipelines_too<R: Runtime>(h: Stage<R>) {
    let emission = by_the_house(h.emits::<u32, _>())
        .collect_into::<Vec<u32>>()
        .sender(|source| source.of(0..10).into_chunks(5.rows()))
        .receiver(ReceiverStrategy::serial(), |item, collector| collector.add(item))
        .run();
    assert_eq!((emission.name(), emission.priority()), ("house", Priority::High));
    assert_eq!(emission.await.unwrap().into_collected().len(), 10);
}

/// Stops a pipeline early, whatever it collects.
async fn early<P: EmittingTask>(pipeline: P) -> (Option<bool>, bool) {
    assert!(!pipeline.is_complete());
    assert!(stop(&pipeline, Level::Graceful));
    let before = pipeline.stats();
    let partial = pipeline.await_final_event(|last| last.is_partial()).await.ok();
    (partial, before.taken_in == before.out + before.in_flight)
}

fn strict<B: EmittingTaskBuilder>(builder: B) -> B {
    builder
        .edge_capacity(1)
        .overflow(Overflow::Block)
        .keep_errors(1)
        .stop_on_error()
}

pub(super) async fn one_function_serves_all_pipelines<R: Runtime>(h: Stage<R>) {
    let counting = by_the_house(h.emits::<u64, _>())
        .collect_into::<u64>()
        .sender(|source| source.of(0..).into_chunks(5.rows()))
        .receiver(ReceiverStrategy::serial(), |_, count| count.add(()))
        .run();
    let listing = by_the_house(h.emits::<u64, _>())
        .collect_into::<Vec<u64>>()
        .sender(|source| source.of(0..).into_chunks(7.rows()))
        .receiver(ReceiverStrategy::parallel(2), |item, list| list.add(item))
        .run();
    until(|| counting.stats().out > 0 && listing.stats().out > 0).await;
    assert!(line(&counting).starts_with("house high running"));
    assert_eq!(relatives(&listing), (false, 3, 3));
    assert_eq!(early(counting).await, (Some(true), true));
    assert_eq!(early(listing).await, (Some(true), true));
}

pub(super) async fn the_rules_of_a_house_are_those_of_the_pipeline<R: Runtime>(h: Stage<R>) {
    let failed = strict(h.emits::<u64, _>())
        .sender(|source| source.of(0..10).into_chunks(5.rows()))
        .receiver(ReceiverStrategy::serial(), |item, _| {
            if item == 3 { Err(item) } else { Ok(()) }
        })
        .run()
        .await
        .unwrap_err();
    let Some(EmitError::Item(ItemError::Receiver(item))) = failed.failure() else {
        panic!("{failed}");
    };
    assert_eq!(*item, 3);
}
