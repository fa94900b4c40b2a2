//! Eight callers of one rate limiter, under random schedules.
#![cfg(sweet_shuttle)]

use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::SeqCst;
use std::sync::Arc;

use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

use loom_tests::{Scenario, explore};
use sweet_async_core::Tick;
use sweet_async_core::rate::{Quota, RateLimiter};

/// Eight ask while the clock, which they read at different times, moves on. Holds: R1, R2.
#[test]
fn never_above_burst_and_rate() {
    let scenario = Scenario {
        name: "shuttle_rate::never_above_burst_and_rate",
        holds: "R1, R2",
        threads: 9,
        executions: 1_500,
        witnesses: &["admitted more than the burst", "refused"],
    };
    explore(scenario, |witness| {
        const BURST: u32 = 5;
        let limiter = Arc::new(RateLimiter::new(
            Quota::of::<1, 2, BURST>(),
            Tick::new(u32::MAX - 8),
        ));
        let (passed, admitted) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let callers = [(); 8].map(|()| {
            let (limiter, passed, admitted, witness) = (
                Arc::clone(&limiter),
                Arc::clone(&passed),
                Arc::clone(&admitted),
                witness.clone(),
            );
            thread::spawn(move || {
                for _ in 0..4 {
                    if thread_rng().gen_ratio(1, 4) {
                        passed.fetch_add(1, SeqCst);
                    }
                    let now = passed.load(SeqCst);
                    match limiter.check(Tick::new(u32::MAX - 8).after(now)) {
                        Ok(()) => {
                            let admitted = admitted.fetch_add(1, SeqCst) + 1;
                            // Nobody has used a later tick than this.
                            let most = BURST + passed.load(SeqCst) / 2;
                            assert!(admitted <= most, "{admitted} in {} ticks", passed.load(SeqCst));
                        }
                        Err(refusal) => {
                            let wait = refusal.at.since(Tick::new(u32::MAX - 8).after(now));
                            // For the next cell, and for as long as others are ahead.
                            let most = 2 + passed.load(SeqCst) - now;
                            assert!(
                                wait > 0 && wait <= most,
                                "told to wait for {wait} ticks instead of {most}"
                            );
                            witness.saw("refused");
                        }
                    }
                }
            })
        });
        for caller in callers {
            caller.join().unwrap();
        }
        if admitted.load(SeqCst) > BURST {
            witness.saw("admitted more than the burst");
        }
        let later = Tick::new(u32::MAX - 8).after(passed.load(SeqCst) + 2 * BURST);
        assert_eq!(limiter.available(later), BURST, "all paid for");
    });
}

/// Eight ask for all of a burst at one tick; exactly the burst is admitted. Holds: R1, R3, R4.
#[test]
fn a_burst_is_admitted_to_the_last_cell() {
    let scenario = Scenario {
        name: "shuttle_rate::a_burst_is_admitted_to_the_last_cell",
        holds: "R1, R3, R4",
        threads: 9,
        executions: 1_500,
        witnesses: &["one by one", "by the crowd"],
    };
    explore(scenario, |witness| {
        // Above 256 cells an admission may add before it checks; here that part ends long before the burst does.
        let (large, burst) = if thread_rng().gen_bool(0.5) {
            (true, 300)
        } else {
            (false, 6)
        };
        let quota = Quota::new(1, 1, burst).unwrap();
        let limiter = Arc::new(RateLimiter::new(quota, Tick::new(7)));
        let taken = if large { burst - 12 } else { 0 };
        limiter.check_n(Tick::new(7), taken).unwrap();
        let admitted = Arc::new(AtomicU32::new(taken));
        let callers = [(); 8].map(|()| {
            let (limiter, admitted) = (Arc::clone(&limiter), Arc::clone(&admitted));
            thread::spawn(move || {
                for _ in 0..3 {
                    if limiter.check(Tick::new(7)).is_ok() {
                        admitted.fetch_add(1, SeqCst);
                    }
                }
            })
        });
        for caller in callers {
            caller.join().unwrap();
        }
        assert_eq!(admitted.load(SeqCst), burst, "the burst, no more and no less");
        assert_eq!(limiter.available(Tick::new(7)), 0);
        witness.saw(if large { "by the crowd" } else { "one by one" });
    });
}

/// Eight add to a large burst that is hardly used; none is lost and none refused. Holds: R1, R4.
#[test]
fn a_crowd_in_a_large_burst_is_admitted() {
    let scenario = Scenario {
        name: "shuttle_rate::a_crowd_in_a_large_burst_is_admitted",
        holds: "R1, R4",
        threads: 9,
        executions: 1_000,
        witnesses: &["all admitted"],
    };
    explore(scenario, |witness| {
        let limiter = Arc::new(RateLimiter::new(Quota::of::<1, 1, 600>(), Tick::new(7)));
        let callers = [(); 8].map(|()| {
            let limiter = Arc::clone(&limiter);
            thread::spawn(move || {
                for cells in [1, 2, 1, 2] {
                    limiter.check_n(Tick::new(7), cells).unwrap();
                }
            })
        });
        for caller in callers {
            caller.join().unwrap();
        }
        assert_eq!(
            limiter.available(Tick::new(7)),
            600 - 8 * 6,
            "each cell counts, once"
        );
        witness.saw("all admitted");
    });
}
