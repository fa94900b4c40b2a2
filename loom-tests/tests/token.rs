//! Races on a tree of tokens: the words are `lifecycle`s, the lists those of `api/src/token/node.rs`.
//!
//! The api is not compiled for loom, so each step here names the function that it mirrors.
#![cfg(sweet_loom)]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a model fails by panicking"
)]

use loom::sync::atomic::AtomicU32;
use loom::sync::atomic::Ordering::Relaxed;
use loom::sync::{Arc, Mutex, MutexGuard};
use loom::thread;

use loom_tests::{Model, Witness, check};
use sweet_async_core::lifecycle::{Cancel, Level, Lifecycle, Reason};

/// A root, a token below it, and one below that, for which two may wait.
struct Tree {
    nodes: [Node; 3],
    /// Who woke each waiter.
    woken: [AtomicU32; WAITERS],
    /// What the canceller does before.
    work: AtomicU32,
}

/// `node::Node`.
struct Node {
    word: Lifecycle,
    claimed: AtomicU32,
    waiting: Mutex<Waiting>,
}

/// `node::Waiting`.
#[derive(Default)]
struct Waiting {
    waiters: [bool; WAITERS],
    below: bool,
}

const WAITERS: usize = 2;
const ROOT: usize = 0;
const LEAF: usize = 2;

/// Who wakes.
const CANCELLER: u32 = 1;
const WHO_LISTS: u32 = 2;

impl Tree {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            nodes: [(); 3].map(|()| Node {
                word: Lifecycle::new(),
                claimed: AtomicU32::new(0),
                waiting: Mutex::default(),
            }),
            woken: [(); WAITERS].map(|()| AtomicU32::new(0)),
            work: AtomicU32::new(0),
        })
    }

    fn waiting(&self, node: usize) -> MutexGuard<'_, Waiting> {
        self.nodes[node].waiting.lock().unwrap()
    }

    /// `Node::own`.
    fn own(&self, node: usize) -> Option<Reason> {
        self.nodes[node].word.snapshot().reason()
    }

    /// `Node::raise`.
    fn raise(&self, node: usize, reason: Reason) -> bool {
        matches!(
            self.nodes[node].word.cancel(Level::Graceful, reason),
            Cancel::Ended
        )
    }

    /// `Node::cancellation`.
    fn cancellation(&self, node: usize) -> Option<Reason> {
        let found = (0..=node).rev().find_map(|above| self.own(above))?;
        for below in (0..=node).rev() {
            if !self.raise(below, found) {
                break;
            }
        }
        self.own(node)
    }

    /// `Node::cancel`.
    fn cancel(&self, node: usize, reason: Reason) -> bool {
        let first = self.cancellation(node).is_none() && self.raise(node, reason);
        if first {
            self.tell(node, CANCELLER);
        }
        first
    }

    /// `Node::tell`, with `Node::empty`.
    fn tell(&self, node: usize, who: u32) {
        let reason = self.own(node).unwrap();
        for node in node..=LEAF {
            self.raise(node, reason);
            let Waiting { waiters, below } = core::mem::take(&mut *self.waiting(node));
            for (woken, _) in self.woken.iter().zip(waiters).filter(|(_, waits)| *waits) {
                woken.store(who, Relaxed);
            }
            if !below {
                return;
            }
        }
    }

    /// `Cancelled::poll`, for the deepest one; whether it is ready.
    fn poll(&self, waiter: usize) -> bool {
        if self.cancellation(LEAF).is_none() {
            self.wait(waiter);
        }
        self.cancellation(LEAF).is_some()
    }

    /// `Node::wait`.
    fn wait(&self, waiter: usize) {
        let mut waiting = self.waiting(LEAF);
        if self.own(LEAF).is_some() {
            return;
        }
        waiting.waiters[waiter] = true;
        drop(waiting);
        self.enlist();
    }

    /// `Node::enlist`.
    fn enlist(&self) {
        for node in (ROOT + 1..=LEAF).rev() {
            let claim = &self.nodes[node].claimed;
            if claim.compare_exchange(0, 1, Relaxed, Relaxed).is_err() {
                return;
            }
            let mut waiting = self.waiting(node - 1);
            if let Some(reason) = self.own(node - 1) {
                drop(waiting);
                self.raise(node, reason);
                self.tell(node, WHO_LISTS);
                return;
            }
            waiting.below = true;
        }
    }

    /// How a waiter that was `ready` when it was polled came to know; nobody may still sleep.
    fn known(&self, waiter: usize, ready: bool) -> &'static str {
        match (self.woken[waiter].load(Relaxed), ready) {
            (0, ready) => {
                assert!(ready, "a waiter sleeps although its token is cancelled");
                "found it cancelled"
            }
            (CANCELLER, _) => "woken by the canceller",
            _ => "woken by who listed",
        }
    }
}

