//! Races on the word of a concurrency limit.
#![cfg(sweet_loom)]
#![expect(clippy::unwrap_used, reason = "a model fails by panicking")]

use core::sync::atomic::AtomicU32 as Plain;
use core::sync::atomic::Ordering::SeqCst;

use loom::sync::Arc;
use loom::sync::atomic::AtomicU32;
use loom::sync::atomic::Ordering::Relaxed;
use loom::thread;

use loom_tests::{Model, check};
use sweet_async_core::limit::{Bounds, ConcurrencyLimit, ONE, Outcome, Policy, Sample, State};

/// Counts its steps in what it remembers, and makes that the limit; half of it at a drop.
#[derive(Clone, Copy)]
struct Counting {
    /// Counts them outside of what loom sees; one test at a time uses it.
    steps: &'static Plain,
}

impl Policy for Counting {
    fn step(&self, state: &mut State, sample: Sample) -> u32 {
        self.steps.fetch_add(1, SeqCst);
        let [first, second, third] = state.memory;
        assert!(
            first == second && second == third,
            "a half-written memory was seen"
        );
        state.memory = [first + 1; 3];
        match sample {
            Sample::Ok { .. } => state.grow(ONE),
            Sample::Dropped => state.limit /= 2,
        }
        state.whole()
    }
}

fn limit(steps: &'static Plain, bounds: Bounds, entered: u32) -> Arc<ConcurrencyLimit<Counting>> {
    steps.store(0, SeqCst);
    let limit = ConcurrencyLimit::new(Counting { steps }, bounds);
    for _ in 0..entered {
        limit.try_enter().unwrap();
    }
    Arc::new(limit)
}

const WELL: Outcome = Outcome::Ok { latency: 1 };

/// Race: three callers want one of two places, and leave. Holds: L2, L3.
#[test]
fn never_above() {
    static STEPS: Plain = Plain::new(0);
    let model = Model {
        name: "limit::never_above",
        holds: "L2, L3",
        threads: 3,
        preemptions: Some(2),
        witnesses: &["two entered", "three in turn"],
    };
    check(model, |witness| {
        let limit = limit(&STEPS, Bounds::of::<2, 2, 2>(), 0);
        let inside = Arc::new(AtomicU32::new(0));
        let call = |limit: &ConcurrencyLimit<Counting>, inside: &AtomicU32| {
            let Ok(permit) = limit.try_acquire() else {
                return 0;
            };
            assert!(inside.fetch_add(1, Relaxed) < 2, "more inside than may be");
            inside.fetch_sub(1, Relaxed);
            drop(permit);
            1
        };
        let others = [(); 2].map(|()| {
            let (limit, inside) = (Arc::clone(&limit), Arc::clone(&inside));
            thread::spawn(move || call(&limit, &inside))
        });
        let mine = call(&limit, &inside);
        let entered = mine + others.map(|other| other.join().unwrap()).iter().sum::<u32>();
        assert_eq!(limit.in_flight(), 0, "who entered left, once");
        witness.saw(match entered {
            2 => "two entered",
            3 => "three in turn",
            other => panic!("{other} entered, though two fit"),
        });
    });
}

/// Race: a call ends well, another is dropped ∥ a third copies what was learned. Holds: L4, L5.
#[test]
fn snapshot_is_whole() {
    static STEPS: Plain = Plain::new(0);
    let model = Model {
        name: "limit::snapshot_is_whole",
        holds: "L4, L5",
        threads: 3,
        preemptions: Some(2),
        witnesses: &["nothing yet", "one step", "two steps", "busy"],
    };
    check(model, |witness| {
        let limit = limit(&STEPS, Bounds::of::<1, 4, 9>(), 2);
        let others = [WELL, Outcome::Dropped].map(|outcome| {
            let limit = Arc::clone(&limit);
            thread::spawn(move || limit.leave(outcome).unwrap())
        });
        let seen = limit.snapshot();
        for other in others {
            let _ = other.join().unwrap();
        }
        match seen {
            None => witness.saw("busy"),
            Some(State {
                limit,
                memory: [first, second, third],
            }) => {
                assert!(
                    first == second && second == third,
                    "a half-written memory was copied"
                );
                // Four, one more for the call that ended well, half of it for the drop, in either order.
                let steps = match (first, limit / ONE) {
                    (0, 4) => "nothing yet",
                    (1, 5 | 2) => "one step",
                    (2, 2 | 3) => "two steps",
                    (steps, limit) => panic!("after {steps} steps it is {limit}"),
                };
                witness.saw(steps);
            }
        }
        let last = limit.snapshot().expect("nobody is at work");
        assert_eq!(
            last.memory,
            [STEPS.load(SeqCst); 3],
            "a step was lost, or counted twice"
        );
        assert!(last.whole() < 4, "the drop was lost");
        assert_eq!(limit.in_flight(), 0);
    });
}

