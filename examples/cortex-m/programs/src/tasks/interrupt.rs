//! The other context: what the timer's interrupt does at each tick.

use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;

use cortex_m::Peripherals;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::exception;
use cortex_m_semihosting::hprintln;
use sweet_async_core::lifecycle::{Cancel, Level, Reason};

use crate::{BOX, BUS, BUS_WAITERS, LIFE, STEPS, TOLD, WRONG};

/// So many ticks are sent.
pub(crate) const TICKS: u32 = 60;
/// Six are sent at once here.
pub(crate) const BURST_AT: u32 = 70;
const CLOSED_AT: u32 = 80;
/// All tasks have ended by now, or never will.
const GIVEN_UP_AT: u32 = 200;
/// Cycles of the processor between two ticks, in which the tasks do what there is to do.
const PERIOD: u32 = 20_000;

/// Starts the timer; answers whether there was one to start.
pub(crate) fn start() -> bool {
    let Some(mut peripherals) = Peripherals::take() else {
        return false;
    };
    let timer = &mut peripherals.SYST;
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(PERIOD - 1);
    timer.clear_current();
    timer.enable_counter();
    timer.enable_interrupt();
    true
}

#[exception]
fn SysTick() {
    static NOW: AtomicU32 = AtomicU32::new(0);
    let now = NOW.fetch_add(1, Relaxed) + 1;
    if tick(now).is_none() {
        hprintln!("tick {}: the interrupt was refused", now);
        WRONG.increment();
    }
}

/// `None` if something was refused that should not have been.
fn tick(now: u32) -> Option<()> {
    match now {
        1..=TICKS => {
            let nothing = BOX.try_send(now).ok()?;
            nothing.is_empty().then_some(())?;
        }
        BURST_AT => {
            let fit = (0..6).filter(|_| BOX.try_send(now).is_ok()).count();
            (fit == 4).then_some(())?;
        }
        CLOSED_AT => BOX.close().then_some(())?,
        GIVEN_UP_AT.. => {
            hprintln!("tasks wait for ever");
            programs::exit(false);
        }
        _ => {}
    }
    // The transfer that was under way is over.
    if BUS.taken() > 0 {
        BUS_WAITERS.release(&BUS, 1).ok()?;
    }
    if now == 20 || now == 40 {
        let raised = LIFE.cancel(Level::Graceful, Reason::Requested) == Cancel::Raised;
        TOLD.wake_all();
        raised.then_some(())?;
    }
    if now % 5 == 0 && now <= TICKS {
        STEPS.try_send(now).ok()?;
    }
    Some(())
}
