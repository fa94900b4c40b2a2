//! Random sequences of operations on the statistics and on plain numbers and sorted lists.

use proptest::prelude::{Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};

use sweet_async_core::stats::{Counter, Gauge, Histogram, ShardedCounter};

#[derive(Clone, Copy, Debug)]
enum Operation {
    Add(u32),
    Take,
    Absorb(u32),
    Lower(u32),
    Set(u32),
}

fn amount() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0_u32..4, 2 => 65_530_u32..65_550, 1 => (Counter::MAX - 3)..=(Counter::MAX + 3), 1 => any::<u32>()]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        6 => amount().prop_map(Operation::Add),
        1 => any::<bool>().prop_map(|_| Operation::Take),
        2 => amount().prop_map(Operation::Absorb),
        4 => amount().prop_map(Operation::Lower),
        1 => amount().prop_map(Operation::Set),
    ]
}

fn value() -> impl Strategy<Value = u32> {
    prop_oneof![3 => 0_u32..40, 3 => 0_u32..100_000, 1 => any::<u32>()]
}

/// The value at the rank that a quantile names.
fn at_quantile(sorted: &[u32], per_million: u32) -> u32 {
    let rank = (sorted.len() * per_million as usize).div_ceil(1_000_000).max(1);
    sorted.get(rank - 1).copied().unwrap_or(0)
}

fn recorded<const CELLS: usize>(values: &[u32]) -> Histogram<CELLS> {
    let histogram = Histogram::new();
    for value in values {
        histogram.record(*value);
    }
    histogram
}

/// Holds the histogram to the list of all values that went into it.
fn agrees<const CELLS: usize>(values: &[u32], split: usize, per_million: u32) {
    let (first, second) = values.split_at(split.min(values.len()));
    let (one, other) = (recorded::<CELLS>(first), recorded::<CELLS>(second));
    let mut merged = one.snapshot();
    merged.merge(&other.snapshot());
    one.absorb(&other);
    assert_eq!(one.snapshot(), merged);
    assert_eq!(merged, recorded::<CELLS>(values).take());
    assert_eq!(merged.count(), values.len() as u64);
    for (bucket, count) in merged.buckets() {
        let within = values
            .iter()
            .filter(|value| bucket.low <= **value && **value <= bucket.high);
        assert_eq!(within.count() as u64, u64::from(count));
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    match merged.quantile(per_million) {
        None => assert!(values.is_empty()),
        Some(bucket) => {
            let exact = at_quantile(&sorted, per_million);
            assert!(bucket.low <= exact && exact <= bucket.high);
            let error = exact >> Histogram::<CELLS>::BITS;
            assert!(bucket.high - exact <= error && exact - bucket.low <= error);
        }
    }
}

proptest! {
    #[test]
    fn counter_and_gauge_agree_with_wide_numbers(operations in prop::collection::vec(operation(), 0..100)) {
        let (counter, gauge) = (Counter::new(), Gauge::new());
        let (mut count, mut level) = (0_u64, 0_i64);
        let most = u64::from(Counter::MAX);
        for operation in operations {
            match operation {
                Operation::Add(by) => {
                    counter.add(by);
                    count = (count + u64::from(by)).min(most);
                    level = (level + i64::from(by)).min(i64::from(u32::MAX));
                    prop_assert_eq!(i64::from(gauge.raise(by)), level);
                }
                Operation::Take => {
                    prop_assert_eq!(u64::from(counter.take()), count);
                    count = 0;
                }
                Operation::Absorb(by) => {
                    let other = Counter::new();
                    other.add(by);
                    counter.absorb(&other);
                    count = (count + u64::from(by)).min(most);
                    prop_assert_eq!(other.value(), 0);
                }
                Operation::Lower(by) => {
                    level = (level - i64::from(by)).max(0);
                    prop_assert_eq!(i64::from(gauge.lower(by)), level);
                }
                Operation::Set(to) => {
                    gauge.set(to);
                    level = i64::from(to);
                }
            }
            prop_assert_eq!(u64::from(counter.value()), count);
            prop_assert_eq!(counter.is_full(), count == most);
            prop_assert_eq!(i64::from(gauge.value()), level);
        }
    }

    #[test]
    fn sharded_counter_agrees_with_a_list_of_writers(steps in prop::collection::vec((0_usize..5, 0_u32..9), 0..200)) {
        let counter = ShardedCounter::<4>::new();
        let (mut shards, mut total) = (Vec::new(), 0_u64);
        for (what, amount) in steps {
            match what {
                0 => match counter.claim() {
                    Ok(shard) => shards.push(shard),
                    Err(refused) => prop_assert_eq!((refused.cells, shards.len()), (4, 4)),
                },
                1 if !shards.is_empty() => drop(shards.swap_remove(amount as usize % shards.len())),
                _ => {
                    let last = shards.len().max(1);
                    if let Some(shard) = shards.get_mut(amount as usize % last) {
                        shard.add(amount);
                        total += u64::from(amount);
                    }
                }
            }
            prop_assert_eq!(counter.total(), total);
            prop_assert_eq!(counter.writers() as usize, shards.len());
        }
    }

    #[test]
    fn histogram_agrees_with_the_sorted_list(
        values in prop::collection::vec(value(), 0..200),
        split in 0_usize..200,
        per_million in 0_u32..=1_000_000,
    ) {
        agrees::<33>(&values, split, per_million);
        agrees::<240>(&values, split, per_million);
        agrees::<896>(&values, split, per_million);
    }
}