/// Race: three calls end well at once. Holds: L3, L4.
#[test]
fn estimate_is_handed_over() {
    static STEPS: Plain = Plain::new(0);
    let model = Model {
        name: "limit::estimate_is_handed_over",
        holds: "L3, L4",
        threads: 3,
        preemptions: Some(2),
        witnesses: &["one sampled", "two sampled", "all sampled"],
    };
    check(model, |witness| {
        let limit = limit(&STEPS, Bounds::of::<1, 3, 9>(), 3);
        let others = [(); 2].map(|()| {
            let limit = Arc::clone(&limit);
            thread::spawn(move || limit.leave(WELL).unwrap())
        });
        let _ = limit.leave(WELL).unwrap();
        for other in others {
            let _ = other.join().unwrap();
        }
        let steps = STEPS.load(SeqCst);
        assert_eq!(limit.limit(), 3 + steps, "a step was lost");
        assert_eq!(limit.in_flight(), 0);
        witness.saw(match steps {
            1 => "one sampled",
            2 => "two sampled",
            _ => "all sampled",
        });
    });
}

/// Race: a call is dropped ∥ another ends well. Holds: L5.
#[test]
fn drop_is_never_lost() {
    static STEPS: Plain = Plain::new(0);
    let model = Model {
        name: "limit::drop_is_never_lost",
        holds: "L5",
        threads: 2,
        preemptions: None,
        witnesses: &["worked in by its caller", "worked in by the busy one"],
    };
    check(model, |witness| {
        let limit = limit(&STEPS, Bounds::of::<1, 8, 9>(), 2);
        let dropped = thread::spawn({
            let limit = Arc::clone(&limit);
            move || limit.leave(Outcome::Dropped).unwrap()
        });
        let _ = limit.leave(WELL).unwrap();
        let free = dropped.join().unwrap();
        assert!(limit.limit() <= 5, "the drop was lost: {}", limit.limit());
        assert_eq!(limit.in_flight(), 0);
        witness.saw(if free >= 7 {
            "worked in by the busy one"
        } else {
            "worked in by its caller"
        });
    });
}

/// Race: the limit shrinks at a drop ∥ two others want to enter. Holds: L1, L2.
#[test]
fn shrink_against_those_who_enter() {
    static STEPS: Plain = Plain::new(0);
    let model = Model {
        name: "limit::shrink_against_those_who_enter",
        holds: "L1, L2",
        threads: 3,
        preemptions: Some(3),
        witnesses: &["none entered", "one entered", "two entered"],
    };
    check(model, |witness| {
        let limit = limit(&STEPS, Bounds::of::<1, 4, 4>(), 3);
        let others = [(); 2].map(|()| {
            let limit = Arc::clone(&limit);
            thread::spawn(move || u32::from(limit.try_enter().is_ok()))
        });
        let _ = limit.leave(Outcome::Dropped).unwrap();
        let after = limit.in_flight();
        let entered: u32 = others.map(|other| other.join().unwrap()).iter().sum();
        assert_eq!(limit.limit(), 2);
        assert_eq!(limit.in_flight(), 2 + entered);
        assert!(
            limit.in_flight() <= after.max(2),
            "entered above the shrunken limit"
        );
        witness.saw(match entered {
            0 => "none entered",
            1 => "one entered",
            _ => "two entered",
        });
    });
}
