//! Each operation that programs do often, so many times in a function of its own: `.ci/instructions` counts what it takes.

use core::hint::black_box;

use sweet_async_core::Tick;
use sweet_async_core::backoff::{Backoff, Jitter};
use sweet_async_core::breaker::{CircuitBreaker, Consecutive, LastCalls, Outcome, Rules, Settings, Window};
use sweet_async_core::budget::RetryBudget;
use sweet_async_core::credit::Credits;
use sweet_async_core::group::Group;
use sweet_async_core::lifecycle::Lifecycle;
use sweet_async_core::limit::{Aimd, Bounds, ConcurrencyLimit, Gradient2, Policy, Vegas};
use sweet_async_core::rate::{Quota, RateLimiter};
use sweet_async_core::stats::{Counter, Histogram, ShardedCounter};
use sweet_async_core::vector_clock::{AtomicVectorClock, VectorClock};

/// How often; `.ci/instructions` divides by it.
const TIMES: u32 = 1_000;

/// A function that is not inlined and does the operation `TIMES` times.
macro_rules! operations {
    ($($name:ident($($given:ident: $kind:ty),*) $operation:block)*) => {
        $(
            #[inline(never)]
            fn $name($($given: $kind),*) {
                for _ in 0..TIMES {
                    let _ = black_box($operation);
                }
            }
        )*
    };
}

operations! {
    operation_lifecycle_is_cancelled(lifecycle: &Lifecycle) { lifecycle.is_cancelled() }
    operation_group_enter_leave(group: &Group) { (group.try_enter().is_ok(), group.leave()) }
    operation_credits_acquire_release(credits: &Credits) { (credits.try_acquire(1).is_ok(), credits.release(1)) }
    operation_rate_check(limiter: &RateLimiter) { limiter.check(black_box(Tick::new(7))).is_ok() }
    operation_breaker_in_a_row(breaker: &CircuitBreaker<Consecutive>, settings: &Settings) { call(breaker, settings) }
    operation_breaker_last_64(breaker: &CircuitBreaker<LastCalls<4>>, settings: &Settings) { call(breaker, settings) }
    operation_limit_aimd(limit: &ConcurrencyLimit<Aimd>) { limited(limit) }
    operation_limit_vegas(limit: &ConcurrencyLimit<Vegas>) { limited(limit) }
    operation_limit_gradient2(limit: &ConcurrencyLimit<Gradient2>) { limited(limit) }
    operation_budget_deposit_withdraw(budget: &RetryBudget) { (budget.deposit(), budget.try_withdraw().is_ok()) }
    operation_backoff_next(backoff: &Backoff) { backoff.next(black_box(3), 400, 0, black_box(77)) }
    operation_counter_increment(counter: &Counter) { counter.increment() }
    operation_shard_increment(counter: &ShardedCounter<2>) { counter.claim().map(|mut shard| shard.increment()).is_ok() }
    operation_histogram_record(histogram: &Histogram) { histogram.record(black_box(700)) }
    operation_clock_merge_8(clock: &mut VectorClock<8>, other: &VectorClock<8>) { black_box(&mut *clock).merge(black_box(other)) }
    operation_clock_merge_64(clock: &mut VectorClock<64>, other: &VectorClock<64>) { black_box(&mut *clock).merge(black_box(other)) }
    operation_clock_compare_8(clock: &VectorClock<8>, other: &VectorClock<8>) { black_box(clock).compare(black_box(other)) }
    operation_clock_compare_64(clock: &VectorClock<64>, other: &VectorClock<64>) { black_box(clock).compare(black_box(other)) }
    operation_shared_clock_tick(clock: &AtomicVectorClock<8>) { clock.tick(black_box(3)).is_ok() }
    operation_shared_clock_snapshot(clock: &AtomicVectorClock<8>) { clock.snapshot() }
}

fn call<W: Window>(breaker: &CircuitBreaker<W>, settings: &Settings) -> bool {
    let entered = breaker.try_enter(settings, black_box(Tick::new(7)));
    entered.is_ok_and(|permit| {
        let _ = permit.record(black_box(Outcome::Ok), Tick::new(8));
        true
    })
}

fn limited<P: Policy>(limit: &ConcurrencyLimit<P>) -> Option<u32> {
    limit.try_acquire().ok().map(|permit| permit.ok(black_box(12)))
}

fn main() {
    let rules = Rules::new()
        .failures(5)
        .failure_rate(50)
        .last_calls(64)
        .minimum_calls(10);
    let Ok(settings) = rules.open_for(1_000).check() else {
        return;
    };
    let bounds = Bounds::of::<1, 10, 100>();
    let counter = Counter::new();
    operation_lifecycle_is_cancelled(&Lifecycle::new());
    operation_group_enter_leave(&Group::new());
    operation_credits_acquire_release(&Credits::of::<1_000>());
    operation_rate_check(&RateLimiter::new(Quota::of::<1, 1, 1_000_000>(), Tick::new(7)));
    operation_breaker_in_a_row(&CircuitBreaker::new(Consecutive::new()), &settings);
    operation_breaker_last_64(&CircuitBreaker::new(LastCalls::new()), &settings);
    operation_limit_aimd(&ConcurrencyLimit::new(Aimd::new(), bounds));
    operation_limit_vegas(&ConcurrencyLimit::new(Vegas::new(), bounds));
    operation_limit_gradient2(&ConcurrencyLimit::new(Gradient2::new(), bounds));
    operation_budget_deposit_withdraw(&RetryBudget::new(1_000, 50));
    operation_backoff_next(&Backoff::exponential(100).cap(5_000).jitter(Jitter::Full));
    operation_counter_increment(&counter);
    operation_shard_increment(&ShardedCounter::new());
    operation_histogram_record(&Histogram::new());
    operation_clock_merge_8(&mut VectorClock::new(), &VectorClock::from_counts([3; 8]));
    operation_clock_merge_64(&mut VectorClock::new(), &VectorClock::from_counts([3; 64]));
    operation_clock_compare_8(&VectorClock::new(), &VectorClock::from_counts([3; 8]));
    operation_clock_compare_64(&VectorClock::new(), &VectorClock::from_counts([3; 64]));
    operation_shared_clock_tick(&AtomicVectorClock::new());
    operation_shared_clock_snapshot(&AtomicVectorClock::new());
    println!("{TIMES} times each, {} counted", counter.value());
}
