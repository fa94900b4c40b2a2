//! Tasks of `embassy-executor` and an interrupt that sends to them, gives credits back and cancels.
//!
//! What the interrupt does follows from the number of its tick alone, and so does what each task has to find: it checks
//! that, and the last one out ends the emulator with 0, or with 1 if anything was wrong.
#![no_std]
#![no_main]

mod interrupt;

use core::future::poll_fn;
use core::pin::pin;
use core::task::Poll;

use cortex_m_rt::entry;
use cortex_m_semihosting::hprintln;
use embassy_executor::{Executor, SpawnError, Spawner};
use programs::{Verdict, Wrong, expect};
use static_cell::StaticCell;
use sweet_async_core::breaker::{CircuitBreaker, Consecutive, Outcome, Recorded, Rules};
use sweet_async_core::group::{Close, Exit, Group};
use sweet_async_core::lifecycle::{End, Level, Lifecycle, Reason, Start, State};
use sweet_async_core::mailbox::{Mailbox, RecvError};
use sweet_async_core::{Counter, Credits, Tick, WaiterSet};

/// What the interrupt saw, told to whoever reads.
static BOX: Mailbox<u32, 4> = Mailbox::with(sweet_async_core::Overflow::Reject);

/// One bus, which the interrupt gives back when a transfer is over.
static BUS: Credits = Credits::of::<1>();
static BUS_WAITERS: WaiterSet<2> = WaiterSet::new();

/// A task that is cancelled and starts again.
static LIFE: Lifecycle = Lifecycle::new();
static TOLD: WaiterSet<1> = WaiterSet::new();
/// What that task works on.
static STEPS: Mailbox<u32, 1, 1> = Mailbox::new();

/// All tasks of the program.
static TASKS: Group = Group::new();
static WRONG: Counter = Counter::new();

#[entry]
fn main() -> ! {
    static EXECUTOR: StaticCell<Executor> = StaticCell::new();
    EXECUTOR.init(Executor::new()).run(|spawner| {
        let started = spawn_all(spawner).is_ok() && interrupt::start();
        if !started || TASKS.close() != (Close::Drain { live: 4 }) {
            hprintln!("the tasks did not start");
            programs::exit(false);
        }
    })
}

fn spawn_all(spawner: Spawner) -> Result<(), SpawnError> {
    spawner.spawn(reader()?);
    spawner.spawn(restarts()?);
    for number in 0..2 {
        spawner.spawn(transfers(number)?);
    }
    for _ in 0..4 {
        // A refusal shows in what closing the group says.
        let _ = TASKS.try_enter();
    }
    Ok(())
}

/// Tells how a task ended; the last one tells the emulator.
fn end(name: &str, verdict: Verdict) {
    hprintln!("{:<28} {}", name, if verdict.is_ok() { "ok" } else { "WRONG" });
    WRONG.add(u32::from(verdict.is_err()));
    if TASKS.leave() == Ok(Exit::Empty) {
        programs::exit(WRONG.value() == 0);
    }
}

#[embassy_executor::task]
async fn reader() {
    end("mailbox and breaker", read().await);
}

#[embassy_executor::task]
async fn restarts() {
    end("cancelled and started again", start_again().await);
}

#[embassy_executor::task(pool_size = 2)]
async fn transfers(number: usize) {
    end("credits", transfer(number).await);
}

