//! Races on a line of those who wait for a guard: the source of `api/src/words/line.rs` itself, with credits as the guard.
#![cfg(sweet_loom)]
#![expect(clippy::unwrap_used, reason = "a model fails by panicking")]

use loom::sync::Arc;
use loom::thread;

use loom_tests::{Model, Witness, check};
use sweet_async_core::credit::Credits;

use line::InLine;

#[path = "../../api/src/words/line.rs"]
mod line;

/// What the words are made of.
mod sync {
    pub(super) use loom::sync::atomic::{AtomicU32, Ordering};
}

/// A guard whose only place is taken.
struct Guard {
    credits: Credits,
    line: InLine,
}

impl Guard {
    fn new() -> Arc<Self> {
        let guard = Self {
            credits: Credits::new(1).unwrap(),
            line: InLine::default(),
        };
        guard.credits.try_acquire(1).unwrap();
        Arc::new(guard)
    }

    /// `Limit::leave`, which ends in `Queue::wake_first`: whether it wakes somebody.
    fn give_back(&self) -> bool {
        let _ = self.credits.release(1);
        self.line.somebody_waits()
    }

    /// `Queue::join`, and the try of who stands in line: whether it takes the place.
    fn join(&self) -> bool {
        self.line.join();
        self.credits.try_acquire(1).is_ok()
    }
}

/// Race: one stands in line and tries once more ∥ the place is given back. Holds: N1
#[test]
fn who_joins_takes_or_is_told() {
    let model = Model {
        name: "line::who_joins_takes_or_is_told",
        holds: "N1",
        threads: 2,
        preemptions: None,
        witnesses: &["taken", "told", "taken and told"],
    };
    check(model, |witness: &Witness| {
        let guard = Guard::new();
        let joins = {
            let guard = Arc::clone(&guard);
            thread::spawn(move || guard.join())
        };
        let told = guard.give_back();
        witness.saw(match (joins.join().unwrap(), told) {
            (true, false) => "taken",
            (false, true) => "told",
            (true, true) => "taken and told",
            (false, false) => panic!("it waits for good"),
        });
    });
}

/// Race: one joins ∥ another one leaves the line ∥ the place is given back. Holds: N1, N2
#[test]
fn who_leaves_takes_nobody_along() {
    let model = Model {
        name: "line::who_leaves_takes_nobody_along",
        holds: "N1, N2",
        threads: 3,
        preemptions: None,
        witnesses: &["taken", "told", "taken and told"],
    };
    check(model, |witness: &Witness| {
        let guard = Guard::new();
        guard.line.join();
        let joins = {
            let guard = Arc::clone(&guard);
            thread::spawn(move || guard.join())
        };
        let leaves = {
            let guard = Arc::clone(&guard);
            thread::spawn(move || guard.line.leave())
        };
        let told = guard.give_back();
        let taken = joins.join().unwrap();
        leaves.join().unwrap();
        witness.saw(match (taken, told) {
            (true, false) => "taken",
            (false, true) => "told",
            (true, true) => "taken and told",
            (false, false) => panic!("it waits for good"),
        });
        assert_eq!(guard.line.len(), 1);
        assert!(guard.line.somebody_waits());
    });
}
