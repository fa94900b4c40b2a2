//! Who a task is.

use core::cell::Cell;
use core::error::Error;
use core::fmt;
use core::num::NonZeroU64;
use core::str::FromStr;

use sweet_async_core::id::IdGenerator;

/// Identifies a task within this process: unique, copyable, ordered, and the same after a trip through text.
///
/// Ids of one thread ascend in the order in which it created its tasks. Each thread takes a block number from one
/// shared [`IdGenerator`] and counts within it, so that making an id touches no shared memory most of the time.
///
/// As text, an id of the first block is its number, `17`; one of another block has that in front, `3.17`. Both count from
/// one. Each id has one such text, and ids are ordered by block, then by number. What [`get`](Self::get) gives is read as
/// well: as text, it is either the id's own or too large for a number within a block.
///
/// # Examples
/// ```
/// use sweet_async_api::TaskId;
/// let id: TaskId = "3.17".parse()?;
/// assert_eq!(id.to_string(), "3.17");
/// assert_eq!(id.get().to_string().parse(), Ok(id));
/// assert!("0".parse::<TaskId>().is_err());
/// # Ok::<(), sweet_async_api::ParseTaskIdError>(())
/// ```
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TaskId(NonZeroU64);

/// No id is left: 2³² blocks of 2³² ids were given out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct IdsExhausted;

/// The text was not a task id.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ParseTaskIdError(());

impl TaskId {
    /// Stands for no task; the last number, which the generator does not reach.
    pub(crate) const NONE: Self = Self(NonZeroU64::MAX);

    /// The next id of this thread.
    #[inline]
    pub(crate) fn next() -> Result<Self, IdsExhausted> {
        NEXT.with(|next| {
            let (block, index) = next.get();
            let (block, index) = match index.checked_add(1) {
                Some(index) if block != 0 => (block, index),
                _ => (BLOCKS.next().map_err(|_| IdsExhausted)?.get(), 0),
            };
            next.set((block, index));
            Ok(Self::join(block, index))
        })
    }

    /// The id as a number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    /// The id with this number, or `None` for zero.
    #[must_use]
    pub const fn from_number(number: u64) -> Option<Self> {
        match NonZeroU64::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    fn join(block: u32, index: u32) -> Self {
        // The first id of the first block would be zero, so numbers are counted from one.
        let number = (u64::from(block) - 1) << 32 | u64::from(index);
        Self(NonZeroU64::MIN.saturating_add(number))
    }

    /// The block, and the number within it, both counted from one.
    const fn split(self) -> (u64, u64) {
        let number = self.get() - 1;
        ((number >> 32) + 1, (number & LAST_INDEX) + 1)
    }

    /// The id that `text` stands for.
    fn read(text: &str) -> Option<Self> {
        // A number as it is written: no sign, no zero in front.
        let number = |text: &str| {
            let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
            text.parse().ok().filter(|_| plain)
        };
        let Some((block, index)) = text.split_once('.') else {
            return Self::from_number(number(text)?);
        };
        // Those of the first block are written without it.
        let block = u32::try_from(number(block)? - 1)
            .ok()
            .filter(|block| *block > 0)?;
        let index = u32::try_from(number(index)? - 1).ok()?;
        Self::from_number((u64::from(block) << 32 | u64::from(index)).checked_add(1)?)
    }
}

impl From<TaskId> for NonZeroU64 {
    fn from(id: TaskId) -> Self {
        id.0
    }
}

impl From<NonZeroU64> for TaskId {
    fn from(number: NonZeroU64) -> Self {
        Self(number)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.split() {
            (1, index) => write!(f, "{index}"),
            (block, index) => write!(f, "{block}.{index}"),
        }
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskId({self})")
    }
}

impl FromStr for TaskId {
    type Err = ParseTaskIdError;

    fn from_str(text: &str) -> Result<Self, ParseTaskIdError> {
        Self::read(text).ok_or(ParseTaskIdError(()))
    }
}

impl fmt::Display for IdsExhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("every task id of this process has been given out; restart it")
    }
}

impl fmt::Display for ParseTaskIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a task id is a number from 1, such as 17, or two of them, such as 3.17")
    }
}

impl Error for IdsExhausted {}

impl Error for ParseTaskIdError {}

/// The last index within a block.
const LAST_INDEX: u64 = u32::MAX as u64;

/// Hands out block numbers, from 1.
static BLOCKS: IdGenerator = IdGenerator::new();

std::thread_local! {
    /// The block of this thread and the last index given out in it; block 0 is none.
    static NEXT: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
}

#[cfg(test)]
mod tests {
    use super::TaskId;
    use std::collections::HashSet;

    #[test]
    fn ids_of_many_threads_do_not_repeat() {
        let threads: Vec<_> = (0..16)
            .map(|_| std::thread::spawn(|| (0..10_000).map(|_| TaskId::next().unwrap()).collect::<Vec<_>>()))
            .collect();
        let mut seen = HashSet::new();
        for thread in threads {
            let ids = thread.join().unwrap();
            assert!(ids.is_sorted(), "the ids of one thread ascend");
            for id in ids {
                assert!(seen.insert(id), "{id} was given out twice");
            }
        }
    }

    #[test]
    fn a_full_block_is_followed_by_a_new_one() {
        let first = TaskId::next().unwrap();
        let block = super::NEXT.get().0;
        super::NEXT.set((block, u32::MAX));
        let second = TaskId::next().unwrap();
        assert_ne!(super::NEXT.get().0, block);
        assert!(second > first);
    }

    #[test]
    fn text_and_back_is_the_same_id() {
        let block = 1 << 32;
        for (number, text) in [
            (1, "1"),
            (2, "2"),
            (block, "4294967296"),
            (block + 1, "2.1"),
            (block + 3, "2.3"),
            (7 * block, "7.4294967296"),
            (u64::MAX, "4294967296.4294967295"),
        ] {
            let id = TaskId::from_number(number).unwrap();
            assert_eq!((id.to_string().as_str(), text.parse()), (text, Ok(id)));
            assert_eq!(number.to_string().parse(), Ok(id));
            assert_eq!(format!("{id:?}"), format!("TaskId({text})"));
        }
        assert_eq!(TaskId::from_number(0), None);
        for wrong in [
            "",
            "0",
            "-1",
            "+1",
            "01",
            "x",
            "1.",
            ".1",
            "1.1",
            "0.1",
            "2.0",
            "2.01",
            "2.1.1",
            "2.4294967297",
            "4294967297.1",
            "4294967296.4294967296",
            "18446744073709551616",
        ] {
            assert!(wrong.parse::<TaskId>().is_err(), "{wrong:?}");
        }
    }
}
