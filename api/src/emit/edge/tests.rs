use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::task::Wake;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use core::task::{Context, Poll, Waker};
use std::sync::Mutex;
use std::thread;

use proptest::prelude::*;

use super::{Closed, EventReceiver, EventSender, Overflow, SendError, Sent, TryRecvError, edge};

type Numbers = Vec<u32>;

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls a future until it waits for somebody to wake it; `false` if it ends before.
fn sleeps<F: Future>(mut future: Pin<&mut F>, woken: &Arc<Count>) -> bool {
    let waker = Waker::from(Arc::clone(woken));
    loop {
        let before = woken.0.load(SeqCst);
        let poll = future.as_mut().poll(&mut Context::from_waker(&waker));
        if poll.is_ready() || woken.0.load(SeqCst) == before {
            return poll.is_pending();
        }
    }
}

fn sent(sender: &EventSender<Numbers>, number: u32) -> Result<Sent, SendError> {
    sender.try_send(&mut vec![number])
}

fn received(receiver: &EventReceiver<Numbers>) -> Result<Numbers, TryRecvError> {
    let mut chunk = Vec::new();
    receiver.try_recv(&mut chunk).map(|()| chunk)
}

#[test]
fn both_ends_cross_threads() {
    fn crosses<T: Send + Sync>() {}
    fn is_send(_: impl Send) {}
    crosses::<EventSender<Numbers>>();
    crosses::<EventReceiver<Numbers>>();
    let (sender, receiver) = edge::<Numbers>(1, Overflow::Block);
    is_send(sender.send(&mut vec![]));
    is_send(receiver.recv(&mut vec![]));
}

#[test]
fn a_capacity_is_at_least_one_and_at_most_what_credits_count() {
    assert_eq!(edge::<Numbers>(0, Overflow::Block).0.capacity(), 1);
    assert_eq!(edge::<Numbers>(5, Overflow::Block).0.capacity(), 5);
    assert_eq!(edge::<Numbers>(usize::MAX, Overflow::Block).0.capacity(), 32_767);
    assert_eq!(edge::<Numbers>(5, Overflow::KeepLatest).0.capacity(), 1);
}

#[test]
fn overflow_policies_lose_what_they_say_and_count_it() {
    let table = [
        (Overflow::Block, Err(SendError::Full), 3, [1, 2].as_slice(), 0),
        (Overflow::Reject, Err(SendError::Full), 3, &[1, 2], 0),
        (Overflow::DropNewest, Ok(Sent::Displaced), 3, &[1, 2], 1),
        (Overflow::DropOldest, Ok(Sent::Displaced), 1, &[2, 3], 1),
        (Overflow::KeepLatest, Ok(Sent::Displaced), 2, &[3], 2),
    ];
    for (overflow, answer, in_hand, left, displaced) in table {
        let (sender, receiver) = edge::<Numbers>(2, overflow);
        let _ = sent(&sender, 1);
        let _ = sent(&sender, 2);
        let mut chunk = vec![3];
        assert_eq!(sender.try_send(&mut chunk), answer, "{overflow:?}");
        assert_eq!(chunk, [in_hand], "{overflow:?}");
        assert_eq!(sender.displaced(), displaced, "{overflow:?}");
        drop(sender);
        let rest: Vec<u32> = core::iter::from_fn(|| received(&receiver).ok())
            .flatten()
            .collect();
        assert_eq!(rest, left, "{overflow:?}");
    }
}

#[test]
fn receivers_take_what_is_left_of_a_closed_edge() {
    let (sender, receiver) = edge::<Numbers>(4, Overflow::Block);
    assert_eq!(sent(&sender, 1), Ok(Sent::Delivered));
    let other = sender.clone();
    drop(sender);
    assert_eq!(sent(&other, 2), Ok(Sent::Delivered));
    drop(other);
    assert_eq!(received(&receiver), Ok(vec![1]));
    assert_eq!(received(&receiver), Ok(vec![2]));
    assert_eq!(received(&receiver), Err(TryRecvError::Closed));
}