/// Race: a token is cancelled ∥ the one above it is ∥ somebody asks twice. Holds: one answer for all.
#[test]
fn one_answer_for_all_who_ask() {
    let model = Model {
        name: "token::one_answer_for_all_who_ask",
        holds: "L1, L3",
        threads: 3,
        preemptions: Some(3),
        witnesses: &["its own", "from above"],
    };
    check(model, |witness: &Witness| {
        let tree = Tree::new();
        let own = {
            let tree = Arc::clone(&tree);
            thread::spawn(move || tree.cancel(LEAF, Reason::Superseded))
        };
        let asked = {
            let tree = Arc::clone(&tree);
            thread::spawn(move || [(); 2].map(|()| tree.cancellation(LEAF)))
        };
        assert!(tree.cancel(ROOT, Reason::Shutdown));
        let (own, asked) = (own.join().unwrap(), asked.join().unwrap());
        let answer = tree.cancellation(LEAF).unwrap();
        assert_eq!(own, answer == Reason::Superseded);
        for earlier in asked.into_iter().flatten() {
            assert_eq!(earlier, answer, "a token has changed its answer");
        }
        witness.saw(if own { "its own" } else { "from above" });
    });
}

/// Race: the root is cancelled ∥ somebody begins to wait two levels below. Holds: no wake-up is lost.
#[test]
fn who_begins_to_wait_is_told() {
    let model = Model {
        name: "token::who_begins_to_wait_is_told",
        holds: "L6",
        threads: 2,
        preemptions: None,
        witnesses: &[
            "found it cancelled",
            "woken by the canceller",
            "woken by who listed",
        ],
    };
    check(model, |witness: &Witness| {
        let tree = Tree::new();
        let waiter = {
            let tree = Arc::clone(&tree);
            thread::spawn(move || tree.poll(0))
        };
        tree.cancel(ROOT, Reason::Shutdown);
        let ready = waiter.join().unwrap();
        witness.saw(tree.known(0, ready));
    });
}

/// Race: the root is cancelled ∥ two begin to wait for the same token, of which one lists it. Holds: no wake-up is lost.
#[test]
fn who_waits_behind_another_is_told() {
    let model = Model {
        name: "token::who_waits_behind_another_is_told",
        holds: "L6",
        threads: 3,
        preemptions: Some(2),
        witnesses: &[
            "found it cancelled",
            "woken by the canceller",
            "woken by who listed",
        ],
    };
    check(model, |witness: &Witness| {
        let tree = Tree::new();
        let waiters = [0, 1].map(|waiter| {
            let tree = Arc::clone(&tree);
            thread::spawn(move || tree.poll(waiter))
        });
        tree.cancel(ROOT, Reason::Shutdown);
        // Both first: one may still be about to wake the other.
        let ready = waiters.map(|waiter| waiter.join().unwrap());
        for (waiter, ready) in ready.into_iter().enumerate() {
            witness.saw(tree.known(waiter, ready));
        }
    });
}

/// Race: the root is cancelled ∥ two ask two levels below, of which one writes down what it found. Holds: who is told sees
/// what the canceller did before.
#[test]
fn who_is_told_sees_what_was_done_before() {
    let model = Model {
        name: "token::who_is_told_sees_what_was_done_before",
        holds: "L6",
        threads: 3,
        preemptions: Some(3),
        witnesses: &["told", "not yet"],
    };
    check(model, |witness: &Witness| {
        let tree = Tree::new();
        let asking = [(); 2].map(|()| {
            let tree = Arc::clone(&tree);
            thread::spawn(move || {
                let told = tree.cancellation(LEAF).is_some();
                (told, tree.work.load(Relaxed))
            })
        });
        tree.work.store(1, Relaxed);
        tree.cancel(ROOT, Reason::Shutdown);
        for asked in asking {
            let (told, work) = asked.join().unwrap();
            assert!(
                !told || work == 1,
                "who is told does not see what was done before"
            );
            witness.saw(if told { "told" } else { "not yet" });
        }
    });
}
