//! What receivers collect into. Each worker has a shard of its own; the shards are merged once, at the end, in the order
//! of the workers. So there is no lock, and nothing shared, per item.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::fmt;
use core::hash::{BuildHasher, Hash};
use std::collections::{HashMap, HashSet};

/// A collection that items are added to and that absorbs others of its kind.
///
/// Laws, which the collectors of this crate are tested against: merging an empty collection changes nothing, and
/// merging is associative. Where it is also commutative (maps of sums, counts) the result does not depend on the number
/// of workers.
///
/// | collection | order of the result |
/// |---|---|
/// | `Vec`, `VecDeque`, `String` | one worker: the order of the source. Several: worker by worker, in the order of the source within each |
/// | maps with equal keys | one worker: later values are merged into earlier ones in the order of the source. Several: likewise within each worker, then worker by worker |
/// | sets, counts | no order to speak of |
pub trait Collector: Send + 'static {
    /// What is added.
    type Item;

    /// Adds one item.
    fn add(&mut self, item: Self::Item);

    /// Adds items.
    fn add_all(&mut self, items: impl IntoIterator<Item = Self::Item>)
    where
        Self: Sized,
    {
        for item in items {
            self.add(item);
        }
    }

    /// Absorbs what a later worker collected.
    fn merge(&mut self, other: Self);
}

/// How two values for one key become one.
///
/// Numbers add up (integers saturate), text and lists are joined, of two `Option`s the values are merged.
///
/// # Examples
/// ```
/// use sweet_async_api::emit::Merge;
///
/// #[derive(Default)]
/// struct Delay { flights: u64, minutes: i64 }
///
/// impl Merge for Delay {
///     fn merge(&mut self, other: Self) {
///         self.flights += other.flights;
///         self.minutes += other.minutes;
///     }
/// }
///
/// let mut delay = Delay { flights: 1, minutes: 30 };
/// delay.merge(Delay { flights: 2, minutes: -5 });
/// assert_eq!((delay.flights, delay.minutes), (3, 25));
/// ```
pub trait Merge {
    /// Absorbs a value that came later for the same key.
    fn merge(&mut self, other: Self);
}

macro_rules! merge_by_saturating_sum {
    ($($number:ty)*) => {
        $(impl Merge for $number {
            fn merge(&mut self, other: Self) {
                *self = self.saturating_add(other);
            }
        })*
    };
}

merge_by_saturating_sum!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize);

macro_rules! merge_by_sum {
    ($($number:ty)*) => {
        $(impl Merge for $number {
            fn merge(&mut self, other: Self) {
                *self += other;
            }
        })*
    };
}

merge_by_sum!(f32 f64);

impl Merge for () {
    fn merge(&mut self, (): Self) {}
}

impl Merge for String {
    fn merge(&mut self, other: Self) {
        self.push_str(&other);
    }
}

impl<T> Merge for Vec<T> {
    fn merge(&mut self, mut other: Self) {
        if self.is_empty() {
            *self = other;
        } else {
            self.append(&mut other);
        }
    }
}

impl<T: Merge> Merge for Option<T> {
    fn merge(&mut self, other: Self) {
        match (self.as_mut(), other) {
            (Some(mine), Some(other)) => mine.merge(other),
            (None, other) => *self = other,
            (Some(_), None) => {}
        }
    }
}

impl<A: Merge, B: Merge> Merge for (A, B) {
    fn merge(&mut self, other: Self) {
        self.0.merge(other.0);
        self.1.merge(other.1);
    }
}

impl<T: Send + 'static> Collector for Vec<T> {
    type Item = T;

    fn add(&mut self, item: T) {
        self.push(item);
    }

    fn merge(&mut self, other: Self) {
        Merge::merge(self, other);
    }
}

impl<T: Send + 'static> Collector for VecDeque<T> {
    type Item = T;

    fn add(&mut self, item: T) {
        self.push_back(item);
    }

    fn merge(&mut self, mut other: Self) {
        self.append(&mut other);
    }
}

impl Collector for String {
    type Item = char;

    fn add(&mut self, item: char) {
        self.push(item);
    }

    fn merge(&mut self, other: Self) {
        self.push_str(&other);
    }
}

