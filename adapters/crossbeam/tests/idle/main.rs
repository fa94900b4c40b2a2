//! Models of threads that sleep until there is work: the source of `src/idle.rs` itself, on loom's atomics.
//!
//! Without the fences a model has to fail; the source is compiled once more with fences that do nothing to see that it does.

#![expect(clippy::unwrap_used, reason = "a model fails by panicking")]
#![expect(
    clippy::duplicate_mod,
    reason = "the same source, with and without its fences"
)]

mod fenced;
mod parking;
mod unfenced;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Race: one brings work while another lies down. Counts how often the sleeper was woken, was woken although it got up by
/// itself, and overslept: found no work, and nobody wakes it.
macro_rules! work_meets_the_sleeper {
    ($source:ident) => {{
        let seen = Arc::new([const { AtomicUsize::new(0) }; 3]);
        let counts = Arc::clone(&seen);
        loom::model(move || {
            let shared = loom::sync::Arc::new((
                $source::idle::Idle::new(),
                loom::sync::atomic::AtomicBool::new(false),
            ));
            let bed = parking::Unparker::default();
            let sleeper = {
                let (shared, bed) = (loom::sync::Arc::clone(&shared), bed.clone());
                loom::thread::spawn(move || {
                    let (idle, work) = &*shared;
                    idle.lie_down(0, &bed);
                    let found = work.load(loom::sync::atomic::Ordering::Relaxed);
                    // It would park now, and whoever wakes it takes it off the list.
                    (found, found && !idle.get_up(0))
                })
            };
            let (idle, work) = &*shared;
            work.store(true, loom::sync::atomic::Ordering::Relaxed);
            let _ = idle.wake_one();
            let (found, counted_on) = sleeper.join().unwrap();
            let token = bed.is_given();
            assert_eq!(idle.sleeping(), usize::from(!found && !token));
            assert_eq!(counted_on, found && token, "a token that nobody takes");
            let [woken, taken, overslept] = &*counts;
            let count = match (found, token) {
                (false, true) => woken,
                (true, true) => taken,
                (false, false) => overslept,
                (true, false) => return,
            };
            count.fetch_add(1, Ordering::Relaxed);
        });
        [0, 1, 2].map(|place| seen.get(place).unwrap().load(Ordering::Relaxed))
    }};
}

#[test]
fn nobody_oversleeps_work() {
    let [woken, counted_on, overslept] = work_meets_the_sleeper!(fenced);
    assert!(woken > 0 && counted_on > 0);
    assert_eq!(overslept, 0);
}

#[test]
fn without_the_fences_the_model_sees_one_oversleep() {
    let [.., overslept] = work_meets_the_sleeper!(unfenced);
    assert!(overslept > 0);
}

/// Race: two bring work while two sleep or lie down. Both are woken: one wake-up is not taken for two.
#[test]
fn as_many_wake_as_there_is_work() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(1);
    model.check(|| {
        use loom::sync::atomic::AtomicUsize;
        use loom::sync::atomic::Ordering::{AcqRel, Acquire};

        let shared = loom::sync::Arc::new((fenced::idle::Idle::new(), AtomicUsize::new(0)));
        let sleepers = [0, 1].map(|number| {
            let shared = loom::sync::Arc::clone(&shared);
            loom::thread::spawn(move || {
                let (idle, work) = &*shared;
                let bed = parking::Unparker::default();
                let take = || {
                    let left = work.load(Acquire);
                    left > 0 && work.compare_exchange(left, left - 1, AcqRel, Acquire).is_ok()
                };
                while !take() {
                    idle.lie_down(number, &bed);
                    if work.load(Acquire) == 0 {
                        bed.park();
                    } else if !idle.get_up(number) {
                        bed.park();
                        let _ = idle.wake_one();
                    }
                }
            })
        });
        let (idle, work) = &*shared;
        for _ in 0..2 {
            work.fetch_add(1, AcqRel);
            let _ = idle.wake_one();
        }
        for sleeper in sleepers {
            sleeper.join().unwrap();
        }
        assert_eq!((work.load(Acquire), idle.sleeping()), (0, 0));
    });
}
