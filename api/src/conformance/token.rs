//! Tokens: who is told, by what, and what stays of those who waited; and tokens beside tasks.

use core::convert::Infallible;
use core::future::{Future, pending};
use core::pin::pin;
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::{self, Poll, Waker};
use std::sync::{Arc, Mutex};

use super::stage::{Flavour, Stage, polled, sign, until, yield_now};
use crate::prelude::*;
use crate::task::{Cancellation, TaskRef};
use crate::token::{CancellationToken, TokenCancelled};
use crate::{Context, Reason, Runtime};

const fn told(level: Level, reason: Reason) -> Cancellation {
    let by = None;
    Cancellation { level, reason, by }
}

const ASKED: Option<Cancellation> = Some(told(Level::Graceful, Reason::Requested));

pub(super) fn those_below_are_told_and_nobody_beside<R: Runtime>(_: Flavour<R>) {
    let root = CancellationToken::new();
    let [left, right] = [(); 2].map(|()| root.child_token());
    let below = left.child_token().child_token();
    assert!(left.clone().cancel());
    assert!(left.is_cancelled() && below.is_cancelled());
    assert!(!root.is_cancelled() && !right.is_cancelled());
    assert_eq!((root.cancellation(), right.cancellation()), (None, None));
    assert_eq!((left.cancellation(), below.cancellation()), (ASKED, ASKED));
    // One that is made later as well, and one whose own parent is gone.
    let late = left.child_token();
    assert!(late.is_cancelled());
    let orphan = right.child_token();
    drop(right);
    assert!(root.cancel_because(Level::Kill, Reason::Shutdown));
    assert_eq!(orphan.cancellation(), Some(told(Level::Kill, Reason::Shutdown)));
}

pub(super) fn the_first_reason_stays<R: Runtime>(_: Flavour<R>) {
    let root = CancellationToken::new();
    let (own, inherited) = (root.child_token(), root.child_token());
    assert!(own.cancel_because(Level::Kill, Reason::Superseded));
    assert!(root.cancel_because(Level::Graceful, Reason::Shutdown));
    assert!(!root.cancel_because(Level::KillHard, Reason::Dropped));
    // Nobody has looked at it yet.
    assert!(!inherited.cancel_because(Level::Kill, Reason::Requested));
    assert_eq!(own.cancellation(), Some(told(Level::Kill, Reason::Superseded)));
    assert_eq!(
        inherited.cancellation(),
        Some(told(Level::Graceful, Reason::Shutdown))
    );
}

pub(super) async fn whoever_waits_is_woken_once_and_who_gave_up_is_not<R: Runtime>(h: Stage<R>) {
    let root = CancellationToken::new();
    let leaf = root.child_token().child_token();
    let woken = Arc::new(AtomicU32::new(0));
    let tasks: Vec<_> = [&root, &leaf, &leaf, &leaf]
        .into_iter()
        .map(|token| {
            let (token, woken) = (token.clone(), Arc::clone(&woken));
            h.to::<Cancellation, Infallible>().run(move || async move {
                let mut waiting = pin!(token.cancelled_owned());
                // Dropped at its first and at its second poll, before it is polled to its end.
                assert!(polled(waiting.as_mut(), 1).await.is_none());
                woken.fetch_add(1, Ordering::Relaxed);
                waiting.await
            })
        })
        .collect();
    until(|| woken.load(Ordering::Relaxed) == 4).await;
    for polls in [0, 1] {
        assert!(polled(leaf.cancelled(), polls).await.is_none());
    }
    // One more behind those that gave up.
    let last = h.to::<Option<TokenCancelled>, Infallible>().run({
        let leaf = leaf.clone();
        move || async move { leaf.run_until_cancelled(pending::<()>()).await.err() }
    });
    yield_now().await;
    root.cancel();
    for task in tasks {
        assert_eq!(Some(task.await.unwrap()), ASKED);
    }
    let stopped = last.await.unwrap().map(|error| error.cancellation);
    assert_eq!(stopped, ASKED);
    // Who comes late does not wait.
    assert_eq!(Some(root.cancelled().await), ASKED);
}

pub(super) async fn work_that_is_ready_counts<R: Runtime>(_: Stage<R>) {
    let token = CancellationToken::new();
    assert_eq!(token.run_until_cancelled(async { 1 }).await, Ok(1));
    token.cancel_because(Level::Graceful, Reason::Deadline);
    assert_eq!(token.run_until_cancelled(async { 2 }).await, Ok(2));
    let stopped = token.run_until_cancelled(pending::<()>()).await.unwrap_err();
    assert_eq!(
        stopped.to_string(),
        "the token was cancelled (graceful, scope deadline passed)"
    );
}

