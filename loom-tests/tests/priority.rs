//! Races of those who decide which class runs next.
#![cfg(sweet_loom)]

use loom::sync::Arc;
use loom::thread;

use loom_tests::{Model, check};
use sweet_async_core::priority::Priority::{Background, Critical, Low};
use sweet_async_core::priority::{Aging, Classes, Patience};

const BOTH: Classes = Classes::NONE.with(Critical).with(Background);

/// Race: three threads decide, and the third decision is one too many for the class that waits. Holds: P2, P3, P4.
#[test]
fn each_decision_counts() {
    let model = Model {
        name: "priority::each_decision_counts",
        holds: "P2, P3, P4",
        threads: 3,
        preemptions: None,
        witnesses: &["the first ran it", "another ran it"],
    };
    check(model, |witness| {
        let aging = Arc::new(Aging::new(Patience::of::<2>()));
        let others = [0, 1].map(|_| {
            let aging = Arc::clone(&aging);
            thread::spawn(move || aging.next(BOTH))
        });
        let own = aging.next(BOTH);
        let others = others.map(|other| other.join().unwrap());
        let ran = others
            .iter()
            .chain([&own])
            .filter(|class| **class == Some(Background));
        assert_eq!(ran.count(), 1, "passed over twice, it runs third");
        assert_eq!((aging.age(Critical), aging.age(Background)), (1, 0));
        witness.saw(if own == Some(Background) {
            "the first ran it"
        } else {
            "another ran it"
        });
    });
}

/// Race: three threads decide while two classes are due. Holds: P1, P3.
#[test]
fn due_together() {
    let model = Model {
        name: "priority::due_together",
        holds: "P1, P3",
        threads: 3,
        preemptions: None,
        witnesses: &[
            "the first ran low",
            "the first ran background",
            "the first ran critical",
        ],
    };
    check(model, |witness| {
        let aging = Arc::new(Aging::new(Patience::of::<2>()));
        let waiting = BOTH.with(Low);
        assert_eq!(aging.next(waiting), Some(Critical));
        assert_eq!(aging.next(waiting), Some(Critical));
        let others = [0, 1].map(|_| {
            let aging = Arc::clone(&aging);
            thread::spawn(move || aging.next(waiting))
        });
        let own = aging.next(waiting);
        let others = others.map(|other| other.join().unwrap());
        let ran: Classes = others.into_iter().chain([own]).flatten().collect();
        assert_eq!(ran, waiting, "each runs once");
        witness.saw(match own {
            Some(Low) => "the first ran low",
            Some(Background) => "the first ran background",
            _ => "the first ran critical",
        });
    });
}

/// Race: one thread sees a class wait ∥ another sees it gone. Holds: P2, P5.
#[test]
fn absent_starts_again() {
    let model = Model {
        name: "priority::absent_starts_again",
        holds: "P2, P5",
        threads: 2,
        preemptions: None,
        witnesses: &["gone last", "gone first"],
    };
    check(model, |witness| {
        let aging = Arc::new(Aging::new(Patience::of::<2>()));
        assert_eq!(aging.next(BOTH), Some(Critical));
        let other = thread::spawn({
            let aging = Arc::clone(&aging);
            move || aging.next(BOTH.without(Background))
        });
        let own = aging.next(BOTH);
        assert_eq!(other.join().unwrap(), Some(Critical));
        assert_eq!(own, Some(Critical));
        witness.saw(match aging.age(Background) {
            0 => "gone last",
            1 => "gone first",
            age => panic!("a class that went kept an age of {age}"),
        });
        assert_eq!(aging.next(BOTH), Some(Critical), "it saved up while it was gone");
    });
}
