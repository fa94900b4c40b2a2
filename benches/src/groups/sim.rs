//! Steps of simulated tasks: how many orders a test can try in its time.

use core::future::Future;

use sweet_async_sim::prelude::*;
use sweet_async_sim::yield_now;
use tokio::runtime::Builder;

use crate::{Contestant, Figure, Goal, Group, Meter, Sample};

/// The bench target `sim`.
pub const GROUP: Group = Group::new("sim", figures);

/// Tasks that take turns.
const TASKS: u64 = 100;
/// What a simulation has to do on one core.
const STEPS: f64 = 1e6;
const TOKIO: &str = "tokio, one thread, bare spawn";

fn figures() -> Vec<Figure> {
    vec![steps(), starts()]
}

/// A hundred tasks that do nothing but yield.
fn steps() -> Figure {
    let pct = Strategy::Pct {
        depth: 3,
        steps: 100_000,
    };
    Figure::new("simulation, 100 tasks that yield", "step", 100_000)
        .with(Contestant::ours("Sim, random walk", |times| {
            tasks(Strategy::Random, times)
        }))
        .goal(Goal::PerSecond(STEPS))
        .with(Contestant::ours("Sim, PCT", move |times| tasks(pct, times)))
        .goal(Goal::PerSecond(STEPS))
        .with(Contestant::ours("Sim, in order", |times| {
            tasks(Strategy::InOrder, times)
        }))
        .goal(Goal::PerSecond(STEPS))
        .with(Contestant::peer(TOKIO, |times| {
            on_tokio(async move {
                let tasks: Vec<_> = (0..TASKS).map(|_| tokio::spawn(yields(times / TASKS))).collect();
                for task in tasks {
                    task.await.expect("a task that yields");
                }
            })
        }))
}

/// Tasks that are started one after the other and awaited.
fn starts() -> Figure {
    Figure::new("simulation, tasks started and awaited", "task", 10_000)
        .with(Contestant::ours("AsyncTask on Sim, random walk", |times| {
            let sim = simulation(Strategy::Random);
            Meter::measure(|| {
                sim.run(async {
                    for _ in 0..times {
                        let task = AsyncTask::to::<()>().name("task").run(|| async {});
                        task.await.expect("a task that ends");
                    }
                })
            })
        }))
        .with(Contestant::peer(TOKIO, |times| {
            on_tokio(async move {
                for _ in 0..times {
                    tokio::spawn(async {}).await.expect("a task that ends");
                }
            })
        }))
}

fn simulation(strategy: Strategy) -> Sim {
    Sim::builder().strategy(strategy).step_limit(u64::MAX).build()
}

fn tasks(strategy: Strategy, times: u64) -> Sample {
    let sim = simulation(strategy);
    Meter::measure(|| {
        sim.run(async {
            let start = |_| {
                AsyncTask::to::<()>()
                    .name("task")
                    .run(move || yields(times / TASKS))
            };
            let tasks: Vec<_> = (0..TASKS).map(start).collect();
            for task in tasks {
                task.await.expect("a task that yields");
            }
        })
    })
}

async fn yields(times: u64) {
    for _ in 0..times {
        yield_now().await;
    }
}

fn on_tokio(main: impl Future<Output = ()>) -> Sample {
    let runtime = Builder::new_current_thread().build().expect("a tokio runtime");
    Meter::measure(|| runtime.block_on(main))
}
