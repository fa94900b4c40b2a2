//! Random sequences of calls on `RateLimiter` and on a bucket that counts in 128 bits.

use proptest::prelude::{Strategy, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use sweet_async_core::Tick;
use sweet_async_core::rate::{CheckError, Quota, RateLimiter};

/// A leaky bucket: the level, in units of which a cell costs `ticks` and a tick drains `cells`.
struct Naive {
    cells: u128,
    ticks: u128,
    burst: u128,
    level: u128,
    last: u128,
}

impl Naive {
    fn drained(&self, now: u128) -> u128 {
        self.level.saturating_sub((now - self.last) * self.cells)
    }

    fn check(&mut self, now: u128, wanted: u128) -> bool {
        let level = self.drained(now);
        let fits = level + wanted * self.ticks <= self.burst * self.ticks;
        if fits {
            self.level = level + wanted * self.ticks;
            self.last = now;
        }
        fits
    }

    fn available(&self, now: u128) -> u128 {
        (self.burst * self.ticks).saturating_sub(self.drained(now)) / self.ticks
    }
}

fn step() -> impl Strategy<Value = (u32, u32)> {
    let passes = prop_oneof![8 => 0_u32..3, 4 => 0_u32..50, 1 => 0_u32..100_000];
    (
        passes,
        prop_oneof![6 => 1_u32..2, 3 => 0_u32..6, 1 => 0_u32..2_000],
    )
}

proptest! {
    #[test]
    fn agrees_with_the_naive_bucket(
        cells in 1_u32..60,
        ticks in 1_u32..60,
        burst in prop_oneof![3 => 1_u32..8, 1 => 200_u32..1_500],
        start in prop_oneof![
            2 => 0_u32..10,
            2 => (u32::MAX - 100)..=u32::MAX,
            1 => (Tick::HORIZON - 50)..(Tick::HORIZON + 50),
        ],
        steps in prop::collection::vec(step(), 0..300),
    ) {
        let quota = Quota::new(cells, ticks, burst).expect("within the limits");
        let limiter = RateLimiter::new(quota, Tick::new(start));
        let (cells, ticks, burst) = (u128::from(cells), u128::from(ticks), u128::from(burst));
        let mut naive = Naive { cells, ticks, burst, level: 0, last: 0 };
        let mut now = 0_u128;
        let mut tick = Tick::new(start);
        for (passes, wanted) in steps {
            now += u128::from(passes);
            tick = tick.after(passes);
            prop_assert_eq!(u128::from(limiter.available(tick)), naive.available(now));
            match limiter.check_n(tick, wanted) {
                Ok(()) => prop_assert!(naive.check(now, u128::from(wanted))),
                Err(CheckError::TooMany { .. }) => prop_assert!(u128::from(wanted) > burst),
                Err(CheckError::RetryAt(refusal)) => {
                    prop_assert!(!naive.check(now, u128::from(wanted)));
                    let wait = u128::from(refusal.at.since(tick));
                    let level = |at| naive.drained(at) + u128::from(wanted) * ticks;
                    prop_assert!(level(now + wait) <= burst * ticks, "came back too early");
                    prop_assert!(level(now + wait - 1) > burst * ticks, "came back too late");
                }
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
    }

    /// R1 for every pair of moments, across the wrap.
    #[test]
    fn no_span_admits_more_than_burst_and_rate(
        cells in 1_u32..9,
        ticks in 1_u32..9,
        burst in 1_u32..12,
        steps in prop::collection::vec(0_u32..4, 1..200),
    ) {
        let quota = Quota::new(cells, ticks, burst).expect("within the limits");
        let start = Tick::new(u32::MAX - 60);
        let limiter = RateLimiter::new(quota, start);
        let mut tick = start;
        let mut admitted = Vec::new();
        for passes in steps {
            tick = tick.after(passes);
            if limiter.check(tick).is_ok() {
                admitted.push(tick);
            }
        }
        for (first, from) in admitted.iter().enumerate() {
            for (more, to) in admitted[first..].iter().enumerate() {
                let spare = u64::from(to.since(*from)) * u64::from(cells) / u64::from(ticks);
                prop_assert!((more as u64) < u64::from(burst) + spare);
            }
        }
    }
}
