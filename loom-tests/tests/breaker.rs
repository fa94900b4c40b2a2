//! Races on the gate of the breaker and on its windows.
#![cfg(sweet_loom)]
#![expect(clippy::panic, clippy::unwrap_used, reason = "a model fails by panicking")]

use loom::sync::Arc;
use loom::sync::atomic::AtomicU32;
use loom::sync::atomic::Ordering::Relaxed;
use loom::thread;

use loom_tests::{Model, check};
use sweet_async_core::Tick;
use sweet_async_core::breaker::{
    CircuitBreaker, Consecutive, LastCalls, LastTime, Outcome, Recorded, Refused, Rules, Settings, State,
    Ticket, Window,
};

const NOW: Tick = Tick::new(1_000);
/// When a breaker that opened at `NOW` lets a probe through.
const THEN: Tick = Tick::new(1_100);

const fn rules() -> Rules {
    Rules::new()
        .failures(2)
        .failure_rate(100)
        .minimum_calls(2)
        .bucket(32)
        .open_for(100)
        .probes(2)
        .lease(10)
}

static SETTINGS: Settings = match rules().check() {
    Ok(settings) => settings,
    Err(_) => panic!("out of range"),
};

/// Settings that look back over two calls only.
static NARROW: Settings = match rules().last_calls(2).check() {
    Ok(settings) => settings,
    Err(_) => panic!("out of range"),
};

/// Settings whose only probe decides.
static SINGLE: Settings = match rules().probes(1).check() {
    Ok(settings) => settings,
    Err(_) => panic!("out of range"),
};

/// A breaker and what its callers did, written and read without any ordering of its own.
struct Site<W> {
    breaker: CircuitBreaker<W>,
    work: AtomicU32,
    more: AtomicU32,
}

impl<W: Window> Site<W> {
    fn new(window: W) -> Arc<Self> {
        Arc::new(Self {
            breaker: CircuitBreaker::new(window),
            work: AtomicU32::new(0),
            more: AtomicU32::new(0),
        })
    }

    /// Opened at `NOW` by as many failures as it takes.
    fn opened(window: W) -> Arc<Self> {
        let site = Self::new(window);
        assert_eq!(site.fail(NOW), Recorded::Unchanged);
        assert_eq!(site.fail(NOW), Recorded::Opened { retry_at: THEN });
        site
    }

    fn admit(&self, now: Tick) -> Result<Ticket, Refused> {
        self.breaker.try_admit(&SETTINGS, now)
    }

    fn record(&self, ticket: Ticket, outcome: Outcome, now: Tick) -> Recorded {
        self.breaker.record(&SETTINGS, ticket, outcome, now)
    }

    fn fail(&self, now: Tick) -> Recorded {
        self.record(self.admit(now).unwrap(), Outcome::Failed, now)
    }

    fn succeed(&self, now: Tick) -> Recorded {
        self.record(self.admit(now).unwrap(), Outcome::Ok, now)
    }
}

fn opened(recorded: Recorded) -> u32 {
    u32::from(matches!(recorded, Recorded::Opened { .. }))
}

/// Race: three callers ask an open breaker whose time is over, where two probes may fly. Holds: B2, B5.
#[test]
fn probes_never_exceed() {
    let model = Model {
        name: "breaker::probes_never_exceed",
        holds: "B2, B5",
        threads: 3,
        preemptions: Some(3),
        witnesses: &["main is refused", "another is refused"],
    };
    check(model, |witness| {
        let site = Site::opened(Consecutive::new());
        let others = [0, 1].map(|_| {
            let site = Arc::clone(&site);
            thread::spawn(move || site.admit(THEN))
        });
        let mine = site.admit(THEN);
        witness.saw(if mine.is_err() {
            "main is refused"
        } else {
            "another is refused"
        });
        let mut all = Vec::from([mine]);
        all.extend(others.map(|other| other.join().unwrap()));
        assert_eq!(all.iter().flatten().count(), 2);
        assert_eq!(site.breaker.probes_in_flight(), 2);
        let first = all.iter().flatten().filter(|ticket| ticket.half_opened());
        assert_eq!(first.count(), 1);
    });
}

