//! Scopes within a task: who is inside is joined, how many may be, and what the failure of one does to the others.

use core::convert::Infallible;
use core::future::{Future, pending};
use core::pin::pin;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use super::stage::{OnDrop, Stage, polled, quiet_about_planned_panics, sign, until, yield_now};
use crate::prelude::*;
use crate::task::{Invalid, NoPlace, Rejection, ScopeError, Spawner};
use crate::{Context, Reason, Runtime, Task};

/// Runs `work` in a task, where scopes are.
async fn within<R, F, W>(h: &Stage<R>, work: F)
where
    R: Runtime,
    F: FnOnce(Context<R>) -> W + Send + 'static,
    W: Future<Output = ()> + Send + 'static,
{
    h.to::<(), Infallible>().run(work).await.unwrap();
}

fn endless<R: Runtime>(scope: &Spawner<R>) -> Task<R, (), Infallible> {
    let Ok(task) = scope.try_spawn(scope.child::<(), Infallible>(), pending::<()>) else {
        panic!("there is a place");
    };
    task
}

pub(super) async fn those_inside_are_joined_before_it_is<R: Runtime>(h: Stage<R>) {
    let at_work = h.clone();
    within(&h, move |cx: Context<R>| async move {
        let ended = Arc::new(AtomicUsize::new(0));
        let scope = cx.scope().name("inner").open().unwrap();
        assert_eq!(
            (scope.name(), scope.parent().map(|parent| parent.id())),
            ("inner", Some(cx.id()))
        );
        for _ in 0..3 {
            let (ended, h) = (Arc::clone(&ended), at_work.clone());
            let work = move |cx: Context<R>| async move {
                // Also those below, and those that come while it is joined.
                let below = cx.child::<(), Infallible>().run(move || async move {
                    h.pass(2).await;
                    ended.fetch_add(1, Ordering::Relaxed);
                });
                below.detach();
            };
            scope
                .spawn(scope.child::<(), Infallible>(), work)
                .await
                .unwrap()
                .detach();
        }
        scope.join().await.unwrap();
        assert_eq!((ended.load(Ordering::Relaxed), cx.child_count()), (3, 0));

        let (ended, h) = (Arc::clone(&ended), at_work.clone());
        let output = cx.scope().run(async |scope: &Spawner<R>| {
            let ended = Arc::clone(&ended);
            let work = move || async move {
                h.pass(1).await;
                ended.fetch_add(1, Ordering::Relaxed);
            };
            scope
                .spawn(scope.child::<(), Infallible>(), work)
                .await
                .unwrap()
                .detach();
            5
        });
        assert_eq!(output.await.unwrap(), 5);
        assert_eq!(ended.load(Ordering::Relaxed), 4);
    })
    .await;
}

pub(super) async fn dropped_it_kills_and_the_task_around_it_waits<R: Runtime>(h: Stage<R>) {
    let gone = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&gone);
    within(&h, move |cx: Context<R>| async move {
        let scope = cx.scope().open().unwrap();
        let (arrive, arrived) = sign();
        let guard = OnDrop(move || {
            gone.fetch_add(1, Ordering::Relaxed);
        });
        let inside = scope.try_spawn(scope.child::<(), Infallible>(), move || async move {
            arrive.give();
            pending::<()>().await;
            drop(guard);
        });
        arrived.given().await;
        let spawner = scope.spawner();
        drop(scope);
        assert!(inside.unwrap().await.unwrap_err().is_cancelled());
        let refused = spawner
            .try_spawn(spawner.child::<(), Infallible>(), || ())
            .unwrap_err();
        assert_eq!(refused.why, NoPlace::Closed);
    })
    .await;
    assert_eq!(seen.load(Ordering::Relaxed), 1);
}

pub(super) async fn closed_it_tells_and_waits<R: Runtime>(h: Stage<R>) {
    within(&h, move |cx: Context<R>| async move {
        let scope = cx.scope().grace(600.seconds()).open().unwrap();
        let (arrive, arrived) = sign();
        let builder = scope.child::<Reason, Infallible>().grace(600.seconds());
        let work = move |cx: Context<R>| async move {
            arrive.give();
            let told = cx.cancelled().await;
            assert_eq!(told.level, Level::Graceful);
            told.reason
        };
        let task = scope.spawn(builder, work).await.unwrap();
        arrived.given().await;
        scope.close().await;
        assert!(task.is_ended());
        assert_eq!(task.await.unwrap(), Reason::Parent);
    })
    .await;
}