pub(super) fn a_guard_cancels_unless_it_is_disarmed<R: Runtime>(_: Flavour<R>) {
    let [dropped, disarmed] = [(); 2].map(|()| CancellationToken::new());
    let guard = dropped.clone().drop_guard();
    assert!(!guard.is_cancelled());
    drop(guard);
    assert_eq!(
        dropped.cancellation(),
        Some(told(Level::Graceful, Reason::Dropped))
    );
    assert!(!disarmed.clone().drop_guard().disarm().is_cancelled());
    assert!(!disarmed.is_cancelled());
}

/// Who begins to wait while others cancel, at any height, is told all the same. What depends on the middle of a poll is
/// met where there are several threads.
pub(super) async fn whoever_begins_to_wait_as_it_is_cancelled_is_told<R: Runtime>(h: Stage<R>) {
    for round in 0..300_usize {
        let root = CancellationToken::new();
        let middle = root.child_token();
        let leaves = [(); 2].map(|()| middle.child_token());
        let (ready, begun) = sign();
        let waiting = [0, 1, 1].map(|leaf: usize| {
            let (token, ready) = (leaves[leaf].clone(), ready.clone());
            h.to::<Cancellation, Infallible>().run(move || async move {
                ready.give();
                token.cancelled().await
            })
        });
        let looking = h.to::<Option<Cancellation>, Infallible>().run({
            let leaf = leaves[0].clone();
            move || async move {
                until(|| leaf.is_cancelled()).await;
                leaf.cancellation()
            }
        });
        if round % 2 == 0 {
            begun.given().await;
        }
        let top = [&root, &middle][round / 2 % 2];
        assert!(top.cancel_because(Level::Graceful, Reason::Shutdown));
        for task in waiting {
            assert_eq!(task.await.unwrap(), told(Level::Graceful, Reason::Shutdown));
        }
        assert_eq!(
            looking.await.unwrap(),
            Some(told(Level::Graceful, Reason::Shutdown))
        );
    }
}

/// Two cancel at the same time, one above the other: each token has one answer, whoever asks and however often.
pub(super) async fn a_token_never_changes_its_answer<R: Runtime>(h: Stage<R>) {
    for _ in 0..300 {
        let root = CancellationToken::new();
        let leaf = root.child_token().child_token();
        let cancels = [(&root, Reason::Shutdown), (&leaf, Reason::Superseded)].map(|(token, reason)| {
            let token = token.clone();
            h.to::<bool, Infallible>()
                .run(move || token.cancel_because(Level::Graceful, reason))
        });
        let looks = [(); 2].map(|()| {
            let leaf = leaf.clone();
            h.to::<Option<Cancellation>, Infallible>()
                .run(move || async move {
                    until(|| leaf.is_cancelled()).await;
                    leaf.cancellation()
                })
        });
        let [above, own] = cancels;
        assert!(above.await.unwrap());
        let own = own.await.unwrap();
        let reason = if own { Reason::Superseded } else { Reason::Shutdown };
        for look in looks {
            assert_eq!(look.await.unwrap(), Some(told(Level::Graceful, reason)));
        }
    }
}

/// A million deep; built, asked, waited for, cancelled and dropped.
pub(super) async fn neither_depth_nor_width_is_a_limit_for_tokens<R: Runtime>(h: Stage<R>) {
    let chain = |root: &CancellationToken| {
        let first = root.child_token();
        (0..1_000_000).fold(first, |token, _| token.child_token())
    };
    let (looked_at, waited_for) = (CancellationToken::new(), CancellationToken::new());
    let deepest = chain(&looked_at);
    assert!(!deepest.is_cancelled());
    looked_at.cancel();
    assert!(deepest.is_cancelled());
    drop(deepest);
    let deepest = chain(&waited_for);
    assert!(polled(deepest.cancelled(), 1).await.is_none());
    let told = h.to::<Cancellation, Infallible>().run(move || async move {
        yield_now().await;
        deepest.cancelled().await
    });
    until(|| told.started_at().is_some()).await;
    waited_for.cancel();
    assert_eq!(Some(told.await.unwrap()), ASKED);

    let root = CancellationToken::new();
    let children: Vec<_> = (0..100_000).map(|_| root.child_token()).collect();
    let mut nobody = task::Context::from_waker(Waker::noop());
    let mut waiting: Vec<_> = children.iter().map(CancellationToken::cancelled).collect();
    for waiter in &mut waiting {
        assert!(pin!(waiter).poll(&mut nobody).is_pending());
    }
    // Those who leave leave the others where they are.
    waiting.truncate(60_000);
    root.cancel();
    assert!(
        waiting
            .iter_mut()
            .all(|waiter| pin!(waiter).poll(&mut nobody).is_ready())
    );
    assert!(children.iter().all(CancellationToken::is_cancelled));
}

