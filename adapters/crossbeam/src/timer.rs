//! One thread that waits for the next deadline and for nothing else.

use alloc::collections::BTreeMap;
use core::future::Future;
use core::panic::AssertUnwindSafe;
use core::pin::Pin;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::panic::catch_unwind;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use sweet_async_api::Moment;

use crate::clock;
use crate::pool::Shared;

/// The deadlines of a pool.
#[derive(Default)]
pub(crate) struct Timer {
    state: Mutex<State>,
    changed: Condvar,
    wake_ups: AtomicU64,
}

#[derive(Default)]
struct State {
    /// By time, then by who came first.
    waiting: BTreeMap<Key, Waker>,
    next: u64,
    stopped: bool,
}

type Key = (Moment, u64);

impl Timer {
    /// The timer thread: sleeps until the earliest deadline, or until there is an earlier one.
    pub(crate) fn run(&self) {
        let mut state = self.lock();
        while !state.stopped {
            let now = clock::now();
            let later = state.waiting.split_off(&(now + Duration::from_nanos(1), 0));
            let due = core::mem::replace(&mut state.waiting, later);
            if !due.is_empty() {
                drop(state);
                for waker in due.into_values() {
                    // A waker of somebody else's executor is foreign code.
                    let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
                }
                state = self.lock();
                continue;
            }
            let next = state.waiting.keys().next().map(|(at, _)| at.since(now));
            state = match next {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    self.changed
                        .wait_timeout(state, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
            self.wake_ups.fetch_add(1, Relaxed);
        }
    }

    /// Lets go of everybody who waits, and of the thread.
    pub(crate) fn stop(&self) {
        let waiting = {
            let mut state = self.lock();
            state.stopped = true;
            core::mem::take(&mut state.waiting)
        };
        self.changed.notify_all();
        // The last waker of a future may drop the future.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(waiting)));
    }

    /// How often the thread woke.
    pub(crate) fn wake_ups(&self) -> u64 {
        self.wake_ups.load(Relaxed)
    }

    /// Wakes `waker` at `at`; the key takes it back.
    pub(crate) fn arm(&self, at: Moment, waker: &Waker) -> Option<Key> {
        let mut state = self.lock();
        if state.stopped {
            return None;
        }
        state.next += 1;
        let key = (at, state.next);
        state.waiting.insert(key, waker.clone());
        if state.waiting.keys().next() == Some(&key) {
            self.changed.notify_one();
        }
        Some(key)
    }

    /// Replaces the waker; `false` if it has been woken.
    fn update(&self, key: Key, waker: &Waker) -> bool {
        let mut state = self.lock();
        let Some(kept) = state.waiting.get_mut(&key) else {
            return false;
        };
        if !kept.will_wake(waker) {
            let before = core::mem::replace(kept, waker.clone());
            drop(state);
            drop(before);
        }
        true
    }

    fn disarm(&self, key: Key) {
        let waker = self.lock().waiting.remove(&key);
        drop(waker);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A timer of a [`ThreadPool`](crate::ThreadPool).
///
/// The one that [`Threads`](crate::Threads) makes where no pool is current has no thread to wake it, and never fires.
pub struct Sleep {
    pool: Option<Arc<Shared>>,
    at: Moment,
    key: Option<Key>,
}

impl Sleep {
    pub(crate) const fn new(pool: Option<Arc<Shared>>, at: Moment) -> Self {
        Self { pool, at, key: None }
    }

    fn disarm(&mut self) {
        if let (Some(pool), Some(key)) = (&self.pool, self.key.take()) {
            pool.timer.disarm(key);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let Some(pool) = &this.pool else {
            return Poll::Pending;
        };
        if this.at <= clock::now() {
            this.disarm();
            return Poll::Ready(());
        }
        let armed = this.key.is_some_and(|key| pool.timer.update(key, cx.waker()));
        if !armed {
            this.key = pool.timer.arm(this.at, cx.waker());
        }
        Poll::Pending
    }
}

impl sweet_async_api::Sleep for Sleep {
    fn reset(mut self: Pin<&mut Self>, at: Moment) {
        self.disarm();
        self.at = at;
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.disarm();
    }
}

impl core::fmt::Debug for Sleep {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Sleep")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}