pub(super) async fn a_failure_takes_the_others_along_if_asked<R: Runtime>(h: Stage<R>) {
    quiet_about_planned_panics();
    within(&h, move |cx: Context<R>| async move {
        for panics in [false, true] {
            let scope = cx.scope().cancel_on_failure().open().unwrap();
            let (other, spawner) = (endless(&scope), scope.spawner());
            let work = move || {
                assert!(!panics, "planned: in a scope");
                Err::<(), u32>(1)
            };
            let failing = scope
                .spawn(scope.child::<(), _>().name("bad"), work)
                .await
                .unwrap();
            let id = failing.id();
            let ScopeError::Failed(first) = scope.join().await.unwrap_err() else {
                panic!("a child has failed");
            };
            let state = if panics { State::Panicked } else { State::Failed };
            assert_eq!((first.id, &*first.name, first.state), (id, "bad", state));
            // Its own error is still its handle's.
            let error = failing.await.unwrap_err();
            assert_eq!(
                (error.is_panicked(), error.failure().is_some()),
                (panics, !panics)
            );
            let told = other.cancellation().unwrap();
            assert_eq!(
                (told.level, told.reason, told.by),
                (Level::Kill, Reason::Sibling, Some(id))
            );
            assert_eq!(
                spawner.cancellation().map(|told| (told.reason, told.by)),
                Some((Reason::Sibling, Some(id)))
            );
            assert!(other.await.unwrap_err().is_cancelled());
        }

        // The body is a part of it.
        let ended = cx
            .scope()
            .cancel_on_failure_at(Level::Graceful)
            .run(async |scope: &Spawner<R>| {
                let failing = scope.try_spawn(scope.child::<(), _>(), || Err(1));
                failing.unwrap().detach();
                pending::<()>().await;
            });
        assert!(matches!(ended.await, Err(ScopeError::Failed(_))));

        // Unless asked, and for one that was cancelled, the others go on.
        let scope = cx.scope().open().unwrap();
        let failing = scope.try_spawn(scope.child::<(), _>(), || Err(1)).unwrap();
        failing.await.unwrap_err();
        assert!(!scope.is_cancelled());
        scope.join().await.unwrap();
        let scope = cx.scope().cancel_on_failure().open().unwrap();
        let cancelled = endless(&scope);
        cancelled.cancel(Level::Kill).unwrap();
        assert!(cancelled.await.unwrap_err().is_cancelled());
        assert!(!scope.is_cancelled());
        scope.join().await.unwrap();
    })
    .await;
}