#[test]
fn senders_are_refused_once_the_last_receiver_is_gone_and_keep_their_chunk() {
    let (sender, receiver) = edge::<Numbers>(4, Overflow::Block);
    drop(receiver.clone());
    assert_eq!(sent(&sender, 1), Ok(Sent::Delivered));
    drop(receiver);
    let mut chunk = vec![2];
    assert_eq!(sender.try_send(&mut chunk), Err(SendError::Closed));
    assert_eq!(
        poll(core::pin::pin!(sender.send(&mut chunk))),
        Poll::Ready(Err(SendError::Closed))
    );
    assert_eq!(chunk, [2]);
}

#[test]
fn closing_wakes_whoever_waits() {
    let woken = Arc::new(Count::default());
    let (sender, receiver) = edge::<Numbers>(1, Overflow::Block);
    let mut chunk = Vec::new();
    let mut waiting = core::pin::pin!(receiver.recv(&mut chunk));
    assert!(sleeps(waiting.as_mut(), &woken));
    let before = woken.0.load(SeqCst);
    sender.close();
    assert_eq!(woken.0.load(SeqCst), before + 1);
    assert_eq!(poll(waiting), Poll::Ready(Err(Closed)));

    let (sender, receiver) = edge::<Numbers>(1, Overflow::Block);
    let _ = sent(&sender, 1);
    let mut chunk = vec![2];
    let mut waiting = core::pin::pin!(sender.send(&mut chunk));
    assert!(sleeps(waiting.as_mut(), &woken));
    let before = woken.0.load(SeqCst);
    receiver.close();
    assert_eq!(woken.0.load(SeqCst), before + 1);
    assert_eq!(poll(waiting), Poll::Ready(Err(SendError::Closed)));
}

#[test]
fn dropped_at_every_poll_loses_nothing() {
    for polls in 1..12 {
        let pending = |mut future: Pin<&mut dyn Future<Output = ()>>| {
            for _ in 0..polls {
                let mut cx = Context::from_waker(Waker::noop());
                assert!(future.as_mut().poll(&mut cx).is_pending());
            }
        };
        let (sender, receiver) = edge::<Numbers>(1, Overflow::Block);
        let _ = sent(&sender, 1);
        let mut chunk = vec![2];
        pending(core::pin::pin!(async { _ = sender.send(&mut chunk).await }));
        assert_eq!(chunk, [2]);
        assert_eq!(received(&receiver), Ok(vec![1]));
        // The dropped send holds no place: the next one is served.
        assert_eq!(
            poll(core::pin::pin!(sender.send(&mut chunk))),
            Poll::Ready(Ok(Sent::Delivered))
        );
        let mut buffer = Vec::new();
        assert_eq!(
            poll(core::pin::pin!(receiver.recv(&mut buffer))),
            Poll::Ready(Ok(()))
        );
        assert_eq!(buffer, [2]);
        pending(core::pin::pin!(async { _ = receiver.recv(&mut buffer).await }));
        assert_eq!(sent(&sender, 3), Ok(Sent::Delivered));
        assert_eq!(received(&receiver), Ok(vec![3]));
    }
}

#[test]
fn dropped_receiver_passes_the_wake_up_on() {
    let (sender, receiver) = edge::<Numbers>(4, Overflow::Block);
    let (mut first_chunk, mut second_chunk) = (Vec::new(), Vec::new());
    let woken = Arc::new(Count::default());
    let mut first = Box::pin(receiver.recv(&mut first_chunk));
    let mut second = Box::pin(receiver.recv(&mut second_chunk));
    assert!(sleeps(first.as_mut(), &Arc::default()));
    assert!(sleeps(second.as_mut(), &woken));
    let before = woken.0.load(SeqCst);
    let _ = sent(&sender, 1);
    drop(first);
    assert_eq!(woken.0.load(SeqCst), before + 1);
    assert_eq!(poll(second.as_mut()), Poll::Ready(Ok(())));
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A future that is polled only when it was woken.
struct Sleeper<T> {
    future: Pin<Box<dyn Future<Output = T>>>,
    woken: Arc<Count>,
    seen: usize,
}

impl<T> Sleeper<T> {
    fn new(future: impl Future<Output = T> + 'static) -> Self {
        let woken = Arc::new(Count::default());
        woken.0.store(1, SeqCst);
        Self {
            future: Box::pin(future),
            woken,
            seen: 0,
        }
    }

    fn run(&mut self) -> Option<T> {
        let now = self.woken.0.load(SeqCst);
        if now == self.seen {
            return None;
        }
        self.seen = now;
        let waker = Waker::from(Arc::clone(&self.woken));
        match self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }
}

/// Polls whoever was woken until nobody is.
fn settle<T>(sleepers: &mut Vec<Sleeper<T>>, mut done: impl FnMut(T)) {
    sleepers.retain_mut(|sleeper| match sleeper.run() {
        Some(value) => {
            done(value);
            false
        }
        None => true,
    });
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Send,
    Receive,
    DropSend(usize),
    DropReceive(usize),
    Settle,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Send),
        3 => Just(Step::Receive),
        1 => (0_usize..8).prop_map(Step::DropSend),
        1 => (0_usize..8).prop_map(Step::DropReceive),
        2 => Just(Step::Settle),
    ]
}

