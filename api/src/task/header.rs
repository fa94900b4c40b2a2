//! What is known of a task without knowing its types: one allocation, shared by its driver, its handle and its context.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use core::task::Waker;
use core::time::Duration;
use std::panic::catch_unwind;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use atomic_waker::AtomicWaker;
use event_listener::Event;
use once_cell::race::OnceBox;
use slab::Slab;
use sweet_async_core::Priority;
use sweet_async_core::group::{EnterError, Exit, Group};
use sweet_async_core::lifecycle::{Cancel, Level, Lifecycle, Reason, Snapshot, State};

use super::TaskId;
use super::callbacks::{Callback, Callbacks};
use super::error::{Cancellation, Cause, Rejection, TaskError};
use super::retry::Retry;
use super::watch::{Watch, Watching};
use crate::Moment;
use crate::hooks::Happening;
use crate::live::{Notes, visit};
use crate::token::CancellationToken;
use crate::words::across;
use crate::words::seal::Seal;

/// What is known of a task: who it is, how it is doing, and a way to cancel it.
///
/// Handles, contexts and references dereference to this, whatever the task yields. Every query is one or two atomic
/// loads, never blocks, and may be asked from any thread; queries about children say otherwise.
pub struct TaskRecord<S: ?Sized = dyn Awaited> {
    header: Header,
    /// The way of the result; the only typed part.
    pub(super) slot: S,
}

/// A task of whatever type.
pub(crate) type Node = Arc<TaskRecord>;

/// What can be done to the way of a result without knowing its type.
pub trait Awaited: Send + Sync {
    /// Wakes whoever awaits the handle.
    fn wake(&self);
}

/// The untyped half of a task.
pub(crate) struct Header {
    pub(crate) lifecycle: Lifecycle,
    pub(crate) priority: Priority,
    /// The task came to its end without an extra part; see `extra_or_seal`.
    sealed: Seal,
    /// `FENCED`, `CONTEXTUAL`.
    marks: AtomicU8,
    /// What was known of it as it was made.
    pub(crate) kind: Kind,
    /// Where the parent lists this task; of one without a parent, where the root does, counted from 1, or 0.
    place: AtomicU32,
    /// The grace period in milliseconds; 49 days at most.
    grace: u32,
    pub(crate) id: TaskId,
    /// The name, if it is static; the other ones are in `given`.
    name: &'static str,
    pub(crate) created: Moment,
    /// The deadline in force, its own or an inherited one.
    pub(crate) deadline: Moment,
    pub(crate) parent: Option<Node>,
    /// Wakes the driver: the level rose, or a child left.
    pub(crate) driver: AtomicWaker,
    started: AtomicU64,
    ended: AtomicU64,
    given: Option<Box<Given>>,
    extra: OnceBox<Extra>,
}

/// What only some tasks are made with.
#[derive(Default)]
pub(crate) struct Given {
    /// A name that is not static.
    pub(crate) name: Option<Box<str>>,
    /// The task whose deadline this one inherits, if that is not its parent.
    pub(crate) after: Option<Node>,
    /// What accompanies the task.
    pub(crate) watch: Option<Arc<dyn Watching>>,
    /// The rules by which the work is begun again.
    pub(crate) retry: Option<Box<Retry>>,
}

/// What is known of a task as it is made, in one byte: the record has no more that is free.
#[derive(Clone, Copy)]
pub(crate) struct Kind(u8);

/// What most tasks never need.
#[derive(Default)]
pub(crate) struct Extra {
    pub(crate) children: Children,
    callbacks: Mutex<Callbacks>,
    /// Cancelled when the task is told to stop; who waits in `cancelled()` waits for it.
    pub(super) token: OnceLock<CancellationToken>,
    /// The id of the task that cancelled first; 0 if none did, or if it was the parent because it ends or was cancelled.
    cancelled_by: AtomicU64,
    /// For whoever looks at the live tree.
    notes: OnceLock<Box<Notes>>,
}