/// Race: a probe is dropped ∥ a newcomer asks for the place. Holds: B2, B3.
#[test]
fn dropped_probe_meets_newcomer() {
    let model = Model {
        name: "breaker::dropped_probe_meets_newcomer",
        holds: "B2, B3, B8",
        threads: 3,
        preemptions: None,
        witnesses: &["the place was free", "the place was taken", "both asked in vain"],
    };
    check(model, |witness| {
        let site = Site::opened(Consecutive::new());
        let probe = site.breaker.try_admit(&SINGLE, THEN).unwrap();
        let ask = |site: Arc<Site<Consecutive>>| {
            move || {
                let taken = site.breaker.try_admit(&SINGLE, THEN);
                if taken.is_ok() {
                    assert_eq!(
                        site.work.load(Relaxed),
                        1,
                        "the work of the place's former holder"
                    );
                }
                taken
            }
        };
        let newcomers = [0, 1].map(|_| thread::spawn(ask(Arc::clone(&site))));
        site.work.store(1, Relaxed);
        assert_eq!(site.breaker.give_back(probe), Recorded::Unchanged);
        let asked = newcomers.map(|newcomer| newcomer.join().unwrap());
        match asked.iter().flatten().count() {
            0 => witness.saw("both asked in vain"),
            1 => witness.saw("the place was free"),
            _ => panic!("two probes in one place"),
        }
        if asked.iter().any(Result::is_err) {
            witness.saw("the place was taken");
        }
        let flying = asked.iter().flatten().count();
        assert_eq!(site.breaker.probes_in_flight() as usize, flying);
        assert_eq!(site.breaker.try_admit(&SINGLE, THEN).is_ok(), flying == 0);
    });
}

/// Race: a probe ends after its lease ∥ another caller takes its place. Holds: B2, B3, B4.
#[test]
fn late_probe_changes_nothing() {
    let model = Model {
        name: "breaker::late_probe_changes_nothing",
        holds: "B2, B3, B4, B5",
        threads: 3,
        preemptions: None,
        witnesses: &["late", "in time"],
    };
    check(model, |witness| {
        let site = Site::opened(Consecutive::new());
        let hung = site.breaker.try_admit(&SINGLE, THEN).unwrap();
        let later = THEN.after(10);
        let rivals = [0, 1].map(|_| {
            let site = Arc::clone(&site);
            thread::spawn(move || site.breaker.try_admit(&SINGLE, later))
        });
        let recorded = site.breaker.record(&SINGLE, hung, Outcome::Failed, later);
        let [one, two] = rivals.map(|rival| rival.join().unwrap());
        let admitted = u32::from(one.is_ok()) + u32::from(two.is_ok());
        match recorded {
            Recorded::Late => {
                witness.saw("late");
                assert_eq!(admitted, 1);
                assert_eq!(site.breaker.state(), State::HalfOpen);
                assert_eq!(site.breaker.probes_in_flight(), 1);
            }
            Recorded::Opened { .. } => {
                witness.saw("in time");
                assert_eq!(admitted, 0);
                assert_eq!(site.breaker.state(), State::Open);
            }
            other => panic!("{other:?}"),
        }
    });
}

