//! The only file that names an atomic type.
//!
//! | face | when | atomics from |
//! |---|---|---|
//! | plain | default | `core::sync::atomic` |
//! | loom | `--cfg sweet_loom` | `loom`, so that models explore every interleaving |
//! | shuttle | `--cfg sweet_shuttle` | `shuttle`, so that larger scenarios run under random schedules |
//! | portable | feature `portable-atomic` | `portable-atomic`, for cores without compare-and-swap |
//! | counting | unit tests | one of the others, which it counts the uses of: what is documented of costs is counted |
//!
//! Constructors of machines are `const` on the plain and the portable face; loom's atomics register with the running
//! model when they are made, so they cannot be. The [`const_fn!`] macro writes both.

#[cfg(all(not(sweet_loom), not(sweet_shuttle), not(feature = "portable-atomic")))]
#[expect(
    clippy::disallowed_types,
    reason = "the house alias; every other file uses it"
)]
type Plain = core::sync::atomic::AtomicU32;
#[cfg(all(not(sweet_loom), not(sweet_shuttle), feature = "portable-atomic"))]
type Plain = portable_atomic::AtomicU32;

#[cfg(all(not(sweet_loom), not(sweet_shuttle), not(test)))]
pub(crate) type AtomicU32 = Plain;
#[cfg(all(not(sweet_loom), not(sweet_shuttle), test))]
pub(crate) type AtomicU32 = tests::AtomicU32;
#[cfg(sweet_loom)]
pub(crate) type AtomicU32 = loom::sync::atomic::AtomicU32;
#[cfg(sweet_shuttle)]
pub(crate) use for_shuttle::{AtomicU32, step};

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
    #[cfg(not(any(sweet_loom, sweet_shuttle)))]
    core::hint::spin_loop();
    #[cfg(sweet_shuttle)]
    shuttle::thread::yield_now();
    #[cfg(sweet_loom)]
    loom::thread::yield_now();
}

/// Keeps a caller that lost an exchange away for a moment, so that the winner's next operation finds the word where it
/// left it, in its own cache, instead of each taking it from the other for every step.
///
/// Does nothing under loom and shuttle, where a pause would hide interleavings, and on bare metal, where one processor
/// takes nothing from itself: there, an exchange fails because of an interrupt that is over.
#[inline]
pub(crate) fn back_off() {
    #[cfg(not(any(sweet_loom, sweet_shuttle, target_os = "none")))]
    for _ in 0..LOST {
        core::hint::spin_loop();
    }
}

/// For how many hints: enough to double what two threads get done. A hint takes up to 140 cycles, so that the pause is
/// about a microsecond where it is longest.
#[cfg(not(any(sweet_loom, sweet_shuttle, target_os = "none")))]
const LOST: u32 = 16;

/// Shuttle's atomic, whose weak exchange also fails for no reason, which shuttle's own never does.
#[cfg(sweet_shuttle)]
mod for_shuttle {
    use super::Ordering;

    use shuttle::rand::{Rng, thread_rng};

    #[derive(Debug)]
    pub(crate) struct AtomicU32(shuttle::sync::atomic::AtomicU32);

    /// Lets another thread go first, before something that shuttle does not see.
    #[allow(
        dead_code,
        reason = "the feature `waiters` has something that it does not see"
    )]
    pub(crate) fn step() {
        AtomicU32::new(0).load(Ordering::Relaxed);
    }

    /// Hands each of these on as it is.
    macro_rules! same {
        ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
            $(pub(crate) fn $name(&self, $($argument: $type),*) -> $answer {
                self.0.$name($($argument),*)
            })*
        };
    }

    #[allow(dead_code, reason = "as much of the atomic as any machine uses")]
    impl AtomicU32 {
        /// One in so many weak exchanges fails without a reason.
        const SPURIOUS: u32 = 8;

        pub(crate) const fn new(value: u32) -> Self {
            Self(shuttle::sync::atomic::AtomicU32::new(value))
        }

        same! {
            load(order: Ordering) -> u32;
            store(value: u32, order: Ordering) -> ();
            swap(value: u32, order: Ordering) -> u32;
            fetch_add(value: u32, order: Ordering) -> u32;
            fetch_sub(value: u32, order: Ordering) -> u32;
            fetch_and(value: u32, order: Ordering) -> u32;
            fetch_or(value: u32, order: Ordering) -> u32;
            fetch_xor(value: u32, order: Ordering) -> u32;
            fetch_max(value: u32, order: Ordering) -> u32;
            fetch_min(value: u32, order: Ordering) -> u32;
            compare_exchange(old: u32, new: u32, won: Ordering, lost: Ordering) -> Result<u32, u32>;
        }

        pub(crate) fn compare_exchange_weak(
            &self,
            old: u32,
            new: u32,
            won: Ordering,
            lost: Ordering,
        ) -> Result<u32, u32> {
            if thread_rng().gen_ratio(1, Self::SPURIOUS) {
                return Err(self.0.load(lost));
            }
            self.0.compare_exchange(old, new, won, lost)
        }
    }
}

#[cfg(test)]
#[cfg(not(any(sweet_loom, sweet_shuttle)))]
mod tests;