/// The scope of a task: who lives in it, and who waits for them to leave.
#[derive(Default)]
pub(crate) struct Children {
    pub(crate) group: Group,
    /// Who they are, for cancelling and for looking. Touched once when a child enters and once when it leaves; counting
    /// and joining go by the group's word.
    live: Mutex<Live>,
    /// Tells everybody who waits in `join_children`.
    pub(crate) left: Event,
    /// The rules of an explicit scope.
    bond: OnceLock<Box<Bond>>,
}

/// The rules of an explicit scope, and what came of them.
pub(crate) struct Bond {
    /// At most so many children at once.
    pub(crate) limit: u32,
    /// What the others are told when one of them fails.
    pub(crate) on_failure: Option<Level>,
    /// The first child that failed, if the others were told.
    pub(crate) first: OnceLock<(TaskId, Cow<'static, str>, State)>,
    /// Tells one of those that wait for a place.
    pub(crate) room: Event,
}

/// The live children, and at what level and why whoever is entered now is told to stop.
#[derive(Default)]
struct Live {
    nodes: Slab<Node>,
    condemned: Option<(Level, Reason)>,
}

/// Whom to wake for a child whose level was raised.
enum Call {
    Driver(Waker),
    Whole(Node, Cancel),
}

impl Header {
    #[inline]
    pub(crate) fn new(
        (id, name, priority): (TaskId, &'static str, Priority),
        created: Moment,
        deadline: Moment,
        grace: Duration,
        parent: Option<Node>,
        given: Option<Box<Given>>,
    ) -> Self {
        Self {
            lifecycle: Lifecycle::new(),
            priority,
            sealed: Seal::default(),
            marks: AtomicU8::new(0),
            kind: Kind::new(false, true),
            place: AtomicU32::new(0),
            // Rounded up: a short grace period is not none.
            grace: u32::try_from(grace.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX),
            id,
            name,
            created,
            deadline,
            parent,
            driver: AtomicWaker::new(),
            started: AtomicU64::new(UNSET),
            ended: AtomicU64::new(UNSET),
            given,
            extra: OnceBox::new(),
        }
    }

    /// Whether the work is a closure on a thread that may block.
    pub(crate) fn is_fenced(&self) -> bool {
        self.has(FENCED)
    }

    pub(crate) fn set_fenced(&self, fenced: bool) {
        self.mark(FENCED, fenced);
    }

    /// Whether something accompanies the task; see `driver/watched.rs`.
    #[inline]
    pub(crate) fn is_watched(&self) -> bool {
        self.given.is_some() && self.watching().is_some()
    }

    /// Whether somebody may hold a context, and so enter children.
    #[inline]
    pub(crate) fn is_contextual(&self) -> bool {
        self.has(CONTEXTUAL)
    }

    #[inline]
    pub(crate) fn set_contextual(&self) {
        self.mark(CONTEXTUAL, true);
    }

    #[inline]
    fn has(&self, mark: u8) -> bool {
        // Relaxed: each mark stands alone.
        self.marks.load(Ordering::Relaxed) & mark != 0
    }

    /// Of one writer at a time: who makes the task, then its driver.
    #[inline]
    fn mark(&self, mark: u8, set: bool) {
        let others = self.marks.load(Ordering::Relaxed) & !mark;
        self.marks
            .store(if set { others | mark } else { others }, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn name(&self) -> &str {
        self.given_name().unwrap_or(self.name)
    }

    /// The name, for one who outlives the task; a static one is not copied.
    pub(crate) fn name_to_keep(&self) -> Cow<'static, str> {
        match self.given_name() {
            Some(name) => Cow::Owned(name.to_owned()),
            None => Cow::Borrowed(self.name),
        }
    }

    fn given_name(&self) -> Option<&str> {
        self.given.as_ref()?.name.as_deref()
    }

    /// Where the root lists this task, if it does.
    #[inline]
    pub(crate) fn root_place(&self) -> u32 {
        // Relaxed: written before the driver was spawned.
        self.place.load(Ordering::Relaxed)
    }

    pub(crate) fn set_root_place(&self, place: u32) {
        self.place.store(place, Ordering::Relaxed);
    }

    pub(crate) fn grace(&self) -> Duration {
        Duration::from_millis(u64::from(self.grace))
    }

    /// The rules by which the work is begun again; `None` of work that is begun once.
    pub(crate) fn retry(&self) -> Option<&Retry> {
        self.given.as_ref()?.retry.as_deref()
    }

    pub(crate) fn watching(&self) -> Option<&Arc<dyn Watching>> {
        self.given.as_ref()?.watch.as_ref()
    }

    /// What accompanies the task, if anything does.
    pub(crate) fn watch(&self) -> Option<&Watch> {
        self.watching().map(|watching| watching.watch())
    }

    /// The task whose result this one goes on with.
    pub(crate) fn goes_on_with(&self) -> Option<&Self> {
        let after = self.given.as_ref()?.after.as_ref()?;
        Some(after.header())
    }

    fn elder(&self) -> Option<&Self> {
        let parent = || self.parent.as_ref().map(|parent| parent.header());
        self.goes_on_with().or_else(parent)
    }

    /// The inherited part of the deadline, and the task that it comes from.
    pub(crate) fn inherited(&self) -> (Moment, TaskId) {
        let Some(mut elder) = self.elder() else {
            return (Moment::NEVER, TaskId::NONE);
        };
        let deadline = elder.deadline;
        while let Some(above) = elder.elder()
            && above.deadline <= deadline
        {
            elder = above;
        }
        (deadline, elder.id)
    }

    pub(crate) fn extra(&self) -> &Extra {
        self.extra.get_or_init(Box::default)
    }

    /// The extra part if anybody has needed it.
    #[inline]
    pub(crate) fn extra_if_any(&self) -> Option<&Extra> {
        self.extra.get()
    }

    #[inline]
    pub(crate) fn set_started(&self, at: Moment) {
        // Relaxed: a reader learns that the task started from the lifecycle, or reads a moment that stands alone.
        self.started.store(at.as_nanos(), Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn set_ended(&self, at: Moment) {
        // Relaxed: written before the lifecycle's Release, read after its Acquire.
        self.ended.store(at.as_nanos(), Ordering::Relaxed);
    }

    pub(crate) fn started(&self) -> Option<Moment> {
        read(&self.started)
    }

    pub(crate) fn ended(&self) -> Option<Moment> {
        read(&self.ended)
    }

    pub(crate) fn cancellation(&self, seen: Snapshot) -> Option<Cancellation> {
        let (level, reason) = (seen.level()?, seen.reason()?);
        let by = self
            .extra_if_any()
            .and_then(|extra| TaskId::from_number(extra.cancelled_by.load(Ordering::Relaxed)));
        let parent = || self.parent.as_ref().filter(|_| reason == Reason::Parent);
        Some(Cancellation {
            level,
            reason,
            by: by.or_else(|| parent().map(|parent| parent.header().id)),
        })
    }

    /// An error of this task.
    pub(super) fn error<E>(&self, cause: Cause<E>) -> TaskError<E> {
        TaskError::new(
            cause,
            (self.id != TaskId::NONE).then_some(self.id),
            self.name_to_keep(),
            self.lifecycle.snapshot().attempt(),
        )
    }

    /// Has `look` look at no more than `most` of those who live in this scope now.
    pub(crate) fn visit_children(&self, most: usize, look: impl FnMut(Node)) {
        if let Some(extra) = self.extra_if_any() {
            visit(most, || extra.children.live(), |live| &live.nodes, look);
        }
    }

    /// Those who live in this scope now.
    pub(crate) fn children(&self) -> Vec<Node> {
        let Some(extra) = self.extra_if_any() else {
            return Vec::new();
        };
        extra
            .children
            .live()
            .nodes
            .iter()
            .map(|(_, child)| Arc::clone(child))
            .collect()
    }

    pub(crate) fn child_count(&self) -> usize {
        self.extra_if_any()
            .map_or(0, |extra| extra.children.group.live() as usize)
    }

    /// Cancels everybody below this task.
    pub(crate) fn cancel_children(&self, level: Level, reason: Reason) {
        let mut rest = Vec::new();
        let (reason, by) = self.pass_on(reason);
        self.tell_children(level, reason, by, &mut rest);
        while let Some(node) = rest.pop() {
            // Nobody beside those further down has failed: they are told because their parent was.
            let (reason, by) = match reason {
                Reason::Sibling => (Reason::Parent, node.header.id),
                reason => (reason, by),
            };
            node.header.tell_children(level, reason, by, &mut rest);
        }
    }

    /// Why children are told, and by whom, if this task was told or ends for `reason`: in a scope that one of them took
    /// along, it was that one.
    fn pass_on(&self, reason: Reason) -> (Reason, TaskId) {
        let bond = self.extra_if_any().and_then(|extra| extra.children.bond());
        let failed = bond.and_then(|bond| bond.first.get());
        match failed {
            Some((failed, ..))
                if reason == Reason::Parent
                    && self.lifecycle.snapshot().reason() == Some(Reason::Sibling) =>
            {
                (Reason::Sibling, *failed)
            }
            _ => (reason, self.id),
        }
    }

    /// Tells the children, a few at a time: their levels are raised while the list is locked, which is quick, and then they
    /// are woken without it. Those who may have children go to `rest`.
    fn tell_children(&self, level: Level, reason: Reason, by: TaskId, rest: &mut Vec<Node>) {
        let Some(extra) = self.extra_if_any() else { return };
        let (mut raised, mut calls) = (Vec::new(), Vec::new());
        let mut next = Some(0);
        while let Some(from) = next {
            let live = extra.children.live();
            next = live.raise(from, (level, reason, by), &mut raised);
            // As in `tell`, once for all of them.
            across::fence();
            calls.extend(
                raised
                    .drain(..)
                    .filter_map(|(place, outcome)| live.call(place, outcome)),
            );
            drop(live);
            for call in calls.drain(..) {
                match call {
                    Call::Driver(waker) => waker.wake(),
                    Call::Whole(child, outcome) => {
                        child.spread(outcome);
                        if child.header.extra_if_any().is_some() {
                            rest.push(child);
                        }
                    }
                }
            }
        }
    }

    /// The extra part, for a task that comes to its end; `None` if nobody has needed it, and then nobody will.
    pub(crate) fn extra_or_seal(&self) -> Option<&Extra> {
        self.extra_if_any().or_else(|| {
            self.sealed.set();
            self.extra_if_any()
        })
    }

    /// The extra part, for a child or a callback that enters; `None` if the task came to its end without one.
    pub(crate) fn extra_unless_sealed(&self) -> Option<&Extra> {
        let extra = self.extra();
        (!self.sealed.is_set()).then_some(extra)
    }

    /// Cancels everybody below this task because it ends, and whoever had entered but was not listed yet.
    pub(crate) fn condemn_children(&self, level: Level, reason: Reason) {
        if let Some(extra) = self.extra_if_any() {
            extra.children.live().condemned = Some((level, reason));
        }
        // Whoever told this task as much tells those below as well, or has; for a hard kill, see `tell`.
        if self.lifecycle.snapshot().level() < Some(level) || level == Level::KillHard {
            self.cancel_children(level, reason);
        }
    }

    /// Takes a child in: counted, listed, and cancelled at once if this task is.
    pub(crate) fn adopt(&self, child: &Node, reserved: bool) -> Result<(), Rejection> {
        let Some(extra) = self.extra_unless_sealed() else {
            return Err(Rejection::ScopeClosed);
        };
        let children = &extra.children;
        if !reserved {
            children.enter()?;
        }
        // Before anybody finds the child in the list and tells it something else.
        child.happened(Happening::Created);
        let (place, condemned) = {
            let mut live = children.live();
            (live.nodes.insert(Arc::clone(child)), live.condemned)
        };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a group counts fewer than 2^31 children"
        )]
        let place = place as u32;
        // Relaxed: read by the driver, which is spawned after this.
        child.header.place.store(place, Ordering::Relaxed);
        // The level is read after the child is listed, and a canceller lists after it raised the level: one of the two
        // sees the other, so no child escapes. The fence is for a canceller that finds no extra part; see `tell`.
        across::fence();
        let told = self
            .lifecycle
            .snapshot()
            .level()
            .map(|level| (level, Reason::Parent));
        let told = if condemned.map(|(level, _)| level) >= told.map(|(level, _)| level) {
            condemned
        } else {
            told
        };
        if let Some((level, reason)) = told {
            let (reason, by) = self.pass_on(reason);
            let _ = child.tell(level, reason, Some(by));
        }
        Ok(())
    }

    /// Takes a place for a child that is not made yet.
    pub(crate) fn reserve(&self) -> Result<(), EnterError> {
        self.extra_unless_sealed()
            .map_or(Err(EnterError::Closed), |extra| extra.children.enter())
    }

    /// Gives a place back: a child has left, or a place was not needed.
    pub(crate) fn vacate(&self) {
        let Some(extra) = self.extra_if_any() else { return };
        let children = &extra.children;
        if !matches!(children.group.leave(), Ok(Exit::Continue)) {
            across::fence();
            children.left.notify(usize::MAX);
            self.driver.wake();
        }
        if let Some(bond) = children.bond() {
            bond.room.notify(1);
        }
    }
}

impl Kind {
    pub(crate) const fn new(has_fallback: bool, traced: bool) -> Self {
        Self(has_fallback as u8 | (traced as u8) << 1)
    }

    /// There is work to replace one that has failed for good.
    pub(crate) const fn has_fallback(self) -> bool {
        self.0 & 1 != 0
    }

    /// The task is a span if anybody listens, and so are those below it unless they say otherwise.
    #[cfg(feature = "tracing")]
    pub(crate) const fn is_traced(self) -> bool {
        self.0 & 2 != 0
    }
}

impl Extra {
    pub(crate) fn notes(&self) -> &Notes {
        self.notes.get_or_init(Box::default)
    }

    /// What is noted, if anything ever was.
    pub(crate) fn notes_if_any(&self) -> Option<&Notes> {
        self.notes.get().map(|notes| &**notes)
    }

    /// Takes no further children; whether none lives.
    pub(crate) fn close_if_empty(&self) -> bool {
        let group = &self.children.group;
        // Whoever enters in between is found by the second look; after that nobody does.
        group.live() == 0 && {
            let _ = group.close();
            group.live() == 0
        }
    }

    pub(crate) fn lock_callbacks(&self) -> MutexGuard<'_, Callbacks> {
        self.callbacks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next callback to run; with `last`, none can be registered once there is none.
    pub(crate) fn next_callback(&self, last: bool) -> Option<Callback> {
        let mut callbacks = self.lock_callbacks();
        let next = callbacks.next();
        let obeyed = (next.is_none() && last).then(|| callbacks.close());
        // Tokens have locks of their own.
        drop(callbacks);
        drop(obeyed);
        next
    }

    /// Refuses further callbacks and drops those that are left: foreign code, so outside the lock and caught one by one.
    pub(crate) fn give_up_callbacks(&self) {
        let (left, obeyed) = self.lock_callbacks().close();
        drop(obeyed);
        for callback in left {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(callback)));
        }
    }
}

impl Drop for Header {
    #[inline]
    fn drop(&mut self) {
        if let Some(parent) = self.parent.take() {
            let_go(parent, |header| header.parent.take());
        }
        if let Some(given) = &mut self.given
            && let Some(after) = given.after.take()
        {
            let_go(after, |header| header.given.as_mut()?.after.take());
        }
    }
}

/// Lets go of the elders one by one: neither the depth of a tree nor the length of a chain is a limit here.
#[cold]
fn let_go(elder: Node, next: fn(&mut Header) -> Option<Node>) {
    let mut rest = Some(elder);
    while let Some(mut node) = rest {
        rest = Arc::get_mut(&mut node).and_then(|record| next(&mut record.header));
    }
}

impl<S> TaskRecord<S> {
    pub(crate) const fn new(header: Header, slot: S) -> Self {
        Self { header, slot }
    }
}

impl TaskRecord {
    /// Lets a child go, after its work was dropped.
    pub(crate) fn release(&self, child: &Header) {
        let place = child.place.load(Ordering::Relaxed) as usize;
        let Some(extra) = self.header.extra_if_any() else {
            return;
        };
        let left = extra.children.live().nodes.try_remove(place);
        drop(left);
        if let Some(bond) = extra.children.bond() {
            // Before it has left, so that the scope is still there to be told.
            self.bound(bond, child);
        }
        self.header.vacate();
    }

