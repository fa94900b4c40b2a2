//! Real threads at full speed, and books that have to balance afterwards: nothing is lost, nothing counted twice.
//!
//! A debug build runs a fraction of it; `.ci/stress` runs all.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(feature = "waiters")]
use core::future::Future;
#[cfg(feature = "waiters")]
use core::pin::pin;
#[cfg(feature = "waiters")]
use core::task::{Context, Poll, Waker};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicI64, AtomicU64};
#[cfg(feature = "waiters")]
use std::task::Wake;
use std::thread;

use sweet_async_core::credit::{AcquireError, Close as Closing, Credits};
use sweet_async_core::group::{Close, EnterError, Exit, Group};
use sweet_async_core::id::IdGenerator;
use sweet_async_core::lifecycle::{Cancel, End, Level, Lifecycle, Reason, Start, State};
use sweet_async_core::stats::{Counter, Histogram, ShardedCounter};

/// A debug build does this part of the work.
const PART: u32 = if cfg!(debug_assertions) { 200 } else { 1 };

/// Runs `work` on so many threads, each with its number; answers what they answered.
fn threads<A: Send>(count: u32, work: impl Fn(u32) -> A + Sync) -> Vec<A> {
    let work = &work;
    thread::scope(|scope| {
        let running: Vec<_> = (0..count)
            .map(|number| scope.spawn(move || work(number)))
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn ids_of_sixteen_threads_never_repeat() {
    const THREADS: u32 = 16;
    const EACH: u32 = 10_000_000 / PART;
    let ids = IdGenerator::new();
    let taken: Vec<_> = (0..=THREADS * EACH / 64).map(|_| AtomicU64::new(0)).collect();
    threads(THREADS, |thread| {
        let mark = |id: u32| {
            let (word, bit) = (id / 64, 1_u64 << (id % 64));
            let before = taken.get(word as usize).map(|word| word.fetch_or(bit, SeqCst));
            assert_eq!(
                before.map(|before| before & bit),
                Some(0),
                "the id {id} was given out twice"
            );
        };
        if thread % 2 == 0 {
            for _ in 0..EACH {
                mark(ids.next().unwrap().get());
            }
        } else {
            for _ in 0..EACH / 100 {
                for id in ids.next_block(100).unwrap() {
                    mark(id.get());
                }
            }
        }
    });
    let given: u32 = taken.iter().map(|word| word.load(SeqCst).count_ones()).sum();
    assert_eq!(given, THREADS * EACH, "an id was skipped or lost");
}

#[test]
fn credits_are_conserved() {
    const MOST: u32 = 24;
    const EACH: u32 = 1_000_000 / PART;
    let credits = Credits::of::<20>();
    let held = AtomicI64::new(0);
    let taken: u64 = threads(8, |thread| {
        let mut taken = 0;
        for round in 0..EACH {
            if thread == 0 && round % 16 == 0 {
                let _ = credits.resize(16 + round / 16 % (MOST - 15)).unwrap();
            }
            let wanted = 1 + (round ^ thread) % 5;
            match credits.try_acquire(wanted) {
                Ok(()) => {
                    let before = held.fetch_add(wanted.into(), SeqCst);
                    assert!(
                        before + i64::from(wanted) <= MOST.into(),
                        "more is held than there can be"
                    );
                    held.fetch_sub(wanted.into(), SeqCst);
                    let _ = credits.release(wanted).unwrap();
                    taken += u64::from(wanted);
                }
                Err(AcquireError::Short { .. }) => thread::yield_now(),
                Err(other) => panic!("{other}"),
            }
        }
        taken
    })
    .into_iter()
    .sum();
    assert!(taken > 0);
    assert_eq!(
        (credits.taken(), held.into_inner()),
        (0, 0),
        "what was taken was given back"
    );
    assert_eq!(credits.close(), Closing::Continue);
}

#[test]
fn the_end_of_a_group_is_told_once() {
    const ROUNDS: u32 = 20_000 / PART;
    for round in 0..ROUNDS {
        let group = Group::new();
        let told = threads(4, |thread| {
            let (mut entered, mut told) = (0_u32, 0_u32);
            for turn in 0..32 {
                match group.try_enter() {
                    Ok(()) => entered += 1,
                    Err(EnterError::Closed) => assert!(group.is_closed()),
                    Err(other) => panic!("{other}"),
                }
                if thread == 0 && turn == round % 32 {
                    told += u32::from(group.close() == Close::Empty);
                }
                if entered > 0 && turn % 3 != 0 {
                    entered -= 1;
                    told += u32::from(group.leave().unwrap() == Exit::Empty);
                }
            }
            for _ in 0..entered {
                told += u32::from(group.leave().unwrap() == Exit::Empty);
            }
            told
        });
        assert_eq!(told.into_iter().sum::<u32>(), 1, "the end of round {round}");
        assert!(group.is_over() && group.leave().is_err());
    }
}

#[test]
fn each_task_has_one_end() {
    const TASKS: u32 = 400_000 / PART;
    let tasks: Vec<_> = (0..TASKS).map(|_| Lifecycle::new()).collect();
    let told = threads(4, |thread| {
        let (mut completed, mut ended) = (0_u32, 0_u32);
        for task in &tasks {
            match thread {
                0 if task.start() == Start::Run => {
                    if task.finish(End::Completed).is_ok() {
                        completed += 1;
                    } else if task.finish(End::Cancelled).is_ok() {
                        ended += 1;
                    }
                }
                0 => {}
                1 => ended += u32::from(task.cancel(Level::Graceful, Reason::Requested) == Cancel::Ended),
                2 => ended += u32::from(task.cancel(Level::Kill, Reason::Parent) == Cancel::Ended),
                _ => ended += u32::from(task.cancel(Level::KillHard, Reason::Shutdown) == Cancel::Ended),
            }
        }
        (completed, ended)
    });
    let completed: u32 = told.iter().map(|(completed, _)| completed).sum();
    let ended: u32 = told.iter().map(|(_, ended)| ended).sum();
    let are = |state| tasks.iter().filter(|task| task.state() == state).count();
    assert_eq!(completed + ended, TASKS, "each end is told, once");
    assert_eq!(are(State::Completed), completed as usize);
    assert_eq!(are(State::Cancelled), ended as usize);
}

#[test]
fn ten_million_events_are_all_counted() {
    const THREADS: u32 = 8;
    const EACH: u32 = 10_000_000 / THREADS / PART;
    let (counter, sharded) = (Counter::new(), ShardedCounter::<8>::new());
    let histogram = Arc::new(Histogram::<240>::new());
    let taken: u64 = threads(THREADS, |thread| {
        let mut shard = sharded.claim().unwrap();
        let mut taken = 0;
        for event in 0..EACH {
            counter.increment();
            shard.increment();
            histogram.record(event);
            if thread == 0 && event % 1_024 == 0 {
                taken += u64::from(counter.take());
            }
        }
        taken
    })
    .into_iter()
    .sum();
    let all = u64::from(THREADS * EACH);
    assert_eq!(taken + u64::from(counter.value()), all, "the counter");
    assert_eq!(sharded.total(), all, "the shards");
    assert_eq!(histogram.snapshot().count(), all, "the histogram");
}

/// What a thread sleeps on.
#[cfg(feature = "waiters")]
struct Unpark(thread::Thread);

#[cfg(feature = "waiters")]
impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(feature = "waiters")]
#[test]
fn nobody_who_waits_for_credits_oversleeps() {
    use sweet_async_core::waiters::WaiterSet;

    const EACH: u32 = 100_000 / PART;
    let (credits, set) = (Credits::of::<3>(), WaiterSet::<8>::new());
    let held = AtomicI64::new(0);
    let served: u32 = threads(6, |thread| {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let (mut task, mut served) = (Context::from_waker(&waker), 0);
        for round in 0..EACH {
            let wanted = 1 + (round + thread) % 3;
            let mut waiting = pin!(set.acquire(&credits, wanted));
            let permit = loop {
                match waiting.as_mut().poll(&mut task) {
                    Poll::Ready(permit) => break Some(permit.unwrap()),
                    // One in eight gives up, woken or not.
                    Poll::Pending if (round ^ thread) % 8 == 0 => break None,
                    Poll::Pending => thread::park(),
                }
            };
            if let Some(permit) = permit {
                let before = held.fetch_add(wanted.into(), SeqCst);
                assert!(before + i64::from(wanted) <= 3, "more is held than there is");
                held.fetch_sub(wanted.into(), SeqCst);
                served += 1;
                drop(permit);
            }
        }
        served
    })
    .into_iter()
    .sum();
    assert!(served >= 6 * EACH / 8 * 7 - 6, "{served} were served");
    assert_eq!((credits.taken(), set.len()), (0, 0), "everything came back");
}

/// Polls until the answer is there, asleep in between; `None` if it gives up at the first `Pending`, woken or not.
#[cfg(feature = "mailbox")]
fn wait<F: Future>(future: F, gives_up: bool) -> Option<F::Output> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let (mut future, mut task) = (pin!(future), Context::from_waker(&waker));
    loop {
        match future.as_mut().poll(&mut task) {
            Poll::Ready(answer) => return Some(answer),
            Poll::Pending if gives_up => return None,
            Poll::Pending => thread::park(),
        }
    }
}

#[cfg(feature = "mailbox")]
#[test]
fn a_mailbox_gives_each_item_to_one_who_waits() {
    use sweet_async_core::mailbox::{Mailbox, RecvError};

    const SENDERS: u32 = 3;
    const EACH: u32 = 100_000 / PART;
    let (mailbox, sending) = (Mailbox::<u32, 3>::new(), AtomicI64::new(SENDERS.into()));
    let mut received: Vec<u32> = threads(2 * SENDERS, |thread| {
        let mut items = Vec::new();
        if thread < SENDERS {
            for item in thread * EACH..(thread + 1) * EACH {
                // One in eight gives up first, and loses the copy of its item.
                if item % 8 != 0 || wait(mailbox.send(item), true).is_none() {
                    assert!(wait(mailbox.send(item), false).unwrap().unwrap().is_empty());
                }
            }
            if sending.fetch_sub(1, SeqCst) == 1 {
                assert!(mailbox.close());
            }
            return items;
        }
        for round in 0.. {
            match wait(mailbox.recv(), round % 8 == 0) {
                Some(Ok(item)) => items.push(item),
                Some(Err(RecvError::Closed)) => break,
                Some(Err(other)) => panic!("{other}"),
                None => {}
            }
        }
        let mut last = [None; SENDERS as usize];
        for item in &items {
            let before = last.get_mut((item / EACH) as usize).unwrap().replace(item);
            assert!(before < Some(item), "{item} came after {before:?}");
        }
        items
    })
    .into_iter()
    .flatten()
    .collect();
    received.sort_unstable();
    assert!(
        received.into_iter().eq(0..SENDERS * EACH),
        "an item was lost, or came twice"
    );
    let counts = mailbox.counts();
    assert_eq!((counts.sent, counts.dropped, counts.held), (SENDERS * EACH, 0, 0));
    assert_eq!(counts.in_hand(), 0, "{counts:?}");
}
