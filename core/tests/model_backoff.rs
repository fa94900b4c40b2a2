//! Random policies and sequences of failures, against arithmetic that is wide enough not to overflow.

use core::num::NonZeroU32;
use core::ops::RangeInclusive;

use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use sweet_async_core::backoff::{Backoff, Jitter, Retries, Stop};

#[derive(Clone, Copy, Debug)]
enum Shape {
    Immediate,
    Fixed(u32),
    Linear(u32),
    Exponential(u32),
    ExponentialBy(u32, NonZeroU32),
    Decorrelated(u32),
}

#[derive(Clone, Copy, Debug)]
struct Policy {
    shape: Shape,
    cap: Option<u32>,
    jitter: Jitter,
    attempts: Option<u32>,
    total: Option<u32>,
}

impl Policy {
    fn build(self) -> Backoff {
        let mut backoff = match self.shape {
            Shape::Immediate => Backoff::immediate(),
            Shape::Fixed(delay) => Backoff::fixed(delay),
            Shape::Linear(step) => Backoff::linear(step),
            Shape::Exponential(first) => Backoff::exponential(first),
            Shape::ExponentialBy(first, factor) => Backoff::exponential_by(first, factor),
            Shape::Decorrelated(base) => Backoff::decorrelated(base),
        }
        .jitter(self.jitter);
        if let Some(cap) = self.cap {
            backoff = backoff.cap(cap);
        }
        if let Some(attempts) = self.attempts {
            backoff = backoff.attempts(attempts);
        }
        if let Some(total) = self.total {
            backoff = backoff.total(total);
        }
        backoff
    }

    /// The shortest and the longest delay that chance may give after `failed` failures.
    fn bounds(self, failed: u32, previous: u32) -> RangeInclusive<u128> {
        let limit = u128::from(self.cap.unwrap_or(u32::MAX));
        let (low, high) = match self.shape {
            Shape::Immediate => (0, 0),
            Shape::Fixed(delay) => (delay.into(), delay.into()),
            Shape::Linear(step) => {
                let delay = u128::from(step) * u128::from(failed);
                (delay, delay)
            }
            Shape::Exponential(first) => grown(first, 2, failed),
            Shape::ExponentialBy(first, factor) => grown(first, factor.get(), failed),
            Shape::Decorrelated(base) => {
                let high = (3 * u128::from(previous.max(base))).min(u128::from(u32::MAX));
                (base.into(), high)
            }
        };
        let (low, high) = (low.min(limit), high.min(limit));
        let low = match self.jitter {
            Jitter::None => low,
            Jitter::Full => 0,
            Jitter::Equal => low / 2,
            other => unreachable!("{other:?}"),
        };
        low..=high
    }

    fn is_exact(self) -> bool {
        matches!(self.jitter, Jitter::None) && !matches!(self.shape, Shape::Decorrelated(_))
    }
}

/// `first` × `factor`^(`failed` - 1), one multiplication after the other.
fn grown(first: u32, factor: u32, failed: u32) -> (u128, u128) {
    let mut delay = u128::from(first);
    for _ in 1..failed {
        delay = (delay * u128::from(factor)).min(u128::from(u32::MAX));
    }
    (delay, delay)
}

/// Small numbers, numbers of any size, and those next to the edge.
fn number() -> impl Strategy<Value = u32> {
    prop_oneof![
        4 => 0_u32..1_000,
        2 => any::<u32>(),
        1 => u32::MAX - 3..=u32::MAX,
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    let shape = prop_oneof![
        Just(Shape::Immediate),
        number().prop_map(Shape::Fixed),
        number().prop_map(Shape::Linear),
        number().prop_map(Shape::Exponential),
        (number(), number()).prop_map(|(first, factor)| {
            Shape::ExponentialBy(first, NonZeroU32::new(factor).unwrap_or(NonZeroU32::MIN))
        }),
        number().prop_map(Shape::Decorrelated),
    ];
    let jitter = prop_oneof![Just(Jitter::None), Just(Jitter::Full), Just(Jitter::Equal)];
    (
        shape,
        prop::option::of(number()),
        jitter,
        prop::option::of(0_u32..80),
        prop::option::of(number()),
    )
        .prop_map(|(shape, cap, jitter, attempts, total)| Policy {
            shape,
            cap,
            jitter,
            attempts,
            total,
        })
}

proptest! {
    #[test]
    fn agrees_with_wide_arithmetic(
        policy in policy(),
        failures in prop::collection::vec((number(), any::<u32>()), 1..70),
    ) {
        let backoff = policy.build();
        let mut retries = Retries::under(backoff);
        let (mut failed, mut previous) = (0, 0);
        for (elapsed, random) in failures {
            failed += 1;
            let answer = retries.after_failure(elapsed, random);
            prop_assert_eq!(answer, backoff.next(failed, previous, elapsed, random));
            prop_assert_eq!(retries.failed(), failed);

            let exhausted = policy.attempts.is_some_and(|attempts| failed >= attempts);
            let bounds = policy.bounds(failed, previous);
            match answer {
                Err(Stop::Exhausted { attempts }) => {
                    prop_assert!(exhausted);
                    prop_assert_eq!(Some(attempts), policy.attempts);
                }
                Err(Stop::OutOfTime { delay, left }) => {
                    prop_assert!(!exhausted);
                    prop_assert!(bounds.contains(&delay.into()), "{} in {:?}", delay, bounds);
                    let total = policy.total.unwrap();
                    prop_assert_eq!(left, total.saturating_sub(elapsed));
                    prop_assert!(u64::from(elapsed) + u64::from(delay) >= u64::from(total));
                }
                Err(other) => prop_assert!(false, "{}", other),
                Ok(delay) => {
                    prop_assert!(!exhausted);
                    prop_assert!(bounds.contains(&delay.into()), "{} in {:?}", delay, bounds);
                    if policy.is_exact() {
                        prop_assert_eq!(bounds.start(), bounds.end());
                    }
                    if let Some(total) = policy.total {
                        prop_assert!(u64::from(elapsed) + u64::from(delay) < u64::from(total));
                    }
                    previous = delay;
                }
            }
        }
    }
}
