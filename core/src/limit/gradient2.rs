//! The latency of the moment against that of the long run.

use core::fmt;

use super::policy::{ONE, Policy, Sample, State, hundredths, percent, ratio, times};

/// Shrinks the limit by as much as calls take longer than in the long run, and leaves room for a short queue.
///
/// Netflix' `Gradient2Limit`: the limit is multiplied by the gradient, `tolerance` × long / short, between a half and
/// one, and the `queue` is added; a share of the way there, `smoothing`, is gone with each call that makes the limit
/// smaller, and with each round of calls that make it greater: a limit that grew with each call would be far beyond what
/// the server queues before the first call could tell. (The source takes one step for each call, or for each window of
/// them.) The long-term latency is an exponential average over `window` calls, the first ten averaged evenly; when it is
/// more than twice the short one it falls by a twentieth at each call, so that an overload does not stay in it.
///
/// The long-term latency is learned under load: where calls always fill the limit, it follows their queue, and the
/// limit creeps up towards its maximum. Set that accordingly, or take [`Vegas`](super::Vegas), which probes.
///
/// The source pays no heed to drops; here one counts as a gradient of a half, and its latency does not count (L6).
///
/// # Examples
/// ```
/// use sweet_async_core::limit::{Bounds, ConcurrencyLimit, Full, Gradient2};
///
/// let limit = ConcurrencyLimit::new(Gradient2::new().queue(2), Bounds::of::<1, 2, 50>());
/// for _ in 0..20 {
///     let call = limit.try_acquire()?;
///     limit.try_acquire()?.ok(30); // two at a time, and neither is slow
///     call.ok(30);
/// }
/// assert!(limit.limit() > 2);
/// # Ok::<(), Full>(())
/// ```
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Gradient2 {
    tolerance: u32,
    queue: u32,
    smoothing: u32,
    window: u32,
}

impl Gradient2 {
    /// A tolerance of 150 %, a queue of 4, a smoothing of 20 % and a window of 600 calls, as in the source.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            tolerance: 150,
            queue: 4,
            smoothing: percent(20),
            window: 600,
        }
    }

    /// Tolerates calls that take so many hundredths of the long-term latency; less than 100 counts as 100.
    #[must_use]
    pub const fn tolerance(mut self, hundredths: u32) -> Self {
        self.tolerance = if hundredths < 100 { 100 } else { hundredths };
        self
    }

    /// Leaves room for a queue of so many calls, from 1 to 1,000; what is outside counts as the nearer end.
    #[must_use]
    pub const fn queue(mut self, calls: u32) -> Self {
        self.queue = match calls {
            0 => 1,
            1..=1_000 => calls,
            _ => 1_000,
        };
        self
    }

    /// Takes so many hundredths of each new limit, from 1 to 100; what is outside counts as the nearer end.
    #[must_use]
    pub const fn smoothing(mut self, hundredths: u32) -> Self {
        self.smoothing = percent(if hundredths == 0 { 1 } else { hundredths });
        self
    }

    /// Averages the long-term latency over so many calls; 0 counts as 1.
    #[must_use]
    pub const fn window(mut self, calls: u32) -> Self {
        self.window = if calls == 0 { 1 } else { calls };
        self
    }

    /// The limit for a gradient, and a share of the way to it.
    const fn approach(&self, state: &mut State, gradient: u32, queue: u32) {
        let target = times(state.limit, gradient).saturating_add(queue * ONE);
        if target >= state.limit {
            // The part of a step that is due to one call of a round; rounded up, or a round of more calls than the step has
            // parts would never grow (L7).
            let round = if state.whole() == 0 { 1 } else { state.whole() };
            state.grow(times(target - state.limit, self.smoothing).div_ceil(round));
        } else {
            state.shrink(times(state.limit - target, self.smoothing));
        }
    }
}

impl Policy for Gradient2 {
    fn step(&self, state: &mut State, sample: Sample) -> u32 {
        let Sample::Ok { latency, in_flight } = sample else {
            self.approach(state, ONE / 2, 0);
            return state.whole();
        };
        let latency = u64::from(latency.max(1)) * u64::from(ONE);
        let long = Long::of(state.memory).after(latency, self.window);
        state.memory = long.memory();
        if state.is_idle(in_flight) {
            return state.whole();
        }
        let tolerated = long.average.saturating_mul(u64::from(self.tolerance)) / 100;
        // Eight of the fraction bits leave room for the product in `ratio`.
        let gradient = ratio(tolerated >> 8, latency >> 8).clamp(ONE / 2, ONE);
        self.approach(state, gradient, self.queue);
        state.whole()
    }
}

impl Default for Gradient2 {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Gradient2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gradient2")
            .field("tolerance_percent", &self.tolerance)
            .field("queue", &self.queue)
            .field("smoothing_percent", &hundredths(self.smoothing))
            .field("window", &self.window)
            .finish()
    }
}

/// The long-term latency, in parts of [`ONE`]; 48 bits, so it takes two words of the policy's memory.
#[derive(Clone, Copy)]
struct Long {
    average: u64,
    calls: u32,
}

impl Long {
    const fn of([high, low, calls]: [u32; 3]) -> Self {
        Self {
            average: (high as u64) << 32 | low as u64,
            calls,
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the halves of a word of twice the width"
    )]
    const fn memory(self) -> [u32; 3] {
        [(self.average >> 32) as u32, self.average as u32, self.calls]
    }

    fn after(self, latency: u64, window: u32) -> Self {
        let calls = self.calls.saturating_add(1);
        // Evenly over the first calls, then by 2 / (window + 1), as exponential averages are given.
        let (weight, over) = if calls <= WARM_UP {
            (1, u64::from(calls))
        } else {
            (2, u64::from(window) + 1)
        };
        let average = if latency >= self.average {
            self.average + (latency - self.average) / over * weight
        } else {
            self.average - (self.average - latency) / over * weight
        };
        let average = if average / 2 > latency {
            average - average / 20
        } else {
            average
        };
        Self { average, calls }
    }
}

/// Calls that are averaged evenly.
const WARM_UP: u32 = 10;
