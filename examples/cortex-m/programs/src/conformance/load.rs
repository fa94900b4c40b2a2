//! Machines that decide about load: levels, workers, counts.

use programs::{Verdict, Wrong, expect};
use sweet_async_core::Tick;
use sweet_async_core::pressure::{Action, Crossing, Dropped, Drops, Marks, Overflow, Pressure};
use sweet_async_core::scaler::{Decision, Scale, Scaler};
use sweet_async_core::stats::{Counter, Gauge, Histogram, ShardedCounter, Snapshot};

pub(crate) fn pressure() -> Verdict {
    static EDGE: Pressure = Pressure::new(Marks::of::<2, 8>());
    expect!(EDGE.rise(7), Crossing::None);
    expect!(EDGE.rise(1), Crossing::High);
    // Between the marks nothing is told.
    expect!(
        (EDGE.rise(5), EDGE.fall(10)),
        (Crossing::None, Ok(Crossing::None))
    );
    expect!((EDGE.rise(6), EDGE.is_high()), (Crossing::None, true));
    expect!((EDGE.fall(7), EDGE.level()), (Ok(Crossing::Low), 2));
    expect!(EDGE.fall(3).map_err(|error| error.level), Err(2));
    // It stops at what the word holds.
    expect!(EDGE.rise(u32::MAX), Crossing::High);
    expect!((EDGE.rise(1), EDGE.level()), (Crossing::None, Pressure::MAX));
    expect!((EDGE.set(0), EDGE.is_high()), (Crossing::Low, false));
    expect!(Marks::new(8, 8).is_err(), true);
    Ok(())
}

pub(crate) fn overflow() -> Verdict {
    static DROPS: Drops = Drops::new();
    for (policy, with_room, full) in [
        (Overflow::Block, Action::Push, Action::Wait),
        (Overflow::Reject, Action::Push, Action::Refuse),
        (Overflow::DropNewest, Action::Push, Action::DropNew),
        (Overflow::DropOldest, Action::Push, Action::EvictOldest),
        (Overflow::KeepLatest, Action::EvictAll, Action::EvictAll),
    ] {
        expect!((policy.decide(false), policy.decide(true)), (with_room, full));
    }
    DROPS.add(Dropped::Oldest, 3);
    DROPS.add(Dropped::Rejected, u32::MAX - 1);
    expect!(
        (DROPS.count(Dropped::Oldest), DROPS.count(Dropped::Newest)),
        (3, 0)
    );
    // It stops, and does not wrap.
    DROPS.add(Dropped::Rejected, 2);
    expect!(
        (DROPS.count(Dropped::Rejected), DROPS.total()),
        (u32::MAX, u32::MAX)
    );
    Ok(())
}

/// One to eight workers, full at ten and idle at four; a change in 100 ticks, across the wrap of the tick.
pub(crate) fn scaler() -> Verdict {
    let scale = Scale::new(1, 8).and_then(|scale| scale.load(4, 10)?.cool_down(100));
    let scaler = Scaler::new(scale.map_err(|_| Wrong)?);
    let start = Tick::new(u32::MAX - 49);
    expect!(scaler.observe(10, start), Decision::Keep);
    expect!(scaler.observe(35, start), Decision::Grow(3));
    expect!(scaler.observe(0, start.after(99)), Decision::Keep);
    expect!(scaler.observe(16, start.after(100)), Decision::Keep);
    expect!(scaler.observe(15, start.after(101)), Decision::Shrink(2));
    expect!(scaler.observe(u32::MAX, start.after(201)), Decision::Grow(6));
    expect!(scaler.observe(0, start.after(301)), Decision::Shrink(7));
    expect!(scaler.workers(), 1);
    expect!(Scale::new(1, Scale::MAX + 1).is_err(), true);
    Ok(())
}

pub(crate) fn counter() -> Verdict {
    static CALLS: Counter = Counter::new();
    CALLS.increment();
    CALLS.add(41);
    expect!((CALLS.value(), CALLS.take(), CALLS.value()), (42, 42, 0));
    CALLS.add(Counter::MAX - 1);
    expect!((CALLS.is_full(), CALLS.value()), (false, Counter::MAX - 1));
    // Full it stays, whatever is added.
    CALLS.add(3);
    CALLS.add(u32::MAX);
    CALLS.increment();
    expect!((CALLS.is_full(), CALLS.value()), (true, Counter::MAX));
    let other = Counter::new();
    other.absorb(&CALLS);
    expect!((other.value(), CALLS.value()), (Counter::MAX, 0));
    Ok(())
}

pub(crate) fn gauge() -> Verdict {
    static LEVEL: Gauge = Gauge::new();
    expect!((LEVEL.raise(3), LEVEL.lower(1), LEVEL.lower(9)), (3, 2, 0));
    LEVEL.set(u32::MAX - 1);
    expect!((LEVEL.raise(9), LEVEL.value()), (u32::MAX, u32::MAX));
    Ok(())
}

/// Cells that are at most an eighth of their low end wider than one value.
pub(crate) fn histogram() -> Verdict {
    static MILLIS: Histogram = Histogram::new();
    for millis in [3, 4, 4, 5, 1_000] {
        MILLIS.record(millis);
    }
    let seen = MILLIS.snapshot();
    expect!(seen.count(), 5);
    expect!(
        seen.quantile(500_000).map(|bucket| (bucket.low, bucket.high)),
        Some((4, 4))
    );
    let slowest = seen.quantile(1_000_000).ok_or(Wrong)?;
    expect!(slowest.low <= 1_000 && 1_000 <= slowest.high, true);
    expect!(slowest.high - slowest.low <= slowest.low / 8, true);
    for value in [0, 15, 16, 17, 1 << 31, u32::MAX] {
        let bucket = Histogram::<240>::bucket(value);
        expect!(bucket.low <= value && value <= bucket.high, true);
        expect!(value >= 16 || bucket.low == bucket.high, true);
    }
    let mut sum = Snapshot::new();
    sum.merge(&MILLIS.take());
    sum.merge(&seen);
    expect!((sum.count(), MILLIS.snapshot().count()), (10, 0));
    Ok(())
}

pub(crate) fn sharded_counter() -> Verdict {
    static STEPS: ShardedCounter<2> = ShardedCounter::new();
    let mut one = STEPS.claim().map_err(|_| Wrong)?;
    let mut other = STEPS.claim().map_err(|_| Wrong)?;
    one.add(40);
    other.add(2);
    expect!((STEPS.total(), STEPS.writers()), (42, 2));
    expect!(STEPS.claim().err().map(|full| full.cells), Some(2));
    // Who comes after continues from what was counted; a cell stops at its end.
    drop(one);
    let mut next = STEPS.claim().map_err(|_| Wrong)?;
    next.increment();
    expect!(STEPS.total(), 43);
    next.add(u32::MAX);
    expect!(STEPS.total(), u64::from(u32::MAX) + 2);
    Ok(())
}
