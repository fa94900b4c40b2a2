//! A sensor node as a firmware would have it: statics, an interrupt, a main loop that never allocates and never blocks.
//!
//! The board is played by [`Board`]: a timer, a radio that fails between ticks 2,000 and 9,000, an interrupt every 40
//! ticks. Everything above it is what runs on the chip. `cargo run -p sweet-async-core --example sensor_node`

use sweet_async_core::backoff::{Backoff, Jitter, Retries};
use sweet_async_core::breaker::{CircuitBreaker, Consecutive, Outcome, Recorded, Refused, Rules, Settings};
use sweet_async_core::lifecycle::{Cancel, End, FinishError, Level, Reason, Start};
use sweet_async_core::pressure::{Crossing, Dropped, Drops, Marks};
use sweet_async_core::rate::{Quota, RetryAt};
use sweet_async_core::{Counter, Lifecycle, Pressure, RateLimiter, RetryBudget, Tick};

const ROOM: u32 = 32;

static NODE: Lifecycle = Lifecycle::new();
static QUEUE: Pressure = Pressure::new(Marks::of::<8, 24>());
static LOST: Drops = Drops::new();
static SENT: Counter = Counter::new();
static RADIO: CircuitBreaker<Consecutive> = CircuitBreaker::new(Consecutive::new());
static AIRTIME: RateLimiter = RateLimiter::new(Quota::of::<1, 25, 4>(), Tick::new(0));
static RETRIES: RetryBudget = RetryBudget::new(200, 10).with_floor(2);

const RULES: Settings = match Rules::new().failures(3).open_for_growing(250, 2, 2_000).check() {
    Ok(settings) => settings,
    Err(_) => panic!("refused when it is compiled"),
};
const PAUSES: Backoff = Backoff::exponential(20)
    .cap(400)
    .jitter(Jitter::Equal)
    .attempts(4);

/// The interrupt: a sample is there. Counts it, or what it displaces.
fn on_sample() {
    if QUEUE.level() >= ROOM {
        LOST.add(Dropped::Newest, 1);
    } else if QUEUE.rise(1) == Crossing::High {
        // The one place that is told: here the node would sample less often.
    }
}

/// What the main loop does next.
enum Next {
    Sleep(Tick),
    Again,
    Stop,
}

/// One turn of the main loop: at most one frame, and no wait.
fn turn(retries: &mut Retries, now: Tick, chance: u32, send: impl FnOnce() -> bool) -> Next {
    if NODE.is_cancelled() {
        return Next::Stop;
    }
    if QUEUE.level() == 0 {
        return Next::Sleep(now.after(10));
    }
    if let Err(RetryAt { at }) = AIRTIME.check(now) {
        return Next::Sleep(at);
    }
    let permit = match RADIO.try_enter(&RULES, now) {
        Ok(permit) => permit,
        Err(Refused::Open { retry_at } | Refused::Probing { retry_at }) => return Next::Sleep(retry_at),
        Err(_) => return Next::Sleep(now.after(1_000)), // switched off by hand
    };
    if retries.failed() == 0 {
        RETRIES.deposit();
    }
    if send() {
        let _ = permit.record(Outcome::Ok, now);
        let _ = QUEUE.fall(1);
        SENT.increment();
        *retries = Retries::under(PAUSES);
        return Next::Again;
    }
    if let Recorded::Opened { retry_at } = permit.record(Outcome::Failed, now) {
        return Next::Sleep(retry_at);
    }
    match retries.after_failure(0, chance) {
        Ok(pause) if RETRIES.try_withdraw().is_ok() => Next::Sleep(now.after(pause)),
        // All attempts made, or too many others retried: this frame is given up.
        _ => {
            let _ = QUEUE.fall(1);
            LOST.add(Dropped::Oldest, 1);
            *retries = Retries::under(PAUSES);
            Next::Again
        }
    }
}

/// Stands for the hardware.
struct Board {
    now: Tick,
    samples: u32,
}

impl Board {
    /// Lets time pass until then, interrupts included.
    fn sleep_until(&mut self, then: Tick) {
        while self.now.is_before(then) {
            self.now = self.now.after(1);
            if self.now.count().is_multiple_of(40) {
                self.samples += 1;
                on_sample();
            }
            if self.now.count() == 20_000 {
                // A button, or a command from the network.
                assert_eq!(NODE.cancel(Level::Graceful, Reason::Requested), Cancel::Raised);
            }
        }
    }

    fn radio_works(&self) -> bool {
        !(2_000..9_000).contains(&self.now.count())
    }
}

fn main() -> Result<(), FinishError> {
    let mut board = Board {
        now: Tick::new(0),
        samples: 0,
    };
    let mut retries = Retries::under(PAUSES);
    assert_eq!(NODE.start(), Start::Run);
    let mut chance = 1_u32;
    loop {
        chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        match turn(&mut retries, board.now, chance, || board.radio_works()) {
            Next::Sleep(then) => board.sleep_until(then),
            Next::Again => {}
            Next::Stop => break,
        }
    }
    NODE.finish(End::Completed)?;
    println!("{NODE:?}\n{RADIO:?}\n{QUEUE:?}\n{LOST:?}\n{SENT:?}\n{RETRIES:?}");
    assert_eq!(
        board.samples,
        SENT.value() + LOST.total() + QUEUE.level(),
        "a sample is unaccounted for"
    );
    Ok(())
}
