//! What lives now, as it was found.

use alloc::sync::Arc;
use core::ops::Deref;
use core::time::Duration;

use slab::Slab;
use sweet_async_core::lifecycle::Snapshot;

use crate::live::WaitsOn;
use crate::task::{Cancellation, Node, TaskId, TaskRef};
use crate::{Moment, Priority, Root, State};

/// What lives now: tasks and, below each, its children. `Display` is a line a task.
///
/// See [the module](crate::live) for how it is taken and what can be relied on.
#[derive(Clone, Debug)]
pub struct LiveTree {
    at: Moment,
    /// Breadth first: parents come before their children, and the children of one task stand together.
    tasks: Vec<LiveTask>,
    /// How many of them have no parent here.
    tops: usize,
    left_out: usize,
    unlisted: u64,
    abandoned: usize,
}

/// One task of a [`LiveTree`], as it was when it was looked at.
#[derive(Clone, Debug)]
pub struct LiveTask {
    task: TaskRef,
    id: TaskId,
    created: Moment,
    seen: Snapshot,
    cancellation: Option<Cancellation>,
    grace_end: Option<Moment>,
    waits_on: Option<WaitsOn>,
    children: usize,
    parent: Option<usize>,
    /// Where its children begin, and how many of them there are here.
    below: (usize, usize),
}

impl LiveTree {
    /// Looks at `task` and everybody below it, at most `limit` tasks. `now` is the time of its runtime.
    #[must_use]
    pub fn of(task: &TaskRef, now: Moment, limit: usize) -> Self {
        let top = (limit != 0).then(|| LiveTask::look_at(Arc::clone(task.node()), None));
        let mut tree = Self::below(top.into_iter().collect(), now, limit);
        tree.left_out += usize::from(limit == 0);
        tree
    }

    /// Looks at the tasks without a parent, as far as `root` lists them, and everybody below them, at most `limit` tasks.
    #[must_use]
    pub fn of_root(root: &Root, now: Moment, limit: usize) -> Self {
        let mut tops = Vec::new();
        let left_out = root.visit_listed(limit, |node| tops.push(LiveTask::look_at(node, None)));
        let listed = (tops.len() + left_out) as u64;
        let mut tree = Self::below(tops, now, limit);
        tree.left_out += left_out;
        tree.unlisted = root.live().saturating_sub(listed);
        tree.abandoned = root.abandoned();
        tree
    }

    fn below(mut tasks: Vec<LiveTask>, at: Moment, limit: usize) -> Self {
        sort(&mut tasks);
        let (tops, mut left_out, mut place) = (tasks.len(), 0, 0);
        while let Some(parent) = tasks.get(place) {
            if parent.children == 0 {
                place += 1;
                continue;
            }
            let node = Arc::clone(parent.task.node());
            let begin = tasks.len();
            node.header()
                .visit_children(limit.saturating_sub(begin), |child| {
                    tasks.push(LiveTask::look_at(child, Some(place)));
                });
            let count = tasks.len() - begin;
            if tasks.len() == limit {
                // Where there was room for all, those who came or went meanwhile are not left out.
                left_out += node.header().child_count().saturating_sub(count);
            }
            if let Some(children) = tasks.get_mut(begin..) {
                sort(children);
            }
            if let Some(parent) = tasks.get_mut(place) {
                parent.below = (begin, count);
            }
            place += 1;
        }
        Self {
            at,
            tasks,
            tops,
            left_out,
            unlisted: 0,
            abandoned: 0,
        }
    }

    /// When it was looked at, on the clock of the runtime.
    #[must_use]
    pub const fn at(&self) -> Moment {
        self.at
    }

    /// The tasks, level by level: parents come before their children.
    #[must_use]
    pub fn tasks(&self) -> &[LiveTask] {
        &self.tasks
    }

    /// Those at the top.
    #[must_use]
    pub fn tops(&self) -> &[LiveTask] {
        self.tasks.get(..self.tops).unwrap_or_default()
    }

    /// The children of `task` that are here.
    #[must_use]
    pub fn children(&self, task: &LiveTask) -> &[LiveTask] {
        let (begin, count) = task.below;
        self.tasks.get(begin..begin + count).unwrap_or_default()
    }

    /// The parent of `task`, if it is here.
    #[must_use]
    pub fn parent(&self, task: &LiveTask) -> Option<&LiveTask> {
        self.tasks.get(task.parent?)
    }

    /// How many were found that the limit left no room for. Those below them were not counted.
    #[must_use]
    pub const fn left_out(&self) -> usize {
        self.left_out
    }