/// A count of items.
impl Collector for u64 {
    type Item = ();

    fn add(&mut self, (): ()) {
        *self = self.saturating_add(1);
    }

    fn merge(&mut self, other: Self) {
        Merge::merge(self, other);
    }
}

impl Collector for () {
    type Item = ();

    fn add(&mut self, (): ()) {}

    fn merge(&mut self, (): Self) {}
}

/// Values of equal keys are merged.
impl<K, V, S> Collector for HashMap<K, V, S>
where
    K: Eq + Hash + Send + 'static,
    V: Merge + Send + 'static,
    S: BuildHasher + Send + 'static,
{
    type Item = (K, V);

    fn add(&mut self, (key, value): (K, V)) {
        use std::collections::hash_map::Entry;
        match self.entry(key) {
            Entry::Occupied(mut entry) => entry.get_mut().merge(value),
            Entry::Vacant(entry) => {
                entry.insert(value);
            }
        }
    }

    fn merge(&mut self, other: Self) {
        if self.is_empty() {
            *self = other;
        } else {
            self.add_all(other);
        }
    }
}

/// Values of equal keys are merged.
impl<K, V> Collector for BTreeMap<K, V>
where
    K: Ord + Send + 'static,
    V: Merge + Send + 'static,
{
    type Item = (K, V);

    fn add(&mut self, (key, value): (K, V)) {
        use alloc::collections::btree_map::Entry;
        match self.entry(key) {
            Entry::Occupied(mut entry) => entry.get_mut().merge(value),
            Entry::Vacant(entry) => {
                entry.insert(value);
            }
        }
    }

    fn merge(&mut self, other: Self) {
        if self.is_empty() {
            *self = other;
        } else {
            self.add_all(other);
        }
    }
}

impl<T, S> Collector for HashSet<T, S>
where
    T: Eq + Hash + Send + 'static,
    S: BuildHasher + Send + 'static,
{
    type Item = T;

    fn add(&mut self, item: T) {
        self.insert(item);
    }

    fn merge(&mut self, other: Self) {
        self.extend(other);
    }
}

impl<T: Ord + Send + 'static> Collector for BTreeSet<T> {
    type Item = T;

    fn add(&mut self, item: T) {
        self.insert(item);
    }

    fn merge(&mut self, mut other: Self) {
        self.append(&mut other);
    }
}

/// A value folded from the items by a function, and merged by another one.
///
/// # Examples
/// ```
/// use sweet_async_api::emit::{Collector, Fold};
/// let mut longest = Fold::new(0, |longest: &mut usize, word: &str| *longest = word.len().max(*longest), usize::max);
/// longest.add_all(["pear", "apple"]);
/// assert_eq!(longest.into_value(), 5);
/// ```
#[derive(Clone)]
pub struct Fold<A, I, F, M> {
    value: A,
    add: F,
    merge: M,
    item: core::marker::PhantomData<fn(I)>,
}

impl<A, I, F: FnMut(&mut A, I), M: FnMut(A, A) -> A> Fold<A, I, F, M> {
    /// Begins at `value`. Each shard of a pipeline begins there, so it should be neutral to `merge`.
    pub const fn new(value: A, add: F, merge: M) -> Self {
        Self {
            value,
            add,
            merge,
            item: core::marker::PhantomData,
        }
    }
}

impl<A, I, F, M> Fold<A, I, F, M> {
    /// What was folded so far.
    pub const fn value(&self) -> &A {
        &self.value
    }

    /// What was folded.
    pub fn into_value(self) -> A {
        self.value
    }
}

impl<A, I, F, M> Collector for Fold<A, I, F, M>
where
    A: Default + Send + 'static,
    I: 'static,
    F: FnMut(&mut A, I) + Send + 'static,
    M: FnMut(A, A) -> A + Send + 'static,
{
    type Item = I;

    fn add(&mut self, item: I) {
        (self.add)(&mut self.value, item);
    }

    fn merge(&mut self, other: Self) {
        let mine = core::mem::take(&mut self.value);
        self.value = (self.merge)(mine, other.value);
    }
}

impl<A: fmt::Debug, I, F, M> fmt::Debug for Fold<A, I, F, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fold")
            .field("value", &self.value)
            .finish_non_exhaustive()
    }
}
