extern crate alloc;

use alloc::format;
use alloc::string::ToString;

use super::{AtomicU32, CheckError, Line, Quota, QuotaError, RateLimiter, RetryAt};
use crate::Tick;

/// 2 cells in 5 ticks, 4 at once: a tick has 2 units, a cell costs 5, the burst 20.
const QUOTA: Quota = Quota::of::<4, 10, 4>();
const REACH: u32 = 2 * 20 + 2 * Quota::SKEW;

fn limiter(tat: u32) -> RateLimiter {
    RateLimiter {
        tat: Line(AtomicU32::new(tat)),
        quota: QUOTA,
    }
}

fn tat_of(limiter: RateLimiter) -> u32 {
    limiter.tat.0.into_inner()
}

const fn retry(at: u32) -> RetryAt {
    RetryAt { at: Tick::new(at) }
}

/// The position of tick 1,000, at which the tables call.
const HERE: u32 = 2_000;
const NOW: Tick = Tick::new(1_000);

/// How far ahead the word is, and what it answers to one cell: the new distance, or how many ticks to wait.
const ONE: [(i64, Result<i64, u32>); 14] = [
    (0, Ok(5)),
    (-1, Ok(5)),
    (-1_000_000, Ok(5)),
    (-(1 << 31) + 1, Ok(5)),
    (1, Ok(6)),
    (14, Ok(19)),
    (15, Ok(20)),
    (16, Err(1)),
    (17, Err(1)),
    (18, Err(2)),
    (20, Err(3)),
    (21, Err(3)),
    (REACH as i64, Err(1_013)),
    (REACH as i64 + 1, Ok(5)),
];

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positions on the circle"
)]
fn on_circle(distance: i64) -> u32 {
    HERE.wrapping_add(distance as u32)
}

#[test]
fn check_in_every_state() {
    for (ahead, answer) in ONE {
        let limiter = limiter(on_circle(ahead));
        let expected = answer.map(|_| ()).map_err(|wait| RetryAt { at: NOW.after(wait) });
        assert_eq!(limiter.check(NOW), expected, "{ahead} ahead");
        assert_eq!(
            tat_of(limiter),
            on_circle(answer.unwrap_or(ahead)),
            "{ahead} ahead"
        );
    }
}

#[test]
fn check_n_in_every_state() {
    let wait = |ticks| Err(CheckError::RetryAt(RetryAt { at: NOW.after(ticks) }));
    let table = [
        (0, 4, Ok(()), 20),
        (-3, 3, Ok(()), 15),
        (-3, 0, Ok(()), 0),
        (7, 0, Ok(()), 7),
        (20, 0, Ok(()), 20),
        (21, 0, wait(1), 21),
        (10, 2, Ok(()), 20),
        (11, 2, wait(1), 11),
        (20, 4, wait(10), 20),
        (0, 5, Err(CheckError::TooMany { burst: 4 }), 0),
        (20, u32::MAX, Err(CheckError::TooMany { burst: 4 }), 20),
    ];
    for (ahead, cells, answer, after) in table {
        let limiter = limiter(on_circle(ahead));
        assert_eq!(limiter.check_n(NOW, cells), answer, "{cells} with {ahead} ahead");
        assert_eq!(tat_of(limiter), on_circle(after), "{cells} with {ahead} ahead");
    }
}

#[test]
fn available_in_every_state() {
    for (ahead, cells) in [
        (0, 4),
        (-9, 4),
        (1, 3),
        (5, 3),
        (6, 2),
        (15, 1),
        (16, 0),
        (20, 0),
        (99, 0),
    ] {
        let limiter = limiter(on_circle(ahead));
        assert_eq!(limiter.available(NOW), cells, "{ahead} ahead");
        assert_eq!(tat_of(limiter), on_circle(ahead));
    }
}

#[test]
fn comes_back_exactly_when_told() {
    for start in [0, 7, u32::MAX - 3, u32::MAX / 2] {
        let limiter = RateLimiter::new(QUOTA, Tick::new(start));
        let now = Tick::new(start);
        for _ in 0..4 {
            assert_eq!(limiter.check(now), Ok(()));
        }
        let Err(CheckError::RetryAt(RetryAt { at })) = limiter.check_n(now, 3) else {
            panic!("three more cannot fit");
        };
        assert_eq!(at.since(now), 8);
        assert!(limiter.check_n(now.after(7), 3).is_err());
        assert_eq!(limiter.check_n(at, 3), Ok(()));
    }
}

#[test]
fn many_cells_in_a_tick_are_exact() {
    // 7 cells in 3 ticks, one at once for each unit: in 3,000 ticks exactly 7,000 and the burst.
    let limiter = RateLimiter::new(Quota::of::<7, 3, 9>(), Tick::new(u32::MAX - 1_000));
    let mut admitted = 0;
    for step in 0..=3_000 {
        while limiter.check(Tick::new(u32::MAX - 1_000).after(step)).is_ok() {
            admitted += 1;
            assert!(admitted <= 9 + 7_000, "at step {step}");
        }
    }
    assert_eq!(admitted, 9 + 7_000);
}

