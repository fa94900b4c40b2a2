//! Races of those who observe the load.
#![cfg(sweet_loom)]

use loom::sync::Arc;
use loom::thread;

use loom_tests::{Model, check};
use sweet_async_core::Tick;
use sweet_async_core::scaler::{Decision, Scale, Scaler};

/// Race: three threads see that two more workers are needed. Holds: W1, W2.
#[test]
fn told_once() {
    let model = Model {
        name: "scaler::told_once",
        holds: "W1, W2",
        threads: 3,
        preemptions: None,
        witnesses: &["the first was told", "another was told"],
    };
    check(model, |witness| {
        let scaler = Arc::new(Scaler::new(Scale::new(1, 3).unwrap()));
        let others = [0, 1].map(|_| {
            let scaler = Arc::clone(&scaler);
            thread::spawn(move || scaler.observe(9, Tick::new(0)))
        });
        let own = scaler.observe(9, Tick::new(0));
        let others = others.map(|other| other.join().unwrap());
        let told = others
            .iter()
            .chain([&own])
            .filter(|answer| **answer == Decision::Grow(2));
        assert_eq!(told.count(), 1, "one starts the workers");
        assert_eq!(scaler.workers(), 3, "as many as there may be");
        witness.saw(if own == Decision::Keep {
            "another was told"
        } else {
            "the first was told"
        });
    });
}

/// Race: two threads, whose clocks differ by less than the cool-down, see different loads. Holds: W3.
#[test]
fn one_change_a_cool_down() {
    let model = Model {
        name: "scaler::one_change_a_cool_down",
        holds: "W3",
        threads: 2,
        preemptions: None,
        witnesses: &["the earlier tick changed it", "the later tick changed it"],
    };
    check(model, |witness| {
        let scale = Scale::new(1, 20)
            .and_then(|scale| scale.load(1, 2))
            .and_then(|scale| scale.cool_down(10));
        let scaler = Arc::new(Scaler::new(scale.unwrap()));
        let earlier = thread::spawn({
            let scaler = Arc::clone(&scaler);
            move || scaler.observe(10, Tick::new(0))
        });
        let later = scaler.observe(36, Tick::new(5));
        let earlier = earlier.join().unwrap();
        witness.saw(match (earlier, later) {
            (Decision::Grow(4), Decision::Keep) => "the earlier tick changed it",
            (Decision::Keep, Decision::Grow(17)) => "the later tick changed it",
            other => panic!("changed twice in a cool-down: {other:?}"),
        });
    });
}

/// Race: three threads see a high, a middle and no load. Holds: W1, W2.
#[test]
fn ups_and_downs_add_up() {
    let model = Model {
        name: "scaler::ups_and_downs_add_up",
        holds: "W1, W2",
        threads: 3,
        preemptions: None,
        witnesses: &["shrunk", "only grew"],
    };
    check(model, |witness| {
        let scale = Scale::new(1, 4).and_then(|scale| scale.load(2, 4));
        let scaler = Arc::new(Scaler::new(scale.unwrap()));
        let others = [16, 0].map(|load| {
            let scaler = Arc::clone(&scaler);
            thread::spawn(move || scaler.observe(load, Tick::new(0)))
        });
        let own = scaler.observe(8, Tick::new(0));
        let answers = others.map(|other| other.join().unwrap());
        let (mut workers, mut shrunk) = (1, 0);
        for answer in answers.into_iter().chain([own]) {
            match answer {
                Decision::Keep => {}
                Decision::Grow(more) => workers += more,
                Decision::Shrink(fewer) => shrunk += fewer,
            }
        }
        assert_eq!(
            workers - shrunk,
            scaler.workers(),
            "what was told is not what there is"
        );
        witness.saw(if shrunk > 0 { "shrunk" } else { "only grew" });
    });
}
