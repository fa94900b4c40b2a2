//! What every machine shows to the outside: it lives in a `static`, has a size that a firmware can plan with, is shared
//! between threads where it is meant to be, and says in its `Debug` what its words mean.

use core::cell::Cell;
use core::num::NonZeroU32;

use sweet_async_core::backoff::{Backoff, Jitter, Retries, Stop};
use sweet_async_core::breaker::{
    self, AnyWindow, CircuitBreaker, Consecutive, Counts, LastCalls, LastTime, Recorded, Refused, Rules,
    Settings, SettingsError, SnapshotError, Ticket,
};
use sweet_async_core::budget::{Overdrawn, RetryBudget};
use sweet_async_core::credit::{
    self, AcquireError, Admission, Credits, OverRelease, Released, ResizeError, Turn,
};
use sweet_async_core::group::{self, EnterError, Exit, Group, NobodyInside};
use sweet_async_core::hybrid_clock::{HybridClock, Skew, Stamp, TooFar};
use sweet_async_core::id::{Block, Exhausted, IdGenerator};
use sweet_async_core::lifecycle::{
    self, Cancel, End, FinishError, Level, Lifecycle, Reason, ShieldError, Start,
};
use sweet_async_core::limit::{
    self, Aimd, Bounds, BoundsError, ConcurrencyLimit, Full, Gradient2, NotEntered, Sample, Vegas,
};
use sweet_async_core::pressure::{
    Action, BelowZero, Crossing, Dropped, Drops, Marks, MarksError, Overflow, Pressure,
};
use sweet_async_core::priority::{Aging, Classes, Patience, PatienceError, Priority};
use sweet_async_core::rate::{CheckError, Quota, QuotaError, RateLimiter, RetryAt};
use sweet_async_core::scaler::{Decision, Scale, ScaleError, Scaler};
use sweet_async_core::stats::{self, AllClaimed, Bucket, Counter, Gauge, Histogram, Shard, ShardedCounter};
use sweet_async_core::tick::Tick;
use sweet_async_core::vector_clock::{self, AtomicVectorClock, Causality, Nodes, TickError, VectorClock};

/// Each machine as a firmware has it. That this compiles says that the constructors are `const` and the machines `Sync`.
mod statics {
    use super::*;

    pub(super) static LIFE: Lifecycle = Lifecycle::new();
    pub(super) static GROUP: Group = Group::new();
    pub(super) static CREDITS: Credits = Credits::of::<5>();
    pub(super) static CREDITS_CHECKED: Result<Credits, credit::TooMany> = Credits::new(5);
    pub(super) static IN_A_ROW: CircuitBreaker<Consecutive> = CircuitBreaker::new(Consecutive::new());
    pub(super) static CALLS: CircuitBreaker<LastCalls<4>> = CircuitBreaker::new(LastCalls::new());
    pub(super) static TIME: CircuitBreaker<LastTime<8>> = CircuitBreaker::new(LastTime::new());
    pub(super) static ANY: CircuitBreaker<AnyWindow> =
        CircuitBreaker::new(AnyWindow::Consecutive(Consecutive::new()));
    pub(super) static RULES: Result<Settings, SettingsError> = Rules::new().failures(2).check();
    pub(super) static BACKOFF: Backoff = Backoff::exponential(10).cap(50).jitter(Jitter::Equal).attempts(3);
    pub(super) static BUDGET: RetryBudget = RetryBudget::new(100, 5).with_floor(2);
    pub(super) static BUDGET_KEPT: RetryBudget = RetryBudget::new(100, 5).restore(3_400);
    pub(super) static RATE: RateLimiter = RateLimiter::new(Quota::of::<1, 10, 3>(), Tick::new(0));
    pub(super) static RATE_KEPT: RateLimiter =
        RateLimiter::restore(Quota::of::<1, 10, 3>(), Tick::new(7), 20);
    pub(super) static AIMD: ConcurrencyLimit<Aimd> =
        ConcurrencyLimit::new(Aimd::new(), Bounds::of::<1, 4, 9>());
    pub(super) static VEGAS: ConcurrencyLimit<Vegas> =
        ConcurrencyLimit::new(Vegas::new(), Bounds::of::<1, 4, 9>());
    pub(super) static GRADIENT: ConcurrencyLimit<Gradient2> =
        ConcurrencyLimit::new(Gradient2::new(), Bounds::of::<1, 4, 9>());
    pub(super) static AIMD_KEPT: ConcurrencyLimit<Aimd> = ConcurrencyLimit::restore(
        Aimd::new(),
        Bounds::of::<1, 4, 9>(),
        limit::State {
            limit: 7 * limit::ONE,
            memory: [0; 3],
        },
    );
    pub(super) static PRESSURE: Pressure = Pressure::new(Marks::of::<2, 8>());
    pub(super) static DROPS: Drops = Drops::new();
    pub(super) static VECTOR: AtomicVectorClock<3> = AtomicVectorClock::new();
    pub(super) static NODES: Nodes<2> = Nodes::new();
    pub(super) static HYBRID: HybridClock = HybridClock::of::<500>(Tick::new(12));
    pub(super) static HYBRID_CHECKED: Result<HybridClock, TooFar> = HybridClock::new(500, Tick::new(12));
    pub(super) static IDS: IdGenerator = IdGenerator::new();
    pub(super) static AGING: Aging = Aging::new(Patience::of::<2>());
    pub(super) static COUNTER: Counter = Counter::new();
    pub(super) static GAUGE: Gauge = Gauge::new();
    pub(super) static MILLIS: Histogram = Histogram::new();
    pub(super) static COARSE: Histogram<33> = Histogram::new();
    pub(super) static SHARDED: ShardedCounter<2> = ShardedCounter::new();
    pub(super) static SCALER: Scaler = Scaler::new(match Scale::new(1, 8) {
        Ok(scale) => scale,
        Err(_) => panic!("1 to 8 workers are in bounds"),
    });
    #[cfg(feature = "waiters")]
    pub(super) static WAITERS: sweet_async_core::WaiterSet<4> = sweet_async_core::WaiterSet::new();
    #[cfg(feature = "mailbox")]
    pub(super) static MAILBOX: sweet_async_core::Mailbox<u16, 3> =
        sweet_async_core::Mailbox::with(Overflow::DropOldest);
}

