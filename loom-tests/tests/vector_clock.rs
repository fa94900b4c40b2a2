//! Races on a shared vector clock and on the slots of its nodes.
#![cfg(sweet_loom)]
#![expect(clippy::unwrap_used, reason = "a model fails by panicking")]

use core::num::NonZeroU32;

use loom::sync::Arc;
use loom::sync::atomic::AtomicU32;
use loom::sync::atomic::Ordering::Relaxed;
use loom::thread;

use loom_tests::{Model, check};
use sweet_async_core::vector_clock::{AtomicVectorClock, Causality, Nodes, TickError, VectorClock};

fn stamp<const N: usize>(counts: [u32; N]) -> VectorClock<N> {
    VectorClock::from_counts(counts)
}

fn name(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

/// Race: three threads tick a node that has two counts left ∥ one of them reads. Holds: V2, V3.
#[test]
fn ticks_count_each_event_once() {
    let model = Model {
        name: "vector_clock::ticks_count_each_event_once",
        holds: "V2, V3",
        threads: 3,
        preemptions: Some(3),
        witnesses: &["the reader was refused", "the reader had the last count"],
    };
    check(model, |witness| {
        let clock = Arc::new(AtomicVectorClock::starting_from(&stamp([u32::MAX - 2, 5])));
        let tickers = [0, 1].map(|_| {
            let clock = Arc::clone(&clock);
            thread::spawn(move || clock.tick(0))
        });
        let own = clock.tick(0);
        let seen = clock.snapshot().count(0).unwrap();
        match own {
            Ok(count) => assert!(count <= seen, "a tick is seen by who made it"),
            Err(error) => {
                assert_eq!((error, seen), (TickError::Overflow, u32::MAX));
                witness.saw("the reader was refused");
            }
        }
        if own == Ok(u32::MAX) {
            witness.saw("the reader had the last count");
        }
        let mut counts: Vec<u32> = tickers
            .map(|ticker| ticker.join().unwrap())
            .into_iter()
            .chain([own])
            .filter_map(Result::ok)
            .collect();
        counts.sort_unstable();
        assert_eq!(
            counts,
            [u32::MAX - 1, u32::MAX],
            "each event has a count of its own"
        );
        assert_eq!(clock.tick(0), Err(TickError::Overflow));
        assert_eq!(clock.snapshot(), stamp([u32::MAX, 5]));
    });
}

/// Race: a thread merges and ticks ∥ another ticks the same node ∥ a third takes a snapshot. Holds: V5.
#[test]
fn tick_confirms_merge() {
    let model = Model {
        name: "vector_clock::tick_confirms_merge",
        holds: "V5",
        threads: 3,
        preemptions: Some(3),
        witnesses: &[
            "nothing seen",
            "half of the merge seen",
            "merge seen, tick not yet",
            "tick seen",
            "only the other's tick seen",
        ],
    };
    check(model, |witness| {
        let clock = Arc::new(AtomicVectorClock::<3>::new());
        // The number of the merging thread's tick, for the assertion after all have joined.
        let merger = thread::spawn({
            let clock = Arc::clone(&clock);
            move || {
                clock.merge(&stamp([4, 0, 6]));
                clock.tick(1).unwrap()
            }
        });
        let reader = thread::spawn({
            let clock = Arc::clone(&clock);
            move || clock.snapshot()
        });
        clock.tick(1).unwrap();
        let number = merger.join().unwrap();
        let seen = *reader.join().unwrap().counts();
        let [first, ticks, last] = seen;
        if ticks >= number {
            assert_eq!((first, last), (4, 6), "a tick without the past it confirms");
            witness.saw("tick seen");
        } else if ticks > 0 {
            witness.saw("only the other's tick seen");
        }
        match (first, ticks, last) {
            (0, 0, 0) => witness.saw("nothing seen"),
            (4, _, 0) | (0, _, 6) => witness.saw("half of the merge seen"),
            (4, 0, 6) => witness.saw("merge seen, tick not yet"),
            _ => {}
        }
        assert_eq!(clock.snapshot(), stamp([4, 2, 6]));
    });
}

/// Race: a thread works and ticks ∥ another ticks the same node ∥ a third looks for the tick. Holds: V6.
#[test]
fn payload_travels_with_the_tick() {
    let model = Model {
        name: "vector_clock::payload_travels_with_the_tick",
        holds: "V6",
        threads: 3,
        preemptions: None,
        witnesses: &["seen at once", "seen under a later tick", "not seen"],
    };
    check(model, |witness| {
        let clock = Arc::new(AtomicVectorClock::<1>::new());
        let payload = Arc::new(AtomicU32::new(0));
        let worker = thread::spawn({
            let (clock, payload) = (Arc::clone(&clock), Arc::clone(&payload));
            move || {
                payload.store(7, Relaxed);
                clock.tick(0).unwrap()
            }
        });
        let reader = thread::spawn({
            let (clock, payload) = (Arc::clone(&clock), Arc::clone(&payload));
            move || (clock.snapshot().count(0).unwrap(), payload.load(Relaxed))
        });
        clock.tick(0).unwrap();
        let number = worker.join().unwrap();
        let (seen, work) = reader.join().unwrap();
        if seen < number {
            witness.saw("not seen");
        } else {
            assert_eq!(work, 7, "a tick was seen without the work before it");
            witness.saw(if seen == number {
                "seen at once"
            } else {
                "seen under a later tick"
            });
        }
    });
}

/// Race: a node works and ticks ∥ another merges its stamp into a second clock ∥ a third reads that. Holds: V6.
#[test]
fn payload_travels_through_a_merge() {
    let model = Model {
        name: "vector_clock::payload_travels_through_a_merge",
        holds: "V6",
        threads: 3,
        preemptions: Some(3),
        witnesses: &["arrived", "on its way"],
    };
    check(model, |witness| {
        let clocks = Arc::new([AtomicVectorClock::<2>::new(), AtomicVectorClock::<2>::new()]);
        let payload = Arc::new(AtomicU32::new(0));
        let merger = thread::spawn({
            let clocks = Arc::clone(&clocks);
            move || {
                let [near, far] = &*clocks;
                far.merge(&near.snapshot());
            }
        });
        let reader = thread::spawn({
            let (clocks, payload) = (Arc::clone(&clocks), Arc::clone(&payload));
            move || {
                let [_, far] = &*clocks;
                let arrived = far.snapshot().count(0) == Some(1);
                if arrived {
                    assert_eq!(
                        payload.load(Relaxed),
                        7,
                        "a count arrived without the work behind it"
                    );
                }
                arrived
            }
        });
        // The first thread is the one that writes: loom would not try its reads after the exchange of another.
        let [near, _] = &*clocks;
        payload.store(7, Relaxed);
        assert_eq!(near.tick(0), Ok(1));
        merger.join().unwrap();
        witness.saw(if reader.join().unwrap() {
            "arrived"
        } else {
            "on its way"
        });
    });
}

/// Race: two threads merge stamps that cross ∥ a third ticks and takes snapshots. Holds: V2, V4.
#[test]
fn snapshots_never_go_back() {
    let model = Model {
        name: "vector_clock::snapshots_never_go_back",
        holds: "V2, V4",
        threads: 3,
        preemptions: Some(2),
        witnesses: &["grew in between", "stayed", "saw one merge only"],
    };
    check(model, |witness| {
        let clock = Arc::new(AtomicVectorClock::<3>::new());
        let merger = thread::spawn({
            let clock = Arc::clone(&clock);
            move || clock.merge(&stamp([1, 2, 0]))
        });
        let reader = thread::spawn({
            let clock = Arc::clone(&clock);
            move || {
                let first = clock.snapshot();
                assert_eq!(clock.tick(2), Ok(1));
                (first, clock.snapshot())
            }
        });
        clock.merge(&stamp([2, 1, 0]));
        merger.join().unwrap();
        let (first, second) = reader.join().unwrap();
        assert_eq!(second.count(2), Some(1), "a tick is seen by who made it");
        assert_eq!(first.compare(&second), Causality::Before, "a snapshot went back");
        let grew = first.counts().get(..2) != second.counts().get(..2);
        witness.saw(if grew { "grew in between" } else { "stayed" });
        if matches!(second.counts(), [2, 1, _] | [1, 2, _]) {
            witness.saw("saw one merge only");
        }
        assert_eq!(
            clock.snapshot(),
            stamp([2, 2, 1]),
            "the higher count of each node stays"
        );
    });
}

/// Race: two threads tick a node each ∥ two others take a snapshot. Holds: V4.
#[test]
fn independent_ticks_may_be_seen_in_either_order() {
    let model = Model {
        name: "vector_clock::independent_ticks_may_be_seen_in_either_order",
        holds: "V4",
        threads: 4,
        preemptions: Some(2),
        witnesses: &["concurrent snapshots", "ordered snapshots"],
    };
    check(model, |witness| {
        let clock = Arc::new(AtomicVectorClock::<2>::new());
        let ticker = thread::spawn({
            let clock = Arc::clone(&clock);
            move || clock.tick(1)
        });
        let readers = [0, 1].map(|_| {
            let clock = Arc::clone(&clock);
            thread::spawn(move || clock.snapshot())
        });
        assert_eq!(clock.tick(0), Ok(1));
        assert_eq!(ticker.join().unwrap(), Ok(1));
        let [first, second] = readers.map(|reader| reader.join().unwrap());
        witness.saw(match first.compare(&second) {
            Causality::Concurrent => "concurrent snapshots",
            _ => "ordered snapshots",
        });
        let last = clock.snapshot();
        assert!(first <= last && second <= last, "a snapshot went back");
        assert_eq!(last, stamp([1, 1]));
    });
}

/// Race: two threads enroll the same name ∥ a third enrolls another and looks. Holds: N1, N2, N3.
#[test]
fn one_slot_a_name() {
    let model = Model {
        name: "vector_clock::one_slot_a_name",
        holds: "N1, N2, N3",
        threads: 3,
        preemptions: None,
        witnesses: &[
            "the pair was first",
            "the other was first",
            "not yet seen",
            "seen",
        ],
    };
    check(model, |witness| {
        let nodes = Arc::new(Nodes::<3>::new());
        let pair = [0, 1].map(|_| {
            let nodes = Arc::clone(&nodes);
            thread::spawn(move || {
                let slot = nodes.enroll(name(7)).unwrap();
                assert_eq!(nodes.slot(name(7)), Some(slot), "an answer changed");
                slot
            })
        });
        let own = nodes.enroll(name(9)).unwrap();
        let seen = nodes.slot(name(7));
        let [first, second] = pair.map(|thread| thread.join().unwrap());
        assert_eq!(first, second, "one name has two slots");
        assert_eq!(own + first, 1, "two names take the first two slots");
        assert!(seen.is_none_or(|slot| slot == first), "an answer changed");
        assert_eq!(nodes.slot(name(9)), Some(own));
        witness.saw(if own == 0 {
            "the other was first"
        } else {
            "the pair was first"
        });
        witness.saw(if seen.is_some() { "seen" } else { "not yet seen" });
    });
}

/// Race: two new names want the last slot ∥ a known one enrolls again. Holds: N1, N3.
#[test]
fn the_last_slot() {
    let model = Model {
        name: "vector_clock::the_last_slot",
        holds: "N1, N3",
        threads: 3,
        preemptions: None,
        witnesses: &["first got it", "second got it"],
    };
    check(model, |witness| {
        let nodes = Arc::new(Nodes::<2>::new());
        assert_eq!(nodes.enroll(name(1)), Ok(0));
        let newcomers = [7, 9].map(|number| {
            let nodes = Arc::clone(&nodes);
            thread::spawn(move || nodes.enroll(name(number)))
        });
        assert_eq!(nodes.enroll(name(1)), Ok(0), "an answer changed");
        match newcomers.map(|newcomer| newcomer.join().unwrap()) {
            [Ok(1), Err(full)] => {
                assert_eq!((full.name, full.slots), (name(9), 2));
                witness.saw("first got it");
            }
            [Err(full), Ok(1)] => {
                assert_eq!((full.name, full.slots), (name(7), 2));
                witness.saw("second got it");
            }
            answers => panic!("one slot for two names: {answers:?}"),
        }
    });
}
