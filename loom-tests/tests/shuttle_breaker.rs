//! Six callers of one breaker, under random schedules.
//!
//! Nothing switches threads between an operation's last step and the next operation, so what a scenario notes in plain
//! atomics right after an operation is exact.
#![cfg(sweet_shuttle)]
#![expect(clippy::unwrap_used, reason = "a scenario fails by panicking")]

use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::SeqCst;
use std::sync::Arc;

use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

use loom_tests::{Scenario, Witness, explore};
use sweet_async_core::Tick;
use sweet_async_core::breaker::{
    CircuitBreaker, Consecutive, LastCalls, Outcome, Recorded, Refused, Rules, Settings, State, Window,
};

/// What was told to anybody, counted.
#[derive(Default)]
struct Told {
    /// By a call of a closed breaker.
    opened: AtomicU32,
    half_opened: AtomicU32,
    /// By a probe.
    opened_again: AtomicU32,
    closed: AtomicU32,
}

/// Six callers over open, half-open and closed cycles, with either kind of window; each change of state is told once.
/// Holds: B4, B5.
#[test]
fn each_change_is_told_once() {
    let scenario = Scenario {
        name: "shuttle_breaker::each_change_is_told_once",
        holds: "B4, B5",
        threads: 7,
        executions: 1_500,
        witnesses: &[
            "closed again",
            "opened by a probe",
            "opened twice",
            "refused",
            "late",
        ],
    };
    explore(scenario, |witness| {
        let rules = Rules::new()
            .failure_rate(50)
            .minimum_calls(2)
            .last_calls(20)
            .failures(2)
            .open_for(4)
            .probes(2)
            .lease(1 << 20);
        let settings = rules.check().unwrap();
        if thread_rng().gen_bool(0.5) {
            cycle(witness, settings, CircuitBreaker::new(Consecutive::new()));
        } else {
            cycle(witness, settings, CircuitBreaker::new(LastCalls::<2>::new()));
        }
    });
}

fn cycle<W: Window + Send + Sync + 'static>(
    witness: &Witness,
    settings: Settings,
    breaker: CircuitBreaker<W>,
) {
    let breaker = Arc::new(breaker);
    let told = Arc::new(Told::default());
    let clock = Arc::new(AtomicU32::new(100));
    let callers = [(); 6].map(|()| {
        let (breaker, told, clock, witness) = (
            Arc::clone(&breaker),
            Arc::clone(&told),
            Arc::clone(&clock),
            witness.clone(),
        );
        thread::spawn(move || {
            for _ in 0..8 {
                let now = Tick::new(clock.fetch_add(1, SeqCst));
                let Ok(ticket) = breaker.try_admit(&settings, now) else {
                    witness.saw("refused");
                    thread::yield_now();
                    continue;
                };
                let probe = ticket.is_probe();
                told.half_opened
                    .fetch_add(u32::from(ticket.half_opened()), SeqCst);
                thread::yield_now();
                let outcome = match thread_rng().gen_range(0..8) {
                    0..4 => Outcome::Failed,
                    4..7 => Outcome::Ok,
                    _ => Outcome::Cancelled,
                };
                let now = Tick::new(clock.load(SeqCst));
                match breaker.record(&settings, ticket, outcome, now) {
                    Recorded::Unchanged => {}
                    Recorded::Late => witness.saw("late"),
                    Recorded::Closed => {
                        assert!(probe, "a call closed it");
                        told.closed.fetch_add(1, SeqCst);
                    }
                    Recorded::Opened { retry_at } => {
                        assert_eq!(retry_at, now.after(4), "open for as long as it was to be");
                        let count = if probe { &told.opened_again } else { &told.opened };
                        count.fetch_add(1, SeqCst);
                    }
                }
            }
        })
    });
    for caller in callers {
        caller.join().unwrap();
    }
    let count = |of: &AtomicU32| i64::from(of.load(SeqCst));
    let (opened, half_opened) = (count(&told.opened), count(&told.half_opened));
    let (opened_again, closed) = (count(&told.opened_again), count(&told.closed));
    // Whoever enters a state leaves it, but for the last one.
    let is = |state| i64::from(breaker.state() == state);
    assert_eq!(
        1 + closed - opened,
        is(State::Closed),
        "entries and exits of closed"
    );
    assert_eq!(
        opened + opened_again - half_opened,
        is(State::Open),
        "entries and exits of open"
    );
    assert_eq!(
        half_opened - opened_again - closed,
        is(State::HalfOpen),
        "entries and exits of half-open"
    );
    if closed > 0 {
        witness.saw("closed again");
    }
    if opened_again > 0 {
        witness.saw("opened by a probe");
    }
    if opened > 1 {
        witness.saw("opened twice");
    }
}

