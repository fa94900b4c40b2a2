//! Random sequences of sends, receives, polls and drops on a `Mailbox` and on a naive queue with plain fields.
#![cfg(feature = "mailbox")]

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use proptest::prelude::{Just, Strategy, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use sweet_async_core::mailbox::{
    Displaced, Mailbox, Receiving, RecvError, Refused, SendError, Sending, TryRecvError,
};
use sweet_async_core::pressure::Overflow;

/// How many tasks there are at either end; more than may wait.
const TASKS: usize = 4;
/// How many items fit.
const SLOTS: usize = 3;
/// How many may wait at either end.
const WAITERS: usize = 3;

type Letters = Mailbox<u32, SLOTS, WAITERS>;

#[derive(Clone, Copy, Debug)]
enum Operation {
    TrySend,
    TryReceive,
    /// Polls the send of a task; one that does not send begins to.
    PollSend(usize),
    /// Polls the receive of a task; one that does not receive begins to.
    PollReceive(usize),
    /// Drops the send of a task.
    DropSend(usize),
    /// Drops the receive of a task.
    DropReceive(usize),
    Close,
}

/// What was displaced, or why and with what a send was refused.
type Sent = Result<Vec<u32>, (Refused, u32)>;

struct Naive {
    overflow: Overflow,
    closed: bool,
    held: VecDeque<u32>,
    /// The tasks that wait for room, oldest first.
    senders: Vec<usize>,
    /// The tasks that wait for items, oldest first.
    receivers: Vec<usize>,
    /// Sent, received, dropped.
    counts: [u32; 3],
}

impl Naive {
    fn try_send(&mut self, item: u32) -> Sent {
        if self.closed {
            return Err((Refused::Closed, item));
        }
        let full = self.held.len() == SLOTS;
        let displaced: Vec<u32> = match (self.overflow, full) {
            (Overflow::Block, true) => return Err((Refused::Full, item)),
            (Overflow::Reject | Overflow::DropNewest, true) => vec![item],
            (Overflow::DropOldest, true) => self.held.pop_front().into_iter().collect(),
            (Overflow::KeepLatest, _) => self.held.drain(..).collect(),
            (_, false) => Vec::new(),
        };
        self.counts[0] += 1;
        self.counts[2] += displaced.iter().fold(0, |count, _| count + 1);
        if displaced != [item] {
            self.held.push_back(item);
        } else if self.overflow == Overflow::Reject {
            return Err((Refused::Full, item));
        }
        Ok(displaced)
    }

    fn try_receive(&mut self) -> Result<u32, TryRecvError> {
        let nothing = if self.closed {
            TryRecvError::Closed
        } else {
            TryRecvError::Empty
        };
        let item = self.held.pop_front().ok_or(nothing)?;
        self.counts[1] += 1;
        Ok(item)
    }

    fn poll_send(&mut self, task: usize, item: u32) -> Option<Sent> {
        let waits = self.senders.contains(&task);
        let first = self.senders.first().is_none_or(|head| *head == task);
        let blocks = self.overflow == Overflow::Block && !self.closed;
        if blocks && (!first || self.held.len() == SLOTS) {
            if !waits && self.senders.len() == WAITERS {
                return Some(Err((Refused::Crowded, item)));
            }
            if !waits {
                self.senders.push(task);
            }
            return None;
        }
        self.senders.retain(|waiting| *waiting != task);
        Some(self.try_send(item))
    }

    fn poll_receive(&mut self, task: usize) -> Option<Result<u32, RecvError>> {
        let waits = self.receivers.contains(&task);
        let first = self.receivers.first().is_none_or(|head| *head == task);
        if self.held.is_empty() && self.closed {
            self.receivers.retain(|waiting| *waiting != task);
            return Some(Err(RecvError::Closed));
        }
        if !first || self.held.is_empty() {
            if !waits && self.receivers.len() == WAITERS {
                return Some(Err(RecvError::Crowded));
            }
            if !waits {
                self.receivers.push(task);
            }
            return None;
        }
        self.receivers.retain(|waiting| *waiting != task);
        Some(self.try_receive().map_err(|_| RecvError::Closed))
    }

    /// The sender that may not sleep now.
    fn sender_awake(&self) -> Option<usize> {
        let served = self.closed || self.held.len() < SLOTS;
        self.senders.first().copied().filter(|_| served)
    }

    /// The receiver that may not sleep now.
    fn receiver_awake(&self) -> Option<usize> {
        let served = self.closed || !self.held.is_empty();
        self.receivers.first().copied().filter(|_| served)
    }
}

#[derive(Default)]
struct Bell(Mutex<bool>);

impl Bell {
    /// Notes whether it rang, and answers whether it had rung before.
    fn note(&self, rang: bool) -> bool {
        core::mem::replace(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), rang)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.note(true);
    }
}

