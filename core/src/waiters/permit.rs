//! Credits that give themselves back.

use crate::credit::Credits;
use crate::waiters::WaiterSet;

/// Credits that were taken; dropped, it gives them back and wakes the head of the queue.
///
/// Take the permit first and do the work under it; what must outlive the scope is taken over with [`Permit::commit`].
///
/// # Examples
/// ```
/// use core::future::Future;
/// use core::pin::pin;
/// use core::task::{Context, Poll, Waker};
///
/// use sweet_async_core::credit::Credits;
/// use sweet_async_core::waiters::WaiterSet;
///
/// static DMA: Credits = Credits::of::<1>();
/// static WAITING: WaiterSet<2> = WaiterSet::new();
///
/// let mut task = Context::from_waker(Waker::noop());
/// let Poll::Ready(Ok(permit)) = pin!(WAITING.acquire(&DMA, 1)).poll(&mut task) else { panic!() };
/// let owed = permit.commit(); // the transfer goes on without the task
/// assert_eq!(DMA.free(), 0);
/// // In the interrupt at its end:
/// assert!(WAITING.release(&DMA, owed).is_ok() && DMA.free() == 1);
/// ```
#[must_use = "a permit that is dropped gives its credits back"]
#[derive(Debug)]
pub struct Permit<'a, const N: usize> {
    set: &'a WaiterSet<N>,
    credits: &'a Credits,
    count: u32,
}

impl<'a, const N: usize> Permit<'a, N> {
    pub(super) const fn new(set: &'a WaiterSet<N>, credits: &'a Credits, count: u32) -> Self {
        Self { set, credits, count }
    }

    /// How many credits it holds.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Leaves the credits taken and answers how many; from now on the caller owes [`WaiterSet::release`] for them.
    #[must_use = "the credits stay taken until they are released"]
    pub fn commit(mut self) -> u32 {
        core::mem::take(&mut self.count)
    }
}

impl<const N: usize> Drop for Permit<'_, N> {
    fn drop(&mut self) {
        if self.count == 0 {
            return;
        }
        // Refused only if somebody else gave back what this permit holds; there is nothing left to give back then.
        let given_back = self.set.release(self.credits, self.count);
        debug_assert!(given_back.is_ok(), "credits of a permit were given back twice");
    }
}
