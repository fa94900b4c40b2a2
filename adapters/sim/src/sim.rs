//! The simulator as a [`Runtime`].

use core::fmt;
use core::future::{Future, poll_fn};
use core::panic::AssertUnwindSafe;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use core::time::Duration;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::Arc;

use sweet_async_api::task::{Name, TaskRef};
use sweet_async_api::{Moment, Refused, Root, Runtime};

use crate::builder::SimBuilder;
use crate::closure::{self, Closure};
use crate::log::{Event, Log};
use crate::report::Unfinished;
use crate::timer::Sleep;
use crate::world::{Body, Current, Settings, Turn, Wait, World};

/// A simulation: an executor with a clock of its own and one seed that decides everything that is left open.
///
/// A value is a cheap handle; clones speak of the same simulation. `Sim::default()` is the one that is running on this
/// thread; where none is, tasks are rejected. Tasks that are started on a simulation before it runs wait until it does.
#[derive(Clone)]
pub struct Sim {
    pub(crate) world: Arc<World>,
}

impl Sim {
    /// A simulation without faults, in which the next to run is any of the runnable.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::builder().seed(seed).build()
    }

    /// Describes a simulation.
    pub fn builder() -> SimBuilder {
        SimBuilder::default()
    }

    /// The simulation that is running on this thread, if one is.
    #[must_use]
    pub fn current() -> Option<Self> {
        Current::get().map(|world| Self { world })
    }

    pub(crate) fn with(settings: Settings) -> Self {
        Self {
            world: Arc::new(World::new(settings)),
        }
    }

    /// Runs the simulation until `main` resolves.
    ///
    /// One task at a time makes a step, on this thread. When nobody can, the clock goes to the next timer; so it does when
    /// all who run have done nothing but yield for a while. Tasks that are left when `main` resolves are dropped, as by
    /// an executor that shuts down. The simulation can be run again: its clock and its draws go on.
    ///
    /// # Errors
    /// [`Unfinished`] names those who had not ended, if nobody can go on or the bound of steps is reached.
    ///
    /// # Panics
    /// With what `main` panics with, or a bare future that was spawned. Tasks keep their panics to themselves.
    pub fn run<F: Future>(&self, main: F) -> Result<F::Output, Unfinished> {
        let Some(running) = self.world.begin() else {
            return Err(Unfinished::Running);
        };
        let mut main = pin!(Some(main));
        let outcome = loop {
            match self.world.turn() {
                Turn::Again => {}
                Turn::Halt(unfinished) => break Ok(Err(unfinished)),
                Turn::Unwind(payload) => break Err(payload),
                Turn::Main(waker) => {
                    let mut cx = Context::from_waker(&waker);
                    let polled = catch_unwind(AssertUnwindSafe(|| match main.as_mut().as_pin_mut() {
                        Some(main) => main.poll(&mut cx),
                        None => Poll::Pending,
                    }));
                    match polled {
                        Ok(Poll::Pending) => self.world.rest_main(waker),
                        Ok(Poll::Ready(output)) => break Ok(Ok(output)),
                        Err(payload) => break Err(payload),
                    }
                }
            }
        };
        let dropped = catch_unwind(AssertUnwindSafe(|| main.set(None)));
        drop(running);
        match (outcome, dropped) {
            (Ok(result), Ok(())) => result,
            (Err(payload), _) | (_, Err(payload)) => resume_unwind(payload),
        }
    }

    /// Refuses tasks from now on, and drops those that are left: at once, or when the run ends that is under way.
    pub fn shut_down(&self) {
        self.world.shut_down();
    }

    /// What the simulation was seeded with.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.world.seed
    }

    /// How many steps were made in the run that is running, or was last.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.world.lock().steps
    }

    /// What happened so far.
    #[must_use]
    pub fn log(&self) -> Log {
        self.world.lock().log.clone()
    }

    /// Adds a line to the log.
    pub fn note(&self, text: impl fmt::Display) {
        let text = Name::Owned(text.to_string());
        let mut state = self.world.lock();
        let by = state.actor_here(&self.world);
        state.log.add(self.world.now(), Event::Noted(by, text));
    }

    /// Stops the clock: it goes on only for [`advance`](Self::advance) and [`jump`](Self::jump).
    pub fn pause(&self) {
        self.world.lock().paused = true;
    }

    /// Lets the clock go on when nobody can run.
    pub fn resume(&self) {
        self.world.lock().paused = false;
    }

    /// Lets `duration` pass. Each timer in between fires at its own moment, and whom it wakes runs before time goes on;
    /// at the end all is quiet.
    ///
    /// # Cancel safety
    /// Dropped, it no longer asks for time to pass. What has passed has passed.
    pub fn advance(&self, duration: Duration) -> impl Future<Output = ()> + Send + use<> {
        self.quiet_at(self.world.now() + duration)
    }

    /// Waits until nobody else can run without time passing, or those who can have only yielded for a while.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub fn settle(&self) -> impl Future<Output = ()> + Send + use<> {
        self.quiet_at(Moment::START)
    }

    /// Lets all who can run do so, then lets time pass until the next timer and what follows from it. Answers with the
    /// new time, or `None` if no timer is set.
    ///
    /// # Cancel safety
    /// As that of [`advance`](Self::advance).
    pub async fn jump(&self) -> Option<Moment> {
        self.settle().await;
        let next = self.world.lock().timers.next()?;
        self.quiet_at(next).await;
        Some(self.world.now())
    }

    /// Sleeps for `duration`.
    #[must_use = "a timer does nothing unless it is awaited"]
    pub fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::new(self.clone(), self.world.now() + duration)
    }

    fn take_in<W>(
        &self,
        work: W,
        body: impl FnOnce(W) -> Body,
        task: impl FnOnce() -> Option<TaskRef>,
    ) -> Result<(), Refused<W>> {
        if !self.world.is_open() {
            return Err(Refused(work));
        }
        // One that comes back was too late and is dropped, as the trait allows.
        drop(self.world.spawn(body(work), task()));
        Ok(())
    }

    fn quiet_at(&self, until: Moment) -> Quiet {
        Quiet {
            sim: self.clone(),
            until,
            number: None,
        }
    }
}

