//! What a simulation is built with.

use core::time::Duration;

use crate::Sim;
use crate::explore::{self, Found};
use crate::faults::Faults;
use crate::strategy::Strategy;
use crate::world::Settings;

/// Describes a simulation, or many that differ in their seeds.
///
/// ```
/// use sweet_async_sim::{Faults, Sim, Strategy};
///
/// let sim = Sim::builder()
///     .seed(7)
///     .strategy(Strategy::Pct { depth: 3, steps: 200 })
///     .faults(Faults::none().freeze("worker", 2))
///     .step_limit(10_000)
///     .build();
/// assert_eq!(sim.run(async { 42 }), Ok(42));
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`, `explore` or `find`"]
pub struct SimBuilder {
    settings: Settings,
}

impl SimBuilder {
    /// What every choice is drawn from; 0 unless set.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// How the order of steps is chosen.
    pub const fn strategy(mut self, strategy: Strategy) -> Self {
        self.settings.strategy = strategy;
        self
    }

    /// What goes wrong; nothing unless set.
    pub fn faults(mut self, faults: Faults) -> Self {
        self.settings.faults = faults;
        self
    }

    /// After how many steps to give up; a million unless set.
    pub const fn step_limit(mut self, steps: u64) -> Self {
        self.settings.step_limit = steps;
        self
    }

    /// After how many steps in a row, in which whoever ran only yielded, time goes on as if nobody could run; a thousand
    /// unless set. This is how a loop that yields until a deadline comes to its end.
    pub const fn spin_limit(mut self, steps: u64) -> Self {
        self.settings.spin_limit = steps;
        self
    }

    /// How many of the last events the log keeps; 65,536 unless set.
    pub const fn log_limit(mut self, events: usize) -> Self {
        self.settings.log_limit = events;
        self
    }

    /// How long a blocking closure may take, in real time, from one checkpoint to the next or to its end; a minute unless
    /// set. This is the one clock that a simulation looks at, and it only ends one that would hang.
    pub const fn closure_patience(mut self, real_time: Duration) -> Self {
        self.settings.closure_patience = real_time;
        self
    }

    /// The simulation.
    #[must_use]
    pub fn build(self) -> Sim {
        Sim::with(self.settings)
    }

    /// As [`explore`](crate::explore()), with these settings.
    ///
    /// # Panics
    /// With what `body` panics with for some seed, or with the error that it returns.
    pub fn explore<T, E: core::fmt::Display>(
        &self,
        seeds: impl IntoIterator<Item = u64>,
        body: impl FnMut(&Sim) -> Result<T, E>,
    ) {
        explore::all(self, seeds, body);
    }

    /// The first of `seeds` for which `body` panics or returns an error; `None` if there is none.
    pub fn find<T, E: core::fmt::Display>(
        &self,
        seeds: impl IntoIterator<Item = u64>,
        mut body: impl FnMut(&Sim) -> Result<T, E>,
    ) -> Option<Found> {
        let mut tried = seeds.into_iter();
        tried.find_map(|seed| explore::attempt(&self.clone().seed(seed).build(), &mut body).err())
    }
}

impl Default for SimBuilder {
    fn default() -> Self {
        Self {
            settings: Settings {
                seed: 0,
                strategy: Strategy::default(),
                faults: Faults::none(),
                step_limit: 1_000_000,
                spin_limit: 1_000,
                log_limit: 1 << 16,
                closure_patience: Duration::from_mins(1),
            },
        }
    }
}
