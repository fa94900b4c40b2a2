extern crate alloc;
extern crate std;

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use std::thread;

use super::{AllClaimed, Bucket, Counter, Gauge, Histogram, Shard, ShardedCounter, Snapshot};
use crate::sync::AtomicU32;

const MAX: u32 = u32::MAX;
const FULL: u32 = Counter::MAX;

fn counter(word: u32) -> Counter {
    Counter {
        word: AtomicU32::new(word),
    }
}

fn gauge(word: u32) -> Gauge {
    Gauge {
        word: AtomicU32::new(word),
    }
}

#[test]
fn add_in_every_state() {
    let table = [
        // before, added, after
        (0, 0, 0),
        (0, 1, 1),
        (7, 65_536, 65_543),
        (7, 65_537, 65_544),
        (0, FULL, FULL),
        (0, MAX, FULL),
        (FULL - 1, 0, FULL - 1),
        (FULL - 1, 1, FULL),
        (FULL - 1, 2, FULL),
        (FULL - 1, MAX, FULL),
        (FULL, 0, FULL),
        (FULL, 1, FULL),
        (FULL, MAX, FULL),
        // Others are on their way to put it back; whoever comes by does.
        (FULL + 5, 1, FULL),
        (FULL + 5, 65_537, FULL + 5),
    ];
    for (before, count, after) in table {
        let counter = counter(before);
        counter.add(count);
        assert_eq!(counter.word.into_inner(), after, "{before} + {count}");
    }
}

#[test]
fn take_and_value_in_every_state() {
    for (word, value, full) in [
        (0, 0, false),
        (1, 1, false),
        (FULL - 1, FULL - 1, false),
        (FULL, FULL, true),
        (FULL + 5, FULL, true),
        (MAX, FULL, true),
    ] {
        let counter = counter(word);
        assert_eq!((counter.value(), counter.is_full()), (value, full), "{word}");
        assert_eq!(counter.take(), value, "{word}");
        assert_eq!(counter.word.into_inner(), 0, "{word}");
    }
}

#[test]
fn absorb_moves_up_to_the_end() {
    for (into, from, after) in [
        (0, 0, 0),
        (1, 2, 3),
        (FULL, 1, FULL),
        (2, FULL, FULL),
        (5, MAX, FULL),
    ] {
        let (into, from) = (counter(into), counter(from));
        into.absorb(&from);
        assert_eq!((into.value(), from.value()), (after, 0));
    }
    let own = counter(9);
    own.absorb(&own);
    assert_eq!(own.value(), 9);
}

#[test]
fn increments_of_many_threads_are_all_counted() {
    let counter = Counter::new();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..10_000).for_each(|_| counter.increment()));
        }
    });
    assert_eq!(counter.value(), 40_000);
}

#[test]
fn many_threads_at_the_end_of_a_counter_do_not_wrap_it() {
    let counter = counter(FULL - 10_000);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10_000 {
                    counter.add(65_536);
                }
            });
        }
    });
    assert_eq!(counter.word.into_inner(), FULL);
}

#[test]
fn gauge_in_every_state() {
    for (level, by, raised, lowered) in [
        (0, 0, 0, 0),
        (0, 1, 1, 0),
        (5, 2, 7, 3),
        (5, 5, 10, 0),
        (5, 6, 11, 0),
        (MAX, 0, MAX, MAX),
        (MAX, 1, MAX, MAX - 1),
        (MAX - 1, 2, MAX, MAX - 3),
        (1, MAX, MAX, 0),
    ] {
        assert_eq!(gauge(level).raise(by), raised, "{level} + {by}");
        assert_eq!(gauge(level).lower(by), lowered, "{level} - {by}");
        let set = gauge(level);
        set.set(by);
        assert_eq!(set.value(), by);
    }
}

#[test]
fn claim_in_every_state_of_three_cells() {
    for claimed in 0..8_u32 {
        let counter = ShardedCounter::<3>::new();
        let mut held: Vec<_> = (0..3).map(|_| counter.claim().ok()).collect();
        for (cell, shard) in held.iter_mut().enumerate() {
            if claimed & 1 << cell == 0 {
                *shard = None;
            }
        }
        assert_eq!(counter.writers(), claimed.count_ones());
        let lowest = (!claimed).trailing_zeros();
        match counter.claim() {
            Ok(shard) => assert_eq!(shard.bit, 1 << lowest, "with {claimed:b} taken"),
            Err(error) => assert_eq!((error, claimed), (AllClaimed { cells: 3 }, 0b111)),
        }
    }
}

#[test]
fn all_of_32_cells_are_claimed_and_given_back() {
    let counter = ShardedCounter::<32>::new();
    let held: Vec<_> = (0..32).map(|_| counter.claim().expect("one is free")).collect();
    assert_eq!(
        (counter.writers(), counter.claim().is_err(), held.len()),
        (32, true, 32)
    );
    drop(held);
    assert_eq!(counter.writers(), 0);
}

#[test]
fn a_shard_continues_from_its_predecessor_and_stops_at_the_end() {
    let counter = ShardedCounter::<1>::new();
    for (added, total) in [(0, 0), (7, 7), (MAX - 8, MAX - 1), (1, MAX), (1, MAX), (MAX, MAX)] {
        let mut shard = counter.claim().expect("the one before was dropped");
        shard.add(added);
        assert_eq!(counter.total(), u64::from(total), "+ {added}");
    }
}

#[test]
fn an_increment_of_a_shard_counts_one() {
    let counter = ShardedCounter::<1>::new();
    counter.claim().expect("it is free").increment();
    assert_eq!(counter.total(), 1);
}

