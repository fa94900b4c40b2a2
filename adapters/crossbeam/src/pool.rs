//! What the threads of a pool share.

use alloc::task::Wake;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::{AtomicBool, fence};
use core::time::Duration;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;

use async_task::Runnable;
use crossbeam_deque::{Injector, Steal};
use sweet_async_api::task::TaskRef;
use sweet_async_api::{Root, shutdown};
use sweet_async_core::Priority;

use crate::builder::Settings;
use crate::clock;
use crate::crew::{Change, Crew};
use crate::here::{self, Seat};
use crate::queues::Queues;
use crate::runtime::Threads;
use crate::timer::Timer;
use crate::wait::block;
use crate::worker;

/// A future that is to be polled.
pub(crate) type Job = Runnable<Priority>;

/// A closure that may block, and the task it belongs to.
pub(crate) struct Closure {
    pub(crate) task: Option<TaskRef>,
    pub(crate) work: Box<dyn FnOnce() + Send>,
}

/// A pool, as its threads and handles know it.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) root: Root,
    pub(crate) queues: Queues,
    pub(crate) workers: Crew,
    pub(crate) closures: Injector<Closure>,
    pub(crate) blocking: Crew,
    pub(crate) timer: Timer,
    pub(crate) wake_ups: AtomicU64,
    /// Nothing is run any more.
    stopped: AtomicBool,
    timer_thread: Mutex<Option<thread::JoinHandle<()>>>,
}

impl Shared {
    pub(crate) fn start(settings: Settings) -> io::Result<Arc<Self>> {
        let most = settings.workers.1 as usize;
        let pool = Arc::new(Self {
            root: Root::new(),
            queues: Queues::new(most),
            workers: Crew::new(settings.worker_scale),
            closures: Injector::new(),
            blocking: Crew::new(settings.blocking_scale),
            timer: Timer::default(),
            wake_ups: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            timer_thread: Mutex::new(None),
            settings,
        });
        // Who is dropped at the end has to be known.
        pool.root.list_tasks(usize::MAX);
        let started = pool.start_threads();
        if started.is_err() {
            pool.stop();
        }
        started.map(|()| pool)
    }

    fn start_threads(self: &Arc<Self>) -> io::Result<()> {
        let timer = {
            let pool = Arc::clone(self);
            thread::Builder::new()
                .name(format!("{}-timer", self.settings.prefix))
                .spawn(move || pool.timer.run())?
        };
        *self.timer_thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(timer);
        (0..self.settings.workers.0).try_for_each(|_| self.hire(Kind::Worker))
    }

    /// Whether the pool runs, and the queue that another task would wait in has room.
    #[inline]
    pub(crate) fn admits(self: &Arc<Self>, class: Priority) -> bool {
        let capacity = self.settings.capacity;
        let room = |waiting: usize| waiting < capacity;
        let own = class == Priority::Normal && here::queued(self).is_some_and(room);
        !self.is_stopped() && (own || room(self.queues.shared(class).len()))
    }

    /// Puts a job where somebody will find it.
    pub(crate) fn schedule(self: &Arc<Self>, job: Job) {
        let class = *job.metadata();
        let elsewhere = match class {
            Priority::Normal => here::push(self, job).err(),
            _ => Some(job),
        };
        if let Some(job) = elsewhere {
            self.queues.shared(class).push(job);
        }
        if !self.workers.idle.wake_one() && self.settings.is_elastic() {
            self.observe();
        }
        // After the fence in `wake_one`: either this sees the end, or whoever stops the pool sees the job.
        if self.is_stopped() {
            self.drain();
        }
    }

    /// Whether a closure would be run, now or soon.
    pub(crate) fn has_room_for_closures(self: &Arc<Self>) -> bool {
        if self.is_stopped() || self.closures.len() >= self.settings.capacity {
            return false;
        }
        if self.blocking.live() == 0 {
            self.blocking_load(self.closures.len() + 1);
        }
        // One that leaves just now is replaced when the closure is in the queue.
        self.blocking.live() != 0 || !self.blocking.is_short()
    }

