//! Small programs that are wrong in some orders, and their correct twins: the simulator finds each of the first within a
//! stated number of seeds, by a random walk and by PCT, and none of the second.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use sweet_async_sim::prelude::*;
use sweet_async_sim::{SimBuilder, Unfinished, yield_now};

/// One program, wrong or right.
type Program = fn(&Sim, right: bool) -> Result<(), Unfinished>;

/// Each kind of race, and within how many seeds it is found: by a random walk, and by PCT.
const RACES: [(&str, Program, u64, u64); 7] = [
    ("lost wake-up", lost_wake_up, 20, 20),
    ("double completion", double_completion, 20, 20),
    ("child escapes a closing scope", child_escapes, 20, 20),
    ("permit leak", permit_leak, 20, 20),
    ("reorder", reorder, 20, 20),
    ("lock order", lock_order, 20, 20),
    ("lost update", lost_update, 20, 20),
];

/// How many seeds each right program passes.
const SEEDS: u64 = 1_000;

fn random_walk() -> SimBuilder {
    Sim::builder()
}

fn pct() -> SimBuilder {
    Sim::builder().strategy(Strategy::Pct { depth: 3, steps: 20 })
}

#[test]
fn each_planted_race_is_found_within_the_stated_number_of_seeds() {
    for (name, program, by_random_walk, by_pct) in RACES {
        for (builder, within) in [(random_walk(), by_random_walk), (pct(), by_pct)] {
            let found = builder.find(0..SEEDS, |sim| program(sim, false));
            let found = found.unwrap_or_else(|| unreachable!("{name}: not found"));
            println!("{name}: {found}");
            assert!(found.seed < within, "{name}: found by seed {} first", found.seed);
            // And again, by its seed alone.
            let again = builder.find([found.seed], |sim| program(sim, false)).unwrap();
            assert_eq!(again.log.to_string(), found.log.to_string(), "{name}");
        }
    }
}

#[test]
fn their_correct_twins_pass_all_seeds() {
    for (name, program, ..) in RACES {
        for builder in [random_walk(), pct()] {
            let found = builder.find(0..SEEDS, |sim| program(sim, true));
            assert!(found.is_none(), "{name}: {}", found.unwrap());
        }
    }
}

/// Starts a task that fails in nothing.
fn start<F>(work: F) -> Task<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    AsyncTask::<Infallible>::to::<()>().run(|| work)
}

/// Whoever waits looks at the flag, then leaves its waker. If the flag is raised in between, nobody wakes it.
fn lost_wake_up(sim: &Sim, right: bool) -> Result<(), Unfinished> {
    #[derive(Default)]
    struct Signal {
        raised: AtomicBool,
        waiting: Mutex<Option<Waker>>,
    }
    let signal = Arc::new(Signal::default());
    let raising = Arc::clone(&signal);
    sim.run(async {
        let waiter = start(async move {
            let mut registered = false;
            while !signal.raised.load(Ordering::Relaxed) {
                yield_now().await;
                poll_fn(|cx| {
                    if registered || (right && signal.raised.load(Ordering::Relaxed)) {
                        return Poll::Ready(());
                    }
                    registered = true;
                    *signal.waiting.lock().unwrap() = Some(cx.waker().clone());
                    Poll::Pending
                })
                .await;
            }
        });
        let raiser = start(async move {
            raising.raised.store(true, Ordering::Relaxed);
            let waiting = raising.waiting.lock().unwrap().take();
            if let Some(waker) = waiting {
                waker.wake();
            }
        });
        waiter.await.unwrap();
        raiser.await.unwrap();
    })
}

