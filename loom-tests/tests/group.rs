//! Races on the group word.
#![cfg(sweet_loom)]
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a model fails by panicking"
)]

use loom::sync::Arc;
use loom::sync::atomic::AtomicU32;
use loom::sync::atomic::Ordering::{AcqRel, Relaxed};
use loom::thread;

use loom_tests::{Model, check};
use sweet_async_core::group::{Close, EnterError, Exit, Group};

/// A scope and what its children and its closer did, each in a cell of its own, before they left or closed.
struct Scope {
    group: Group,
    work: [AtomicU32; 3],
}

impl Scope {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            group: Group::new(),
            work: [AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0)],
        })
    }

    fn work(&self, child: usize) {
        self.work[child].store(1, Relaxed);
    }

    fn sees(&self, child: usize) -> bool {
        self.work[child].load(Relaxed) == 1
    }

    /// The `child` works and leaves; answers whether it was told that the scope is over.
    fn work_and_leave(&self, child: usize) -> Exit {
        self.work(child);
        self.group.leave().unwrap()
    }
}

/// Race: a child enters and leaves ∥ another leaves ∥ the scope closes. Holds: G2, G3, G4, G6.
#[test]
fn enter_close_leave() {
    let model = Model {
        name: "group::enter_close_leave",
        holds: "G2, G3, G4, G6",
        threads: 3,
        preemptions: Some(3),
        witnesses: &[
            "refused",
            "entrant was last",
            "leaver was last",
            "closer was last",
        ],
    };
    check(model, |witness| {
        let scope = Scope::new();
        scope.group.try_enter().unwrap();
        let entrant = thread::spawn({
            let scope = Arc::clone(&scope);
            move || match scope.group.try_enter() {
                Ok(()) => Some(scope.work_and_leave(0)),
                Err(EnterError::Closed) => None,
                Err(error) => panic!("{error}"),
            }
        });
        let leaver = thread::spawn({
            let scope = Arc::clone(&scope);
            move || (scope.work_and_leave(1), scope.sees(0))
        });
        let close = scope.group.close();
        let after_close = scope.group.live();
        let entrant = entrant.join().unwrap();
        let (leaver, saw) = leaver.join().unwrap();
        assert!(
            saw || entrant != Some(Exit::Continue),
            "the leaver missed the work of the entrant that had left before"
        );

        let told = [
            (close == Close::Empty, "closer was last"),
            (leaver == Exit::Empty, "leaver was last"),
            (entrant == Some(Exit::Empty), "entrant was last"),
        ];
        assert_eq!(told.iter().filter(|(told, _)| *told).count(), 1, "{told:?}");
        for (_, who) in told.iter().filter(|(told, _)| *told) {
            witness.saw(who);
        }
        if entrant.is_none() {
            witness.saw("refused");
        }
        if let Close::Drain { live } = close {
            assert!(after_close <= live, "the count grew after close");
        }
        assert_ne!(close, Close::Already);
        assert!(scope.group.is_over());
    });
}

/// Race: two children leave ∥ the scope closes. Holds: G4, G6.
#[test]
fn last_out_sees_all_work() {
    let model = Model {
        name: "group::last_out_sees_all_work",
        holds: "G4, G6",
        threads: 3,
        preemptions: None,
        witnesses: &["leaver was last", "closer was last"],
    };
    check(model, |witness| {
        let scope = Scope::new();
        scope.group.try_enter().unwrap();
        scope.group.try_enter().unwrap();
        let leavers = [0, 1].map(|child| {
            let scope = Arc::clone(&scope);
            thread::spawn(move || {
                let exit = scope.work_and_leave(child);
                if exit == Exit::Empty {
                    assert!(
                        (0..3).all(|worker| scope.sees(worker)),
                        "the last one out missed some work"
                    );
                }
                exit == Exit::Empty
            })
        });
        scope.work(2);
        let close = scope.group.close();
        let saw = close != Close::Empty || (0..2).all(|worker| scope.sees(worker));
        let mut told = usize::from(close == Close::Empty);
        for leaver in leavers {
            if leaver.join().unwrap() {
                witness.saw("leaver was last");
                told += 1;
            }
        }
        assert_eq!(told, 1, "told empty {told} times");
        assert!(saw, "the closer missed some work");
        if close == Close::Empty {
            witness.saw("closer was last");
        }
    });
}

/// Race: two children leave ∥ two callers close. Holds: G1, G4.
#[test]
fn two_closers_two_leavers() {
    let model = Model {
        name: "group::two_closers_two_leavers",
        holds: "G1, G4",
        threads: 4,
        preemptions: Some(3),
        witnesses: &[
            "first closed",
            "second closed",
            "leaver was last",
            "closer was last",
        ],
    };
    check(model, |witness| {
        let scope = Scope::new();
        scope.group.try_enter().unwrap();
        scope.group.try_enter().unwrap();
        let leavers = [0, 1].map(|child| {
            let scope = Arc::clone(&scope);
            thread::spawn(move || scope.work_and_leave(child))
        });
        let second = thread::spawn({
            let scope = Arc::clone(&scope);
            move || scope.group.close()
        });
        let first = scope.group.close();
        assert!(scope.group.is_closed());
        let second = second.join().unwrap();
        let exits = leavers.map(|leaver| leaver.join().unwrap());

        assert!(
            (first == Close::Already) != (second == Close::Already),
            "exactly one caller closes"
        );
        witness.saw(if second == Close::Already {
            "first closed"
        } else {
            "second closed"
        });
        let by_closer = [first, second]
            .iter()
            .filter(|close| **close == Close::Empty)
            .count();
        let by_leaver = exits.iter().filter(|exit| **exit == Exit::Empty).count();
        assert_eq!(by_closer + by_leaver, 1, "told empty exactly once");
        witness.saw(if by_leaver == 1 {
            "leaver was last"
        } else {
            "closer was last"
        });
    });
}

