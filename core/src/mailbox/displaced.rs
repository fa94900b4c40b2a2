//! Items that went for another.

use core::iter::FusedIterator;

/// The items that were dropped for the one that was sent, oldest first; under [`Overflow::DropNewest`] the one that was
/// sent.
///
/// They are the caller's, and counted already; what it does not take out is dropped with this.
///
/// [`Overflow::DropNewest`]: crate::pressure::Overflow::DropNewest
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Displaced<T, const N: usize> {
    items: [Option<T>; N],
}

impl<T, const N: usize> Displaced<T, N> {
    pub(super) const fn none() -> Self {
        Self {
            items: [const { None }; N],
        }
    }

    /// There is room: at most one item comes from each slot.
    pub(super) fn push(&mut self, item: Option<T>) {
        if let Some(free) = self.items.iter_mut().find(|free| free.is_none()) {
            *free = item;
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.iter().flatten().count()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn items(&self) -> u32 {
        self.items.iter().flatten().fold(0, |count, _| count + 1)
    }
}

impl<T, const N: usize> Iterator for Displaced<T, N> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.items.iter_mut().find_map(Option::take)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = Self::len(self);
        (len, Some(len))
    }
}

impl<T, const N: usize> ExactSizeIterator for Displaced<T, N> {}

impl<T, const N: usize> FusedIterator for Displaced<T, N> {}
