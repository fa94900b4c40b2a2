//! Threads of one kind: how many there are, who they are, and who leaves.

use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use core::sync::atomic::{AtomicU32, AtomicUsize};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam_utils::sync::{Parker, Unparker};
use sweet_async_core::Tick;
use sweet_async_core::scaler::{Decision, Scale, Scaler};

use crate::here::Seat;
use crate::idle::Idle;

/// The threads of one kind. How many there should be is the [`Scaler`]'s decision; this carries it out.
pub(crate) struct Crew {
    scaler: Scaler,
    pub(crate) idle: Idle,
    /// How many are up: running something or looking for it.
    up: AtomicUsize,
    /// How many that have nothing to do are to leave.
    surplus: AtomicU32,
    /// How many the system did not let us start.
    missing: AtomicU32,
    staff: Mutex<Staff>,
    left: Condvar,
}

#[derive(Default)]
struct Staff {
    members: Vec<(Arc<Seat>, Option<JoinHandle<()>>)>,
    /// Those that have left; joined when somebody comes by.
    gone: Vec<JoinHandle<()>>,
    next: usize,
}

/// What the caller of [`Crew::observe`] does next.
pub(crate) enum Change {
    None,
    /// So many threads are to be started.
    Hire(u32),
    /// Nothing now, but the number changed.
    Done,
}

impl Crew {
    pub(crate) fn new(scale: Scale) -> Self {
        Self {
            scaler: Scaler::new(scale),
            idle: Idle::new(),
            up: AtomicUsize::new(0),
            surplus: AtomicU32::new(0),
            missing: AtomicU32::new(0),
            staff: Mutex::default(),
            left: Condvar::new(),
        }
    }

    /// How many threads there should be now.
    pub(crate) fn wanted(&self) -> u32 {
        self.scaler.workers()
    }

    /// Whether the system did not let us start a thread that there should be.
    pub(crate) fn is_short(&self) -> bool {
        self.missing.load(Acquire) != 0
    }

    /// How many threads live.
    pub(crate) fn live(&self) -> usize {
        self.lock().members.len()
    }

    /// Tells the scaler how many jobs wait, and tells whoever is too many.
    pub(crate) fn observe(&self, waiting: usize, now: Tick) -> Change {
        let busy = self.up.load(Relaxed);
        // One thread for each job: a thread is full at one, which is two halves, and idle below half of one.
        let load = u32::try_from(2 * (busy + waiting)).unwrap_or(u32::MAX);
        match self.scaler.observe(load, now) {
            Decision::Keep => match self.missing.swap(0, Relaxed) {
                0 => Change::None,
                missing => Change::Hire(missing),
            },
            Decision::Grow(more) => {
                // Who was to leave stays.
                let stay = take_up_to(&self.surplus, more);
                let missing = self.missing.swap(0, Relaxed);
                match more - stay + missing {
                    0 => Change::Done,
                    more => Change::Hire(more),
                }
            }
            Decision::Shrink(fewer) => {
                let never_came = take_up_to(&self.missing, fewer);
                let leave = fewer - never_came;
                self.surplus.fetch_add(leave, AcqRel);
                let _ = self.idle.wake(leave as usize);
                Change::Done
            }
        }
    }

    /// A thread gets up or is about to lie down. Relaxed: a count that stands alone.
    pub(crate) fn is_up(&self, before: &mut bool, now: bool) {
        match (*before, now) {
            (false, true) => self.up.fetch_add(1, Relaxed),
            (true, false) => self.up.fetch_sub(1, Relaxed),
            _ => return,
        };
        *before = now;
    }

    /// Whether a thread that has nothing to do leaves.
    pub(crate) fn leaves(&self) -> bool {
        take_up_to(&self.surplus, 1) == 1
    }

    /// One that was to leave found something to do: another one leaves instead.
    pub(crate) fn stays_after_all(&self) {
        self.surplus.fetch_add(1, AcqRel);
    }

    /// A thread could not begin; another one is started when somebody looks at the load.
    pub(crate) fn came_too_early(&self) {
        self.missing.fetch_add(1, Relaxed);
    }

    /// Starts one thread. It calls [`leave`](Self::leave) at its end.
    pub(crate) fn hire(
        &self,
        start: impl FnOnce(usize) -> (Arc<Seat>, io::Result<JoinHandle<()>>),
    ) -> io::Result<()> {
        let mut staff = self.lock();
        let gone = core::mem::take(&mut staff.gone);
        staff.next += 1;
        let (seat, started) = start(staff.next);
        match started {
            Ok(handle) => {
                staff.members.push((seat, Some(handle)));
                drop(staff);
                join(gone);
                Ok(())
            }
            Err(error) => {
                drop(staff);
                join(gone);
                self.missing.fetch_add(1, Relaxed);
                Err(error)
            }
        }
    }

    /// A thread says that it has run its last job.
    pub(crate) fn leave(&self, seat: &Arc<Seat>) {
        let mut staff = self.lock();
        if let Some(place) = staff
            .members
            .iter()
            .position(|(other, _)| Arc::ptr_eq(other, seat))
        {
            let (_, handle) = staff.members.swap_remove(place);
            staff.gone.extend(handle);
        }
        drop(staff);
        self.left.notify_all();
    }

    /// Waits until everybody has left, at most until `end`; gives those that have not.
    pub(crate) fn farewell(&self, end: Option<Instant>) -> Vec<Arc<Seat>> {
        let mut staff = self.lock();
        while !staff.members.is_empty() {
            staff = match end {
                None => self.left.wait(staff).unwrap_or_else(PoisonError::into_inner),
                Some(end) => {
                    let left = end.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break;
                    }
                    self.left
                        .wait_timeout(staff, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
        let gone = core::mem::take(&mut staff.gone);
        let seats = staff.members.iter().map(|(seat, _)| Arc::clone(seat)).collect();
        drop(staff);
        join(gone);
        seats
    }

    fn lock(&self) -> MutexGuard<'_, Staff> {
        self.staff.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread's place to sleep.
pub(crate) struct Bed {
    pub(crate) parker: Parker,
    pub(crate) unparker: Unparker,
}

impl Bed {
    pub(crate) fn new() -> Self {
        let parker = Parker::new();
        let unparker = parker.unparker().clone();
        Self { parker, unparker }
    }

    /// Gets up although there is work or an end: passes on the wake-up of whoever counted on this thread.
    pub(crate) fn get_up(&self, idle: &Idle, number: usize) {
        if !idle.get_up(number) {
            self.parker.park();
            let _ = idle.wake_one();
        }
    }
}

fn take_up_to(count: &AtomicU32, most: u32) -> u32 {
    let mut seen = count.load(Acquire);
    loop {
        let taken = seen.min(most);
        match count.compare_exchange_weak(seen, seen - taken, AcqRel, Acquire) {
            Ok(_) => return taken,
            Err(now) => seen = now,
        }
    }
}

/// Their bodies have ended, so this takes no longer than the system takes to end a thread.
fn join(gone: Vec<JoinHandle<()>>) {
    for handle in gone {
        // The body catches whatever jobs unwind with.
        let _ = handle.join();
    }
}