/// Lets others run. One more point at which orders part.
///
/// # Cancel safety
/// Nothing is lost when the future is dropped.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Runtime for Sim {
    type Sleep = Sleep;
    type Spawned = ();

    fn root(&self) -> &Root {
        &self.world.root
    }

    fn now(&self) -> Moment {
        self.world.now()
    }

    fn sleep_until(&self, at: Moment) -> Sleep {
        Sleep::new(self.clone(), at)
    }

    fn spawn<F>(&self, future: F) -> Result<(), Refused<F>>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.take_in(future, |future| Body::Future(Box::pin(future)), || None)
    }

    fn spawn_blocking<F>(&self, work: F) -> Result<(), Refused<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        self.take_in(
            work,
            |work| Body::Closure(Box::new(Closure::new(Box::new(work)))),
            || None,
        )
    }

    fn spawn_task<F>(&self, future: F, task: impl FnOnce() -> TaskRef) -> Result<(), Refused<F>>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.take_in(future, |future| Body::Future(Box::pin(future)), || Some(task()))
    }

    fn spawn_blocking_task<F>(&self, work: F, task: impl FnOnce() -> TaskRef) -> Result<(), Refused<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        self.take_in(
            work,
            |work| Body::Closure(Box::new(Closure::new(Box::new(work)))),
            || Some(task()),
        )
    }

    fn about_to_run(&self) {
        closure::checkpoint();
        if self.world.strikes() && !std::thread::panicking() {
            resume_unwind(Box::new("a panic that the simulation was asked for".to_owned()));
        }
    }

    fn random(&self) -> u32 {
        let drawn = self.world.lock().draws.below(1 << 32);
        u32::try_from(drawn).unwrap_or(u32::MAX)
    }
}

/// The simulation that is running on this thread, or one that takes no tasks.
impl Default for Sim {
    fn default() -> Self {
        Self::current().unwrap_or_else(|| {
            let nowhere = Self::new(0);
            nowhere.shut_down();
            nowhere
        })
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sim").field(&self.world).finish()
    }
}

/// Waits until time has come to a moment and all is quiet.
struct Quiet {
    sim: Sim,
    until: Moment,
    number: Option<u64>,
}

impl Future for Quiet {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let waker = cx.waker().clone();
        let mut state = this.sim.world.lock();
        let Some(number) = this.number else {
            let number = state.waits_made;
            state.waits_made += 1;
            this.number = Some(number);
            state.waits.push(Wait {
                until: this.until,
                number,
                waker,
            });
            return Poll::Pending;
        };
        let wait = state.waits.iter_mut().find(|wait| wait.number == number);
        let before = wait.map(|wait| core::mem::replace(&mut wait.waker, waker));
        drop(state);
        if before.is_some() {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let waited = self.number.and_then(|number| {
            let mut state = self.sim.world.lock();
            let place = state.waits.iter().position(|wait| wait.number == number)?;
            Some(state.waits.remove(place))
        });
        drop(waited);
    }
}
