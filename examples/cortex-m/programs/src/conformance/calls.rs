//! Machines that decide about calls: whether one is made, and when it is tried again.

use core::num::NonZeroU32;

use programs::{Verdict, Wrong, expect};
use sweet_async_core::Tick;
use sweet_async_core::backoff::{Backoff, Jitter, Retries, Stop};
use sweet_async_core::breaker::{
    AnyWindow, CircuitBreaker, Consecutive, LastCalls, LastTime, Outcome, Recorded, Refused, Rules, Settings,
    SnapshotError, State, Window,
};
use sweet_async_core::budget::RetryBudget;
use sweet_async_core::limit::{Aimd, Bounds, ConcurrencyLimit, Gradient2, Outcome as Ended, Policy, Vegas};
use sweet_async_core::rate::{CheckError, Quota, RateLimiter, RetryAt};

pub(crate) fn backoff() -> Verdict {
    const POLICY: Backoff = Backoff::exponential(100).cap(250).attempts(4);
    expect!(POLICY.next(1, 0, 0, 0), Ok(100));
    expect!(POLICY.next(2, 100, 100, 0), Ok(200));
    expect!(POLICY.next(3, 200, 300, 0), Ok(250));
    expect!(POLICY.next(4, 250, 550, 0), Err(Stop::Exhausted { attempts: 4 }));
    expect!(Backoff::immediate().next(9, 0, 0, 7), Ok(0));
    expect!(Backoff::fixed(7).next(u32::MAX, 0, 0, 7), Ok(7));
    // What a word does not hold stays at its end.
    expect!(Backoff::linear(100).next(3, 0, 0, 0), Ok(300));
    expect!(Backoff::linear(u32::MAX).next(2, 0, 0, 0), Ok(u32::MAX));
    let by_ten = Backoff::exponential_by(1, NonZeroU32::MIN.saturating_add(9));
    expect!(by_ten.next(10, 0, 0, 0), Ok(1_000_000_000));
    expect!(by_ten.next(11, 0, 0, 0), Ok(u32::MAX));
    // Both ends of the jitter: none to all of 200, half to all of it.
    for (jitter, random, delay) in [
        (Jitter::Full, 0, 0),
        (Jitter::Full, u32::MAX, 200),
        (Jitter::Equal, 0, 100),
        (Jitter::Equal, u32::MAX, 200),
    ] {
        expect!(POLICY.jitter(jitter).next(2, 0, 0, random), Ok(delay));
    }
    // From the base to three times the delay before.
    expect!(Backoff::decorrelated(100).next(1, 0, 0, u32::MAX), Ok(300));
    expect!(Backoff::decorrelated(100).next(2, 200, 0, u32::MAX), Ok(600));
    expect!(Backoff::decorrelated(100).next(2, 200, 0, 0), Ok(100));
    // No attempt begins when the total time is over.
    let within = Backoff::fixed(100).total(250);
    expect!(within.next(2, 0, 149, 0), Ok(100));
    expect!(
        within.next(2, 0, 150, 0),
        Err(Stop::OutOfTime {
            delay: 100,
            left: 100
        })
    );
    let mut retries = Retries::under(Backoff::linear(10).attempts(3));
    expect!(retries.after_failure(0, 0), Ok(10));
    expect!(retries.after_failure(10, 0), Ok(20));
    expect!(retries.after_failure(30, 0).is_err(), true);
    expect!(retries.failed(), 3);
    Ok(())
}

/// Opens for 100 ticks.
fn settings(rules: Rules) -> Result<Settings, Wrong> {
    rules.open_for(100).lease(100).check().map_err(|_| Wrong)
}

/// A call that ends with that outcome, at once.
fn call<W: Window>(
    breaker: &CircuitBreaker<W>,
    settings: &Settings,
    outcome: Outcome,
    now: Tick,
) -> Result<Recorded, Refused> {
    Ok(breaker.try_enter(settings, now)?.record(outcome, now))
}

const UNCHANGED: Result<Recorded, Refused> = Ok(Recorded::Unchanged);

/// That it opened, as it does for 100 ticks.
const fn opened(now: Tick) -> Result<Recorded, Refused> {
    Ok(Recorded::Opened {
        retry_at: now.after(100),
    })
}

