//! How soon an urgent task begins behind a backlog, and one that is not urgent: nothing here is a ratio, each answer comes
//! from running the executor.
//!
//! One thread runs everything. It is held while the backlog is built up behind it, then let go; what is told is the time
//! from there until the probe, which was spawned last, begins.

use core::hint::black_box;
use core::time::Duration;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use sweet_async_crossbeam::prelude::*;
use tokio::runtime::Builder;

use crate::{Group, Role, Table};

/// The bench target `priorities`.
pub const GROUP: Group = Group::of_tables("priorities", tables);

/// Tasks of the class `Normal` that wait before the probe.
const BACKLOG: u32 = 10_000;
/// Rounds of a task's work, about a microsecond.
const ROUNDS: u32 = 800;
/// How often each is measured.
const PROBES: usize = 100;

fn tables() -> Vec<Table> {
    let asked = "one thread, 10,000 tasks of a microsecond that wait, and one more: how soon that one begins, of 100 times";
    let pool = Arc::new(
        ThreadPool::builder()
            .workers(1..=1)
            .build()
            .expect("a pool of one thread"),
    );
    let class = |priority: Priority| waits(|backlog, probe| on_threads(&pool, priority, backlog, probe));
    let idle = waits(|_, probe| on_threads(&pool, Priority::Critical, 0, probe));
    let (critical, normal, background) = (
        class(Priority::Critical),
        class(Priority::Normal),
        class(Priority::Background),
    );
    let tokio = Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .expect("a runtime of one thread");
    let fifo = waits(|backlog, probe| on_tokio(&tokio, backlog, probe));
    let rayon = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let rayon = rayon.expect("a pool of one thread");
    let rayon_fifo = waits(|backlog, probe| on_rayon(&rayon, backlog, probe));
    // Those without classes let the probe wait for the whole backlog.
    let soon = |waits: &Waits| waits.of_100(99) < fifo.of_100(50) / 10;
    vec![
        Table::new("urgent tasks behind a backlog", asked)
            .with(
                ("threads, Critical", Role::Ours),
                critical.told(),
                soon(&critical),
            )
            .with(
                ("threads, Background", Role::Ours),
                background.told(),
                soon(&background),
            )
            .with(("threads, Normal", Role::Ours), normal.told(), soon(&normal))
            .with(("tokio::spawn", Role::Peer), fifo.told(), soon(&fifo))
            .with(
                ("rayon::spawn_fifo", Role::Peer),
                rayon_fifo.told(),
                soon(&rayon_fifo),
            )
            .with(("threads, no backlog", Role::Limit), idle.told(), soon(&idle)),
    ]
}

/// How long each probe waited, sorted.
struct Waits(Vec<Duration>);

impl Waits {
    /// The wait that so many of a hundred do not exceed.
    fn of_100(&self, percent: usize) -> Duration {
        let place = (self.0.len() * percent).div_ceil(100).saturating_sub(1);
        self.0.get(place).copied().unwrap_or_default()
    }

    fn told(&self) -> String {
        format!(
            "half within {:.1?}, 99 within {:.1?}",
            self.of_100(50),
            self.of_100(99)
        )
    }
}

/// Runs `round` for each probe. It is given the size of the backlog and where to send two moments: when the thread is let
/// go, and when the probe begins.
fn waits(round: impl Fn(u32, Sender<Instant>)) -> Waits {
    let mut waits: Vec<Duration> = (0..PROBES)
        .map(|_| {
            let (tell, told) = channel();
            round(BACKLOG, tell);
            let let_go: Instant = told.recv().expect("the thread is let go");
            let begun = told.recv().expect("the probe runs");
            begun.saturating_duration_since(let_go)
        })
        .collect();
    waits.sort_unstable();
    Waits(waits)
}

/// Holds the one thread by what `spawn` is given, until what this answers is dropped.
fn hold(spawn: impl FnOnce(Held)) -> Sender<()> {
    let (here, arrived) = channel();
    let (unlock, locked) = channel();
    spawn(Held { here, locked });
    arrived.recv().expect("the thread is free");
    unlock
}

struct Held {
    here: Sender<()>,
    locked: Receiver<()>,
}

impl Held {
    /// Stands still, and says when that was over.
    fn stand_still(self, told: &Sender<Instant>) {
        let _ = self.here.send(());
        // An error is what it waits for: the other end was dropped.
        let _ = self.locked.recv();
        tell(told);
    }
}

fn on_threads(pool: &ThreadPool, priority: Priority, backlog: u32, told: Sender<Instant>) {
    pool.enter(|| {
        let probe = told.clone();
        let unlock = hold(|held| {
            AsyncTask::to::<()>()
                .run(move || held.stand_still(&told))
                .detach();
        });
        for _ in 0..backlog {
            AsyncTask::to::<()>().run(spin).detach();
        }
        let probe = AsyncTask::to::<()>().priority(priority).run(move || tell(&probe));
        drop(unlock);
        let _ = probe.wait();
    });
}

fn on_tokio(runtime: &tokio::runtime::Runtime, backlog: u32, told: Sender<Instant>) {
    let probe = told.clone();
    let unlock = hold(|held| {
        runtime.spawn(async move { held.stand_still(&told) });
    });
    for _ in 0..backlog {
        runtime.spawn(async { spin() });
    }
    let probe = runtime.spawn(async move { tell(&probe) });
    drop(unlock);
    runtime.block_on(probe).expect("the probe does not panic");
}

fn on_rayon(pool: &rayon::ThreadPool, backlog: u32, told: Sender<Instant>) {
    let probe = told.clone();
    let _unlock = hold(|held| pool.spawn_fifo(move || held.stand_still(&told)));
    for _ in 0..backlog {
        pool.spawn_fifo(spin);
    }
    pool.spawn_fifo(move || tell(&probe));
}

fn tell(told: &Sender<Instant>) {
    // Whoever measures waits for it.
    let _ = told.send(Instant::now());
}

fn spin() {
    black_box((0..ROUNDS).fold(black_box(1_u64), |state, _| {
        (state ^ (state >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }));
}
