//! One simulated world: its clock, its tasks, and who runs next.
//!
//! ```text
//!   turn: all quiet? --yes--> the clock goes to the next timer, and wakes
//!           | no
//!           v
//!         pick one of the runnable (strategy) --> fault? --> poll it --> waits / yielded / ended
//! ```
//!
//! Everything is behind one lock, which is never held while foreign code runs: futures, wakers and what they drop are
//! moved out first.

use core::any::Any;
use core::cell::RefCell;
use core::fmt;
use core::future::Future;
use core::mem;
use core::panic::AssertUnwindSafe;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::panic::catch_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Wake;

use slab::Slab;
use sweet_async_api::task::{Name, TaskRef};
use sweet_async_api::{Moment, Root};

use crate::closure::{Closure, Lap};
use crate::faults::{Fault, Faults};
use crate::log::{Actor, Event, Log};
use crate::random::Numbers;
use crate::report::{Held, Kind, Report, Stuck, Unfinished};
use crate::strategy::{Runnable, Strategy};
use crate::timer::Timers;

/// What a simulation was built with.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) seed: u64,
    pub(crate) strategy: Strategy,
    pub(crate) faults: Faults,
    pub(crate) step_limit: u64,
    pub(crate) spin_limit: u64,
    pub(crate) log_limit: usize,
    pub(crate) closure_patience: Duration,
}

pub(crate) struct World {
    pub(crate) root: Root,
    pub(crate) seed: u64,
    /// Virtual nanoseconds. Written under the lock.
    now: AtomicU64,
    running: AtomicBool,
    /// Whether tasks are taken in: not while those that are left are dropped.
    open: AtomicBool,
    /// Whether it stays closed.
    shut: AtomicBool,
    /// Whether the work that is about to run panics.
    strike: AtomicBool,
    state: Mutex<State>,
}

pub(crate) struct State {
    settings: Settings,
    orders: Numbers,
    chances: Numbers,
    pub(crate) draws: Numbers,
    runnable: Runnable,
    tasks: Slab<Entry>,
    spawned: u32,
    /// The key of the main future.
    main: usize,
    pub(crate) timers: Timers,
    pub(crate) waits: Vec<Wait>,
    pub(crate) waits_made: u64,
    pub(crate) paused: bool,
    pub(crate) log: Log,
    pub(crate) steps: u64,
    /// Steps in a row after which only those who made them were runnable again.
    spins: u64,
    /// Who runs now.
    turn: Option<usize>,
    actor: Actor,
    /// Who runs now has woken itself.
    yielded: bool,
    /// Who runs now has changed something for others.
    stirred: bool,
}

/// Somebody who waits until time has passed and all is quiet.
pub(crate) struct Wait {
    pub(crate) until: Moment,
    pub(crate) number: u64,
    pub(crate) waker: Waker,
}

struct Entry {
    number: u32,
    name: Name,
    body: Body,
    node: Arc<Node>,
    waker: Option<Waker>,
    task: Option<TaskRef>,
    planned: Vec<Fault>,
    polls: u64,
    last_polled: Option<Moment>,
    frozen: bool,
}

type Spawned = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(crate) enum Body {
    Main,
    Future(Spawned),
    /// Boxed: it is seldom there, and what is picked is moved at each step.
    Closure(Box<Closure>),
    /// Being polled.
    Out,
}

/// What wakers point at.
struct Node {
    key: usize,
    number: u32,
    /// Woken and not yet polled, or never to be polled again.
    queued: AtomicBool,
    world: Arc<World>,
}

/// What `run` does next.
pub(crate) enum Turn {
    /// Polls the main future.
    Main(Waker),
    /// Looks again: somebody else had a turn.
    Again,
    /// Ends with this.
    Halt(Unfinished),
    /// Ends with a bare future's panic.
    Unwind(Box<dyn Any + Send>),
}

enum Picked {
    Task(usize, Body, Waker),
    Clock(Vec<Waker>),
    Nobody(Unfinished),
}

