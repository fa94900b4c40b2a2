//! Every length × every operation on the word; the futures in every situation, dropped at every poll.

extern crate alloc;

use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::Ordering::Relaxed;
use core::task::{Context, Poll, Waker};

use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use alloc::{format, vec};

use super::set::Word;
use super::{Acquire, Cancelled, Full, Permit, WaitError, WaiterSet};
use crate::credit::{Credits, OverRelease, ResizeError};
use crate::lifecycle::{End, Level, Lifecycle, Reason, Snapshot, State};
use crate::sync::AtomicU32;

/// Counts how often it was woken.
#[derive(Default)]
struct Bell(AtomicU32);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// A future, polled by a waker of its own.
struct Sleeper<F> {
    future: F,
    bell: Arc<Bell>,
}

impl<F: Future + Unpin> Sleeper<F> {
    fn new(future: F) -> Self {
        Self {
            future,
            bell: Arc::default(),
        }
    }

    fn poll(&mut self) -> Poll<F::Output> {
        let waker = Waker::from(Arc::clone(&self.bell));
        Pin::new(&mut self.future).poll(&mut Context::from_waker(&waker))
    }

    /// How often it was woken since the last question.
    fn rings(&self) -> u32 {
        self.bell.0.swap(0, Relaxed)
    }
}

type Asks<'a, const N: usize> = Sleeper<Acquire<'a, N>>;

fn asks<'a, const N: usize>(set: &'a WaiterSet<N>, credits: &'a Credits, wanted: u32) -> Asks<'a, N> {
    Sleeper::new(set.acquire(credits, wanted))
}

fn full(taken: u32) -> Credits {
    let credits = Credits::new(taken).unwrap();
    credits.try_acquire(taken).unwrap();
    credits
}

