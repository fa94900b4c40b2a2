//! The queues of a pool, and from which one a worker takes its next job.

use alloc::rc::Rc;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, PoisonError};

use crossbeam_deque::{Injector, Steal, Stealer, Worker};
use crossbeam_utils::{Backoff, CachePadded};
use sweet_async_core::Priority;
use sweet_async_core::priority::{Aging, Classes, Patience};

use crate::pool::Job;

/// One shared queue for each class, which every worker sees, and one queue for each worker, which others steal from.
///
/// A worker's own queue holds jobs of class normal, spawned or woken by what it runs; all other classes, and what comes
/// from outside, go through the shared queues, so that no urgent job waits behind one worker.
pub(crate) struct Queues {
    shared: [CachePadded<Injector<Job>>; 5],
    stealers: Box<[Stealer<Job>]>,
    /// The queues of workers that do not exist now.
    spare: Mutex<Vec<Worker<Job>>>,
    steals: AtomicU64,
}

impl Queues {
    pub(crate) fn new(workers: usize) -> Self {
        let spare: Vec<_> = (0..workers).map(|_| Worker::new_fifo()).collect();
        Self {
            shared: [(); 5].map(|()| CachePadded::new(Injector::new())),
            stealers: spare.iter().map(Worker::stealer).collect(),
            spare: Mutex::new(spare),
            steals: AtomicU64::new(0),
        }
    }

    /// The shared queue of a class.
    #[inline]
    pub(crate) fn shared(&self, class: Priority) -> &Injector<Job> {
        let [background, low, normal, high, critical] = &self.shared;
        match class {
            Priority::Background => background,
            Priority::Low => low,
            Priority::Normal => normal,
            Priority::High => high,
            Priority::Critical => critical,
        }
    }

    /// A queue for a worker that begins; none if there are as many workers as there may be.
    pub(crate) fn take(&self) -> Option<Worker<Job>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Takes back the queue of a worker that ends.
    pub(crate) fn give_back(&self, queue: Worker<Job>) {
        self.spare
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(queue);
    }

    /// Whether there is anything to run for anybody.
    pub(crate) fn any(&self) -> bool {
        !self.waiting().is_empty() || self.any_own()
    }

    /// Whether there is anything in the queue of a worker.
    fn any_own(&self) -> bool {
        self.stealers.iter().any(|stealer| !stealer.is_empty())
    }

    /// How many jobs wait.
    pub(crate) fn len(&self) -> usize {
        let shared: usize = self.shared.iter().map(|queue| queue.len()).sum();
        let own: usize = self.stealers.iter().map(Stealer::len).sum();
        shared + own
    }

    /// How often a worker took jobs from another one.
    pub(crate) fn steals(&self) -> u64 {
        self.steals.load(Relaxed)
    }

    /// Drops whatever waits in the shared queues. What jobs do when they are dropped is caught by who calls.
    pub(crate) fn pop_any(&self) -> Option<Job> {
        self.shared
            .iter()
            .map(|queue| persist(|| queue.steal()))
            .chain(self.stealers.iter().map(|queue| persist(|| queue.steal())))
            .flatten()
            .next()
    }

    /// The classes that wait in the shared queues.
    #[inline]
    fn waiting(&self) -> Classes {
        Priority::ALL
            .into_iter()
            .filter(|class| !self.shared(*class).is_empty())
            .collect()
    }
}

/// A worker's way of choosing.
pub(crate) struct Choice {
    pub(crate) own: Rc<Worker<Job>>,
    aging: Aging,
    turn: u32,
}

impl Choice {
    pub(crate) const fn new(own: Rc<Worker<Job>>, patience: Patience) -> Self {
        Self {
            own,
            aging: Aging::new(patience),
            turn: 0,
        }
    }

    /// The next job: of the class that [`Aging`] decides, from the own queue or a shared one; of another worker if there is
    /// none.
    #[inline]
    pub(crate) fn next(&mut self, queues: &Queues) -> Option<Job> {
        loop {
            let mut waiting = queues.waiting();
            // Jobs of class normal in another worker's queue wait as well. They are looked for where it matters: by one that
            // would else run another class. One that has nothing at all steals below.
            if !self.own.is_empty()
                || (!waiting.is_empty() && !waiting.contains(Priority::Normal) && queues.any_own())
            {
                waiting = waiting.with(Priority::Normal);
            }
            let Some(class) = self.aging.next(waiting) else {
                return self.steal(queues);
            };
            // None if somebody was faster: looks again.
            if let Some(job) = self.take(queues, class) {
                return Some(job);
            }
        }
    }

    fn take(&mut self, queues: &Queues, class: Priority) -> Option<Job> {
        let shared = queues.shared(class);
        if class != Priority::Normal {
            return persist(|| shared.steal());
        }
        // Jobs that wake each other must not keep the own queue busy for ever.
        self.turn = self.turn.wrapping_add(1);
        let first = if self.turn.is_multiple_of(SHARED_EVERY) {
            persist(|| shared.steal())
        } else {
            None
        };
        first
            .or_else(|| self.own.pop())
            .or_else(|| persist(|| shared.steal_batch_and_pop(&self.own)))
            .or_else(|| self.steal(queues))
    }

    /// Half of another worker's queue.
    #[cold]
    fn steal(&mut self, queues: &Queues) -> Option<Job> {
        let others = &queues.stealers;
        self.turn = self.turn.wrapping_add(1);
        // Thieves begin at different places.
        let first = self.turn as usize % others.len().max(1);
        let (before, after) = others.split_at_checked(first)?;
        let job = after
            .iter()
            .chain(before)
            .find_map(|other| persist(|| other.steal_batch_and_pop(&self.own)))?;
        queues.steals.fetch_add(1, Relaxed);
        Some(job)
    }
}

/// Tries until it is known whether there is something.
#[inline]
fn persist(mut steal: impl FnMut() -> Steal<Job>) -> Option<Job> {
    let backoff = Backoff::new();
    loop {
        match steal() {
            Steal::Success(job) => return Some(job),
            Steal::Empty => return None,
            // Somebody else got one meanwhile.
            Steal::Retry => backoff.spin(),
        }
    }
}

/// How often the shared queue comes before a worker's own: after so many jobs of class normal.
const SHARED_EVERY: u32 = 61;
