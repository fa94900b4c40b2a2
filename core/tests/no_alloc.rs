//! Every operation of every machine, under an allocator that counts: none of them allocates, refusals included.
//!
//! The crate is built without `alloc`, so that this could only fail through a dependency; it is the evidence for those
//! who read "no allocation" in the documentation. A machine's constructor runs inside as well.

use core::hint::black_box;
use core::num::{NonZeroU32, NonZeroU64};

use allocation_counter::measure;

use sweet_async_core::backoff::{Backoff, Jitter, Retries};
use sweet_async_core::breaker::{
    CircuitBreaker, Consecutive, LastCalls, LastTime, Outcome, Rules, Settings, Window,
};
use sweet_async_core::budget::RetryBudget;
use sweet_async_core::credit::{Credits, Turn};
use sweet_async_core::envelope::{Content, Head};
use sweet_async_core::group::Group;
use sweet_async_core::hybrid_clock::{HybridClock, Stamp};
use sweet_async_core::id::IdGenerator;
use sweet_async_core::lifecycle::{End, Level, Lifecycle, Reason};
use sweet_async_core::limit::{self, Aimd, Bounds, ConcurrencyLimit, Gradient2, Permit, Policy, Vegas};
#[cfg(feature = "mailbox")]
use sweet_async_core::mailbox::Mailbox;
use sweet_async_core::pressure::{Dropped, Drops, Marks, Overflow, Pressure};
use sweet_async_core::priority::{Aging, Classes, Patience, Priority};
use sweet_async_core::rate::{Quota, RateLimiter};
use sweet_async_core::scaler::{Scale, Scaler};
use sweet_async_core::stats::{Counter, Gauge, Histogram, ShardedCounter};
use sweet_async_core::tick::Tick;
use sweet_async_core::vector_clock::{AtomicVectorClock, Nodes, VectorClock};
#[cfg(feature = "waiters")]
use sweet_async_core::waiters::WaiterSet;

/// Asserts that `work` allocates nothing, the second time included.
fn allocates_nothing(work: impl Fn()) {
    let counted = measure(|| {
        work();
        work();
    });
    assert_eq!(counted.count_total, 0, "{counted:?}");
}

#[test]
fn the_counter_counts() {
    let counted = measure(|| drop(black_box(Box::new(1_u32))));
    assert_eq!(counted.count_total, 1, "{counted:?}");
}

#[test]
fn lifecycle() {
    allocates_nothing(|| {
        let task = Lifecycle::new();
        let _ = black_box(task.start());
        let _ = black_box((task.wait(), task.resume()));
        let _ = black_box((task.shield(), task.unshield(), task.unshield()));
        let _ = black_box((task.is_cancelled(), task.state(), task.snapshot()));
        let _ = black_box(task.cancel(Level::Graceful, Reason::Requested));
        let _ = black_box(task.cancel(Level::Kill, Reason::Parent));
        let _ = black_box((task.finish(End::Completed), task.finish(End::Cancelled)));
        let _ = black_box((task.start(), task.reject(), Lifecycle::new().reject()));
        let _ = black_box((task.restart(), task.restart()));
    });
}

#[test]
fn group() {
    allocates_nothing(|| {
        let group = Group::new();
        let _ = black_box((group.try_enter(), group.try_enter_within(1)));
        let _ = black_box((group.close(), group.try_enter()));
        let _ = black_box((group.leave(), group.leave(), group.close()));
        let _ = black_box((group.live(), group.is_closed(), group.is_empty(), group.is_over()));
    });
}

#[test]
fn credits() {
    allocates_nothing(|| {
        let credits = Credits::of::<4>();
        let _ = black_box((credits.try_acquire(3), credits.try_acquire(3)));
        let _ = black_box(credits.try_acquire_or_register(2, Turn::Newcomer));
        let _ = black_box((credits.release(3), credits.release(9), credits.pass_on()));
        credits.hush();
        let _ = black_box((credits.resize(2), credits.resize(u32::MAX)));
        let _ = black_box((
            credits.capacity(),
            credits.taken(),
            credits.free(),
            credits.debt(),
        ));
        let _ = black_box((credits.close(), credits.is_closed(), credits.try_acquire(1)));
    });
}

