//! A tree of three levels under cancels: the machines `group` and `lifecycle`, put together as the api does.
//!
//! As in `tree.rs`, the api is not compiled for this; a node here enters its parent's scope, then looks whether the
//! parent was told to stop, and who cancels raises the word first and goes through the children afterwards.
#![cfg(sweet_shuttle)]
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a scenario fails by panicking"
)]

use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::SeqCst;

use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::atomic::AtomicBool;
use shuttle::sync::{Arc, Condvar, Mutex};
use shuttle::thread;

use loom_tests::{Scenario, Witness, explore};
use sweet_async_core::group::{Close, Exit, Group};
use sweet_async_core::lifecycle::{Cancel, End, Level, Lifecycle, Reason, Start, State};

/// One root, two below it, two below each of these.
const NODES: usize = 7;

#[derive(Default)]
struct Node {
    life: Lifecycle,
    scope: Group,
    /// Whether it is in its parent's list of children.
    listed: AtomicBool,
    /// Set by who was told that the scope is over.
    over: Mutex<bool>,
    woken: Condvar,
    /// How often somebody was told that the scope is over.
    told_over: AtomicU32,
    /// How many children entered, and how many of them have done their work.
    entered: AtomicU32,
    work: AtomicU32,
}

impl Node {
    fn scope_is_over(&self) {
        assert_eq!(
            self.told_over.fetch_add(1, SeqCst),
            0,
            "told twice that the scope is over"
        );
        *self.over.lock().unwrap() = true;
        self.woken.notify_one();
    }
}

const fn parent(node: usize) -> usize {
    (node - 1) / 2
}

fn children(node: usize) -> impl Iterator<Item = usize> {
    (2 * node + 1..2 * node + 3).filter(|child| *child < NODES)
}

/// Raises the level of `node`, then of all below it that are in a list.
fn cancel(tree: &[Node; NODES], node: usize, level: Level, reason: Reason) {
    match tree[node].life.cancel(level, reason) {
        Cancel::Raised | Cancel::Ended | Cancel::Unchanged | Cancel::Over(_) => {}
    }
    for child in children(node) {
        if tree[child].listed.load(SeqCst) {
            cancel(tree, child, level, Reason::Parent);
        }
    }
}

/// Enters the parent's scope, or is refused; then takes over what the parent was told before it was in the list.
fn adopt(tree: &[Node; NODES], node: usize) -> bool {
    let above = &tree[parent(node)];
    if above.scope.try_enter().is_err() {
        return false;
    }
    assert_eq!(
        above.told_over.load(SeqCst),
        0,
        "a child entered a scope that is over"
    );
    above.entered.fetch_add(1, SeqCst);
    tree[node].listed.store(true, SeqCst);
    if let Some(level) = above.life.snapshot().level() {
        cancel(tree, node, level, Reason::Parent);
    }
    true
}

/// The life of a node that is in its parent's scope: its first child, its scope, its end. The second child comes from
/// another thread that holds the node's context.
fn live(tree: &Arc<[Node; NODES]>, node: usize, witness: &Witness) {
    let own = &tree[node];
    let starts = own.life.start() == Start::Run;
    if !starts {
        witness.saw("cancelled before it started");
    }
    let first = 2 * node + 1;
    if starts && first < NODES && !own.life.is_cancelled() && adopt(tree, first) {
        let (tree, witness) = (Arc::clone(tree), witness.clone());
        thread::spawn(move || live(&tree, first, &witness));
    }
    match own.scope.close() {
        Close::Empty => own.scope_is_over(),
        Close::Drain { .. } => {
            let mut over = own.over.lock().unwrap();
            while !*over {
                over = own.woken.wait(over).unwrap();
            }
        }
        Close::Already => panic!("a node closes its own scope, once"),
    }
    let [entered, work] = [&own.entered, &own.work].map(|count| count.load(SeqCst));
    assert_eq!(work, entered, "a child lives on in a scope that is over");
    for child in children(node) {
        let ended = !tree[child].listed.load(SeqCst) || tree[child].life.state().is_terminal();
        assert!(ended, "a child has not ended");
    }
    if starts {
        let told = own.life.snapshot().level();
        if own.life.finish(End::Completed).is_err() {
            assert!(
                own.life.snapshot().level() >= Some(Level::Kill),
                "a result was refused without a kill"
            );
            own.life.finish(End::Cancelled).unwrap();
            witness.saw("killed");
        } else {
            assert!(told < Some(Level::Kill), "a result was taken after a kill");
            witness.saw("completed");
        }
    }
    if node == 0 {
        return;
    }
    let above = &tree[parent(node)];
    above.work.fetch_add(1, SeqCst);
    if above.scope.leave().unwrap() == Exit::Empty {
        above.scope_is_over();
    }
}

/// Two cancel at some node, at levels of their own, while the tree grows and ends. Holds: G2, G3, G4, L1, L2, L4, L5.
#[test]
fn three_levels_end_in_order_under_cancels() {
    let scenario = Scenario {
        name: "shuttle_tree::three_levels_end_in_order_under_cancels",
        holds: "G2, G3, G4, L1, L2, L4, L5",
        threads: 12,
        executions: 2_000,
        witnesses: &[
            "completed",
            "killed",
            "cancelled before it started",
            "refused",
            "the whole tree",
        ],
    };
    explore(scenario, |witness| {
        let tree: Arc<[Node; NODES]> = Arc::new(core::array::from_fn(|_| Node::default()));
        let cancellers = [Level::Graceful, Level::Kill].map(|level| {
            let tree = Arc::clone(&tree);
            thread::spawn(move || {
                for _ in 0..thread_rng().gen_range(0..40) {
                    thread::yield_now();
                }
                let node = thread_rng().gen_range(0..3);
                cancel(&tree, node, level, Reason::Requested);
                (node, level)
            })
        });
        let outsiders = [2, 4, 6].map(|node| {
            let (tree, witness) = (Arc::clone(&tree), witness.clone());
            thread::spawn(move || {
                for _ in 0..thread_rng().gen_range(0..20) {
                    thread::yield_now();
                }
                if parent(node) != 0 && !tree[parent(node)].listed.load(SeqCst) {
                    return;
                }
                if adopt(&tree, node) {
                    live(&tree, node, &witness);
                } else {
                    witness.saw("refused");
                }
            })
        });
        live(&tree, 0, witness);
        for outsider in outsiders {
            outsider.join().unwrap();
        }
        for canceller in cancellers {
            let (node, level) = canceller.join().unwrap();
            let seen = tree[node].life.snapshot();
            assert!(
                seen.state().is_terminal() || seen.level() >= Some(level),
                "a cancel was lost"
            );
        }
        let listed = tree.iter().filter(|node| node.listed.load(SeqCst)).count();
        for node in tree.iter().filter(|node| node.listed.load(SeqCst)) {
            assert!(node.life.state().is_terminal(), "a node has not ended");
            assert!(node.scope.is_over(), "a scope is not over");
            assert_eq!(node.told_over.load(SeqCst), 1, "its end was told once");
            if node.life.state() == State::Completed {
                assert!(
                    node.life.snapshot().level() < Some(Level::Kill),
                    "completed and killed"
                );
            }
        }
        assert!(tree[0].life.state().is_terminal() && tree[0].scope.is_over());
        if listed == NODES - 1 {
            witness.saw("the whole tree");
        }
    });
}