    /// Runs a closure on a thread that may block.
    pub(crate) fn call(self: &Arc<Self>, closure: Closure) {
        self.closures.push(closure);
        let woken = self.blocking.idle.wake_one();
        // Where another thread has taken it already, there is nothing to say: least of all that nobody is needed.
        let waiting = self.closures.len();
        if !woken && waiting != 0 {
            self.blocking_load(waiting);
        }
        // After the fence in `wake_one`: as in `schedule`.
        if self.is_stopped() {
            self.drain();
        }
    }

    /// Has the number of workers follow the load.
    pub(crate) fn observe(self: &Arc<Self>) {
        if self.is_stopped() {
            return;
        }
        let now = clock::now();
        let hire = match self.workers.observe(self.queues.len(), now.tick()) {
            Change::None => return,
            Change::Done => 0,
            Change::Hire(more) => more,
        };
        // The load may change on while no change is allowed; looks again when it is. The deadline makes no tick early.
        let again = now + self.settings.cool_down + Duration::from_millis(1);
        let look = Arc::new(Look(Arc::downgrade(self))).into();
        let _ = self.timer.arm(again, &look);
        for _ in 0..hire {
            // One that could not be started is tried again at the next look.
            let _ = self.hire(Kind::Worker);
        }
    }

    /// Has the number of threads for closures follow the load.
    pub(crate) fn blocking_load(self: &Arc<Self>, waiting: usize) {
        if let Change::Hire(hire) = self.blocking.observe(waiting, clock::now().tick()) {
            for _ in 0..hire {
                let _ = self.hire(Kind::Blocking);
            }
        }
    }

    fn hire(self: &Arc<Self>, kind: Kind) -> io::Result<()> {
        let (crew, infix) = match kind {
            Kind::Worker => (&self.workers, ""),
            Kind::Blocking => (&self.blocking, "b"),
        };
        crew.hire(|number| {
            let name = format!("{}-{infix}{number}", self.settings.prefix);
            let seat = Arc::new(Seat::new(number, name.clone(), self.settings.show_names));
            let mut builder = thread::Builder::new().name(name);
            if let Some(bytes) = self.settings.stack_size {
                builder = builder.stack_size(bytes);
            }
            let (pool, own) = (Arc::clone(self), Arc::clone(&seat));
            let started = builder.spawn(move || match kind {
                Kind::Worker => {
                    worker::work(&pool, &own);
                    pool.workers.leave(&own);
                }
                Kind::Blocking => {
                    worker::call(&pool, &own);
                    pool.blocking.leave(&own);
                }
            });
            (seat, started)
        })
    }

    #[inline]
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    /// Runs nothing any more: threads leave when what they run now gives them back, and what waits is dropped.
    pub(crate) fn stop(self: &Arc<Self>) {
        self.stopped.store(true, SeqCst);
        fence(SeqCst);
        self.timer.stop();
        let _ = self.workers.idle.wake(usize::MAX);
        let _ = self.blocking.idle.wake(usize::MAX);
        self.drain();
        // Whoever is left is woken, and so dropped, with everybody below.
        let _ = block(shutdown(
            &Threads::on(Arc::clone(self)),
            Duration::ZERO,
            Duration::ZERO,
        ));
        let timer = self
            .timer_thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(timer) = timer
            && timer.thread().id() != thread::current().id()
        {
            let _ = timer.join();
        }
    }

    /// Drops what waits. Their destructors are foreign code, and may wake others: those wait for their turn.
    pub(crate) fn drain(&self) {
        let Some(_alone) = here::drain(self) else { return };
        loop {
            if let Some(job) = self.queues.pop_any() {
                worker::survive(|| drop(job));
                continue;
            }
            match self.closures.steal() {
                Steal::Success(closure) => {
                    worker::survive(|| drop(closure));
                }
                Steal::Empty => break,
                Steal::Retry => core::hint::spin_loop(),
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Worker,
    Blocking,
}

/// Looks at the load once more.
struct Look(Weak<Shared>);

impl Wake for Look {
    fn wake(self: Arc<Self>) {
        if let Some(pool) = self.0.upgrade() {
            pool.observe();
        }
    }
}
