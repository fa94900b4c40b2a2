//! The only file that names a cell for items.

use atomic_refcell::{AtomicRefCell, AtomicRefMut};

#[cfg(sweet_loom)]
use crate::sync::AtomicU32;
#[cfg(sweet_loom)]
use crate::sync::Ordering::Relaxed;
use crate::sync::const_fn;

/// Holds the item of one slot.
///
/// Whoever has the slot, by the word, is alone with the cell (M1), so that borrowing it never fails. If it failed
/// nevertheless, the item would stay where it is.
///
/// The borrow flag of the cell is nothing that loom sees, nor are the bytes of the item. Under loom a mark stands for
/// them, which is read and written as plain memory is: who would see old bytes reads an old mark, and the model fails,
/// as it does when two meet at the cell.
#[derive(Debug)]
pub(super) struct Cell<T> {
    content: AtomicRefCell<Content<T>>,
    #[cfg(sweet_loom)]
    mark: AtomicU32,
}

#[derive(Debug)]
pub(super) struct Content<T> {
    item: Option<T>,
    /// What the mark says to those who see what was done last.
    #[cfg(sweet_loom)]
    mark: u32,
}

impl<T> Cell<T> {
    const_fn! {
        pub(super) fn new() -> Self {
            Self {
                content: AtomicRefCell::new(Content {
                    item: None,
                    #[cfg(sweet_loom)]
                    mark: 0,
                }),
                #[cfg(sweet_loom)]
                mark: AtomicU32::new(0),
            }
        }
    }

    /// Puts an item in and answers with the one that was there.
    ///
    /// # Errors
    /// The item, if somebody else is at the cell.
    pub(super) fn put(&self, item: T) -> Result<Option<T>, T> {
        match self.open() {
            Some(mut opened) => Ok(opened.item.replace(item)),
            None => Err(item),
        }
    }

    /// Takes the item out; none if there is none, or if somebody else is at the cell.
    pub(super) fn take(&self) -> Option<T> {
        self.open()?.item.take()
    }

    #[cfg(not(sweet_loom))]
    pub(super) fn open(&self) -> Option<AtomicRefMut<'_, Content<T>>> {
        self.content.try_borrow_mut().ok()
    }

    #[cfg(sweet_loom)]
    pub(super) fn open(&self) -> Option<AtomicRefMut<'_, Content<T>>> {
        // ORDERING: Relaxed. It stands for plain memory: that the last mark is seen is the word's doing (M1). Model:
        // `mailbox::item_travels_with_its_slot`.
        let seen = self.mark.load(Relaxed);
        let content = self.content.try_borrow_mut().ok();
        assert!(content.is_some(), "two are at one cell");
        let mut content = content?;
        assert_eq!(content.mark, seen, "who is at the cell sees old bytes");
        content.mark += 1;
        // ORDERING: Relaxed, as above; others may run here, and find the cell borrowed if they should not have come.
        // Model: `mailbox::item_travels_with_its_slot`.
        self.mark.store(content.mark, Relaxed);
        Some(content)
    }
}
