//! What breakers and budgets do when things fail: nothing here is timed, each answer comes from running the library.

use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::AtomicU8;
use core::sync::atomic::Ordering::Relaxed;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use failsafe::{StateMachine, backoff, failure_policy};
use recloser::{AsyncRecloser, Recloser};
use sweet_async_core::Tick;
use sweet_async_core::breaker::{CircuitBreaker, LastCalls, Outcome, Rules};
use sweet_async_core::budget::RetryBudget;
use tower::ServiceExt as _;
use tower::retry::budget::{Budget as _, TpsBudget};
use tower_resilience_circuitbreaker::{CircuitBreakerError, CircuitBreakerLayer};

use crate::{Group, Role, Table};

/// The bench target `failures`.
pub const GROUP: Group = Group::of_tables("failures", tables);

/// Looks back over so many calls, and opens when half of them failed.
const WINDOW: u16 = 20;
/// How long each breaker stays open, and how long a probe of ours may take.
const OPEN: Duration = Duration::from_millis(5);
/// Longer than that, on a busy machine too.
const WAIT: Duration = Duration::from_millis(50);

fn tables() -> Vec<Table> {
    vec![
        slides(),
        half_open(),
        cancelled(),
        hung(),
        amplification(20),
        amplification(30),
    ]
}

/// A call that ends when it is told how.
#[derive(Clone, Default)]
struct Call(Arc<AtomicU8>);

/// How a call through a breaker ended.
#[derive(Clone, Copy, Eq, PartialEq)]
enum End {
    Well,
    Failed,
    Rejected,
}

type Who = (&'static str, Role);

/// How a budget is told of a call, and asked for a retry.
type Deposit<'a> = &'a dyn Fn();
type Withdraw<'a> = &'a dyn Fn() -> bool;

type Flight = Pin<Box<dyn Future<Output = End>>>;

/// A breaker, set up: makes the future of a call through it.
type Breaker = Box<dyn Fn(Call) -> Flight>;

impl Call {
    const GOES_WELL: u8 = 1;
    const FAILS: u8 = 2;

    fn that(end: u8) -> Self {
        Self(Arc::new(AtomicU8::new(end)))
    }
}

impl Future for Call {
    type Output = Result<(), ()>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match self.0.load(Relaxed) {
            Self::GOES_WELL => Poll::Ready(Ok(())),
            Self::FAILS => Poll::Ready(Err(())),
            _ => Poll::Pending,
        }
    }
}

