//! Machines that decide about tasks: how they end, how many there are, and who waits.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use programs::{Verdict, Wrong, expect};
use sweet_async_core::credit::{AcquireError, Admission, Close, Credits, Released, Turn};
use sweet_async_core::group::{self, EnterError, Exit, Group};
use sweet_async_core::lifecycle::{
    Cancel, End, FinishError, Level, Lifecycle, Reason, ShieldError, Start, State,
};
use sweet_async_core::mailbox::{Mailbox, RecvError, Refused, TryRecvError};
use sweet_async_core::pressure::Overflow;
use sweet_async_core::waiters::{WaitError, WaiterSet};

pub(crate) fn lifecycle() -> Verdict {
    static TASK: Lifecycle = Lifecycle::new();
    expect!(TASK.state(), State::Pending);
    expect!(
        TASK.finish(End::Completed),
        Err(FinishError::Misplaced(State::Pending))
    );
    expect!(TASK.start(), Start::Run);
    expect!(TASK.start(), Start::Over(State::Running));
    expect!((TASK.wait(), TASK.state()), (Ok(()), State::Waiting));
    expect!(TASK.resume(), Ok(2));
    expect!(TASK.shield(), Ok(()));
    // The level grows, the first reason stays.
    expect!(TASK.is_cancelled(), false);
    expect!(TASK.cancel(Level::Graceful, Reason::Requested), Cancel::Raised);
    expect!(TASK.cancel(Level::Kill, Reason::Shutdown), Cancel::Raised);
    expect!(TASK.cancel(Level::Graceful, Reason::Shutdown), Cancel::Unchanged);
    let seen = TASK.snapshot();
    expect!(
        (seen.level(), seen.reason()),
        (Some(Level::Kill), Some(Reason::Requested))
    );
    expect!(
        (seen.attempt(), seen.is_shielded(), seen.is_cancelling()),
        (2, true, true)
    );
    expect!(TASK.unshield(), Ok(()));
    // After a kill no result counts, and there is one end.
    expect!(TASK.finish(End::Completed), Err(FinishError::Cancelled));
    expect!(TASK.finish(End::Cancelled), Ok(()));
    expect!(
        TASK.finish(End::Cancelled),
        Err(FinishError::Over(State::Cancelled))
    );
    expect!(
        TASK.cancel(Level::KillHard, Reason::Parent),
        Cancel::Over(State::Cancelled)
    );
    // Run again, it begins with nothing of the old run.
    expect!(TASK.restart(), Ok(State::Cancelled));
    let seen = TASK.snapshot();
    expect!(
        (seen.state(), seen.level(), seen.attempt()),
        (State::Pending, None, 0)
    );
    expect!(
        (TASK.start(), TASK.restart()),
        (Start::Run, Err(FinishError::Misplaced(State::Running)))
    );
    // Cancelled before it started, a task never starts.
    let task = Lifecycle::new();
    expect!(task.cancel(Level::Graceful, Reason::Parent), Cancel::Ended);
    expect!(task.start(), Start::Over(State::Cancelled));
    let task = Lifecycle::new();
    expect!((task.reject(), task.state()), (Ok(()), State::Rejected));
    Ok(())
}

/// 63 shielded sections; 65,535 attempts, and then no more are counted.
pub(crate) fn lifecycle_counts() -> Verdict {
    static TASK: Lifecycle = Lifecycle::new();
    expect!(TASK.shield(), Err(ShieldError::NotStarted));
    expect!(TASK.start(), Start::Run);
    for _ in 0..63 {
        expect!(TASK.shield(), Ok(()));
    }
    expect!(TASK.shield(), Err(ShieldError::TooDeep));
    for attempt in 2..=u16::MAX {
        expect!((TASK.wait(), TASK.resume()), (Ok(()), Ok(attempt)));
    }
    expect!((TASK.wait(), TASK.resume()), (Ok(()), Ok(u16::MAX)));
    expect!(TASK.cancel(Level::KillHard, Reason::Deadline), Cancel::Ended);
    expect!(TASK.unshield(), Err(ShieldError::Over(State::Cancelled)));
    Ok(())
}

