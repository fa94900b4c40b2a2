//! The suite of the api in a simulation: in order, by random walks, and by PCT.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::future::Future;

use sweet_async_api::conformance::{Difference, Harness};
use sweet_async_sim::{Sim, Strategy};

/// A simulation with this strategy and seed.
#[derive(Clone, Debug)]
struct Simulation<const STRATEGY: u8, const SEED: u64>(Sim);

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

const IN_ORDER: u8 = 0;
const RANDOM: u8 = 1;
const PCT: u8 = 2;

type InOrder = Simulation<IN_ORDER, 0>;
type Random1 = Simulation<RANDOM, 1>;
type Random2 = Simulation<RANDOM, 2>;
type Random3 = Simulation<RANDOM, 3>;
type Pct1 = Simulation<PCT, 1>;
type Pct2 = Simulation<PCT, 2>;

sweet_async_api::conformance!(in_order: InOrder);
sweet_async_api::conformance!(random_1: Random1);
sweet_async_api::conformance!(random_2: Random2);
sweet_async_api::conformance!(random_3: Random3);
sweet_async_api::conformance!(pct_1: Pct1);
sweet_async_api::conformance!(pct_2: Pct2);
