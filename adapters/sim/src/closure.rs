//! Blocking closures: threads that take turns with the simulator, so that only one of all ever runs.

use core::any::Any;
use core::cell::RefCell;
use core::panic::AssertUnwindSafe;
use core::time::Duration;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::world::{Current, World};

/// A closure of `spawn_blocking`.
pub(crate) struct Closure {
    work: Option<Box<dyn FnOnce() + Send>>,
    baton: Arc<Baton>,
    thread: Option<JoinHandle<()>>,
    blocks: bool,
}

/// How a closure gave the turn back.
pub(crate) enum Lap {
    /// It passed a checkpoint and could go on.
    Passed,
    /// It did not: it has neither returned nor passed a checkpoint for too long.
    Kept,
    /// It returned, or could not be begun.
    Returned,
    /// It panicked past the engine.
    Panicked(Box<dyn Any + Send>),
}

#[derive(Default)]
struct Baton {
    holder: Mutex<Holder>,
    handed: Condvar,
}

/// Whose turn it is.
#[derive(Default)]
enum Holder {
    #[default]
    Simulator,
    Closure,
    /// The closure is over.
    Nobody(Option<Box<dyn Any + Send>>),
    /// The simulation is over: the closure unwinds at its next checkpoint.
    Over,
}

/// What a closure unwinds with when its simulation is over.
struct SimulationOver;

std::thread_local! {
    /// The baton of the closure that runs on this thread.
    static BATON: RefCell<Option<Arc<Baton>>> = const { RefCell::new(None) };
}

impl Closure {
    pub(crate) fn new(work: Box<dyn FnOnce() + Send>) -> Self {
        Self {
            work: Some(work),
            baton: Arc::default(),
            thread: None,
            blocks: false,
        }
    }

    /// Whether it runs on although its turn is over.
    pub(crate) const fn blocks(&self) -> bool {
        self.blocks
    }

    /// Lets the closure run until its next checkpoint or its end, for as long as `patience` lasts.
    pub(crate) fn step(&mut self, world: &Arc<World>, patience: Duration) -> Lap {
        if let Some(work) = self.work.take() {
            let (baton, world) = (Arc::clone(&self.baton), Arc::clone(world));
            let named = thread::Builder::new().name("closure of a simulation".to_owned());
            match named.spawn(move || baton.run(&world, work)) {
                Ok(thread) => self.thread = Some(thread),
                // No thread to be had: dropped uncalled, which the engine tells its task.
                Err(_) => return Lap::Returned,
            }
        }
        let lap = self.baton.lend(patience);
        self.blocks = matches!(lap, Lap::Kept);
        lap
    }

    /// Ends the closure: one that has not begun is dropped, one at a checkpoint unwinds from there. One that blocks cannot
    /// be ended; it unwinds if it comes to a checkpoint.
    pub(crate) fn end(self) {
        drop(self.work);
        *self.baton.lock() = Holder::Over;
        self.baton.handed.notify_all();
        if let Some(thread) = self.thread.filter(|_| !self.blocks) {
            // Whatever it unwound with was caught on its own thread.
            let _ = thread.join();
        }
    }
}

/// A checkpoint: if a closure runs on this thread, others have their turn first.
pub(crate) fn checkpoint() {
    // One that unwinds already runs destructors only.
    if thread::panicking() {
        return;
    }
    let baton = BATON.try_with(|baton| baton.borrow().clone());
    if let Ok(Some(baton)) = baton {
        baton.pass();
    }
}

impl Baton {
    /// The closure's thread, from its first turn to its last.
    fn run(self: Arc<Self>, world: &Arc<World>, work: Box<dyn FnOnce() + Send>) {
        let _current = Current::enter(world);
        BATON.with(|baton| *baton.borrow_mut() = Some(Arc::clone(&self)));
        let over = matches!(
            &*self.wait(|holder| matches!(holder, Holder::Simulator)),
            Holder::Over
        );
        let panic = if over {
            None
        } else {
            let result = catch_unwind(AssertUnwindSafe(work));
            result.err().filter(|payload| !payload.is::<SimulationOver>())
        };
        *self.lock() = Holder::Nobody(panic);
        self.handed.notify_all();
    }

    /// Gives the turn to the closure, and waits until it is back.
    fn lend(&self, patience: Duration) -> Lap {
        *self.lock() = Holder::Closure;
        self.handed.notify_all();
        let (mut holder, _) = self
            .handed
            .wait_timeout_while(self.lock(), patience, |holder| matches!(holder, Holder::Closure))
            .unwrap_or_else(PoisonError::into_inner);
        match &mut *holder {
            Holder::Nobody(panic) => panic.take().map_or(Lap::Returned, Lap::Panicked),
            Holder::Simulator | Holder::Over => Lap::Passed,
            Holder::Closure => Lap::Kept,
        }
    }

    /// Gives the turn to the simulator, and waits until it is back.
    fn pass(&self) {
        {
            let mut holder = self.lock();
            if !matches!(*holder, Holder::Over) {
                *holder = Holder::Simulator;
            }
        }
        self.handed.notify_all();
        let over = matches!(
            &*self.wait(|holder| matches!(holder, Holder::Simulator)),
            Holder::Over
        );
        if over {
            resume_unwind(Box::new(SimulationOver));
        }
    }

    fn wait(&self, while_it_is: impl Fn(&Holder) -> bool) -> MutexGuard<'_, Holder> {
        self.handed
            .wait_while(self.lock(), |holder| while_it_is(holder))
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Holder> {
        self.holder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