/// Six ask for three places, three times over, while places come back. Holds: B2, B3, B5.
#[test]
fn never_more_probes_than_places() {
    const PLACES: u32 = 3;
    let scenario = Scenario {
        name: "shuttle_breaker::never_more_probes_than_places",
        holds: "B2, B3, B5",
        threads: 7,
        executions: 1_500,
        witnesses: &[
            "all places taken",
            "refused for want of a place",
            "a place was taken again",
        ],
    };
    explore(scenario, |witness| {
        let settings = Rules::new()
            .failures(1)
            .open_for(4)
            .probes(3)
            .lease(1 << 20)
            .check()
            .unwrap();
        let breaker = Arc::new(CircuitBreaker::new(Consecutive::new()));
        let ticket = breaker.try_admit(&settings, Tick::new(0)).unwrap();
        assert!(matches!(
            breaker.record(&settings, ticket, Outcome::Failed, Tick::new(0)),
            Recorded::Opened { .. }
        ));
        let (flying, admitted, half_opened) = (
            Arc::new(AtomicU32::new(0)),
            Arc::new(AtomicU32::new(0)),
            Arc::new(AtomicU32::new(0)),
        );
        let callers = [(); 6].map(|()| {
            let (breaker, flying, admitted, half_opened, witness) = (
                Arc::clone(&breaker),
                Arc::clone(&flying),
                Arc::clone(&admitted),
                Arc::clone(&half_opened),
                witness.clone(),
            );
            thread::spawn(move || {
                for _ in 0..3 {
                    match breaker.try_admit(&settings, Tick::new(4)) {
                        Ok(ticket) => {
                            assert!(ticket.is_probe(), "only probes while half-open");
                            half_opened.fetch_add(u32::from(ticket.half_opened()), SeqCst);
                            let before = flying.fetch_add(1, SeqCst);
                            assert!(before < PLACES, "{} probes in {PLACES} places", before + 1);
                            if before + 1 == PLACES {
                                witness.saw("all places taken");
                            }
                            admitted.fetch_add(1, SeqCst);
                            thread::yield_now();
                            flying.fetch_sub(1, SeqCst);
                            assert_eq!(
                                breaker.give_back(ticket),
                                Recorded::Unchanged,
                                "the place is its own"
                            );
                        }
                        Err(Refused::Probing { .. }) => witness.saw("refused for want of a place"),
                        Err(other) => panic!("{other}"),
                    }
                }
            })
        });
        for caller in callers {
            caller.join().unwrap();
        }
        assert_eq!(half_opened.load(SeqCst), 1, "one admission half-opens");
        assert_eq!(
            (breaker.state(), breaker.probes_in_flight()),
            (State::HalfOpen, 0)
        );
        if admitted.load(SeqCst) > PLACES {
            witness.saw("a place was taken again");
        }
    });
}

/// Six record five results each into a window of calls that holds them all. Holds: B6.
#[test]
fn each_result_is_counted_once() {
    let scenario = Scenario {
        name: "shuttle_breaker::each_result_is_counted_once",
        holds: "B6",
        threads: 7,
        executions: 1_000,
        witnesses: &["many failed", "few failed"],
    };
    explore(scenario, |witness| {
        let settings = Rules::new()
            .failure_rate(100)
            .minimum_calls(31)
            .last_calls(60)
            .check()
            .unwrap();
        let breaker = Arc::new(CircuitBreaker::new(LastCalls::<5>::new()));
        let failed = Arc::new(AtomicU32::new(0));
        let callers = [(); 6].map(|()| {
            let (breaker, failed) = (Arc::clone(&breaker), Arc::clone(&failed));
            thread::spawn(move || {
                for _ in 0..5 {
                    let ticket = breaker.try_admit(&settings, Tick::new(0)).unwrap();
                    let fails = thread_rng().gen_bool(0.5);
                    failed.fetch_add(u32::from(fails), SeqCst);
                    let outcome = if fails { Outcome::Failed } else { Outcome::Ok };
                    assert_eq!(
                        breaker.record(&settings, ticket, outcome, Tick::new(0)),
                        Recorded::Unchanged
                    );
                }
            })
        });
        for caller in callers {
            caller.join().unwrap();
        }
        let (counts, failed) = (breaker.counts(&settings, Tick::new(0)), failed.load(SeqCst));
        assert_eq!(
            (counts.calls, counts.failed),
            (30, failed),
            "each result counts, once"
        );
        witness.saw(if failed > 15 { "many failed" } else { "few failed" });
    });
}
