//! Every operation of a breaker is linearizable: what three threads are told, one thread could have been told. With a
//! window of words beside the gate there is one exception, as the breaker's documentation says: a result that meets an
//! opening may be answered as noted though it is late. That, and nothing weaker, is what is checked there.
//!
//! Leases do not end here: they are measured in quanta, and the models and tables check them.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod linear;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::thread;

use linear::{Recorder, Spec, first_unexplained};
use sweet_async_core::Tick;
use sweet_async_core::breaker::{
    CircuitBreaker, Consecutive, LastCalls, Outcome, Recorded, Refused, Rules, Settings, State, Ticket,
    Window,
};

const OPEN_FOR: u32 = 3;
const PROBES: u32 = 2;

/// Names a call, also after it: thread and number.
type Call = (u32, u32);

/// What makes the naive breaker open.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Threshold {
    /// So many failures in a row.
    Row(u16),
    /// Half of at least so many calls.
    Half(u16),
}

/// A breaker that remembers every result of its generation, and every call that it let through.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Naive {
    threshold: Threshold,
    gate: Gate,
    /// How many generations there were.
    generations: u32,
    /// Which generation each call belongs to, and whether it is a probe.
    calls: BTreeMap<Call, (u32, bool)>,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Gate {
    /// Whether each call since the beginning of the generation failed.
    Counting {
        generation: u32,
        failed: Vec<bool>,
        opens: bool,
    },
    Open {
        until: u32,
    },
    HalfOpen {
        generation: u32,
        flying: u32,
        done: u32,
    },
    ForcedOpen,
    ForcedClosed {
        generation: u32,
    },
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Admit { call: Call, now: u32 },
    Record { call: Call, outcome: Outcome, now: u32 },
    GiveBack { call: Call },
    ForceOpen,
    ForceClosed,
    MetricsOnly,
    Auto,
    State,
    Probes,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Answer {
    /// Whether it is a probe, and the one that half-opened.
    Admitted {
        probe: bool,
        first: bool,
    },
    RefusedUntil(u32),
    Probing,
    Forced,
    Recorded(Recorded),
    Changed(bool),
    State(State),
    Probes(u32),
}

impl Naive {
    const fn new(threshold: Threshold) -> Self {
        Self {
            threshold,
            gate: Gate::Counting {
                generation: 0,
                failed: Vec::new(),
                opens: true,
            },
            generations: 0,
            calls: BTreeMap::new(),
        }
    }

    fn next_generation(&mut self) -> u32 {
        self.generations += 1;
        self.generations
    }

    fn counting(&mut self, opens: bool) -> Gate {
        Gate::Counting {
            generation: self.next_generation(),
            failed: Vec::new(),
            opens,
        }
    }

    fn admit(&mut self, call: Call, now: u32) -> Answer {
        let (generation, probe, first) = match self.gate {
            Gate::Counting { generation, .. } | Gate::ForcedClosed { generation } => {
                (generation, false, false)
            }
            Gate::ForcedOpen => return Answer::Forced,
            Gate::Open { until } if now < until => return Answer::RefusedUntil(until),
            Gate::Open { .. } => {
                let generation = self.next_generation();
                self.gate = Gate::HalfOpen {
                    generation,
                    flying: 1,
                    done: 0,
                };
                (generation, true, true)
            }
            Gate::HalfOpen { flying, done, .. } if flying > 0 && flying + done >= PROBES => {
                return Answer::Probing;
            }
            Gate::HalfOpen {
                generation,
                ref mut flying,
                ..
            } => {
                *flying += 1;
                (generation, true, false)
            }
        };
        self.calls.insert(call, (generation, probe));
        Answer::Admitted { probe, first }
    }

    fn is_over(&self, failed: &[bool]) -> bool {
        match self.threshold {
            Threshold::Row(row) => {
                let in_a_row = failed.iter().rev().take_while(|failed| **failed);
                in_a_row.count() >= usize::from(row)
            }
            Threshold::Half(least) => {
                let failures = failed.iter().filter(|failed| **failed).count();
                failed.len() >= usize::from(least) && failures * 2 >= failed.len()
            }
        }
    }

    fn open(&mut self, now: u32) -> Recorded {
        self.gate = Gate::Open {
            until: now + OPEN_FOR,
        };
        Recorded::Opened {
            retry_at: tick(now + OPEN_FOR),
        }
    }

    fn record(&mut self, call: Call, outcome: Outcome, now: u32) -> Recorded {
        let (own, probe) = self.calls[&call];
        match (&mut self.gate, probe) {
            (_, false) if !outcome.is_telling() => Recorded::Unchanged,
            (
                Gate::HalfOpen {
                    generation,
                    flying,
                    done,
                },
                true,
            ) if *generation == own => {
                *flying -= 1;
                match outcome {
                    Outcome::Failed => self.open(now),
                    Outcome::Ok => {
                        *done += 1;
                        if *done < PROBES {
                            return Recorded::Unchanged;
                        }
                        self.gate = Gate::Counting {
                            generation: own,
                            failed: Vec::new(),
                            opens: true,
                        };
                        Recorded::Closed
                    }
                    _ => Recorded::Unchanged,
                }
            }
            (
                Gate::Counting {
                    generation,
                    failed,
                    opens,
                },
                false,
            ) if *generation == own => {
                failed.push(outcome == Outcome::Failed);
                let (failed, opens) = (failed.clone(), *opens);
                // A success is never the reason to open.
                if outcome == Outcome::Failed && opens && self.is_over(&failed) {
                    return self.open(now);
                }
                Recorded::Unchanged
            }
            (Gate::ForcedClosed { generation }, false) if *generation == own => Recorded::Unchanged,
            _ => Recorded::Late,
        }
    }

    fn act(&mut self, operation: Operation) -> Answer {
        match operation {
            Operation::Admit { call, now } => self.admit(call, now),
            Operation::Record { call, outcome, now } => Answer::Recorded(self.record(call, outcome, now)),
            Operation::GiveBack { call } => Answer::Recorded(self.record(call, Outcome::Cancelled, 0)),
            Operation::ForceOpen => {
                Answer::Changed(std::mem::replace(&mut self.gate, Gate::ForcedOpen) != Gate::ForcedOpen)
            }
            Operation::ForceClosed => {
                let changes = !matches!(self.gate, Gate::ForcedClosed { .. });
                if changes {
                    let generation = self.next_generation();
                    self.gate = Gate::ForcedClosed { generation };
                }
                Answer::Changed(changes)
            }
            Operation::MetricsOnly => Answer::Changed(if let Gate::Counting { opens, .. } = &mut self.gate {
                std::mem::replace(opens, false)
            } else {
                self.gate = self.counting(false);
                true
            }),
            Operation::Auto => Answer::Changed(match &mut self.gate {
                Gate::Counting { opens, .. } => !std::mem::replace(opens, true),
                Gate::Open { .. } | Gate::HalfOpen { .. } => false,
                Gate::ForcedOpen | Gate::ForcedClosed { .. } => {
                    self.gate = self.counting(true);
                    true
                }
            }),
            Operation::State => Answer::State(match self.gate {
                Gate::Counting { opens: true, .. } => State::Closed,
                Gate::Counting { opens: false, .. } => State::MetricsOnly,
                Gate::Open { .. } => State::Open,
                Gate::HalfOpen { .. } => State::HalfOpen,
                Gate::ForcedOpen => State::ForcedOpen,
                Gate::ForcedClosed { .. } => State::ForcedClosed,
            }),
            Operation::Probes => Answer::Probes(match self.gate {
                Gate::HalfOpen { flying, .. } => flying,
                _ => 0,
            }),
        }
    }
}

impl Spec for Naive {
    type Operation = Operation;
    type Answer = Answer;

    fn after(&self, operation: &Operation, answer: &Answer) -> Vec<Self> {
        let mut next = self.clone();
        let told = next.act(*operation);
        // With a window beside the gate, who meets an opening may be told that its result was noted.
        let noted = matches!(self.threshold, Threshold::Half(_))
            && matches!(operation, Operation::Record { call, .. } if !self.calls[call].1)
            && told == Answer::Recorded(Recorded::Late)
            && *answer == Answer::Recorded(Recorded::Unchanged);
        if told == *answer || noted {
            vec![next]
        } else {
            Vec::new()
        }
    }
}

fn tick(now: u32) -> Tick {
    Tick::new(u32::MAX - 9).after(now)
}

fn settings(threshold: Threshold) -> Settings {
    let rules = Rules::new()
        .open_for_growing(OPEN_FOR, 1, 12)
        .probes(2)
        .lease(1 << 20);
    let rules = match threshold {
        Threshold::Row(row) => rules.failures(row),
        Threshold::Half(least) => rules.failure_rate(50).minimum_calls(least).last_calls(40),
    };
    rules.check().unwrap()
}

/// One thread's calls under way, and what it does next.
fn go(recorder: &mut Recorder<'_, Naive>, mut act: impl FnMut(Operation) -> Answer) {
    let (mut now, mut under_way) = (0, VecDeque::new());
    for number in 0..12 {
        now += recorder.dice.below(2);
        let (dice, call) = (&mut recorder.dice, (recorder.thread, number));
        let admit = Operation::Admit { call, now };
        let operation = match (dice.below(16), under_way.front()) {
            (0..6, Some(&call)) => match dice.below(8) {
                0 => Operation::GiveBack { call },
                outcome => {
                    let outcome = match outcome {
                        1 => Outcome::Cancelled,
                        2..5 => Outcome::Ok,
                        _ => Outcome::Failed,
                    };
                    Operation::Record { call, outcome, now }
                }
            },
            (6, _) => match dice.below(3) {
                0 => Operation::ForceOpen,
                1 => Operation::ForceClosed,
                _ => Operation::MetricsOnly,
            },
            (7, _) => Operation::Auto,
            (8, _) => Operation::State,
            (9, _) => Operation::Probes,
            _ => admit,
        };
        let answer = recorder.note(operation, || act(operation));
        match operation {
            Operation::Admit { call, .. } if matches!(answer, Answer::Admitted { .. }) => {
                under_way.push_back(call);
            }
            Operation::Record { .. } | Operation::GiveBack { .. } => drop(under_way.pop_front()),
            _ => {}
        }
    }
}

/// One thread's side of a real breaker: the tickets that it holds.
fn real<'a, W: Window>(
    breaker: &'a CircuitBreaker<W>,
    settings: &'a Settings,
) -> impl FnMut(Operation) -> Answer + 'a {
    let mut tickets: BTreeMap<Call, Ticket> = BTreeMap::new();
    move |operation| match operation {
        Operation::Admit { call, now } => match breaker.try_admit(settings, tick(now)) {
            Ok(ticket) => {
                let answer = Answer::Admitted {
                    probe: ticket.is_probe(),
                    first: ticket.half_opened(),
                };
                tickets.insert(call, ticket);
                answer
            }
            Err(Refused::Open { retry_at }) => Answer::RefusedUntil(retry_at.since(tick(0))),
            Err(Refused::Probing { .. }) => Answer::Probing,
            Err(Refused::Forced) => Answer::Forced,
            Err(other) => panic!("{other}"),
        },
        Operation::Record { call, outcome, now } => {
            let ticket = tickets.remove(&call).unwrap();
            Answer::Recorded(breaker.record(settings, ticket, outcome, tick(now)))
        }
        Operation::GiveBack { call } => Answer::Recorded(breaker.give_back(tickets.remove(&call).unwrap())),
        Operation::ForceOpen => Answer::Changed(breaker.force_open()),
        Operation::ForceClosed => Answer::Changed(breaker.force_closed()),
        Operation::MetricsOnly => Answer::Changed(breaker.metrics_only()),
        Operation::Auto => Answer::Changed(breaker.auto()),
        Operation::State => Answer::State(breaker.state()),
        Operation::Probes => Answer::Probes(breaker.probes_in_flight()),
    }
}

