//! Races on the theoretical arrival time of a rate limiter.
#![cfg(sweet_loom)]
#![expect(clippy::similar_names, reason = "the sides of a race are called alike")]

use loom::sync::Arc;
use loom::thread;

use loom_tests::{Model, check};
use sweet_async_core::rate::{CheckError, Quota, RateLimiter};
use sweet_async_core::{Tick, rate};

/// The last tick before the wrap.
const LAST: Tick = Tick::new(u32::MAX);

fn limiter(quota: Quota, start: Tick) -> Arc<RateLimiter> {
    Arc::new(RateLimiter::new(quota, start))
}

/// Race: three callers each want one of two cells, across the wrap. Holds: R1, R2, R4.
#[test]
fn near_the_limit() {
    let model = Model {
        name: "rate::near_the_limit",
        holds: "R1, R2, R4",
        threads: 3,
        preemptions: None,
        witnesses: &["first refused", "second refused", "third refused"],
    };
    check(model, |witness| {
        let limiter = limiter(Quota::of::<1, 2, 2>(), LAST);
        let others = [0, 1].map(|_| {
            let limiter = Arc::clone(&limiter);
            thread::spawn(move || limiter.check(LAST))
        });
        let mine = limiter.check(LAST);
        let [second, third] = others.map(|other| other.join().unwrap());
        let refused: Vec<_> = [
            ("first refused", mine),
            ("second refused", second),
            ("third refused", third),
        ]
        .into_iter()
        .filter_map(|(name, answer)| answer.err().map(|refusal| (name, refusal)))
        .collect();
        let &[(name, rate::RetryAt { at })] = refused.as_slice() else {
            panic!("of three callers two fit, not {}", 3 - refused.len());
        };
        assert_eq!(at, LAST.after(2), "told to come back when the next cell fits");
        assert_eq!(limiter.available(LAST), 0);
        assert_eq!(limiter.check(at), Ok(()), "the refused comes back and fits");
        witness.saw(name);
    });
}

/// Race: two callers find the limiter idle ∥ the first goes on to a second cell. Holds: R1, R4.
#[test]
fn idle_raised_once() {
    let model = Model {
        name: "rate::idle_raised_once",
        holds: "R1, R4",
        threads: 3,
        preemptions: Some(3),
        witnesses: &["four in all", "a fifth was refused"],
    };
    check(model, |witness| {
        let limiter = limiter(Quota::of::<1, 3, 4>(), LAST);
        let now = LAST.after(100);
        let others = [1, 2].map(|cells| {
            let limiter = Arc::clone(&limiter);
            thread::spawn(move || limiter.check_n(now, cells).map_or(0, |()| cells))
        });
        let mine: u32 = [(); 2]
            .map(|()| u32::from(limiter.check(now).is_ok()))
            .iter()
            .sum();
        let taken = mine + others.map(|other| other.join().unwrap()).iter().sum::<u32>();
        assert!(taken <= 4, "{taken} of four cells");
        assert_eq!(limiter.available(now), 4 - taken, "what was taken counts, once");
        witness.saw(if taken == 4 {
            "four in all"
        } else {
            "a fifth was refused"
        });
    });
}

/// Race: three callers take from a burst with room for all. Holds: R1, R4.
#[test]
fn room_for_all() {
    let model = Model {
        name: "rate::room_for_all",
        holds: "R1, R4",
        threads: 3,
        preemptions: None,
        witnesses: &["all admitted"],
    };
    check(model, |witness| {
        let limiter = limiter(Quota::of::<1, 1, 512>(), LAST);
        assert_eq!(limiter.check(LAST), Ok(()));
        let others = [1, 2].map(|cells| {
            let limiter = Arc::clone(&limiter);
            thread::spawn(move || limiter.check_n(LAST, cells))
        });
        assert_eq!(limiter.check(LAST), Ok(()));
        for other in others {
            assert_eq!(other.join().unwrap(), Ok(()));
        }
        assert_eq!(limiter.available(LAST), 512 - 5, "each cell counts, once");
        witness.saw("all admitted");
    });
}

/// Race: a caller adds to a half-used burst ∥ another takes the other half in one call. Holds: R1, R3.
#[test]
fn overdrawn_by_a_crowd() {
    let model = Model {
        name: "rate::overdrawn_by_a_crowd",
        holds: "R1, R3",
        threads: 2,
        preemptions: None,
        witnesses: &["adder first", "half first", "overdrawn"],
    };
    check(model, |witness| {
        let limiter = limiter(Quota::of::<1, 1, 256>(), LAST);
        assert_eq!(limiter.check_n(LAST, 128), Ok(()));
        let adder = thread::spawn({
            let limiter = Arc::clone(&limiter);
            move || limiter.check(LAST)
        });
        let half = limiter.check_n(LAST, 128);
        let added = adder.join().unwrap();
        // What is over the limit shows as a longer wait for the whole burst.
        let Err(CheckError::RetryAt(rate::RetryAt { at })) = limiter.check_n(LAST, 256) else {
            panic!("the burst is in use");
        };
        let backlog = at.since(LAST);
        witness.saw(match (added.is_ok(), half.is_ok(), backlog) {
            (true, false, 129) => "adder first",
            (false, true, 256) => "half first",
            (false, true, 257) => "overdrawn",
            other => panic!("{other:?} admits too much, or loses what was admitted"),
        });
    });
}

/// Race: a caller at the newest tick ∥ another with an older clock, the wrap between them. Holds: R1.
#[test]
fn older_tick_admits_no_more() {
    let model = Model {
        name: "rate::older_tick_admits_no_more",
        holds: "R1",
        threads: 2,
        preemptions: None,
        witnesses: &["newer admitted", "older admitted"],
    };
    check(model, |witness| {
        let limiter = limiter(Quota::of::<1, 200, 1>(), Tick::new(u32::MAX - 1_000));
        let older = thread::spawn({
            let limiter = Arc::clone(&limiter);
            move || limiter.check(Tick::new(u32::MAX - 99))
        });
        let newer = limiter.check(LAST.after(1));
        let older = older.join().unwrap();
        assert!(newer.is_ok() != older.is_ok(), "one cell in 200 ticks");
        witness.saw(if newer.is_ok() {
            "newer admitted"
        } else {
            "older admitted"
        });
    });
}