impl World {
    pub(crate) fn new(settings: Settings) -> Self {
        let mut numbers = Numbers::new(settings.seed);
        let (mut orders, chances, draws) = (numbers.split(), numbers.split(), numbers.split());
        Self {
            root: Root::new(),
            seed: settings.seed,
            now: AtomicU64::new(Moment::START.as_nanos()),
            running: AtomicBool::new(false),
            open: AtomicBool::new(true),
            shut: AtomicBool::new(false),
            strike: AtomicBool::new(false),
            state: Mutex::new(State {
                runnable: Runnable::new(settings.strategy, &mut orders),
                log: Log::new(settings.log_limit),
                settings,
                orders,
                chances,
                draws,
                tasks: Slab::new(),
                spawned: 0,
                main: 0,
                timers: Timers::default(),
                waits: Vec::new(),
                waits_made: 0,
                paused: false,
                steps: 0,
                spins: 0,
                turn: None,
                actor: Actor::Outside,
                yielded: false,
                stirred: false,
            }),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Moment {
        // Relaxed: threads that take turns hand each other what they wrote with the turn.
        Moment::from_nanos(self.now.load(Ordering::Relaxed))
    }

    fn set_now(&self, now: Moment) {
        self.now.store(now.as_nanos(), Ordering::Relaxed);
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Whether the work that is about to run panics; asked once.
    pub(crate) fn strikes(&self) -> bool {
        self.strike.load(Ordering::Relaxed) && self.strike.swap(false, Ordering::Relaxed)
    }

    /// Begins a run, in which the main future is a task like others. `None` if one is under way.
    pub(crate) fn begin(self: &Arc<Self>) -> Option<Running<'_>> {
        if self.running.swap(true, Ordering::AcqRel) {
            return None;
        }
        let mut state = self.lock();
        state.steps = 0;
        state.admit(self, Body::Main, (0, Actor::Outside), None);
        Some(Running {
            world: self,
            _current: Current::enter(self),
        })
    }

    /// Refuses tasks for good. Those that are left are dropped now, or when the run ends that is under way.
    pub(crate) fn shut_down(&self) {
        self.shut.store(true, Ordering::Release);
        self.open.store(false, Ordering::Release);
        if !self.running.load(Ordering::Acquire) {
            self.end();
        }
    }

    /// Takes a task in, runnable. Hands it back if the world was closed meanwhile.
    pub(crate) fn spawn(self: &Arc<Self>, body: Body, task: Option<TaskRef>) -> Option<Body> {
        let mut state = self.lock();
        if !self.is_open() {
            drop(state);
            return Some(body);
        }
        let by = state.actor_here(self);
        state.spawned += 1;
        let number = state.spawned;
        state.admit(self, body, (number, by), task);
        None
    }

    /// Lets one have its turn, or time pass.
    pub(crate) fn turn(self: &Arc<Self>) -> Turn {
        let (picked, patience) = {
            let mut state = self.lock();
            (state.pick(self), state.settings.closure_patience)
        };
        match picked {
            Picked::Nobody(unfinished) => Turn::Halt(unfinished),
            Picked::Clock(wakers) => {
                for waker in wakers {
                    waker.wake();
                }
                Turn::Again
            }
            Picked::Task(_, Body::Main | Body::Out, waker) => Turn::Main(waker),
            Picked::Task(key, Body::Future(mut future), waker) => {
                let mut cx = Context::from_waker(&waker);
                match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut cx))) {
                    Ok(Poll::Pending) => self.rest(key, Body::Future(future), waker),
                    Ok(Poll::Ready(())) => {
                        drop(future);
                        self.leave(key);
                    }
                    Err(payload) => {
                        drop(catch_unwind(AssertUnwindSafe(|| drop(future))));
                        self.leave(key);
                        return Turn::Unwind(payload);
                    }
                }
                Turn::Again
            }
            Picked::Task(key, Body::Closure(mut closure), waker) => {
                match closure.step(self, patience) {
                    Lap::Passed => {
                        waker.wake_by_ref();
                        self.rest(key, Body::Closure(closure), waker);
                    }
                    Lap::Kept => {
                        self.rest(key, Body::Closure(closure), waker);
                        let report = self.lock().report(self);
                        return Turn::Halt(Unfinished::ClosureBlocks(report));
                    }
                    Lap::Returned => {
                        closure.end();
                        self.leave(key);
                    }
                    Lap::Panicked(payload) => {
                        closure.end();
                        self.leave(key);
                        return Turn::Unwind(payload);
                    }
                }
                Turn::Again
            }
        }
    }

    /// The main future waits.
    pub(crate) fn rest_main(&self, waker: Waker) {
        let key = self.lock().main;
        self.rest(key, Body::Main, waker);
    }

    /// Whose turn it was waits, or wants another turn.
    fn rest(&self, key: usize, body: Body, waker: Waker) {
        self.strike.store(false, Ordering::Relaxed);
        let mut state = self.lock();
        if let Some(entry) = state.tasks.get_mut(key) {
            entry.body = body;
            entry.waker = Some(waker);
        }
        state.turn = None;
        if mem::take(&mut state.yielded) {
            state.runnable.yielded(key);
            state.runnable.push(key);
            state.spins = if state.stirred { 0 } else { state.spins + 1 };
        } else {
            state.spins = 0;
        }
        self.pass_slowly(&mut state);
    }

    /// Whose turn it was is over.
    fn leave(&self, key: usize) {
        self.strike.store(false, Ordering::Relaxed);
        let mut state = self.lock();
        let entry = state.tasks.try_remove(key);
        if let Some(entry) = &entry {
            entry.node.queued.store(true, Ordering::Relaxed);
            state.log.add(self.now(), Event::Ended(entry.number));
        }
        state.turn = None;
        state.yielded = false;
        state.spins = 0;
        self.pass_slowly(&mut state);
        drop(state);
        drop(entry);
    }

    /// A step took its time, if a fault says so.
    fn pass_slowly(&self, state: &mut State) {
        if state.settings.faults.has_slow_steps() && !state.paused {
            let State {
                settings, chances, ..
            } = state;
            let took = settings.faults.slowness(chances);
            self.set_now(self.now() + took);
        }
    }

    /// Ends everybody who is left, in the order in which they were spawned.
    fn end(&self) {
        self.open.store(false, Ordering::Release);
        let (mut left, wakers) = {
            let mut state = self.lock();
            state.turn = None;
            state.actor = Actor::Outside;
            let left: Vec<Entry> = mem::take(&mut state.tasks)
                .into_iter()
                .map(|(_, entry)| entry)
                .collect();
            let mut wakers = state.timers.clear();
            wakers.extend(mem::take(&mut state.waits).into_iter().map(|wait| wait.waker));
            (left, wakers)
        };
        drop(wakers);
        left.sort_unstable_by_key(|entry| entry.number);
        let mut closures = Vec::new();
        for entry in left {
            let Entry {
                number,
                body,
                waker,
                task,
                node,
                ..
            } = entry;
            node.queued.store(true, Ordering::Relaxed);
            match body {
                Body::Closure(closure) => closures.push(closure),
                Body::Main | Body::Out => {}
                Body::Future(future) => {
                    self.lock().log.add(self.now(), Event::Dropped(number));
                    // A destructor that panics concerns nobody any more.
                    drop(catch_unwind(AssertUnwindSafe(|| drop(future))));
                }
            }
            drop((waker, task, node));
        }
        // Their tasks have been told that it is over.
        for closure in closures {
            closure.end();
        }
        let mut state = self.lock();
        let State {
            runnable,
            orders,
            settings,
            ..
        } = &mut *state;
        *runnable = Runnable::new(settings.strategy, orders);
        state.yielded = false;
        state.spins = 0;
        drop(state);
        let shut = self.shut.load(Ordering::Acquire);
        self.open.store(!shut, Ordering::Release);
    }
}

