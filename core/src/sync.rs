//! The only file that names an atomic type.
//!
//! | face | when | atomics from |
//! |---|---|---|
//! | plain | default | `core::sync::atomic` |
//! | loom | `--cfg sweet_loom` | `loom`, so that models explore every interleaving |
//! | portable | feature `portable-atomic` | `portable-atomic`, for cores without compare-and-swap |
//!
//! Constructors of machines are `const` on the plain and the portable face; loom's atomics register with the running
//! model when they are made, so they cannot be. The [`const_fn!`] macro writes both.

#[cfg(all(not(sweet_loom), not(feature = "portable-atomic")))]
#[expect(
    clippy::disallowed_types,
    reason = "the house alias; every other file uses it"
)]
pub(crate) type AtomicU32 = core::sync::atomic::AtomicU32;
#[cfg(all(not(sweet_loom), feature = "portable-atomic"))]
pub(crate) type AtomicU32 = portable_atomic::AtomicU32;
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
