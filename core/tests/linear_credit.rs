//! Every operation of `Credits` is linearizable: what three threads are told, one thread could have been told.

mod linear;

use std::sync::Mutex;
use std::thread;

use linear::{Dice, Recorder, Spec, first_unexplained};
use sweet_async_core::credit::{AcquireError, Admission, Close, Credits, Released, ResizeError, Turn};

/// Four plain fields.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Naive {
    closed: bool,
    waiters: bool,
    capacity: u32,
    taken: u32,
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Acquire(u32),
    Register(u32, Turn),
    Release(u32),
    Resize(u32),
    PassOn,
    Hush,
    Close,
    Free,
    Taken,
    IsClosed,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Answer {
    Acquired(Result<(), AcquireError>),
    Registered(Result<Admission, AcquireError>),
    /// Or how many were taken when it was refused.
    Released(Result<Released, u32>),
    Resized(Result<Released, ResizeError>),
    Closed(Close),
    Number(u32),
    Truth(bool),
    Nothing,
}

impl Naive {
    const fn new(capacity: u32) -> Self {
        Self {
            closed: false,
            waiters: false,
            capacity,
            taken: 0,
        }
    }

    fn free(&self) -> u32 {
        self.capacity.saturating_sub(self.taken)
    }

    fn take(&mut self, wanted: u32, turn: Turn) -> Result<(), AcquireError> {
        match () {
            () if self.closed => Err(AcquireError::Closed),
            () if wanted > self.free() => Err(AcquireError::Short { free: self.free() }),
            () if turn == Turn::Behind => Err(AcquireError::Queued),
            () if turn == Turn::Newcomer && self.waiters => Err(AcquireError::Queued),
            () => {
                self.taken += wanted;
                Ok(())
            }
        }
    }

    fn told(&self) -> Released {
        if self.closed || !self.waiters || self.free() == 0 {
            Released::Continue
        } else {
            Released::Wake { free: self.free() }
        }
    }

    fn act(&mut self, operation: Operation) -> Answer {
        match operation {
            Operation::Acquire(wanted) => Answer::Acquired(self.take(wanted, Turn::Newcomer)),
            Operation::Register(wanted, turn) => Answer::Registered(match self.take(wanted, turn) {
                Ok(()) => Ok(Admission::Taken),
                Err(AcquireError::Closed) => Err(AcquireError::Closed),
                Err(_) => {
                    self.waiters = true;
                    Ok(Admission::Registered)
                }
            }),
            Operation::Release(count) if count > self.taken => Answer::Released(Err(self.taken)),
            Operation::Release(count) => {
                self.taken -= count;
                Answer::Released(Ok(self.told()))
            }
            Operation::Resize(_) if self.closed => Answer::Resized(Err(ResizeError::Closed)),
            Operation::Resize(capacity) => {
                self.capacity = capacity;
                Answer::Resized(Ok(self.told()))
            }
            Operation::PassOn => Answer::Released(Ok(self.told())),
            Operation::Hush => {
                self.waiters = false;
                Answer::Nothing
            }
            Operation::Close => {
                Answer::Closed(match (std::mem::replace(&mut self.closed, true), self.waiters) {
                    (true, _) => Close::Already,
                    (false, true) => Close::Wake,
                    (false, false) => Close::Continue,
                })
            }
            Operation::Free => Answer::Number(self.free()),
            Operation::Taken => Answer::Number(self.taken),
            Operation::IsClosed => Answer::Truth(self.closed),
        }
    }
}

impl Spec for Naive {
    type Operation = Operation;
    type Answer = Answer;

    fn after(&self, operation: &Operation, answer: &Answer) -> Vec<Self> {
        let mut next = self.clone();
        if next.act(*operation) == *answer {
            vec![next]
        } else {
            Vec::new()
        }
    }
}

fn pick(dice: &mut Dice) -> Operation {
    let few = |dice: &mut Dice| dice.below(3) + 1;
    match dice.below(24) {
        0..7 => Operation::Acquire(few(dice)),
        7 => Operation::Register(few(dice), Turn::Newcomer),
        8 => Operation::Register(few(dice), Turn::Behind),
        9 => Operation::Register(few(dice), Turn::Head),
        10..16 => Operation::Release(few(dice)),
        16 | 17 => Operation::Resize(dice.below(6)),
        18 => Operation::PassOn,
        19 => Operation::Hush,
        20 if dice.below(4) == 0 => Operation::Close,
        20 | 21 => Operation::Free,
        22 => Operation::Taken,
        _ => Operation::IsClosed,
    }
}

fn act(credits: &Credits, operation: Operation) -> Answer {
    match operation {
        Operation::Acquire(wanted) => Answer::Acquired(credits.try_acquire(wanted)),
        Operation::Register(wanted, turn) => {
            Answer::Registered(credits.try_acquire_or_register(wanted, turn))
        }
        Operation::Release(count) => Answer::Released(credits.release(count).map_err(|error| error.taken)),
        Operation::Resize(capacity) => Answer::Resized(credits.resize(capacity)),
        Operation::PassOn => Answer::Released(Ok(credits.pass_on())),
        Operation::Hush => {
            credits.hush();
            Answer::Nothing
        }
        Operation::Close => Answer::Closed(credits.close()),
        Operation::Free => Answer::Number(credits.free()),
        Operation::Taken => Answer::Number(credits.taken()),
        Operation::IsClosed => Answer::Truth(credits.is_closed()),
    }
}

fn go(recorder: &mut Recorder<'_, Naive>, act: impl Fn(Operation) -> Answer) {
    for _ in 0..8 {
        let operation = pick(&mut recorder.dice);
        recorder.note(operation, || act(operation));
    }
}

#[test]
fn what_three_threads_are_told_one_could_have_been_told() {
    let unexplained = first_unexplained(
        600,
        3,
        |_| (Naive::new(4), Credits::new(4).unwrap()),
        |credits, recorder| go(recorder, |operation| act(credits, operation)),
    );
    linear::assert_explained(unexplained);
}

/// The naive machine itself, looked at and changed in two steps.
#[test]
fn a_machine_that_looks_before_it_changes_is_found() {
    let unexplained = first_unexplained(
        2_000,
        3,
        |_| (Naive::new(4), Mutex::new(Naive::new(4))),
        |broken, recorder| {
            go(recorder, |operation| {
                let mut seen = broken.lock().unwrap().clone();
                thread::yield_now();
                let answer = seen.act(operation);
                *broken.lock().unwrap() = seen;
                answer
            });
        },
    );
    assert!(unexplained.is_some());
}
