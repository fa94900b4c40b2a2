//! Where every choice comes from.

/// A generator of numbers: `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
///
/// Written here rather than taken from a crate, because a seed has to mean the same orders for as long as somebody has it
/// written down.
#[derive(Clone, Debug)]
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A generator of its own, so that what is drawn here changes nothing there.
    pub(crate) const fn split(&mut self) -> Self {
        Self(self.next())
    }

    /// A number below `end`; zero if `end` is.
    ///
    /// By multiplication (Lemire, "Fast random integer generation in an interval", 2019) and without his correction: the
    /// error is below `end` in 2⁶⁴.
    pub(crate) const fn below(&mut self, end: u64) -> u64 {
        ((self.next() as u128 * end as u128) >> 64) as u64
    }

    /// Whether the one case in `of` is met; never if `of` is zero.
    pub(crate) const fn one_in(&mut self, of: u32) -> bool {
        of != 0 && self.below(of as u64) == 0
    }
}
