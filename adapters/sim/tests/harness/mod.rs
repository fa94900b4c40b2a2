//! A simulation as the suite of the api knows it.

use std::future::Future;

use sweet_async_api::conformance::{Difference, Harness};
use sweet_async_sim::{Sim, Strategy};

/// A simulation with this strategy and seed.
#[derive(Clone, Debug)]
pub(crate) struct Simulation<const STRATEGY: u8, const SEED: u64>(pub(crate) Sim);

impl<const STRATEGY: u8, const SEED: u64> Harness for Simulation<STRATEGY, SEED> {
    type Runtime = Sim;

    const NAME: &'static str = "simulation";
    const DIFFERENCES: &'static [Difference] = &[
        Difference::OneThread,
        Difference::NoBlockOn,
        Difference::ForeignThreads,
        Difference::EndsClosures,
    ];

    fn start(_: usize) -> Self {
        let strategy = match STRATEGY {
            IN_ORDER => Strategy::InOrder,
            RANDOM => Strategy::Random,
            _ => Strategy::Pct {
                depth: 3,
                steps: 1_000,
            },
        };
        let sim = Sim::builder().seed(SEED).strategy(strategy);
        Self(sim.step_limit(10_000_000).build())
    }

    fn runtime(&self) -> Sim {
        self.0.clone()
    }

    fn outside() -> Sim {
        Sim::default()
    }

    fn run<F: Future>(&self, future: F) -> F::Output {
        self.0.run(future).unwrap()
    }

    fn shut_down(&self) {
        self.0.shut_down();
    }
}

pub(crate) const IN_ORDER: u8 = 0;
pub(crate) const RANDOM: u8 = 1;
pub(crate) const PCT: u8 = 2;