/// Two finish the same thing: each looks whether it is done, prepares the end, and marks it.
fn double_completion(sim: &Sim, right: bool) -> Result<(), Unfinished> {
    let (done, completions) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let finish = || {
        let (done, completions) = (Arc::clone(&done), Arc::clone(&completions));
        start(async move {
            if right {
                yield_now().await;
                if !done.swap(true, Ordering::Relaxed) {
                    completions.fetch_add(1, Ordering::Relaxed);
                }
            } else if !done.load(Ordering::Relaxed) {
                yield_now().await;
                done.store(true, Ordering::Relaxed);
                completions.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    sim.run(async {
        let (one, other) = (finish(), finish());
        one.await.unwrap();
        other.await.unwrap();
        assert_eq!(completions.load(Ordering::Relaxed), 1, "completed more than once");
    })
}

/// A child looks whether the scope is open before it is counted. The scope closes in between, and finds nobody.
fn child_escapes(sim: &Sim, right: bool) -> Result<(), Unfinished> {
    #[derive(Default)]
    struct Scope {
        closed: AtomicBool,
        live: AtomicU32,
        gone: AtomicBool,
    }
    let scope = Arc::new(Scope::default());
    let entering = Arc::clone(&scope);
    sim.run(async {
        let child = start(async move {
            if right {
                entering.live.fetch_add(1, Ordering::Relaxed);
                yield_now().await;
                if entering.closed.load(Ordering::Relaxed) {
                    entering.live.fetch_sub(1, Ordering::Relaxed);
                    return;
                }
            } else {
                if entering.closed.load(Ordering::Relaxed) {
                    return;
                }
                yield_now().await;
                entering.live.fetch_add(1, Ordering::Relaxed);
            }
            yield_now().await;
            assert!(
                !entering.gone.load(Ordering::Relaxed),
                "a child outlives its scope"
            );
            entering.live.fetch_sub(1, Ordering::Relaxed);
        });
        let closer = start(async move {
            yield_now().await;
            scope.closed.store(true, Ordering::Relaxed);
            while scope.live.load(Ordering::Relaxed) > 0 {
                yield_now().await;
            }
            scope.gone.store(true, Ordering::Relaxed);
        });
        child.await.unwrap();
        closer.await.unwrap();
    })
}

/// A permit is given back at the end of the work. Work that is killed before its end does not come to it.
fn permit_leak(sim: &Sim, right: bool) -> Result<(), Unfinished> {
    struct Permit(Arc<AtomicU32>);
    impl Drop for Permit {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let permits = Arc::new(AtomicU32::new(1));
    let taken = Arc::clone(&permits);
    sim.run(async {
        let worker = start(async move {
            yield_now().await;
            taken.fetch_sub(1, Ordering::Relaxed);
            let guard = right.then(|| Permit(Arc::clone(&taken)));
            yield_now().await;
            if guard.is_none() {
                taken.fetch_add(1, Ordering::Relaxed);
            }
        });
        for _ in 0..3 {
            yield_now().await;
        }
        let _ = worker.cancel(Level::Kill);
        drop(worker.await);
        assert_eq!(permits.load(Ordering::Relaxed), 1, "a permit is lost");
    })
}

/// Two workers take jobs from one queue. Their results are in the order of the jobs, unless one overtakes the other.
fn reorder(sim: &Sim, right: bool) -> Result<(), Unfinished> {
    let jobs: Arc<Mutex<VecDeque<u32>>> = Arc::new(Mutex::new((0..4).collect()));
    let results = Arc::new(Mutex::new(Vec::new()));
    let worker = || {
        let (jobs, results) = (Arc::clone(&jobs), Arc::clone(&results));
        start(async move {
            loop {
                let job = jobs.lock().unwrap().pop_front();
                let Some(job) = job else { break };
                yield_now().await;
                results.lock().unwrap().push(job);
            }
        })
    };
    sim.run(async {
        let (one, other) = (worker(), worker());
        one.await.unwrap();
        other.await.unwrap();
        let mut results = results.lock().unwrap().clone();
        if right {
            results.sort_unstable();
        }
        assert_eq!(results, [0, 1, 2, 3], "out of order");
    })
}

/// Two take two locks, each in an order of its own: both have one, and wait for the other.
fn lock_order(sim: &Sim, right: bool) -> Result<(), Unfinished> {
    type Lock = Arc<async_lock::Mutex<()>>;
    let (left, right_hand) = (Lock::default(), Lock::default());
    let both = |first: &Lock, second: &Lock| {
        let (first, second) = (Arc::clone(first), Arc::clone(second));
        start(async move {
            let _first = first.lock().await;
            yield_now().await;
            let _second = second.lock().await;
        })
    };
    sim.run(async {
        let one = both(&left, &right_hand);
        let other = if right {
            both(&left, &right_hand)
        } else {
            both(&right_hand, &left)
        };
        one.await.unwrap();
        other.await.unwrap();
    })
}

/// Two read a number, and write one more.
fn lost_update(sim: &Sim, right: bool) -> Result<(), Unfinished> {
    let number = Arc::new(AtomicU32::new(0));
    let add = || {
        let number = Arc::clone(&number);
        start(async move {
            if right {
                yield_now().await;
                number.fetch_add(1, Ordering::Relaxed);
            } else {
                let read = number.load(Ordering::Relaxed);
                yield_now().await;
                number.store(read + 1, Ordering::Relaxed);
            }
        })
    };
    sim.run(async {
        let (one, other) = (add(), add());
        one.await.unwrap();
        other.await.unwrap();
        assert_eq!(number.load(Ordering::Relaxed), 2, "an update is lost");
    })
}

/// What PCT is for: one task has to make thirty steps while another, which could run all the time, makes none.
#[test]
fn pct_finds_what_a_random_walk_meets_once_in_a_billion() {
    let body = |sim: &Sim| {
        let ready = Arc::new(AtomicBool::new(false));
        let set = Arc::clone(&ready);
        sim.run(async {
            let slow = start(async move {
                for _ in 0..30 {
                    // Woken by others, so no spinning that PCT would hold against it.
                    start(async {}).await.unwrap();
                }
                assert!(ready.load(Ordering::Relaxed), "used before it was ready");
            });
            let quick = start(async move { set.store(true, Ordering::Relaxed) });
            slow.await.unwrap();
            quick.await.unwrap();
        })
    };
    assert!(random_walk().find(0..SEEDS, body).is_none());
    let found = pct().find(0..SEEDS, body).unwrap();
    assert!(found.seed < 20, "{found}");
}
