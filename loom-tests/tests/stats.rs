//! Races on counters, gauges, shards and histograms.
#![cfg(sweet_loom)]

use loom::sync::Arc;
use loom::thread;

use loom_tests::{Model, check};
use sweet_async_core::stats::{Counter, Gauge, Histogram, ShardedCounter};

/// Race: two threads count ∥ a third takes. Holds: S1, S2.
#[test]
fn taken_once() {
    let model = Model {
        name: "stats::taken_once",
        holds: "S1, S2",
        threads: 3,
        preemptions: None,
        witnesses: &["took nothing", "took one's", "took both's"],
    };
    check(model, |witness| {
        let counter = Arc::new(Counter::new());
        let adders = [1, 2].map(|count| {
            let counter = Arc::clone(&counter);
            thread::spawn(move || counter.add(count))
        });
        let taken = counter.take();
        for adder in adders {
            adder.join().unwrap();
        }
        assert_eq!(taken + counter.value(), 3, "a count got lost or was taken twice");
        witness.saw(match taken {
            0 => "took nothing",
            3 => "took both's",
            _ => "took one's",
        });
    });
}

/// Race: two threads add to a counter that has room for one ∥ a third reads twice. Holds: S1.
#[test]
fn full_stays_full() {
    let model = Model {
        name: "stats::full_stays_full",
        holds: "S1",
        threads: 3,
        preemptions: Some(3),
        witnesses: &["seen full", "seen before", "filled in between"],
    };
    check(model, |witness| {
        let counter = Arc::new(Counter::new());
        counter.add(Counter::MAX - 1);
        let reader = thread::spawn({
            let counter = Arc::clone(&counter);
            move || (counter.value(), counter.value())
        });
        let adder = thread::spawn({
            let counter = Arc::clone(&counter);
            move || counter.add(1 << 16)
        });
        counter.add(3);
        adder.join().unwrap();
        let seen = reader.join().unwrap();
        assert!(seen.0 <= seen.1, "the count fell from {} to {}", seen.0, seen.1);
        assert!(seen.0 >= Counter::MAX - 1, "the count fell to {}", seen.0);
        assert_eq!(counter.value(), Counter::MAX, "the count is not full");
        witness.saw(match (seen.0 == Counter::MAX, seen.1 == Counter::MAX) {
            (true, _) => "seen full",
            (false, true) => "filled in between",
            (false, false) => "seen before",
        });
    });
}

/// Race: a thread adds more than a counter has room for ∥ another takes. Holds: S1, S2.
#[test]
fn taken_from_full() {
    let model = Model {
        name: "stats::taken_from_full",
        holds: "S1, S2",
        threads: 3,
        preemptions: None,
        witnesses: &["taken before", "taken full"],
    };
    check(model, |witness| {
        let counter = Arc::new(Counter::new());
        counter.add(Counter::MAX - 1);
        let adders = [3, 2].map(|count| {
            let counter = Arc::clone(&counter);
            thread::spawn(move || counter.add(count))
        });
        let taken = counter.take();
        for adder in adders {
            adder.join().unwrap();
        }
        let left = counter.value();
        if taken == Counter::MAX {
            witness.saw("taken full");
            assert!(left <= 3, "{left} were made of nothing");
        } else {
            witness.saw("taken before");
            assert_eq!((taken, left), (Counter::MAX - 1, 5), "a count got lost");
        }
    });
}

/// Race: a thread adds much at once ∥ another adds little ∥ a third absorbs. Holds: S1, S2.
#[test]
fn much_at_once() {
    const MUCH: u32 = 100_000;
    let model = Model {
        name: "stats::much_at_once",
        holds: "S1, S2",
        threads: 3,
        preemptions: None,
        witnesses: &[
            "absorbed little",
            "absorbed much",
            "absorbed all",
            "absorbed nothing",
        ],
    };
    check(model, |witness| {
        let counter = Arc::new(Counter::new());
        let adders = [MUCH, 1].map(|count| {
            let counter = Arc::clone(&counter);
            thread::spawn(move || counter.add(count))
        });
        let sum = Counter::new();
        sum.absorb(&counter);
        for adder in adders {
            adder.join().unwrap();
        }
        witness.saw(match sum.value() {
            0 => "absorbed nothing",
            1 => "absorbed little",
            MUCH => "absorbed much",
            _ => "absorbed all",
        });
        assert_eq!(sum.value() + counter.value(), MUCH + 1, "an addition got lost");
    });
}

