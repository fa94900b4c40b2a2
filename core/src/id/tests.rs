extern crate alloc;
extern crate std;

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::num::NonZeroU32;
use std::thread;

use super::{AtomicU32, Block, Exhausted, IdGenerator};

const MAX: u32 = u32::MAX;

fn generator(given: u32) -> IdGenerator {
    IdGenerator {
        word: AtomicU32::new(given),
    }
}

#[test]
fn next_in_every_state() {
    let table = [
        (0, Ok(1), 1),
        (1, Ok(2), 2),
        (MAX - 1, Ok(MAX), MAX),
        (MAX, Err(Exhausted { left: 0 }), MAX),
    ];
    for (before, answer, after) in table {
        let ids = generator(before);
        assert_eq!(ids.next().map(u32::from), answer, "from {before}");
        assert_eq!(ids.word.into_inner(), after, "from {before}");
    }
}

#[test]
fn next_block_in_every_state() {
    let table = [
        (0, 0, Ok(Block { given: 0, last: 0 }), 0),
        (0, 1, Ok(Block { given: 0, last: 1 }), 1),
        (7, 5, Ok(Block { given: 7, last: 12 }), 12),
        (0, MAX, Ok(Block { given: 0, last: MAX }), MAX),
        (1, MAX, Err(Exhausted { left: MAX - 1 }), 1),
        (
            MAX - 3,
            3,
            Ok(Block {
                given: MAX - 3,
                last: MAX,
            }),
            MAX,
        ),
        (MAX - 3, 4, Err(Exhausted { left: 3 }), MAX - 3),
        (MAX, 1, Err(Exhausted { left: 0 }), MAX),
        (
            MAX,
            0,
            Ok(Block {
                given: MAX,
                last: MAX,
            }),
            MAX,
        ),
    ];
    for (before, count, answer, after) in table {
        let ids = generator(before);
        assert_eq!(ids.next_block(count), answer, "{count} from {before}");
        assert_eq!(ids.word.into_inner(), after, "{count} from {before}");
    }
}

#[test]
fn a_block_yields_each_of_its_ids_once() {
    let mut block = generator(MAX - 3).next_block(3).unwrap();
    assert_eq!(block.len(), 3);
    assert_eq!(block.left(), 3);
    assert_eq!(block.next().map(u32::from), Some(MAX - 2));
    assert_eq!(block.len(), 2);
    assert_eq!(
        block.by_ref().map(u32::from).take(3).collect::<Vec<_>>(),
        [MAX - 1, MAX]
    );
    assert_eq!(block.left(), 0);
    assert_eq!(block.next(), None);
    assert_eq!(block.next(), None);
}

#[test]
fn ten_before_the_end_gives_ten_and_then_refuses_for_good() {
    let ids = IdGenerator::starting_at(NonZeroU32::new(MAX - 9).unwrap());
    assert_eq!(ids.left(), 10);
    let given: Vec<u32> = (0..10).map(|_| ids.next().unwrap().get()).collect();
    assert_eq!(given, (MAX - 9..=MAX).collect::<Vec<_>>());
    for _ in 0..1_000 {
        assert_eq!(ids.next(), Err(Exhausted { left: 0 }));
    }
    assert_eq!(ids.left(), 0);
}

#[test]
fn a_block_that_does_not_fit_leaves_the_ids_to_smaller_ones() {
    let ids = generator(MAX - 10);
    assert_eq!(ids.next_block(11), Err(Exhausted { left: 10 }));
    assert_eq!(ids.next_block(10).unwrap().left(), 10);
    assert_eq!(ids.next_block(1), Err(Exhausted { left: 0 }));
}

#[test]
fn sixteen_threads_get_each_id_once_and_then_the_end() {
    let ids = generator(MAX - 16_000);
    let given: Vec<Vec<u32>> = thread::scope(|scope| {
        let threads: Vec<_> = (0_u32..16)
            .map(|thread| {
                let ids = &ids;
                scope.spawn(move || {
                    let mut given = Vec::new();
                    let count = thread % 3 + 1;
                    while let Ok(block) = ids.next_block(count) {
                        given.extend(block.map(u32::from).take(4));
                    }
                    while let Ok(id) = ids.next() {
                        assert!(given.len() < 16_000, "more than there are");
                        given.push(id.get());
                    }
                    given
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let all: BTreeSet<u32> = given.iter().flatten().copied().collect();
    assert_eq!(given.iter().map(Vec::len).sum::<usize>(), 16_000);
    assert!(all.into_iter().eq(MAX - 15_999..=MAX));
    assert_eq!(ids.next(), Err(Exhausted { left: 0 }));
}

#[test]
fn debug_says_how_many_are_left() {
    assert_eq!(format!("{:?}", generator(MAX - 3)), "IdGenerator { left: 3 }");
}

#[test]
fn exhaustion_says_what_to_do() {
    assert_eq!(
        Exhausted { left: 0 }.to_string(),
        "all ids were given out; start another generator"
    );
    assert!(
        Exhausted { left: 3 }
            .to_string()
            .contains("only 3 ids are left; ask for fewer")
    );
}

#[test]
fn takes_four_bytes() {
    assert_eq!(size_of::<IdGenerator>(), 4);
    assert_eq!(size_of::<Result<NonZeroU32, Exhausted>>(), 8);
}

#[test]
fn is_send_and_sync() {
    fn assert_both<T: Send + Sync>() {}
    assert_both::<IdGenerator>();
    assert_both::<Block>();
}