pub(crate) fn group() -> Verdict {
    static SCOPE: Group = Group::new();
    expect!(SCOPE.try_enter(), Ok(()));
    expect!(SCOPE.try_enter_within(2), Ok(()));
    expect!(SCOPE.try_enter_within(2), Err(EnterError::Full { live: 2 }));
    expect!(
        (SCOPE.leave(), SCOPE.leave()),
        (Ok(Exit::Continue), Ok(Exit::Idle))
    );
    expect!(SCOPE.leave().is_err(), true);
    expect!((SCOPE.try_enter(), SCOPE.live()), (Ok(()), 1));
    expect!(SCOPE.close(), group::Close::Drain { live: 1 });
    expect!(SCOPE.close(), group::Close::Already);
    expect!(SCOPE.try_enter(), Err(EnterError::Closed));
    expect!(
        (SCOPE.is_over(), SCOPE.leave(), SCOPE.is_over()),
        (false, Ok(Exit::Empty), true)
    );
    expect!(Group::new().close(), group::Close::Empty);
    Ok(())
}

pub(crate) fn credit() -> Verdict {
    static CREDITS: Credits = Credits::of::<3>();
    expect!(CREDITS.try_acquire(2), Ok(()));
    expect!(CREDITS.try_acquire(2), Err(AcquireError::Short { free: 1 }));
    expect!(CREDITS.try_acquire(Credits::MAX + 1), Err(AcquireError::TooMany));
    // Who registered is not overtaken, and is looked for by who gives back.
    expect!(
        CREDITS.try_acquire_or_register(2, Turn::Newcomer),
        Ok(Admission::Registered)
    );
    expect!(CREDITS.try_acquire(1), Err(AcquireError::Queued));
    expect!(CREDITS.release(2), Ok(Released::Wake { free: 3 }));
    expect!(
        CREDITS.try_acquire_or_register(2, Turn::Head),
        Ok(Admission::Taken)
    );
    expect!(CREDITS.pass_on(), Released::Wake { free: 1 });
    CREDITS.hush();
    // A shrink leaves a debt, which is paid first.
    expect!(CREDITS.resize(1), Ok(Released::Continue));
    expect!((CREDITS.debt(), CREDITS.free()), (1, 0));
    expect!((CREDITS.release(1), CREDITS.free()), (Ok(Released::Continue), 0));
    expect!((CREDITS.release(1), CREDITS.free()), (Ok(Released::Continue), 1));
    expect!(CREDITS.release(1).map_err(|error| error.taken), Err(0));
    expect!(CREDITS.resize(Credits::MAX), Ok(Released::Continue));
    expect!(CREDITS.try_acquire(Credits::MAX), Ok(()));
    expect!(
        (CREDITS.close(), CREDITS.close()),
        (Close::Continue, Close::Already)
    );
    expect!(CREDITS.try_acquire(0), Err(AcquireError::Closed));
    expect!(
        (CREDITS.release(Credits::MAX), CREDITS.taken()),
        (Ok(Released::Continue), 0)
    );
    Ok(())
}

/// First come, first served; one more than there are slots is refused.
pub(crate) fn waiters_for_credits() -> Verdict {
    static CREDITS: Credits = Credits::of::<2>();
    static SET: WaiterSet<2> = WaiterSet::new();
    let task = &mut Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(held)) = pin!(SET.acquire(&CREDITS, 2)).poll(task) else {
        return Err(Wrong);
    };
    expect!(held.count(), 2);
    let mut large = pin!(SET.acquire(&CREDITS, 2));
    expect!(large.as_mut().poll(task).is_pending(), true);
    {
        let mut small = pin!(SET.acquire(&CREDITS, 1));
        expect!(small.as_mut().poll(task).is_pending(), true);
        let third = pin!(SET.acquire(&CREDITS, 1)).poll(task).map_err(|_| SET.len());
        expect!(matches!(third, Poll::Ready(Err(2))), true);
        drop(held);
        expect!((small.poll(task).is_pending(), CREDITS.free()), (true, 2));
    }
    // The small one left the queue when it was dropped.
    expect!(SET.len(), 1);
    let Poll::Ready(Ok(held)) = large.poll(task) else {
        return Err(Wrong);
    };
    expect!((held.commit(), CREDITS.taken(), SET.is_empty()), (2, 2, true));
    let mut refused = pin!(SET.acquire(&CREDITS, 1));
    expect!(refused.as_mut().poll(task).is_pending(), true);
    expect!(SET.close(&CREDITS), true);
    expect!(
        matches!(refused.poll(task), Poll::Ready(Err(WaitError::Closed))),
        true
    );
    expect!((SET.release(&CREDITS, 2), CREDITS.taken()), (Ok(()), 0));
    Ok(())
}