fn served<const N: usize>(poll: Poll<Result<Permit<'_, N>, WaitError>>) -> Permit<'_, N> {
    match poll {
        Poll::Ready(Ok(permit)) => permit,
        other => panic!("not served: {other:?}"),
    }
}

fn refused<const N: usize>(poll: Poll<Result<Permit<'_, N>, WaitError>>) -> WaitError {
    match poll {
        Poll::Ready(Err(error)) => error,
        other => panic!("not refused: {other:?}"),
    }
}

/// The waiting slots, oldest first, then the free ones.
fn order(word: Word) -> (Vec<u32>, Vec<u32>) {
    let slots = |range: core::ops::Range<u32>| range.map(|position| word.slot_at(position)).collect();
    (slots(0..word.len()), slots(word.len()..8))
}

fn entered(len: u32) -> Word {
    (0..len).fold(Word::EMPTY, |word, _| word.enter())
}

#[test]
fn enter_at_every_length() {
    for len in 0..8 {
        let word = entered(len);
        assert_eq!(word.len(), len);
        assert_eq!(word.head(), (len > 0).then_some(0));
        assert_eq!(
            word.slot_at(len),
            len,
            "the first free slot is the one that enters"
        );
        assert_eq!(order(word.enter()), ((0..=len).collect(), (len + 1..8).collect()));
    }
}

#[test]
fn leave_from_every_place_at_every_length() {
    for len in 0..=8 {
        for slot in 0..8 {
            let after = entered(len).leave(slot);
            if slot >= len {
                assert_eq!(after, None, "{slot} does not wait among {len}");
                continue;
            }
            let (waiting, free) = order(after.unwrap());
            let rest: Vec<_> = (0..len).filter(|other| *other != slot).collect();
            assert_eq!(waiting, rest, "the others keep their order");
            let first_free: Vec<_> = [slot].into_iter().chain(len..8).collect();
            assert_eq!(free, first_free, "who left is the first that is free");
        }
    }
}

#[test]
fn a_slot_that_was_left_goes_to_the_end_of_the_queue() {
    let word = entered(3).leave(0).unwrap().enter();
    assert_eq!(order(word).0, [1, 2, 0]);
}

#[test]
fn free_credits_are_taken_at_the_first_poll() {
    let (set, credits) = (WaiterSet::<1>::new(), Credits::of::<3>());
    let mut first = asks(&set, &credits, 2);
    assert_eq!(credits.taken(), 0, "nothing is taken before the first poll");
    let permit = served(first.poll());
    assert_eq!((permit.count(), credits.taken(), set.len()), (2, 2, 0));
    drop(permit);
    assert_eq!(credits.taken(), 0);
}

#[test]
fn a_stale_mark_of_a_waiter_stops_nobody() {
    let (set, credits) = (WaiterSet::<1>::new(), full(1));
    assert!(asks(&set, &credits, 1).poll().is_pending());
    assert_eq!(credits.release(1), Ok(crate::credit::Released::Wake { free: 1 }));
    assert_eq!(served(asks(&set, &credits, 1).poll()).count(), 1);
    assert_eq!(
        credits.try_acquire(1),
        Ok(()),
        "the mark is gone with the release"
    );
}

#[test]
fn served_in_the_order_of_their_entry() {
    let (set, credits) = (WaiterSet::<3>::new(), full(1));
    let mut waiters = [(); 3].map(|()| asks(&set, &credits, 1));
    for waiter in &mut waiters {
        assert!(waiter.poll().is_pending());
    }
    let mut permit = Permit::new(&set, &credits, 1);
    for turn in 0..3 {
        drop(permit);
        let rings: Vec<_> = waiters.iter().map(Asks::rings).collect();
        assert_eq!(rings.iter().sum::<u32>(), 1, "one is woken: {rings:?}");
        assert_eq!(rings[turn], 1, "the oldest is woken: {rings:?}");
        for later in &mut waiters[turn + 1..] {
            assert!(later.poll().is_pending(), "a later one overtook");
        }
        permit = served(waiters[turn].poll());
    }
    assert!(set.is_empty());
}

#[test]
fn credits_released_together_serve_all_who_fit() {
    let (set, credits) = (WaiterSet::<3>::new(), full(3));
    let mut waiters = [1, 1, 2].map(|wanted| asks(&set, &credits, wanted));
    for waiter in &mut waiters {
        assert!(waiter.poll().is_pending());
    }
    set.release(&credits, 3).unwrap();
    let mut permits = Vec::new();
    for waiter in &mut waiters[..2] {
        assert_eq!(waiter.rings(), 1, "who is served wakes the next");
        permits.push(served(waiter.poll()));
    }
    assert_eq!(waiters[2].rings(), 1);
    assert!(waiters[2].poll().is_pending(), "one is free, two are wanted");
    permits.pop();
    assert_eq!(waiters[2].rings(), 1);
    assert_eq!(served(waiters[2].poll()).count(), 2);
}

#[test]
fn a_large_wish_is_not_overtaken_by_a_small_one() {
    let (set, credits) = (WaiterSet::<2>::new(), full(2));
    let (mut large, mut small) = (asks(&set, &credits, 2), asks(&set, &credits, 1));
    assert!(large.poll().is_pending() && small.poll().is_pending());
    set.release(&credits, 1).unwrap();
    assert!(small.poll().is_pending());
    assert_eq!(refused(asks(&set, &credits, 1).poll()), WaitError::Full);
    assert!(large.poll().is_pending());
    drop(large);
    assert_eq!(small.rings(), 1, "the dropped head passes on");
    assert_eq!(served(small.poll()).count(), 1);
}

#[test]
fn full_refuses_and_changes_nothing() {
    let (set, credits) = (WaiterSet::<1>::new(), full(1));
    let mut first = asks(&set, &credits, 1);
    assert!(first.poll().is_pending());
    let mut second = asks(&set, &credits, 1);
    assert_eq!(refused(second.poll()), WaitError::Full);
    let task = Lifecycle::new();
    assert_eq!(
        Sleeper::new(set.cancelled(&task)).poll().map(Result::err),
        Poll::Ready(Some(Full))
    );
    assert_eq!((set.len(), first.rings()), (1, 0));
    drop(first);
    assert!(second.poll().is_pending(), "polled again, it asks anew");
}

#[test]
fn close_wakes_and_refuses_everybody() {
    let (set, credits) = (WaiterSet::<2>::new(), full(1));
    let mut waiters = [(); 2].map(|()| asks(&set, &credits, 1));
    for waiter in &mut waiters {
        assert!(waiter.poll().is_pending());
    }
    assert!(set.close(&credits));
    assert!(!set.close(&credits), "one caller closes");
    for waiter in &mut waiters {
        assert_eq!(waiter.rings(), 1);
        assert_eq!(refused(waiter.poll()), WaitError::Closed);
    }
    assert!(set.is_empty());
    assert_eq!(refused(asks(&set, &credits, 1).poll()), WaitError::Closed);
}

#[test]
fn more_than_one_word_counts_is_refused() {
    let (set, credits) = (WaiterSet::<2>::new(), full(1));
    let too_many = Credits::MAX + 1;
    assert_eq!(refused(asks(&set, &credits, too_many).poll()), WaitError::TooMany);
    let mut first = asks(&set, &credits, 1);
    assert!(first.poll().is_pending());
    assert_eq!(refused(asks(&set, &credits, too_many).poll()), WaitError::TooMany);
    assert_eq!(set.len(), 1, "the refused one left the queue");
}

#[test]
fn growth_wakes_the_head() {
    let (set, credits) = (WaiterSet::<2>::new(), full(1));
    let mut first = asks(&set, &credits, 1);
    assert!(first.poll().is_pending());
    assert_eq!(set.resize(&credits, 2), Ok(()));
    assert_eq!(first.rings(), 1);
    assert_eq!(served(first.poll()).count(), 1);
    assert_eq!(set.resize(&credits, Credits::MAX + 1), Err(ResizeError::TooMany));
}

#[test]
fn a_release_of_too_many_is_refused_and_wakes_nobody() {
    let (set, credits) = (WaiterSet::<1>::new(), full(1));
    let mut first = asks(&set, &credits, 1);
    assert!(first.poll().is_pending());
    assert_eq!(set.release(&credits, 2), Err(OverRelease { taken: 1 }));
    assert_eq!(first.rings(), 0);
}

#[test]
fn a_committed_permit_gives_nothing_back() {
    let (set, credits) = (WaiterSet::<1>::new(), Credits::of::<2>());
    let count = served(asks(&set, &credits, 2).poll()).commit();
    assert_eq!((count, credits.taken()), (2, 2));
    assert_eq!(set.release(&credits, count), Ok(()));
}

#[test]
fn a_permit_of_none_gives_back_none() {
    let (set, credits) = (WaiterSet::<1>::new(), full(1));
    drop(served(asks(&set, &credits, 0).poll()));
    assert_eq!(credits.taken(), 1);
}

/// Three waiters for one credit. One of them is dropped at one moment of the others' life, for every pair of the two:
/// whatever is dropped, the others are served in order, each by a wake-up, and the credit is there in the end.
#[test]
fn dropped_at_every_poll() {
    for dropped in 0..3 {
        for moment in 0..12 {
            let (set, credits) = (WaiterSet::<3>::new(), full(1));
            let mut waiters: Vec<_> = (0..3).map(|_| Some(asks(&set, &credits, 1))).collect();
            let mut holder = Some(Permit::new(&set, &credits, 1));
            let mut order = vec![];
            let mut step = 0;
            let mut strike = |waiters: &mut Vec<Option<_>>| {
                if step == moment {
                    waiters[dropped] = None;
                }
                step += 1;
            };
            for index in 0..3 {
                strike(&mut waiters);
                if let Some(waiter) = &mut waiters[index] {
                    assert!(waiter.poll().is_pending());
                }
            }
            for _ in 0..3 {
                strike(&mut waiters);
                drop(holder.take());
                strike(&mut waiters);
                let awake = waiters
                    .iter()
                    .position(|waiter| waiter.as_ref().is_some_and(|asks| asks.rings() > 0));
                let Some(awake) = awake else { continue };
                holder = waiters[awake].as_mut().map(|waiter| served(waiter.poll()));
                order.push(awake);
                strike(&mut waiters);
            }
            drop(holder);
            let survivors = |index: &usize| *index != dropped || order.contains(&dropped);
            let expected: Vec<_> = (0..3).filter(survivors).collect();
            assert_eq!(order, expected, "{dropped} dropped at {moment}");
            assert!(set.is_empty(), "{dropped} dropped at {moment}");
            assert_eq!(credits.taken(), 0, "{dropped} dropped at {moment}");
        }
    }
}

fn told<const N: usize>(waiter: &mut Sleeper<Cancelled<'_, N>>) -> Option<Snapshot> {
    match waiter.poll() {
        Poll::Ready(Ok(seen)) => Some(seen),
        Poll::Ready(Err(full)) => panic!("{full}"),
        Poll::Pending => None,
    }
}

#[test]
fn cancelled_wakes_all_and_tells_the_reason() {
    let (set, task) = (WaiterSet::<2>::new(), Lifecycle::new());
    let _ = task.start();
    let mut waiters = [(); 2].map(|()| Sleeper::new(set.cancelled(&task)));
    for waiter in &mut waiters {
        assert_eq!(told(waiter), None);
    }
    let _ = task.cancel(Level::Graceful, Reason::Sibling);
    set.wake_all();
    for waiter in &mut waiters {
        assert_eq!(waiter.rings(), 1);
        assert_eq!(told(waiter).and_then(Snapshot::reason), Some(Reason::Sibling));
    }
    assert!(set.is_empty());
    assert!(told(&mut waiters[0]).is_some(), "polled again, it answers again");
}

#[test]
fn cancelled_is_ready_for_a_task_that_ended() {
    let (set, task) = (WaiterSet::<1>::new(), Lifecycle::new());
    let _ = task.start();
    let mut waiter = Sleeper::new(set.cancelled(&task));
    assert_eq!(told(&mut waiter), None);
    task.finish(End::Completed).unwrap();
    set.wake_all();
    assert_eq!(told(&mut waiter).map(Snapshot::state), Some(State::Completed));
}

#[test]
fn a_dropped_cancelled_leaves_the_queue() {
    let (set, task) = (WaiterSet::<1>::new(), Lifecycle::new());
    let mut waiter = Sleeper::new(set.cancelled(&task));
    assert_eq!((told(&mut waiter), told(&mut waiter), set.len()), (None, None, 1));
    let bell = Arc::clone(&waiter.bell);
    drop(waiter);
    assert!(set.is_empty());
    set.wake_all();
    assert_eq!(bell.0.load(Relaxed), 0);
    assert_eq!(Arc::strong_count(&bell), 1, "the set keeps no waker of who left");
}

#[test]
fn errors_and_debug_say_what_to_do() {
    assert_eq!(
        Full.to_string(),
        "every slot for waiters is taken; try later or make the set larger"
    );
    assert_eq!(WaitError::Full.to_string(), Full.to_string());
    assert!(
        WaitError::Closed
            .to_string()
            .starts_with("the credits are closed")
    );
    assert!(WaitError::TooMany.to_string().contains("32767"));
    let (set, credits) = (WaiterSet::<2>::default(), full(1));
    let mut first = asks(&set, &credits, 1);
    assert!(first.poll().is_pending());
    assert_eq!(
        format!("{set:?}"),
        "WaiterSet { slots: 2, waiting: 1, head: Some(0) }"
    );
}

#[test]
fn can_be_shared_and_is_small() {
    const fn shared<T: Send + Sync>() {}
    const { shared::<WaiterSet<8>>() };
    const { shared::<Acquire<'_, 8>>() };
    const { shared::<Cancelled<'_, 8>>() };
    assert!(size_of::<WaiterSet<1>>() <= 4 * size_of::<usize>());
}
