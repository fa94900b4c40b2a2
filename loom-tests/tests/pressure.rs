//! Races on the word of a pressure, and on its counts of drops.
#![cfg(sweet_loom)]

use loom::sync::Arc;
use loom::sync::atomic::AtomicU32;
use loom::sync::atomic::Ordering::Relaxed;
use loom::thread;

use loom_tests::{Model, check};
use sweet_async_core::pressure::{Crossing, Dropped, Drops, Marks, Pressure};

/// Race: three callers raise the level by one, to the mark and beyond. Holds: P1, P3.
#[test]
fn high_is_told_once() {
    let model = Model {
        name: "pressure::high_is_told_once",
        holds: "P1, P3",
        threads: 3,
        preemptions: None,
        witnesses: &["first told", "second told", "third told"],
    };
    check(model, |witness| {
        let pressure = Arc::new(Pressure::new(Marks::of::<0, 2>()));
        let others = [(); 2].map(|()| {
            let pressure = Arc::clone(&pressure);
            thread::spawn(move || pressure.rise(1))
        });
        let mine = pressure.rise(1);
        let [second, third] = others.map(|other| other.join().unwrap());
        let told: Vec<_> = [
            ("first told", mine),
            ("second told", second),
            ("third told", third),
        ]
        .into_iter()
        .filter(|(_, crossing)| *crossing != Crossing::None)
        .collect();
        let &[(name, Crossing::High)] = told.as_slice() else {
            panic!("the crossing was told {} times: {told:?}", told.len());
        };
        assert_eq!((pressure.level(), pressure.is_high()), (3, true));
        witness.saw(name);
    });
}

/// Race: one caller raises the level to the mark ∥ another lowers it at once. Holds: P1, P3.
#[test]
fn rise_against_fall() {
    let model = Model {
        name: "pressure::rise_against_fall",
        holds: "P1, P3",
        threads: 2,
        preemptions: None,
        witnesses: &["high, then low", "silent"],
    };
    check(model, |witness| {
        let pressure = Arc::new(Pressure::new(Marks::of::<1, 2>()));
        assert_eq!(pressure.rise(1), Crossing::None);
        let falls = thread::spawn({
            let pressure = Arc::clone(&pressure);
            move || pressure.fall(1).unwrap()
        });
        let rise = pressure.rise(1);
        let fall = falls.join().unwrap();
        assert_eq!((pressure.level(), pressure.is_high()), (1, false));
        witness.saw(match (rise, fall) {
            (Crossing::High, Crossing::Low) => "high, then low",
            (Crossing::None, Crossing::None) => "silent",
            other => panic!("{other:?} is no pair of crossings"),
        });
    });
}

/// Race: two consumers work and lower the level; one of them is told that it is low. Holds: P1, P4.
#[test]
fn told_sees_what_led_there() {
    let model = Model {
        name: "pressure::told_sees_what_led_there",
        holds: "P1, P4",
        threads: 3,
        preemptions: None,
        witnesses: &["first told", "second told"],
    };
    check(model, |witness| {
        let pressure = Arc::new(Pressure::new(Marks::of::<0, 2>()));
        assert_eq!(pressure.rise(2), Crossing::High);
        let work = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
        let others = [0, 1].map(|own: usize| {
            let (pressure, work) = (Arc::clone(&pressure), Arc::clone(&work));
            thread::spawn(move || {
                let [first, second] = &*work;
                let (own, other) = if own == 0 {
                    (first, second)
                } else {
                    (second, first)
                };
                own.store(1, Relaxed);
                let told = pressure.fall(1).unwrap() == Crossing::Low;
                if told {
                    assert_eq!(other.load(Relaxed), 1, "the told missed the other's work");
                }
                told
            })
        });
        let told = others.map(|other| other.join().unwrap());
        witness.saw(match told {
            [true, false] => "first told",
            [false, true] => "second told",
            other => panic!("{other:?}: exactly one is told"),
        });
    });
}

/// Race: a consumer works and lowers the level ∥ another asks whether it is high. Holds: P4.
#[test]
fn asker_sees_what_lowered_it() {
    let model = Model {
        name: "pressure::asker_sees_what_lowered_it",
        holds: "P4",
        threads: 2,
        preemptions: None,
        witnesses: &["still high", "low again"],
    };
    check(model, |witness| {
        let pressure = Arc::new(Pressure::new(Marks::of::<0, 1>()));
        assert_eq!(pressure.rise(1), Crossing::High);
        let work = Arc::new(AtomicU32::new(0));
        let asker = thread::spawn({
            let (pressure, work) = (Arc::clone(&pressure), Arc::clone(&work));
            move || {
                let high = pressure.is_high();
                assert!(high || work.load(Relaxed) == 1, "low, but the work is not seen");
                high
            }
        });
        work.store(1, Relaxed);
        assert_eq!(pressure.fall(1), Ok(Crossing::Low));
        witness.saw(if asker.join().unwrap() {
            "still high"
        } else {
            "low again"
        });
    });
}

/// Race: two callers count drops, one of them up to the end of the count. Holds: P5.
#[test]
fn every_drop_counts() {
    let model = Model {
        name: "pressure::every_drop_counts",
        holds: "P5",
        threads: 3,
        preemptions: None,
        witnesses: &["all counted"],
    };
    check(model, |witness| {
        let drops = Arc::new(Drops::new());
        drops.add(Dropped::Oldest, u32::MAX - 4);
        let others = [1, 2].map(|items| {
            let drops = Arc::clone(&drops);
            thread::spawn(move || drops.add(Dropped::Oldest, items))
        });
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(
            drops.count(Dropped::Oldest),
            u32::MAX - 1,
            "a drop was not counted"
        );
        drops.add(Dropped::Oldest, 9);
        assert_eq!(drops.count(Dropped::Oldest), u32::MAX, "the count wrapped");
        witness.saw("all counted");
    });
}
