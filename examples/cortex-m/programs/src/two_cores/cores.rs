//! Starts the second core, and gives both the same work.

use core::hint::{black_box, spin_loop};
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;

use cortex_m_rt::exception;
use sweet_async_core::mailbox::Mailbox;

/// Which of the two.
#[derive(Clone, Copy)]
pub(crate) enum Core {
    First,
    Second,
}

impl Core {
    /// The one of two things that belongs to this core.
    pub(crate) const fn of<T>(self, [first, second]: &[T; 2]) -> &T {
        match self {
            Self::First => first,
            Self::Second => second,
        }
    }
}

/// What the second core has to do.
static WORK: Mailbox<fn(Core), 1> = Mailbox::new();
/// That it has done it.
static DONE: Mailbox<(), 1> = Mailbox::new();

/// Runs the work on both cores at the same time, and returns when both have done it.
pub(crate) fn on_both(work: fn(Core)) {
    while WORK.try_send(work).is_err() {
        spin_loop();
    }
    work(Core::First);
    while DONE.try_recv().is_err() {
        spin_loop();
    }
}

/// Where the second core begins, by the vectors in `memory/an521.x`. Nobody pends the exception of this name.
#[exception]
fn PendSV() -> ! {
    loop {
        if let Ok(work) = WORK.try_recv() {
            work(Core::Second);
            while DONE.try_send(()).is_err() {
                spin_loop();
            }
        }
        spin_loop();
    }
}

/// Part of the system control block. The linker puts the static at its address, as `memory/an521.x` says.
#[repr(C)]
struct SystemControl {
    /// Where each core looks for its vectors when it starts.
    vectors: [AtomicU32; 2],
    /// A bit for each core that waits.
    wait: AtomicU32,
}

static SYSTEM_CONTROL: SystemControl = SystemControl {
    vectors: [const { AtomicU32::new(0) }; 2],
    wait: AtomicU32::new(0),
};

/// Takes the second core out of its wait.
pub(crate) fn start_the_other() {
    // Hidden from the compiler: for it this is memory, from which it could save itself a store.
    let control = black_box(&SYSTEM_CONTROL);
    Core::Second.of(&control.vectors).store(VECTORS, Relaxed);
    control.wait.store(0, Relaxed);
}

/// The address of `VECTORS_1` in `memory/an521.x`.
const VECTORS: u32 = 0x1008_0000;
