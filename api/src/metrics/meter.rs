//! The numbers of one task that is metered.

use alloc::boxed::Box;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::OnceLock;

use super::cpu::{CpuMeter, CpuUsage};
use super::io::IoSums;
use super::memory::{MemoryMeter, ThreadMemory};
use super::{Measured, Metrics, TaskMetrics};
use crate::Moment;

/// What was measured of a task so far.
///
/// The driver writes, from whichever thread polls it; polls follow each other, so each number has one writer at a time and
/// a plain store does. Wakers and the thread of a blocking closure have numbers of their own.
// Relaxed throughout: figures that stand alone. The order of two polls is the executor's doing.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) asked: Metrics,
    /// When the task was first woken since its last poll began; `UNSET` if it was not.
    woken: AtomicU64,
    /// When the poll under way began; `UNSET` if none is, `FIRST` in the first, which begins when the task starts.
    began: AtomicU64,
    /// When its last poll ended; `UNSET` before the first has.
    rested: AtomicU64,
    polls: AtomicU64,
    busy: AtomicU64,
    longest_poll: AtomicU64,
    idle: AtomicU64,
    delayed: AtomicU64,
    longest_delay: AtomicU64,
    in_closure: AtomicU64,
    cpu: Option<CpuMeter>,
    memory: Option<Box<MemoryMeter>>,
    /// Made with the first reader or writer that counts.
    io: OnceLock<Box<IoSums>>,
}

/// When a blocking closure was called, and what its thread had used and allocated by then.
#[derive(Debug)]
pub(crate) struct Called {
    at: Moment,
    cpu: Option<CpuUsage>,
    memory: Option<ThreadMemory>,
}

impl Meter {
    pub(crate) fn new(asked: Metrics) -> Self {
        Self {
            asked,
            woken: AtomicU64::new(UNSET),
            began: AtomicU64::new(UNSET),
            rested: AtomicU64::new(UNSET),
            polls: AtomicU64::new(0),
            busy: AtomicU64::new(0),
            longest_poll: AtomicU64::new(0),
            idle: AtomicU64::new(0),
            delayed: AtomicU64::new(0),
            longest_delay: AtomicU64::new(0),
            in_closure: AtomicU64::new(0),
            io: OnceLock::new(),
            cpu: asked.cpu.map(CpuMeter::new),
            memory: asked.memory.then(MemoryMeter::new).flatten().map(Box::new),
        }
    }

    /// The task was woken: the first wake-up after a poll began is what the next poll is late by.
    pub(crate) fn woken(&self, now: impl FnOnce() -> Moment) {
        if self.woken.load(Ordering::Relaxed) == UNSET {
            // Of two who wake it at once, either stamp is right.
            self.woken.store(now().as_nanos(), Ordering::Relaxed);
        }
    }

    /// A poll begins. The clock is not read for the first: that one begins when the task starts.
    pub(crate) fn begin(&self, now: impl FnOnce() -> Moment) {
        if let Some(memory) = &self.memory {
            memory.begin();
        }
        if let Some(cpu) = &self.cpu {
            cpu.begin();
        }
        let woken = self.woken.load(Ordering::Relaxed);
        if woken != UNSET {
            self.woken.store(UNSET, Ordering::Relaxed);
        }
        let rested = self.rested.load(Ordering::Relaxed);
        if rested == UNSET {
            self.began.store(FIRST, Ordering::Relaxed);
            return;
        }
        let now = now().as_nanos();
        // Woken while it was polled, it has waited since the poll ended; polled without having been woken, not at all.
        let woken = woken.max(rested).min(now);
        add(&self.idle, woken.saturating_sub(rested));
        let delay = now.saturating_sub(woken);
        add(&self.delayed, delay);
        raise(&self.longest_delay, delay);
        self.began.store(now.min(FIRST - 1), Ordering::Relaxed);
    }

    /// The poll under way ends, if one is. A poll in which the task did not start is none.
    pub(crate) fn end(&self, started: Option<Moment>, now: impl FnOnce(Moment) -> Moment) {
        if let Some(cpu) = &self.cpu {
            cpu.end();
        }
        if let Some(memory) = &self.memory {
            memory.end();
        }
        let began = self.began.load(Ordering::Relaxed);
        self.began.store(UNSET, Ordering::Relaxed);
        let began = match began {
            UNSET => None,
            FIRST => started,
            began => Some(Moment::from_nanos(began)),
        };
        let Some(began) = began else { return };
        let now = now(began).as_nanos().max(began.as_nanos());
        let took = now - began.as_nanos();
        add(&self.polls, 1);
        add(&self.busy, took);
        raise(&self.longest_poll, took);
        self.rested.store(now, Ordering::Relaxed);
    }

    /// A blocking closure is called, on this thread.
    pub(crate) fn call(&self, at: Moment) -> Called {
        Called {
            at,
            cpu: self.cpu.as_ref().and_then(CpuMeter::read),
            memory: self.memory.as_ref().and_then(|memory| memory.read()),
        }
    }

    /// It has returned.
    pub(crate) fn returned(&self, called: &Called, now: Moment) {
        let nanos = now.as_nanos().saturating_sub(called.at.as_nanos());
        add(&self.in_closure, nanos);
        if let (Some(cpu), Some(before)) = (&self.cpu, called.cpu) {
            cpu.add(before);
        }
        if let (Some(memory), Some(before)) = (&self.memory, called.memory) {
            memory.add(before);
        }
    }

    pub(crate) fn io(&self) -> &IoSums {
        self.io.get_or_init(Box::default)
    }

    /// Writes what was measured into `metrics`.
    pub(crate) fn read(&self, metrics: &mut TaskMetrics) {
        let time = |nanos: &AtomicU64| Measured::Value(Duration::from_nanos(nanos.load(Ordering::Relaxed)));
        metrics.polls = Measured::Value(self.polls.load(Ordering::Relaxed));
        metrics.busy = time(&self.busy);
        metrics.longest_poll = time(&self.longest_poll);
        metrics.idle = time(&self.idle);
        metrics.delayed = time(&self.delayed);
        metrics.longest_delay = time(&self.longest_delay);
        metrics.in_closure = time(&self.in_closure);
        metrics.io = self.io.get().map(|io| io.usage()).into();
        metrics.cpu = self
            .cpu
            .as_ref()
            .map_or(Measured::NotInstrumented, CpuMeter::used);
        metrics.memory = self
            .memory
            .as_ref()
            .map_or(Measured::NotInstrumented, |memory| memory.used());
    }
}

/// Adds where nobody else writes; stops at the end.
pub(super) fn add(sum: &AtomicU64, more: u64) {
    if more != 0 {
        let before = sum.load(Ordering::Relaxed);
        sum.store(before.saturating_add(more), Ordering::Relaxed);
    }
}

/// Keeps the higher of the two where nobody else writes.
pub(super) fn raise(highest: &AtomicU64, seen: u64) {
    if seen > highest.load(Ordering::Relaxed) {
        highest.store(seen, Ordering::Relaxed);
    }
}

const UNSET: u64 = u64::MAX;
const FIRST: u64 = u64::MAX - 1;
