//! Slots for nodes that are known by another number.

use core::error::Error;
use core::fmt;
use core::num::NonZeroU32;

use crate::sync::AtomicU32;
use crate::sync::Ordering::Relaxed;

/// Gives each node name, a number that is not 0, one of `N` slots, for good.
///
/// ```text
///   [ Free ] --enroll(name)--> [ Taken by name ]
/// ```
///
/// | slot     | bits  | name   | meaning                                     |
/// |----------|-------|--------|---------------------------------------------|
/// | `N` many | 0..32 | `NAME` | the name of the node that has it, 0 if free |
///
/// - **N1** A slot that was taken keeps its name: an answer never changes.
/// - **N2** A name has one slot, also when threads enroll it at the same time.
/// - **N3** Slots are taken from 0 without gaps; when all are, a new name is refused.
///
/// Enrolling is wait-free: at most `N` reads and `N` compare-and-swaps. The models `vector_clock::one_slot_a_name` and
/// `vector_clock::the_last_slot` prove the invariants. The slots of two processes agree only if both enroll the same
/// names in the same order.
///
/// # Examples
/// ```
/// use core::num::NonZeroU32;
/// use sweet_async_core::vector_clock::{Full, Nodes};
///
/// static NODES: Nodes<2> = Nodes::new();
///
/// let [paris, oslo, rome] = [33, 47, 39].map(|name| NonZeroU32::new(name).unwrap());
/// assert_eq!(NODES.enroll(paris)?, 0);
/// assert_eq!(NODES.enroll(oslo)?, 1);
/// assert_eq!(NODES.enroll(paris)?, 0);
/// assert!(NODES.enroll(rome).is_err());
/// assert_eq!(NODES.slot(oslo), Some(1));
/// # Ok::<(), Full>(())
/// ```
pub struct Nodes<const N: usize> {
    names: [AtomicU32; N],
}

/// All slots belong to other nodes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Full {
    /// The node that got no slot.
    pub name: NonZeroU32,
    /// How many slots there are.
    pub slots: usize,
}

impl<const N: usize> Nodes<N> {
    /// All slots are free.
    #[cfg(not(sweet_loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self {
            names: [const { AtomicU32::new(FREE) }; N],
        }
    }

    /// All slots are free.
    #[cfg(sweet_loom)]
    #[must_use]
    pub fn new() -> Self {
        Self {
            names: [FREE; N].map(AtomicU32::new),
        }
    }

    /// The slot of `name`, which is given the first free one if it has none.
    ///
    /// # Errors
    /// [`Full`] when it has none and none is free; it stays that way.
    pub fn enroll(&self, name: NonZeroU32) -> Result<usize, Full> {
        for (slot, taken) in self.names.iter().enumerate() {
            // ORDERING: Relaxed, also on failure. Only this one word decides whose slot it is (N1); a slot carries no
            // data, the clock that it is an index of publishes its own. A failure has seen a name, which stays.
            // Models: `vector_clock::one_slot_a_name`, `vector_clock::the_last_slot`.
            match taken.compare_exchange(FREE, name.get(), Relaxed, Relaxed) {
                Ok(_) => return Ok(slot),
                Err(seen) if seen == name.get() => return Ok(slot),
                Err(_) => {}
            }
        }
        Err(Full { name, slots: N })
    }

    /// The slot of `name`, if it was enrolled; a name that is being enrolled may not be seen yet.
    #[must_use]
    pub fn slot(&self, name: NonZeroU32) -> Option<usize> {
        self.names.iter().position(|taken| {
            // ORDERING: Relaxed. A name that is seen stays where it is (N1), and the slot carries no data. Model:
            // `vector_clock::one_slot_a_name`.
            taken.load(Relaxed) == name.get()
        })
    }
}

impl<const N: usize> Default for Nodes<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> fmt::Debug for Nodes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // ORDERING: Relaxed. Names for the eye; each that is seen is final (N1). Model: `vector_clock::one_slot_a_name`.
        let names = self.names.iter().map(|taken| taken.load(Relaxed));
        f.debug_list()
            .entries(names.take_while(|name| *name != FREE))
            .finish()
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "all {} slots belong to other nodes; give the clock more slots for node {}",
            self.slots, self.name
        )
    }
}

impl Error for Full {}

/// The name of a slot that nobody has.
const FREE: u32 = 0;