/// Race: the result of a call of an earlier closed period ∥ the first failure of the new one. Holds: B4, B6.
fn late_call<W: Window + Send + Sync + 'static>(
    name: &'static str,
    window: impl Fn() -> W + Send + Sync + 'static,
) {
    let model = Model {
        name,
        holds: "B4, B6",
        threads: 2,
        preemptions: Some(3),
        witnesses: &["late", "in time"],
    };
    check(model, move |witness| {
        let site = Site::new(window());
        let old = site.admit(NOW).unwrap();
        let other = {
            let site = Arc::clone(&site);
            thread::spawn(move || site.record(old, Outcome::Failed, NOW))
        };
        assert!(site.breaker.force_open());
        assert!(site.breaker.auto());
        assert_eq!(site.fail(NOW), Recorded::Unchanged);
        witness.saw(match other.join().unwrap() {
            Recorded::Late => "late",
            Recorded::Unchanged => "in time",
            other => panic!("{other:?}"),
        });
        let counts = site.breaker.counts(&SETTINGS, NOW);
        assert_eq!((counts.calls, counts.failed), (1, 1));
        assert_eq!(opened(site.fail(NOW)), 1, "the window is not wedged");
    });
}

/// Race: the result of a call of an earlier closed period ∥ the first failure of the new one. Holds: B4, B6.
#[test]
fn late_call_changes_nothing() {
    late_call("breaker::late_call_changes_nothing", LastCalls::<2>::new);
}

/// Race: two failures, either of which may be the one too many. Holds: B5, B6, B8.
fn racing_failures<W: Window + Send + Sync + 'static>(
    name: &'static str,
    window: impl Fn() -> W + Send + Sync + 'static,
    (successes, apart): (u32, u32),
) {
    let model = Model {
        name,
        holds: "B5, B6, B8",
        threads: 2,
        preemptions: Some(3),
        witnesses: &["main opened", "the other opened"],
    };
    check(model, move |witness| {
        let site = Site::new(window());
        for _ in 0..successes {
            assert_eq!(site.succeed(NOW), Recorded::Unchanged);
        }
        let (mine, theirs) = (site.admit(NOW).unwrap(), site.admit(NOW).unwrap());
        let other = {
            let site = Arc::clone(&site);
            thread::spawn(move || {
                site.more.store(1, Relaxed);
                let recorded = site
                    .breaker
                    .record(&NARROW, theirs, Outcome::Failed, NOW.after(apart));
                if opened(recorded) == 1 {
                    assert_eq!(site.work.load(Relaxed), 1, "who failed before");
                }
                recorded
            })
        };
        site.work.store(1, Relaxed);
        let recorded = site.breaker.record(&NARROW, mine, Outcome::Failed, NOW);
        if opened(recorded) == 1 {
            assert_eq!(site.more.load(Relaxed), 1, "who failed before");
            witness.saw("main opened");
        } else {
            witness.saw("the other opened");
        }
        assert_eq!(opened(recorded) + opened(other.join().unwrap()), 1);
        assert_eq!(site.breaker.state(), State::Open);
    });
}

/// Race: two failures in a row, where two open. Holds: B5, B8.
#[test]
fn opener_sees_who_failed() {
    racing_failures("breaker::opener_sees_who_failed", Consecutive::new, (0, 0));
}

/// Race: two failures in neighbouring blocks of a window of two calls, where two open. Holds: B5, B6, B8.
#[test]
fn racing_failures_open_once() {
    // One of the two is the last call of its block, the other the first of the next.
    let name = "breaker::racing_failures_open_once";
    racing_failures(name, LastCalls::<2>::new, (23, 0));
}

/// Race: two failures in neighbouring buckets, where two open. Holds: B5, B6, B8.
#[test]
fn racing_failures_in_two_buckets_open_once() {
    let name = "breaker::racing_failures_in_two_buckets_open_once";
    racing_failures(name, LastTime::<2>::new, (0, 32));
}