#[test]
fn a_million_cells_in_a_tick_fit() {
    let limiter = RateLimiter::new(Quota::of::<1_000_000, 1, 500_000_000>(), Tick::new(0));
    assert_eq!(limiter.check_n(Tick::new(0), 500_000_000), Ok(()));
    assert_eq!(limiter.check(Tick::new(0)), Err(retry(1)));
    assert_eq!(limiter.available(Tick::new(1)), 1_000_000);
}

#[test]
fn idle_for_any_time_admits_the_burst_again() {
    let quota = QUOTA;
    let circle = quota.circle();
    for idle in [
        20,
        circle / 2,
        circle / 2 + 1,
        circle + 20,
        Tick::HORIZON - quota.blind() - 10,
        Tick::HORIZON + 20,
    ] {
        let limiter = RateLimiter::new(quota, Tick::new(0));
        assert_eq!(limiter.check_n(Tick::new(0), 4), Ok(()));
        let now = Tick::new(0).after(idle);
        assert_eq!(limiter.available(now), 4, "idle for {idle}");
        assert_eq!(limiter.check_n(now, 4), Ok(()), "idle for {idle}");
        assert!(limiter.check(now).is_err());
    }
}

#[test]
fn idle_into_the_blind_end_of_the_circle_refuses_for_a_bounded_time() {
    let circle = QUOTA.circle() + 1;
    for before in [1, 10, 100, QUOTA.blind() - 1] {
        let limiter = RateLimiter::new(QUOTA, Tick::new(0));
        let now = Tick::new(circle - before);
        match limiter.check_n(now, 4) {
            Ok(()) => panic!("{before} before the circle ends nothing is known"),
            Err(CheckError::RetryAt(RetryAt { at })) => {
                assert!(at.since(now) <= QUOTA.blind());
                assert_eq!(limiter.check_n(at, 4), Ok(()));
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_tick_within_the_skew_only_refuses_more() {
    let limiter = RateLimiter::new(QUOTA, Tick::new(0));
    let newest = Tick::new(5_000);
    assert_eq!(limiter.check_n(newest, 4), Ok(()));
    for old in [0, 1, 500, Quota::SKEW] {
        assert!(limiter.check(Tick::new(5_000 - old)).is_err(), "{old} older");
    }
    assert_eq!(limiter.available(newest), 0);
}

#[test]
fn a_roomy_burst_is_added_to_and_still_bounded() {
    let quota = Quota::of::<1, 1, 1_024>();
    let limiter = RateLimiter::new(quota, Tick::new(0));
    let admitted = (0..5_000).filter(|_| limiter.check(Tick::new(9)).is_ok()).count();
    assert_eq!(admitted, 1_024);
}

#[test]
fn a_crowd_may_add_in_the_first_half_and_only_a_little_each() {
    let quota = Quota::of::<1, 1, 1_024>();
    for (backlog, cost, roomy) in [
        (0, 0, true),
        (1, 4, true),
        (512, 4, true),
        (513, 4, false),
        (513, 0, false),
        (512, 5, false),
        (0, 5, false),
        (1_024, 1_024, false),
    ] {
        assert_eq!(quota.is_roomy(backlog, cost), roomy, "{cost} after {backlog}");
    }
}

#[test]
fn an_overdrawn_add_is_refused_and_stays_taken() {
    let quota = Quota::of::<1, 1, 1_024>();
    let limiter = RateLimiter::new(quota, Tick::new(0));
    assert_eq!(limiter.check_n(Tick::new(0), 1_020), Ok(()));
    assert_eq!(limiter.add(Tick::new(0), 4), Ok(()), "the last that fit");
    assert_eq!(limiter.add(Tick::new(0), 4), Err(retry(4)));
    assert_eq!(tat_of(limiter), 1_028);
}

#[test]
fn quotas_at_their_limits() {
    assert_eq!(Quota::new(0, 1, 1), Err(QuotaError::Zero));
    assert_eq!(Quota::new(1, 0, 1), Err(QuotaError::Zero));
    assert_eq!(Quota::new(1, 1, 0), Err(QuotaError::Zero));
    assert_eq!(Quota::new(1, u32::MAX, 2), Err(QuotaError::TooWide));
    assert_eq!(Quota::new(1, 1, (1 << 30) - 499), Err(QuotaError::TooWide));
    assert!(Quota::new(1, 1, (1 << 30) - 500).is_ok());
    let bare = Quota::new(1, 1, 1).expect("small");
    assert!(bare.with_skew((1 << 31) - 2).is_ok());
    assert_eq!(bare.with_skew((1 << 31) - 1), Err(QuotaError::TooWide));
    assert_eq!(
        QUOTA.with_skew(7).map(|quota| (quota.skew(), quota.blind())),
        Ok((7, 27))
    );
}

#[test]
fn quotas_are_reduced() {
    assert_eq!((QUOTA.cells(), QUOTA.ticks(), QUOTA.burst()), (2, 5, 4));
    assert_eq!(QUOTA.circle(), u32::MAX / 2);
    assert_eq!(QUOTA.skew(), Quota::SKEW);
}

#[test]
fn debug_decodes_the_word() {
    assert_eq!(
        format!("{:?}", limiter(2_001)),
        "RateLimiter { quota: Quota { cells: 2, ticks: 5, burst: 4, skew: 1000 }, whole_at: tick 1001 modulo 2147483647 }"
    );
}

#[test]
fn restored_it_is_as_busy_as_before() {
    for (start, later) in [(0, 1_000), (1_000, 0), (u32::MAX - 3, 7), (7, u32::MAX - 3)] {
        for cells in 0..=4 {
            for passed in 0..15 {
                let (start, later) = (Tick::new(start), Tick::new(later));
                let before = RateLimiter::new(QUOTA, start);
                assert_eq!(before.check_n(start, cells), Ok(()));
                let now = start.after(passed);
                let after = RateLimiter::restore(QUOTA, later, before.snapshot(now));
                // Rounded up to a whole tick, which has two units.
                for ahead in 0..12 {
                    let (old, new) = (
                        before.available(now.after(ahead)),
                        after.available(later.after(ahead)),
                    );
                    assert!(
                        new == old || new + 1 == old,
                        "{cells} cells, {passed} + {ahead} ticks"
                    );
                }
                assert_eq!(after.snapshot(later), before.snapshot(now));
            }
        }
    }
}

#[test]
fn restored_it_has_forgiven_what_was_overdrawn() {
    let now = Tick::new(0);
    let before = limiter(30); // of which the burst is 20, in ticks of two
    let after = RateLimiter::restore(QUOTA, now, before.snapshot(now));
    assert_eq!((before.snapshot(now), after.snapshot(now)), (15, 10));
    assert_eq!(
        (before.available(Tick::new(5)), after.available(Tick::new(5))),
        (0, 2)
    );
}

#[test]
fn any_number_is_a_snapshot_and_none_admits_too_much() {
    let fine = Quota::new(1_000, 1, 1)
        .and_then(|quota| quota.with_skew(0))
        .expect("within the limits");
    for quota in [QUOTA, fine, Quota::of::<1, 1_000, 1_000>()] {
        for snapshot in [0, 1, 7, 1 << 16, 1 << 31, u32::MAX] {
            for now in [0, 1_000, u32::MAX].map(Tick::new) {
                let limiter = RateLimiter::restore(quota, now, snapshot);
                let back = quota.window.div_ceil(quota.per_tick.get());
                assert!(
                    limiter.snapshot(now) <= back.min(snapshot),
                    "{snapshot}: {limiter:?}"
                );
                assert_eq!(
                    limiter.available(now) == quota.burst(),
                    snapshot == 0,
                    "{snapshot}: {limiter:?}"
                );
                assert_eq!(
                    limiter.available(now.after(back)),
                    quota.burst(),
                    "{snapshot}: {limiter:?}"
                );
            }
        }
    }
}

#[test]
fn a_change_of_the_quota_keeps_the_time_that_is_taken() {
    let now = Tick::new(u32::MAX);
    let slow = RateLimiter::new(Quota::of::<1, 100, 4>(), now);
    assert_eq!(slow.check_n(now, 2), Ok(()));
    // Twice as fast: what is taken for 200 ticks is taken for 200 ticks still.
    let fast = RateLimiter::restore(Quota::of::<1, 50, 8>(), now, slow.snapshot(now));
    assert_eq!((slow.snapshot(now), fast.snapshot(now)), (200, 200));
    assert_eq!(fast.available(now), 4);
    // A burst that is shorter than that is taken as a whole.
    let small = RateLimiter::restore(Quota::of::<1, 50, 2>(), now, slow.snapshot(now));
    assert_eq!(small.check(now), Err(RetryAt { at: now.after(50) }));
}

#[test]
fn errors_say_what_to_do() {
    assert_eq!(retry(12).to_string(), "the rate is used up; come back at tick 12");
    assert_eq!(CheckError::RetryAt(retry(12)).to_string(), retry(12).to_string());
    assert!(CheckError::TooMany { burst: 4 }.to_string().contains("at most 4"));
    assert!(QuotaError::Zero.to_string().contains("at least one"));
    assert!(QuotaError::TooWide.to_string().contains("smaller burst"));
}

#[test]
fn takes_a_word_and_its_quota() {
    let limiter = if cfg!(target_pointer_width = "64") {
        128
    } else {
        4 + size_of::<Quota>()
    };
    assert_eq!(size_of::<RateLimiter>(), limiter);
    assert_eq!(size_of::<Quota>(), 20);
}

#[test]
fn is_send_and_sync() {
    fn assert_both<T: Send + Sync>() {}
    assert_both::<RateLimiter>();
}