/// What a firmware plans with; the same on every target. The machines are in the table of the crate's documentation.
const _: () = {
    assert!(size_of::<Tick>() == 4 && size_of::<Option<Tick>>() == 8);
    assert!(size_of::<Ticket>() == 4 && size_of::<Stamp>() == 4 && size_of::<lifecycle::Snapshot>() == 4);
    assert!(size_of::<Settings>() <= 32 && size_of::<Rules>() <= 28);
    assert!(size_of::<Backoff>() <= 36 && size_of::<Retries>() <= 44);
    assert!(size_of::<Quota>() == 20 && size_of::<Bounds>() == 12 && size_of::<limit::State>() == 16);
    assert!(size_of::<Marks>() == 8 && size_of::<Scale>() == 20 && size_of::<Patience>() == 5);
    assert!(size_of::<Block>() == 8 && size_of::<VectorClock<4>>() == 16);
    assert!(size_of::<Priority>() == 1 && size_of::<Classes>() == 1);
    assert!(size_of::<Result<Ticket, Refused>>() <= 12);
};

macro_rules! shared {
    ($($type:ty),* $(,)?) => {
        const _: () = {
            const fn assert_shared<T: Send + Sync + Unpin>() {}
            $(assert_shared::<$type>();)*
        };
    };
}

shared!(
    Lifecycle,
    lifecycle::Snapshot,
    lifecycle::State,
    Level,
    Reason,
    End,
    Start,
    Cancel,
    FinishError,
    ShieldError,
    Group,
    group::Close,
    Exit,
    EnterError,
    NobodyInside,
    Credits,
    Turn,
    Admission,
    Released,
    credit::Close,
    AcquireError,
    ResizeError,
    OverRelease,
    credit::TooMany,
    CircuitBreaker<Consecutive>,
    CircuitBreaker<LastCalls<4>>,
    CircuitBreaker<LastTime<8>>,
    CircuitBreaker<AnyWindow>,
    breaker::Permit<'static, Consecutive>,
    Ticket,
    breaker::State,
    breaker::Outcome,
    Recorded,
    Refused,
    Counts,
    Rules,
    Settings,
    SettingsError,
    SnapshotError,
    Backoff,
    Retries,
    Jitter,
    Stop,
    RetryBudget,
    Overdrawn,
    RateLimiter,
    Quota,
    QuotaError,
    RetryAt,
    CheckError,
    ConcurrencyLimit<Aimd>,
    ConcurrencyLimit<Vegas>,
    ConcurrencyLimit<Gradient2>,
    limit::Permit<'static, Aimd>,
    Bounds,
    BoundsError,
    Full,
    NotEntered,
    limit::Outcome,
    limit::State,
    Sample,
    Pressure,
    Marks,
    MarksError,
    Crossing,
    BelowZero,
    Drops,
    Dropped,
    Overflow,
    Action,
    AtomicVectorClock<4>,
    VectorClock<4>,
    Nodes<4>,
    vector_clock::Full,
    Causality,
    TickError,
    HybridClock,
    Stamp,
    Skew,
    TooFar,
    IdGenerator,
    Block,
    Exhausted,
    Aging,
    Patience,
    PatienceError,
    Priority,
    Classes,
    Scaler,
    Scale,
    ScaleError,
    Decision,
    Counter,
    Gauge,
    Histogram,
    stats::Snapshot,
    Bucket,
    ShardedCounter<4>,
    Shard<'static>,
    AllClaimed,
    Tick,
);