/// All states, across the wrap of the tick.
pub(crate) fn breaker_in_a_row() -> Verdict {
    static BREAKER: CircuitBreaker<Consecutive> = CircuitBreaker::new(Consecutive::new());
    let settings = settings(Rules::new().failures(2))?;
    let now = Tick::new(u32::MAX - 9);
    let late = BREAKER.try_admit(&settings, now).map_err(|_| Wrong)?;
    expect!(call(&BREAKER, &settings, Outcome::Failed, now), UNCHANGED);
    expect!(call(&BREAKER, &settings, Outcome::Ok, now), UNCHANGED);
    expect!(call(&BREAKER, &settings, Outcome::Failed, now), UNCHANGED);
    expect!(call(&BREAKER, &settings, Outcome::Cancelled, now), UNCHANGED);
    expect!(call(&BREAKER, &settings, Outcome::Failed, now), opened(now));
    let retry_at = Tick::new(90);
    expect!(
        BREAKER.try_admit(&settings, Tick::new(89)),
        Err(Refused::Open { retry_at })
    );
    expect!(
        BREAKER.record(&settings, late, Outcome::Ok, Tick::new(89)),
        Recorded::Late
    );
    {
        let probe = BREAKER.try_enter(&settings, retry_at).map_err(|_| Wrong)?;
        expect!((probe.is_probe(), probe.half_opened()), (true, true));
        expect!(
            (BREAKER.state(), BREAKER.probes_in_flight()),
            (State::HalfOpen, 1)
        );
        let second = BREAKER.try_admit(&settings, retry_at);
        expect!(matches!(second, Err(Refused::Probing { .. })), true);
    }
    // Dropped, the probe gave its place back.
    expect!(BREAKER.probes_in_flight(), 0);
    expect!(
        call(&BREAKER, &settings, Outcome::Failed, retry_at),
        opened(retry_at)
    );
    let again = retry_at.after(100);
    expect!(
        call(&BREAKER, &settings, Outcome::Ok, again),
        Ok(Recorded::Closed)
    );
    expect!(BREAKER.state(), State::Closed);
    expect!(Rules::new().probes(8).check().is_err(), true);
    Ok(())
}

/// Half of the last eight: the window slides after any number of successes.
pub(crate) fn breaker_last_calls() -> Verdict {
    static BREAKER: CircuitBreaker<LastCalls<4>> = CircuitBreaker::new(LastCalls::new());
    let settings = settings(Rules::new().minimum_calls(4).last_calls(8))?;
    let now = Tick::new(0);
    for _ in 0..1_000 {
        expect!(call(&BREAKER, &settings, Outcome::Ok, now), UNCHANGED);
    }
    for _ in 0..3 {
        expect!(call(&BREAKER, &settings, Outcome::Failed, now), UNCHANGED);
    }
    let counts = BREAKER.counts(&settings, now);
    expect!((counts.calls, counts.failed, counts.slow), (8, 3, 0));
    expect!(call(&BREAKER, &settings, Outcome::Failed, now), opened(now));
    Ok(())
}

pub(crate) fn breaker_slow_calls() -> Verdict {
    static BREAKER: CircuitBreaker<LastCalls<4, 4>> = CircuitBreaker::new(LastCalls::new());
    let rules = Rules::new().failure_rate(100).slow_rate(50);
    let settings = settings(rules.minimum_calls(4).last_calls(64))?;
    let now = Tick::new(0);
    for outcome in [Outcome::Ok, Outcome::SlowOk, Outcome::Ok] {
        expect!(call(&BREAKER, &settings, outcome, now), UNCHANGED);
    }
    expect!(call(&BREAKER, &settings, Outcome::SlowOk, now), opened(now));
    Ok(())
}

/// Four buckets of 32 ticks, across the wrap of the tick.
pub(crate) fn breaker_last_time() -> Verdict {
    static BREAKER: CircuitBreaker<LastTime<4>> = CircuitBreaker::new(LastTime::new());
    let settings = settings(Rules::new().minimum_calls(4).bucket(32))?;
    let now = Tick::new(u32::MAX - 63);
    for _ in 0..3 {
        expect!(call(&BREAKER, &settings, Outcome::Failed, now), UNCHANGED);
    }
    expect!(BREAKER.counts(&settings, now.after(3 * 32)).failed, 3);
    expect!(BREAKER.counts(&settings, now.after(4 * 32)).failed, 0);
    let now = now.after(4 * 32);
    for _ in 0..3 {
        expect!(call(&BREAKER, &settings, Outcome::Failed, now), UNCHANGED);
    }
    expect!(call(&BREAKER, &settings, Outcome::Failed, now), opened(now));
    Ok(())
}