    /// A child that failed takes the others along, where the scope says so.
    #[cold]
    fn bound(&self, bond: &Bond, child: &Header) {
        let state = child.lifecycle.state();
        let Some(level) = bond.on_failure else { return };
        if !matches!(state, State::Failed | State::Panicked | State::TimedOut) {
            return;
        }
        let first = (child.id, child.name_to_keep(), state);
        if bond.first.set(first).is_ok() {
            let _ = self.cancel_tree(level, Reason::Sibling, Some(child.id));
        }
    }

    #[cfg(feature = "tracing")]
    pub(crate) fn trace(&self) -> Option<&crate::trace::Trace> {
        self.header.watch()?.trace()
    }

    /// Tells the task's hooks, if it has any.
    #[inline]
    pub(crate) fn happened(&self, what: Happening) {
        if let Some(watch) = self.header.watch()
            && watch.is_heard()
        {
            watch.tell(self, what);
        }
    }

    /// Cancels this task and everybody below it. Iterative, so that the depth of a tree is no limit.
    pub(crate) fn cancel_tree(&self, level: Level, reason: Reason, by: Option<TaskId>) -> Cancel {
        let outcome = self.tell(level, reason, by);
        if matches!(outcome, Cancel::Raised | Cancel::Ended) {
            self.header.cancel_children(level, Reason::Parent);
        }
        outcome
    }