/// Does not compile if the type has the trait: then two implementations fit.
macro_rules! lacks {
    ($($type:ty: $trait:path),* $(,)?) => {$(
        const _: fn() = || {
            trait Ambiguous<A> {
                fn here() {}
            }
            struct Twice;
            impl<T: ?Sized> Ambiguous<()> for T {}
            impl<T: ?Sized + $trait> Ambiguous<Twice> for T {}
            let _ = <$type as Ambiguous<_>>::here;
        };
    )*};
}

// What is owed once cannot be had twice.
lacks!(
    Ticket: Clone,
    breaker::Permit<'static, Consecutive>: Clone,
    limit::Permit<'static, Aimd>: Clone,
    Shard<'static>: Clone,
    Block: Clone,
    Lifecycle: Clone,
    Credits: Clone,
    Counter: Clone,
);

// A policy is called by whoever leaves, so a limit is shared only if its policy is; an item goes from one to another.
lacks!(
    ConcurrencyLimit<Cell<u32>>: Sync,
    ConcurrencyLimit<*const u32>: Send,
);

#[cfg(feature = "waiters")]
mod waiting {
    use core::cell::Cell;

    use sweet_async_core::waiters::{Acquire, Cancelled, Full, Permit, WaitError, WaiterSet};

    shared!(
        WaiterSet<4>,
        Acquire<'static, 4>,
        Cancelled<'static, 4>,
        Permit<'static, 4>,
        Full,
        WaitError
    );
    lacks!(Permit<'static, 4>: Clone, Acquire<'static, 4>: Clone);

    #[cfg(feature = "mailbox")]
    mod mailbox {
        use super::Cell;
        use sweet_async_core::mailbox::{
            Counts, Displaced, Mailbox, Receiving, RecvError, Refused, SendError, Sending, TryRecvError,
        };

        shared!(
            Mailbox<u16, 3>, Receiving<'static, u16, 3, 4>, Sending<'static, u16, 3, 4>, Displaced<u16, 3>, Counts,
            RecvError, Refused, SendError<u16>, TryRecvError,
        );
        lacks!(Mailbox<Cell<u16>, 3>: Sync, Mailbox<*const u16, 3>: Send);
    }
}

