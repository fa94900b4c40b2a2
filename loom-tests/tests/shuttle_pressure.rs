//! Six who raise and lower one level, under random schedules.
#![cfg(sweet_shuttle)]

use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::SeqCst;
use std::sync::Arc;

use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

use loom_tests::{Scenario, explore};
use sweet_async_core::pressure::{Crossing, Dropped, Drops, Marks, Pressure};

/// Six raise and lower by turns; crossings alternate, and each is told once. Holds: P1, P3, P5.
#[test]
fn crossings_alternate() {
    let scenario = Scenario {
        name: "shuttle_pressure::crossings_alternate",
        holds: "P1, P3, P5",
        threads: 7,
        executions: 2_000,
        witnesses: &["high once", "high again", "never high"],
    };
    explore(scenario, |witness| {
        let edge = Arc::new((Pressure::new(Marks::of::<1, 6>()), Drops::new()));
        let (highs, lows) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let workers = [(); 6].map(|()| {
            let (edge, highs, lows) = (Arc::clone(&edge), Arc::clone(&highs), Arc::clone(&lows));
            thread::spawn(move || {
                let note = |crossing| {
                    let (high, low) = match crossing {
                        Crossing::None => return,
                        Crossing::High => (highs.fetch_add(1, SeqCst) + 1, lows.load(SeqCst)),
                        Crossing::Low => (highs.load(SeqCst), lows.fetch_add(1, SeqCst) + 1),
                    };
                    assert_eq!(
                        high - low,
                        u32::from(crossing == Crossing::High),
                        "{high} highs, {low} lows"
                    );
                };
                for _ in 0..3 {
                    let by = thread_rng().gen_range(1..=2);
                    note(edge.0.rise(by));
                    edge.1.add(Dropped::Newest, by);
                    thread::yield_now();
                    note(edge.0.fall(by).unwrap());
                }
                edge.1.add(Dropped::Oldest, 1);
            })
        });
        for worker in workers {
            worker.join().unwrap();
        }
        assert_eq!(
            (edge.0.level(), edge.0.is_high()),
            (0, false),
            "what rose has fallen"
        );
        assert_eq!(edge.1.count(Dropped::Oldest), 6, "each drop counts, once");
        witness.saw(match highs.load(SeqCst) {
            0 => "never high",
            1 => "high once",
            _ => "high again",
        });
    });
}