pub(crate) fn waiters_for_the_end() -> Verdict {
    static SET: WaiterSet<1> = WaiterSet::new();
    static TASK: Lifecycle = Lifecycle::new();
    let task = &mut Context::from_waker(Waker::noop());
    let mut told = pin!(SET.cancelled(&TASK));
    expect!(told.as_mut().poll(task).is_pending(), true);
    expect!(
        matches!(pin!(SET.cancelled(&TASK)).poll(task), Poll::Ready(Err(_))),
        true
    );
    expect!(TASK.start(), Start::Run);
    expect!(told.as_mut().poll(task).is_pending(), true);
    expect!(TASK.cancel(Level::Graceful, Reason::Sibling), Cancel::Raised);
    SET.wake_all();
    let Poll::Ready(Ok(seen)) = told.poll(task) else {
        return Err(Wrong);
    };
    expect!(
        (seen.level(), seen.reason()),
        (Some(Level::Graceful), Some(Reason::Sibling))
    );
    expect!(SET.is_empty(), true);
    Ok(())
}

/// First in, first out; who waits at either end is served in order; closed, it is worked off.
pub(crate) fn mailbox() -> Verdict {
    static BOX: Mailbox<u8, 2> = Mailbox::new();
    let task = &mut Context::from_waker(Waker::noop());
    expect!(BOX.try_recv(), Err(TryRecvError::Empty));
    let mut receiver = pin!(BOX.recv());
    expect!(receiver.as_mut().poll(task).is_pending(), true);
    expect!((send(&BOX, 1), send(&BOX, 2)), (Ok(0), Ok(0)));
    expect!(send(&BOX, 3), Err((3, Refused::Full)));
    let mut sender = pin!(BOX.send(4));
    expect!(sender.as_mut().poll(task).is_pending(), true);
    expect!(receiver.poll(task), Poll::Ready(Ok(1)));
    expect!(matches!(sender.poll(task), Poll::Ready(Ok(_))), true);
    expect!((BOX.len(), BOX.close(), BOX.close()), (2, true, false));
    expect!(send(&BOX, 5), Err((5, Refused::Closed)));
    expect!((BOX.try_recv(), BOX.try_recv()), (Ok(2), Ok(4)));
    expect!(BOX.try_recv(), Err(TryRecvError::Closed));
    expect!(pin!(BOX.recv()).poll(task), Poll::Ready(Err(RecvError::Closed)));
    let counts = BOX.counts();
    expect!((counts.sent, counts.received, counts.dropped), (3, 3, 0));
    Ok(())
}

/// Three into room for two: what goes back, what is held, what was counted as dropped.
pub(crate) fn mailbox_overflow() -> Verdict {
    for (policy, third, held, dropped) in [
        (Overflow::Block, Err((3, Refused::Full)), [Ok(1), Ok(2)], 0),
        (Overflow::Reject, Err((3, Refused::Full)), [Ok(1), Ok(2)], 1),
        (Overflow::DropNewest, Ok(3), [Ok(1), Ok(2)], 1),
        (Overflow::DropOldest, Ok(1), [Ok(2), Ok(3)], 1),
        (Overflow::KeepLatest, Ok(2), [Ok(3), Err(TryRecvError::Empty)], 2),
    ] {
        let mailbox: Mailbox<u8, 2> = Mailbox::with(policy);
        expect!(
            (send(&mailbox, 1).is_ok(), send(&mailbox, 2).is_ok()),
            (true, true)
        );
        expect!(send(&mailbox, 3), third);
        expect!([mailbox.try_recv(), mailbox.try_recv()], held);
        expect!(
            (mailbox.counts().dropped, mailbox.counts().in_hand()),
            (dropped, 0)
        );
    }
    Ok(())
}

/// Which item went for this one, 0 if none; or that it goes back, and why.
fn send(mailbox: &Mailbox<u8, 2>, item: u8) -> Result<u8, (u8, Refused)> {
    match mailbox.try_send(item) {
        Ok(mut displaced) => Ok(displaced.next().unwrap_or(0)),
        Err(error) => Err((error.item, error.reason)),
    }
}