#[test]
fn ids() {
    allocates_nothing(|| {
        let ids = IdGenerator::new();
        let _ = black_box((ids.next(), ids.next_block(64), ids.left()));
        let last = IdGenerator::starting_at(NonZeroU32::MAX);
        let _ = black_box((last.next(), last.next(), last.next_block(2)));
    });
}

#[test]
fn backoff() {
    let jitters = [Jitter::None, Jitter::Full, Jitter::Equal];
    allocates_nothing(|| {
        for jitter in jitters {
            for policy in [
                Backoff::immediate(),
                Backoff::fixed(10),
                Backoff::linear(10),
                Backoff::exponential(10),
                Backoff::decorrelated(10),
            ] {
                let mut retries = Retries::under(policy.jitter(jitter).cap(50).attempts(3).total(200));
                for random in [0, 7, u32::MAX] {
                    let _ = black_box(retries.after_failure(random % 90, random));
                }
            }
        }
    });
}

#[test]
fn limit() {
    fn calls<P: Policy>(policy: P) {
        let limit = ConcurrencyLimit::new(policy, Bounds::of::<1, 2, 9>());
        let (one, two) = (limit.try_acquire(), limit.try_acquire());
        let _ = black_box((limit.try_enter(), limit.limit(), limit.in_flight()));
        let _ = black_box((one.map(|permit| permit.ok(9)), two.map(Permit::dropped)));
        let _ = black_box((limit.try_acquire(), limit.leave(limit::Outcome::Ignored)));
        let kept = limit.snapshot().unwrap_or_default();
        let _ = black_box(ConcurrencyLimit::restore(policy, limit.bounds(), kept));
    }
    allocates_nothing(|| {
        calls(Aimd::new());
        calls(Vegas::new());
        calls(Gradient2::new());
    });
}

#[test]
fn pressure() {
    allocates_nothing(|| {
        let pressure = Pressure::new(Marks::of::<1, 3>());
        let _ = black_box((
            pressure.rise(3),
            pressure.fall(2),
            pressure.fall(9),
            pressure.set(7),
        ));
        let _ = black_box((
            pressure.level(),
            pressure.is_high(),
            Overflow::KeepLatest.decide(true),
        ));
        let drops = Drops::new();
        drops.add(Dropped::Newest, 2);
        let _ = black_box((drops.count(Dropped::Newest), drops.total()));
    });
}

#[test]
fn hybrid_clock() {
    allocates_nothing(|| {
        let now = Tick::new(7);
        let clock = HybridClock::of::<2>(now);
        let _ = black_box((clock.tick(now), clock.last(), clock.last().bits()));
        let _ = black_box(clock.merge(Stamp::from_bits(8 << 10), now));
        let _ = black_box(clock.merge(Stamp::from_bits(99 << 10), now));
    });
}

#[test]
fn rate() {
    allocates_nothing(|| {
        let now = Tick::new(u32::MAX);
        let limiter = RateLimiter::new(Quota::of::<3, 2, 512>(), now);
        let _ = black_box((limiter.check(now), limiter.check(now), limiter.check_n(now, 300)));
        let _ = black_box((limiter.check_n(now, 300), limiter.check_n(now, 513)));
        let _ = black_box((limiter.check_n(now, 210), limiter.check(now)));
        let _ = black_box((limiter.available(now), limiter.check(now.after(9))));
        let _ = black_box(RateLimiter::restore(*limiter.quota(), now, limiter.snapshot(now)));
    });
}

/// Closed, open, half-open and every forced state, with each outcome; the permits are recorded, given back and dropped.
fn whole_life<W: Window>(breaker: &CircuitBreaker<W>, settings: &Settings) {
    let mut now = Tick::new(u32::MAX - 40);
    let outcomes = [
        Outcome::Ok,
        Outcome::SlowOk,
        Outcome::Ignored,
        Outcome::Cancelled,
        Outcome::SlowFailed,
        Outcome::Failed,
        Outcome::Failed,
    ];
    for outcome in outcomes.into_iter().cycle().take(40) {
        now = now.after(3);
        let _ = black_box(
            breaker
                .try_enter(settings, now)
                .map(|permit| permit.record(outcome, now)),
        );
        drop(black_box(breaker.try_enter(settings, now)));
        let _ = black_box(
            breaker
                .try_admit(settings, now)
                .map(|ticket| breaker.give_back(ticket)),
        );
        let _ = black_box((breaker.state(), breaker.counts(settings, now)));
    }
    breaker.snapshot(settings, now, |word| {
        black_box(word);
    });
    let _ = black_box((breaker.force_open(), breaker.try_enter(settings, now).is_ok()));
    let _ = black_box((breaker.force_closed(), breaker.try_enter(settings, now).is_ok()));
    let _ = black_box((breaker.metrics_only(), breaker.auto(), breaker.probes_in_flight()));
}