/// A run that is under way. Dropped, it ends whoever is left.
pub(crate) struct Running<'a> {
    world: &'a World,
    _current: Current,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.world.end();
        self.world.running.store(false, Ordering::Release);
    }
}

impl State {
    /// Makes a task one of those who can run.
    fn admit(&mut self, world: &Arc<World>, body: Body, (number, by): (u32, Actor), task: Option<TaskRef>) {
        let name = match (&body, &task) {
            (Body::Main, _) => Name::Borrowed("main"),
            (_, Some(task)) => Name::Owned(task.name().to_owned()),
            (_, None) => Name::Borrowed(""),
        };
        let planned = match &body {
            Body::Future(_) => self.settings.faults.of(&name),
            _ => Vec::new(),
        };
        let vacant = self.tasks.vacant_entry();
        let key = vacant.key();
        let node = Arc::new(Node {
            key,
            number,
            queued: AtomicBool::new(true),
            world: Arc::clone(world),
        });
        if matches!(body, Body::Main) {
            self.main = key;
        }
        vacant.insert(Entry {
            number,
            name: name.clone(),
            body,
            waker: Some(Waker::from(Arc::clone(&node))),
            node,
            task,
            planned,
            polls: 0,
            last_polled: None,
            frozen: false,
        });
        self.runnable.admit(key, &mut self.orders);
        self.runnable.push(key);
        self.log.add(world.now(), Event::Spawned(number, by, name));
        self.stirred = true;
    }

