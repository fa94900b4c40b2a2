//! Nodes that exchange messages, their clocks apart, against the algorithm of the paper in wide integers.

use proptest::prelude::{Strategy, prop, prop_assert, prop_assert_eq, proptest};

use sweet_async_core::Tick;
use sweet_async_core::hybrid_clock::HybridClock;

const NODES: usize = 3;
const BOUND: u64 = 6;

/// The paper's `l` and `c`; the logical part carries at 1,024.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
struct Wide(u64);

impl Wide {
    fn after(self, now: u64) -> Self {
        Self((self.0 + 1).max(now << 10))
    }
}

#[derive(Clone, Copy, Debug)]
struct Step {
    node: usize,
    from: Option<usize>,
    passes: u32,
    events: u32,
}

fn step() -> impl Strategy<Value = Step> {
    (0..NODES, prop::option::of(0..NODES), 0_u32..3, 1_u32..900).prop_map(|(node, from, passes, events)| {
        Step {
            node,
            from,
            passes,
            events,
        }
    })
}

proptest! {
    #[test]
    fn agrees_with_the_paper(
        start in prop::sample::select(vec![0_u32, (1 << 22) - 9, (1 << 21) - 9, u32::MAX - 9]),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let clocks: Vec<_> = (0..NODES)
            .map(|_| HybridClock::new(6, Tick::new(start)).expect("in bounds"))
            .collect();
        let mut wide = [Wide(u64::from(start) << 10); NODES];
        let mut ticks = [0_u32; NODES];
        for step in steps {
            ticks[step.node] += step.passes;
            let tick = Tick::new(start).after(ticks[step.node]);
            let now = u64::from(start) + u64::from(ticks[step.node]);
            let highest = (now + BOUND) << 10;
            if let Some(from) = step.from {
                let remote = clocks[from].last();
                let next = wide[step.node].max(wide[from]).after(now);
                // Further apart than twice the bound the own clock reads as idle; the steps stay below that.
                let refused = wide[from].0 > highest || next.0 > highest;
                match clocks[step.node].merge(remote, tick) {
                    Ok(stamp) => {
                        prop_assert!(!refused);
                        prop_assert!(remote.is_before(stamp));
                        prop_assert_eq!(u64::from(stamp.bits()), next.0 & u64::from(u32::MAX));
                        wide[step.node] = next;
                    }
                    Err(skew) => {
                        prop_assert!(refused && u64::from(skew.ahead) > BOUND);
                    }
                }
            }
            for _ in 0..step.events {
                let before = clocks[step.node].last();
                let next = wide[step.node].after(now);
                if let Ok(stamp) = clocks[step.node].tick(tick) {
                    prop_assert!(before.is_before(stamp));
                    prop_assert_eq!(u64::from(stamp.bits()), next.0 & u64::from(u32::MAX));
                    wide[step.node] = next;
                } else {
                    prop_assert!(next.0 > highest);
                    prop_assert_eq!(clocks[step.node].last(), before);
                }
            }
        }
    }
}