#[test]
fn with_failures_in_a_row() {
    let settings = settings(Threshold::Row(2));
    let unexplained = first_unexplained(
        600,
        3,
        |_| {
            (
                Naive::new(Threshold::Row(2)),
                CircuitBreaker::new(Consecutive::new()),
            )
        },
        |breaker, recorder| go(recorder, real(breaker, &settings)),
    );
    linear::assert_explained(unexplained);
}

#[test]
fn with_a_window_of_calls() {
    let settings = settings(Threshold::Half(3));
    let unexplained = first_unexplained(
        600,
        3,
        |_| {
            (
                Naive::new(Threshold::Half(3)),
                CircuitBreaker::new(LastCalls::<3>::new()),
            )
        },
        |breaker, recorder| go(recorder, real(breaker, &settings)),
    );
    linear::assert_explained(unexplained);
}

/// The naive machine itself, looked at and changed in two steps.
#[test]
fn a_machine_that_looks_before_it_changes_is_found() {
    let unexplained = first_unexplained(
        2_000,
        3,
        |_| {
            (
                Naive::new(Threshold::Row(2)),
                Mutex::new(Naive::new(Threshold::Row(2))),
            )
        },
        |broken, recorder| {
            go(recorder, |operation| {
                let mut seen = broken.lock().unwrap().clone();
                thread::yield_now();
                // A call that another thread's store made forgotten is one of no generation.
                if let Operation::Record { call, .. } | Operation::GiveBack { call } = operation {
                    seen.calls.entry(call).or_insert((u32::MAX, false));
                }
                let answer = seen.act(operation);
                *broken.lock().unwrap() = seen;
                answer
            });
        },
    );
    assert!(unexplained.is_some());
}

/// The dice of the rounds reach what the names of this file say.
#[test]
fn rounds_reach_every_state() {
    let mut seen = Vec::new();
    let settings = settings(Threshold::Row(2));
    for seed in 0..200 {
        let breaker = CircuitBreaker::new(Consecutive::new());
        let history = linear::round(&breaker, 3, seed, |breaker, recorder| {
            go(recorder, real(breaker, &settings));
        });
        for event in history {
            match event.answer {
                Answer::State(state) if !seen.contains(&state) => seen.push(state),
                _ => {}
            }
        }
    }
    assert_eq!(seen.len(), 6, "{seen:?}");
}