    /// Raises the level of this task alone and wakes whom that concerns.
    pub(super) fn tell(&self, level: Level, reason: Reason, by: Option<TaskId>) -> Cancel {
        let outcome = self.raise(level, reason, by);
        if matches!(outcome, Cancel::Raised | Cancel::Ended) {
            // Who wants the token makes the extra part and the token, then reads the word; here the word is written, then
            // the token looked for. The fences on both sides keep both from missing each other.
            across::fence();
            self.spread(outcome);
        } else if level == Level::KillHard {
            // An executor that goes away drops what it is to poll. This is how it gets hold of a task that nothing else
            // would wake any more: one that has ended and whose callbacks hang, and one that waits for such a child.
            self.header.driver.wake();
        }
        outcome
    }

    /// Raises the level and wakes nobody.
    fn raise(&self, level: Level, reason: Reason, by: Option<TaskId>) -> Cancel {
        let before = self.header.lifecycle.snapshot().level();
        let outcome = self.header.lifecycle.cancel(level, reason);
        if !matches!(outcome, Cancel::Raised | Cancel::Ended) {
            return outcome;
        }
        let parent = || self.header.parent.as_ref().map(|parent| parent.header().id);
        // That the parent did it is what the reason says, and needs no place.
        if let (None, Some(by)) = (before, by)
            && (reason != Reason::Parent || parent() != Some(by))
        {
            // Relaxed: an id that stands alone. The first one stays.
            let first = &self.header.extra().cancelled_by;
            let _ = first.compare_exchange(0, by.get(), Ordering::Relaxed, Ordering::Relaxed);
        }
        outcome
    }

