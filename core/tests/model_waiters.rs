//! Random sequences of polls, drops and releases on a `WaiterSet` and on a naive queue with plain fields.
#![cfg(feature = "waiters")]

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use proptest::prelude::{Just, Strategy, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use sweet_async_core::credit::Credits;
use sweet_async_core::waiters::{Acquire, Permit, WaitError, WaiterSet};

/// How many tasks there are; more than the set has slots.
const TASKS: usize = 6;
/// How many slots the set has.
const SLOTS: usize = 4;

#[derive(Clone, Copy, Debug)]
enum Operation {
    /// Polls the wait of a task; one that does not wait begins to, for so many.
    Poll(usize, u32),
    /// Drops the wait of a task.
    Drop(usize),
    /// Drops the oldest permit.
    GiveBack,
    Resize(u32),
    Close,
}

/// What a poll has to answer: the number of credits, a refusal, or nothing yet.
type Answer = Option<Result<u32, WaitError>>;

#[derive(Default)]
struct Naive {
    closed: bool,
    capacity: u32,
    taken: u32,
    /// Task and wish, oldest first.
    queue: Vec<(usize, u32)>,
}

impl Naive {
    fn fits(&self, wanted: u32) -> bool {
        wanted <= self.capacity.saturating_sub(self.taken)
    }

    fn is_head(&self, task: usize) -> bool {
        self.queue.first().is_some_and(|(head, _)| *head == task)
    }

    fn poll(&mut self, task: usize, wanted: u32) -> Answer {
        if !self.queue.iter().any(|(waiting, _)| *waiting == task) {
            if self.queue.len() == SLOTS {
                return Some(Err(WaitError::Full));
            }
            self.queue.push((task, wanted));
        }
        let answer = if self.closed {
            Err(WaitError::Closed)
        } else if wanted > Credits::MAX {
            Err(WaitError::TooMany)
        } else if self.is_head(task) && self.fits(wanted) {
            self.taken += wanted;
            Ok(wanted)
        } else {
            return None;
        };
        self.leave(task);
        Some(answer)
    }

    fn leave(&mut self, task: usize) {
        self.queue.retain(|(waiting, _)| *waiting != task);
    }

    /// The tasks that may not sleep now.
    fn awake(&self) -> Vec<usize> {
        let tasks = self.queue.iter().map(|(task, _)| *task);
        if self.closed {
            return tasks.collect();
        }
        let served = self
            .queue
            .first()
            .is_some_and(|(_, wanted)| self.fits(*wanted) && self.taken < self.capacity);
        tasks.take(usize::from(served)).collect()
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

struct Task<'a> {
    wait: Option<(Acquire<'a, SLOTS>, u32)>,
    bell: Arc<Bell>,
}

impl<'a> Task<'a> {
    fn poll(&mut self) -> Option<Result<Permit<'a, SLOTS>, WaitError>> {
        self.bell.note(false);
        let waker = Waker::from(Arc::clone(&self.bell));
        let (future, _) = self.wait.as_mut()?;
        match Pin::new(future).poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => None,
            Poll::Ready(answer) => {
                self.wait = None;
                Some(answer)
            }
        }
    }
}

fn operation() -> impl Strategy<Value = Operation> {
    let wanted = prop_oneof![12 => 1_u32..4, 1 => Just(0), 1 => Just(Credits::MAX + 1)];
    prop_oneof![
        30 => (0..TASKS, wanted).prop_map(|(task, wanted)| Operation::Poll(task, wanted)),
        8 => (0..TASKS).prop_map(Operation::Drop),
        15 => Just(Operation::GiveBack),
        4 => (0_u32..6).prop_map(Operation::Resize),
        1 => Just(Operation::Close),
    ]
}

proptest! {
    #[test]
    fn agrees_with_a_naive_queue(operations in prop::collection::vec(operation(), 1..120)) {
        let (credits, set) = (Credits::of::<3>(), WaiterSet::<SLOTS>::new());
        let mut naive = Naive { capacity: 3, ..Naive::default() };
        let mut permits: Vec<Permit<'_, SLOTS>> = Vec::new();
        let mut tasks: Vec<_> = (0..TASKS)
            .map(|_| Task { wait: None, bell: Arc::default() })
            .collect();
        for operation in operations {
            match operation {
                Operation::Poll(index, wanted) => {
                    let task = &mut tasks[index];
                    let wanted = task.wait.as_ref().map_or(wanted, |(_, wanted)| *wanted);
                    task.wait.get_or_insert_with(|| (set.acquire(&credits, wanted), wanted));
                    let answer = task.poll();
                    let counted = answer.as_ref().map(|answer| answer.as_ref().map(Permit::count).map_err(|error| *error));
                    prop_assert_eq!(counted, naive.poll(index, wanted));
                    permits.extend(answer.and_then(Result::ok));
                }
                Operation::Drop(index) => {
                    tasks[index].wait = None;
                    naive.leave(index);
                }
                Operation::GiveBack => {
                    if !permits.is_empty() {
                        naive.taken -= permits.remove(0).count();
                    }
                }
                Operation::Resize(capacity) => {
                    let resized = set.resize(&credits, capacity).is_ok();
                    prop_assert_eq!(resized, !naive.closed);
                    if resized {
                        naive.capacity = capacity;
                    }
                }
                Operation::Close => {
                    prop_assert_eq!(set.close(&credits), !naive.closed);
                    naive.closed = true;
                }
            }
            prop_assert_eq!(set.len(), naive.queue.len());
            prop_assert_eq!(credits.taken(), naive.taken);
            for task in naive.awake() {
                prop_assert!(tasks[task].bell.note(true), "{} sleeps", task);
            }
        }
        drop(tasks);
        prop_assert!(set.is_empty());
        drop(permits);
        prop_assert_eq!(credits.taken(), 0);
    }
}
