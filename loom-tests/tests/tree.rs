//! Races on a tree of tasks: the machines `group` and `lifecycle`, put together as `api/src/task/header.rs` does.
//!
//! The api is not compiled for loom but for its words, so each step here names the function that it mirrors.
#![cfg(sweet_loom)]
#![expect(clippy::similar_names, reason = "the sides of a race are called alike")]
#![expect(clippy::unwrap_used, reason = "a model fails by panicking")]

use loom::sync::atomic::AtomicU32;
use loom::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use loom_tests::{Model, Witness, check};
use sweet_async_core::group::{Exit, Group};
use sweet_async_core::lifecycle::{Level, Lifecycle, Reason, Start};

use seal::Seal;

#[path = "../../api/src/words/across.rs"]
mod across;
#[path = "../../api/src/words/seal.rs"]
mod seal;

/// What the words are made of.
mod sync {
    pub(super) use loom::sync::atomic::{AtomicBool, Ordering, fence};
}

/// A parent with a scope, and one child that may enter it.
struct Tree {
    parent: Lifecycle,
    child: Lifecycle,
    group: Group,
    list: Mutex<Live>,
    /// Whether the extra part was made; stands for the `OnceLock`, which publishes what is in it.
    extra: AtomicU32,
    sealed: Seal,
    driver: Mutex<Waker>,
    woken: Condvar,
    /// What each child wrote before it left.
    work: [AtomicU32; 2],
}

/// Stands for the `AtomicWaker`: who registers is woken by the next wake, once.
#[derive(Clone, Copy, Default)]
struct Waker {
    registered: bool,
    woken: bool,
}

/// `header::Live`.
#[derive(Default)]
struct Live {
    child: bool,
    condemned: Option<Level>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Adopted {
    /// In the scope; whether the adopter itself told the child to stop.
    Entered {
        told: bool,
    },
    RefusedBySeal,
    RefusedByGroup,
}

impl Tree {
    fn new() -> Arc<Self> {
        let tree = Self {
            parent: Lifecycle::new(),
            child: Lifecycle::new(),
            group: Group::new(),
            list: Mutex::new(Live::default()),
            extra: AtomicU32::new(0),
            sealed: Seal::default(),
            driver: Mutex::new(Waker::default()),
            woken: Condvar::new(),
            work: [AtomicU32::new(0), AtomicU32::new(0)],
        };
        assert_eq!(tree.parent.start(), Start::Run);
        Arc::new(tree)
    }

    /// `Header::adopt`.
    fn adopt(&self) -> Adopted {
        // `Header::extra_unless_sealed`
        self.extra.store(1, Release);
        if self.sealed.is_set() {
            return Adopted::RefusedBySeal;
        }
        if self.group.try_enter().is_err() {
            return Adopted::RefusedByGroup;
        }
        let condemned = {
            let mut live = self.list.lock().unwrap();
            live.child = true;
            live.condemned
        };
        across::fence();
        let level = self.parent.snapshot().level().max(condemned);
        if let Some(level) = level {
            let _ = self.child.cancel(level, Reason::Parent);
        }
        Adopted::Entered {
            told: level.is_some(),
        }
    }

    /// `Header::cancel_children`.
    fn cancel_children(&self, level: Level) {
        let listed = self.list.lock().unwrap().child;
        if listed {
            let _ = self.child.cancel(level, Reason::Parent);
        }
    }

    /// `TaskRecord::cancel_tree`.
    fn cancel_tree(&self, level: Level) {
        let _ = self.parent.cancel(level, Reason::Requested);
        across::fence();
        if self.extra.load(Acquire) == 1 {
            self.cancel_children(level);
        }
    }

    /// `Header::condemn_children`.
    fn condemn_children(&self, level: Level) {
        self.list.lock().unwrap().condemned = Some(level);
        self.cancel_children(level);
    }

    /// `Header::extra_or_seal`.
    fn extra_or_seal(&self) -> bool {
        if self.extra.load(Acquire) == 1 {
            return true;
        }
        self.sealed.set();
        self.extra.load(Acquire) == 1
    }

    /// `Header::release`, with what the child did before.
    fn release(&self, child: usize) {
        if let Some(work) = self.work.get(child) {
            work.store(1, Relaxed);
        }
        if !matches!(self.group.leave(), Ok(Exit::Continue)) {
            let mut driver = self.driver.lock().unwrap();
            if driver.registered {
                *driver = Waker {
                    registered: false,
                    woken: true,
                };
                self.woken.notify_one();
            }
        }
    }

