extern crate alloc;
extern crate std;

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::num::NonZeroU32;
use std::thread;

use super::{AtomicVectorClock, Causality, Full, Nodes, TickError, VectorClock};

const MAX: u32 = u32::MAX;
const UNKNOWN: TickError = TickError::UnknownNode { nodes: 2 };

fn clock(counts: [u32; 2]) -> VectorClock<2> {
    VectorClock::from_counts(counts)
}

fn name(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

#[test]
fn tick_in_every_state() {
    let table = [
        // before, node, answer, after
        ([0, 0], 0, Ok(1), [1, 0]),
        ([0, 0], 1, Ok(1), [0, 1]),
        ([7, 3], 0, Ok(8), [8, 3]),
        ([MAX - 1, 3], 0, Ok(MAX), [MAX, 3]),
        ([MAX, 3], 0, Err(TickError::Overflow), [MAX, 3]),
        ([MAX, 3], 1, Ok(4), [MAX, 4]),
        ([7, 3], 2, Err(UNKNOWN), [7, 3]),
        ([7, 3], usize::MAX, Err(UNKNOWN), [7, 3]),
    ];
    for (before, node, answer, after) in table {
        let mut value = clock(before);
        assert_eq!(value.tick(node), answer, "{node} from {before:?}");
        assert_eq!(value.counts(), &after, "{node} from {before:?}");

        let shared = AtomicVectorClock::starting_from(&clock(before));
        assert_eq!(shared.tick(node), answer, "{node} from {before:?}, shared");
        assert_eq!(
            shared.snapshot().counts(),
            &after,
            "{node} from {before:?}, shared"
        );
    }
}

#[test]
fn merge_takes_the_higher_count_of_each_node() {
    let table = [
        ([0, 0], [0, 0], [0, 0]),
        ([0, 0], [1, 2], [1, 2]),
        ([3, 1], [1, 2], [3, 2]),
        ([1, 2], [3, 1], [3, 2]),
        ([5, 5], [5, 5], [5, 5]),
        ([MAX, 0], [0, MAX], [MAX, MAX]),
        ([MAX - 1, 1 << 31], [MAX, (1 << 31) - 1], [MAX, 1 << 31]),
    ];
    for (before, other, after) in table {
        let mut value = clock(before);
        value.merge(&clock(other));
        assert_eq!(value.counts(), &after, "{before:?} and {other:?}");

        let shared = AtomicVectorClock::starting_from(&clock(before));
        shared.merge(&clock(other));
        assert_eq!(
            shared.snapshot().counts(),
            &after,
            "{before:?} and {other:?}, shared"
        );
    }
}

#[test]
fn compare_in_every_relation() {
    let table = [
        ([0, 0], [0, 0], Causality::Equal),
        ([4, 9], [4, 9], Causality::Equal),
        ([4, 8], [4, 9], Causality::Before),
        ([0, 0], [1, 1], Causality::Before),
        ([4, 9], [4, 8], Causality::After),
        ([2, 2], [1, 1], Causality::After),
        ([1, 0], [0, 1], Causality::Concurrent),
        ([0, 1], [1, 0], Causality::Concurrent),
        ([MAX, 0], [0, MAX], Causality::Concurrent),
        ([(1 << 31) - 1, 0], [1 << 31, 0], Causality::Before),
    ];
    for (first, second, relation) in table {
        let (first, second) = (clock(first), clock(second));
        assert_eq!(first.compare(&second), relation, "{first:?} and {second:?}");
        let order = match relation {
            Causality::Equal => Some(Ordering::Equal),
            Causality::Before => Some(Ordering::Less),
            Causality::After => Some(Ordering::Greater),
            Causality::Concurrent => None,
        };
        assert_eq!(first.partial_cmp(&second), order, "{first:?} and {second:?}");
    }
}

#[test]
fn the_last_of_many_nodes_counts_as_much_as_the_first() {
    for node in 0..64 {
        let (mut high, low) = (VectorClock::<64>::new(), VectorClock::<64>::new());
        assert_eq!(high.tick(node), Ok(1));
        assert_eq!(high.count(node), Some(1));
        assert_eq!(high.compare(&low), Causality::After);
        assert_eq!(low.compare(&high), Causality::Before);
        let mut merged = low;
        merged.merge(&high);
        assert_eq!(merged, high);
    }
}

#[test]
fn a_clock_of_no_nodes_knows_nobody() {
    let mut clock = VectorClock::<0>::new();
    assert_eq!(clock.tick(0), Err(TickError::UnknownNode { nodes: 0 }));
    assert_eq!(clock.compare(&VectorClock::new()), Causality::Equal);
    assert_eq!(clock.count(0), None);
    assert_eq!(
        AtomicVectorClock::<0>::new().tick(0),
        Err(TickError::UnknownNode { nodes: 0 })
    );
}

#[test]
fn threads_that_tick_up_to_the_end_count_each_event_once() {
    let start = MAX - 4_000;
    let shared = AtomicVectorClock::starting_from(&clock([start, 9]));
    let counts: Vec<Vec<u32>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut counts = Vec::new();
                    while let Ok(count) = shared.tick(0) {
                        assert!(counts.len() < 4_000, "more than there are");
                        counts.push(count);
                    }
                    counts
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(counts.iter().map(Vec::len).sum::<usize>(), 4_000);
    let counts: BTreeSet<u32> = counts.into_iter().flatten().collect();
    assert!(counts.into_iter().eq(start + 1..=MAX));
    assert_eq!(shared.tick(0), Err(TickError::Overflow));
    assert_eq!(shared.snapshot().counts(), &[MAX, 9]);
}

#[test]
fn enroll_in_every_state() {
    let nodes = Nodes::<2>::new();
    assert_eq!(nodes.slot(name(7)), None);
    assert_eq!(nodes.enroll(name(7)), Ok(0));
    assert_eq!(nodes.enroll(name(7)), Ok(0));
    assert_eq!(nodes.enroll(name(MAX)), Ok(1));
    let full = Full {
        name: name(8),
        slots: 2,
    };
    assert_eq!(nodes.enroll(name(8)), Err(full));
    assert_eq!(nodes.enroll(name(8)), Err(full));
    assert_eq!(nodes.enroll(name(7)), Ok(0));
    assert_eq!(nodes.slot(name(7)), Some(0));
    assert_eq!(nodes.slot(name(MAX)), Some(1));
    assert_eq!(nodes.slot(name(8)), None);
    assert_eq!(
        Nodes::<0>::new().enroll(name(1)),
        Err(Full {
            name: name(1),
            slots: 0
        })
    );
}

#[test]
fn debug_decodes_the_state() {
    let shared = AtomicVectorClock::starting_from(&clock([4, 9]));
    assert_eq!(format!("{shared:?}"), "AtomicVectorClock { counts: [4, 9] }");
    let nodes = Nodes::<3>::new();
    assert_eq!(nodes.enroll(name(7)), Ok(0));
    assert_eq!(format!("{nodes:?}"), "[7]");
}

#[test]
fn errors_say_what_to_do() {
    assert_eq!(
        UNKNOWN.to_string(),
        "the clock has 2 nodes, numbered from 0; tick one of them"
    );
    assert!(
        TickError::Overflow
            .to_string()
            .contains("begin a new clock on all nodes")
    );
    let full = Full {
        name: name(8),
        slots: 2,
    };
    assert_eq!(
        full.to_string(),
        "all 2 slots belong to other nodes; give the clock more slots for node 8"
    );
}

#[test]
fn takes_four_bytes_a_node() {
    assert_eq!(size_of::<VectorClock<8>>(), 32);
    assert_eq!(size_of::<AtomicVectorClock<8>>(), 32);
    assert_eq!(size_of::<Nodes<8>>(), 32);
}

#[test]
fn is_send_and_sync() {
    fn assert_both<T: Send + Sync>() {}
    assert_both::<VectorClock<2>>();
    assert_both::<AtomicVectorClock<2>>();
    assert_both::<Nodes<2>>();
}
