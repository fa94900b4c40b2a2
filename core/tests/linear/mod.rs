//! Whether what real threads were answered can be explained by one thread doing the same operations one by one.
//!
//! Threads note when each of their operations was called and when it answered. A history is linearizable if the
//! operations can be put into one order in which each takes effect between its call and its answer, and in which a naive
//! sequential machine gives just these answers (Herlihy and Wing, 1990). The search is the one of Wing and Gong (1993),
//! with Lowe's memory of the states that led nowhere (2017).
#![allow(dead_code, reason = "each test takes what it needs of what they all share")]
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;

/// A sequential machine, as naive as can be.
pub(crate) trait Spec: Clone + Debug + Eq + Hash {
    type Operation: Clone + Debug;
    type Answer: Clone + Debug;

    /// Each state that it may be in after it gave `answer` to `operation`; none if it would not give it.
    fn after(&self, operation: &Self::Operation, answer: &Self::Answer) -> Vec<Self>;
}

/// One operation of one thread, and when it was under way.
#[derive(Clone, Debug)]
pub(crate) struct Event<O, A> {
    pub(crate) called: u64,
    pub(crate) answered: u64,
    pub(crate) operation: O,
    pub(crate) answer: A,
}

/// A history of a specification's operations, in any order.
pub(crate) type History<S> = Vec<Event<<S as Spec>::Operation, <S as Spec>::Answer>>;

/// Finds an order that explains the history, if there is one.
pub(crate) fn explain<S: Spec>(start: &S, history: &History<S>) -> Option<Vec<usize>> {
    assert!(history.len() <= 64, "a set of operations is one word");
    let mut search = Search {
        history,
        fruitless: HashSet::new(),
        order: Vec::new(),
    };
    search.goes_on(start, 0).then_some(search.order)
}

struct Search<'a, S: Spec> {
    history: &'a History<S>,
    /// What was done and the state it led to, where no order of the rest explains it.
    fruitless: HashSet<(u64, S)>,
    order: Vec<usize>,
}

impl<S: Spec> Search<'_, S> {
    fn goes_on(&mut self, state: &S, done: u64) -> bool {
        let open = || (0..self.history.len()).filter(|event| done & (1 << event) == 0);
        // Whoever was called after somebody else had answered comes later.
        let Some(first_answer) = open().map(|event| self.history[event].answered).min() else {
            return true;
        };
        if self.fruitless.contains(&(done, state.clone())) {
            return false;
        }
        let next: Vec<_> = open()
            .filter(|event| self.history[*event].called < first_answer)
            .collect();
        for event in next {
            let Event {
                operation, answer, ..
            } = &self.history[event];
            for state in state.after(operation, answer) {
                self.order.push(event);
                if self.goes_on(&state, done | (1 << event)) {
                    return true;
                }
                self.order.pop();
            }
        }
        self.fruitless.insert((done, state.clone()));
        false
    }
}

/// How many pairs of operations were under way at the same time.
pub(crate) fn overlaps<O, A>(history: &[Event<O, A>]) -> usize {
    let pairs = history
        .iter()
        .enumerate()
        .flat_map(|(index, one)| history[index + 1..].iter().map(move |other| (one, other)));
    pairs
        .filter(|(one, other)| one.called < other.answered && other.called < one.answered)
        .count()
}

/// Numbers without a pattern that matters, the same in every run (xorshift, Marsaglia 2003).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 32) % u64::from(end)) as u32
    }
}

/// The times of one round: each a number of its own, in the order in which they were taken.
#[derive(Debug, Default)]
pub(crate) struct Clock(AtomicU64);

impl Clock {
    fn now(&self) -> u64 {
        self.0.fetch_add(1, SeqCst)
    }
}

/// What one thread of a round works with.
pub(crate) struct Recorder<'a, S: Spec> {
    pub(crate) thread: u32,
    pub(crate) dice: Dice,
    clock: &'a Clock,
    events: History<S>,
}

impl<S: Spec> Recorder<'_, S> {
    /// Does the operation and notes it; threads are made to meet also where there are fewer processors than threads.
    pub(crate) fn note(&mut self, operation: S::Operation, act: impl FnOnce() -> S::Answer) -> S::Answer {
        let called = self.clock.now();
        self.dawdle();
        let answer = act();
        self.dawdle();
        let answered = self.clock.now();
        self.events.push(Event {
            called,
            answered,
            operation,
            answer: answer.clone(),
        });
        answer
    }

    fn dawdle(&mut self) {
        if self.dice.below(4) == 0 {
            thread::yield_now();
        }
    }
}

/// Lets `threads` threads loose on one machine, and answers what they were told.
pub(crate) fn round<S, M>(
    machine: &M,
    threads: u32,
    seed: u64,
    go: impl Fn(&M, &mut Recorder<'_, S>) + Sync,
) -> History<S>
where
    S: Spec,
    S::Operation: Send,
    S::Answer: Send,
    M: Sync,
{
    let (clock, begin) = (Clock::default(), Barrier::new(threads as usize));
    let (clock, begin, go) = (&clock, &begin, &go);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    let dice = Dice::new(seed * 64 + u64::from(thread) + 1);
                    let mut recorder = Recorder {
                        thread,
                        dice,
                        clock,
                        events: Vec::new(),
                    };
                    begin.wait();
                    go(machine, &mut recorder);
                    recorder.events
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    })
}

/// Runs rounds on a machine that is made anew for each, until one has no explanation; answers that one.
///
/// # Panics
/// When hardly any operations overlapped, so that nothing was tried.
pub(crate) fn first_unexplained<S, M>(
    rounds: u64,
    threads: u32,
    mut make: impl FnMut(u64) -> (S, M),
    go: impl Fn(&M, &mut Recorder<'_, S>) + Sync,
) -> Option<History<S>>
where
    S: Spec,
    S::Operation: Send,
    S::Answer: Send,
    M: Sync,
{
    let mut overlapping = 0;
    for seed in 0..rounds {
        let (start, machine) = make(seed);
        let mut history = round(&machine, threads, seed, &go);
        overlapping += overlaps(&history);
        if explain(&start, &history).is_none() {
            history.sort_by_key(|event| event.called);
            return Some(history);
        }
    }
    assert!(
        overlapping as u64 > rounds,
        "{overlapping} overlaps in {rounds} rounds"
    );
    None
}

/// # Panics
/// With the history, one operation a line, if there is one that has no explanation.
pub(crate) fn assert_explained<O: Debug, A: Debug>(unexplained: Option<Vec<Event<O, A>>>) {
    let Some(history) = unexplained else { return };
    let lines: Vec<_> = history
        .iter()
        .map(|event| {
            let Event {
                called,
                answered,
                operation,
                answer,
            } = event;
            format!("{called:>3} to {answered:>3}: {operation:?} -> {answer:?}")
        })
        .collect();
    panic!("no order of these explains their answers:\n{}", lines.join("\n"));
}
