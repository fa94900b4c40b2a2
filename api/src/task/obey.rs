//! Tasks and tokens: the token of a task, and tasks that obey one.

use alloc::sync::{Arc, Weak};
use alloc::task::Wake;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::future::Future;
use core::pin::Pin;
use core::task::{self, Waker};

use super::header::{Header, TaskRecord};
use super::view::{AlreadyEnded, TaskRef};
use crate::token::{CancellationToken, WeakToken};
use crate::words::across;

impl TaskRecord {
    /// The task's own token, which is cancelled when the task is told to stop: for whatever works for the task and is none
    /// itself.
    ///
    /// It keeps the level and the reason that the task was told first; the task's own level may rise later. A task that
    /// ends by itself cancels nobody. Cancelling the token does not cancel the task; who wants that hands out a token of
    /// its own and has the task [obey](TaskRef::cancel_with) it.
    ///
    /// The first call costs an allocation, or two for a task of which nobody has needed anything unusual yet.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.header().token().clone()
    }
}

impl Header {
    /// The task's token, made when it is first asked for.
    pub(super) fn token(&self) -> &CancellationToken {
        let token = self.extra().token.get_or_init(CancellationToken::new);
        // Here the token is there, then the word is read; a canceller writes the word, then looks for the token.
        across::fence();
        if let Some(told) = self.cancellation(self.lifecycle.snapshot()) {
            token.cancel_because(told.level, told.reason);
        }
        token
    }
}

impl TaskRef {
    /// Has the task obey `token`: when the token is cancelled, the task and everybody below it are told to stop, at the
    /// token's level and for its reason, by the thread that cancels the token.
    ///
    /// A task may obey several tokens, and then stops with the first. When it has ended it is forgotten by all of them. A
    /// token that was cancelled before stops the task at once. Tasks may obey each other's [tokens](TaskRecord::token), in
    /// chains of any length.
    ///
    /// # Errors
    /// [`AlreadyEnded`] when there is nothing left to stop.
    ///
    /// # Examples
    /// ```
    /// # use sweet_async_api::{Runtime, TaskBuilder, token::CancellationToken};
    /// fn serve<R: Runtime>(runtime: R, request: &CancellationToken) {
    ///     let task = TaskBuilder::<R, (), ()>::new(runtime).run(|| async { Ok(()) });
    ///     // Refused only if the task is over by now.
    ///     let _ = task.task_ref().cancel_with(request);
    /// }
    /// ```
    pub fn cancel_with(&self, token: &CancellationToken) -> Result<(), AlreadyEnded> {
        let ended = || AlreadyEnded { state: self.status() };
        if self.is_ended() {
            return Err(ended());
        }
        let extra = self.header().extra_unless_sealed().ok_or_else(ended)?;
        let stop = Arc::new(Stop {
            task: Arc::downgrade(self.node()),
            token: token.downgrade(),
        });
        let mut obeyed = token.clone().cancelled_owned();
        let waker = Waker::from(Arc::clone(&stop));
        if Pin::new(&mut obeyed)
            .poll(&mut task::Context::from_waker(&waker))
            .is_ready()
        {
            stop.wake();
            return Ok(());
        }
        // Dropped outside the lock.
        let refused = extra.lock_callbacks().obey(obeyed);
        refused.map_or(Ok(()), |_| Err(ended()))
    }
}

/// What a token wakes in place of somebody who waits for it.
struct Stop {
    task: Weak<TaskRecord>,
    token: WeakToken,
}

impl Stop {
    fn stop(&self) {
        let told = self.token.cancellation();
        if let (Some(told), Some(task)) = (told, self.task.upgrade()) {
            // Refused only if the task is over.
            let _ = task.cancel_tree(told.level, told.reason, None);
        }
    }
}

impl Wake for Stop {
    fn wake(self: Arc<Self>) {
        let begun = NEXT.try_with(|next| match &mut *next.borrow_mut() {
            Some(next) => {
                next.push(Arc::clone(&self));
                false
            }
            next => {
                *next = Some(Vec::new());
                true
            }
        });
        match begun {
            // Whoever is at it on this thread stops this one too, but not inside the one before.
            Ok(false) => {}
            Ok(true) => {
                let _over = Over;
                let mut one = Some(self);
                while let Some(stop) = one {
                    stop.stop();
                    one = NEXT.with(|next| next.borrow_mut().as_mut()?.pop());
                }
            }
            // The thread is about to end.
            Err(_) => self.stop(),
        }
    }
}

/// Nobody is at it any more, also if a waker has panicked.
struct Over;

impl Drop for Over {
    fn drop(&mut self) {
        let left = NEXT.with(|next| next.borrow_mut().take());
        drop(left);
    }
}

std::thread_local! {
    /// Whom this thread has still to stop, while it stops one: the length of a chain is no limit.
    static NEXT: RefCell<Option<Vec<Arc<Stop>>>> = const { RefCell::new(None) };
}