/// Race: two recorders fill a window of calls across the border of a block. Holds: B6.
#[test]
fn calls_are_counted_exactly() {
    let model = Model {
        name: "breaker::calls_are_counted_exactly",
        holds: "B6",
        threads: 2,
        preemptions: Some(3),
        witnesses: &["both in the old block", "one in each"],
    };
    check(model, |witness| {
        let site = Site::new(LastCalls::<2>::new());
        let _ = site.breaker.metrics_only();
        for _ in 0..22 {
            assert_eq!(site.succeed(NOW), Recorded::Unchanged);
        }
        let other = {
            let site = Arc::clone(&site);
            thread::spawn(move || {
                assert_eq!(site.fail(NOW), Recorded::Unchanged);
                let between = site.breaker.counts(&SETTINGS, NOW);
                assert!(between.failed >= 1 && between.failed <= between.calls);
                between.calls
            })
        };
        assert_eq!(site.fail(NOW), Recorded::Unchanged);
        assert_eq!(site.fail(NOW), Recorded::Unchanged);
        witness.saw(match other.join().unwrap() {
            23 | 24 => "both in the old block",
            25 => "one in each",
            calls => panic!("{calls} calls"),
        });
        let counts = site.breaker.counts(&SETTINGS, NOW);
        assert_eq!((counts.calls, counts.failed), (25, 3));
    });
}

/// Race: a failure stands still between its place and its mark ∥ the window goes once round. Holds: B6.
#[test]
fn stale_mark_is_dropped() {
    let model = Model {
        name: "breaker::stale_mark_is_dropped",
        holds: "B6",
        threads: 2,
        preemptions: Some(2),
        witnesses: &["slid out", "still in"],
    };
    check(model, |witness| {
        let site = Site::new(LastCalls::<2>::new());
        let _ = site.breaker.metrics_only();
        for _ in 0..23 {
            assert_eq!(site.succeed(NOW), Recorded::Unchanged);
        }
        let other = {
            let site = Arc::clone(&site);
            thread::spawn(move || site.fail(NOW))
        };
        for _ in 0..25 {
            assert_eq!(site.succeed(NOW), Recorded::Unchanged);
        }
        assert_eq!(site.fail(NOW), Recorded::Unchanged);
        assert_eq!(other.join().unwrap(), Recorded::Unchanged);
        let counts = site.breaker.counts(&SETTINGS, NOW);
        assert_eq!(counts.calls, 25);
        assert!(counts.failed >= 1, "the newest failure was overwritten");
        witness.saw(if counts.failed == 1 {
            "slid out"
        } else {
            "still in"
        });
    });
}

/// Race: a failure in the newest bucket ∥ the window moves over all buckets. Holds: B6.
#[test]
fn buckets_are_counted_exactly() {
    let model = Model {
        name: "breaker::buckets_are_counted_exactly",
        holds: "B6",
        threads: 2,
        preemptions: Some(3),
        witnesses: &["slid out", "in the newest"],
    };
    check(model, |witness| {
        let site = Site::new(LastTime::<2>::new());
        let _ = site.breaker.metrics_only();
        for at in [0, 32] {
            assert_eq!(site.fail(Tick::new(at)), Recorded::Unchanged);
        }
        let other = {
            let site = Arc::clone(&site);
            thread::spawn(move || site.fail(Tick::new(32)))
        };
        assert_eq!(site.fail(Tick::new(96)), Recorded::Unchanged);
        assert_eq!(other.join().unwrap(), Recorded::Unchanged);
        let counts = site.breaker.counts(&SETTINGS, Tick::new(96));
        assert_eq!(counts.calls, counts.failed);
        witness.saw(match counts.calls {
            1 => "slid out",
            2 => "in the newest",
            calls => panic!("{calls} calls"),
        });
    });
}

/// Race: the result of a call of an earlier closed period ∥ the first failure of the new one, in buckets. Holds: B4, B6.
#[test]
fn late_call_changes_no_bucket() {
    late_call("breaker::late_call_changes_no_bucket", LastTime::<2>::new);
}