    /// Who has the next turn.
    fn pick(&mut self, world: &World) -> Picked {
        loop {
            if self.settings.faults.has_slow_steps()
                && self.timers.next().is_some_and(|due| due <= world.now())
            {
                return self.strike_the_hour(world, world.now());
            }
            // Those who only yield wait for something; if all who run do, it is for time to pass.
            let quiet = self.runnable.len() == 0 || self.spins >= self.settings.spin_limit;
            if quiet && let Some(clock) = self.pass_time(world) {
                return clock;
            }
            if self.runnable.len() == 0 {
                return Picked::Nobody(Unfinished::Deadlock(self.report(world)));
            }
            if self.steps >= self.settings.step_limit {
                return Picked::Nobody(Unfinished::StepLimit(self.report(world)));
            }
            let key = self.runnable.take(self.steps, &mut self.orders);
            if let Some(picked) = key.and_then(|key| self.begin(world, key)) {
                return picked;
            }
        }
    }

    /// Begins the step of the task with this key, if no fault keeps it.
    fn begin(&mut self, world: &World, key: usize) -> Option<Picked> {
        let entry = self.tasks.get_mut(key)?;
        let (number, now) = (entry.number, world.now());
        if !matches!(entry.body, Body::Main) {
            match self
                .settings
                .faults
                .at(entry.polls + 1, &entry.planned, &mut self.chances)
            {
                // It stays marked as queued, so nobody wakes it again.
                Some(Fault::Freeze(_)) => {
                    entry.frozen = true;
                    self.log.add(now, Event::Frozen(number));
                    return None;
                }
                Some(Fault::Panic(_)) => {
                    self.log.add(now, Event::Struck(number));
                    world.strike.store(true, Ordering::Relaxed);
                }
                None => {}
            }
        }
        // Acquire: what was written before the task was woken is seen by the poll that comes.
        entry.node.queued.swap(false, Ordering::AcqRel);
        entry.polls += 1;
        entry.last_polled = Some(now);
        let body = match &entry.body {
            Body::Main => Body::Main,
            _ => mem::replace(&mut entry.body, Body::Out),
        };
        let waker = entry.waker.take()?;
        self.steps += 1;
        self.turn = Some(key);
        self.actor = Actor::Task(number);
        self.stirred = false;
        self.log.add(now, Event::Ran(number));
        Some(Picked::Task(key, body, waker))
    }

    /// All is quiet: the next moment at which something happens, if there is one.
    fn pass_time(&mut self, world: &World) -> Option<Picked> {
        let first = self.waits.iter().map(|wait| (wait.until, wait.number)).min();
        let last = self.waits.iter().map(|wait| wait.until).max();
        // While time is paused, it passes only for those who ask for it.
        let horizon = if self.paused { last } else { Some(Moment::NEVER) };
        let timer = self.timers.next().filter(|due| horizon >= Some(*due));
        match (timer, first) {
            (Some(due), first) if first.is_none_or(|(until, _)| due <= until) => {
                Some(self.strike_the_hour(world, due))
            }
            (_, Some((until, number))) => {
                let place = self.waits.iter().position(|wait| wait.number == number)?;
                world.set_now(world.now().max(until));
                self.spins = 0;
                self.actor = Actor::Clock;
                Some(Picked::Clock(vec![self.waits.remove(place).waker]))
            }
            _ => None,
        }
    }

