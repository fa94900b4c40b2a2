//! The queue estimated from the latency without load.

use super::policy::{ONE, Policy, Sample, State, ratio, times};

/// Keeps a short queue: estimates it from how much longer calls take than without load.
///
/// The rule of TCP Vegas (Brakmo and Peterson 1994) with the thresholds of Netflix' `VegasLimit`: with `l` the decimal
/// logarithm of the limit, at least 1, a queue of up to `l` grows the limit by `6l`, one below `3l` by `l`, one above
/// `6l` shrinks it by `l`, and so does a drop. As in TCP, that is what a round of calls does; the source does as much
/// with each call, before any latency can show what the last step did.
///
/// The latency without load is the lowest seen since the last probe. The source takes one call's latency for it from
/// time to time, under full load, and so mistakes its own queue for the baseline. Here a probe halves what may be in
/// flight, for two rounds of calls after each thirty, so that the queue drains, and takes the lowest latency of those:
/// the baseline follows a service that became slower, and does not follow the queue.
///
/// # Examples
/// ```
/// use sweet_async_core::limit::{Bounds, ConcurrencyLimit, Full, Vegas};
///
/// let limit = ConcurrencyLimit::new(Vegas::new(), Bounds::of::<1, 2, 50>());
/// for _ in 0..20 {
///     let call = limit.try_acquire()?;
///     limit.try_acquire()?.ok(30); // as fast as without load: there is room for more
///     call.ok(30);
/// }
/// assert!(limit.limit() > 2);
/// # Ok::<(), Full>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Vegas;

impl Vegas {
    /// With the thresholds of the source.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Policy for Vegas {
    fn step(&self, state: &mut State, sample: Sample) -> u32 {
        let step = logarithm(state.whole());
        let Sample::Ok { latency, in_flight } = sample else {
            state.shrink(step * ONE);
            return state.whole();
        };
        let latency = latency.max(1);
        let round = state.whole().max(1);
        let [base, lowest, count] = &mut state.memory;
        *count = count.saturating_add(1);
        if *count > ROUNDS.saturating_mul(round) {
            // A probe; `lowest` is zero before its first sample.
            *lowest = if *lowest == 0 {
                latency
            } else {
                latency.min(*lowest)
            };
            if *count <= (ROUNDS + PROBE).saturating_mul(round) {
                return state.whole() / 2;
            }
            (*base, *lowest, *count) = (*lowest, 0, 0);
            return state.whole();
        }
        if *base == 0 || latency < *base {
            *base = latency;
            return state.whole();
        }
        let served = times(state.limit, ratio(u64::from(*base), u64::from(latency)));
        let queue = (state.limit - served).div_ceil(ONE);
        if state.is_idle(in_flight) {
            return state.whole();
        }
        // The part of a step that is due to one call of a round.
        let part = step * ONE / round;
        if queue <= step {
            state.grow(6 * part);
        } else if queue < 3 * step {
            state.grow(part);
        } else if queue > 6 * step {
            state.shrink(part);
        }
        state.whole()
    }
}

/// Rounds of calls between two probes.
const ROUNDS: u32 = 30;
/// Rounds of calls that a probe lasts.
const PROBE: u32 = 2;

/// The decimal logarithm, rounded down, at least 1.
const fn logarithm(limit: u32) -> u32 {
    match limit {
        0..100 => 1,
        100..1_000 => 2,
        1_000..10_000 => 3,
        _ => 4,
    }
}
