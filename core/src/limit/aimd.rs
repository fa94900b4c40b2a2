//! Additive increase, multiplicative decrease.

use core::fmt;

use super::policy::{Policy, Sample, State, hundredths, inverse, percent};

/// Grows by one in each round of calls that end well, and shrinks by a share when one is dropped.
///
/// The rule of Chiu and Jain (1989). Netflix' `AIMDLimit` grows by one with each call instead of each round, shrinks
/// with each drop, and counts slow calls as dropped; here the caller, who has the timeout, says so.
///
/// # Examples
/// ```
/// use sweet_async_core::limit::{Aimd, Bounds, ConcurrencyLimit, Full};
///
/// let limit = ConcurrencyLimit::new(Aimd::new().backoff(50), Bounds::of::<1, 8, 100>());
/// limit.try_acquire()?.dropped();
/// assert_eq!(limit.limit(), 4);
/// # Ok::<(), Full>(())
/// ```
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Aimd {
    backoff: u32,
}

impl Aimd {
    /// Keeps 90 % of the limit at a drop.
    #[must_use]
    pub const fn new() -> Self {
        Self { backoff: percent(90) }
    }

    /// Keeps so many hundredths of the limit at a drop; 100 and more keep all of it.
    #[must_use]
    pub const fn backoff(mut self, hundredths: u32) -> Self {
        self.backoff = percent(hundredths);
        self
    }
}

impl Policy for Aimd {
    fn step(&self, state: &mut State, sample: Sample) -> u32 {
        match sample {
            Sample::Dropped => state.scale(self.backoff),
            Sample::Ok { in_flight, .. } if state.is_idle(in_flight) => {}
            Sample::Ok { .. } => state.grow(inverse(state.limit)),
        }
        state.whole()
    }
}

impl Default for Aimd {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Aimd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aimd")
            .field("backoff_percent", &hundredths(self.backoff))
            .finish()
    }
}