    /// The clock goes to `due`, if it was not there; what fires by then wakes.
    fn strike_the_hour(&mut self, world: &World, due: Moment) -> Picked {
        let now = world.now().max(due);
        world.set_now(now);
        self.spins = 0;
        self.actor = Actor::Clock;
        Picked::Clock(self.timers.fire(now))
    }

    /// When a timer that is set for `at` fires.
    pub(crate) fn due(&mut self, now: Moment, at: Moment) -> Moment {
        let late = self.settings.faults.lateness(&mut self.chances);
        if late > Duration::ZERO {
            self.log.add(now, Event::Late(at + late));
        }
        at + late
    }

    /// Somebody wakes the task with this key.
    fn wake(&mut self, world: &World, node: &Node) {
        let by = self.actor_here(world);
        if self
            .tasks
            .get(node.key)
            .is_none_or(|entry| entry.number != node.number)
        {
            return;
        }
        self.log.add(world.now(), Event::Woken(node.number, by));
        if self.turn == Some(node.key) {
            self.yielded = true;
        } else {
            self.stirred = true;
            self.runnable.push(node.key);
        }
    }

    /// Who does what this thread does.
    pub(crate) fn actor_here(&self, world: &World) -> Actor {
        if Current::is(world) {
            self.actor
        } else {
            Actor::Outside
        }
    }

    fn report(&self, world: &World) -> Report {
        let mut tasks: Vec<Stuck> = self.tasks.iter().map(|(_, entry)| entry.stuck()).collect();
        tasks.sort_unstable_by_key(|task| task.number);
        Report {
            seed: world.seed,
            at: world.now(),
            steps: self.steps,
            paused: self.paused,
            tasks,
        }
    }
}

impl Entry {
    fn stuck(&self) -> Stuck {
        Stuck {
            number: self.number,
            name: self.name.clone(),
            kind: match self.body {
                Body::Main => Kind::Main,
                Body::Future(_) | Body::Out => Kind::Task,
                Body::Closure(_) => Kind::Closure,
            },
            state: self.task.as_ref().map(|task| task.status()),
            children: self.task.as_ref().map_or(0, |task| task.child_count()),
            polls: self.polls,
            last_polled: self.last_polled,
            held: if matches!(&self.body, Body::Closure(closure) if closure.blocks()) {
                Held::Running
            } else if self.frozen {
                Held::Frozen
            } else if self.node.queued.load(Ordering::Relaxed) {
                Held::Runnable
            } else {
                Held::Waiting
            },
        }
    }
}

impl Wake for Node {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // AcqRel: whoever wakes has written something for the poll to see, also if the task was woken already.
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.world.lock().wake(&self.world, self);
        }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("seed", &self.seed)
            .field("now", &self.now())
            .field("open", &self.is_open())
            .finish_non_exhaustive()
    }
}

std::thread_local! {
    /// The world that this thread is part of.
    static CURRENT: RefCell<Option<Arc<World>>> = const { RefCell::new(None) };
}

/// Makes a world the current one of this thread, until dropped.
pub(crate) struct Current {
    before: Option<Arc<World>>,
}

impl Current {
    pub(crate) fn enter(world: &Arc<World>) -> Self {
        Self {
            before: CURRENT.replace(Some(Arc::clone(world))),
        }
    }

    pub(crate) fn get() -> Option<Arc<World>> {
        CURRENT
            .try_with(|current| current.borrow().clone())
            .ok()
            .flatten()
    }

    fn is(world: &World) -> bool {
        CURRENT
            .try_with(|current| {
                let current = current.borrow();
                current
                    .as_ref()
                    .is_some_and(|current| core::ptr::eq(Arc::as_ptr(current), world))
            })
            .unwrap_or(false)
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        let before = self.before.take();
        let left = CURRENT.try_with(|current| current.replace(before));
        drop(left);
    }
}
