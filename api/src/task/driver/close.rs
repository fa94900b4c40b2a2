//! The end of a task: children join, the lifecycle ends, callbacks run, the scope is left, the result is delivered.

use core::panic::AssertUnwindSafe;
use core::task::{self, Poll};
use std::panic::catch_unwind;

use sweet_async_core::lifecycle::{End, FinishError, Level, Reason, Snapshot};

use super::super::error::{Cause, TaskError};
use super::super::header::{Extra, TaskRecord};
use super::super::plan::{Plan, Rescue};
use super::{DriverProjection, Phase, Stage, Step};
use crate::{Moment, Runtime};

impl<R, T, E, P, B> DriverProjection<'_, R, T, E, P, B>
where
    R: Runtime,
    T: Send + 'static,
    E: Send + Sync + 'static,
    P: Plan<R, T, E>,
    B: Rescue<T, E>,
{
    /// The work has a result. A task that nobody else is part of ends here and now; whether this one did.
    #[inline]
    pub(super) fn end(&mut self, result: Result<T, TaskError<E>>) -> bool {
        if self.others().is_some() {
            self.end_in_company(result);
            return false;
        }
        let result = self.finish(result);
        let watched = self.header().is_watched();
        if watched {
            self.tell_end();
        }
        // Somebody may have registered a callback meanwhile.
        let alone = self.header().extra_if_any().is_none();
        if alone {
            if watched {
                self.end_watch();
            }
            self.leave(result);
        } else {
            self.stage.set(Stage::Ended);
            self.rest.get_or_insert_default().result = Some(result);
        }
        alone
    }

    /// Ends a cancelled task that nobody else is part of and whose result nobody will ask for, without making an error.
    /// False if it is not such a task; then nothing has happened.
    pub(super) fn end_unseen(&mut self, seen: Snapshot) -> bool {
        if !self.record.slot.is_detached() || self.header().is_watched() || self.others().is_some() {
            return false;
        }
        // Refused only if a hard kill came first, and then it has ended as this.
        let _ = self.finish_as(End::Cancelled);
        if self.header().extra_if_any().is_some() {
            self.stage.set(Stage::Ended);
            let result = Err(self.cancelled(seen, None));
            self.rest.get_or_insert_default().result = Some(result);
        } else {
            self.depart();
        }
        true
    }

    /// The part of the record that others use; from here on nobody enters children if there is none.
    #[inline]
    fn others(&self) -> Option<&Extra> {
        let header = self.record.header();
        if header.is_contextual() {
            header.extra_or_seal()
        } else {
            header.extra_if_any()
        }
    }

    /// Closes the scope to new children, and tells those who are there if the work has failed.
    #[cold]
    fn end_in_company(&mut self, result: Result<T, TaskError<E>>) {
        if result.is_ok() && self.header().extra_if_any().is_some_and(Extra::close_if_empty) {
            return self.end_deserted(result);
        }
        self.stage.set(Stage::Closing);
        let failed = result.as_ref().err().map(|error| match error.cause() {
            Cause::TimedOut(_) => Reason::Deadline,
            _ => Reason::Parent,
        });
        self.rest.get_or_insert_default().result = Some(result);
        if let Some(extra) = self.header().extra_if_any() {
            // The driver itself looks whether the scope is empty; it needs no telling.
            let _ = extra.children.group.close();
            if let Some(reason) = failed {
                // Not less than what the task itself was told: whoever told it may still be on the way down.
                let level = self.header().lifecycle.snapshot().level();
                self.header()
                    .condemn_children(level.unwrap_or(Level::Graceful), reason);
            }
        }
    }

    /// Those who were part of the task have left, so nobody is waited for unless the task was cancelled.
    fn end_deserted(&mut self, result: Result<T, TaskError<E>>) {
        let result = self.finish_in_company(result);
        self.tell_end();
        if self.header().lifecycle.is_cancelled() {
            self.stage.set(Stage::Ended);
            self.rest.get_or_insert_default().result = Some(result);
            return;
        }
        // It ended without having been cancelled, and cannot be any more: no callback runs.
        if let Some(extra) = self.header().extra_if_any() {
            extra.give_up_callbacks();
        }
        self.end_watch();
        self.leave(result);
    }

    /// One step of the end.
    #[cold]
    pub(super) fn close(&mut self, cx: &mut task::Context<'_>) -> Step<T, E> {
        if self.stage.phase() == Phase::Closing {
            // Also after a hard kill: the handle has resolved, but nobody below outlives the scope above.
            if self.header().child_count() != 0 {
                if self.header().lifecycle.snapshot().level() == Some(Level::Graceful) {
                    self.begin_grace();
                }
                return Step::Park(Moment::NEVER);
            }
            if let Some(result) = self.take_result() {
                let result = self.finish_in_company(result);
                self.tell_end();
                self.rest.get_or_insert_default().result = Some(result);
            }
            self.stage.set(Stage::Ended);
        }
        if self.poll_callbacks(cx).is_pending() {
            let (runtime, grace) = (&self.record.slot.runtime, self.record.header().grace());
            let rest = self.rest.get_or_insert_default();
            return Step::Park(*rest.cleanup_end.get_or_insert_with(|| runtime.now() + grace));
        }
        let result = self
            .take_result()
            .unwrap_or_else(|| Err(self.header().error(Cause::Taken)));
        self.end_watch();
        self.leave(result);
        Step::Again
    }

    fn take_result(&mut self) -> Option<Result<T, TaskError<E>>> {
        self.rest.as_mut()?.result.take()
    }

    /// Ends the lifecycle; a cancellation that came first turns the result.
    #[inline]
    fn finish(&mut self, result: Result<T, TaskError<E>>) -> Result<T, TaskError<E>> {
        let end = match &result {
            Ok(_) => End::Completed,
            Err(error) => end_of(error),
        };
        match self.finish_as(end) {
            Ok(()) => result,
            Err(refused) => self.overruled(refused, end, result),
        }
    }

    #[inline]
    fn finish_as(&mut self, end: End) -> Result<(), FinishError> {
        if self.plan.is_left() || self.rescue.is_left() {
            self.clear();
        }
        self.header().set_ended(self.runtime().now());
        self.header().lifecycle.finish(end)
    }

    // Apart, so that the common end is one function with its poll.
    #[cold]
    fn finish_in_company(&mut self, result: Result<T, TaskError<E>>) -> Result<T, TaskError<E>> {
        self.finish(result)
    }

    /// What the work and the fallback captured goes with them.
    #[cold]
    fn clear(&mut self) {
        let (plan, rescue) = (&mut *self.plan, &mut *self.rescue);
        let _ = catch_unwind(AssertUnwindSafe(|| plan.clear()));
        let _ = catch_unwind(AssertUnwindSafe(|| rescue.clear()));
    }

    /// The lifecycle refused this end.
    #[cold]
    fn overruled(
        &mut self,
        refused: FinishError,
        end: End,
        result: Result<T, TaskError<E>>,
    ) -> Result<T, TaskError<E>> {
        if matches!(refused, FinishError::Misplaced(_)) {
            // The error of another, cancelled task that this one was linked to: not this one's cancellation.
            return match self.header().lifecycle.finish(End::Failed) {
                Ok(()) => result,
                Err(refused) => self.overruled(refused, End::Failed, result),
            };
        }
        if end != End::Cancelled {
            // Refused only if the task is over by now, and then it is over as cancelled.
            let _ = self.header().lifecycle.finish(End::Cancelled);
        }
        let error = match result.map_err(TaskError::into_cause) {
            Err(Cause::Failed(error)) => Some(error),
            Err(Cause::Cancelled { error, .. }) => error,
            other => {
                let _ = catch_unwind(AssertUnwindSafe(|| drop(other)));
                None
            }
        };
        let seen = self.header().lifecycle.snapshot();
        Err(self.cancelled(seen, error))
    }

    /// Runs the callbacks of a cancelled task, one after the other, once its children have left.
    pub(super) fn poll_callbacks(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        let ended = self.stage.phase() == Phase::Ended;
        let Some(extra) = self.record.header().extra_if_any() else {
            return Poll::Ready(());
        };
        let cancellation = self.header().cancellation(self.header().lifecycle.snapshot());
        let Some(cancellation) = cancellation.filter(|cancellation| cancellation.level < Level::KillHard)
        else {
            if ended {
                if let Some(rest) = self.rest {
                    rest.drop_running();
                }
                extra.give_up_callbacks();
            }
            return Poll::Ready(());
        };
        if !ended && extra.children.group.live() != 0 {
            return Poll::Pending;
        }
        let rest = self.rest.get_or_insert_default();
        loop {
            if let Some(running) = &mut rest.running {
                let polled = catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(cx)));
                if matches!(polled, Ok(Poll::Pending)) {
                    return Poll::Pending;
                }
                rest.drop_running();
            }
            let next = extra.next_callback(ended);
            let Some(callback) = next else {
                return Poll::Ready(());
            };
            rest.running = catch_unwind(AssertUnwindSafe(|| callback(cancellation))).ok();
        }
    }

    /// Leaves the scope, then delivers the result, so that whoever has it finds the task gone from the tree.
    #[inline]
    fn leave(&mut self, result: Result<T, TaskError<E>>) {
        self.depart();
        self.record.slot.put(result);
    }

    #[inline]
    fn depart(&mut self) {
        self.stage.set(Stage::Left);
        match &self.header().parent {
            None => self.runtime().root().leave(self.header().root_place()),
            Some(parent) => parent.release(self.header()),
        }
    }

    /// The executor drops the task before its end.
    #[cold]
    pub(super) fn stopped(&mut self) {
        let phase = self.stage.phase();
        if phase == Phase::Work {
            self.drop_work();
        }
        if let Some(rest) = self.rest {
            rest.drop_running();
        }
        let kept = self.take_result();
        let result = match kept {
            // Decided before the executor went away.
            Some(result) if phase == Phase::Ended => result,
            kept => {
                drop(catch_unwind(AssertUnwindSafe(|| drop(kept))));
                self.header().set_ended(self.runtime().now());
                let result = if self.header().lifecycle.reject().is_ok() {
                    Err(self.header().error(Cause::Rejected(self.runtime().refusal())))
                } else {
                    let record: &TaskRecord = &**self.record;
                    let _ = record.cancel_tree(Level::KillHard, Reason::Stopped, None);
                    Err(self.cancelled(self.header().lifecycle.snapshot(), None))
                };
                self.tell_end();
                result
            }
        };
        if let Some(extra) = self.header().extra_or_seal() {
            let _ = extra.children.group.close();
            self.header().condemn_children(Level::KillHard, Reason::Parent);
            extra.give_up_callbacks();
        }
        self.end_watch();
        if let Some(watch) = self.header().watch() {
            watch.close();
        }
        self.leave(result);
    }
}

#[cold]
fn end_of<E>(error: &TaskError<E>) -> End {
    match error.cause() {
        Cause::Panicked(_) => End::Panicked,
        Cause::TimedOut(_) => End::TimedOut,
        Cause::Cancelled { .. } => End::Cancelled,
        _ => End::Failed,
    }
}
