//! What the simulator promises: time, orders, logs, reports and faults.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sweet_async_api::Moment;
use sweet_async_sim::prelude::*;
use sweet_async_sim::task::Rejection;
use sweet_async_sim::{Held, Kind, Unfinished, yield_now};

/// What a few tasks write down, one after the other.
type Notes = Arc<Mutex<Vec<u32>>>;

/// Eight tasks of three steps each, with jittered retries and timers in between.
async fn program(notes: Notes) {
    let task = |number: u32| {
        let notes = Arc::clone(&notes);
        let retry = Retry::exponential(10.millis()).jitter(Jitter::Full).attempts(3);
        AsyncTask::to::<()>()
            .name("worker")
            .retry(retry)
            .run(move |cx: Context| {
                let notes = Arc::clone(&notes);
                async move {
                    for _ in 0..3 {
                        notes.lock().unwrap().push(number);
                        yield_now().await;
                    }
                    let _ = cx.sleep(number.millis()).await;
                    if cx.attempt() < 3 { Err("again") } else { Ok(()) }
                }
            })
    };
    let tasks: Vec<_> = (0..8).map(task).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

fn once(sim: &Sim) -> Vec<u32> {
    let notes = Notes::default();
    sim.run(program(Arc::clone(&notes))).unwrap();
    let notes = notes.lock().unwrap();
    notes.clone()
}

#[test]
fn the_same_seed_gives_the_same_log_byte_by_byte() {
    for strategy in [
        Strategy::Random,
        Strategy::Pct { depth: 3, steps: 100 },
        Strategy::InOrder,
    ] {
        let build = |seed| Sim::builder().seed(seed).strategy(strategy).build();
        let (one, other) = (build(7), build(7));
        assert_eq!(once(&one), once(&other));
        let (one, other) = (one.log(), other.log());
        assert_eq!(one.to_string(), other.to_string(), "{strategy:?}");
        assert_eq!(one.fingerprint(), other.fingerprint());
        assert!(one.to_string().lines().count() > 100);
    }
}

/// A seed that somebody has written down stays good: neither a build nor a machine nor a version changes what it means.
#[test]
fn a_seed_means_the_same_for_good() {
    let order = |strategy| {
        let sim = Sim::builder().seed(7).strategy(strategy).build();
        let order = Arc::new(Mutex::new(String::new()));
        sim.run(async {
            for name in "abcd".chars() {
                let order = Arc::clone(&order);
                let future = async move {
                    for step in 0..3 {
                        order.lock().unwrap().push(name);
                        match step {
                            1 => Sim::default().sleep(1.seconds()).await,
                            _ => yield_now().await,
                        }
                    }
                };
                sim.spawn(future).unwrap();
            }
            sim.sleep(2.seconds()).await;
            let random = sim.random().to_string();
            order.lock().unwrap().push_str(&random);
        })
        .unwrap();
        order.lock().unwrap().clone()
    };
    let pct = Strategy::Pct { depth: 3, steps: 20 };
    let orders = [Strategy::Random, pct, Strategy::InOrder].map(order);
    let expected = [
        "cdcbdaabbcad2625952826",
        "dabcdabcdabc2625952826",
        "abcdabcdabcd2625952826",
    ];
    assert_eq!(orders, expected);
}

#[test]
fn other_seeds_give_other_orders() {
    let mut orders: Vec<_> = (0..100).map(|seed| once(&Sim::new(seed))).collect();
    orders.sort();
    orders.dedup();
    assert_eq!(orders.len(), 100);
}

#[test]
fn time_jumps_to_the_next_timer_when_nobody_can_run() {
    let sim = Sim::new(0);
    let slept = sim.run(async {
        let sim = Sim::current().unwrap();
        let from = sim.now();
        sim.sleep(Duration::from_hours(24 * 365)).await;
        sim.now().since(from)
    });
    assert_eq!(slept, Ok(Duration::from_hours(24 * 365)));
}

#[test]
fn a_paused_clock_goes_on_only_when_asked() {
    let sim = Sim::new(3);
    let fired = Arc::new(Mutex::new(Vec::new()));
    let result = sim.run(async {
        sim.pause();
        for millis in [30, 10, 20] {
            let fired = Arc::clone(&fired);
            let task = AsyncTask::to::<()>().run(move |cx: Context| async move {
                let _ = cx.sleep(Duration::from_millis(millis)).await;
                yield_now().await;
                fired.lock().unwrap().push((millis, cx.runtime().now()));
            });
            task.detach();
        }
        sim.settle().await;
        assert!(fired.lock().unwrap().is_empty());
        sim.advance(20.millis()).await;
        let at = |millis: u64| Moment::START + Duration::from_millis(millis);
        assert_eq!(*fired.lock().unwrap(), [(10, at(10)), (20, at(20))]);
        assert_eq!(sim.now(), at(20));
        assert_eq!(sim.jump().await, Some(at(30)));
        assert_eq!(fired.lock().unwrap().len(), 3);
        assert_eq!(sim.jump().await, None);
        sim.sleep(1.seconds()).await;
    });
    // Paused, so the last sleep is one for ever.
    let Err(Unfinished::Deadlock(report)) = result else {
        unreachable!("{result:?}")
    };
    assert!(report.paused);
    sim.resume();
    assert_eq!(sim.run(sim.sleep(1.seconds())), Ok(()));
}

#[test]
fn a_deadlock_is_an_error_that_names_who_is_stuck() {
    let sim = Sim::new(11);
    let result = sim.run(async {
        let reader = AsyncTask::to::<()>()
            .name("reader")
            .run(|cx: Context| async move {
                let _ = cx.sleep(2.seconds()).await;
                let child = cx
                    .child::<(), std::convert::Infallible>()
                    .name("child")
                    .run(pending::<()>);
                child.await
            });
        drop(reader.await);
    });
    let Err(error @ Unfinished::Deadlock(report)) = &result else {
        unreachable!("{result:?}")
    };
    let stuck: Vec<_> = report
        .tasks
        .iter()
        .map(|task| {
            (
                task.number,
                task.kind,
                &*task.name,
                task.state,
                task.children,
                task.held,
            )
        })
        .collect();
    assert_eq!(
        stuck,
        [
            (0, Kind::Main, "main", None, 0, Held::Waiting),
            (1, Kind::Task, "reader", Some(State::Running), 1, Held::Waiting),
            (2, Kind::Task, "child", Some(State::Running), 0, Held::Waiting),
        ]
    );
    assert_eq!(report.at, Moment::START + Duration::from_secs(2));
    assert_eq!(
        error.to_string(),
        "nobody can run, no timer is set, and the main future waits (seed 11, step 4, time 2s)\n  \
         0 main waits, steps: 1, the last at 0ns\n  \
         1 task \"reader\" waits, running, children: 1, steps: 2, the last at 2s\n  \
         2 task \"child\" waits, running, steps: 1, the last at 2s"
    );
    assert_eq!(sim.root().live(), 0, "whoever is left is dropped");
}

#[test]
fn an_endless_simulation_ends_at_its_bound_of_steps() {
    let sim = Sim::builder().step_limit(5_000).build();
    let result = sim.run(async {
        loop {
            yield_now().await;
        }
    });
    let Err(Unfinished::StepLimit(report)) = result else {
        unreachable!("{result:?}")
    };
    assert_eq!((report.steps, report.tasks.len()), (5_000, 1));
    assert_eq!(report.tasks[0].held, Held::Runnable);
}

#[test]
fn whoever_only_yields_lets_time_pass() {
    explore(0..20, |sim| {
        sim.run(async {
            let flag = Arc::new(AtomicBool::new(false));
            let set = Arc::clone(&flag);
            AsyncTask::to::<()>()
                .run(move |cx: Context| async move {
                    let _ = cx.sleep(10.seconds()).await;
                    set.store(true, Ordering::Relaxed);
                })
                .detach();
            while !flag.load(Ordering::Relaxed) {
                yield_now().await;
            }
        })
    });
}

#[test]
fn outside_of_a_run_tasks_are_rejected() {
    let task = AsyncTask::to::<u32>().run(|| 1);
    let error = Sim::new(0).run(task).unwrap().unwrap_err();
    assert!(matches!(error.cause(), Cause::Rejected(Rejection::NoRuntime)));
}

#[test]
fn a_simulation_runs_once_at_a_time_and_one_may_run_inside_another() {
    let outer = Sim::new(0);
    let result = outer.run(async {
        assert_eq!(outer.run(async {}), Err(Unfinished::Running));
        let inner = Sim::new(1);
        let answer = inner.run(async { AsyncTask::to::<u32>().run(|| 42).await.unwrap() });
        assert_eq!(Sim::current().unwrap().seed(), 0);
        answer
    });
    assert_eq!(result, Ok(Ok(42)));
    assert!(Sim::current().is_none());
}

#[test]
fn whoever_is_left_is_dropped_at_the_end() {
    let held = Arc::new(());
    let sim = Sim::new(5);
    for round in 0..2 {
        sim.run(async {
            for _ in 0..10 {
                let held = Arc::clone(&held);
                AsyncTask::to::<()>()
                    .run(move || async move {
                        pending::<()>().await;
                        drop(held);
                    })
                    .detach();
            }
            if round == 0 {
                sim.settle().await;
            }
        })
        .unwrap();
        assert_eq!((Arc::strong_count(&held), sim.root().live()), (1, 0));
    }
}

#[test]
fn panics_of_main_and_of_bare_futures_end_the_run() {
    let sim = Sim::new(5);
    let caught = |run: &dyn Fn()| {
        let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_err();
        *payload.downcast::<&str>().unwrap()
    };
    assert_eq!(
        caught(&|| sim.run(async { panic!("of main") }).unwrap()),
        "of main"
    );
    let bare = || {
        sim.run(async {
            sim.spawn(async { panic!("of a bare future") }).unwrap();
            pending::<()>().await;
        })
        .unwrap();
    };
    assert_eq!(caught(&bare), "of a bare future");
    let kept = sim.run(async {
        let task = AsyncTask::to::<()>().run(|| async { assert!(Sim::current().is_none(), "of a task") });
        task.await.unwrap_err().is_panicked()
    });
    assert_eq!(kept, Ok(true));
}

#[test]
fn a_frozen_task_is_never_polled_again() {
    let faults = Faults::none().freeze("worker", 2);
    let sim = Sim::builder().faults(faults).build();
    let steps = Arc::new(AtomicU32::new(0));
    let result = sim.run(async {
        let steps = Arc::clone(&steps);
        let worker = AsyncTask::to::<()>().name("worker").run(move || async move {
            for _ in 0..5 {
                steps.fetch_add(1, Ordering::Relaxed);
                yield_now().await;
            }
        });
        worker.await.unwrap();
    });
    let Err(Unfinished::Deadlock(report)) = result else {
        unreachable!("{result:?}")
    };
    assert_eq!(steps.load(Ordering::Relaxed), 1);
    assert_eq!(
        (&*report.tasks[1].name, report.tasks[1].held),
        ("worker", Held::Frozen)
    );
}

#[test]
fn work_panics_in_the_poll_that_was_named() {
    for poll in 1..4 {
        let sim = Sim::builder()
            .faults(Faults::none().panic("worker", u64::from(poll)))
            .build();
        let steps = Arc::new(AtomicU32::new(0));
        let result = sim.run({
            let steps = Arc::clone(&steps);
            async move {
                let worker = AsyncTask::to::<()>().name("worker").run(move || async move {
                    for _ in 0..5 {
                        steps.fetch_add(1, Ordering::Relaxed);
                        yield_now().await;
                    }
                });
                worker.await
            }
        });
        assert!(result.unwrap().unwrap_err().is_panicked());
        assert_eq!(steps.load(Ordering::Relaxed), poll - 1);
    }
}

#[test]
fn timers_are_late_by_no_more_than_was_asked() {
    let sim = Sim::builder()
        .faults(Faults::none().late_timers(2, 5.seconds()))
        .build();
    let late = sim.run(async {
        let mut late = 0;
        for _ in 0..100 {
            let from = sim.now();
            sim.sleep(1.seconds()).await;
            let took = sim.now().since(from);
            assert!((1.seconds()..=6.seconds()).contains(&took), "{took:?}");
            late += u32::from(took > 1.seconds());
        }
        late
    });
    assert!((30..70).contains(&late.unwrap()));
}

#[test]
fn a_timeout_meets_runnable_work_only_if_steps_take_time() {
    let timed_out = |faults: &Faults| {
        let of = |seed| {
            let sim = Sim::builder().seed(seed).faults(faults.clone()).build();
            let worker = sim.run(async {
                let task = AsyncTask::to::<()>().timeout(1.seconds());
                let task = task.run(|| async {
                    for _ in 0..20 {
                        yield_now().await;
                    }
                });
                task.await
            });
            worker.unwrap().is_err()
        };
        (0..200).filter(|seed| of(*seed)).count()
    };
    assert_eq!(timed_out(&Faults::none()), 0);
    let slow = timed_out(&Faults::none().slow_steps(100.millis()));
    assert!((20..180).contains(&slow), "{slow}");
}

#[test]
fn blocking_closures_take_turns_at_their_checkpoints() {
    let mut orders: Vec<Vec<u32>> = (0..50)
        .map(|seed| {
            let notes = Notes::default();
            let closure = |number: u32| {
                let notes = Arc::clone(&notes);
                AsyncTask::to::<()>().run_blocking(move |cx: Context| {
                    for _ in 0..3 {
                        notes.lock().unwrap().push(number);
                        assert!(cx.checkpoint().is_ok());
                    }
                })
            };
            let sim = Sim::new(seed);
            sim.run(async {
                let (one, other) = (closure(1), closure(2));
                one.await.unwrap();
                other.await.unwrap();
            })
            .unwrap();
            let notes = notes.lock().unwrap();
            assert_eq!(notes.len(), 6);
            notes.clone()
        })
        .collect();
    orders.sort();
    orders.dedup();
    // Of the twenty ways to interleave three and three.
    assert!(orders.len() >= 15, "{}", orders.len());
}

#[test]
fn a_closure_that_loops_until_it_is_told_lets_time_pass() {
    let laps = |seed| {
        let sim = Sim::new(seed);
        let laps = sim.run(async {
            let task = AsyncTask::to::<u32>().run_blocking(|cx: Context| {
                let mut laps = 0;
                while cx.checkpoint().is_ok() {
                    laps += 1;
                }
                laps
            });
            sim.sleep(3.seconds()).await;
            task.cancel(Level::Graceful).unwrap();
            task.await.unwrap()
        });
        (laps.unwrap(), sim.log().to_string())
    };
    assert_eq!(laps(4), laps(4));
}

#[test]
fn a_closure_that_was_killed_hard_is_fenced_and_unwinds_when_the_simulation_ends() {
    struct Gone(Arc<AtomicBool>);
    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let gone = Arc::new(AtomicBool::new(false));
    let sim = Sim::new(1);
    sim.run(async {
        let held = Gone(Arc::clone(&gone));
        let task = AsyncTask::to::<()>().run_blocking(move |cx: Context| {
            let _held = held;
            // Deaf: told to stop, it goes on.
            while cx.checkpoint().is_ok() || cx.is_cancelled() {}
        });
        sim.sleep(1.seconds()).await;
        task.cancel(Level::KillHard).unwrap();
        assert!(task.await.unwrap_err().is_cancelled());
        sim.settle().await;
        assert_eq!(sim.root().abandoned(), 1);
        assert!(!gone.load(Ordering::Relaxed));
    })
    .unwrap();
    assert!(gone.load(Ordering::Relaxed));
    assert_eq!((sim.root().abandoned(), sim.root().live()), (0, 0));
}

#[test]
fn a_closure_that_blocks_is_an_error_that_names_it() {
    let sim = Sim::builder().closure_patience(Duration::from_millis(1)).build();
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let result = sim.run(async {
        let task = AsyncTask::to::<()>()
            .name("reader")
            .run_blocking(move || assert!(gate.recv().is_err()));
        drop(task.await);
    });
    let Err(error @ Unfinished::ClosureBlocks(report)) = &result else {
        unreachable!("{result:?}")
    };
    let names: Vec<_> = report.tasks.iter().map(|task| (task.kind, &*task.name)).collect();
    assert_eq!(
        names,
        [
            (Kind::Main, "main"),
            (Kind::Task, "reader"),
            (Kind::Closure, "reader")
        ]
    );
    assert!(
        error.to_string().contains("blocking closure of \"reader\" runs"),
        "{error}"
    );
    // Nothing can end the thread; it is counted until it returns.
    assert_eq!(sim.root().abandoned(), 1);
    drop(open);
    while sim.root().abandoned() != 0 {
        std::thread::yield_now();
    }
}

#[test]
fn what_another_thread_does_is_marked_in_the_log() {
    let sim = Sim::new(1);
    sim.run(async {
        let (waker, woken) = (Arc::new(Mutex::new(None)), Arc::new(AtomicBool::new(false)));
        let waiting = (Arc::clone(&waker), Arc::clone(&woken));
        let task = AsyncTask::to::<()>().run(move || {
            std::future::poll_fn(move |cx| {
                *waiting.0.lock().unwrap() = Some(cx.waker().clone());
                if waiting.1.load(Ordering::Relaxed) {
                    std::task::Poll::Ready(())
                } else {
                    std::task::Poll::Pending
                }
            })
        });
        sim.settle().await;
        let outside = std::thread::spawn(move || {
            woken.store(true, Ordering::Relaxed);
            waker.lock().unwrap().take().unwrap().wake();
        });
        outside.join().unwrap();
        task.await.unwrap();
    })
    .unwrap();
    assert!(sim.log().to_string().contains("woken   1 by another thread"));
}

#[test]
fn a_failing_seed_is_found_and_can_be_replayed() {
    // The second one overtakes the first in some orders.
    let body = |sim: &Sim| {
        sim.run(async {
            let notes = Notes::default();
            let tasks = [1, 2].map(|number| {
                let notes = Arc::clone(&notes);
                AsyncTask::to::<()>().run(move || notes.lock().unwrap().push(number))
            });
            for task in tasks {
                task.await.unwrap();
            }
            sim.note("both are done");
            let order = notes.lock().unwrap().clone();
            assert_eq!(order, [1, 2]);
        })
    };
    let found = Sim::builder().find(0..100, body).unwrap();
    assert!(found.message.contains("[2, 1]"), "{found}");
    let again = Sim::builder().find([found.seed], body).unwrap();
    assert_eq!(found.log.to_string(), again.log.to_string());
    assert!(found.log.to_string().contains("noted   by main: both are done"));
    let in_order = Sim::builder().strategy(Strategy::InOrder);
    assert!(in_order.find(0..100, body).is_none());
}

#[test]
fn a_log_keeps_the_last_events_and_counts_the_others() {
    let short = Sim::builder().seed(9).log_limit(10).build();
    let long = Sim::new(9);
    assert_eq!(once(&short), once(&long));
    let (short, long) = (short.log(), long.log());
    assert_eq!(short.fingerprint(), long.fingerprint());
    assert_eq!(
        short.to_string().lines().next(),
        long.clone().last(10).to_string().lines().next()
    );
    assert!(long.to_string().contains("woken   3 \"worker\" by the clock\n"));
    assert_eq!(short.to_string().lines().count(), 11);
}

/// Steps that take time make those wait who could run, and that is neither work nor idleness.
#[test]
fn a_metered_task_tells_waiting_for_its_turn_from_waiting_to_be_woken() {
    for seed in 0..20 {
        let faults = Faults::none().slow_steps(100.millis());
        let sim = Sim::builder().seed(seed).faults(faults).build();
        let (metrics, ran) = sim
            .run(async {
                let others: Vec<_> = (0..4)
                    .map(|_| {
                        AsyncTask::to::<()>().run(|| async {
                            for _ in 0..5 {
                                yield_now().await;
                            }
                        })
                    })
                    .collect();
                let task = AsyncTask::to::<()>().metered().run(|cx: Context| async move {
                    for _ in 0..5 {
                        yield_now().await;
                    }
                    let _ = cx.sleep(1.seconds()).await;
                });
                let seen = task.task_ref();
                task.await.unwrap();
                for other in others {
                    other.await.unwrap();
                }
                (
                    seen.metrics(),
                    seen.ended_at().unwrap().since(seen.started_at().unwrap()),
                )
            })
            .unwrap();
        let delayed = metrics.delayed.value().unwrap();
        assert!(delayed > Duration::ZERO, "seed {seed}: {metrics:?}");
        assert!(
            metrics.idle.value().unwrap() <= Duration::from_millis(1_100),
            "seed {seed}: {metrics:?}"
        );
        let all = metrics.busy.value().unwrap() + metrics.idle.value().unwrap() + delayed;
        assert_eq!(all, ran, "seed {seed}: {metrics:?}");
        assert_eq!(metrics.polls, Measured::Value(7), "seed {seed}: {metrics:?}");
    }
}
