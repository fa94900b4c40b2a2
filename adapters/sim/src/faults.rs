//! What goes wrong on demand.

use core::time::Duration;

use crate::random::Numbers;

/// What goes wrong, by chance or to the task of a name. Nothing, unless it is asked for.
///
/// ```
/// use core::time::Duration;
/// use sweet_async_sim::Faults;
///
/// let faults = Faults::none()
///     .late_timers(10, Duration::from_secs(2))
///     .freeze("worker", 3)
///     .panics(1_000);
/// # let _ = faults;
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "faults happen in a simulation that was built with them"]
pub struct Faults {
    late: u32,
    late_by: Duration,
    slow_by: Duration,
    freezes: u32,
    panics: u32,
    named: Vec<(String, Fault)>,
}

/// What happens to a task.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// It is never polled again: not the poll of this number, nor one after it.
    Freeze(u64),
    /// Its work panics in the poll of this number.
    Panic(u64),
}

impl Faults {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self::default()
    }

    /// One timer in `of` fires late, by up to `by`. None if `of` is zero.
    pub const fn late_timers(mut self, of: u32, by: Duration) -> Self {
        self.late = of;
        self.late_by = by;
        self
    }

    /// Each step takes up to `by` of virtual time, so that a timer may fire before those have run who could. Without this
    /// a step takes no time.
    pub const fn slow_steps(mut self, by: Duration) -> Self {
        self.slow_by = by;
        self
    }

    /// One poll in `of` never happens, nor does any later one of that task: it is stuck for good, and whoever waits for it
    /// waits in vain. None if `of` is zero.
    pub const fn freezes(mut self, of: u32) -> Self {
        self.freezes = of;
        self
    }

    /// In one poll in `of` the task's work panics. None if `of` is zero.
    ///
    /// Panics hit the work of tasks, and blocking closures at their checkpoints; they do not hit bare futures, whose
    /// panic would end the simulation.
    pub const fn panics(mut self, of: u32) -> Self {
        self.panics = of;
        self
    }

    /// Tasks of this name are never polled again from poll number `poll` on, counted from 1.
    pub fn freeze(mut self, name: impl Into<String>, poll: u64) -> Self {
        self.named.push((name.into(), Fault::Freeze(poll)));
        self
    }

    /// The work of tasks of this name panics in poll number `poll`, counted from 1.
    pub fn panic(mut self, name: impl Into<String>, poll: u64) -> Self {
        self.named.push((name.into(), Fault::Panic(poll)));
        self
    }

    /// What is to happen to a task of this name.
    pub(crate) fn of(&self, name: &str) -> Vec<Fault> {
        let named = self.named.iter().filter(|(of, _)| of == name);
        named.map(|(_, fault)| *fault).collect()
    }

    /// How late the next timer is.
    pub(crate) fn lateness(&self, numbers: &mut Numbers) -> Duration {
        if numbers.one_in(self.late) {
            up_to(self.late_by, numbers)
        } else {
            Duration::ZERO
        }
    }

    pub(crate) const fn has_slow_steps(&self) -> bool {
        !self.slow_by.is_zero()
    }

    /// How long the next step takes.
    pub(crate) fn slowness(&self, numbers: &mut Numbers) -> Duration {
        up_to(self.slow_by, numbers)
    }

    /// What happens to the poll of number `poll` of a task with these `planned` faults.
    pub(crate) fn at(&self, poll: u64, planned: &[Fault], numbers: &mut Numbers) -> Option<Fault> {
        let planned = planned.iter().find(|fault| match fault {
            Fault::Freeze(from) => *from <= poll,
            Fault::Panic(at) => *at == poll,
        });
        if planned.is_some() {
            return planned.copied();
        }
        if numbers.one_in(self.freezes) {
            Some(Fault::Freeze(poll))
        } else if numbers.one_in(self.panics) {
            Some(Fault::Panic(poll))
        } else {
            None
        }
    }
}

fn up_to(most: Duration, numbers: &mut Numbers) -> Duration {
    let most = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(numbers.below(most.saturating_add(1)))
}