    /// How many tasks without a parent the root does not list: because it lists none, was asked to when they lived
    /// already, or has no room.
    #[must_use]
    pub const fn unlisted(&self) -> u64 {
        self.unlisted
    }

    /// How many blocking closures run on although their task is over.
    #[must_use]
    pub const fn abandoned(&self) -> usize {
        self.abandoned
    }

    /// Each task with its depth, parents before their children, and children in the order in which they were made.
    pub(super) fn walk(&self) -> Walk<'_> {
        Walk {
            tree: self,
            open: vec![(0, self.tops)],
        }
    }
}

/// Depth first, without recursion: a tree may be as deep as memory allows.
pub(super) struct Walk<'a> {
    tree: &'a LiveTree,
    /// At each depth, the next one and how many are left.
    open: Vec<(usize, usize)>,
}

impl<'a> Iterator for Walk<'a> {
    type Item = (usize, &'a LiveTask);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let depth = self.open.len().checked_sub(1)?;
            let (place, left) = self.open.last_mut()?;
            if *left == 0 {
                self.open.pop();
                continue;
            }
            let task = self.tree.tasks.get(*place)?;
            *place += 1;
            *left -= 1;
            self.open.push(task.below);
            return Some((depth, task));
        }
    }
}

impl LiveTask {
    fn look_at(node: Node, parent: Option<usize>) -> Self {
        let header = node.header();
        let seen = header.lifecycle.snapshot();
        Self {
            id: header.id,
            created: header.created,
            seen,
            cancellation: header.cancellation(seen),
            grace_end: header.grace_end(seen),
            waits_on: header.waits_on(seen),
            children: header.child_count(),
            parent,
            below: (0, 0),
            task: TaskRef::of(node),
        }
    }

    /// The task itself, which may have gone on since.
    #[must_use]
    pub const fn task(&self) -> &TaskRef {
        &self.task
    }

    /// Identifies the task.
    #[must_use]
    pub const fn id(&self) -> TaskId {
        self.id
    }

    /// The name given to the builder; empty if none was.
    #[must_use]
    pub fn name(&self) -> &str {
        self.task.name()
    }

    /// How urgent it is.
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.task.priority()
    }

    /// Where it was in its life.
    #[must_use]
    pub const fn state(&self) -> State {
        self.seen.state()
    }

    /// State, cancellation and attempt, all of one moment.
    #[must_use]
    pub const fn snapshot(&self) -> Snapshot {
        self.seen
    }

    /// Who had cancelled it, why, and how far that went.
    #[must_use]
    pub const fn cancellation(&self) -> Option<Cancellation> {
        self.cancellation
    }

    /// When graceful turns into kill, once the grace period has begun.
    #[must_use]
    pub const fn grace_end(&self) -> Option<Moment> {
        self.grace_end
    }

    /// How many children it had, those included for which there was no room here.
    #[must_use]
    pub const fn child_count(&self) -> usize {
        self.children
    }

    /// What it waited on, if that is known.
    #[must_use]
    pub const fn waits_on(&self) -> Option<&WaitsOn> {
        self.waits_on.as_ref()
    }

    pub(super) fn age(&self, now: Moment) -> Duration {
        now.since(self.created)
    }
}

/// In the order in which they were made. Mostly they are.
fn sort(tasks: &mut [LiveTask]) {
    let made = |task: &LiveTask| (task.created, task.id);
    if !tasks.is_sorted_by_key(made) {
        tasks.sort_by_key(made);
    }
}

/// Has `visit` look at no more than `most` of a list, a batch at a time, so that whoever enters or leaves waits for one batch
/// to be copied at most. What is copied is looked at while it is at hand.
pub(crate) fn visit<L: Deref>(
    most: usize,
    lock: impl Fn() -> L,
    nodes: impl Fn(&L) -> &Slab<Node>,
    mut visit: impl FnMut(Node),
) {
    let (mut batch, mut from, mut room) = (Vec::with_capacity(BATCH.min(most)), 0, most);
    while room > 0 {
        {
            let list = lock();
            let nodes = nodes(&list);
            // Nobody has a place beyond.
            let end = nodes.capacity();
            if from >= end {
                return;
            }
            let places = from..end.min(from + BATCH);
            from = places.end;
            let listed = places.filter_map(|place| nodes.get(place));
            batch.extend(listed.take(room).map(Arc::clone));
        }
        room -= batch.len();
        batch.drain(..).for_each(&mut visit);
    }
}

/// How many are copied under one lock: a few microseconds.
const BATCH: usize = 256;