pub(crate) fn breaker_any_window() -> Verdict {
    let settings = settings(Rules::new().failures(5).minimum_calls(10))?;
    let now = Tick::new(7);
    for (window, failures) in [
        (AnyWindow::Consecutive(Consecutive::new()), 5),
        (AnyWindow::Calls(LastCalls::new()), 10),
        (AnyWindow::Time(LastTime::new()), 10),
    ] {
        let breaker = CircuitBreaker::new(window);
        for _ in 1..failures {
            expect!(call(&breaker, &settings, Outcome::Failed, now), UNCHANGED);
        }
        expect!(call(&breaker, &settings, Outcome::Failed, now), opened(now));
    }
    Ok(())
}

pub(crate) fn breaker_forced_and_restored() -> Verdict {
    static BREAKER: CircuitBreaker<Consecutive> = CircuitBreaker::new(Consecutive::new());
    let settings = settings(Rules::new().failures(1))?;
    let now = Tick::new(1_000);
    expect!((BREAKER.force_open(), BREAKER.force_open()), (true, false));
    expect!(BREAKER.try_admit(&settings, now), Err(Refused::Forced));
    expect!(BREAKER.force_closed(), true);
    expect!(call(&BREAKER, &settings, Outcome::Failed, now), UNCHANGED);
    expect!(BREAKER.metrics_only(), true);
    expect!(call(&BREAKER, &settings, Outcome::Failed, now), UNCHANGED);
    expect!((BREAKER.auto(), BREAKER.state()), (true, State::Closed));
    expect!(call(&BREAKER, &settings, Outcome::Failed, now), opened(now));
    // 60 of the 100 ticks are left, on whatever clock.
    let mut kept = None;
    BREAKER.snapshot(&settings, now.after(40), |word| kept = Some(word));
    let restored = CircuitBreaker::restore(Consecutive::new(), Tick::new(5), kept).map_err(|_| Wrong)?;
    let retry_at = Tick::new(65);
    expect!(
        restored.try_admit(&settings, Tick::new(6)),
        Err(Refused::Open { retry_at })
    );
    let nothing = CircuitBreaker::restore(Consecutive::new(), now, []);
    expect!(nothing.err(), Some(SnapshotError::TooShort));
    Ok(())
}

/// A retry for ten calls.
pub(crate) fn budget() -> Verdict {
    static BUDGET: RetryBudget = RetryBudget::new(100, 50).with_floor(2);
    let withdraw = |budget: &RetryBudget| budget.try_withdraw().map_err(|refused| refused.calls);
    expect!(withdraw(&BUDGET), Ok(()));
    expect!(withdraw(&BUDGET), Ok(()));
    expect!(withdraw(&BUDGET), Err(Some(10)));
    for _ in 0..10 {
        BUDGET.deposit();
    }
    expect!((withdraw(&BUDGET), withdraw(&BUDGET)), (Ok(()), Err(Some(10))));
    BUDGET.top_up();
    expect!(BUDGET.saved(), 2);
    for _ in 0..1_000 {
        BUDGET.deposit();
    }
    expect!(BUDGET.saved(), 50);
    expect!(withdraw(&RetryBudget::new(0, 50)), Err(None));
    Ok(())
}

/// A cell in ten ticks, two at once, across the wrap of the tick.
pub(crate) fn rate() -> Verdict {
    const START: Tick = Tick::new(u32::MAX - 4);
    static LIMITER: RateLimiter = RateLimiter::new(Quota::of::<100, 1_000, 2>(), START);
    expect!(LIMITER.check(START), Ok(()));
    expect!(LIMITER.check(START), Ok(()));
    let at = Tick::new(5);
    expect!(LIMITER.check(START), Err(RetryAt { at }));
    expect!(LIMITER.check(Tick::new(4)), Err(RetryAt { at }));
    expect!(LIMITER.check(at), Ok(()));
    expect!(
        LIMITER.check_n(at, 2),
        Err(CheckError::RetryAt(RetryAt { at: at.after(20) }))
    );
    expect!(LIMITER.check_n(at, 3), Err(CheckError::TooMany { burst: 2 }));
    expect!((LIMITER.available(at), LIMITER.available(at.after(20))), (0, 2));
    Ok(())
}

/// Enters until the limit refuses, and answers how many are in flight then.
fn fill<P: Policy>(limit: &ConcurrencyLimit<P>) -> u32 {
    while limit.try_enter().is_ok() {}
    limit.in_flight()
}

/// A call ends; the limit that follows from it.
fn after<P: Policy>(limit: &ConcurrencyLimit<P>, outcome: Ended) -> Result<u32, Wrong> {
    limit.leave(outcome).map_err(|_| Wrong)?;
    Ok(limit.limit())
}

