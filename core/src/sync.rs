//! The only file that names an atomic type.
//!
//! | face | when | atomics from |
//! |---|---|---|
//! | plain | default | `core::sync::atomic` |
//! | loom | `--cfg sweet_loom` | `loom`, so that models explore every interleaving |
//! | portable | feature `portable-atomic` | `portable-atomic`, for cores without compare-and-swap |
//! | counting | unit tests | one of the others, which it counts the uses of: what is documented of costs is counted |
//!
//! Constructors of machines are `const` on the plain and the portable face; loom's atomics register with the running
//! model when they are made, so they cannot be. The [`const_fn!`] macro writes both.

#[cfg(all(not(sweet_loom), not(feature = "portable-atomic")))]
#[expect(
    clippy::disallowed_types,
    reason = "the house alias; every other file uses it"
)]
type Plain = core::sync::atomic::AtomicU32;
#[cfg(all(not(sweet_loom), feature = "portable-atomic"))]
type Plain = portable_atomic::AtomicU32;

#[cfg(all(not(sweet_loom), not(test)))]
pub(crate) type AtomicU32 = Plain;
#[cfg(all(not(sweet_loom), test))]
pub(crate) type AtomicU32 = tests::AtomicU32;
#[cfg(sweet_loom)]
pub(crate) type AtomicU32 = loom::sync::atomic::AtomicU32;

pub(crate) use core::sync::atomic::Ordering;

/// Declares a constructor that is `const` except under loom.
macro_rules! const_fn {
    ($(#[$meta:meta])* $vis:vis fn $($rest:tt)*) => {
        #[cfg(not(sweet_loom))]
        $(#[$meta])* $vis const fn $($rest)*
        #[cfg(sweet_loom)]
        $(#[$meta])* $vis fn $($rest)*
    };
}
pub(crate) use const_fn;

/// Tells the processor, or the model checker, that this loop waits for another thread's step.
#[inline]
#[allow(
    dead_code,
    reason = "machines whose loops only retry their own compare-and-swap do not wait"
)]
pub(crate) fn spin_hint() {
    #[cfg(not(sweet_loom))]
    core::hint::spin_loop();
    #[cfg(sweet_loom)]
    loom::thread::yield_now();
}

/// Keeps a caller that lost an exchange away for a moment, so that the winner's next operation finds the word where it
/// left it, in its own cache, instead of each taking it from the other for every step.
///
/// Says nothing under loom, where a pause would hide interleavings, and on bare metal, where one processor takes nothing
/// from itself: there, an exchange fails because of an interrupt that is over.
#[inline]
pub(crate) fn back_off() {
    #[cfg(not(any(sweet_loom, target_os = "none")))]
    for _ in 0..LOST {
        core::hint::spin_loop();
    }
}

/// For how many hints: enough to double what two threads get done, and less than a microsecond.
#[cfg(not(any(sweet_loom, target_os = "none")))]
const LOST: u32 = 16;

#[cfg(test)]
#[cfg(not(sweet_loom))]
mod tests;