#[test]
fn breaker() {
    allocates_nothing(|| {
        let rules = Rules::new().failures(2).open_for(5).lease(4);
        let settings = rules.check().expect("the rules agree");
        whole_life(&CircuitBreaker::new(Consecutive::new()), &settings);
        let rules = Rules::new()
            .failure_rate(50)
            .slow_rate(80)
            .minimum_calls(2)
            .open_for(5)
            .lease(4);
        let settings = rules.last_calls(10).check().expect("the rules agree");
        whole_life(&CircuitBreaker::new(LastCalls::<2, 2>::new()), &settings);
        let settings = rules.bucket(Rules::MIN_BUCKET).check().expect("the rules agree");
        whole_life(&CircuitBreaker::new(LastTime::<4, 4>::new()), &settings);
    });
}

#[test]
fn budget() {
    allocates_nothing(|| {
        let budget = RetryBudget::new(500, 3).with_floor(1);
        let _ = black_box((budget.try_withdraw(), budget.try_withdraw()));
        budget.deposit();
        budget.top_up();
        let _ = black_box((budget.saved(), budget.try_withdraw()));
        let kept = budget.snapshot();
        let _ = black_box(budget.restore(kept));
    });
}

#[test]
fn priority() {
    allocates_nothing(|| {
        let patience = Patience::of::<2>().with(Priority::Low, 0);
        let aging = Aging::new(patience.unwrap_or(Patience::of::<1>()));
        for waiting in [Classes::ALL, Classes::ALL.without(Priority::High), Classes::NONE] {
            let _ = black_box((aging.next(waiting), aging.next(waiting), waiting.iter().last()));
        }
        let _ = black_box((aging.age(Priority::Normal), aging.patience()));
    });
}

#[test]
fn scaler() {
    allocates_nothing(|| {
        let scale = Scale::new(1, 8).and_then(|scale| scale.load(2, 4));
        let _ = black_box((Scale::new(2, 1), scale.map(|scale| scale.cool_down(u32::MAX))));
        if let Ok(scaler) = scale.map(Scaler::new) {
            let _ = black_box((scaler.observe(9, Tick::new(0)), scaler.observe(0, Tick::new(1))));
            let _ = black_box((scaler.observe(4, Tick::new(2)), scaler.workers(), scaler.scale()));
        }
    });
}

#[test]
fn stats() {
    allocates_nothing(|| {
        let counter = Counter::new();
        counter.increment();
        counter.add(u32::MAX);
        counter.add(7);
        counter.absorb(&Counter::new());
        let _ = black_box((counter.value(), counter.is_full(), counter.take()));
        let gauge = Gauge::new();
        gauge.set(3);
        let _ = black_box((gauge.raise(u32::MAX), gauge.lower(1), gauge.value()));
        let sharded = ShardedCounter::<1>::new();
        let _ = black_box(sharded.claim().map(|mut shard| shard.increment()));
        let _ = black_box((sharded.claim(), sharded.claim().err()));
        let _ = black_box((sharded.total(), sharded.writers()));
        let (histogram, other) = (Histogram::<240>::new(), Histogram::<240>::new());
        histogram.record(77);
        other.record(u32::MAX);
        histogram.absorb(&other);
        let mut seen = other.snapshot();
        seen.merge(&histogram.take());
        let _ = black_box((seen.count(), seen.quantile(500_000), seen.buckets().last()));
    });
}

#[test]
fn envelopes() {
    allocates_nothing(|| {
        let head = Head::new(NonZeroU64::MIN, 2, Content::Data { length: 3 });
        let mut bytes = [0; Head::SIZE + 3];
        if let Some((first, _)) = bytes.split_first_chunk_mut() {
            *first = black_box(head).encode();
        }
        let _ = black_box((
            Head::split(&bytes, 3),
            Head::split(&bytes, 2),
            Head::split(&bytes[3..], 3),
        ));
    });
}

