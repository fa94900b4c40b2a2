//! Random sequences of operations on a breaker of each kind and on a naive struct with plain fields.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use core::cell::Cell;

use proptest::prelude::{Just, Strategy, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::test_runner::TestCaseError;

use sweet_async_core::Tick;
use sweet_async_core::breaker::{
    AnyWindow, CircuitBreaker, Consecutive, LastCalls, LastTime, Outcome, Recorded, Refused, Rules, State,
    Ticket, Window,
};

const LEASE: u64 = 12;
const BUCKET: u64 = 32;
const BUCKETS: u64 = 4;
/// Close before the wrap of the tick, so that most sequences cross it.
const START: u64 = (1 << 32) - 300;

#[derive(Clone, Copy, Debug)]
enum Operation {
    Admit,
    /// Records the ticket at this index of those that are held, wrapped.
    Record(usize, Outcome),
    GiveBack(usize),
    Lose(usize),
    Advance(u64),
    ForceOpen,
    ForceClosed,
    MetricsOnly,
    Auto,
    Restart,
}

#[derive(Clone, Copy, Debug)]
struct Given {
    failures: u16,
    failure_rate: u8,
    slow_rate: Option<u8>,
    minimum: u16,
    calls: u16,
    open: u32,
    longest: u32,
    probes: u8,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Consecutive,
    Calls { capacity: usize },
    Time,
}

/// A call in the window: the epoch it counts in, failed, slow.
type Call = (u64, bool, bool);

struct Naive {
    kind: Kind,
    given: Given,
    state: State,
    /// Told apart without limit.
    period: u32,
    periods: u32,
    in_a_row: u32,
    window: Vec<Call>,
    streak: u32,
    until: u64,
    done: u32,
    flying: u32,
    leased: u64,
}

impl Naive {
    fn new(kind: Kind, given: Given) -> Self {
        Self {
            kind,
            given,
            state: State::Closed,
            period: 0,
            periods: 0,
            in_a_row: 0,
            window: Vec::new(),
            streak: 0,
            until: 0,
            done: 0,
            flying: 0,
            leased: 0,
        }
    }

    fn begin(&mut self, state: State) {
        self.periods += 1;
        self.period = self.periods;
        self.state = state;
        self.in_a_row = 0;
        self.window.clear();
    }

    /// The period and whether it is a probe, or when to come back.
    fn admit(&mut self, now: u64) -> Result<(u32, bool), Option<u64>> {
        match self.state {
            State::Closed | State::MetricsOnly | State::ForcedClosed => return Ok((self.period, false)),
            State::ForcedOpen => return Err(None),
            State::Open if now < self.until => return Err(Some(self.until)),
            State::Open => {
                self.begin(State::HalfOpen);
                self.done = 0;
                self.flying = 0;
            }
            State::HalfOpen if self.flying + self.done < u32::from(self.given.probes) => {}
            State::HalfOpen if now - self.leased < LEASE => return Err(Some(self.leased + LEASE)),
            State::HalfOpen => {
                self.begin(State::HalfOpen);
                self.flying = 0;
            }
        }
        self.flying += 1;
        self.leased = now;
        Ok((self.period, true))
    }

    fn give_back(&mut self, (period, probe): (u32, bool)) -> Recorded {
        if !probe {
            return Recorded::Unchanged;
        }
        if self.state != State::HalfOpen || self.period != period {
            return Recorded::Late;
        }
        self.flying -= 1;
        Recorded::Unchanged
    }

    fn open(&mut self, now: u64, streak: u32) -> Recorded {
        self.streak = streak;
        self.until = now + u64::from(self.given.longest.min(self.given.open << streak.min(7)));
        self.begin(State::Open);
        Recorded::Opened {
            retry_at: tick(self.until),
        }
    }

    fn record(&mut self, ticket: (u32, bool), outcome: Outcome, now: u64) -> Recorded {
        if matches!(outcome, Outcome::Ignored | Outcome::Cancelled) {
            return self.give_back(ticket);
        }
        let failed = matches!(outcome, Outcome::Failed | Outcome::SlowFailed);
        let slow = matches!(outcome, Outcome::SlowOk | Outcome::SlowFailed);
        let (period, probe) = ticket;
        if period != self.period {
            return Recorded::Late;
        }
        match (self.state, probe) {
            (State::HalfOpen, true) => {
                if failed || slow && self.given.slow_rate.is_some() {
                    return self.open(now, self.streak + 1);
                }
                self.flying -= 1;
                self.done += 1;
                if self.done < u32::from(self.given.probes) {
                    return Recorded::Unchanged;
                }
                self.begin(State::Closed);
                // The closed period is no new one to calls, and to probes it is over.
                Recorded::Closed
            }
            (State::Closed | State::MetricsOnly, false) => self.count(failed, slow, now),
            (State::ForcedClosed, false) => Recorded::Unchanged,
            _ => Recorded::Late,
        }
    }

    fn count(&mut self, failed: bool, slow: bool, now: u64) -> Recorded {
        if self.kind == Kind::Consecutive {
            self.in_a_row = if failed { self.in_a_row + 1 } else { 0 };
            if failed && self.in_a_row >= u32::from(self.given.failures) && self.state == State::Closed {
                return self.open(now, 0);
            }
            return Recorded::Unchanged;
        }
        self.window.push((now / BUCKET, failed, slow));
        self.slide(now);
        let calls = self.window.len();
        let reaches = |part: usize, percent: u8| part > 0 && part * 100 >= calls * usize::from(percent);
        let failures = self.window.iter().filter(|call| call.1).count();
        let slows = self.window.iter().filter(|call| call.2).count();
        let minimum = match self.kind {
            Kind::Calls { capacity } => usize::from(self.given.minimum).min(capacity),
            _ => usize::from(self.given.minimum),
        };
        let over = reaches(failures, self.given.failure_rate)
            || self
                .given
                .slow_rate
                .is_some_and(|percent| reaches(slows, percent));
        if (failed || slow) && calls >= minimum && over && self.state == State::Closed {
            return self.open(now, 0);
        }
        Recorded::Unchanged
    }

    fn slide(&mut self, now: u64) {
        match self.kind {
            Kind::Consecutive => {}
            Kind::Calls { capacity } => {
                let kept = usize::from(self.given.calls).min(capacity);
                let gone = self.window.len().saturating_sub(kept);
                self.window.drain(..gone);
            }
            Kind::Time => {
                let epoch = now / BUCKET;
                self.window.retain(|call| call.0 + BUCKETS > epoch);
            }
        }
    }

    /// Calls, failed, slow.
    fn counts(&mut self, now: u64) -> (usize, usize, usize) {
        if !matches!(self.state, State::Closed | State::MetricsOnly) {
            return (0, 0, 0);
        }
        if self.kind == Kind::Consecutive {
            return (self.in_a_row as usize, self.in_a_row as usize, 0);
        }
        self.slide(now);
        let failed = self.window.iter().filter(|call| call.1).count();
        let slow = self.window.iter().filter(|call| call.2).count();
        (self.window.len(), failed, slow)
    }

    fn force(&mut self, state: State) -> bool {
        let changes = self.state != state;
        match (self.state, state) {
            _ if !changes => {}
            (State::Closed, State::MetricsOnly) => self.state = State::MetricsOnly,
            _ => self.begin(state),
        }
        changes
    }

    fn auto(&mut self) -> bool {
        match self.state {
            State::Closed | State::Open | State::HalfOpen => return false,
            State::MetricsOnly => self.state = State::Closed,
            State::ForcedOpen | State::ForcedClosed => self.begin(State::Closed),
        }
        true
    }

    fn restart(&mut self, now: u64) {
        match self.state {
            State::HalfOpen => {
                self.state = State::Open;
                self.until = now;
            }
            State::Closed | State::MetricsOnly if self.kind == Kind::Time => self.window.clear(),
            _ => {}
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a tick wraps")]
fn tick(now: u64) -> Tick {
    Tick::new(now as u32)
}

fn operation() -> impl Strategy<Value = Operation> {
    let outcome = prop_oneof![
        6 => Just(Outcome::Ok),
        6 => Just(Outcome::Failed),
        2 => Just(Outcome::SlowOk),
        1 => Just(Outcome::SlowFailed),
        1 => Just(Outcome::Ignored),
        1 => Just(Outcome::Cancelled),
    ];
    prop_oneof![
        40 => Just(Operation::Admit),
        40 => (0_usize..8, outcome).prop_map(|(index, outcome)| Operation::Record(index, outcome)),
        5 => (0_usize..8).prop_map(Operation::GiveBack),
        2 => (0_usize..8).prop_map(Operation::Lose),
        20 => (1_u64..20).prop_map(Operation::Advance),
        2 => (20_u64..200).prop_map(Operation::Advance),
        1 => Just(Operation::ForceOpen),
        1 => Just(Operation::ForceClosed),
        1 => Just(Operation::MetricsOnly),
        4 => Just(Operation::Auto),
        1 => Just(Operation::Restart),
    ]
}

fn given() -> impl Strategy<Value = Given> {
    let rates = (1_u8..=100, prop::option::of(1_u8..=100));
    (
        1_u16..5,
        rates,
        (1_u16..70, 0_u16..12),
        (1_u32..40, 1_u32..4),
        1_u8..=4,
    )
        .prop_map(
            |(failures, (failure_rate, slow_rate), (calls, minimum), (open, longer), probes)| Given {
                failures,
                failure_rate,
                slow_rate,
                minimum: minimum.min(calls),
                calls,
                open,
                longest: open * longer,
                probes,
            },
        )
}

/// Whether a result is counted, or not, without knowing when it came.
fn is_timeless(
    kind: Kind,
    (state, in_a_row): (State, u32),
    (probe, outcome): (bool, Outcome),
    recorded: Recorded,
) -> bool {
    match kind {
        _ if !outcome.is_telling() => true,
        _ if probe => false,
        Kind::Consecutive => !outcome.is_failure() && in_a_row == 0,
        // Over a threshold while it only measures, it does not open.
        Kind::Calls { .. } => !matches!(recorded, Recorded::Opened { .. }) && state != State::MetricsOnly,
        Kind::Time => false,
    }
}

fn agree<W: Window>(
    window: impl Fn() -> W,
    kind: Kind,
    given: Given,
    operations: Vec<Operation>,
) -> Result<(), TestCaseError> {
    let mut rules = Rules::new()
        .failures(given.failures)
        .failure_rate(given.failure_rate)
        .minimum_calls(given.minimum)
        .last_calls(given.calls)
        .bucket(u32::try_from(BUCKET).expect("small"))
        .open_for_growing(given.open, 2, given.longest)
        .probes(given.probes)
        .lease(u32::try_from(LEASE).expect("small"));
    if let Some(percent) = given.slow_rate {
        rules = rules.slow_rate(percent);
    }
    let settings = rules.check().expect("in range");
    let mut breaker = CircuitBreaker::new(window());
    let mut naive = Naive::new(kind, given);
    let mut now = START;
    let mut held: Vec<(Ticket, (u32, bool))> = Vec::new();
    for operation in operations {
        match operation {
            Operation::Admit => {
                let was = naive.state;
                let asked = Cell::new(0);
                let admitted = breaker.try_admit_with(&settings, || {
                    asked.set(asked.get() + 1);
                    tick(now)
                });
                let freely = matches!(was, State::Closed | State::MetricsOnly | State::ForcedClosed);
                prop_assert_eq!(asked.get(), u32::from(!freely));
                match (admitted, naive.admit(now)) {
                    (Ok(ticket), Ok(expected)) => {
                        prop_assert_eq!(ticket.is_probe(), expected.1);
                        prop_assert_eq!(ticket.half_opened(), was == State::Open);
                        held.push((ticket, expected));
                    }
                    (Err(refused), Err(expected)) => {
                        prop_assert_eq!(refused.retry_at(), expected.map(tick));
                        let forced = matches!(refused, Refused::Forced);
                        prop_assert_eq!(forced, naive.state == State::ForcedOpen);
                    }
                    (answer, expected) => {
                        return Err(TestCaseError::fail(format!("{answer:?}, not {expected:?}")));
                    }
                }
            }
            Operation::Record(..) | Operation::GiveBack(_) | Operation::Lose(_) if held.is_empty() => {}
            Operation::Record(index, outcome) => {
                let (ticket, expected) = held.swap_remove(index % held.len());
                let before = (naive.state, naive.in_a_row);
                let asked = Cell::new(false);
                let recorded = breaker.record_with(&settings, ticket, outcome, || {
                    asked.set(true);
                    tick(now)
                });
                prop_assert_eq!(recorded, naive.record(expected, outcome, now));
                let timeless = is_timeless(kind, before, (expected.1, outcome), recorded);
                prop_assert!(!(asked.get() && timeless), "{outcome:?} asked for the time");
            }
            Operation::GiveBack(index) => {
                let (ticket, expected) = held.swap_remove(index % held.len());
                prop_assert_eq!(breaker.give_back(ticket), naive.give_back(expected));
            }
            Operation::Lose(index) => {
                let _lost = held.swap_remove(index % held.len());
            }
            // The lease is kept modulo 512 of its quanta, here ticks.
            Operation::Advance(_) if naive.state == State::HalfOpen && now - naive.leased > 300 => {}
            Operation::Advance(ticks) => now += ticks,
            Operation::ForceOpen => {
                prop_assert_eq!(breaker.force_open(), naive.force(State::ForcedOpen));
            }
            Operation::ForceClosed => {
                prop_assert_eq!(breaker.force_closed(), naive.force(State::ForcedClosed));
            }
            Operation::MetricsOnly => {
                prop_assert_eq!(breaker.metrics_only(), naive.force(State::MetricsOnly));
            }
            Operation::Auto => prop_assert_eq!(breaker.auto(), naive.auto()),
            Operation::Restart => {
                let mut words = Vec::new();
                breaker.snapshot(&settings, tick(now), |word| words.push(word));
                held.clear();
                let shifted = now + 12_345;
                breaker = CircuitBreaker::restore(window(), tick(shifted), words).expect("a snapshot");
                naive.restart(now);
                naive.until += 12_345;
                now = shifted;
            }
        }
        prop_assert_eq!(breaker.state(), naive.state);
        let counts = breaker.counts(&settings, tick(now));
        let counts = (
            counts.calls as usize,
            counts.failed as usize,
            counts.slow as usize,
        );
        prop_assert_eq!(counts, naive.counts(now));
        if naive.state == State::HalfOpen {
            prop_assert_eq!(breaker.probes_in_flight(), naive.flying);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn failures_in_a_row_agree(given in given(), operations in prop::collection::vec(operation(), 0..300)) {
        agree(Consecutive::new, Kind::Consecutive, given, operations.clone())?;
        let any = || AnyWindow::Consecutive(Consecutive::new());
        agree(any, Kind::Consecutive, given, operations)?;
    }

    #[test]
    fn last_calls_agree(given in given(), operations in prop::collection::vec(operation(), 0..300)) {
        agree(LastCalls::<2, 2>::new, Kind::Calls { capacity: 25 }, given, operations.clone())?;
        agree(LastCalls::<4, 4>::new, Kind::Calls { capacity: 73 }, given, operations.clone())?;
        let any = || AnyWindow::Calls(LastCalls::new());
        agree(any, Kind::Calls { capacity: 1_033 }, given, operations)?;
    }

    #[test]
    fn last_time_agrees(given in given(), operations in prop::collection::vec(operation(), 0..300)) {
        agree(LastTime::<4, 4>::new, Kind::Time, given, operations)?;
    }
}
