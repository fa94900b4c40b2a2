//! Time as an argument: a wrapping count of a unit that the caller picks.

use core::cmp::Ordering;

/// A moment, as a wrapping `u32` count of the caller's unit (milliseconds in the adapters).
///
/// Two ticks compare by the shorter way round the circle, so a comparison stays right across the wrap as long as the
/// two are less than [`Tick::HORIZON`] apart (24.8 days in milliseconds). Nothing here can overflow or panic.
///
/// # Examples
/// ```
/// use sweet_async_core::Tick;
/// let before = Tick::new(u32::MAX - 1);
/// let after = before.after(5);
/// assert_eq!(after, Tick::new(3));
/// assert!(before.is_before(after));
/// assert_eq!(after.since(before), 5);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Tick(u32);

impl Tick {
    /// The distance from which on a later tick would read as an earlier one.
    pub const HORIZON: u32 = 1 << 31;

    /// Wraps a count read from a clock; only its low 32 bits matter.
    #[must_use]
    pub const fn new(count: u32) -> Self {
        Self(count)
    }

    /// The count itself.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.0
    }

    /// The tick `units` later, round the wrap.
    #[must_use]
    pub const fn after(self, units: u32) -> Self {
        Self(self.0.wrapping_add(units))
    }

    /// How many units passed since `earlier`; zero if `earlier` is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u32 {
        let distance = self.0.wrapping_sub(earlier.0);
        if distance < Self::HORIZON { distance } else { 0 }
    }

    /// Whether this tick lies before `other`, by the shorter way round.
    #[must_use]
    pub const fn is_before(self, other: Self) -> bool {
        matches!(self.order(other), Ordering::Less)
    }

    /// Compares by the shorter way round. Not `Ord`: the order on a circle is not transitive.
    #[must_use]
    pub const fn order(self, other: Self) -> Ordering {
        match self.0.wrapping_sub(other.0) {
            0 => Ordering::Equal,
            ahead if ahead < Self::HORIZON => Ordering::Greater,
            _ => Ordering::Less,
        }
    }
}

#[cfg(test)]
mod tests {
    use core::cmp::Ordering::{Equal, Greater, Less};

    use super::Tick;

    #[test]
    fn order_holds_across_the_wrap() {
        for start in [0, 1, u32::MAX - 3, u32::MAX, Tick::HORIZON - 1, Tick::HORIZON] {
            let tick = Tick::new(start);
            for step in [1, 2, 1_000, Tick::HORIZON - 1] {
                assert!(tick.is_before(tick.after(step)));
                assert!(!tick.after(step).is_before(tick));
                assert_eq!(tick.after(step).since(tick), step);
                assert_eq!(tick.since(tick.after(step)), 0);
            }
            assert!(!tick.is_before(tick));
        }
    }

    #[test]
    fn at_the_horizon_each_is_before_the_other() {
        for start in [0, 7, Tick::HORIZON, u32::MAX] {
            let (tick, other) = (Tick::new(start), Tick::new(start).after(Tick::HORIZON));
            assert_eq!((tick.order(other), other.order(tick)), (Less, Less));
            assert_eq!((tick.since(other), other.since(tick)), (0, 0));
        }
    }

    #[test]
    fn a_tick_is_its_count_and_equals_itself_alone() {
        for count in [0, 1, 9, u32::MAX] {
            let tick = Tick::new(count);
            assert_eq!(tick.count(), count);
            assert_eq!(tick.order(tick), Equal);
            assert_eq!(tick.after(1).order(tick), Greater);
        }
    }
}
