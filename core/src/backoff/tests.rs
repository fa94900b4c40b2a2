extern crate alloc;

use alloc::string::ToString;
use alloc::vec::Vec;
use core::num::NonZeroU32;

use super::{Backoff, Jitter, Retries, Stop, draw};

const MAX: u32 = u32::MAX;
const HALF: u32 = MAX / 2 + 1;

fn exponential_by(first: u32, factor: u32) -> Backoff {
    Backoff::exponential_by(first, NonZeroU32::new(factor).unwrap())
}

/// The delays after the first `count` failures when chance always gives `random`.
fn delays(policy: Backoff, count: usize, random: u32) -> Vec<u32> {
    let mut retries = Retries::under(policy);
    (0..count)
        .map(|_| retries.after_failure(0, random).unwrap())
        .collect()
}

#[test]
fn each_shape_gives_its_exact_sequence() {
    let table: [(Backoff, &[u32]); 14] = [
        (Backoff::immediate(), &[0, 0, 0]),
        (Backoff::fixed(100), &[100, 100, 100]),
        (Backoff::fixed(100).cap(60), &[60, 60, 60]),
        (Backoff::linear(100), &[100, 200, 300, 400, 500]),
        (Backoff::linear(100).cap(250), &[100, 200, 250, 250]),
        (Backoff::linear(0), &[0, 0, 0]),
        (Backoff::linear(HALF), &[HALF, MAX, MAX]),
        (Backoff::exponential(100), &[100, 200, 400, 800, 1_600]),
        (Backoff::exponential(100).cap(500), &[100, 200, 400, 500, 500]),
        (Backoff::exponential(0), &[0, 0, 0]),
        (Backoff::exponential(HALF), &[HALF, MAX, MAX]),
        (exponential_by(5, 1), &[5, 5, 5, 5]),
        (exponential_by(5, 3), &[5, 15, 45, 135]),
        (exponential_by(2, MAX), &[2, MAX, MAX]),
    ];
    for (policy, expected) in table {
        for random in [0, HALF, MAX] {
            assert_eq!(delays(policy, expected.len(), random), expected, "{policy:?}");
        }
    }
}

#[test]
fn decorrelated_draws_between_the_base_and_three_times_the_last() {
    let policy = Backoff::decorrelated(100);
    assert_eq!(delays(policy, 3, 0), [100, 100, 100]);
    assert_eq!(delays(policy, 4, MAX), [300, 900, 2_700, 8_100]);
    assert_eq!(delays(policy.cap(1_000), 4, MAX), [300, 900, 1_000, 1_000]);
    // Half of the way from 100 to 300, then from 100 to 600.
    assert_eq!(delays(policy, 2, HALF), [200, 350]);
    // A last delay below the base counts as the base.
    assert_eq!(policy.next(9, 7, 0, MAX), Ok(300));
    assert_eq!(Backoff::decorrelated(MAX).next(1, 0, 0, MAX), Ok(MAX));
    assert_eq!(Backoff::decorrelated(1).next(1, MAX, 0, MAX), Ok(MAX));
    assert_eq!(delays(Backoff::decorrelated(0), 3, MAX), [0, 0, 0]);
}

#[test]
fn jitter_on_a_decorrelated_delay_uses_what_the_draw_left_over() {
    let policy = Backoff::decorrelated(100).jitter(Jitter::Full);
    // 201 outcomes of the draw: 0x0180_0000 lands 0.18 % above the first, so the draw is 101 with 18 % left over.
    assert_eq!(draw(100, 300, 0x0180_0000), (101, 0x2D80_0000));
    assert_eq!(policy.next(1, 0, 0, 0x0180_0000), Ok(18));
    assert_eq!(policy.next(1, 0, 0, MAX), Ok(300));
    assert_eq!(policy.next(1, 0, 0, 0), Ok(0));
}

#[test]
fn jitter_spans_its_range_with_both_ends() {
    let table = [
        // delay, jitter, at random = 0, in the middle, at the end
        (100, Jitter::None, [100, 100, 100]),
        (100, Jitter::Full, [0, 50, 100]),
        (100, Jitter::Equal, [50, 75, 100]),
        (101, Jitter::Equal, [50, 76, 101]),
        (1, Jitter::Full, [0, 1, 1]),
        (1, Jitter::Equal, [0, 1, 1]),
        (0, Jitter::Full, [0, 0, 0]),
        (0, Jitter::Equal, [0, 0, 0]),
        (MAX, Jitter::Full, [0, HALF, MAX]),
        (MAX, Jitter::Equal, [MAX / 2, MAX / 2 + HALF / 2, MAX]),
    ];
    for (delay, jitter, expected) in table {
        let policy = Backoff::fixed(delay).jitter(jitter);
        let drawn = [0, HALF, MAX].map(|random| policy.next(1, 0, 0, random).unwrap());
        assert_eq!(drawn, expected, "{delay} {jitter:?}");
    }
}

#[test]
fn jitter_is_drawn_below_the_cap() {
    let policy = Backoff::exponential(100).cap(250);
    assert_eq!(policy.jitter(Jitter::Full).next(9, 0, 0, MAX), Ok(250));
    assert_eq!(policy.jitter(Jitter::Full).next(9, 0, 0, HALF), Ok(125));
    assert_eq!(policy.jitter(Jitter::Equal).next(9, 0, 0, 0), Ok(125));
}

#[test]
fn draws_are_even() {
    // Of 2^16 evenly spaced random numbers each of the ten outcomes gets a tenth, give or take one.
    let mut seen = [0_u32; 10];
    for step in 0..=u32::from(u16::MAX) {
        let (drawn, _) = draw(20, 29, step << 16);
        seen[usize::try_from(drawn - 20).unwrap()] += 1;
    }
    assert!(
        seen.iter().all(|count| (6_553..=6_554).contains(count)),
        "{seen:?}"
    );
}