#[test]
fn debug_says_what_the_words_mean() {
    use statics::*;

    assert_eq!(LIFE.start(), Start::Run);
    assert_eq!(LIFE.cancel(Level::Graceful, Reason::Shutdown), Cancel::Raised);
    assert!(GROUP.try_enter().is_ok() && CREDITS.try_acquire(2).is_ok());
    let settings = RULES.expect("in range");
    let failing = IN_A_ROW.try_enter(&settings, Tick::new(0)).expect("closed");
    assert!(format!("{failing:?}").contains("Ticket { generation: 0, probe: false, half_opened: false }"));
    assert_eq!(
        failing.record(breaker::Outcome::Failed, Tick::new(0)),
        Recorded::Unchanged
    );
    RATE.check_n(Tick::new(40), 2).expect("within the burst");
    let call = AIMD.try_acquire().expect("free");
    assert_eq!(PRESSURE.rise(9), Crossing::High);
    DROPS.add(Dropped::Oldest, 3);
    assert_eq!(VECTOR.tick(1), Ok(1));
    assert_eq!(NODES.enroll(NonZeroU32::MIN.saturating_add(46)), Ok(0));
    let stamp = HYBRID.tick(Tick::new(12)).expect("in bounds");
    let mut block = IDS.next_block(3).expect("enough");
    assert_eq!(block.next(), Some(NonZeroU32::MIN));
    assert_eq!(AGING.next(Classes::ALL), Some(Priority::Critical));
    assert_eq!(SCALER.observe(3, Tick::new(0)), Decision::Grow(2));
    COUNTER.add(41);
    let _ = GAUGE.raise(7);
    MILLIS.record(1_000);
    let mut shard = SHARDED.claim().expect("free");
    shard.add(9);

    let shown = [
        (
            format!("{LIFE:?}"),
            "Lifecycle(Snapshot { state: Running, level: Some(Graceful), reason: Some(Shutdown), attempt: 1, shields: 0 })",
        ),
        (format!("{GROUP:?}"), "Group { closed: false, live: 1 }"),
        (
            format!("{CREDITS:?}"),
            "Credits { closed: false, waiters: false, capacity: 5, taken: 2 }",
        ),
        (
            format!("{IN_A_ROW:?}"),
            "CircuitBreaker { state: Closed, failures_in_a_row: 1, .. }",
        ),
        (
            format!("{BUDGET:?} {BUDGET_KEPT:?}"),
            "RetryBudget { saved: 2, permille: 100, most: 5, floor: 2 } \
             RetryBudget { saved: 3, permille: 100, most: 5, floor: 0 }",
        ),
        (
            format!("{RATE:?}"),
            "RateLimiter { quota: Quota { cells: 1, ticks: 10, burst: 3, skew: 1000 }, \
             whole_at: tick 60 modulo 4294967295 }",
        ),
        (
            format!("{call:?}"),
            "Permit(ConcurrencyLimit { limit: 4, in_flight: 1, bounds: Bounds { min: 1, initial: 4, max: 9 }, \
             policy: Aimd { backoff_percent: 90 }, .. })",
        ),
        (
            format!("{:?} {:?}", Gradient2::new(), Vegas::new()),
            "Gradient2 { tolerance_percent: 150, queue: 4, smoothing_percent: 20, window: 600 } Vegas",
        ),
        (
            format!("{PRESSURE:?}"),
            "Pressure { level: 9, high: true, marks: Marks { low: 2, high: 8 } }",
        ),
        (
            format!("{DROPS:?}"),
            "Drops { rejected: 0, newest: 0, oldest: 3, superseded: 0 }",
        ),
        (format!("{VECTOR:?}"), "AtomicVectorClock { counts: [0, 1, 0] }"),
        (format!("{NODES:?}"), "[47]"),
        (
            format!("{HYBRID:?} {stamp:?}"),
            "HybridClock { last: Stamp(12+1), bound: 500 } Stamp(12+1)",
        ),
        (format!("{IDS:?}"), "IdGenerator { left: 4294967292 }"),
        (
            format!("{AGING:?}"),
            "Aging { critical: 0, high: 1, normal: 1, low: 1, background: 1, patience: Patience { of: [2, 2, 2, 2, 2] }, .. }",
        ),
        (
            format!("{SCALER:?}"),
            "Scaler { workers: 3, cooling: true, \
             scale: Scale { min: 1, max: 8, idle: 0, full: 1, cool_down: 0 }, .. }",
        ),
        (format!("{COUNTER:?}"), "Counter { value: 41, full: false }"),
        (format!("{GAUGE:?}"), "Gauge { value: 7 }"),
        (format!("{MILLIS:?}"), "Histogram({960..=1023: 1})"),
        (
            format!("{SHARDED:?} {shard:?}"),
            "ShardedCounter { total: 9, writers: 1, .. } Shard { cell: 0, count: 9, .. }",
        ),
    ];
    for (debug, expected) in shown {
        assert_eq!(debug, expected);
    }
}

#[test]
fn what_lives_in_a_static_works_there() {
    use statics::*;

    assert_eq!(CREDITS_CHECKED.as_ref().map(Credits::free), Ok(5));
    assert!(
        HYBRID_CHECKED
            .as_ref()
            .is_ok_and(|clock| clock.last().tick() == 12)
    );
    assert_eq!(BACKOFF.next(3, 0, 0, 0), Err(Stop::Exhausted { attempts: 3 }));
    assert_eq!(RATE_KEPT.available(Tick::new(7)), 1);
    assert_eq!((AIMD_KEPT.limit(), VEGAS.limit(), GRADIENT.limit()), (7, 4, 4));
    assert_eq!(CALLS.state(), breaker::State::Closed);
    assert_eq!((TIME.state(), ANY.state()), (CALLS.state(), CALLS.state()));
    COARSE.record(u32::MAX);
    assert_eq!(COARSE.snapshot().count(), 1);
    #[cfg(feature = "waiters")]
    assert_eq!(
        format!("{WAITERS:?}"),
        "WaiterSet { slots: 4, waiting: 0, head: None }"
    );
    #[cfg(feature = "mailbox")]
    {
        assert!(MAILBOX.try_send(7).is_ok());
        let shown = format!("{MAILBOX:?}");
        let expected = "Mailbox { slots: 3, held: 1, closed: false, overflow: DropOldest, senders: WaiterSet";
        assert!(shown.starts_with(expected), "{shown}");
    }
}