fn poll(flight: &mut Flight) -> Poll<End> {
    flight.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// How a call ends that ends at once.
fn call(breaker: &Breaker, end: u8) -> End {
    match poll(&mut breaker(Call::that(end))) {
        Poll::Ready(end) => end,
        Poll::Pending => End::Rejected,
    }
}

/// The breakers, each with a window of [`WINDOW`] calls where it has one and places for `probes` where it knows of them.
fn breakers(probes: u8) -> [(Who, Breaker); 4] {
    [
        (("CircuitBreaker", Role::Ours), ours(probes)),
        (
            ("tower-resilience-circuitbreaker 0.14", Role::Peer),
            tower(probes),
        ),
        (("recloser 1.4", Role::Peer), recloser(probes)),
        (("failsafe 1.3, failures in a row", Role::Peer), failsafe()),
    ]
}

fn ours(probes: u8) -> Breaker {
    let millis = |time: Duration| u32::try_from(time.as_millis()).expect("short");
    let rules = Rules::new()
        .failure_rate(50)
        .last_calls(WINDOW)
        .minimum_calls(WINDOW);
    let rules = rules.open_for(millis(OPEN)).probes(probes).lease(millis(OPEN));
    let settings = rules.check().expect("settings that agree");
    let breaker = Arc::new(CircuitBreaker::new(LastCalls::<2>::new()));
    let begun = Instant::now();
    let now = move || Tick::new(millis(begun.elapsed()));
    Box::new(move |call| {
        let breaker = Arc::clone(&breaker);
        Box::pin(async move {
            let Ok(permit) = breaker.try_enter(&settings, now()) else {
                return End::Rejected;
            };
            let (outcome, end) = match call.await {
                Ok(()) => (Outcome::Ok, End::Well),
                Err(()) => (Outcome::Failed, End::Failed),
            };
            let _ = permit.record(outcome, now());
            end
        })
    })
}

fn tower(probes: u8) -> Breaker {
    let builder = CircuitBreakerLayer::builder().failure_rate_threshold(0.5);
    let builder = builder
        .sliding_window_size(WINDOW.into())
        .minimum_number_of_calls(WINDOW.into());
    let builder = builder
        .wait_duration_in_open(OPEN)
        .permitted_calls_in_half_open(probes.into());
    let layer = builder.build().expect("settings that agree");
    let service = layer.layer_fn(tower::service_fn(|call: Call| call));
    Box::new(move |call| {
        let service = service.clone();
        Box::pin(async move {
            match service.oneshot(call).await {
                Ok(()) => End::Well,
                Err(CircuitBreakerError::OpenCircuit) => End::Rejected,
                Err(_) => End::Failed,
            }
        })
    })
}

fn recloser(probes: u8) -> Breaker {
    let builder = Recloser::custom().error_rate(0.5).closed_len(WINDOW.into());
    let recloser = builder.half_open_len(probes.into()).open_wait(OPEN).build();
    let recloser = AsyncRecloser::from(recloser);
    Box::new(move |call| {
        let flight = recloser.call(call);
        Box::pin(async move {
            match flight.await {
                Ok(()) => End::Well,
                Err(recloser::Error::Rejected) => End::Rejected,
                Err(recloser::Error::Inner(())) => End::Failed,
            }
        })
    })
}

fn failsafe() -> Breaker {
    let policy = failure_policy::consecutive_failures(WINDOW.into(), backoff::constant(OPEN));
    let machine = StateMachine::new(policy, ());
    Box::new(move |call| {
        let machine = machine.clone();
        Box::pin(async move {
            if !machine.is_call_permitted() {
                return End::Rejected;
            }
            if call.await.is_ok() {
                machine.on_success();
                End::Well
            } else {
                machine.on_error();
                End::Failed
            }
        })
    })
}

/// Has calls fail until one is rejected; answers how many failed.
fn open(breaker: &Breaker) -> u32 {
    const MOST: u32 = 1_000_000;
    (0..MOST)
        .find(|_| call(breaker, Call::FAILS) == End::Rejected)
        .unwrap_or(MOST)
}

/// A breaker that has been open for long enough to let a probe through.
fn opened(breaker: &Breaker) {
    open(breaker);
    thread::sleep(WAIT);
}

fn slides() -> Table {
    let mut table = Table::new(
        "failures: the window after 10,000 calls that went well",
        "Asked to open when half of the last 20 calls failed. 10,000 calls go well, then all fail: how many until it opens?",
    );
    // The last one has no window of calls.
    for (who, breaker) in breakers(1).into_iter().take(3) {
        for _ in 0..10_000 {
            call(&breaker, Call::GOES_WELL);
        }
        let failed = open(&breaker);
        table = table.with(
            who,
            format!("opened after {failed} failures"),
            failed <= u32::from(WINDOW),
        );
    }
    table
}

fn half_open() -> Table {
    const ASKED: u8 = 3;
    let mut table = Table::new(
        "failures: probes at once while half-open",
        "Asked for 3 probes, where one can ask. The open time is over and 100 callers come at once: how many get through?",
    );
    for (who, breaker) in breakers(ASKED) {
        opened(&breaker);
        let mut flights: Vec<_> = (0..100).map(|_| breaker(Call::default())).collect();
        let through = flights
            .iter_mut()
            .filter_map(|flight| poll(flight).is_pending().then_some(()))
            .count();
        table = table.with(
            who,
            format!("let {through} through"),
            through == usize::from(ASKED),
        );
    }
    table
}

fn cancelled() -> Table {
    let mut table = Table::new(
        "failures: probes that are cancelled",
        "Asked for 1 probe. 1,000 callers come one after another while it is half-open and are cancelled: how many of them, \
         and does the caller after them, whose call goes well, get through?",
    );
    for (who, breaker) in breakers(1) {
        opened(&breaker);
        let through = (0..1_000)
            .filter(|_| poll(&mut breaker(Call::default())).is_pending())
            .count();
        let well = call(&breaker, Call::GOES_WELL) == End::Well;
        let last = if well { "and the last" } else { "not the last" };
        table = table.with(
            who,
            format!("let {through} through, {last}"),
            through == 1_000 && well,
        );
    }
    table
}

fn hung() -> Table {
    let mut table = Table::new(
        "failures: a probe that hangs",
        "Asked for 1 probe, and, where one can ask, to give its place away after 5 ms. It never ends; 50 ms later: does \
         another caller get through, and how many of 100 at once?",
    );
    for (who, breaker) in breakers(1) {
        opened(&breaker);
        let mut hangs = breaker(Call::default());
        let held = poll(&mut hangs).is_pending();
        thread::sleep(WAIT);
        let mut flights: Vec<_> = (0..100).map(|_| breaker(Call::default())).collect();
        let through = flights
            .iter_mut()
            .filter_map(|flight| poll(flight).is_pending().then_some(()))
            .count();
        table = table.with(who, format!("let {through} through"), held && through == 1);
    }
    table
}

/// Everything fails, and every call would be tried four times.
fn amplification(percent: u32) -> Table {
    const CALLS: u32 = 10_000;
    let (name, asked) = if percent == 20 {
        (
            "failures: attempts for each call in an outage, 20 %",
            "Asked to let retries be at most 20 % of the calls, no floor. 10,000 calls of up to 4 attempts, and all fail.",
        )
    } else {
        (
            "failures: attempts for each call in an outage, 30 %",
            "The same with 30 %, which is no whole number of calls for a retry.",
        )
    };
    let share = f64::from(percent) / 100.0;
    let ours = RetryBudget::new(percent * 10, 100);
    #[expect(clippy::cast_possible_truncation, reason = "two digits")]
    let tower = TpsBudget::new(Duration::from_mins(1), 0, share as f32);
    let budgets: [(Who, Deposit<'_>, Withdraw<'_>); 3] = [
        (("RetryBudget", Role::Ours), &|| ours.deposit(), &|| {
            ours.try_withdraw().is_ok()
        }),
        (("tower 0.5, TpsBudget", Role::Peer), &|| tower.deposit(), &|| {
            tower.withdraw()
        }),
        (
            ("no budget, as in backon and tokio-retry", Role::Peer),
            &|| {},
            &|| true,
        ),
    ];
    let mut table = Table::new(name, asked);
    for (who, deposit, withdraw) in budgets {
        let mut attempts = 0;
        for _ in 0..CALLS {
            deposit();
            attempts += 1 + (0..3).take_while(|_| withdraw()).count();
        }
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let each = attempts as f64 / f64::from(CALLS);
        table = table.with(
            who,
            format!("{each:.4} attempts for each call"),
            each <= 1.0 + share,
        );
    }
    table
}
