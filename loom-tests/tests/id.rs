//! Races for the last ids.
#![cfg(sweet_loom)]
#![expect(clippy::unwrap_used, reason = "a model fails by panicking")]

use core::num::NonZeroU32;

use loom::sync::Arc;
use loom::thread;

use loom_tests::{Model, check};
use sweet_async_core::id::IdGenerator;

/// A generator with `left` ids to give.
fn with_left(left: u32) -> Arc<IdGenerator> {
    let first = NonZeroU32::new(u32::MAX - left + 1).unwrap();
    Arc::new(IdGenerator::starting_at(first))
}

/// Asserts that the ids, taken together, are those from the end back, each once.
fn assert_each_once(mut ids: Vec<u32>, expected: u32) {
    ids.sort_unstable();
    let all: Vec<u32> = (0..expected).rev().map(|back| u32::MAX - back).collect();
    assert_eq!(ids, all, "an id was given twice, or never");
}

/// Race: three threads ask for ids, two of them twice. Holds: I1, I5.
#[test]
fn unique() {
    let model = Model {
        name: "id::unique",
        holds: "I1, I5",
        threads: 3,
        preemptions: Some(3),
        witnesses: &["first came first", "second came first", "they alternated"],
    };
    check(model, |witness| {
        let ids = with_left(5);
        let askers = [0, 1].map(|_| {
            let ids = Arc::clone(&ids);
            thread::spawn(move || [0, 1].map(|_| ids.next().unwrap().get()))
        });
        let own = ids.next().unwrap().get();
        let [first, second] = askers.map(|asker| asker.join().unwrap());
        assert!(first.is_sorted() && second.is_sorted(), "one thread's ids grow");
        witness.saw(if first[1] < second[0] {
            "first came first"
        } else if second[1] < first[0] {
            "second came first"
        } else {
            "they alternated"
        });
        assert_each_once([first[0], first[1], second[0], second[1], own].into(), 5);
    });
}

/// Race: two threads ask for blocks ∥ a third asks for single ids. Holds: I1, I2, I4, I5.
#[test]
fn blocks_do_not_overlap() {
    let model = Model {
        name: "id::blocks_do_not_overlap",
        holds: "I1, I2, I4, I5",
        threads: 3,
        preemptions: Some(3),
        witnesses: &["both blocks fit", "one block was refused", "a single was refused"],
    };
    check(model, |witness| {
        let ids = with_left(5);
        let askers = [2, 3].map(|count| {
            let ids = Arc::clone(&ids);
            thread::spawn(move || ids.next_block(count).map(|block| block.map(u32::from).collect()))
        });
        let singles = [0, 1].map(|_| ids.next());
        let blocks = askers.map(|asker| asker.join().unwrap());

        let mut given: Vec<u32> = singles.iter().flatten().map(|id| id.get()).collect();
        for block in blocks.iter().flatten() {
            let block: &Vec<u32> = block;
            assert!(
                block
                    .windows(2)
                    .all(|pair| matches!(pair, [low, high] if low + 1 == *high)),
                "the ids of a block are consecutive"
            );
            given.extend(block);
        }
        for refused in blocks.iter().filter_map(|block| block.as_ref().err()) {
            assert!(refused.left < 3, "a block was refused that would have fitted");
            witness.saw("one block was refused");
        }
        if blocks.iter().all(Result::is_ok) {
            witness.saw("both blocks fit");
        }
        if singles.iter().any(Result::is_err) {
            witness.saw("a single was refused");
        }
        given.extend(ids.next_block(ids.left()).unwrap().map(u32::from));
        assert_each_once(given, 5);
    });
}

/// Race: three threads want the last two ids, and ask again. Holds: I1, I3, I4.
#[test]
fn exhaustion_stays() {
    let model = Model {
        name: "id::exhaustion_stays",
        holds: "I1, I3, I4",
        threads: 3,
        preemptions: Some(3),
        witnesses: &["a block was refused", "two got one each", "one got both"],
    };
    check(model, |witness| {
        let ids = with_left(2);
        let askers = [1, 2].map(|count| {
            let ids = Arc::clone(&ids);
            thread::spawn(move || {
                let before = ids.left();
                let block = ids.next_block(count);
                assert!(ids.left() <= before, "the number of ids left grew");
                let refused = block.is_err();
                let mut given: Vec<u32> = block.into_iter().flatten().map(u32::from).collect();
                given.extend(ids.next().map(u32::from));
                (refused, given)
            })
        });
        let mut own = Vec::new();
        own.extend(ids.next().map(u32::from));
        let [single, double] = askers.map(|asker| asker.join().unwrap());
        if double.0 {
            witness.saw("a block was refused");
        }
        let shares = [own.len(), single.1.len(), double.1.len()];
        witness.saw(if shares.contains(&2) {
            "one got both"
        } else {
            "two got one each"
        });
        own.extend(single.1);
        own.extend(double.1);
        assert_each_once(own, 2);
        assert_eq!(ids.left(), 0);
        assert!(ids.next().is_err() && ids.next_block(7).is_err());
        assert_eq!(
            ids.next_block(0).unwrap().count(),
            0,
            "an empty block takes nothing"
        );
        assert_eq!(ids.left(), 0, "the end was passed");
    });
}
