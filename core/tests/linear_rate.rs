//! A rate limiter is linearizable while its burst is below 256 cells. Above, a refusal may take what it asked for, as its
//! documentation says of crowds; that, and nothing weaker, is what is checked there.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod linear;

use std::sync::Mutex;
use std::thread;

use linear::{Dice, Recorder, Spec, first_unexplained};
use sweet_async_core::Tick;
use sweet_async_core::rate::{CheckError, Quota, RateLimiter};

/// Counts from here, across the wrap of the tick.
const START: u32 = u32::MAX - 5;

/// When everything is paid for, in parts of a tick of which a cell costs `cost`; nothing wraps.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Naive {
    per_tick: i64,
    cost: i64,
    burst: i64,
    paid: i64,
    /// Whether who is refused may have taken all the same.
    crowd: bool,
}

/// Ticks count from `START`.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Check { now: u32, cells: u32 },
    Available { now: u32 },
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Answer {
    Admitted,
    RetryAt(u32),
    TooMany,
    Number(u32),
}

impl Naive {
    const fn new(cells: u32, ticks: u32, burst: u32, crowd: bool) -> Self {
        Self {
            per_tick: cells as i64,
            cost: ticks as i64,
            burst: burst as i64,
            paid: 0,
            crowd,
        }
    }

    fn used(&self, now: u32) -> i64 {
        (self.paid - i64::from(now) * self.per_tick).max(0)
    }

    fn act(&mut self, operation: Operation) -> Answer {
        match operation {
            Operation::Check { cells, .. } if i64::from(cells) > self.burst => Answer::TooMany,
            Operation::Check { now, cells } => {
                let used = self.used(now) + i64::from(cells) * self.cost;
                let over = used - self.burst * self.cost;
                // What was not ahead of now is nothing, also if there is nothing to add: an idle limiter begins anew.
                if over > 0 && self.used(now) > 0 {
                    return Answer::RetryAt(
                        now + u32::try_from((over + self.per_tick - 1) / self.per_tick).unwrap(),
                    );
                }
                self.paid = i64::from(now) * self.per_tick + used;
                Answer::Admitted
            }
            Operation::Available { now } => {
                let left = (self.burst * self.cost - self.used(now)).max(0);
                Answer::Number(u32::try_from(left / self.cost).unwrap())
            }
        }
    }
}

impl Spec for Naive {
    type Operation = Operation;
    type Answer = Answer;

    fn after(&self, operation: &Operation, answer: &Answer) -> Vec<Self> {
        let mut next = self.clone();
        if next.act(*operation) != *answer {
            return Vec::new();
        }
        if let (true, Answer::RetryAt(_), Operation::Check { cells, .. }) = (self.crowd, answer, operation) {
            let mut overdrawn = next.clone();
            overdrawn.paid += i64::from(*cells) * self.cost;
            return vec![next, overdrawn];
        }
        vec![next]
    }
}

fn act(limiter: &RateLimiter, operation: Operation) -> Answer {
    let tick = |now| Tick::new(START).after(now);
    match operation {
        Operation::Check { now, cells } => match limiter.check_n(tick(now), cells) {
            Ok(()) => Answer::Admitted,
            Err(CheckError::RetryAt(refusal)) => Answer::RetryAt(refusal.at.since(Tick::new(START))),
            Err(_) => Answer::TooMany,
        },
        Operation::Available { now } => Answer::Number(limiter.available(tick(now))),
    }
}

/// Each thread's clock runs on by itself, so that ticks come late to the limiter.
fn go(
    recorder: &mut Recorder<'_, Naive>,
    wish: impl Fn(&mut Dice) -> u32,
    act: impl Fn(Operation) -> Answer,
) {
    let mut now = 0;
    for _ in 0..8 {
        now += recorder.dice.below(3);
        let operation = match recorder.dice.below(5) {
            0 => Operation::Available { now },
            _ => Operation::Check {
                now,
                cells: wish(&mut recorder.dice),
            },
        };
        recorder.note(operation, || act(operation));
    }
}

#[test]
fn what_three_threads_are_told_one_could_have_been_told() {
    let unexplained = first_unexplained(
        600,
        3,
        |round| {
            let (cells, ticks, burst) = [(1, 2, 4), (3, 2, 6), (1, 1, 3)][(round % 3) as usize];
            let quota = Quota::new(cells, ticks, burst).unwrap();
            (
                Naive::new(cells, ticks, burst, false),
                RateLimiter::new(quota, Tick::new(START)),
            )
        },
        |limiter, recorder| {
            go(
                recorder,
                |dice| dice.below(5),
                |operation| act(limiter, operation),
            );
        },
    );
    linear::assert_explained(unexplained);
}

#[test]
fn in_a_crowd_a_refusal_may_take_and_nothing_else_differs() {
    let unexplained = first_unexplained(
        600,
        4,
        |_| {
            let limiter = RateLimiter::new(Quota::new(1, 1, 256).unwrap(), Tick::new(START));
            limiter.check_n(Tick::new(START), 100).unwrap();
            let mut naive = Naive::new(1, 1, 256, true);
            naive.paid = 100;
            (naive, limiter)
        },
        |limiter, recorder| {
            let wish = |dice: &mut Dice| if dice.below(3) == 0 { 40 } else { 1 };
            go(recorder, wish, |operation| act(limiter, operation));
        },
    );
    linear::assert_explained(unexplained);
}

/// The naive machine itself, looked at and changed in two steps.
#[test]
fn a_machine_that_looks_before_it_changes_is_found() {
    let unexplained = first_unexplained(
        2_000,
        3,
        |_| (Naive::new(1, 2, 4, false), Mutex::new(Naive::new(1, 2, 4, false))),
        |broken, recorder| {
            go(
                recorder,
                |dice| dice.below(5),
                |operation| {
                    let mut seen = broken.lock().unwrap().clone();
                    thread::yield_now();
                    let answer = seen.act(operation);
                    *broken.lock().unwrap() = seen;
                    answer
                },
            );
        },
    );
    assert!(unexplained.is_some());
}