    /// Wakes whom it concerns that the level was raised, after a fence.
    fn spread(&self, outcome: Cancel) {
        let told = || self.header.cancellation(self.header.lifecycle.snapshot());
        if let Some(watch) = self.header.watch()
            && let Some(told) = told()
        {
            watch.tell(self, Happening::Told(told));
        }
        if let Some(extra) = self.header.extra_if_any()
            && let Some(token) = extra.token.get()
            && let Some(told) = told()
        {
            token.cancel_because(told.level, told.reason);
        }
        self.header.driver.wake();
        if matches!(outcome, Cancel::Ended) {
            self.slot.wake();
        }
    }
}

impl<S: ?Sized> TaskRecord<S> {
    #[inline]
    pub(crate) const fn header(&self) -> &Header {
        &self.header
    }
}

impl Live {
    /// Raises the levels of children from place `from` on, some at a time, and notes whose was. Gives where to go on if there
    /// may be more: a child keeps its place, and one that takes a place meanwhile sees that its parent was told.
    fn raise(
        &self,
        from: usize,
        (level, reason, by): (Level, Reason, TaskId),
        raised: &mut Vec<(usize, Cancel)>,
    ) -> Option<usize> {
        for place in from..self.nodes.capacity() {
            let Some(node) = self.nodes.get(place) else {
                continue;
            };
            if raised.len() == AT_ONCE {
                return Some(place);
            }
            let outcome = node.raise(level, reason, Some(by));
            // A child that was told as much before has passed it on already. For a hard kill, see `tell`.
            if matches!(outcome, Cancel::Raised | Cancel::Ended) || level == Level::KillHard {
                raised.push((place, outcome));
            }
        }
        None
    }

