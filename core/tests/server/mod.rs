//! A server of known capacity in virtual time, with a concurrency limit in front of it.
//!
//! It works on `workers` calls at once, each for `SERVICE` microseconds give or take a tenth; others queue, and those
//! that find the queue full are refused. By Little's law it is just busy with `workers` calls in flight: that is the
//! knee, below which throughput is lost and above which calls only wait longer.

use core::cmp::Reverse;
use core::mem;
use std::collections::{BinaryHeap, VecDeque};

use sweet_async_core::limit::{Bounds, ConcurrencyLimit, Outcome, Policy};

pub(crate) mod plot;

/// Microseconds that a worker takes for a call.
const SERVICE: u64 = 1_000;
/// Calls that queue before others are refused.
pub(crate) const QUEUE: u32 = 20;
/// How long it takes to learn of a refusal.
const REFUSAL: u64 = 1_000;
/// Microseconds between two points of the curve.
pub(crate) const STEP: u64 = 5_000;

/// A stretch of time in which the server has so many workers; none refuses everything.
#[derive(Clone, Copy)]
pub(crate) struct Phase {
    pub(crate) until: u64,
    pub(crate) workers: u32,
}

/// Healthy, a tenth of the capacity, healthy, nothing at all, healthy.
pub(crate) const PHASES: [Phase; 5] = [
    Phase {
        until: 1_000_000,
        workers: 40,
    },
    Phase {
        until: 1_500_000,
        workers: 4,
    },
    Phase {
        until: 2_500_000,
        workers: 40,
    },
    Phase {
        until: 3_000_000,
        workers: 0,
    },
    Phase {
        until: 4_000_000,
        workers: 40,
    },
];

/// Callers come at a quarter more than the knee's rate for 100 ms, then at three fifths of it for 50 ms.
const fn gap(now: u64) -> u64 {
    let busy = now % 150_000 < 100_000;
    if busy { SERVICE / 50 } else { SERVICE / 24 }
}

struct Server {
    random: u32,
    /// Calls being worked on, by when they are done: when, when they began.
    done: BinaryHeap<Reverse<(u64, u64)>>,
    queue: VecDeque<u64>,
    /// When refused calls learn of it.
    refused: VecDeque<u64>,
}

impl Server {
    fn start(&mut self, now: u64, began: u64) {
        // Numerical Recipes' generator.
        self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let spread = u64::from(self.random >> 16) * SERVICE / 5 / 65_536;
        self.done.push(Reverse((now + SERVICE * 9 / 10 + spread, began)));
    }

    fn arrive(&mut self, now: u64, workers: u32) {
        if self.done.len() < workers as usize {
            self.start(now, now);
        } else if workers > 0 && self.queue.len() < QUEUE as usize {
            self.queue.push_back(now);
        } else {
            self.refused.push_back(now + REFUSAL);
        }
    }

    /// The number of workers has changed; without any, those who queue are refused.
    fn change(&mut self, now: u64, workers: u32) {
        while self.done.len() < workers as usize
            && let Some(waiting) = self.queue.pop_front()
        {
            self.start(now, waiting);
        }
        if workers == 0 {
            let queued = self.queue.drain(..).map(|_| now + REFUSAL);
            self.refused.extend(queued);
        }
    }

    /// What happens next, not after `until`: when, and how the call ended.
    fn next(&mut self, until: u64, workers: u32) -> Option<(u64, Outcome)> {
        let refused = self.refused.front().copied().filter(|at| *at <= until);
        let done = self
            .done
            .peek()
            .map(|Reverse(done)| *done)
            .filter(|(at, _)| *at <= until);
        match (refused, done) {
            (Some(at), done) if done.is_none_or(|(done, _)| at <= done) => {
                self.refused.pop_front();
                Some((at, Outcome::Dropped))
            }
            (_, Some((at, began))) => {
                self.done.pop();
                if self.done.len() < workers as usize
                    && let Some(waiting) = self.queue.pop_front()
                {
                    self.start(at, waiting);
                }
                let latency = u32::try_from(at - began).unwrap_or(u32::MAX);
                Some((at, Outcome::Ok { latency }))
            }
            _ => None,
        }
    }
}

/// What a run showed.
pub(crate) struct Run {
    /// The limit, each [`STEP`].
    pub(crate) limits: Vec<u32>,
    /// Calls that ended well, each [`STEP`].
    pub(crate) served: Vec<u32>,
}

/// Runs all phases; the limit starts at 10, and may go from 1 to 400.
pub(crate) fn run<P: Policy>(policy: P) -> Run {
    let limit = ConcurrencyLimit::new(policy, Bounds::of::<1, 10, 400>());
    let mut server = Server {
        random: 1,
        done: BinaryHeap::new(),
        queue: VecDeque::new(),
        refused: VecDeque::new(),
    };
    let mut run = Run {
        limits: Vec::new(),
        served: Vec::new(),
    };
    let (mut now, mut well, mut sampled) = (0, 0, 0);
    for phase in PHASES {
        server.change(now, phase.workers);
        while now < phase.until {
            while let Some((_, outcome)) = server.next(now, phase.workers) {
                well += u32::from(outcome != Outcome::Dropped);
                let _ = limit.leave(outcome);
            }
            if limit.try_enter().is_ok() {
                server.arrive(now, phase.workers);
            }
            now += gap(now);
            while sampled + STEP <= now {
                sampled += STEP;
                run.limits.push(limit.limit());
                run.served.push(mem::take(&mut well));
            }
        }
    }
    run
}
