//! Taking a permit and giving it back, where there are enough.

use async_lock::Semaphore as AsyncLock;
use sweet_async_core::credit::{Credits, Released};
use tokio::sync::Semaphore as Tokio;

use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::Relaxed;

use super::{calls, threads};
use crate::{Contestant, Figure, Goal, Group};

/// The bench target `credit`.
pub const GROUP: Group = Group::new("credit", figures);

const PERMITS: u32 = 1_000;

fn figures() -> Vec<Figure> {
    vec![one_thread(), two_threads()]
}

fn one_thread() -> Figure {
    let (credits, tokio, async_lock) = (ours(), Tokio::new(1_000), AsyncLock::new(1_000));
    let word = AtomicUsize::new(0);
    Figure::new("credits, one thread", "permit", 50_000)
        .with(Contestant::ours("Credits", move |times| {
            calls(times, || take(&credits))
        }))
        .goal(Goal::BestPeer(0.50))
        .goal(Goal::NoAllocation)
        .with(Contestant::peer("tokio Semaphore", move |times| {
            calls(times, || tokio.try_acquire().is_ok())
        }))
        .with(Contestant::peer("async-lock Semaphore", move |times| {
            calls(times, || async_lock.try_acquire().is_some())
        }))
        .with(Contestant::limit("two fetch_add", move |times| {
            calls(times, || two(&word))
        }))
}

fn two_threads() -> Figure {
    let (credits, tokio, async_lock) = (ours(), Tokio::new(1_000), AsyncLock::new(1_000));
    let word = AtomicUsize::new(0);
    Figure::new("credits, two threads on the same", "permit", 10_000)
        .with(Contestant::ours("Credits", move |times| {
            threads(times, &credits, take)
        }))
        .goal(Goal::BestPeer(0.50))
        .with(Contestant::peer("tokio Semaphore", move |times| {
            threads(times, &tokio, |permits| permits.try_acquire().is_ok())
        }))
        .with(Contestant::peer("async-lock Semaphore", move |times| {
            threads(times, &async_lock, |permits| permits.try_acquire().is_some())
        }))
        .with(Contestant::limit("two fetch_add", move |times| {
            threads(times, &word, two)
        }))
}

fn ours() -> Credits {
    Credits::new(PERMITS).expect("a thousand permits")
}

/// One permit, there and back; nothing if there was none.
fn take(credits: &Credits) -> Option<Released> {
    credits.try_acquire(1).ok()?;
    credits.release(1).ok()
}

fn two(word: &AtomicUsize) -> usize {
    word.fetch_add(1, Relaxed) + word.fetch_sub(1, Relaxed)
}