#[test]
fn a_draw_from_an_empty_range_is_its_low_end() {
    assert_eq!(draw(7, 7, MAX).0, 7);
    assert_eq!(draw(7, 3, MAX).0, 7);
    assert_eq!(draw(MAX, MAX, MAX).0, MAX);
}

#[test]
fn no_attempt_beyond_the_last() {
    let table = [
        // allowed, failed, answer
        (0, 0, Err(Stop::Exhausted { attempts: 0 })),
        (0, 1, Err(Stop::Exhausted { attempts: 0 })),
        (1, 1, Err(Stop::Exhausted { attempts: 1 })),
        (4, 3, Ok(10)),
        (4, 4, Err(Stop::Exhausted { attempts: 4 })),
        (4, 5, Err(Stop::Exhausted { attempts: 4 })),
        (4, MAX, Err(Stop::Exhausted { attempts: 4 })),
        (MAX, MAX - 1, Ok(10)),
        (MAX, MAX, Err(Stop::Exhausted { attempts: MAX })),
    ];
    for (allowed, failed, answer) in table {
        let policy = Backoff::fixed(10).attempts(allowed);
        assert_eq!(policy.next(failed, 0, 0, 0), answer, "{failed} of {allowed}");
    }
    assert_eq!(Backoff::fixed(10).next(MAX, 0, 0, 0), Ok(10));
    assert_eq!(Backoff::linear(1).next(MAX, 0, 0, 0), Ok(MAX));
    assert_eq!(Backoff::exponential(1).next(MAX, 0, 0, 0), Ok(MAX));
}

#[test]
fn no_delay_ends_at_or_after_the_total_time() {
    let table = [
        // total, elapsed, delay, what is left if it stops
        (100, 0, 99, None),
        (100, 0, 100, Some(100)),
        (100, 89, 10, None),
        (100, 90, 10, Some(10)),
        (100, 100, 0, Some(0)),
        (100, 99, 0, None),
        (100, MAX, 0, Some(0)),
        (0, 0, 0, Some(0)),
        (MAX, MAX - 1, 0, None),
        (MAX, MAX - 1, 1, Some(1)),
        (MAX, 0, MAX, Some(MAX)),
        (MAX, MAX, MAX, Some(0)),
    ];
    for (total, elapsed, delay, left) in table {
        let answer = Backoff::fixed(delay).total(total).next(1, 0, elapsed, 0);
        let expected = left.map_or(Ok(delay), |left| Err(Stop::OutOfTime { delay, left }));
        assert_eq!(answer, expected, "{elapsed} + {delay} of {total}");
    }
}

#[test]
fn the_total_time_is_compared_with_the_jittered_delay() {
    let policy = Backoff::fixed(100).jitter(Jitter::Full).total(60);
    assert_eq!(policy.next(1, 0, 0, HALF), Ok(50));
    assert_eq!(
        policy.next(1, 0, 0, MAX),
        Err(Stop::OutOfTime { delay: 100, left: 60 })
    );
}

#[test]
fn exhausted_attempts_are_named_before_the_time() {
    let policy = Backoff::fixed(100).attempts(2).total(10);
    assert_eq!(policy.next(2, 0, 50, 0), Err(Stop::Exhausted { attempts: 2 }));
}

#[test]
fn attempt_zero_is_answered_like_the_first() {
    for policy in [
        Backoff::linear(10),
        Backoff::exponential(10),
        exponential_by(10, 3),
    ] {
        assert_eq!(policy.next(0, 0, 0, 0), policy.next(1, 0, 0, 0));
    }
}

#[test]
fn a_stopped_sequence_counts_on_and_keeps_its_last_delay() {
    let mut retries = Retries::under(Backoff::decorrelated(10).total(100));
    assert_eq!(retries.after_failure(0, MAX), Ok(30));
    assert_eq!(
        retries.after_failure(30, MAX),
        Err(Stop::OutOfTime { delay: 90, left: 70 })
    );
    assert_eq!(
        retries.after_failure(40, MAX),
        Err(Stop::OutOfTime { delay: 90, left: 60 })
    );
    assert_eq!(retries.failed(), 3);
    assert_eq!(retries.policy(), &Backoff::decorrelated(10).total(100));
}

#[test]
fn the_count_of_failures_saturates() {
    let mut retries = Retries {
        policy: Backoff::fixed(1),
        failed: MAX - 1,
        previous: 0,
    };
    for _ in 0..3 {
        assert_eq!(retries.after_failure(0, 0), Ok(1));
        assert_eq!(retries.failed(), MAX);
    }
}

#[test]
fn a_policy_is_built_at_compile_time() {
    const FACTOR: NonZeroU32 = NonZeroU32::new(3).unwrap();
    const POLICY: Backoff = Backoff::exponential_by(1, FACTOR)
        .cap(9)
        .attempts(5)
        .total(60)
        .jitter(Jitter::Equal);
    const DELAY: Result<u32, Stop> = POLICY.next(4, 0, 0, 0);
    assert_eq!(DELAY, Ok(4));
}

#[test]
fn stops_say_what_to_do() {
    assert_eq!(
        Stop::Exhausted { attempts: 4 }.to_string(),
        "all 4 attempts were made; allow more or handle the last failure"
    );
    assert_eq!(
        Stop::OutOfTime { delay: 90, left: 70 }.to_string(),
        "the next attempt is due in 90, but only 70 of the total time is left; allow more time or handle the last \
         failure"
    );
}