#[test]
fn vector_clocks() {
    allocates_nothing(|| {
        let shared = AtomicVectorClock::<8>::new();
        let _ = black_box((shared.tick(3), shared.tick(8)));
        let mut own = VectorClock::from_counts([1, 2, 3, 4, 5, 6, 7, u32::MAX]);
        let _ = black_box((own.tick(0), own.tick(7), own.tick(8)));
        shared.merge(&own);
        own.merge(&shared.snapshot());
        let _ = black_box(own.compare(&shared.snapshot()));
        let nodes = Nodes::<1>::new();
        let [one, two] = [NonZeroU32::MIN, NonZeroU32::MAX];
        let _ = black_box((nodes.enroll(one), nodes.enroll(two), nodes.slot(two)));
    });
}

#[cfg(feature = "waiters")]
#[test]
fn waiters() {
    use core::future::Future;
    use core::pin::pin;
    use core::task::{Context, Waker};

    allocates_nothing(|| {
        let mut task = Context::from_waker(Waker::noop());
        let (credits, set) = (Credits::of::<2>(), WaiterSet::<2>::new());
        let served = black_box(pin!(set.acquire(&credits, 2)).poll(&mut task));
        let mut head = pin!(set.acquire(&credits, 2));
        {
            let mut next = pin!(set.acquire(&credits, 1));
            let _ = black_box((head.as_mut().poll(&mut task), next.as_mut().poll(&mut task)));
            let _ = black_box(pin!(set.acquire(&credits, 1)).poll(&mut task).is_ready());
        }
        drop(served);
        let _ = black_box((head.poll(&mut task).is_ready(), set.len(), set.is_empty()));
        let _ = black_box((set.resize(&credits, 3), set.release(&credits, 9)));
        let _ = black_box((set.close(&credits), set.close(&credits)));

        let owner = Lifecycle::new();
        let mut cancelled = pin!(set.cancelled(&owner));
        let _ = black_box(cancelled.as_mut().poll(&mut task).is_ready());
        let _ = black_box(owner.cancel(Level::Graceful, Reason::Requested));
        set.wake_all();
        let _ = black_box(cancelled.poll(&mut task).is_ready());
    });
}

#[cfg(feature = "mailbox")]
#[test]
fn mailbox() {
    use core::future::Future;
    use core::pin::pin;
    use core::task::{Context, Waker};

    allocates_nothing(|| {
        let mut task = Context::from_waker(Waker::noop());
        for overflow in [
            Overflow::Block,
            Overflow::Reject,
            Overflow::DropNewest,
            Overflow::DropOldest,
            Overflow::KeepLatest,
        ] {
            let mailbox: Mailbox<u32, 2, 1> = Mailbox::with(overflow);
            let mut receiving = pin!(mailbox.recv());
            let _ = black_box(receiving.as_mut().poll(&mut task));
            let _ = black_box(pin!(mailbox.recv()).poll(&mut task));
            for item in 0..3 {
                let _ = black_box(mailbox.try_send(item).map(Iterator::last));
            }
            {
                let mut sending = pin!(mailbox.send(3));
                let _ = black_box(sending.as_mut().poll(&mut task).is_ready());
                let _ = black_box(pin!(mailbox.send(4)).poll(&mut task).is_ready());
                let _ = black_box((receiving.poll(&mut task), mailbox.try_recv()));
                let _ = black_box(sending.poll(&mut task).is_ready());
            }
            let _ = black_box((mailbox.send(5).cancel(), mailbox.counts().in_hand()));
            let _ = black_box((mailbox.len(), mailbox.is_empty(), mailbox.overflow()));
            let _ = black_box((mailbox.close(), mailbox.close(), mailbox.is_closed()));
            let _ = black_box((mailbox.try_send(6), mailbox.try_recv()));
        }
    });
}

#[test]
fn ticks() {
    allocates_nothing(|| {
        let (before, after) = (Tick::new(u32::MAX), Tick::new(u32::MAX).after(2));
        let _ = black_box((after.since(before), before.is_before(after), before.order(after)));
    });
}