/// Receives the ticks and calls a device for each, which does not answer from tick 10 to tick 30.
///
/// Three failures open the breaker for ten ticks: at 12; the probe of 22 fails, that of 32 closes it. So the calls of 13
/// to 21 and of 23 to 31 are kept away. Of the burst in the end four fit, and two are dropped.
async fn read() -> Verdict {
    static BREAKER: CircuitBreaker<Consecutive> = CircuitBreaker::new(Consecutive::new());
    let settings = Rules::new().failures(3).open_for(10).lease(10).check();
    let settings = settings.map_err(|_| Wrong)?;
    let (mut received, mut sum, mut kept_away, mut failed) = (0, 0, 0, 0);
    let (mut opened, mut closed) = (0, 0);
    loop {
        let tick = match BOX.recv().await {
            Ok(tick) => tick,
            Err(RecvError::Closed) => break,
            Err(_) => return Err(Wrong),
        };
        received += 1;
        sum += tick;
        let now = Tick::new(tick);
        let Ok(permit) = BREAKER.try_enter(&settings, now) else {
            kept_away += 1;
            continue;
        };
        let answers = !(10..=30).contains(&tick);
        failed += u32::from(!answers);
        match permit.record(if answers { Outcome::Ok } else { Outcome::Failed }, now) {
            Recorded::Opened { .. } => opened += 1,
            Recorded::Closed => closed += 1,
            Recorded::Unchanged | Recorded::Late => {}
        }
    }
    let ticks = interrupt::TICKS;
    expect!(received, ticks + 4);
    expect!(sum, ticks * (ticks + 1) / 2 + 4 * interrupt::BURST_AT);
    expect!((kept_away, failed, opened, closed), (18, 4, 2, 1));
    let counts = BOX.counts();
    expect!(
        (counts.sent, counts.received, counts.dropped),
        (ticks + 6, ticks + 4, 2)
    );
    expect!((counts.held, counts.in_hand()), (0, 0));
    Ok(())
}

/// Takes the bus ten times, which the interrupt gives back. Two tasks do, so each waits for the other.
async fn transfer(number: usize) -> Verdict {
    static DONE: [Counter; 2] = [Counter::new(), Counter::new()];
    let [mine, other] = match number {
        0 => DONE.each_ref(),
        _ => {
            let [first, second] = DONE.each_ref();
            [second, first]
        }
    };
    for turn in 1..=10 {
        let permit = BUS_WAITERS.acquire(&BUS, 1).await.map_err(|_| Wrong)?;
        expect!((permit.commit(), BUS.free()), (1, 0));
        mine.increment();
        expect!(mine.value(), turn);
        // First come, first served: nobody is two turns ahead, but for the one that came before the other was there.
        expect!(mine.value() <= other.value() + 2, true);
    }
    Ok(())
}

/// Works until it is told to stop, gives up what it began, and starts again with nothing; the third life ends by itself.
///
/// It is told at the ticks 20 and 40, and gets a step at each that is divisible by five.
async fn start_again() -> Verdict {
    let mut steps = [0; 3];
    for steps in &mut steps {
        expect!(LIFE.start(), Start::Run);
        while let Some(step) = step_unless_told().await? {
            *steps += 1;
            if step == interrupt::TICKS {
                expect!(LIFE.finish(End::Completed), Ok(()));
                break;
            }
        }
        if LIFE.is_cancelled() {
            let seen = LIFE.snapshot();
            expect!(
                (seen.level(), seen.reason()),
                (Some(Level::Graceful), Some(Reason::Requested))
            );
            expect!(LIFE.finish(End::Cancelled), Ok(()));
            expect!(LIFE.restart(), Ok(State::Cancelled));
        }
    }
    expect!(LIFE.state(), State::Completed);
    // 5, 10, 15; then 20, 25, 30, 35; then 40 to 60. Told to stop at 20, it leaves that step to its next life.
    expect!(steps, [3, 4, 5]);
    expect!(TOLD.is_empty(), true);
    Ok(())
}

/// The next step, or nothing if the task was told to stop. What it waits for is dropped then.
async fn step_unless_told() -> Result<Option<u32>, Wrong> {
    let mut told = pin!(TOLD.cancelled(&LIFE));
    let mut step = pin!(STEPS.recv());
    poll_fn(|task| {
        if let Poll::Ready(told) = told.as_mut().poll(task) {
            return Poll::Ready(told.map(|_| None).map_err(|_| Wrong));
        }
        step.as_mut()
            .poll(task)
            .map(|step| step.map(Some).map_err(|_| Wrong))
    })
    .await
}
