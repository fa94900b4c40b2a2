//! What every program that is weighed has besides its machine; the program `baseline` has nothing else.
#![no_std]

use core::hint;
use core::panic::PanicInfo;

// The critical section of a single core, for whoever asks for one.
use cortex_m as _;
#[cfg(feature = "portable-atomic")]
use portable_atomic as _;
use sweet_async_core::Tick;

/// A number that the compiler does not know.
#[inline(never)]
#[must_use]
pub fn input() -> u32 {
    hint::black_box(0)
}

/// A moment that the compiler does not know.
#[inline]
#[must_use]
pub fn now() -> Tick {
    Tick::new(input())
}

/// A static of which the compiler does not know what is in it: all of it is there, and nothing is worked out beforehand.
#[inline]
#[must_use]
pub fn hidden<T>(machine: &'static T) -> &'static T {
    hint::black_box(machine)
}

/// Takes an answer, so that the compiler has to work it out.
#[inline]
pub fn output<A>(answer: A) {
    hint::black_box(answer);
}

/// The end of each program.
pub fn rest() -> ! {
    loop {
        hint::spin_loop();
    }
}

/// Stands in the program that was linked if, and only if, something in it can panic.
#[panic_handler]
#[inline(never)]
fn panic(_: &PanicInfo<'_>) -> ! {
    rest()
}
