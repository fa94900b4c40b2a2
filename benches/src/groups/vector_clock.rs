//! Vector clocks: what a message costs its receiver.

use core::array;
use core::hint::black_box;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::Relaxed;

use crdts::{CmRDT as _, CvRDT as _, Dot};
use sweet_async_core::vector_clock::{AtomicVectorClock, VectorClock};

use super::{calls, threads};
use crate::{Contestant, Figure, Goal, Group};

/// The bench target `vector_clock`.
pub const GROUP: Group = Group::new("vector_clock", figures);

const VCLOCK: &str = "vclock, a hash map";
const CRDTS: &str = "crdts VClock, a tree map";

fn figures() -> Vec<Figure> {
    vec![
        merge::<8>("vector clock, merge, 8 nodes"),
        merge::<64>("vector clock, merge, 64 nodes"),
        compare::<8>("vector clock, compare, 8 nodes"),
        compare::<64>("vector clock, compare, 64 nodes"),
        tick(),
        shared::<8>("shared vector clock, 8 nodes"),
        two_threads(),
    ]
}

/// Stamps of which each knows more of every other node, so that a merge takes over half of the counts.
fn counts<const N: usize>(odd: bool) -> [u32; N] {
    array::from_fn(|node| {
        let ahead = u32::from(node % 2 == usize::from(odd));
        u32::try_from(node).expect("few nodes") * 7 + 3 + ahead
    })
}

fn ours<const N: usize>(odd: bool) -> VectorClock<N> {
    VectorClock::from_counts(counts(odd))
}

fn hashed<const N: usize>(odd: bool) -> vclock::VClock<usize, u32> {
    let counts = counts::<N>(odd).into_iter().enumerate();
    counts.collect::<std::collections::HashMap<_, _>>().into()
}

fn tree<const N: usize>(odd: bool) -> crdts::VClock<usize> {
    let dots = counts::<N>(odd).into_iter().enumerate();
    dots.map(|(node, count)| Dot::new(node, count.into())).collect()
}

fn merge<const N: usize>(name: &'static str) -> Figure {
    let (mut mine, theirs) = (ours::<N>(false), ours::<N>(true));
    let (mut hashed_mine, hashed_theirs) = (hashed::<N>(false), hashed::<N>(true));
    let (mut tree_mine, tree_theirs) = (tree::<N>(false), tree::<N>(true));
    let (mut plain, other) = (counts::<N>(false), counts::<N>(true));
    Figure::new(name, "merge", 5_000)
        .with(Contestant::ours("VectorClock", move |times| {
            calls(times, || black_box(&mut mine).merge(black_box(&theirs)))
        }))
        .goal(Goal::BestPeer(1.0))
        .goal(Goal::NoAllocation)
        .with(Contestant::peer(VCLOCK, move |times| {
            calls(times, || {
                black_box(&mut hashed_mine).merge(black_box(&hashed_theirs));
            })
        }))
        .with(Contestant::peer(CRDTS, move |times| {
            // It takes the other clock as a value, so that the sender's has to be copied.
            calls(times, || {
                black_box(&mut tree_mine).merge(black_box(&tree_theirs).clone());
            })
        }))
        .with(Contestant::limit("a loop of max over arrays", move |times| {
            calls(times, || {
                let (plain, other) = (black_box(&mut plain), black_box(&other));
                for node in 0..N {
                    if let (Some(count), Some(other)) = (plain.get_mut(node), other.get(node)) {
                        *count = (*count).max(*other);
                    }
                }
            })
        }))
}

