//! Start, wait, resume, cancel, shield, finish, run again, look.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use footprint::{hidden, output, rest};
use sweet_async_core::lifecycle::{End, Level, Lifecycle, Reason};

static TASK: Lifecycle = Lifecycle::new();

#[entry]
fn main() -> ! {
    let task = hidden(&TASK);
    output(task.start());
    output((task.wait(), task.resume()));
    output((task.shield(), task.unshield()));
    output(task.cancel(core::hint::black_box(Level::Kill), Reason::Requested));
    output(task.finish(core::hint::black_box(End::Completed)));
    output(task.restart());
    output((task.is_cancelled(), task.state()));
    rest()
}
