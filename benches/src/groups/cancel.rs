//! Asking whether one was cancelled, as a hot loop does.

use core::hint::black_box;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::Relaxed;

use sweet_async_api::token::CancellationToken as Ours;
use sweet_async_core::lifecycle::Lifecycle;
use tokio_util::sync::CancellationToken;

use super::{calls, threads};
use crate::{Contestant, Figure, Goal, Group};

/// The bench target `cancel`.
pub const GROUP: Group = Group::new("cancel", figures);

const OURS: &str = "CancellationToken";
const GRANDCHILD: &str = "CancellationToken, two below the root";
const TOKEN: &str = "tokio-util CancellationToken";
const LOAD: &str = "one relaxed load";

fn figures() -> Vec<Figure> {
    vec![one_thread(), two_threads()]
}

fn one_thread() -> Figure {
    let lifecycle = Lifecycle::new();
    let token = CancellationToken::new();
    let flag = AtomicUsize::new(0);
    Figure::new("is_cancelled, one thread", "call", 100_000)
        .with(Contestant::ours("Lifecycle::is_cancelled", move |times| {
            calls(times, || black_box(&lifecycle).is_cancelled())
        }))
        .goal(Goal::Times(1.10, LOAD))
        .goal(Goal::BestPeer(0.50))
        .goal(Goal::NoAllocation)
        .with(Contestant::ours(OURS, {
            let token = Ours::new();
            move |times| calls(times, || black_box(&token).is_cancelled())
        }))
        .goal(Goal::BestPeer(0.50))
        .goal(Goal::NoAllocation)
        .with(Contestant::ours(GRANDCHILD, {
            let token = Ours::new().child_token().child_token();
            move |times| calls(times, || black_box(&token).is_cancelled())
        }))
        .goal(Goal::BestPeer(0.50))
        .goal(Goal::NoAllocation)
        .with(Contestant::peer(TOKEN, move |times| {
            calls(times, || black_box(&token).is_cancelled())
        }))
        .with(Contestant::limit(LOAD, move |times| {
            calls(times, || black_box(&flag).load(Relaxed))
        }))
}

fn two_threads() -> Figure {
    let lifecycle = Lifecycle::new();
    let token = CancellationToken::new();
    let flag = AtomicUsize::new(0);
    Figure::new("is_cancelled, two threads on the same", "call", 20_000)
        .with(Contestant::ours("Lifecycle::is_cancelled", move |times| {
            threads(times, &lifecycle, Lifecycle::is_cancelled)
        }))
        .goal(Goal::Times(1.10, LOAD))
        .goal(Goal::BestPeer(0.10))
        .with(Contestant::ours(GRANDCHILD, {
            let token = Ours::new().child_token().child_token();
            move |times| threads(times, &token, Ours::is_cancelled)
        }))
        .goal(Goal::BestPeer(0.10))
        .with(Contestant::peer(TOKEN, move |times| {
            threads(times, &token, CancellationToken::is_cancelled)
        }))
        .with(Contestant::limit(LOAD, move |times| {
            threads(times, &flag, |flag| flag.load(Relaxed))
        }))
}
