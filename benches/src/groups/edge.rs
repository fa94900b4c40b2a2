//! Items that cross from one task to another in chunks of a hundred.

use core::future::Future;
use std::hint::black_box;
use std::sync::Arc;
use std::thread;

use sweet_async_api::emit::{Overflow, edge};
use tokio::runtime::{Builder, Runtime};

use crate::{Contestant, Figure, Goal, Group, Meter, Sample};

/// The bench target `edge`.
pub const GROUP: Group = Group::new("edge", figures);

/// Items in a chunk.
const ITEMS: usize = 100;
/// Chunks that may wait.
const CAPACITY: usize = 16;

fn figures() -> Vec<Figure> {
    let runtime = Builder::new_multi_thread().worker_threads(2).build();
    let runtime = Arc::new(runtime.expect("a tokio runtime"));
    let figure = Figure::new("edge, chunks of 100 between two tasks", "item", 500_000)
        .with(Contestant::ours("emit::edge, buffers reused", {
            on(&runtime, |chunks| {
                let (sender, receiver) = edge::<Vec<u64>>(CAPACITY, Overflow::Block);
                let send = async move {
                    let mut chunk = Vec::with_capacity(ITEMS);
                    for start in 0..chunks {
                        chunk.extend(items(start));
                        if sender.send(&mut chunk).await.is_err() {
                            break;
                        }
                    }
                };
                let receive = async move {
                    let (mut chunk, mut sum) = (Vec::new(), 0);
                    while receiver.recv(&mut chunk).await.is_ok() {
                        sum = add(sum, &chunk);
                    }
                    sum
                };
                (send, receive)
            })
        }))
        .goal(Goal::Nanos(1.2))
        .goal(Goal::BestPeer(0.60))
        .with(Contestant::peer("async-channel of Vec(100)", {
            on(&runtime, |chunks| {
                let (sender, receiver) = async_channel::bounded::<Vec<u64>>(CAPACITY);
                let send = async move {
                    for start in 0..chunks {
                        if sender.send(items(start).collect()).await.is_err() {
                            break;
                        }
                    }
                };
                let receive = async move {
                    let mut sum = 0;
                    while let Ok(chunk) = receiver.recv().await {
                        sum = add(sum, &chunk);
                    }
                    sum
                };
                (send, receive)
            })
        }))
        .with(Contestant::peer("tokio mpsc of Vec(100)", {
            on(&runtime, |chunks| {
                let (sender, mut receiver) = tokio::sync::mpsc::channel::<Vec<u64>>(CAPACITY);
                let send = async move {
                    for start in 0..chunks {
                        if sender.send(items(start).collect()).await.is_err() {
                            break;
                        }
                    }
                };
                let receive = async move {
                    let mut sum = 0;
                    while let Some(chunk) = receiver.recv().await {
                        sum = add(sum, &chunk);
                    }
                    sum
                };
                (send, receive)
            })
        }))
        .with(Contestant::peer(
            "crossbeam-channel of Vec(100), threads",
            crossbeam,
        ))
        .with(Contestant::limit("a ring of Vec(100), threads that yield", ring));
    vec![figure]
}

/// The items of one chunk.
fn items(start: u64) -> impl Iterator<Item = u64> {
    (0..ITEMS as u64).map(move |item| black_box(start) ^ item)
}

fn add(sum: u64, chunk: &[u64]) -> u64 {
    chunk.iter().fold(sum, |sum, item| sum.wrapping_add(*item))
}

/// Has two tasks of `runtime` send and receive so many items.
fn on<S, R>(
    runtime: &Arc<Runtime>,
    ends: impl Fn(u64) -> (S, R) + 'static,
) -> impl FnMut(u64) -> Sample + 'static
where
    S: Future<Output = ()> + Send + 'static,
    R: Future<Output = u64> + Send + 'static,
{
    let runtime = Arc::clone(runtime);
    move |times| {
        let (send, receive) = ends(times / ITEMS as u64);
        runtime.block_on(async move {
            let meter = Meter::start();
            let (send, receive) = (tokio::spawn(send), tokio::spawn(receive));
            let _ = send.await;
            black_box(receive.await.unwrap_or_default());
            meter.stop()
        })
    }
}

fn crossbeam(times: u64) -> Sample {
    let (sender, receiver) = crossbeam_channel::bounded::<Vec<u64>>(CAPACITY);
    pair(
        move || {
            for start in 0..times / ITEMS as u64 {
                if sender.send(items(start).collect()).is_err() {
                    break;
                }
            }
        },
        move || receiver.iter().fold(0, |sum, chunk| add(sum, &chunk)),
    )
}

fn ring(times: u64) -> Sample {
    let chunks = times / ITEMS as u64;
    let (mut producer, mut consumer) = rtrb::RingBuffer::<Vec<u64>>::new(CAPACITY);
    pair(
        move || {
            for start in 0..chunks {
                let mut chunk: Vec<u64> = items(start).collect();
                while let Err(rtrb::PushError::Full(back)) = producer.push(chunk) {
                    chunk = back;
                    thread::yield_now();
                }
            }
        },
        move || {
            let (mut sum, mut left) = (0, chunks);
            while left > 0 {
                if let Ok(chunk) = consumer.pop() {
                    sum = add(sum, &chunk);
                    left -= 1;
                } else {
                    thread::yield_now();
                }
            }
            sum
        },
    )
}

/// Has two threads send and receive.
fn pair(send: impl FnOnce() + Send, receive: impl FnOnce() -> u64 + Send) -> Sample {
    Meter::measure(|| {
        thread::scope(|scope| {
            scope.spawn(send);
            receive()
        })
    })
}
