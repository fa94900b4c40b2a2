//! Whatever the others leave out: checked constructors at run time, values, switches. Not weighed; it shows that none of
//! it can panic.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::num::NonZeroU32;

use cortex_m_rt::entry;
use footprint::{input, now, output, rest};
use sweet_async_core::backoff::{Backoff, Jitter, Retries};
use sweet_async_core::breaker::{AnyWindow, CircuitBreaker, LastCalls, LastTime, Outcome, Rules};
use sweet_async_core::limit::{Bounds, ConcurrencyLimit, Gradient2};
use sweet_async_core::pressure::Marks;
use sweet_async_core::priority::{Aging, Patience, Priority};
use sweet_async_core::rate::{Quota, RateLimiter};
use sweet_async_core::scaler::{Scale, Scaler};
use sweet_async_core::stats::Snapshot;
use sweet_async_core::vector_clock::{Nodes, VectorClock};
use sweet_async_core::{Counter, Credits, Histogram, HybridClock, IdGenerator, RetryBudget};

static COUNTS: Histogram<33> = Histogram::new();
static TOTAL: Counter = Counter::new();
static NODES: Nodes<3> = Nodes::new();

#[entry]
fn main() -> ! {
    retries();
    breakers();
    settings();
    values();
    rest()
}

fn retries() {
    let factor = NonZeroU32::MIN.saturating_add(input());
    for policy in [
        Backoff::fixed(input()).jitter(Jitter::Equal),
        Backoff::linear(input()).total(input()),
        Backoff::exponential_by(input(), factor),
        Backoff::decorrelated(input()),
    ] {
        let mut retries = Retries::under(black_box(policy));
        output(retries.after_failure(input(), input()));
        output(retries.failed());
    }
}

fn breakers() {
    let rules = Rules::new()
        .failures(1)
        .failure_rate(2)
        .slow_rate(3)
        .minimum_calls(4)
        .last_calls(5)
        .bucket(input())
        .open_for_growing(input(), 2, input())
        .probes(2)
        .lease(input());
    let Ok(settings) = black_box(rules).check() else {
        return;
    };
    let window = match input() {
        0 => AnyWindow::Calls(LastCalls::new()),
        _ => AnyWindow::Time(LastTime::new()),
    };
    let breaker = CircuitBreaker::new(window);
    if let Ok(ticket) = breaker.try_admit(&settings, now()) {
        output(breaker.record(&settings, ticket, black_box(Outcome::SlowFailed), now()));
    }
    output((breaker.force_open(), breaker.metrics_only(), breaker.auto()));
    output(breaker.counts(&settings, now()));
    breaker.snapshot(&settings, now(), output);
    let words = (0..input()).map(|_| input());
    output(CircuitBreaker::restore(breaker_window(), now(), words).map(|breaker| breaker.state()));
}

fn breaker_window() -> AnyWindow {
    AnyWindow::Calls(LastCalls::new())
}

fn settings() {
    if let Ok(quota) = Quota::new(input(), input(), input()) {
        output((
            quota.skew(),
            quota.circle(),
            quota.blind(),
            quota.with_skew(input()).is_ok(),
        ));
        let limiter = RateLimiter::restore(quota, now(), input());
        output(limiter.snapshot(now()));
        output((limiter.check_n(now(), input()), limiter.available(now())));
    }
    let scale =
        Scale::new(input(), input()).and_then(|scale| scale.load(input(), input())?.cool_down(input()));
    if let Ok(scale) = scale {
        output(Scaler::new(scale).observe(input(), now()));
    }
    let patience = Patience::new(input()).and_then(|patience| patience.with(Priority::Low, input()));
    if let Ok(patience) = patience {
        let aging = Aging::new(patience);
        output(aging.next((0..input()).filter_map(nth).collect()));
        output(aging.age(Priority::Low));
    }
    output((
        Marks::new(input(), input()),
        Bounds::new(input(), input(), input()),
    ));
    output(Credits::new(input()).map(|credits| credits.try_acquire(input())));
    output(HybridClock::new(input(), now()).map(|clock| clock.tick(now())));
}

fn nth(class: u32) -> Option<Priority> {
    Priority::ALL.into_iter().nth(class as usize)
}

fn values() {
    let name = NonZeroU32::MIN.saturating_add(input());
    output(
        IdGenerator::starting_at(name)
            .next_block(input())
            .map(|mut ids| ids.next()),
    );
    output((NODES.enroll(name), NODES.slot(name)));
    let mut stamp = VectorClock::from_counts([input(); 3]);
    output((stamp.tick(input() as usize), stamp.count(input() as usize)));
    output(stamp.partial_cmp(&VectorClock::new()));
    let mut sum = Snapshot::<33>::new();
    sum.merge(&COUNTS.take());
    for (bucket, count) in sum.buckets() {
        output((bucket, count));
    }
    output(sum.quantile(input()));
    TOTAL.absorb(&Counter::new());
    output(Histogram::<33>::bucket(input()));
    output(RetryBudget::new(input(), input()).restore(input()).snapshot());
    if let Ok(bounds) = Bounds::new(input(), input(), input()) {
        let limit = ConcurrencyLimit::new(Gradient2::new(), bounds);
        if let Some(kept) = limit.snapshot() {
            output(ConcurrencyLimit::restore(Gradient2::new(), bounds, kept).limit());
        }
    }
}
