//! Threads: small closures and tasks, a parallel map, and how soon a worker that sleeps begins; against rayon.

use core::hint::black_box;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rayon::iter::{IndexedParallelIterator as _, IntoParallelRefIterator as _, ParallelIterator as _};
use sweet_async_crossbeam::prelude::*;

use crate::{Contestant, Figure, Goal, Group, Meter, Sample};

/// The bench target `threads`.
pub const GROUP: Group = Group::new("threads", figures);

const RAYON_SCOPE: &str = "rayon, scope and spawn";
const RAYON_MAP: &str = "rayon, par_iter";
const RAYON_SPAWN: &str = "rayon, spawn";
/// Tasks that live at the same time.
const AT_ONCE: u64 = 1_000;
/// Rounds of the work: about 100 nanoseconds on a machine of the year 2024.
const ROUNDS: u32 = 80;
/// Chunks of a map: enough that one thread which is held up leaves the others something to take.
const CHUNKS: usize = 64;

fn figures() -> Vec<Figure> {
    let ours = || {
        Arc::new(
            ThreadPool::builder()
                .workers(2..=2)
                .build()
                .expect("a pool of two threads"),
        )
    };
    let rayon = || {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build();
        Arc::new(pool.expect("a pool of two threads"))
    };
    vec![
        at_once(ours(), rayon()),
        map(ours(), rayon()),
        from_sleep(ours(), rayon()),
    ]
}

fn at_once(ours: Arc<ThreadPool>, rayon: Arc<rayon::ThreadPool>) -> Figure {
    let (pool, inside, outside) = (Arc::clone(&ours), Arc::clone(&ours), ours);
    Figure::new("threads, 1,000 small tasks at a time", "task", 10 * AT_ONCE)
        .with(Contestant::ours("ThreadPool::scope, spawn", move |times| {
            Meter::measure(|| {
                for _ in 0..times / AT_ONCE {
                    let ended = pool.scope(|scope| {
                        for number in 0..AT_ONCE {
                            scope.spawn(move |_| {
                                black_box(number);
                            });
                        }
                    });
                    ended.expect("nothing unwinds");
                }
            })
        }))
        .goal(Goal::Times(1.50, RAYON_SCOPE))
        .with(Contestant::ours("AsyncTask, started by a task", move |times| {
            let measured = inside.enter(|| {
                AsyncTask::to::<Sample>().run(move || async move {
                    let meter = Meter::start();
                    let mut tasks = Vec::with_capacity(1_000);
                    for _ in 0..times / AT_ONCE {
                        tasks.extend((0..AT_ONCE).map(small));
                        for task in tasks.drain(..) {
                            black_box(task.await.unwrap_or_default());
                        }
                    }
                    meter.stop()
                })
            });
            measured
                .wait()
                .expect("no worker")
                .expect("the measured task does not panic")
        }))
        .goal(Goal::Times(1.50, RAYON_SCOPE))
        .with(Contestant::ours(
            "AsyncTask, started and waited for by a thread",
            move |times| {
                outside.enter(|| {
                    Meter::measure(|| {
                        let mut tasks = Vec::with_capacity(1_000);
                        for _ in 0..times / AT_ONCE {
                            tasks.extend((0..AT_ONCE).map(small));
                            for task in tasks.drain(..) {
                                black_box(task.wait().expect("no worker").unwrap_or_default());
                            }
                        }
                    })
                })
            },
        ))
        .with(Contestant::peer(RAYON_SCOPE, move |times| {
            Meter::measure(|| {
                for _ in 0..times / AT_ONCE {
                    rayon.scope(|scope| {
                        for number in 0..AT_ONCE {
                            scope.spawn(move |_| {
                                black_box(number);
                            });
                        }
                    });
                }
            })
        }))
}

fn small(number: u64) -> Task<u64> {
    AsyncTask::to::<u64>().name("task").run(move || number)
}

fn map(ours: Arc<ThreadPool>, rayon: Arc<rayon::ThreadPool>) -> Figure {
    Figure::new("threads, map of items of 100 ns", "item", 100_000)
        .with(Contestant::ours(
            "ThreadPool::scope, a closure for each chunk",
            move |times| {
                let (from, mut to) = items(times);
                let size = from.len().div_ceil(CHUNKS);
                Meter::measure(|| {
                    let ended = ours.scope(|scope| {
                        for (from, to) in from.chunks(size).zip(to.chunks_mut(size)) {
                            scope.spawn(move |_| {
                                for (from, to) in from.iter().zip(to) {
                                    *to = work(*from);
                                }
                            });
                        }
                    });
                    ended.expect("nothing unwinds");
                    black_box(&to);
                })
            },
        ))
        .goal(Goal::Times(1.10, RAYON_MAP))
        .with(Contestant::peer(RAYON_MAP, move |times| {
            let (from, mut to) = items(times);
            Meter::measure(|| {
                rayon.install(|| from.par_iter().map(|item| work(*item)).collect_into_vec(&mut to));
                black_box(&to);
            })
        }))
        .with(Contestant::limit("one thread, no pool", |times| {
            let (from, mut to) = items(times);
            Meter::measure(|| {
                for (from, to) in from.iter().zip(&mut to) {
                    *to = work(*from);
                }
                black_box(&to);
            })
        }))
}

fn items(times: u64) -> (Vec<u64>, Vec<u64>) {
    let from: Vec<u64> = (0..times).collect();
    let to = vec![0; from.len()];
    (from, to)
}

/// Each round needs the one before, and a compiler cannot make two of them one.
fn work(item: u64) -> u64 {
    (0..ROUNDS).fold(black_box(item), |state, _| {
        (state ^ (state >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    })
}

fn from_sleep(ours: Arc<ThreadPool>, rayon: Arc<rayon::ThreadPool>) -> Figure {
    let bare = Arc::clone(&ours);
    Figure::new(
        "threads, from spawn to start on a worker that sleeps",
        "start",
        20,
    )
    .by_time_only()
    .with(Contestant::ours("a future, Runtime::spawn", move |times| {
        let threads = bare.handle();
        starts(times, |begun| {
            let taken = threads.spawn(async move { tell(&begun) });
            taken.expect("a pool that is open");
        })
    }))
    .goal(Goal::Times(1.00, RAYON_SPAWN))
    .with(Contestant::ours("AsyncTask", move |times| {
        ours.enter(|| {
            starts(times, |begun| {
                AsyncTask::to::<()>().run(move || tell(&begun)).detach();
            })
        })
    }))
    .goal(Goal::Times(1.00, RAYON_SPAWN))
    .with(Contestant::peer(RAYON_SPAWN, move |times| {
        starts(times, |begun| rayon.spawn(move || tell(&begun)))
    }))
}

fn tell(begun: &Sender<Instant>) {
    // Whoever measures waits for it.
    let _ = begun.send(Instant::now());
}

/// How long it takes until what `spawn` starts begins, when workers have had the time to fall asleep.
fn starts(times: u64, spawn: impl Fn(Sender<Instant>)) -> Sample {
    let mut waited = Duration::ZERO;
    let mut sample = Meter::measure(|| {
        for _ in 0..times {
            let (tell, hear) = channel();
            thread::sleep(Duration::from_millis(1));
            let asked = Instant::now();
            spawn(tell);
            let begun = hear.recv().expect("it begins");
            waited += begun.saturating_duration_since(asked);
        }
    });
    sample.nanos = waited.as_secs_f64() * 1e9;
    sample
}
