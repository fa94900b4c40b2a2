//! What a policy is asked and what it remembers.

/// One call in flight, in the fixed point of [`State::limit`].
pub const ONE: u32 = 1 << 16;

/// Works out the next limit from one call after another.
///
/// It is a plain value; what it remembers is in [`State`]. The machine sees to it that one caller steps at a time and
/// that the limit stays in its bounds.
///
/// # Examples
/// ```
/// use sweet_async_core::limit::{Bounds, ConcurrencyLimit, Full, ONE, Policy, Sample, State};
///
/// /// One more for each call that was fast enough, one less for each that was not.
/// #[derive(Clone, Copy)]
/// struct Within(u32);
///
/// impl Policy for Within {
///     fn step(&self, state: &mut State, sample: Sample) -> u32 {
///         match sample {
///             Sample::Ok { latency, .. } if latency <= self.0 => state.grow(ONE),
///             _ => state.shrink(ONE),
///         }
///         state.whole()
///     }
/// }
///
/// let limit = ConcurrencyLimit::new(Within(20), Bounds::of::<1, 4, 8>());
/// limit.try_acquire()?.ok(12);
/// assert_eq!(limit.limit(), 5);
/// # Ok::<(), Full>(())
/// ```
pub trait Policy: Copy {
    /// Takes the call into `state` and answers how many may be in flight next. It must not panic: nobody would take over
    /// from a caller that ended in the middle, and the limit would stay as it is.
    fn step(&self, state: &mut State, sample: Sample) -> u32;
}

/// What a policy remembers between two calls.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "policies of the user's own read and write all of it"
)]
pub struct State {
    /// The limit, in parts of [`ONE`]; kept within the bounds after each step.
    pub limit: u32,
    /// The policy's own, all zero in the beginning.
    pub memory: [u32; 3],
}

/// A call that ended and says something about the limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a policy answers each of them")]
pub enum Sample {
    /// It ended well.
    Ok {
        /// How long it took, in the caller's unit.
        latency: u32,
        /// How many were in flight when it ended, itself included.
        in_flight: u32,
    },
    /// It was dropped: timed out, refused or lost for want of capacity.
    Dropped,
}

impl State {
    /// The limit in whole calls.
    #[must_use]
    pub const fn whole(&self) -> u32 {
        self.limit / ONE
    }

    /// Grows the limit by so many parts of [`ONE`]; saturates.
    pub const fn grow(&mut self, parts: u32) {
        self.limit = self.limit.saturating_add(parts);
    }

    /// Shrinks the limit by so many parts of [`ONE`]; saturates.
    pub const fn shrink(&mut self, parts: u32) {
        self.limit = self.limit.saturating_sub(parts);
    }

    /// Multiplies the limit by `share` / [`ONE`]; saturates.
    pub const fn scale(&mut self, share: u32) {
        self.limit = times(self.limit, share);
    }

    /// Whether less than half of the limit is used, so that the latency says nothing about a higher one.
    #[must_use]
    pub const fn is_idle(&self, in_flight: u32) -> bool {
        in_flight.saturating_mul(2) < self.whole()
    }
}

/// `value` × `share` / [`ONE`]; saturates.
pub(super) const fn times(value: u32, share: u32) -> u32 {
    saturate(value as u64 * share as u64 / ONE as u64)
}

/// `part` / `whole` in parts of [`ONE`]; saturates, also for a whole of zero.
pub(super) const fn ratio(part: u64, whole: u64) -> u32 {
    match part.saturating_mul(ONE as u64).checked_div(whole) {
        Some(ratio) => saturate(ratio),
        None => u32::MAX,
    }
}

/// [`ONE`] × [`ONE`] / `value`; saturates. In 32 bits, because a division in 64 is a routine of half a kilobyte where
/// no instruction does it.
pub(super) const fn inverse(value: u32) -> u32 {
    let Some(quotient) = u32::MAX.checked_div(value) else {
        return u32::MAX;
    };
    // What was divided is one less than it should be: that matters where it would have come out even.
    if u32::MAX - quotient * value == value - 1 {
        quotient.saturating_add(1)
    } else {
        quotient
    }
}

/// So many hundredths in parts of [`ONE`], at most one.
pub(super) const fn percent(hundredths: u32) -> u32 {
    let capped = if hundredths < 100 { hundredths } else { 100 };
    capped * ONE / 100
}

/// The hundredths that [`percent`] made these parts of.
pub(super) const fn hundredths(parts: u32) -> u32 {
    (parts * 100).div_ceil(ONE)
}

#[expect(clippy::cast_possible_truncation, reason = "compared before")]
const fn saturate(value: u64) -> u32 {
    if value > u32::MAX as u64 {
        u32::MAX
    } else {
        value as u32
    }
}
