//! Machines that decide what comes before what: numbers, stamps, classes.

use core::num::NonZeroU32;

use programs::{Verdict, Wrong, expect};
use sweet_async_core::Tick;
use sweet_async_core::hybrid_clock::{HybridClock, Skew};
use sweet_async_core::id::IdGenerator;
use sweet_async_core::priority::{Aging, Classes, Patience, Priority};
use sweet_async_core::vector_clock::{AtomicVectorClock, Causality, Nodes, TickError, VectorClock};

pub(crate) fn id() -> Verdict {
    /// With the feature `wrong` an expectation that nothing meets: the program has to notice.
    const FIRST: u32 = if cfg!(feature = "wrong") { 2 } else { 1 };
    static IDS: IdGenerator = IdGenerator::new();
    let next = |ids: &IdGenerator| {
        ids.next()
            .map(NonZeroU32::get)
            .map_err(|exhausted| exhausted.left)
    };
    expect!(next(&IDS), Ok(FIRST));
    let block = IDS.next_block(3).map_err(|_| Wrong)?;
    expect!(block.map(NonZeroU32::get).eq([2, 3, 4]), true);
    expect!(next(&IDS), Ok(5));
    // At the end: a refusal takes nothing, and the last ids are given once.
    let last = NonZeroU32::MAX.get();
    let ids = IdGenerator::starting_at(NonZeroU32::new(last - 1).ok_or(Wrong)?);
    expect!(
        ids.next_block(3).map_err(|exhausted| exhausted.left).is_err(),
        true
    );
    expect!((next(&ids), next(&ids)), (Ok(last - 1), Ok(last)));
    expect!((next(&ids), next(&ids), ids.left()), (Err(0), Err(0), 0));
    Ok(())
}

pub(crate) fn vector_clock() -> Verdict {
    let (mut sender, mut receiver) = (VectorClock::<2>::new(), VectorClock::<2>::new());
    expect!(sender.tick(0), Ok(1));
    let message = sender;
    receiver.merge(&message);
    expect!(receiver.tick(1), Ok(1));
    expect!(sender.tick(0), Ok(2));
    expect!(message.compare(&receiver), Causality::Before);
    expect!(receiver.compare(&message), Causality::After);
    expect!(sender.compare(&receiver), Causality::Concurrent);
    expect!(sender.compare(&sender), Causality::Equal);
    expect!((receiver.count(0), receiver.count(2)), (Some(1), None));
    expect!(sender.tick(2), Err(TickError::UnknownNode { nodes: 2 }));
    let mut full = VectorClock::from_counts([u32::MAX, 0]);
    expect!(
        (full.tick(0), *full.counts()),
        (Err(TickError::Overflow), [u32::MAX, 0])
    );
    Ok(())
}

pub(crate) fn vector_clock_shared() -> Verdict {
    static CLOCK: AtomicVectorClock<3> = AtomicVectorClock::new();
    static NODES: Nodes<2> = Nodes::new();
    CLOCK.merge(&VectorClock::from_counts([0, 7, 2]));
    CLOCK.merge(&VectorClock::from_counts([0, 3, 4]));
    expect!(CLOCK.tick(0), Ok(1));
    expect!(CLOCK.snapshot().counts(), &[1, 7, 4]);
    expect!(CLOCK.tick(3), Err(TickError::UnknownNode { nodes: 3 }));
    let full = AtomicVectorClock::starting_from(&VectorClock::from_counts([u32::MAX]));
    expect!(
        (full.tick(0), full.tick(0)),
        (Err(TickError::Overflow), Err(TickError::Overflow))
    );
    let [paris, oslo, rome] = [33, 47, 39].map(|name| NonZeroU32::MIN.saturating_add(name));
    expect!(
        (NODES.enroll(paris), NODES.enroll(oslo), NODES.enroll(paris)),
        (Ok(0), Ok(1), Ok(0))
    );
    expect!(NODES.enroll(rome).map_err(|full| full.slots), Err(2));
    expect!((NODES.slot(oslo), NODES.slot(rome)), (Some(1), None));
    Ok(())
}

/// Bound of 500 ticks, across the wrap of the 22 bits that a stamp keeps of a tick.
pub(crate) fn hybrid_clock() -> Verdict {
    const START: Tick = Tick::new((1 << 22) - 1);
    static HERE: HybridClock = HybridClock::of::<500>(START);
    static THERE: HybridClock = HybridClock::of::<500>(START);
    let skew = |refused: Skew| refused.ahead;
    let first = HERE.tick(START).map_err(skew);
    let second = HERE.tick(START).map_err(skew);
    expect!(
        matches!((first, second), (Ok(first), Ok(second)) if first.is_before(second)),
        true
    );
    expect!(
        second.map(|stamp| (stamp.tick(), stamp.logical())),
        Ok(((1 << 22) - 1, 2))
    );
    let later = START.after(1);
    let third = HERE.tick(later).map_err(skew);
    expect!(third.map(|stamp| (stamp.tick(), stamp.logical())), Ok((0, 0)));
    expect!(
        matches!((second, third), (Ok(second), Ok(third)) if second.is_before(third)),
        true
    );
    // A message from 20 ticks ahead is before its receipt; one from 501 ahead is refused.
    let sent = THERE.tick(later.after(20)).map_err(|_| Wrong)?;
    let received = HERE.merge(sent, later).map_err(|_| Wrong)?;
    expect!(
        (sent.is_before(received), received.tick(), received.logical()),
        (true, 20, 1)
    );
    let far = THERE.tick(later.after(501)).map_err(|_| Wrong)?;
    expect!(HERE.merge(far, later).map_err(skew), Err(501));
    expect!(HERE.last(), received);
    expect!(HybridClock::new(HybridClock::MAX_BOUND + 1, START).is_err(), true);
    Ok(())
}

pub(crate) fn priority() -> Verdict {
    static NEXT: Aging = Aging::new(Patience::of::<2>());
    let waiting = Classes::NONE.with(Priority::High).with(Priority::Low);
    for class in [Priority::High, Priority::High, Priority::Low, Priority::High] {
        expect!(NEXT.next(waiting), Some(class));
    }
    expect!(NEXT.next(Classes::NONE), None);
    // With all classes waiting, each is passed over at most its patience and four times more.
    let patience = Patience::new(1).map_err(|_| Wrong)?;
    let aging = Aging::new(patience);
    let mut passed_over = [0_u32; 5];
    for _ in 0..1_000 {
        let chosen = aging.next(Classes::ALL);
        for (class, times) in Priority::ALL.into_iter().zip(&mut passed_over) {
            *times = if chosen == Some(class) { 0 } else { *times + 1 };
            expect!((*times <= 1 + 4, aging.age(class)), (true, *times));
        }
    }
    expect!(
        Patience::new(Patience::MAX + 1).map_err(|error| error.times),
        Err(60)
    );
    Ok(())
}
