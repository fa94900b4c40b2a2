//! What a thread of a pool does all day.

use alloc::rc::Rc;
use core::panic::AssertUnwindSafe;
use core::sync::atomic::Ordering::Relaxed;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::thread;

use crossbeam_deque::Steal;

use crate::crew::Bed;
use crate::here::{self, Seat};
use crate::pool::{Closure, Shared};
use crate::queues::Choice;

/// A worker: runs jobs, sleeps while there are none, leaves when it is told to.
pub(crate) fn work(pool: &Arc<Shared>, seat: &Arc<Seat>) {
    // There are as many queues as there may be workers. The last one may still be on its way back from one that leaves.
    let Some(queue) = pool.queues.take() else {
        pool.workers.came_too_early();
        return;
    };
    let own = Rc::new(queue);
    let mut choice = Choice::new(Rc::clone(&own), pool.settings.patience);
    let settled = here::settle(pool, seat, Some(own));
    let bed = Bed::new();
    let mut is_up = false;
    while !pool.is_stopped() {
        pool.workers.is_up(&mut is_up, true);
        if let Some(job) = choice.next(&pool.queues) {
            // The engine catches what tasks unwind with; this is for futures that are not the engine's.
            survive(|| {
                job.run();
            });
        } else if !sleep(pool, seat.number, &bed, &mut is_up) {
            break;
        }
    }
    pool.workers.is_up(&mut is_up, false);
    // Before the queue goes back, nobody adds to it any more.
    drop(settled);
    while let Some(job) = choice.own.pop() {
        survive(|| drop(job));
    }
    if let Some(queue) = Rc::into_inner(choice.own) {
        pool.queues.give_back(queue);
    }
}

/// Sleeps until somebody brings work. `false` if the worker is one too many.
fn sleep(pool: &Arc<Shared>, number: usize, bed: &Bed, is_up: &mut bool) -> bool {
    let idle = &pool.workers.idle;
    // Where tasks come one after the other, the next one is cheaper to wait for than to be woken by.
    for _ in 0..LOOKS_BEFORE_SLEEP {
        thread::yield_now();
        if pool.queues.any() {
            return true;
        }
    }
    idle.lie_down(number, &bed.unparker);
    // After that: nobody who finds no sleeper misses one who is up.
    pool.workers.is_up(is_up, false);
    if pool.queues.any() || pool.is_stopped() {
        bed.get_up(idle, number);
        return true;
    }
    // The last one sees that there is no load.
    if pool.settings.is_elastic() {
        pool.observe();
    }
    if pool.workers.leaves() {
        bed.get_up(idle, number);
        if !pool.queues.any() {
            return false;
        }
        pool.workers.stays_after_all();
        return true;
    }
    bed.parker.park();
    pool.wake_ups.fetch_add(1, Relaxed);
    true
}

/// A thread for closures that block: runs them one by one, and leaves when there have been none for a while.
pub(crate) fn call(pool: &Arc<Shared>, seat: &Arc<Seat>) {
    let _settled = here::settle(pool, seat, None);
    let bed = Bed::new();
    let idle = &pool.blocking.idle;
    let (mut patient, mut is_up) = (true, false);
    while !pool.is_stopped() {
        pool.blocking.is_up(&mut is_up, true);
        if let Some(closure) = next(pool) {
            patient = true;
            let Closure { task, work } = closure;
            let before = seat.sit(task);
            survive(work);
            let own = seat.sit(before);
            drop(own);
            continue;
        }
        idle.lie_down(seat.number, &bed.unparker);
        // After that: nobody who finds no sleeper misses one who is up.
        pool.blocking.is_up(&mut is_up, false);
        if !pool.closures.is_empty() || pool.is_stopped() {
            bed.get_up(idle, seat.number);
            continue;
        }
        if pool.blocking.leaves() {
            bed.get_up(idle, seat.number);
            if pool.closures.is_empty() {
                break;
            }
            pool.blocking.stays_after_all();
            continue;
        }
        if patient {
            bed.parker.park_timeout(pool.settings.keep_idle);
            patient = false;
            // Whether the thread is needed is looked at once, by the last one when no other works; then it sleeps until it
            // is told. If somebody woke it just now, the token makes the next sleep a short one, and no more.
            pool.blocking_load(pool.closures.len());
            let _ = idle.get_up(seat.number);
        } else {
            bed.parker.park();
            patient = true;
        }
    }
    pool.blocking.is_up(&mut is_up, false);
}

fn next(pool: &Shared) -> Option<Closure> {
    loop {
        match pool.closures.steal() {
            Steal::Success(closure) => return Some(closure),
            Steal::Empty => return None,
            Steal::Retry => core::hint::spin_loop(),
        }
    }
}

/// A panic of a job ends the job and nothing else.
pub(crate) fn survive(job: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(job)) {
        // What it unwound with may unwind when it is dropped. That is enough: a third one is left alone.
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            core::mem::forget(again);
        }
    }
}

/// How often a worker lets other threads run and looks again before it goes to sleep.
const LOOKS_BEFORE_SLEEP: u32 = 8;
