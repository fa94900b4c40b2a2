//! What an operation costs, counted: the face of unit tests counts each access, and the tables in the documentation of
//! the crate say what was counted.

extern crate alloc;
extern crate std;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt::Display;
use core::num::NonZeroU32;
use std::thread_local;

use super::{Ordering, Plain};
use crate::breaker::{AnyWindow, CircuitBreaker, Consecutive, LastCalls, LastTime, Outcome, Rules};
use crate::budget::RetryBudget;
use crate::credit::{Credits, Turn};
use crate::group::Group;
use crate::hybrid_clock::HybridClock;
use crate::id::IdGenerator;
use crate::lifecycle::{End, Level, Lifecycle, Reason};
use crate::limit::{Aimd, Bounds, ConcurrencyLimit, Gradient2, Vegas};
use crate::pressure::{Dropped, Drops, Marks, Pressure};
use crate::priority::{Aging, Classes, Patience};
use crate::rate::{Quota, RateLimiter};
use crate::scaler::{Scale, Scaler};
use crate::stats::{Counter, Gauge, Histogram, ShardedCounter};
use crate::tick::Tick;
use crate::vector_clock::{AtomicVectorClock, Nodes, VectorClock};

thread_local! {
    /// Loads, stores and read-modify-writes of this thread.
    static COUNTED: Cell<[u32; 3]> = const { Cell::new([0; 3]) };
}

fn count(kind: usize) {
    COUNTED.with(|counted| {
        let mut counts = counted.get();
        counts[kind] += 1;
        counted.set(counts);
    });
}

/// The atomic of another face, which counts how often it is touched.
#[derive(Debug, Default)]
pub(crate) struct AtomicU32(Plain);

impl AtomicU32 {
    pub(crate) const fn new(value: u32) -> Self {
        Self(Plain::new(value))
    }

    pub(crate) fn load(&self, ordering: Ordering) -> u32 {
        count(0);
        self.0.load(ordering)
    }

    pub(crate) fn store(&self, value: u32, ordering: Ordering) {
        count(1);
        self.0.store(value, ordering);
    }

    pub(crate) fn swap(&self, value: u32, ordering: Ordering) -> u32 {
        count(2);
        self.0.swap(value, ordering)
    }

    pub(crate) fn fetch_add(&self, value: u32, ordering: Ordering) -> u32 {
        count(2);
        self.0.fetch_add(value, ordering)
    }

    #[cfg(feature = "mailbox")]
    pub(crate) fn fetch_sub(&self, value: u32, ordering: Ordering) -> u32 {
        count(2);
        self.0.fetch_sub(value, ordering)
    }

    pub(crate) fn fetch_and(&self, value: u32, ordering: Ordering) -> u32 {
        count(2);
        self.0.fetch_and(value, ordering)
    }

    pub(crate) fn fetch_or(&self, value: u32, ordering: Ordering) -> u32 {
        count(2);
        self.0.fetch_or(value, ordering)
    }

    pub(crate) fn fetch_max(&self, value: u32, ordering: Ordering) -> u32 {
        count(2);
        self.0.fetch_max(value, ordering)
    }

