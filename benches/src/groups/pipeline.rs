//! A million events, each a little work, shared out between two receivers.

use std::hint::black_box;
use std::sync::Arc;
use std::thread;

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use sweet_async_tokio::emit::Collector;
use sweet_async_tokio::prelude::*;
use tokio::runtime::{Builder, Runtime as Executor};
use tokio::sync::mpsc;

use crate::{Contestant, Figure, Goal, Group, Meter, Sample};

/// The bench target `pipeline`.
pub const GROUP: Group = Group::new("pipeline", figures);

/// Events in a chunk.
const CHUNK: usize = 100;
/// Chunks that may wait at a receiver.
const CAPACITY: usize = 16;
/// Rounds of the work: about 100 nanoseconds on a machine of the year 2024.
const ROUNDS: u32 = 80;

fn figures() -> Vec<Figure> {
    let runtime = Builder::new_multi_thread().worker_threads(2).build();
    let runtime = Arc::new(runtime.expect("a tokio runtime"));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build();
    let pool = pool.expect("a pool of two threads");
    let figure = Figure::new("pipeline, 1,000,000 events, two receivers", "event", 1_000_000)
        .few_turns()
        .with(Contestant::ours(
            "AsyncTask::emits, chunks of 100, parallel(2)",
            {
                let runtime = Arc::clone(&runtime);
                move |times| ours(&runtime, times, 100)
            },
        ))
        .goal(Goal::BestPeer(0.85))
        .with(Contestant::ours(
            "AsyncTask::emits, chunks of 1,000, parallel(2)",
            {
                let runtime = Arc::clone(&runtime);
                move |times| ours(&runtime, times, 1_000)
            },
        ))
        .goal(Goal::BestPeer(0.85))
        .with(Contestant::peer("tokio mpsc of Vec(100), one for each worker", {
            let runtime = Arc::clone(&runtime);
            move |times| channel_each(&runtime, times)
        }))
        .with(Contestant::peer("async-channel of Vec(100), shared", {
            let runtime = Arc::clone(&runtime);
            move |times| channel_shared(&runtime, times)
        }))
        .with(Contestant::limit("two static halves, no channel", halves))
        .with(Contestant::limit("rayon over a slice", move |times| {
            let events: Vec<u64> = (0..times).collect();
            Meter::measure(|| {
                pool.install(|| {
                    events
                        .par_iter()
                        .map(|event| work(*event))
                        .reduce(|| 0, u64::wrapping_add)
                })
            })
        }))
        .with(Contestant::limit("one thread, no channel", |times| {
            Meter::measure(|| sum(0..times))
        }));
    vec![figure]
}

/// A collection of one number.
#[derive(Default)]
struct Total(u64);

impl Collector for Total {
    type Item = u64;

    fn add(&mut self, item: u64) {
        self.0 = self.0.wrapping_add(item);
    }

    fn merge(&mut self, other: Self) {
        self.add(other.0);
    }
}

fn ours(runtime: &Executor, times: u64, chunk: u32) -> Sample {
    runtime.block_on(async move {
        let meter = Meter::start();
        let total = AsyncTask::emits::<u64>()
            .name("events")
            .collect_into::<Total>()
            .sender(move |source| source.of(0..times).into_chunks(chunk.rows()))
            .receiver(ReceiverStrategy::parallel(2), |event, total| {
                total.add(work(event));
            })
            .await_final_event(|last| last.into_collected().0)
            .await;
        black_box(total.unwrap_or_default());
        meter.stop()
    })
}

/// The work of one event: each round needs the one before, and a compiler cannot make two of them one.
fn work(event: u64) -> u64 {
    (0..ROUNDS).fold(black_box(event), |state, _| {
        (state ^ (state >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    })
}

fn sum(events: impl IntoIterator<Item = u64>) -> u64 {
    events
        .into_iter()
        .fold(0, |sum, event| sum.wrapping_add(work(event)))
}

fn chunks(times: u64) -> impl Iterator<Item = Vec<u64>> {
    let chunk = CHUNK as u64;
    (0..times / chunk).map(move |number| (number * chunk..(number + 1) * chunk).collect())
}

/// A sender that serves two workers in turn, each over a channel of its own.
fn channel_each(runtime: &Executor, times: u64) -> Sample {
    runtime.block_on(async move {
        let meter = Meter::start();
        let (senders, workers): (Vec<_>, Vec<_>) = (0..2)
            .map(|_| {
                let (sender, mut receiver) = mpsc::channel::<Vec<u64>>(CAPACITY);
                let worker = tokio::spawn(async move {
                    let mut total = 0_u64;
                    while let Some(chunk) = receiver.recv().await {
                        total = total.wrapping_add(sum(chunk));
                    }
                    total
                });
                (sender, worker)
            })
            .unzip();
        let sender = tokio::spawn(async move {
            for (chunk, to) in chunks(times).zip(senders.iter().cycle()) {
                if to.send(chunk).await.is_err() {
                    break;
                }
            }
        });
        let _ = sender.await;
        for worker in workers {
            black_box(worker.await.unwrap_or_default());
        }
        meter.stop()
    })
}

/// A sender and two workers on one channel.
fn channel_shared(runtime: &Executor, times: u64) -> Sample {
    runtime.block_on(async move {
        let meter = Meter::start();
        let (sender, receiver) = async_channel::bounded::<Vec<u64>>(CAPACITY);
        let workers = [receiver.clone(), receiver].map(|receiver| {
            tokio::spawn(async move {
                let mut total = 0_u64;
                while let Ok(chunk) = receiver.recv().await {
                    total = total.wrapping_add(sum(chunk));
                }
                total
            })
        });
        let sender = tokio::spawn(async move {
            for chunk in chunks(times) {
                if sender.send(chunk).await.is_err() {
                    break;
                }
            }
        });
        let _ = sender.await;
        for worker in workers {
            black_box(worker.await.unwrap_or_default());
        }
        meter.stop()
    })
}

fn halves(times: u64) -> Sample {
    Meter::measure(|| {
        thread::scope(|scope| {
            let other = scope.spawn(move || sum(times / 2..times));
            sum(0..times / 2).wrapping_add(other.join().unwrap_or_default())
        })
    })
}
