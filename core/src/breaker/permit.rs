//! A ticket that gives itself back.

use crate::Tick;

use super::machine::CircuitBreaker;
use super::outcome::{Outcome, Recorded, Ticket};
use super::settings::Settings;
use super::window::Window;

/// The right to make one call; dropping it gives its place back and counts as no failure.
///
/// One that is forgotten, or held for ever, loses its place when the lease is over.
///
/// # Examples
/// ```
/// use sweet_async_core::Tick;
/// use sweet_async_core::breaker::{CircuitBreaker, Consecutive, Outcome, Recorded, Rules};
///
/// let breaker = CircuitBreaker::new(Consecutive::new());
/// let settings = Rules::new().failures(1).check()?;
///
/// let given_up = breaker.try_enter(&settings, Tick::new(0))?;
/// drop(given_up); // a timeout of ours is no failure of theirs
/// let failed = breaker.try_enter(&settings, Tick::new(0))?;
/// assert!(matches!(failed.record(Outcome::Failed, Tick::new(5)), Recorded::Opened { .. }));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[must_use = "a permit that is dropped counts as a cancelled call"]
#[derive(Debug)]
pub struct Permit<'a, W: Window> {
    breaker: &'a CircuitBreaker<W>,
    settings: &'a Settings,
    ticket: Option<Ticket>,
}

impl<'a, W: Window> Permit<'a, W> {
    #[inline]
    pub(super) const fn new(breaker: &'a CircuitBreaker<W>, settings: &'a Settings, ticket: Ticket) -> Self {
        Self {
            breaker,
            settings,
            ticket: Some(ticket),
        }
    }

    /// Takes note of how the call ended; see [`CircuitBreaker::record`].
    #[inline]
    pub fn record(mut self, outcome: Outcome, now: Tick) -> Recorded {
        match self.ticket.take() {
            Some(ticket) => self.breaker.record(self.settings, ticket, outcome, now),
            None => Recorded::Late,
        }
    }

    /// Whether the call is one of the few that a half-open breaker lets through.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.ticket.as_ref().is_some_and(Ticket::is_probe)
    }

    /// Whether this admission took the breaker from open to half-open; exactly one admission does.
    #[must_use]
    pub fn half_opened(&self) -> bool {
        self.ticket.as_ref().is_some_and(Ticket::half_opened)
    }
}

impl<W: Window> Drop for Permit<'_, W> {
    #[inline]
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            // A cancelled call opens and closes nothing, so there is nothing to tell.
            let _ = self.breaker.give_back(ticket);
        }
    }
}