/// Race: two threads raise a gauge ∥ a third lowers it by more than may be there. Holds: S3.
#[test]
fn levels_add_up() {
    let model = Model {
        name: "stats::levels_add_up",
        holds: "S3",
        threads: 3,
        preemptions: None,
        witnesses: &["stopped at 0", "lowered by one", "lowered by all"],
    };
    check(model, |witness| {
        let gauge = Arc::new(Gauge::new());
        let raisers = [1, 2].map(|by| {
            let gauge = Arc::clone(&gauge);
            thread::spawn(move || gauge.raise(by))
        });
        let after = gauge.lower(2);
        let raised = raisers.map(|raiser| raiser.join().unwrap());
        assert!(raised.iter().all(|level| *level > 0), "a raise got lost");
        // Lowered by nothing, by the one that was there, or by both.
        let level = gauge.value();
        witness.saw(match level {
            3 => "stopped at 0",
            2 => "lowered by one",
            1 => "lowered by all",
            other => panic!("a level of {other}"),
        });
        assert!(after <= level, "a level of {after} fell to {level} by raises");
    });
}

/// Race: a thread counts in the only cell and gives it back ∥ another wants it, and so does a third. Holds: S4.
#[test]
fn shard_changes_hands() {
    let model = Model {
        name: "stats::shard_changes_hands",
        holds: "S4",
        threads: 3,
        preemptions: Some(3),
        witnesses: &["one writer", "two in turn", "three in turn"],
    };
    check(model, |witness| {
        let counter = Arc::new(ShardedCounter::<1>::new());
        let work = |counter: &ShardedCounter<1>| {
            counter.claim().is_ok_and(|mut shard| {
                shard.increment();
                true
            })
        };
        let others = [0, 1].map(|_| {
            let counter = Arc::clone(&counter);
            thread::spawn(move || work(&counter))
        });
        let own = work(&counter);
        let others = others.map(|other| other.join().unwrap());
        let writers = others.iter().chain([&own]).filter(|wrote| **wrote).count();
        assert_eq!(
            counter.total(),
            writers as u64,
            "a writer did not continue from the one before"
        );
        assert_eq!(counter.writers(), 0, "a cell was not given back");
        witness.saw(match writers {
            1 => "one writer",
            2 => "two in turn",
            _ => "three in turn",
        });
    });
}

/// Race: two threads claim a cell each and hold it ∥ a third reads the total. Holds: S4.
#[test]
fn one_writer_a_cell() {
    let model = Model {
        name: "stats::one_writer_a_cell",
        holds: "S4",
        threads: 3,
        preemptions: Some(3),
        witnesses: &["read nothing", "read one", "read both"],
    };
    check(model, |witness| {
        let counter = Arc::new(ShardedCounter::<2>::new());
        let reader = thread::spawn({
            let counter = Arc::clone(&counter);
            move || counter.total()
        });
        let writer = thread::spawn({
            let counter = Arc::clone(&counter);
            move || counter.claim().unwrap().increment()
        });
        let mut own = counter.claim().unwrap();
        own.increment();
        writer.join().unwrap();
        let seen = reader.join().unwrap();
        assert_eq!(counter.total(), 2, "two writers had one cell");
        assert_eq!(counter.writers(), 1, "the other's claim was not dropped alone");
        witness.saw(match seen {
            0 => "read nothing",
            1 => "read one",
            _ => "read both",
        });
    });
}

/// Race: two threads record values of one cell ∥ a third absorbs the histogram. Holds: S2, S5.
#[test]
fn recorded_once() {
    let model = Model {
        name: "stats::recorded_once",
        holds: "S2, S5",
        threads: 3,
        preemptions: Some(2),
        witnesses: &["absorbed none", "absorbed one", "absorbed both"],
    };
    check(model, |witness| {
        let histogram = Arc::new(Histogram::<33>::new());
        let recorders = [4, 7].map(|value| {
            let histogram = Arc::clone(&histogram);
            thread::spawn(move || histogram.record(value))
        });
        let sum = Histogram::<33>::new();
        sum.absorb(&histogram);
        for recorder in recorders {
            recorder.join().unwrap();
        }
        let mut seen = sum.snapshot();
        witness.saw(match seen.count() {
            0 => "absorbed none",
            1 => "absorbed one",
            _ => "absorbed both",
        });
        seen.merge(&histogram.take());
        assert_eq!(seen.count(), 2, "a recording got lost or was counted twice");
        let bucket = seen.quantile(1_000_000).unwrap();
        assert_eq!(
            (bucket.low, bucket.high),
            (4, 7),
            "a value was counted where it does not belong"
        );
    });
}