#[test]
fn totals_are_wider_than_a_cell() {
    let counter = ShardedCounter::<2>::new();
    let mut shards = [(); 2].map(|()| counter.claim().expect("there are two"));
    for shard in &mut shards {
        shard.add(MAX);
        shard.increment();
    }
    assert_eq!(counter.total(), 2 * u64::from(MAX));
}

/// Every edge of every cell: cells tile the `u32` without gap or overlap, and each is as narrow as promised.
fn tiles<const CELLS: usize>(bits: u32) {
    assert_eq!(Histogram::<CELLS>::BITS, bits);
    let mut low = 0_u32;
    for cell in 0..CELLS {
        let bucket = Histogram::<CELLS>::bucket(low);
        assert_eq!(bucket.low, low, "cell {cell} of {CELLS}");
        assert_eq!(Histogram::<CELLS>::bucket(bucket.high), bucket, "cell {cell}");
        assert!(bucket.high - bucket.low <= low >> bits, "cell {cell} of {CELLS}");
        let histogram = Histogram::<CELLS>::new();
        histogram.record(bucket.low);
        histogram.record(bucket.high);
        assert_eq!(histogram.cells[cell].value(), 2, "cell {cell} of {CELLS}");
        match bucket.high.checked_add(1) {
            Some(next) => low = next,
            None => assert_eq!(cell, CELLS - 1),
        }
    }
}

#[test]
fn cells_tile_all_values() {
    tiles::<33>(0);
    tiles::<64>(1);
    tiles::<124>(2);
    tiles::<240>(3);
    tiles::<464>(4);
    tiles::<896>(5);
    tiles::<1728>(6);
    tiles::<3328>(7);
}

#[test]
fn quantiles_of_nothing_of_one_and_of_many() {
    let histogram = <Histogram>::new();
    assert_eq!(histogram.snapshot().quantile(500_000), None);
    histogram.record(5);
    let five = Some(Bucket { low: 5, high: 5 });
    for per_million in [0, 1, 500_000, 1_000_000, MAX] {
        assert_eq!(histogram.snapshot().quantile(per_million), five);
    }
    histogram.record(6);
    histogram.record(MAX);
    let last = Some(Histogram::<240>::bucket(MAX));
    for (per_million, expected) in [
        (0, five),
        (333_333, five),
        (333_334, Some(Bucket { low: 6, high: 6 })),
        (666_666, Some(Bucket { low: 6, high: 6 })),
        (666_667, last),
        (1_000_000, last),
    ] {
        assert_eq!(
            histogram.snapshot().quantile(per_million),
            expected,
            "{per_million}"
        );
    }
}

#[test]
fn quantiles_of_the_most_that_can_be_counted() {
    let mut full = Snapshot::<3328>::new();
    full.counts = [MAX; 3328];
    full.merge(&full.clone());
    assert_eq!(full.count(), 3328 * u64::from(MAX));
    assert_eq!(full.quantile(1_000_000).map(|bucket| bucket.high), Some(MAX));
    assert_eq!(full.quantile(0).map(|bucket| bucket.low), Some(0));
}

#[test]
fn a_cell_saturates_alone() {
    let histogram = Histogram::<33>::new();
    histogram.cells[1].add(FULL);
    histogram.record(1);
    histogram.record(2);
    let seen = histogram.take();
    assert_eq!((seen.counts[1], seen.counts[2]), (FULL, 1));
    assert_eq!(histogram.snapshot(), Snapshot::new());
}

#[test]
fn absorb_and_merge_add_cell_by_cell() {
    let (one, other) = (Histogram::<64>::new(), Histogram::<64>::new());
    for value in [1, 1, 9] {
        one.record(value);
    }
    for value in [1, 700] {
        other.record(value);
    }
    let mut both = one.snapshot();
    both.merge(&other.snapshot());
    one.absorb(&other);
    assert_eq!(one.snapshot(), both);
    assert_eq!(other.snapshot().count(), 0);
    let counted: Vec<_> = both
        .buckets()
        .map(|(bucket, count)| (bucket.low, count))
        .collect();
    assert_eq!(counted, [(1, 3), (8, 1), (512, 1)]);
}

#[test]
fn debug_decodes_the_state() {
    assert_eq!(
        format!("{:?}", counter(FULL + 3)),
        "Counter { value: 2147483648, full: true }"
    );
    assert_eq!(format!("{:?}", gauge(7)), "Gauge { value: 7 }");
    let sharded = ShardedCounter::<2>::new();
    let mut shard = sharded.claim().expect("both are free");
    shard.add(4);
    assert_eq!(format!("{shard:?}"), "Shard { cell: 0, count: 4, .. }");
    assert_eq!(
        format!("{sharded:?}"),
        "ShardedCounter { total: 4, writers: 1, .. }"
    );
    let histogram = Histogram::<33>::new();
    histogram.record(5);
    assert_eq!(format!("{histogram:?}"), "Histogram({4..=7: 1})");
}

#[test]
fn all_claimed_says_what_to_do() {
    assert_eq!(
        AllClaimed { cells: 2 }.to_string(),
        "all 2 cells have a writer; drop a shard, or make the counter with more cells"
    );
}

#[test]
fn takes_the_stated_bytes() {
    assert_eq!((size_of::<Counter>(), size_of::<Gauge>()), (4, 4));
    assert_eq!(size_of::<ShardedCounter<2>>(), 3 * 64);
    assert_eq!((size_of::<Histogram>(), size_of::<Snapshot>()), (960, 960));
    assert_eq!(size_of::<Histogram<3328>>(), 13_312);
}

#[test]
fn is_send_and_sync() {
    fn assert_both<T: Send + Sync>() {}
    assert_both::<Counter>();
    assert_both::<Gauge>();
    assert_both::<ShardedCounter<4>>();
    assert_both::<Shard<'_>>();
    assert_both::<Histogram>();
    assert_both::<Snapshot>();
}
