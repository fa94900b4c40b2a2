//! Six sleepers in one queue, some of which give up, under random schedules. Who sleeps for ever is a deadlock.
#![cfg(sweet_shuttle)]

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::SeqCst;
use core::task::Poll;
use std::sync::Arc;

use shuttle::future::block_on;
use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

use loom_tests::{Scenario, Witness, explore};
use sweet_async_core::credit::Credits;
use sweet_async_core::lifecycle::{Cancel, Level, Lifecycle, Reason};
use sweet_async_core::waiters::{WaitError, WaiterSet};

struct Edge {
    credits: Credits,
    set: WaiterSet<8>,
    held: AtomicU32,
}

impl Edge {
    /// Waits, holds and gives back.
    fn sleep(&self, wanted: u32) -> Result<(), WaitError> {
        let permit = block_on(self.set.acquire(&self.credits, wanted))?;
        let held = self.held.fetch_add(wanted, SeqCst) + wanted;
        assert!(held <= 3, "{held} are held of 3");
        thread::yield_now();
        self.held.fetch_sub(wanted, SeqCst);
        drop(permit);
        Ok(())
    }

    /// Waits for a while, then gives up.
    fn give_up(&self, wanted: u32, witness: &Witness) {
        let mut waiting = pin!(self.set.acquire(&self.credits, wanted));
        let polls = thread_rng().gen_range(1..3);
        for _ in 0..polls {
            let answer = block_on(poll_fn(|task| Poll::Ready(waiting.as_mut().poll(task))));
            match answer {
                Poll::Ready(permit) => {
                    // Closed, perhaps; a permit gives itself back.
                    drop(permit);
                    return;
                }
                Poll::Pending => thread::yield_now(),
            }
        }
        witness.saw("gave up");
    }
}

/// Four sleep until they are served, two give up at some poll. Holds: W1 to W6.
#[test]
fn nobody_oversleeps_those_who_give_up() {
    let scenario = Scenario {
        name: "shuttle_waiters::nobody_oversleeps_those_who_give_up",
        holds: "W1, W2, W3, W4, W5, W6",
        threads: 7,
        executions: 2_000,
        witnesses: &["gave up", "slept"],
    };
    explore(scenario, |witness| {
        let edge = Arc::new(Edge {
            credits: Credits::of::<3>(),
            set: WaiterSet::new(),
            held: AtomicU32::new(0),
        });
        let mut threads = Vec::new();
        for sleeper in 0..4 {
            let (edge, witness) = (Arc::clone(&edge), witness.clone());
            threads.push(thread::spawn(move || {
                for _ in 0..2 {
                    if !edge.set.is_empty() {
                        witness.saw("slept");
                    }
                    edge.sleep(1 + sleeper % 3).unwrap();
                }
            }));
        }
        for wanted in [2, 3] {
            let (edge, witness) = (Arc::clone(&edge), witness.clone());
            threads.push(thread::spawn(move || {
                for _ in 0..2 {
                    edge.give_up(wanted, &witness);
                }
            }));
        }
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(
            (edge.credits.taken(), edge.set.len()),
            (0, 0),
            "everything came back"
        );
    });
}

/// Six sleep on credits that grow and then close. Holds: W3, W4.
#[test]
fn everybody_hears_that_it_closes() {
    let scenario = Scenario {
        name: "shuttle_waiters::everybody_hears_that_it_closes",
        holds: "W3, W4",
        threads: 7,
        executions: 1_500,
        witnesses: &["served", "closed"],
    };
    explore(scenario, |witness| {
        let edge = Arc::new(Edge {
            credits: Credits::of::<0>(),
            set: WaiterSet::new(),
            held: AtomicU32::new(0),
        });
        let sleepers = [1, 1, 2, 1, 3, 1].map(|wanted| {
            let (edge, witness) = (Arc::clone(&edge), witness.clone());
            thread::spawn(move || match edge.sleep(wanted) {
                Ok(()) => witness.saw("served"),
                Err(WaitError::Closed) => witness.saw("closed"),
                Err(other) => panic!("{other}"),
            })
        });
        edge.set.resize(&edge.credits, 3).unwrap();
        for _ in 0..thread_rng().gen_range(0..16) {
            thread::yield_now();
        }
        assert!(edge.set.close(&edge.credits));
        for sleeper in sleepers {
            sleeper.join().unwrap();
        }
        assert_eq!(
            (edge.credits.taken(), edge.set.len()),
            (0, 0),
            "everything came back"
        );
    });
}

/// Six wait for one task to be told to stop. Holds: W3.
#[test]
fn everybody_hears_of_the_cancel() {
    let scenario = Scenario {
        name: "shuttle_waiters::everybody_hears_of_the_cancel",
        holds: "W3",
        threads: 7,
        executions: 1_500,
        witnesses: &["heard"],
    };
    explore(scenario, |witness| {
        let edge = Arc::new((Lifecycle::new(), WaiterSet::<8>::new()));
        let listeners = [(); 6].map(|()| {
            let edge = Arc::clone(&edge);
            thread::spawn(move || block_on(edge.1.cancelled(&edge.0)).unwrap().level())
        });
        let (task, set) = &*edge;
        assert_eq!(task.start(), sweet_async_core::lifecycle::Start::Run);
        assert_eq!(task.cancel(Level::Kill, Reason::Requested), Cancel::Raised);
        set.wake_all();
        for listener in listeners {
            assert_eq!(listener.join().unwrap(), Some(Level::Kill));
        }
        assert!(set.is_empty());
        witness.saw("heard");
    });
}