pub(super) async fn a_full_scope_hands_back_or_waits_for_a_place<R: Runtime>(h: Stage<R>) {
    within(&h, move |cx: Context<R>| async move {
        let scope = cx.scope().limit(2).open().unwrap();
        let (first, second) = (endless(&scope), endless(&scope));
        let held = Arc::new(7);
        let work = {
            let held = Arc::clone(&held);
            move || *held
        };
        let builder = scope.child::<i32, Infallible>().name("third");
        let refused = scope.try_spawn(builder, work).unwrap_err();
        assert_eq!(refused.why, NoPlace::Full { live: 2 });
        // One that asks for no place first is turned away as well.
        let rejected = scope.child::<(), Infallible>().run(|| ()).await.unwrap_err();
        assert!(matches!(rejected.cause(), Cause::Rejected(Rejection::ScopeFull)));
        let third = {
            let mut third = pin!(scope.spawn(refused.builder, refused.work));
            assert!(polled(third.as_mut(), 1).await.is_none());
            first.cancel(Level::Kill).unwrap();
            third.await.unwrap()
        };
        assert_eq!((third.name(), scope.child_count() <= 2), ("third", true));
        assert_eq!(third.await.unwrap(), 7);

        // There is a place when the handle has resolved.
        let fourth = scope.try_spawn(scope.child::<(), Infallible>(), || ());
        fourth.unwrap().await.unwrap();
        // A place that is not needed is another's.
        let place = scope.try_place().unwrap();
        assert_eq!(scope.try_place().unwrap_err(), NoPlace::Full { live: 2 });
        drop(place);
        let fifth = scope.place().await.unwrap();
        let fifth = fifth.spawn(scope.child::<(), Infallible>(), pending::<()>);

        // A waiter that is dropped, woken or not, leaves the place to others.
        assert!(polled(scope.place(), 1).await.is_none());
        {
            let mut behind = pin!(scope.place());
            assert!(polled(behind.as_mut(), 1).await.is_none());
            second.cancel(Level::Kill).unwrap();
            until(|| scope.child_count() == 1).await;
        }
        let last = scope.spawn(scope.child::<u32, Infallible>(), || 6).await.unwrap();
        assert_eq!(last.await.unwrap(), 6);

        // Nobody is let in any more, and who waits is told.
        let sixth = endless(&scope);
        let spawner = scope.spawner();
        let waiting = cx.child::<NoPlace, Infallible>().run({
            let spawner = spawner.clone();
            move || async move {
                let work = spawner.spawn(spawner.child::<(), Infallible>(), || ()).await;
                work.unwrap_err().why
            }
        });
        until(|| waiting.attempt() == 1).await;
        scope.cancel(Level::Kill).unwrap();
        assert_eq!(waiting.await.unwrap(), NoPlace::Closed);
        assert!(sixth.await.is_err() && fifth.await.is_err());
        assert!(matches!(scope.join().await, Err(ScopeError::Ended(_))));
        assert!(
            spawner
                .spawn(spawner.child::<(), Infallible>(), || ())
                .await
                .is_err()
        );

        let Err(error) = cx.scope().limit(0).open() else {
            panic!("nobody could enter");
        };
        assert!(matches!(
            error.cause(),
            Cause::Rejected(Rejection::Invalid(Invalid::ZeroLimit))
        ));
    })
    .await;
}

pub(super) async fn never_more_than_the_limit_live_at_once<R: Runtime>(h: Stage<R>) {
    const LIMIT: usize = 3;
    within(&h, move |cx: Context<R>| async move {
        let scope = cx.scope().limit(3).open().unwrap();
        let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let starters: Vec<_> = (0..4)
            .map(|_| {
                let (spawner, inside, most) = (scope.spawner(), Arc::clone(&inside), Arc::clone(&most));
                cx.child::<(), Infallible>().run(move || async move {
                    for _ in 0..200 {
                        let (inside, most) = (Arc::clone(&inside), Arc::clone(&most));
                        let work = move || async move {
                            most.fetch_max(inside.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                            yield_now().await;
                            inside.fetch_sub(1, Ordering::Relaxed);
                        };
                        let builder = spawner.child::<(), Infallible>();
                        spawner.spawn(builder, work).await.unwrap().detach();
                    }
                })
            })
            .collect();
        FirstError.join(starters).await.unwrap();
        scope.join().await.unwrap();
        let most = most.load(Ordering::Relaxed);
        assert!((1..=LIMIT).contains(&most), "{most}");
    })
    .await;
}

pub(super) async fn its_deadline_is_that_of_those_inside<R: Runtime>(h: Stage<R>) {
    let at_work = h.clone();
    within(&h, move |cx: Context<R>| async move {
        // Not over before the first is inside, on a machine that is busy.
        let scope = cx.scope().timeout(at_work.units(200)).open().unwrap();
        let inside = endless(&scope);
        assert_eq!(inside.deadline(), scope.deadline());
        let error = inside.await.unwrap_err();
        assert!(error.is_timed_out() || error.is_cancelled(), "{error}");
        // One that is joined at its deadline would count.
        while !scope.is_ended() {
            at_work.turn().await;
        }
        let Err(ScopeError::Ended(error)) = scope.join().await else {
            panic!("its time was over");
        };
        assert!(error.is_timed_out(), "{error}");
        assert!(!cx.is_cancelled());
    })
    .await;
}
