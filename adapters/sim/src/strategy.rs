//! Who runs next.

use std::collections::{BinaryHeap, VecDeque};

use crate::random::Numbers;

/// How the order of steps is chosen among all that could run.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Strategy {
    /// Any of them, each as likely as the other: a random walk. Finds what needs no long run of luck.
    #[default]
    Random,
    /// The one with the highest priority: priorities are drawn when tasks are spawned, and at `depth` - 1 moments of the
    /// first `steps` steps the one that would run falls below all others. Finds a bug that takes `depth` orderings with a
    /// chance of at least 1 in `tasks` × `steps`^(`depth` - 1), however seldom a random walk would meet it.
    ///
    /// After Burckhardt, Kothari, Musuvathi and Nagarakatte, "A randomized scheduler with probabilistic guarantees of
    /// finding bugs" (ASPLOS 2010). A task that only yields falls below all others too, or it would be the only one to run.
    Pct {
        /// How many orderings the bug takes; 2 or 3 are common.
        depth: u32,
        /// About how many steps a run takes: what [`Sim::steps`](crate::Sim::steps) says after one.
        steps: u64,
    },
    /// The one that was woken first: the order of a fair executor with one thread. The seed has no say in it.
    InOrder,
}

/// All that could run.
#[derive(Debug)]
pub(crate) enum Runnable {
    Random(Vec<usize>),
    Pct(Pct),
    InOrder(VecDeque<usize>),
}

#[derive(Debug)]
pub(crate) struct Pct {
    waiting: BinaryHeap<(u64, usize)>,
    /// By the task's key.
    priorities: Vec<u64>,
    /// At which steps a priority falls; the next one is last.
    falls: Vec<u64>,
    /// What the next one to fall gets, below all before.
    lowest: u64,
}

impl Runnable {
    pub(crate) fn new(strategy: Strategy, numbers: &mut Numbers) -> Self {
        match strategy {
            Strategy::Random => Self::Random(Vec::new()),
            Strategy::InOrder => Self::InOrder(VecDeque::new()),
            Strategy::Pct { depth, steps } => {
                let mut falls: Vec<u64> = (1..depth).map(|_| numbers.below(steps)).collect();
                falls.sort_unstable_by(|left, right| right.cmp(left));
                Self::Pct(Pct {
                    waiting: BinaryHeap::new(),
                    priorities: Vec::new(),
                    falls,
                    lowest: LOW,
                })
            }
        }
    }

    /// A task of this key is there.
    pub(crate) fn admit(&mut self, key: usize, numbers: &mut Numbers) {
        if let Self::Pct(pct) = self {
            if pct.priorities.len() <= key {
                pct.priorities.resize(key + 1, LOW);
            }
            if let Some(priority) = pct.priorities.get_mut(key) {
                *priority = LOW + 1 + numbers.below(LOW);
            }
        }
    }

    pub(crate) fn push(&mut self, key: usize) {
        match self {
            Self::Random(waiting) => waiting.push(key),
            Self::InOrder(waiting) => waiting.push_back(key),
            Self::Pct(pct) => pct.push(key),
        }
    }

    /// Takes the one that makes step number `step`.
    pub(crate) fn take(&mut self, step: u64, numbers: &mut Numbers) -> Option<usize> {
        match self {
            Self::Random(waiting) => match waiting.len() {
                0 => None,
                1 => waiting.pop(),
                many => {
                    let place = usize::try_from(numbers.below(many as u64)).unwrap_or(0);
                    Some(waiting.swap_remove(place))
                }
            },
            Self::InOrder(waiting) => waiting.pop_front(),
            Self::Pct(pct) => pct.take(step),
        }
    }

    /// The task has run and only yielded.
    pub(crate) fn yielded(&mut self, key: usize) {
        if let Self::Pct(pct) = self {
            pct.fall(key);
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Random(waiting) => waiting.len(),
            Self::InOrder(waiting) => waiting.len(),
            Self::Pct(pct) => pct.waiting.len(),
        }
    }
}

impl Pct {
    fn push(&mut self, key: usize) {
        let priority = self.priorities.get(key).copied().unwrap_or(LOW);
        self.waiting.push((priority, key));
    }

    fn fall(&mut self, key: usize) {
        self.lowest = self.lowest.saturating_sub(1);
        if let Some(priority) = self.priorities.get_mut(key) {
            *priority = self.lowest;
        }
    }

    fn take(&mut self, step: u64) -> Option<usize> {
        let (_, mut key) = self.waiting.pop()?;
        while self.falls.pop_if(|fall| *fall <= step).is_some() {
            self.fall(key);
            self.push(key);
            (_, key) = self.waiting.pop()?;
        }
        Some(key)
    }
}

/// Below every priority that is drawn, and above every one that has fallen.
const LOW: u64 = 1 << 62;