    /// Who has to be woken for the child at `place`: of most, the driver alone.
    fn call(&self, place: usize, outcome: Cancel) -> Option<Call> {
        let node = self.nodes.get(place)?;
        let header = &node.header;
        let ended = matches!(outcome, Cancel::Ended);
        let alone = header.extra_if_any().is_none() && !header.is_watched() && !ended;
        if alone || !matches!(outcome, Cancel::Raised | Cancel::Ended) {
            return node.header.driver.take().map(Call::Driver);
        }
        Some(Call::Whole(Arc::clone(node), outcome))
    }
}

impl Children {
    /// Lets one more in, if its rules do.
    fn enter(&self) -> Result<(), EnterError> {
        let limit = self.bond().map_or(Group::MAX_LIVE, |bond| bond.limit);
        self.group.try_enter_within(limit)
    }

    #[inline]
    pub(crate) fn bond(&self) -> Option<&Bond> {
        self.bond.get().map(|bond| &**bond)
    }

    /// Sets the rules, before anybody can enter.
    pub(crate) fn bind(&self, bond: Bond) {
        // Called once.
        let _ = self.bond.set(Box::new(bond));
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[inline]
fn read(moment: &AtomicU64) -> Option<Moment> {
    match moment.load(Ordering::Relaxed) {
        UNSET => None,
        nanos => Some(Moment::from_nanos(nanos)),
    }
}

/// How many children are raised while the list is locked.
const AT_ONCE: usize = 32;

/// No moment was stored yet.
const UNSET: u64 = u64::MAX;

const FENCED: u8 = 1;
const CONTEXTUAL: u8 = 2;
