//! The time that a processor worked for a task: the clock of the thread, read around each poll.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use super::Measured;

/// The time that a processor worked for a thread or a task, others that ran meanwhile not counted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct CpuUsage {
    /// In all, in nanoseconds as the thread's clock counts them.
    pub total: Duration,
    /// In the program itself.
    pub user: Measured<Duration>,
    /// In the system, on the program's behalf.
    pub system: Measured<Duration>,
}

/// What to read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reading {
    Total,
    Split,
}

impl CpuUsage {
    /// What the calling thread has used so far, user and system told apart; `NotInstrumented` where the system does not
    /// say, which is everywhere but on Linux. Two system calls.
    #[must_use]
    pub fn of_this_thread() -> Measured<Self> {
        read(Reading::Split).into()
    }
}

/// Sums up what a task uses, on one thread after the other and, in a blocking closure, on two at once.
#[derive(Debug)]
pub(super) struct CpuMeter {
    reading: Reading,
    /// What the thread had used as the poll under way began; `UNSET` if none is.
    began: Sums,
    used: Sums,
}

/// Nanoseconds.
// Relaxed: figures that stand alone.
#[derive(Debug)]
struct Sums {
    total: AtomicU64,
    user: AtomicU64,
    system: AtomicU64,
}

impl CpuMeter {
    pub(super) const fn new(reading: Reading) -> Self {
        Self {
            reading,
            began: Sums::new(UNSET),
            used: Sums::new(0),
        }
    }

    /// What this thread has used so far, as far as this meter wants to know.
    pub(super) fn read(&self) -> Option<CpuUsage> {
        read(self.reading)
    }

    /// A poll begins on this thread.
    pub(super) fn begin(&self) {
        if let Some(before) = self.read() {
            let stamp = |place: &AtomicU64, time| place.store(nanos(time), Ordering::Relaxed);
            stamp(&self.began.total, before.total);
            stamp(&self.began.user, before.user.value().unwrap_or_default());
            stamp(&self.began.system, before.system.value().unwrap_or_default());
        }
    }

    /// The poll ends, on the same thread.
    pub(super) fn end(&self) {
        let total = self.began.total.swap(UNSET, Ordering::Relaxed);
        if total != UNSET {
            let stamp = |place: &AtomicU64| Duration::from_nanos(place.load(Ordering::Relaxed));
            self.add(CpuUsage {
                total: Duration::from_nanos(total),
                user: Measured::Value(stamp(&self.began.user)),
                system: Measured::Value(stamp(&self.began.system)),
            });
        }
    }

    /// Adds what this thread has used since `before`.
    pub(super) fn add(&self, before: CpuUsage) {
        let Some(now) = self.read() else { return };
        let add = |sum: &AtomicU64, now: Duration, before: Duration| {
            let more = nanos(now.saturating_sub(before));
            // Never fails: the closure always answers. 584 years of a processor are not passed.
            let _ = sum.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |sum| {
                Some(sum.saturating_add(more))
            });
        };
        let part = |part: Measured<Duration>| part.value().unwrap_or_default();
        add(&self.used.total, now.total, before.total);
        if self.reading == Reading::Split {
            add(&self.used.user, part(now.user), part(before.user));
            add(&self.used.system, part(now.system), part(before.system));
        }
    }

    /// What was used; nothing is known where threads cannot be asked.
    pub(super) fn used(&self) -> Measured<CpuUsage> {
        let time = |sum: &AtomicU64| Duration::from_nanos(sum.load(Ordering::Relaxed));
        let part = |sum| match self.reading {
            Reading::Total => Measured::NotInstrumented,
            Reading::Split => Measured::Value(time(sum)),
        };
        if !cfg!(target_os = "linux") {
            return Measured::NotInstrumented;
        }
        Measured::Value(CpuUsage {
            total: time(&self.used.total),
            user: part(&self.used.user),
            system: part(&self.used.system),
        })
    }
}

impl Sums {
    const fn new(all: u64) -> Self {
        Self {
            total: AtomicU64::new(all),
            user: AtomicU64::new(all),
            system: AtomicU64::new(all),
        }
    }
}

#[cfg(target_os = "linux")]
fn read(reading: Reading) -> Option<CpuUsage> {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::time::{ClockId, clock_gettime};

    let total = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).ok()?.into();
    let (user, system) = match reading {
        Reading::Total => (Measured::NotInstrumented, Measured::NotInstrumented),
        Reading::Split => {
            let usage = getrusage(UsageWho::RUSAGE_THREAD).ok()?;
            (
                Measured::Value(duration(usage.user_time())),
                Measured::Value(duration(usage.system_time())),
            )
        }
    };
    Some(CpuUsage { total, user, system })
}

/// Neither part is ever negative.
#[cfg(target_os = "linux")]
fn duration(time: nix::sys::time::TimeVal) -> Duration {
    let seconds = u64::try_from(time.tv_sec()).unwrap_or_default();
    let micros = u64::try_from(time.tv_usec()).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}

#[cfg(not(target_os = "linux"))]
const fn read(_: Reading) -> Option<CpuUsage> {
    None
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(UNSET - 1)
}

const UNSET: u64 = u64::MAX;
