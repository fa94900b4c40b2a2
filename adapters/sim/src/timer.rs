//! Virtual timers.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::collections::BTreeMap;

use sweet_async_api::Moment;

use crate::Sim;

/// The timers that are set, in the order in which they fire.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    waiting: BTreeMap<Place, Waker>,
    made: u64,
}

/// When a timer fires, and which of those that fire together it is.
type Place = (Moment, u64);

impl Timers {
    /// When the next one fires.
    pub(crate) fn next(&self) -> Option<Moment> {
        self.waiting.first_key_value().map(|((due, _), _)| *due)
    }

    pub(crate) fn set(&mut self, due: Moment, waker: Waker) -> Place {
        let place = (due, self.made);
        self.made += 1;
        self.waiting.insert(place, waker);
        place
    }

    /// Whom to wake at this place, if it has not fired.
    pub(crate) fn get_mut(&mut self, place: Place) -> Option<&mut Waker> {
        self.waiting.get_mut(&place)
    }

    pub(crate) fn remove(&mut self, place: Place) -> Option<Waker> {
        self.waiting.remove(&place)
    }

    /// Takes all that fire by `now`.
    pub(crate) fn fire(&mut self, now: Moment) -> Vec<Waker> {
        let mut fired = Vec::new();
        while let Some(first) = self.waiting.first_entry()
            && first.key().0 <= now
        {
            fired.push(first.remove());
        }
        fired
    }

    pub(crate) fn clear(&mut self) -> Vec<Waker> {
        core::mem::take(&mut self.waiting).into_values().collect()
    }
}

/// A timer of a simulation.
#[derive(Debug)]
pub struct Sleep {
    sim: Sim,
    at: Moment,
    /// When it fires: later than asked for, if a fault says so. Known once it is set.
    due: Option<Moment>,
    place: Option<Place>,
}

impl Sleep {
    pub(crate) const fn new(sim: Sim, at: Moment) -> Self {
        Self {
            sim,
            at,
            due: None,
            place: None,
        }
    }

    fn unset(&mut self) {
        if let Some(place) = self.place.take() {
            let waker = self.sim.world.lock().timers.remove(place);
            drop(waker);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let now = this.sim.world.now();
        if this.due.unwrap_or(this.at) <= now {
            this.unset();
            return Poll::Ready(());
        }
        if this.at == Moment::NEVER {
            // No event of the simulation, so one that waits for nothing else is stuck.
            return Poll::Pending;
        }
        // Cloned and dropped outside the lock: it may be anybody's.
        let waker = cx.waker().clone();
        let before = {
            let mut state = this.sim.world.lock();
            if let Some(place) = this.place {
                let known = state.timers.get_mut(place);
                known.map(|known| core::mem::replace(known, waker))
            } else {
                let due = state.due(now, this.at);
                this.due = Some(due);
                this.place = Some(state.timers.set(due, waker));
                None
            }
        };
        drop(before);
        Poll::Pending
    }
}

impl sweet_async_api::Sleep for Sleep {
    fn reset(mut self: Pin<&mut Self>, at: Moment) {
        self.unset();
        self.at = at;
        self.due = None;
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.unset();
    }
}
