//! Six users of one number of credits, one who changes how many there are, and one who closes, under random schedules.
//!
//! Nothing switches threads between an operation's last step and the next operation, so what a scenario notes in plain
//! atomics right after an operation is exact.
#![cfg(sweet_shuttle)]
#![expect(clippy::panic, reason = "a scenario fails by panicking")]

use core::sync::atomic::Ordering::SeqCst;
use core::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::Arc;

use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

use loom_tests::{Scenario, explore};
use sweet_async_core::credit::{AcquireError, Close, Credits, Released};

/// Credits, and what they should say.
struct Edge {
    credits: Credits,
    capacity: AtomicU32,
    held: AtomicU32,
    closed: AtomicBool,
}

impl Edge {
    /// Takes one to three, holds them, gives them back.
    fn use_some(&self, saw: impl Fn(&'static str)) {
        let wanted = thread_rng().gen_range(1..=3);
        match self.credits.try_acquire(wanted) {
            Ok(()) => {
                let held = self.held.fetch_add(wanted, SeqCst) + wanted;
                let capacity = self.capacity.load(SeqCst);
                assert!(held <= capacity, "{held} are held of {capacity}");
                assert!(!self.closed.load(SeqCst), "taken from closed credits");
                saw("taken");
                thread::yield_now();
                self.held.fetch_sub(wanted, SeqCst);
                assert_eq!(
                    self.credits.release(wanted),
                    Ok(Released::Continue),
                    "nobody waits"
                );
            }
            Err(AcquireError::Short { free }) => {
                assert!(free < wanted, "{free} are free for {wanted}");
                saw("short");
            }
            Err(AcquireError::Closed) => {
                assert!(self.closed.load(SeqCst), "refused as closed before it closed");
                saw("closed");
            }
            Err(other) => panic!("{other}"),
        }
    }
}

/// Six users, one who resizes and one who closes. Holds: C1, C2, C3.
#[test]
fn resized_and_closed_under_six_users() {
    let scenario = Scenario {
        name: "shuttle_credit::resized_and_closed_under_six_users",
        holds: "C1, C2, C3",
        threads: 9,
        executions: 2_000,
        witnesses: &["taken", "short", "closed", "in debt"],
    };
    explore(scenario, |witness| {
        let edge = Arc::new(Edge {
            credits: Credits::of::<4>(),
            capacity: AtomicU32::new(4),
            held: AtomicU32::new(0),
            closed: AtomicBool::new(false),
        });
        let mut threads = Vec::new();
        for _ in 0..6 {
            let (edge, witness) = (Arc::clone(&edge), witness.clone());
            threads.push(thread::spawn(move || {
                for _ in 0..4 {
                    edge.use_some(|outcome| witness.saw(outcome));
                }
            }));
        }
        threads.push(thread::spawn({
            let (edge, witness) = (Arc::clone(&edge), witness.clone());
            move || {
                for _ in 0..4 {
                    let capacity = thread_rng().gen_range(0..=6);
                    if edge.credits.resize(capacity).is_ok() {
                        edge.capacity.store(capacity, SeqCst);
                        // Held includes what is on its way back, so this is what a debt is at least.
                        if edge.held.load(SeqCst) > capacity {
                            witness.saw("in debt");
                        }
                    }
                }
            }
        }));
        threads.push(thread::spawn({
            let edge = Arc::clone(&edge);
            move || {
                for _ in 0..thread_rng().gen_range(0..12) {
                    thread::yield_now();
                }
                assert_eq!(edge.credits.close(), Close::Continue);
                edge.closed.store(true, SeqCst);
            }
        }));
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(edge.credits.taken(), 0, "what was taken was given back");
        assert_eq!(edge.credits.capacity(), edge.capacity.load(SeqCst));
        assert_eq!(edge.credits.close(), Close::Already);
    });
}