    pub(crate) fn compare_exchange(
        &self,
        current: u32,
        new: u32,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u32, u32> {
        count(2);
        self.0.compare_exchange(current, new, success, failure)
    }

    /// Weak where the machine has a weak one, and counted like a strong one: nobody interferes in these tests, but a
    /// processor may lose its reservation.
    pub(crate) fn compare_exchange_weak(
        &self,
        current: u32,
        new: u32,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u32, u32> {
        let answer = self.0.compare_exchange_weak(current, new, success, failure);
        if answer != Err(current) {
            count(2);
        }
        answer
    }

    pub(crate) fn into_inner(self) -> u32 {
        self.0.into_inner()
    }
}

/// One row of the table in the documentation of the crate.
fn row<A>(machine: &str, bytes: impl Display, call: &str, work: impl FnOnce() -> A) -> String {
    COUNTED.set([0; 3]);
    let answer = work();
    let [loads, stores, exchanges] = COUNTED.get();
    drop(answer);
    format!("//! | `{machine}` | {bytes} | {call} | {loads} | {stores} | {exchanges} |")
}

/// The number of bytes of the machine, its name and the count of the call, as the documentation has them.
macro_rules! row {
    ($machine:ident: $name:literal, $call:literal, $work:expr) => {
        row($name, size_of_val(&$machine), $call, || $work)
    };
}

const NOW: Tick = Tick::new(1_000);

#[expect(clippy::too_many_lines, reason = "a table")]
fn table() -> Vec<String> {
    let settings = Rules::new().failures(2).open_for(100).check().unwrap();
    let life = Lifecycle::new();
    let group = Group::new();
    let credits = Credits::of::<4>();
    let breaker = CircuitBreaker::new(Consecutive::new());
    let calls = CircuitBreaker::new(LastCalls::<4>::new());
    let time = CircuitBreaker::new(LastTime::<8>::new());
    let any = CircuitBreaker::new(AnyWindow::Calls(LastCalls::new()));
    // The first call of a generation takes the window over, which is not what a call usually costs.
    let ticket = calls.try_admit(&settings, NOW).unwrap();
    let _ = calls.record(&settings, ticket, Outcome::Ok, NOW);
    let ticket = time.try_admit(&settings, NOW).unwrap();
    let _ = time.record(&settings, ticket, Outcome::Ok, NOW);
    let ticket = any.try_admit(&settings, NOW).unwrap();
    let _ = any.record(&settings, ticket, Outcome::Ok, NOW);
    let open = CircuitBreaker::new(Consecutive::new());
    for _ in 0..2 {
        let ticket = open.try_admit(&settings, NOW).unwrap();
        let _ = open.record(&settings, ticket, Outcome::Failed, NOW);
    }
    let budget = RetryBudget::new(100, 5).with_floor(2);
    let rate = RateLimiter::new(Quota::of::<1, 10, 2>(), NOW);
    // A cache line for the word and one for the quota where there are 64 bits; `rate::tests` holds both sizes.
    let rate_bytes = "24 or 128";
    let limit = ConcurrencyLimit::new(Aimd::new(), Bounds::of::<1, 4, 9>());
    let vegas = ConcurrencyLimit::new(Vegas::new(), Bounds::of::<1, 4, 9>());
    let gradient = ConcurrencyLimit::new(Gradient2::new(), Bounds::of::<1, 4, 9>());
    let aimd_call = limit.try_acquire().unwrap();
    let (vegas_call, gradient_call) = (vegas.try_acquire().unwrap(), gradient.try_acquire().unwrap());
    let pressure = Pressure::new(Marks::of::<1, 3>());
    let drops = Drops::new();
    let clock = AtomicVectorClock::<4>::new();
    let stamp = VectorClock::from_counts([0, 7, 0, 9]);
    let nodes = Nodes::<4>::new();
    let hybrid = HybridClock::of::<100>(NOW);
    let ids = IdGenerator::new();
    let aging = Aging::new(Patience::of::<2>());
    let scaler = Scaler::new(Scale::new(1, 8).unwrap());
    let counter = Counter::new();
    let gauge = Gauge::new();
    let histogram = <Histogram>::new();
    let sharded = ShardedCounter::<4>::new();
    let mut shard = sharded.claim().unwrap();
    Vec::from([
        row!(life: "Lifecycle", "`start`", life.start()),
        row!(life: "Lifecycle", "`is_cancelled`, `snapshot`", life.is_cancelled()),
        row!(life: "Lifecycle", "`cancel`", life.cancel(Level::Graceful, Reason::Requested)),
        row!(life: "Lifecycle", "`finish`", life.finish(End::Completed)),
        row!(life: "Lifecycle", "`restart`", life.restart()),
        row!(group: "Group", "`try_enter`", group.try_enter()),
        row!(group: "Group", "`leave`", group.leave()),
        row!(credits: "Credits", "`try_acquire`", credits.try_acquire(2)),
        row!(credits: "Credits", "`try_acquire`, refused", credits.try_acquire(3)),
        row!(credits: "Credits", "`release`", credits.release(1)),
        row!(credits: "Credits", "`try_acquire_or_register`", {
            credits.try_acquire_or_register(4, Turn::Newcomer)
        }),
        row!(breaker: "CircuitBreaker<Consecutive>", "`try_admit` and `record`, closed, well", {
            let ticket = breaker.try_admit(&settings, NOW).unwrap();
            breaker.record(&settings, ticket, Outcome::Ok, NOW)
        }),
        row!(breaker: "CircuitBreaker<Consecutive>", "`try_admit` and `record`, closed, failed", {
            let ticket = breaker.try_admit(&settings, NOW).unwrap();
            breaker.record(&settings, ticket, Outcome::Failed, NOW)
        }),
        row!(open: "CircuitBreaker<Consecutive>", "`try_admit`, refused", open.try_admit(&settings, NOW)),
        row!(open: "CircuitBreaker<Consecutive>", "`try_admit` and `record`, probe", {
            let ticket = open.try_admit(&settings, NOW.after(100)).unwrap();
            open.record(&settings, ticket, Outcome::Ok, NOW.after(100))
        }),
        row!(calls: "CircuitBreaker<LastCalls<4>>", "`try_admit` and `record`, closed, well", {
            let ticket = calls.try_admit(&settings, NOW).unwrap();
            calls.record(&settings, ticket, Outcome::Ok, NOW)
        }),
        row!(calls: "CircuitBreaker<LastCalls<4>>", "`try_admit` and `record`, closed, failed", {
            let ticket = calls.try_admit(&settings, NOW).unwrap();
            calls.record(&settings, ticket, Outcome::Failed, NOW)
        }),
        row!(time: "CircuitBreaker<LastTime<8>>", "`try_admit` and `record`, closed, well", {
            let ticket = time.try_admit(&settings, NOW).unwrap();
            time.record(&settings, ticket, Outcome::Ok, NOW)
        }),
        row!(any: "CircuitBreaker<AnyWindow>", "`try_admit` and `record`, closed, well", {
            let ticket = any.try_admit(&settings, NOW).unwrap();
            any.record(&settings, ticket, Outcome::Ok, NOW)
        }),
        row!(budget: "RetryBudget", "`deposit`", budget.deposit()),
        row!(budget: "RetryBudget", "`try_withdraw`", budget.try_withdraw()),
        row("RateLimiter", rate_bytes, "`check`", || rate.check(NOW)),
        row("RateLimiter", rate_bytes, "`check_n`, refused", || {
            rate.check_n(NOW, 2)
        }),
        row!(limit: "ConcurrencyLimit<Aimd>", "`try_acquire`", limit.try_enter()),
        row!(limit: "ConcurrencyLimit<Aimd>", "`ok`, `dropped`", aimd_call.ok(7)),
        row!(vegas: "ConcurrencyLimit<Vegas>", "`ok`, `dropped`", vegas_call.ok(7)),
        row!(gradient: "ConcurrencyLimit<Gradient2>", "`ok`, `dropped`", gradient_call.ok(7)),
        row!(pressure: "Pressure", "`rise`, `fall`", pressure.rise(2)),
        row!(drops: "Drops", "`add`", drops.add(Dropped::Oldest, 1)),
        row!(clock: "AtomicVectorClock<4>", "`tick`", clock.tick(0)),
        row!(clock: "AtomicVectorClock<4>", "`merge` of two newer counts", clock.merge(&stamp)),
        row!(clock: "AtomicVectorClock<4>", "`snapshot`", clock.snapshot()),
        row!(nodes: "Nodes<4>", "`enroll` in the first slot", nodes.enroll(NonZeroU32::MIN)),
        row!(hybrid: "HybridClock", "`tick`, `merge`", hybrid.tick(NOW)),
        row!(ids: "IdGenerator", "`next`, `next_block`", ids.next()),
        row!(aging: "Aging", "`next`", aging.next(Classes::ALL)),
        row!(scaler: "Scaler", "`observe`, no change", scaler.observe(1, NOW)),
        row!(scaler: "Scaler", "`observe`, a change", scaler.observe(9, NOW)),
        row!(counter: "Counter", "`add`", counter.add(1)),
        row!(gauge: "Gauge", "`raise`, `lower`", gauge.raise(1)),
        row!(histogram: "Histogram", "`record`", histogram.record(7)),
        row!(sharded: "ShardedCounter<4>", "`add` to a shard", shard.add(1)),
    ])
}

/// The rows of what comes with the feature `mailbox`.
#[cfg(feature = "mailbox")]
fn mailbox() -> Vec<String> {
    let mailbox = crate::mailbox::Mailbox::<u32, 4>::new();
    let row = |call, work: &dyn Fn()| row("Mailbox<u32, 4>", "*", call, work);
    Vec::from([
        row("`try_send`, nobody waits", &|| {
            let _ = mailbox.try_send(7);
        }),
        row("`try_recv`, nobody waits", &|| {
            let _ = mailbox.try_recv();
        }),
    ])
}

#[cfg(not(feature = "mailbox"))]
fn mailbox() -> Vec<String> {
    Vec::new()
}

#[test]
fn the_documented_costs_are_what_is_counted() {
    let documented: Vec<_> = include_str!("../lib.rs")
        .lines()
        .skip_while(|line| !line.starts_with("//! | machine | bytes |"))
        .skip(2)
        .take_while(|line| line.starts_with("//! |"))
        .filter(|line| cfg!(feature = "mailbox") || !line.contains("`Mailbox"))
        .collect();
    let counted: Vec<_> = table().into_iter().chain(mailbox()).collect();
    assert!(documented == counted, "counted was:\n{}", counted.join("\n"));
}