proptest! {
    /// Whatever is sent, received and dropped in whatever order: chunks arrive in the order in which their sends
    /// resolved, none is lost, and nobody sleeps beside work to do.
    #[test]
    fn random_schedules_lose_nothing_and_nobody_oversleeps(
        capacity in 1_usize..5,
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let (sender, receiver) = edge::<Numbers>(capacity, Overflow::Block);
        let (mut sends, mut receives) = (Vec::new(), Vec::new());
        let mut expected = VecDeque::new();
        let mut number = 0;
        for step in steps.into_iter().chain([Step::Settle; 8]) {
            match step {
                Step::Send => {
                    number += 1;
                    let (sender, mut chunk) = (sender.clone(), vec![number]);
                    sends.push(Sleeper::new(async move { (number, sender.send(&mut chunk).await) }));
                }
                Step::Receive => {
                    let receiver = receiver.clone();
                    receives.push(Sleeper::new(async move {
                        let mut chunk = Vec::new();
                        receiver.recv(&mut chunk).await.map(|()| chunk)
                    }));
                }
                Step::DropSend(index) => if index < sends.len() { drop(sends.remove(index)) },
                Step::DropReceive(index) => if index < receives.len() { drop(receives.remove(index)) },
                Step::Settle => {
                    settle(&mut sends, |(number, answer)| {
                        assert_eq!(answer, Ok(Sent::Delivered));
                        expected.push_back(vec![number]);
                    });
                    settle(&mut receives, |chunk| assert_eq!(chunk.ok(), expected.pop_front()));
                }
            }
            prop_assert!(receiver.waiting() <= capacity);
        }
        // Let the last wake-ups take effect.
        for _ in 0..200 {
            settle(&mut sends, |(number, answer)| {
                assert_eq!(answer, Ok(Sent::Delivered));
                expected.push_back(vec![number]);
            });
            settle(&mut receives, |chunk| assert_eq!(chunk.ok(), expected.pop_front()));
        }
        prop_assert_eq!(receiver.waiting(), expected.len());
        prop_assert!(receives.is_empty() || expected.is_empty(), "a receiver sleeps beside a chunk");
        prop_assert!(sends.is_empty() || !expected.is_empty(), "a sender sleeps beside an empty edge");
    }
}

#[test]
fn threads_share_an_edge_and_each_chunk_arrives_once() {
    const EACH: u32 = 20_000;
    for capacity in [1, 2, 16] {
        let (sender, receiver) = edge::<Numbers>(capacity, Overflow::Block);
        let seen = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for part in 0..2 {
                let sender = sender.clone();
                scope.spawn(move || {
                    let mut chunk = Vec::new();
                    for number in 0..EACH {
                        chunk.push(part * EACH + number);
                        assert_eq!(sender.send_blocking(&mut chunk), Ok(Sent::Delivered));
                    }
                });
            }
            drop(sender);
            for _ in 0..2 {
                let (receiver, seen) = (receiver.clone(), &seen);
                scope.spawn(move || {
                    let (mut chunk, mut mine) = (Vec::new(), Vec::new());
                    while receiver.recv_blocking(&mut chunk).is_ok() {
                        mine.extend_from_slice(&chunk);
                    }
                    // What one sender sent arrives in its order.
                    for part in 0..2 {
                        let of_part: Vec<_> = mine.iter().filter(|&&number| number / EACH == part).collect();
                        assert!(of_part.is_sorted());
                    }
                    seen.lock().unwrap().extend(mine);
                });
            }
        });
        let mut seen = seen.into_inner().unwrap();
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..2 * EACH));
    }
}