/// Race: a child works and leaves a closed scope ∥ a joiner reads whether the scope is over. Holds: G6.
#[test]
fn reader_of_over_sees_all_work() {
    let model = Model {
        name: "group::reader_of_over_sees_all_work",
        holds: "G6",
        threads: 2,
        preemptions: None,
        witnesses: &["over", "not over"],
    };
    check(model, |witness| {
        let scope = Scope::new();
        scope.group.try_enter().unwrap();
        assert_eq!(scope.group.close(), Close::Drain { live: 1 });
        // The reader is the spawned thread: loom would not reorder a read by the first thread with the exchange of the
        // second, because that one reads the word itself in between.
        let reader = thread::spawn({
            let scope = Arc::clone(&scope);
            move || {
                let over = scope.group.is_over();
                assert!(!over || scope.sees(0), "the reader missed the child's work");
                over
            }
        });
        assert_eq!(scope.work_and_leave(0), Exit::Empty);
        let over = reader.join().unwrap();
        witness.saw(if over { "over" } else { "not over" });
    });
}

/// Race: a closer writes why and closes ∥ a child enters. Holds: G6.
#[test]
fn refused_sees_the_closer() {
    let model = Model {
        name: "group::refused_sees_the_closer",
        holds: "G6",
        threads: 3,
        preemptions: None,
        witnesses: &["refused", "entered"],
    };
    check(model, |witness| {
        let scope = Scope::new();
        let closer = thread::spawn({
            let scope = Arc::clone(&scope);
            move || {
                scope.work(2);
                scope.group.close()
            }
        });
        // Another entrant makes the exchange of the first fail, so that a refusal is also decided on its answer.
        let other = thread::spawn({
            let scope = Arc::clone(&scope);
            move || scope.group.try_enter().is_ok()
        });
        match scope.group.try_enter() {
            Ok(()) => witness.saw("entered"),
            Err(EnterError::Closed) => {
                assert!(scope.sees(2), "the refused missed why the scope closed");
                witness.saw("refused");
            }
            Err(error) => panic!("{error}"),
        }
        let close = closer.join().unwrap();
        let other = other.join().unwrap();
        let inside = scope.group.live();
        assert!(inside >= u32::from(other));
        assert_eq!(close == Close::Empty, inside == 0);
    });
}

/// Race: a child works and leaves ∥ two others want its place. Holds: G3, G6.
#[test]
fn entrant_sees_who_left() {
    let model = Model {
        name: "group::entrant_sees_who_left",
        holds: "G3, G6",
        threads: 3,
        preemptions: None,
        witnesses: &["one entered", "none entered"],
    };
    check(model, |witness| {
        let scope = Scope::new();
        scope.group.try_enter_within(1).unwrap();
        let entrants = [1, 2].map(|_| {
            let scope = Arc::clone(&scope);
            thread::spawn(move || match scope.group.try_enter_within(1) {
                Ok(()) => {
                    assert!(
                        scope.sees(0),
                        "the entrant missed the work of whose place it took"
                    );
                    1
                }
                Err(EnterError::Full { live }) => {
                    assert_eq!(live, 1);
                    0
                }
                Err(error) => panic!("{error}"),
            })
        });
        assert_eq!(scope.work_and_leave(0), Exit::Idle);
        let entered: u32 = entrants.map(|entrant| entrant.join().unwrap()).iter().sum();
        assert!(entered <= 1, "the limit was exceeded");
        assert_eq!(scope.group.live(), entered);
        witness.saw(if entered == 1 {
            "one entered"
        } else {
            "none entered"
        });
    });
}

/// Race: two children leave an open scope ∥ a joiner makes itself known and then looks. Holds: G5, G6.
#[test]
fn idle_meets_the_joiner() {
    let model = Model {
        name: "group::idle_meets_the_joiner",
        holds: "G5, G6",
        threads: 3,
        preemptions: None,
        witnesses: &["joiner saw it", "leaver woke the joiner"],
    };
    check(model, |witness| {
        let scope = Scope::new();
        // Stands for the waker slot: 1 = a joiner waits, 2 = it was woken. Both sides touch it by a read-modify-write.
        let slot = Arc::new(AtomicU32::new(0));
        scope.group.try_enter().unwrap();
        scope.group.try_enter().unwrap();
        let leavers = [0, 1].map(|child| {
            let (scope, slot) = (Arc::clone(&scope), Arc::clone(&slot));
            thread::spawn(move || {
                let exit = scope.work_and_leave(child);
                if exit == Exit::Idle {
                    assert!(
                        scope.sees(0) && scope.sees(1),
                        "the last one out missed some work"
                    );
                    slot.fetch_or(2, AcqRel);
                }
                exit
            })
        });
        slot.fetch_or(1, AcqRel);
        let saw_it = scope.group.is_empty();
        if saw_it {
            assert!(scope.sees(0) && scope.sees(1), "the joiner missed some work");
            witness.saw("joiner saw it");
        }
        let exits = leavers.map(|leaver| leaver.join().unwrap());
        assert_eq!(
            exits.iter().filter(|exit| **exit == Exit::Idle).count(),
            1,
            "told idle exactly once"
        );
        assert_eq!(slot.load(Relaxed), 3, "the last one out wakes the slot");
        if !saw_it {
            witness.saw("leaver woke the joiner");
        }
    });
}