    /// `close_scope` and the parking after it; answers whether the driver had to wait.
    fn join(&self) -> bool {
        let _ = self.group.close();
        let mut waited = false;
        while self.group.live() != 0 {
            *self.driver.lock().unwrap() = Waker {
                registered: true,
                woken: false,
            };
            if self.group.live() == 0 {
                break;
            }
            waited = true;
            let mut driver = self.driver.lock().unwrap();
            while !driver.woken {
                driver = self.woken.wait(driver).unwrap();
            }
        }
        waited
    }
}

/// Race: a child enters ∥ its parent is killed. Holds: no child survives a cancelled parent.
#[test]
fn no_child_survives_a_cancelled_parent() {
    let model = Model {
        name: "tree::no_child_survives_a_cancelled_parent",
        holds: "G6, L6",
        threads: 2,
        preemptions: None,
        witnesses: &["the adopter told it", "the canceller told it"],
    };
    check(model, |witness: &Witness| {
        let tree = Tree::new();
        let adopter = {
            let tree = Arc::clone(&tree);
            thread::spawn(move || tree.adopt())
        };
        tree.cancel_tree(Level::Kill);
        let adopted = adopter.join().unwrap();
        assert_eq!(tree.child.snapshot().level(), Some(Level::Kill), "{adopted:?}");
        witness.saw(match adopted {
            Adopted::Entered { told: true } => "the adopter told it",
            _ => "the canceller told it",
        });
    });
}

/// Race: a child enters ∥ its parent fails, closes its scope and tells those who are listed. Holds: who entered is told.
#[test]
fn who_enters_a_failing_scope_is_refused_or_told() {
    let model = Model {
        name: "tree::who_enters_a_failing_scope_is_refused_or_told",
        holds: "G2, G6",
        threads: 2,
        preemptions: None,
        witnesses: &["refused", "the adopter told it", "the parent told it"],
    };
    check(model, |witness: &Witness| {
        let tree = Tree::new();
        // The extra part is there: a child has lived before.
        tree.extra.store(1, Relaxed);
        let adopter = {
            let tree = Arc::clone(&tree);
            thread::spawn(move || tree.adopt())
        };
        let _ = tree.group.close();
        tree.condemn_children(Level::Graceful);
        let adopted = adopter.join().unwrap();
        let told = tree.child.is_cancelled();
        witness.saw(match adopted {
            Adopted::Entered { told: true } => "the adopter told it",
            Adopted::Entered { told: false } => "the parent told it",
            Adopted::RefusedByGroup | Adopted::RefusedBySeal => "refused",
        });
        assert_eq!(told, matches!(adopted, Adopted::Entered { .. }), "{adopted:?}");
    });
}

/// Race: the first child enters ∥ the parent ends and never had one. Holds: refused, or waited for.
#[test]
fn the_first_child_is_refused_or_waited_for() {
    let model = Model {
        name: "tree::the_first_child_is_refused_or_waited_for",
        holds: "G2, G4",
        threads: 2,
        preemptions: None,
        witnesses: &[
            "refused by the seal",
            "refused by the group",
            "waited for",
            "had left",
        ],
    };
    check(model, |witness: &Witness| {
        let tree = Tree::new();
        let adopter = {
            let tree = Arc::clone(&tree);
            thread::spawn(move || {
                let adopted = tree.adopt();
                if let Adopted::Entered { .. } = adopted {
                    tree.release(0);
                }
                adopted
            })
        };
        let waited = tree.extra_or_seal() && tree.join();
        // The driver ends the task here: a child that entered has done its work and is gone.
        let worked = tree.work.iter().any(|work| work.load(Relaxed) == 1);
        match adopter.join().unwrap() {
            Adopted::Entered { .. } => {
                assert!(worked, "a child lives on in a scope that is over");
                witness.saw(if waited { "waited for" } else { "had left" });
            }
            Adopted::RefusedBySeal => witness.saw("refused by the seal"),
            Adopted::RefusedByGroup => witness.saw("refused by the group"),
        }
        assert_eq!(tree.group.live(), 0);
    });
}

/// Race: two children leave ∥ the closing parent goes to wait for them. Holds: no wake-up is lost, all work is seen.
#[test]
fn the_last_child_wakes_the_closing_parent() {
    let model = Model {
        name: "tree::the_last_child_wakes_the_closing_parent",
        holds: "G4, G6",
        threads: 3,
        preemptions: Some(2),
        witnesses: &["waited", "all had left"],
    };
    check(model, |witness: &Witness| {
        let tree = Tree::new();
        let children: Vec<_> = (0..2)
            .map(|child| {
                tree.group.try_enter().unwrap();
                let tree = Arc::clone(&tree);
                thread::spawn(move || tree.release(child))
            })
            .collect();
        let waited = tree.join();
        assert!(tree.work.iter().all(|work| work.load(Relaxed) == 1));
        witness.saw(if waited { "waited" } else { "all had left" });
        for child in children {
            child.join().unwrap();
        }
    });
}