/// A task that may wait, with what it waits for.
struct Task<F> {
    future: Option<F>,
    bell: Arc<Bell>,
}

impl<F: Future + Unpin> Task<F> {
    fn poll(&mut self, begin: impl FnOnce() -> F) -> Option<F::Output> {
        self.bell.note(false);
        let waker = Waker::from(Arc::clone(&self.bell));
        let future = self.future.get_or_insert_with(begin);
        match Pin::new(future).poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => None,
            Poll::Ready(answer) => {
                self.future = None;
                Some(answer)
            }
        }
    }
}

fn idle<F>() -> Vec<Task<F>> {
    (0..TASKS)
        .map(|_| Task {
            future: None,
            bell: Arc::default(),
        })
        .collect()
}

fn plain(sent: Result<Displaced<u32, SLOTS>, SendError<u32>>) -> Sent {
    sent.map(Iterator::collect)
        .map_err(|error| (error.reason, error.item))
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        10 => Just(Operation::TrySend),
        8 => Just(Operation::TryReceive),
        16 => (0..TASKS).prop_map(Operation::PollSend),
        16 => (0..TASKS).prop_map(Operation::PollReceive),
        4 => (0..TASKS).prop_map(Operation::DropSend),
        4 => (0..TASKS).prop_map(Operation::DropReceive),
        1 => Just(Operation::Close),
    ]
}

fn overflow() -> impl Strategy<Value = Overflow> {
    prop_oneof![
        3 => Just(Overflow::Block),
        1 => Just(Overflow::Reject),
        1 => Just(Overflow::DropNewest),
        1 => Just(Overflow::DropOldest),
        1 => Just(Overflow::KeepLatest),
    ]
}

proptest! {
    #[test]
    fn agrees_with_a_naive_queue(
        overflow in overflow(),
        operations in prop::collection::vec(operation(), 1..150),
    ) {
        let mailbox = Letters::with(overflow);
        let mut naive = Naive {
            overflow,
            closed: false,
            held: VecDeque::new(),
            senders: Vec::new(),
            receivers: Vec::new(),
            counts: [0; 3],
        };
        let mut senders: Vec<Task<Sending<'_, u32, SLOTS, WAITERS>>> = idle();
        let mut receivers: Vec<Task<Receiving<'_, u32, SLOTS, WAITERS>>> = idle();
        let mut items = [0; TASKS];
        for (item, operation) in (1..).zip(operations) {
            match operation {
                Operation::TrySend => prop_assert_eq!(plain(mailbox.try_send(item)), naive.try_send(item)),
                Operation::TryReceive => prop_assert_eq!(mailbox.try_recv(), naive.try_receive()),
                Operation::PollSend(task) => {
                    if senders[task].future.is_none() {
                        items[task] = item;
                    }
                    let answer = senders[task].poll(|| mailbox.send(item)).map(plain);
                    prop_assert_eq!(answer, naive.poll_send(task, items[task]));
                }
                Operation::PollReceive(task) => {
                    prop_assert_eq!(receivers[task].poll(|| mailbox.recv()), naive.poll_receive(task));
                }
                Operation::DropSend(task) => {
                    if let Some(sending) = senders[task].future.take() {
                        prop_assert_eq!(sending.cancel(), Some(items[task]));
                    }
                    naive.senders.retain(|waiting| *waiting != task);
                }
                Operation::DropReceive(task) => {
                    receivers[task].future = None;
                    naive.receivers.retain(|waiting| *waiting != task);
                }
                Operation::Close => {
                    prop_assert_eq!(mailbox.close(), !naive.closed);
                    naive.closed = true;
                }
            }
            let counts = mailbox.counts();
            prop_assert_eq!([counts.sent, counts.received, counts.dropped], naive.counts);
            prop_assert_eq!((counts.held as usize, counts.in_hand()), (naive.held.len(), 0));
            if let Some(task) = naive.sender_awake() {
                prop_assert!(senders[task].bell.note(true), "sender {} sleeps", task);
            }
            if let Some(task) = naive.receiver_awake() {
                prop_assert!(receivers[task].bell.note(true), "receiver {} sleeps", task);
            }
        }
    }
}
