//! A place in the queue, for the futures of other machines.

use core::task::{Context, Poll};

use crate::waiters::{Full, WaiterSet};

/// A wait in which the head of the queue is served, as soon as its machine has something for it.
///
/// Three rules make it lose no wake-up (W3, W4). Who changes the machine so that somebody can be served calls
/// [`WaiterSet::wake_head`] after it; so does who has left, if the machine still has something for the next; and who
/// changes it for everybody calls [`WaiterSet::wake_all`].
#[derive(Debug)]
pub(crate) struct Place<'a, const N: usize> {
    set: &'a WaiterSet<N>,
    /// The place, between the first `Pending` and the answer.
    slot: Option<u32>,
}

impl<'a, const N: usize> Place<'a, N> {
    pub(crate) const fn new(set: &'a WaiterSet<N>) -> Self {
        Self { set, slot: None }
    }

    /// Waits until `ask` answers, which is told whether nobody stands before the caller. The caller then leaves.
    pub(crate) fn poll<A>(
        &mut self,
        task: &Context<'_>,
        mut ask: impl FnMut(bool) -> Option<A>,
    ) -> Poll<Result<A, Full>> {
        let slot = match self.slot {
            Some(slot) => slot,
            None => match ask(self.set.is_empty()) {
                Some(answer) => return Poll::Ready(Ok(answer)),
                None => *self.slot.insert(self.set.enter()?),
            },
        };
        self.set.register(slot, task.waker());
        // After the registration: who changes the machine later, or leaves from before us, finds the waker (W3).
        ask(self.set.is_head(slot)).map_or(Poll::Pending, |answer| Poll::Ready(Ok(answer)))
    }

    /// Leaves the queue; answers whether the caller stood in it, and so may have been woken in place of the next.
    #[must_use = "who leaves wakes the next if there is something for it"]
    pub(crate) fn leave(&mut self) -> bool {
        let slot = self.slot.take();
        if let Some(slot) = slot {
            self.set.leave(slot);
        }
        slot.is_some()
    }
}