/// Race: the breaker is forced open ∥ the failure that would open it ∥ one asks. Holds: B8, B9.
#[test]
fn forced_open_stays() {
    let model = Model {
        name: "breaker::forced_open_stays",
        holds: "B5, B8, B9",
        threads: 3,
        preemptions: Some(3),
        witnesses: &["opened first", "forced first", "refused by force"],
    };
    check(model, |witness| {
        let site = Site::new(Consecutive::new());
        assert_eq!(site.fail(NOW), Recorded::Unchanged);
        let failing = site.admit(NOW).unwrap();
        let recorder = {
            let site = Arc::clone(&site);
            thread::spawn(move || site.record(failing, Outcome::Failed, NOW))
        };
        let caller = {
            let site = Arc::clone(&site);
            thread::spawn(move || {
                let answer = site.admit(NOW);
                if answer == Err(Refused::Forced) {
                    assert_eq!(site.work.load(Relaxed), 1, "why it is forced");
                }
                answer
            })
        };
        site.work.store(1, Relaxed);
        assert!(site.breaker.force_open());
        witness.saw(match recorder.join().unwrap() {
            Recorded::Opened { .. } => "opened first",
            Recorded::Late => "forced first",
            other => panic!("{other:?}"),
        });
        if caller.join().unwrap() == Err(Refused::Forced) {
            witness.saw("refused by force");
        }
        assert_eq!(site.breaker.state(), State::ForcedOpen);
    });
}

/// Race: a failure opens the breaker ∥ a caller is refused. Holds: B8.
#[test]
fn refused_sees_the_opener() {
    let model = Model {
        name: "breaker::refused_sees_the_opener",
        holds: "B8",
        threads: 2,
        preemptions: None,
        witnesses: &["admitted", "refused"],
    };
    check(model, |witness| {
        let site = Site::new(Consecutive::new());
        assert_eq!(site.fail(NOW), Recorded::Unchanged);
        let failing = site.admit(NOW).unwrap();
        let caller = {
            let site = Arc::clone(&site);
            thread::spawn(move || {
                let refused = site.admit(NOW).is_err();
                assert!(!refused || site.work.load(Relaxed) == 1, "why it opened");
                refused
            })
        };
        site.work.store(1, Relaxed);
        assert_eq!(opened(site.record(failing, Outcome::Failed, NOW)), 1);
        witness.saw(if caller.join().unwrap() {
            "refused"
        } else {
            "admitted"
        });
    });
}

/// Race: two probes go well ∥ a caller asks; the second success closes. Holds: B5, B8.
#[test]
fn admitted_sees_the_closer() {
    let model = Model {
        name: "breaker::admitted_sees_the_closer",
        holds: "B5, B8",
        threads: 3,
        preemptions: Some(3),
        witnesses: &["admitted", "refused", "main closed", "the other closed"],
    };
    check(model, |witness| {
        let site = Site::opened(Consecutive::new());
        let (mine, theirs) = (site.admit(THEN).unwrap(), site.admit(THEN).unwrap());
        let other = {
            let site = Arc::clone(&site);
            thread::spawn(move || {
                site.more.store(1, Relaxed);
                site.record(theirs, Outcome::Ok, THEN)
            })
        };
        let caller = {
            let site = Arc::clone(&site);
            thread::spawn(move || {
                let admitted = site.admit(THEN).is_ok();
                if admitted {
                    let work = (site.work.load(Relaxed), site.more.load(Relaxed));
                    assert_eq!(work, (1, 1), "what the probes did");
                }
                admitted
            })
        };
        site.work.store(1, Relaxed);
        let recorded = site.record(mine, Outcome::Ok, THEN);
        let theirs = other.join().unwrap();
        witness.saw(match (recorded, theirs) {
            (Recorded::Closed, Recorded::Unchanged) => "main closed",
            (Recorded::Unchanged, Recorded::Closed) => "the other closed",
            both => panic!("{both:?}"),
        });
        witness.saw(if caller.join().unwrap() {
            "admitted"
        } else {
            "refused"
        });
        assert_eq!(site.breaker.state(), State::Closed);
    });
}
