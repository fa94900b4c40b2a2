//! Four slots, and a task: wait for its end, and wake all.
#![no_std]
#![no_main]

use core::pin::pin;
use core::task::{Context, Waker};

use cortex_m_rt::entry;
use footprint::{hidden, output, rest};
use sweet_async_core::WaiterSet;
use sweet_async_core::lifecycle::{Level, Lifecycle, Reason};

static TASK: Lifecycle = Lifecycle::new();
static SET: WaiterSet<4> = WaiterSet::new();

#[entry]
fn main() -> ! {
    let task = hidden(&TASK);
    let set = hidden(&SET);
    let context = &mut Context::from_waker(core::hint::black_box(Waker::noop()));
    let mut told = pin!(set.cancelled(task));
    output(told.as_mut().poll(context));
    output(task.cancel(Level::Graceful, Reason::Requested));
    set.wake_all();
    output(told.poll(context));
    rest()
}