pub(super) async fn a_task_obeys_a_token<R: Runtime>(h: Stage<R>) {
    let token = CancellationToken::new();
    let born: Arc<Mutex<Vec<TaskRef>>> = Arc::default();
    let (arrive, arrived) = sign();
    let parent = h.to::<(), Infallible>().grace(1_000.seconds()).run({
        let born = Arc::clone(&born);
        move |cx: Context<R>| async move {
            let child = cx.child::<(), Infallible>().grace(1_000.seconds());
            let child = child.run(move |cx: Context<R>| async move {
                let _ = cx.cancelled().await;
            });
            born.lock().unwrap().push(child.task_ref());
            arrive.give();
            cx.cancelled().await;
        }
    });
    let other = h.to::<(), Infallible>().run(pending::<()>);
    arrived.given().await;
    let above = token.child_token();
    // Of several tokens the first counts.
    for obeyed in [&CancellationToken::new(), &above] {
        parent.task_ref().cancel_with(obeyed).unwrap();
    }
    other.task_ref().cancel_with(&above).unwrap();
    assert!(!parent.is_cancelled() && !other.is_cancelled());
    assert!(token.cancel_because(Level::Graceful, Reason::Shutdown));
    assert_eq!(
        parent.cancellation(),
        Some(told(Level::Graceful, Reason::Shutdown))
    );
    assert_eq!(
        other.cancellation(),
        Some(told(Level::Graceful, Reason::Shutdown))
    );
    let _ = other.cancel(Level::Kill);
    assert!(other.await.is_err());
    parent.await.unwrap();
    let child = born.lock().unwrap().pop().unwrap();
    assert_eq!(child.cancellation().map(|told| told.reason), Some(Reason::Parent));

    // One that was cancelled before counts at once, and one that has ended cannot be stopped.
    let late = h.to::<(), Infallible>().run(pending::<()>);
    let (task, killed) = (late.task_ref(), CancellationToken::new());
    killed.cancel_because(Level::Kill, Reason::Superseded);
    task.cancel_with(&killed).unwrap();
    assert_eq!(task.cancellation(), Some(told(Level::Kill, Reason::Superseded)));
    assert!(late.await.is_err());
    let refused = task.cancel_with(&CancellationToken::new()).unwrap_err();
    assert_eq!(refused.state, State::Cancelled);
}

pub(super) async fn tasks_that_obey_each_other_may_be_a_long_chain<R: Runtime>(h: Stage<R>) {
    let first = CancellationToken::new();
    let mut above = first.clone();
    let mut tasks = Vec::new();
    for _ in 0..20_000 {
        let task = h.to::<(), Infallible>().run(pending::<()>);
        task.task_ref().cancel_with(&above).unwrap();
        above = task.token();
        tasks.push(task);
    }
    first.cancel_because(Level::Kill, Reason::Superseded);
    assert_eq!(above.cancellation(), Some(told(Level::Kill, Reason::Superseded)));
    for task in tasks {
        assert!(task.await.is_err());
    }
}

pub(super) async fn the_token_of_a_task_is_cancelled_with_it<R: Runtime>(h: Stage<R>) {
    let (hand_out, handed) = async_channel::bounded(2);
    let parent = h.to::<(), Infallible>().run(move |cx: Context<R>| async move {
        hand_out.try_send(cx.token()).unwrap();
        let child = cx.child::<(), Infallible>().run(pending::<()>);
        hand_out.try_send(child.token()).unwrap();
        pending::<()>().await;
    });
    let [own, childs] = [handed.recv().await.unwrap(), handed.recv().await.unwrap()];
    let helper = h.to::<Cancellation, Infallible>().run({
        let own = own.child_token();
        move || async move { own.cancelled().await }
    });
    assert!(!own.is_cancelled() && !childs.is_cancelled());
    parent
        .cancel_because(Level::Kill, Reason::Superseded, None)
        .unwrap();
    assert_eq!(own.cancellation(), Some(told(Level::Kill, Reason::Superseded)));
    assert_eq!(childs.cancellation(), Some(told(Level::Kill, Reason::Parent)));
    assert_eq!(helper.await.unwrap(), told(Level::Kill, Reason::Superseded));
    // One that is asked for afterwards is the same.
    assert!(parent.token().is_cancelled());
    assert!(parent.await.is_err());

    // Who ends by itself cancels nobody, and a token that is cancelled by somebody else cancels no task.
    let (go, gone) = sign();
    let task = h.to::<bool, Infallible>().run(move |cx: Context<R>| async move {
        gone.given().await;
        cx.is_cancelled()
    });
    let (token, kept) = (task.token().child_token(), task.token());
    task.token().child_token().cancel();
    go.give();
    assert!(!task.await.unwrap());
    assert!(!token.is_cancelled() && !kept.is_cancelled());
    assert!(matches!(
        pin!(kept.cancelled()).poll(&mut task::Context::from_waker(Waker::noop())),
        Poll::Pending
    ));
}
