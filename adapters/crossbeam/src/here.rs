//! What a thread knows of itself: its pool, its queue, and the task that it is running.

use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_deque::Worker;
use sweet_async_api::task::TaskRef;

use crate::pool::{Job, Shared};
use crate::wait::InsideWorker;

/// A thread of a pool, as others see it.
pub(crate) struct Seat {
    pub(crate) number: usize,
    pub(crate) name: String,
    doing: Mutex<Option<TaskRef>>,
    shows_names: bool,
}

impl Seat {
    pub(crate) const fn new(number: usize, name: String, shows_names: bool) -> Self {
        Self {
            number,
            name,
            doing: Mutex::new(None),
            shows_names,
        }
    }

    /// The task that the thread is running.
    pub(crate) fn task(&self) -> Option<TaskRef> {
        self.lock().clone()
    }

    /// Notes that the thread runs `task` now, and gives back what it ran before.
    pub(crate) fn sit(&self, task: Option<TaskRef>) -> Option<TaskRef> {
        if self.shows_names {
            let name = task.as_ref().map_or("", |task| task.name());
            show(if name.is_empty() { &self.name } else { name });
        }
        core::mem::replace(&mut *self.lock(), task)
    }

    fn lock(&self) -> MutexGuard<'_, Option<TaskRef>> {
        self.doing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names the operating system's thread. What it does not take (another system, no such file) is not shown, and no more.
fn show(name: &str) {
    // The system keeps 15 bytes; cut at a character.
    let end = name.floor_char_boundary(15);
    let _ = std::fs::write("/proc/thread-self/comm", name.get(..end).unwrap_or(name));
}

#[derive(Default)]
struct Here {
    /// Where tasks go that are started here.
    pool: Option<Arc<Shared>>,
    /// Whose thread this is.
    home: Option<Home>,
}

struct Home {
    pool: Arc<Shared>,
    seat: Arc<Seat>,
    /// A worker's own queue.
    queue: Option<Rc<Worker<Job>>>,
}

impl Here {
    /// This thread's own queue, if it is a worker of `pool`.
    #[inline]
    fn queue(&self, pool: &Arc<Shared>) -> Option<&Worker<Job>> {
        let home = self.home.as_ref()?;
        let queue = home.queue.as_deref()?;
        Arc::ptr_eq(&home.pool, pool).then_some(queue)
    }
}

std::thread_local! {
    static HERE: RefCell<Here> = const { RefCell::new(Here { pool: None, home: None }) };
}

std::thread_local! {
    /// The address of the pool whose jobs this thread is dropping.
    static DRAINED: Cell<*const Shared> = const { Cell::new(core::ptr::null()) };
}

/// This thread drops the jobs of `pool` until the guard is dropped; none if it is at it already.
pub(crate) fn drain(pool: &Shared) -> Option<Draining> {
    let before = DRAINED.replace(pool);
    (!core::ptr::eq(before, pool)).then_some(Draining { before })
}

pub(crate) struct Draining {
    before: *const Shared,
}

impl Drop for Draining {
    fn drop(&mut self) {
        DRAINED.set(self.before);
    }
}

/// The task that this thread is running, whichever thread spawned it; none outside of a pool's threads.
#[must_use]
pub fn current() -> Option<TaskRef> {
    HERE.try_with(|here| here.borrow().home.as_ref()?.seat.task())
        .ok()?
}

/// This thread runs `task` now, and what it ran before is in its place; on a thread of no pool nothing happens. Returns
/// whether its pool runs nothing any more.
#[inline]
pub(crate) fn trade(task: &mut Option<TaskRef>) -> bool {
    HERE.try_with(|here| {
        here.borrow().home.as_ref().is_some_and(|home| {
            *task = home.seat.sit(task.take());
            home.pool.is_stopped()
        })
    })
    .unwrap_or(false)
}

/// The pool that is current on this thread.
#[inline]
pub(crate) fn pool() -> Option<Arc<Shared>> {
    HERE.try_with(|here| here.borrow().pool.clone()).ok()?
}

/// Whether this thread is one of `pool`'s own.
pub(crate) fn is_inside(pool: &Arc<Shared>) -> bool {
    HERE.try_with(|here| {
        let here = here.borrow();
        here.home
            .as_ref()
            .is_some_and(|home| Arc::ptr_eq(&home.pool, pool))
    })
    .unwrap_or(false)
}

pub(crate) fn may_block() -> Result<(), InsideWorker> {
    let worker = HERE.try_with(|here| {
        here.borrow()
            .home
            .as_ref()
            .is_some_and(|home| home.queue.is_some())
    });
    match worker {
        Ok(true) => Err(InsideWorker),
        _ => Ok(()),
    }
}

/// Puts a job into this thread's own queue, if it is a worker of `pool`; hands it back otherwise.
#[inline]
pub(crate) fn push(pool: &Arc<Shared>, job: Job) -> Result<(), Job> {
    let mut job = Some(job);
    let _ = HERE.try_with(|here| {
        if let Some(queue) = here.borrow().queue(pool)
            && let Some(job) = job.take()
        {
            queue.push(job);
        }
    });
    job.map_or(Ok(()), Err)
}

/// How many jobs are in this thread's own queue, if it is a worker of `pool`.
#[inline]
pub(crate) fn queued(pool: &Arc<Shared>) -> Option<usize> {
    HERE.try_with(|here| here.borrow().queue(pool).map(Worker::len))
        .ok()?
}

/// Makes `pool` current until the guard is dropped, which makes current again what was before.
pub(crate) fn enter(pool: Arc<Shared>) -> Entered {
    let before = HERE.with(|here| here.borrow_mut().pool.replace(pool));
    Entered { before }
}

/// This thread is one of `pool` until the guard is dropped.
pub(crate) fn settle(pool: &Arc<Shared>, seat: &Arc<Seat>, queue: Option<Rc<Worker<Job>>>) -> Settled {
    HERE.with(|here| {
        *here.borrow_mut() = Here {
            pool: Some(Arc::clone(pool)),
            home: Some(Home {
                pool: Arc::clone(pool),
                seat: Arc::clone(seat),
                queue,
            }),
        };
    });
    Settled
}

pub(crate) struct Settled;

impl Drop for Settled {
    fn drop(&mut self) {
        let before = HERE.try_with(|here| core::mem::take(&mut *here.borrow_mut()));
        drop(before);
    }
}

pub(crate) struct Entered {
    before: Option<Arc<Shared>>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let before = self.before.take();
        let mine = HERE.try_with(|here| core::mem::replace(&mut here.borrow_mut().pool, before));
        drop(mine);
    }
}
