//! Six calls under one adaptive limit, under random schedules.
#![cfg(sweet_shuttle)]

use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::SeqCst;
use std::sync::Arc;

use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

use loom_tests::{Scenario, explore};
use sweet_async_core::limit::{Aimd, Bounds, ConcurrencyLimit};

/// Six calls end well, badly or in a way that says nothing, while the limit moves. Holds: L1, L2, L3.
#[test]
fn in_flight_never_exceeds_the_limit() {
    let scenario = Scenario {
        name: "shuttle_limit::in_flight_never_exceeds_the_limit",
        holds: "L1, L2, L3",
        threads: 7,
        executions: 2_000,
        witnesses: &["full", "grew", "shrank"],
    };
    explore(scenario, |witness| {
        let limit = Arc::new(ConcurrencyLimit::new(Aimd::new(), Bounds::of::<1, 3, 5>()));
        let inside = Arc::new(AtomicU32::new(0));
        let callers = [(); 6].map(|()| {
            let (limit, inside, witness) = (Arc::clone(&limit), Arc::clone(&inside), witness.clone());
            thread::spawn(move || {
                for _ in 0..4 {
                    let Ok(permit) = limit.try_acquire() else {
                        witness.saw("full");
                        continue;
                    };
                    let before = inside.fetch_add(1, SeqCst);
                    assert!(before < 5, "{} inside, more than ever may be", before + 1);
                    thread::yield_now();
                    inside.fetch_sub(1, SeqCst);
                    match thread_rng().gen_range(0..6) {
                        0 => permit.dropped(),
                        1 => permit.ignored(),
                        _ => permit.ok(1),
                    };
                    match limit.limit() {
                        ..=2 => witness.saw("shrank"),
                        3 => {}
                        _ => witness.saw("grew"),
                    }
                }
            })
        });
        for caller in callers {
            caller.join().unwrap();
        }
        assert_eq!(limit.in_flight(), 0, "who entered left, once");
        assert!((1..=5).contains(&limit.limit()), "a limit of {}", limit.limit());
    });
}

/// Six ask at once for three places of a limit that stays. Holds: L2, L3.
#[test]
fn a_fixed_limit_is_met_exactly() {
    let scenario = Scenario {
        name: "shuttle_limit::a_fixed_limit_is_met_exactly",
        holds: "L2, L3",
        threads: 7,
        executions: 2_000,
        witnesses: &["full", "entered"],
    };
    explore(scenario, |witness| {
        let limit = Arc::new(ConcurrencyLimit::new(Aimd::new(), Bounds::of::<3, 3, 3>()));
        let inside = Arc::new(AtomicU32::new(0));
        let callers = [(); 6].map(|()| {
            let (limit, inside, witness) = (Arc::clone(&limit), Arc::clone(&inside), witness.clone());
            thread::spawn(move || {
                for _ in 0..4 {
                    let Ok(permit) = limit.try_acquire() else {
                        witness.saw("full");
                        continue;
                    };
                    let before = inside.fetch_add(1, SeqCst);
                    assert!(before < 3, "{} inside of 3", before + 1);
                    witness.saw("entered");
                    thread::yield_now();
                    inside.fetch_sub(1, SeqCst);
                    permit.ok(1);
                }
            })
        });
        for caller in callers {
            caller.join().unwrap();
        }
        assert_eq!((limit.in_flight(), limit.limit()), (0, 3));
    });
}