pub(crate) fn limit_aimd() -> Verdict {
    static LIMIT: ConcurrencyLimit<Aimd> =
        ConcurrencyLimit::new(Aimd::new().backoff(50), Bounds::of::<4, 10, 11>());
    expect!(fill(&LIMIT), 10);
    expect!(LIMIT.try_acquire().map_err(|full| full.limit).err(), Some(10));
    // Half of ten. A second drop in the same round is the same event.
    expect!(after(&LIMIT, Ended::Dropped)?, 5);
    expect!(after(&LIMIT, Ended::Dropped)?, 5);
    while LIMIT.in_flight() > 0 {
        expect!(after(&LIMIT, Ended::Ignored)?, 5);
    }
    expect!(LIMIT.leave(Ended::Ignored).is_err(), true);
    // By one in each round that goes well, up to the maximum.
    let mut grown = [0; 7];
    for limit in &mut grown {
        let calls = fill(&LIMIT);
        for _ in 0..calls {
            // Those that are left are at least half, so that the limit is in use.
            let _ = LIMIT.try_enter();
            after(&LIMIT, Ended::Ok { latency: 1 })?;
        }
        *limit = LIMIT.limit();
        while LIMIT.in_flight() > 0 {
            after(&LIMIT, Ended::Ignored)?;
        }
    }
    expect!(
        grown.is_sorted() && grown.contains(&6) && grown.ends_with(&[11]),
        true
    );
    for _ in 0..100 {
        expect!(LIMIT.try_enter().is_ok(), true);
        after(&LIMIT, Ended::Dropped)?;
    }
    expect!(LIMIT.limit(), 4);
    Ok(())
}

/// Without a queue a limit of ten grows by six in a round of ten calls; a drop shrinks it by one.
pub(crate) fn limit_vegas() -> Verdict {
    static LIMIT: ConcurrencyLimit<Vegas> = ConcurrencyLimit::new(Vegas::new(), Bounds::of::<1, 10, 100>());
    expect!(fill(&LIMIT), 10);
    // The first call says how long one takes without load.
    expect!(after(&LIMIT, Ended::Ok { latency: 10 })?, 10);
    expect!(after(&LIMIT, Ended::Ok { latency: 10 })?, 10);
    expect!(after(&LIMIT, Ended::Ok { latency: 10 })?, 11);
    // Ten times as long: a queue of ten, which is more than six.
    expect!(after(&LIMIT, Ended::Ok { latency: 100 })?, 11);
    expect!(after(&LIMIT, Ended::Dropped)?, 10);
    Ok(())
}

/// Calls that take no longer than ever let a limit of ten grow by a fifth of the queue of four in a round of ten; a drop
/// shrinks it by a fifth of the way to its half.
pub(crate) fn limit_gradient2() -> Verdict {
    static LIMIT: ConcurrencyLimit<Gradient2> =
        ConcurrencyLimit::new(Gradient2::new(), Bounds::of::<1, 10, 100>());
    expect!(fill(&LIMIT), 10);
    for call in 1..=13 {
        let limit = after(&LIMIT, Ended::Ok { latency: 10 })?;
        expect!(limit, if call < 13 { 10 } else { 11 });
        fill(&LIMIT);
    }
    expect!(after(&LIMIT, Ended::Dropped)?, 9);
    Ok(())
}

/// Balances, backlogs and limits that outlive a restart, on another clock and within other bounds.
pub(crate) fn kept() -> Verdict {
    let budget = RetryBudget::new(250, 10);
    budget.deposit();
    let after = RetryBudget::new(500, 4).restore(budget.snapshot());
    after.deposit();
    expect!((budget.snapshot(), after.snapshot()), (250, 750));
    const QUOTA: Quota = Quota::of::<1, 10, 3>();
    let limiter = RateLimiter::new(QUOTA, Tick::new(0));
    expect!(limiter.check_n(Tick::new(5), 2), Ok(()));
    let backlog = limiter.snapshot(Tick::new(9));
    let now = Tick::new(u32::MAX);
    let after = RateLimiter::restore(QUOTA, now, backlog);
    expect!(
        (backlog, after.available(now), after.available(now.after(6))),
        (16, 1, 2)
    );
    let limit = ConcurrencyLimit::new(Aimd::new().backoff(50), Bounds::of::<1, 20, 100>());
    expect!(limit.try_acquire().map(|call| call.dropped()).is_ok(), true);
    let state = limit.snapshot().ok_or(Wrong)?;
    let after = ConcurrencyLimit::restore(Aimd::new(), Bounds::of::<1, 2, 8>(), state);
    expect!((limit.limit(), after.limit(), after.in_flight()), (10, 8, 0));
    Ok(())
}