fn compare<const N: usize>(name: &'static str) -> Figure {
    let (mine, theirs) = (ours::<N>(false), ours::<N>(true));
    let (hashed_mine, hashed_theirs) = (hashed::<N>(false), hashed::<N>(true));
    let (tree_mine, tree_theirs) = (tree::<N>(false), tree::<N>(true));
    // The last count alone differs, so that nobody can stop early.
    let (before, mut after) = (ours::<N>(false), ours::<N>(false));
    after.tick(N - 1).expect("a node");
    Figure::new(name, "comparison", 5_000)
        .with(Contestant::ours("VectorClock, concurrent", move |times| {
            calls(times, || black_box(&mine).compare(black_box(&theirs)))
        }))
        .goal(Goal::BestPeer(0.50))
        .goal(Goal::NoAllocation)
        .with(Contestant::ours(
            "VectorClock, the last count differs",
            move |times| calls(times, || black_box(&before).compare(black_box(&after))),
        ))
        .goal(Goal::BestPeer(0.50))
        .with(Contestant::peer(VCLOCK, move |times| {
            calls(times, || {
                black_box(&hashed_mine).partial_cmp(black_box(&hashed_theirs))
            })
        }))
        .with(Contestant::peer(CRDTS, move |times| {
            calls(times, || {
                black_box(&tree_mine).partial_cmp(black_box(&tree_theirs))
            })
        }))
}

fn tick() -> Figure {
    let (mut mine, mut hashed, mut tree) = (ours::<8>(false), hashed::<8>(false), tree::<8>(false));
    let (shared, word) = (AtomicVectorClock::<8>::new(), AtomicUsize::new(0));
    Figure::new("vector clock, tick, 8 nodes", "tick", 50_000)
        .with(Contestant::ours("VectorClock", move |times| {
            calls(times, || black_box(&mut mine).tick(black_box(3)))
        }))
        .goal(Goal::BestPeer(0.50))
        .goal(Goal::NoAllocation)
        .with(Contestant::ours("AtomicVectorClock", move |times| {
            calls(times, || black_box(&shared).tick(black_box(3)))
        }))
        .goal(Goal::Times(1.20, "one fetch_add"))
        .goal(Goal::NoAllocation)
        .with(Contestant::peer(VCLOCK, move |times| {
            calls(times, || black_box(&mut hashed).incr(black_box(&3)))
        }))
        .with(Contestant::peer(CRDTS, move |times| {
            calls(times, || {
                let next = tree.inc(black_box(3));
                tree.apply(next);
            })
        }))
        .with(Contestant::limit("one fetch_add", move |times| {
            calls(times, || black_box(&word).fetch_add(1, Relaxed))
        }))
}

fn shared<const N: usize>(name: &'static str) -> Figure {
    let clock = AtomicVectorClock::starting_from(&ours::<N>(false));
    let (known, read) = (
        clock.snapshot(),
        AtomicVectorClock::starting_from(&ours::<N>(false)),
    );
    let words: [AtomicUsize; N] = array::from_fn(AtomicUsize::new);
    Figure::new(name, "call", 20_000)
        .with(Contestant::ours("snapshot", move |times| {
            calls(times, || black_box(&read).snapshot())
        }))
        .goal(Goal::NoAllocation)
        .with(Contestant::ours("merge of what is known", move |times| {
            calls(times, || black_box(&clock).merge(black_box(&known)))
        }))
        .goal(Goal::NoAllocation)
        .with(Contestant::limit("loads of all words", move |times| {
            calls(times, || {
                black_box(&words).each_ref().map(|word| word.load(Relaxed))
            })
        }))
}

fn two_threads() -> Figure {
    let (clock, word) = (AtomicVectorClock::<8>::new(), AtomicUsize::new(0));
    let mutex = std::sync::Mutex::new(ours::<8>(false));
    Figure::new(
        "shared vector clock, tick, two threads on the same node",
        "tick",
        20_000,
    )
    .with(Contestant::ours("AtomicVectorClock", move |times| {
        threads(times, &clock, |clock| clock.tick(black_box(3)))
    }))
    .goal(Goal::BestPeer(0.80))
    .with(Contestant::peer("a VectorClock behind a Mutex", move |times| {
        threads(times, &mutex, |clock| {
            clock.lock().map(|mut clock| clock.tick(black_box(3))).is_ok()
        })
    }))
    .with(Contestant::limit("one fetch_add", move |times| {
        threads(times, &word, |word| word.fetch_add(1, Relaxed))
    }))
}
