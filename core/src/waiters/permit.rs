//! Credits that give themselves back.

use crate::credit::Credits;
use crate::waiters::WaiterSet;

/// Credits that were taken; dropped, it gives them back and wakes the head of the queue.
///
/// Take the permit first and do the work under it; what must outlive the scope is taken over with [`Permit::commit`].
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
