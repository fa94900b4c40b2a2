//! The suite of the api in a simulation: in order, by random walks, and by PCT.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use harness::{IN_ORDER, PCT, RANDOM, Simulation};

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
