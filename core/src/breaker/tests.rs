extern crate alloc;

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::cell::Cell;

use super::gate::Word;
use super::{
    AnyWindow, CircuitBreaker, Consecutive, LastCalls, LastTime, Outcome, Permit, Recorded, Refused, Rules,
    Settings, SettingsError, SnapshotError, State, Ticket,
};
use crate::Tick;

const NOW: Tick = Tick::new(1_000);

fn settings() -> Settings {
    Rules::new()
        .failures(3)
        .open_for_growing(100, 2, 500)
        .probes(2)
        .lease(10)
        .check()
        .unwrap()
}

fn open(streak: u32, until: u32) -> Word {
    Word::open(streak, until)
}

fn half(generation: u32, streak: u32, flying: u32, done: u32, leased: u32) -> Word {
    Word(0x6000_0000 | generation << 18 | streak << 15 | flying << 12 | done << 9 | leased & 0x1ff)
}

fn closed(generation: u32, count: u32) -> Word {
    Word(Word::closed(generation).0 | count)
}

const FORCED_OPEN: Word = Word::forced_open();

fn breaker(word: Word) -> CircuitBreaker<Consecutive> {
    CircuitBreaker::with_words(word, 9, Consecutive::new())
}

/// Runs an operation on each state and compares its answer, and the word it leaves, with what is expected.
fn each<A: PartialEq + core::fmt::Debug>(
    states: &[Word],
    operation: impl Fn(&CircuitBreaker<Consecutive>) -> A,
    expected: &[(A, Word)],
) {
    assert_eq!(states.len(), expected.len());
    for (state, (answer, after)) in states.iter().zip(expected) {
        let breaker = breaker(*state);
        assert_eq!(
            operation(&breaker),
            *answer,
            "from {:?}: {breaker:?}",
            state.state()
        );
        assert_eq!(breaker.word(), *after, "from {:?}: {breaker:?}", state.state());
    }
}

/// One or more words of each state, around the moments at which they change.
fn states() -> [Word; 12] {
    [
        closed(4, 0),
        closed(4, 2),
        closed(4, 2).metrics_only(),
        Word::forced_closed(4),
        FORCED_OPEN,
        open(1, 1_001),
        open(1, 1_000),
        half(4, 1, 0, 0, 990),
        half(4, 1, 2, 0, 991),
        half(4, 1, 2, 0, 990),
        half(4, 1, 1, 1, 1_001),
        half(4, 7, 1, 1, 1_000),
    ]
}

#[test]
fn admission_in_each_state() {
    let call = |generation| Ok(Ticket::call(generation));
    let probe = |generation, first| Ok(Ticket::probe(generation, first));
    let busy = |at| {
        Err(Refused::Probing {
            retry_at: Tick::new(at),
        })
    };
    let states = states();
    let expected = [
        (call(4), states[0]),
        (call(4), states[1]),
        (call(4), states[2]),
        (call(4), states[3]),
        (Err(Refused::Forced), states[4]),
        (
            Err(Refused::Open {
                retry_at: Tick::new(1_001),
            }),
            states[5],
        ),
        (probe(9, true), half(9, 1, 1, 0, 1_000)),
        (probe(4, false), half(4, 1, 1, 0, 1_000)),
        (busy(1_001), states[8]),
        (probe(9, false), half(9, 1, 1, 0, 1_000)),
        (busy(1_010), states[10]),
        (busy(1_010), states[11]),
    ];
    each(&states, |breaker| breaker.try_admit(&settings(), NOW), &expected);
}

#[test]
fn clock_is_asked_only_where_time_decides() {
    let asked = Cell::new(0);
    let clock = || {
        asked.set(asked.get() + 1);
        NOW
    };
    for (state, times) in states().into_iter().zip([0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]) {
        let _ = breaker(state).try_admit_with(&settings(), clock);
        assert_eq!(asked.take(), times, "from {:?}", state.state());
    }
    let record = |breaker: &CircuitBreaker<Consecutive>, ticket, outcome| {
        let recorded = breaker.record_with(&settings(), ticket, outcome, clock);
        (recorded, asked.take())
    };
    let call = || Ticket::call(4);
    let opened = Recorded::Opened {
        retry_at: Tick::new(1_100),
    };
    for (count, outcome, expected) in [
        (0, Outcome::Ok, (Recorded::Unchanged, 0)),
        (1, Outcome::Ok, (Recorded::Unchanged, 1)),
        (0, Outcome::Failed, (Recorded::Unchanged, 1)),
        (2, Outcome::Failed, (opened, 1)),
        (2, Outcome::Cancelled, (Recorded::Unchanged, 0)),
    ] {
        assert_eq!(record(&breaker(closed(4, count)), call(), outcome), expected);
    }
    assert_eq!(
        record(&breaker(FORCED_OPEN), call(), Outcome::Failed),
        (Recorded::Late, 0)
    );
    let probing = breaker(half(4, 0, 1, 0, 1_000));
    let probe = Ticket::probe(4, false);
    assert_eq!(record(&probing, probe, Outcome::Ok), (Recorded::Unchanged, 1));

    let rules = Rules::new().last_calls(20).minimum_calls(2).open_for(100);
    let settings = rules.check().unwrap();
    let counts = |window, expected: [u32; 2]| {
        let breaker = CircuitBreaker::new(window);
        for (outcome, times) in [Outcome::Ok, Outcome::Failed].into_iter().zip(expected) {
            let ticket = breaker.try_admit(&settings, NOW).unwrap();
            let _ = breaker.record_with(&settings, ticket, outcome, clock);
            assert_eq!(asked.take(), times, "{outcome:?} of {breaker:?}");
        }
        assert_eq!(breaker.state(), State::Open);
    };
    counts(AnyWindow::Calls(LastCalls::new()), [0, 1]);
    counts(AnyWindow::Time(LastTime::new()), [1, 2]);
}

#[test]
fn failure_in_each_state() {
    let opened = |at| Recorded::Opened {
        retry_at: Tick::new(at),
    };
    let states = states();
    let of_a_call = [
        (Recorded::Unchanged, closed(4, 1)),
        (opened(1_100), open(0, 1_100)),
        (Recorded::Unchanged, closed(4, 3).metrics_only()),
        (Recorded::Unchanged, states[3]),
        (Recorded::Late, states[4]),
        (Recorded::Late, states[5]),
        (Recorded::Late, states[6]),
        (Recorded::Late, states[7]),
        (Recorded::Late, states[8]),
        (Recorded::Late, states[9]),
        (Recorded::Late, states[10]),
        (Recorded::Late, states[11]),
    ];
    let record =
        |breaker: &CircuitBreaker<_>, ticket| breaker.record(&settings(), ticket, Outcome::Failed, NOW);
    each(&states, |breaker| record(breaker, Ticket::call(4)), &of_a_call);
    let of_a_probe = states.map(|word| match word {
        word if !word.is_probing(4) => (Recorded::Late, word),
        word if word.streak() == 7 => (opened(1_500), open(7, 1_500)),
        _ => (opened(1_400), open(2, 1_400)),
    });
    each(
        &states,
        |breaker| record(breaker, Ticket::probe(4, false)),
        &of_a_probe,
    );
}

#[test]
fn success_in_each_state() {
    let states = states();
    let mut of_a_call = states.map(|word| match word.state() {
        State::Closed | State::MetricsOnly | State::ForcedClosed => (Recorded::Unchanged, word),
        _ => (Recorded::Late, word),
    });
    of_a_call[1].1 = closed(4, 0);
    of_a_call[2].1 = closed(4, 0).metrics_only();
    let record = |breaker: &CircuitBreaker<_>, ticket| breaker.record(&settings(), ticket, Outcome::Ok, NOW);
    each(&states, |breaker| record(breaker, Ticket::call(4)), &of_a_call);
    let mut of_a_probe = states.map(|word| (Recorded::Late, word));
    of_a_probe[7] = (Recorded::Unchanged, half(4, 1, 0, 1, 990));
    of_a_probe[8] = (Recorded::Unchanged, half(4, 1, 1, 1, 991));
    of_a_probe[9] = (Recorded::Unchanged, half(4, 1, 1, 1, 990));
    of_a_probe[10] = (Recorded::Closed, closed(4, 0));
    of_a_probe[11] = (Recorded::Closed, closed(4, 0));
    each(
        &states,
        |breaker| record(breaker, Ticket::probe(4, false)),
        &of_a_probe,
    );
}

#[test]
fn giving_back_in_each_state() {
    let states = states();
    let nothing = states.map(|word| (Recorded::Unchanged, word));
    each(&states, |breaker| breaker.give_back(Ticket::call(4)), &nothing);
    let late = states.map(|word| (Recorded::Late, word));
    each(
        &states,
        |breaker| breaker.give_back(Ticket::probe(3, false)),
        &late,
    );
    let mut of_a_probe = late;
    of_a_probe[7] = (Recorded::Unchanged, states[7]);
    of_a_probe[8] = (Recorded::Unchanged, half(4, 1, 1, 0, 991));
    of_a_probe[9] = (Recorded::Unchanged, half(4, 1, 1, 0, 990));
    of_a_probe[10] = (Recorded::Unchanged, half(4, 1, 0, 1, 1_001));
    of_a_probe[11] = (Recorded::Unchanged, half(4, 7, 0, 1, 1_000));
    for outcome in [Outcome::Cancelled, Outcome::Ignored] {
        let record =
            |breaker: &CircuitBreaker<_>| breaker.record(&settings(), Ticket::probe(4, false), outcome, NOW);
        each(&states, record, &of_a_probe);
    }
}

#[test]
fn switching_in_each_state() {
    let states = states();
    let all = |word| states.map(|_| (true, word));
    let mut expected = all(FORCED_OPEN);
    expected[4].0 = false;
    each(&states, CircuitBreaker::force_open, &expected);
    let mut expected = all(Word::forced_closed(9));
    expected[3] = (false, states[3]);
    each(&states, CircuitBreaker::force_closed, &expected);
    let mut expected = all(closed(9, 0).metrics_only());
    expected[0].1 = closed(4, 0).metrics_only();
    expected[1].1 = closed(4, 2).metrics_only();
    expected[2] = (false, states[2]);
    each(&states, CircuitBreaker::metrics_only, &expected);
    let mut expected = states.map(|word| (false, word));
    expected[2] = (true, closed(4, 2));
    expected[3] = (true, closed(9, 0));
    expected[4] = (true, closed(9, 0));
    each(&states, CircuitBreaker::auto, &expected);
}

#[test]
fn debug_decodes_the_state() {
    let texts: Vec<_> = states()
        .iter()
        .map(|word| format!("{:?}", breaker(*word)))
        .collect();
    assert_eq!(
        texts[1],
        "CircuitBreaker { state: Closed, failures_in_a_row: 2, .. }"
    );
    assert_eq!(texts[4], "CircuitBreaker { state: ForcedOpen, .. }");
    assert_eq!(
        texts[5],
        "CircuitBreaker { state: Open, failed_probes_in_a_row: 1, .. }"
    );
    assert_eq!(
        texts[10],
        "CircuitBreaker { state: HalfOpen, failed_probes_in_a_row: 1, probes_in_flight: 1, probes_done: 1, .. }"
    );
}

#[test]
fn settings_out_of_range_are_refused() {
    let rules = Rules::new();
    for (rules, error) in [
        (rules.failures(0), SettingsError::Threshold),
        (rules.failure_rate(0), SettingsError::Threshold),
        (rules.failure_rate(101), SettingsError::Threshold),
        (rules.slow_rate(0), SettingsError::Threshold),
        (rules.slow_rate(101), SettingsError::Threshold),
        (rules.last_calls(0), SettingsError::Window),
        (rules.last_calls(9), SettingsError::Window),
        (rules.bucket(48), SettingsError::Bucket),
        (rules.bucket(16), SettingsError::Bucket),
        (rules.bucket(1 << 25), SettingsError::Bucket),
        (rules.open_for(0), SettingsError::OpenTime),
        (rules.open_for(Rules::MAX_TICKS + 1), SettingsError::OpenTime),
        (rules.open_for_growing(2, 2, 1), SettingsError::OpenTime),
        (rules.open_for_growing(1, 3, 2), SettingsError::OpenTime),
        (rules.probes(0), SettingsError::Probes),
        (rules.probes(8), SettingsError::Probes),
        (rules.lease(0), SettingsError::Lease),
        (rules.lease(Rules::MAX_TICKS + 1), SettingsError::Lease),
    ] {
        assert_eq!(rules.check(), Err(error), "{rules:?}: {error}");
    }
    assert_eq!(rules.check().unwrap().rules(), rules);
}

#[test]
fn open_time_grows_to_the_longest_and_stays() {
    let times = |rules: Rules| (0..8).map(move |streak| rules.check().unwrap().open_ticks(streak));
    assert!(times(Rules::new().open_for(7)).eq([7; 8]));
    assert!(times(Rules::new().open_for_growing(7, 4, 500)).eq([7, 28, 112, 448, 500, 500, 500, 500]));
    let limit = Rules::MAX_TICKS;
    assert!(times(Rules::new().open_for_growing(limit, 8, limit)).eq([limit; 8]));
}

#[test]
fn lease_is_never_cut_short_nor_a_quarter_too_long() {
    for lease in [1, 2, 7, 15, 16, 17, 31, 100, 1_000, 30_000, Rules::MAX_TICKS] {
        let settings = Rules::new().lease(lease).check().unwrap();
        for start in [0, 1, 5, 999, u32::MAX - 3, u32::MAX] {
            let start = Tick::new(start);
            let breaker = breaker(open(0, start.count()));
            let _lost = breaker.try_admit(&settings, start).unwrap();
            let Err(Refused::Probing { retry_at }) = breaker.try_admit(&settings, start.after(lease - 1))
            else {
                panic!("the lease of {lease} from {start:?} was cut short");
            };
            let taken = retry_at.since(start);
            assert!(
                taken >= lease && taken <= lease + lease.div_ceil(4),
                "{lease}: {taken}"
            );
            assert!(breaker.try_admit(&settings, start.after(taken)).is_ok());
        }
    }
}

#[test]
fn caller_whose_tick_lags_is_no_reason_to_admit() {
    let settings = settings();
    let breaker = breaker(open(0, 1_100));
    assert!(breaker.try_admit(&settings, Tick::new(900)).is_err());
    for _ in 0..2 {
        let _lost = breaker.try_admit(&settings, Tick::new(1_100)).unwrap();
    }
    assert_eq!(
        breaker.try_admit(&settings, Tick::new(1_095)),
        Err(Refused::Probing {
            retry_at: Tick::new(1_105)
        })
    );
}

#[test]
fn settings_with_fewer_probes_do_not_wedge() {
    let breaker = breaker(half(4, 0, 0, 2, 1_000));
    let probe = breaker.try_admit(&settings(), NOW).unwrap();
    assert!(breaker.try_admit(&settings(), NOW).is_err());
    assert_eq!(
        breaker.record(&settings(), probe, Outcome::Ok, NOW),
        Recorded::Closed
    );
}

#[test]
fn dropped_permit_gives_its_place_back() {
    let settings = settings();
    let breaker = breaker(open(0, 1_000));
    for first in [true, false, false, false] {
        let permit = breaker.try_enter(&settings, NOW).unwrap();
        assert!(permit.is_probe());
        assert_eq!(permit.half_opened(), first);
        drop(permit);
        assert_eq!(breaker.probes_in_flight(), 0);
    }
}

#[test]
fn slow_probe_fails_where_a_slow_rate_is_set() {
    for (rules, closes) in [
        (Rules::new().probes(1), true),
        (Rules::new().probes(1).slow_rate(50), false),
    ] {
        let settings = rules.check().unwrap();
        let breaker = breaker(open(0, 1_000));
        let permit = breaker.try_enter(&settings, NOW).unwrap();
        let recorded = permit.record(Outcome::SlowOk, NOW);
        assert_eq!(recorded == Recorded::Closed, closes, "{recorded:?}");
    }
}

#[test]
fn window_slides_after_any_number_of_successes() {
    for window in 1..=73_u16 {
        let settings = Rules::new()
            .last_calls(window)
            .minimum_calls(1)
            .failure_rate(100)
            .check()
            .unwrap();
        for successes in [0, 1, 23, 24, 25, 96, 97, 1_000, 6_200] {
            let breaker = CircuitBreaker::new(LastCalls::<4>::new());
            let record = |outcome| {
                let ticket = breaker.try_admit(&settings, NOW).unwrap();
                breaker.record(&settings, ticket, outcome, NOW)
            };
            for _ in 0..successes {
                assert_eq!(record(Outcome::Ok), Recorded::Unchanged);
            }
            let needed = if successes == 0 { 1 } else { window };
            for _ in 1..needed {
                assert_eq!(record(Outcome::Failed), Recorded::Unchanged);
            }
            assert!(matches!(record(Outcome::Failed), Recorded::Opened { .. }));
        }
    }
}

#[test]
fn stale_failures_are_not_counted_when_block_numbers_start_over() {
    let settings = Rules::new()
        .last_calls(64)
        .minimum_calls(0)
        .failure_rate(100)
        .check()
        .unwrap();
    let breaker = CircuitBreaker::new(LastCalls::<4>::new());
    let record = |outcome| {
        let ticket = breaker.try_admit(&settings, NOW).unwrap();
        let _ = breaker.record(&settings, ticket, outcome, NOW);
    };
    record(Outcome::Ok);
    for _ in 0..10 {
        record(Outcome::Failed);
    }
    for call in 0..13_000_u32 {
        record(Outcome::Ok);
        let held = 10_u32.saturating_sub((call + 12).saturating_sub(65));
        assert_eq!(breaker.counts(&settings, NOW).failed, held, "after {call}");
    }
}

#[test]
fn errors_say_what_to_do() {
    let at = Tick::new(7);
    for (error, text) in [
        (
            Refused::Open { retry_at: at },
            "the circuit is open; try again at tick 7",
        ),
        (
            Refused::Probing { retry_at: at },
            "the circuit is half-open and its probes are in flight; try again at tick 7",
        ),
        (
            Refused::Forced,
            "the circuit is forced open; call again after it was released",
        ),
    ] {
        assert_eq!(error.to_string(), text);
    }
    assert_eq!(Refused::Forced.retry_at(), None);
    assert_eq!(Refused::Open { retry_at: at }.retry_at(), Some(at));
}

#[test]
fn snapshot_of_another_shape_is_refused() {
    let settings = settings();
    let breaker = CircuitBreaker::new(LastCalls::<4>::new());
    let mut words = Vec::new();
    breaker.snapshot(&settings, NOW, |word| words.push(word));
    assert_eq!(words.len(), 6);
    let restore = |words: &[u32]| {
        CircuitBreaker::restore(LastCalls::<4>::new(), NOW, words.iter().copied())
            .map(|breaker| breaker.state())
    };
    assert_eq!(restore(&words), Ok(State::Closed));
    assert_eq!(restore(&words[..5]), Err(SnapshotError::TooShort));
    assert_eq!(restore(&[]), Err(SnapshotError::TooShort));
    for (index, wrong) in [(0, half(1, 0, 0, 0, 0).0), (0, u32::MAX), (0, 1 << 17), (1, 0x1f)] {
        let mut words = words.clone();
        words[index] = wrong;
        assert_eq!(restore(&words), Err(SnapshotError::Unknown), "{wrong:x}");
    }
}

#[test]
fn open_time_survives_a_restart_on_another_clock() {
    let settings = settings();
    let breaker = breaker(open(1, 1_030));
    let mut words = Vec::new();
    breaker.snapshot(&settings, NOW, |word| words.push(word));
    let restored = CircuitBreaker::restore(Consecutive::new(), Tick::new(5), words).unwrap();
    assert_eq!(
        restored.try_admit(&settings, Tick::new(34)),
        Err(Refused::Open {
            retry_at: Tick::new(35)
        })
    );
    assert!(restored.try_admit(&settings, Tick::new(35)).is_ok());
}

#[test]
fn shared_between_threads() {
    const fn shared<T: Send + Sync>() {}
    const {
        shared::<CircuitBreaker<AnyWindow>>();
        shared::<Permit<'static, AnyWindow>>();
        shared::<Ticket>();
    }
}

#[test]
fn lives_in_a_static() {
    static BREAKER: CircuitBreaker<AnyWindow> = CircuitBreaker::new(AnyWindow::Calls(LastCalls::new()));
    assert_eq!(BREAKER.state(), State::Closed);
}

#[test]
fn debug_of_a_window_sums_up_its_words() {
    let settings = Rules::new().minimum_calls(60).slow_rate(90).check().unwrap();
    let record = |breaker: &dyn Fn(Outcome)| {
        for outcome in [Outcome::Failed, Outcome::SlowOk, Outcome::SlowFailed, Outcome::Ok] {
            breaker(outcome);
        }
    };
    let calls = CircuitBreaker::new(LastCalls::<4, 4>::new());
    record(&|outcome| {
        let ticket = calls.try_admit(&settings, NOW).unwrap();
        assert_eq!(calls.record(&settings, ticket, outcome, NOW), Recorded::Unchanged);
    });
    assert_eq!(
        format!("{:?}", calls.into_window()),
        "LastCalls { capacity: 73, generation: 0, calls: 4, failed: 2, slow: 2 }"
    );
    let time = CircuitBreaker::new(AnyWindow::Time(LastTime::new()));
    record(&|outcome| {
        let ticket = time.try_admit(&settings, NOW).unwrap();
        assert_eq!(time.record(&settings, ticket, outcome, NOW), Recorded::Unchanged);
    });
    assert_eq!(
        format!("{:?}", time.into_window()),
        "Time(LastTime { buckets: 16, epoch: 0, calls: 4, failed: 2, slow: 2, .. })"
    );
}

#[test]
fn new_settings_hold_at_once_and_nothing_is_lost() {
    let now = |tick| Tick::new(u32::MAX).after(tick);
    let rules = Rules::new().failures(5).open_for(1_000).probes(1);
    let patient = rules.check().unwrap();
    let strict = rules.failures(3).open_for(200).probes(2).check().unwrap();
    let breaker = CircuitBreaker::new(Consecutive::new());
    let record = |settings, tick, outcome| {
        let ticket = breaker.try_admit(settings, now(tick)).unwrap();
        breaker.record(settings, ticket, outcome, now(tick))
    };
    for tick in 0..2 {
        assert_eq!(record(&patient, tick, Outcome::Failed), Recorded::Unchanged);
    }
    // The two failures of before count under the new threshold.
    let retry_at = now(202);
    assert_eq!(record(&strict, 2, Outcome::Failed), Recorded::Opened { retry_at });
    // What is open stays open for as long as it was told, whatever comes meanwhile.
    assert_eq!(
        breaker.try_admit(&patient, now(201)),
        Err(Refused::Open { retry_at })
    );
    // A probe admitted under the new number of probes, one under the old one.
    let probe = breaker.try_admit(&strict, now(202)).unwrap();
    assert_eq!(
        breaker.record(&strict, probe, Outcome::Ok, now(203)),
        Recorded::Unchanged
    );
    let probe = breaker.try_admit(&patient, now(204)).unwrap();
    assert_eq!(
        breaker.record(&patient, probe, Outcome::Ok, now(205)),
        Recorded::Closed
    );
}

#[test]
fn settings_at_the_ends_of_their_ranges_are_followed() {
    let rules = Rules::new();
    for rules in [
        rules.failures(1),
        rules.failures(u16::MAX),
        rules.failure_rate(1),
        rules.failure_rate(100),
        rules.slow_rate(1),
        rules.slow_rate(100),
        rules.last_calls(10),
        rules.last_calls(u16::MAX).minimum_calls(u16::MAX),
        rules.last_calls(1).minimum_calls(0),
        rules.bucket(Rules::MIN_BUCKET),
        rules.bucket(Rules::MAX_TICKS),
        rules.open_for(1),
        rules.open_for(Rules::MAX_TICKS),
        rules.open_for_growing(2, 2, 2),
        rules.open_for_growing(1, 1, 2),
        rules.open_for_growing(1, 8, 2),
        rules.probes(1),
        rules.probes(Rules::MAX_PROBES),
        rules.lease(1),
        rules.lease(Rules::MAX_TICKS),
    ] {
        assert_eq!(rules.check().map(|settings| settings.rules()), Ok(rules));
    }
    assert_eq!(rules, Rules::default());
    assert_eq!((Rules::MAX_TICKS, Rules::MIN_BUCKET), (16_777_216, 32));
}

#[test]
fn refused_settings_say_what_to_take() {
    for (error, text) in [
        (
            SettingsError::Threshold,
            "a threshold is out of range; take 1 failure or more, 1 to 100 percent",
        ),
        (
            SettingsError::Window,
            "the window has fewer calls than the minimum; take at least 1 and the minimum",
        ),
        (
            SettingsError::Bucket,
            "the bucket is no power of two from 32 to 16777216 ticks; take the next one",
        ),
        (
            SettingsError::OpenTime,
            "the open time is out of range; take 1 to 16777216 ticks, no more than the longest, growing by 1, 2, 4 or 8",
        ),
        (
            SettingsError::Probes,
            "the number of probes is out of range; take 1 to 7",
        ),
        (
            SettingsError::Lease,
            "the lease is out of range; take 1 to 16777216 ticks",
        ),
    ] {
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn states_and_tickets_say_what_they_are() {
    let states = [
        State::Closed,
        State::Open,
        State::HalfOpen,
        State::ForcedOpen,
        State::ForcedClosed,
        State::MetricsOnly,
    ];
    assert_eq!(
        states.map(|state| state.to_string()),
        [
            "closed",
            "open",
            "half-open",
            "forced open",
            "forced closed",
            "metrics only"
        ]
    );
    assert_eq!(
        format!("{:?} {:?}", Ticket::call(3), Ticket::probe(4, true)),
        "Ticket { generation: 3, probe: false, half_opened: false } \
         Ticket { generation: 4, probe: true, half_opened: true }"
    );
    let settings = settings();
    let breaker = breaker(open(0, 1_000));
    let first = breaker.try_enter(&settings, NOW).unwrap();
    assert!(first.is_probe() && first.half_opened());
    let second = breaker.try_enter(&settings, NOW).unwrap();
    assert!(second.is_probe() && !second.half_opened());
    assert_eq!(breaker.probes_in_flight(), 2);
    drop((first, second));
    let closed = self::breaker(closed(4, 0));
    let call = closed.try_enter(&settings, NOW).unwrap();
    assert!(!call.is_probe() && !call.half_opened());
    assert_eq!(closed.probes_in_flight(), 0);
}

/// A breaker that looks back over time, and what it holds then: calls, failed, slow.
struct Timed {
    breaker: CircuitBreaker<LastTime<4, 4>>,
    settings: Settings,
}

impl Timed {
    /// Four buckets of 32 ticks.
    fn new() -> Self {
        let rules = Rules::new().bucket(32).minimum_calls(64).slow_rate(100);
        Self {
            breaker: CircuitBreaker::new(LastTime::new()),
            settings: rules.check().unwrap(),
        }
    }

    fn record(&self, tick: u32, outcome: Outcome) -> Recorded {
        let now = Tick::new(tick);
        let ticket = self.breaker.try_admit(&self.settings, now).unwrap();
        self.breaker.record(&self.settings, ticket, outcome, now)
    }

    fn holds(&self, tick: u32) -> [u32; 3] {
        let counts = self.breaker.counts(&self.settings, Tick::new(tick));
        [counts.calls, counts.failed, counts.slow]
    }
}

#[test]
fn buckets_leave_a_window_of_time_one_by_one() {
    let timed = Timed::new();
    assert_eq!(timed.holds(0), [0; 3]);
    for (tick, outcome) in [
        (0, Outcome::Ok),
        (31, Outcome::Failed),
        (32, Outcome::SlowOk),
        (64, Outcome::SlowFailed),
        (96, Outcome::Failed),
    ] {
        assert_eq!(timed.record(tick, outcome), Recorded::Unchanged);
    }
    for (tick, held) in [
        (96, [5, 3, 2]),
        (127, [5, 3, 2]),
        (128, [3, 2, 2]),
        (160, [2, 2, 1]),
        (192, [1, 1, 0]),
        (223, [1, 1, 0]),
        (224, [0; 3]),
        (10_000, [0; 3]),
    ] {
        assert_eq!(timed.holds(tick), held, "at {tick}");
    }
    // A reader whose tick lags reads the window as it is.
    assert_eq!(timed.holds(64), [5, 3, 2]);
    // A result that comes late, by up to as many buckets as there are, counts in the newest.
    assert_eq!(timed.record(0, Outcome::Failed), Recorded::Unchanged);
    assert_eq!((timed.holds(96), timed.holds(223)), ([6, 4, 2], [2, 2, 0]));
    // One that skips two buckets empties those that it moves over.
    assert_eq!(timed.record(192, Outcome::Ok), Recorded::Unchanged);
    assert_eq!(timed.holds(192), [3, 2, 0]);
    // After a round in which nobody called, nothing is left in the same places.
    assert_eq!(timed.record(192 + 128, Outcome::Ok), Recorded::Unchanged);
    assert_eq!(timed.holds(192 + 128), [1, 0, 0]);
}

#[test]
fn a_window_of_time_starts_over_with_each_generation() {
    let timed = Timed::new();
    for _ in 0..3 {
        let _ = timed.record(100, Outcome::SlowFailed);
    }
    assert_eq!(timed.holds(100), [3, 3, 3]);
    // From closed to metrics-only and back it keeps what was counted; forced, it counts nothing and starts over.
    assert!(timed.breaker.metrics_only());
    assert_eq!(timed.holds(100), [3, 3, 3]);
    assert!(timed.breaker.force_open());
    assert_eq!(timed.holds(100), [0; 3]);
    for _ in 0..70 {
        // As many generations as have the same low bits, twice over.
        assert!(timed.breaker.auto());
        assert_eq!(timed.holds(100), [0; 3]);
        assert_eq!(timed.record(100, Outcome::Failed), Recorded::Unchanged);
        assert_eq!(timed.holds(100), [1, 1, 0]);
        assert!(timed.breaker.force_closed());
        assert_eq!(timed.record(100, Outcome::Failed), Recorded::Unchanged);
        assert_eq!(timed.holds(100), [0; 3]);
    }
}

#[test]
fn buckets_of_time_saturate() {
    let timed = Timed::new();
    for _ in 0..(1 << 20) + 5 {
        let _ = timed.record(7, Outcome::Ok);
    }
    assert_eq!(timed.holds(7), [(1 << 20) - 1, 0, 0]);
    let _ = timed.record(40, Outcome::Ok);
    assert_eq!(timed.holds(40), [1 << 20, 0, 0]);
}

#[test]
fn a_rate_is_reached_by_the_call_that_makes_it() {
    use Outcome::{Failed, Ok as Well, SlowOk};

    let rules = Rules::new()
        .last_calls(20)
        .minimum_calls(4)
        .failure_rate(50)
        .slow_rate(75);
    let settings = rules.check().unwrap();
    let opens = |outcomes: &[Outcome]| {
        let breaker = CircuitBreaker::new(LastCalls::<4, 4>::new());
        let mut recorded = Recorded::Unchanged;
        for outcome in outcomes {
            assert_eq!(recorded, Recorded::Unchanged, "too early: {outcomes:?}");
            let ticket = breaker.try_admit(&settings, NOW).unwrap();
            recorded = breaker.record(&settings, ticket, *outcome, NOW);
        }
        matches!(recorded, Recorded::Opened { .. })
    };

    assert!(opens(&[Well, Well, Failed, Failed]));
    assert!(!opens(&[Failed, Failed, Failed]), "fewer calls than the minimum");
    assert!(!opens(&[Failed, Failed, Failed, Well]), "a success is no reason");
    assert!(opens(&[Failed, Failed, Failed, Well, Failed]));
    assert!(!opens(&[Well, Well, Well, Failed]));
    assert!(opens(&[Well, SlowOk, SlowOk, SlowOk]));
    assert!(!opens(&[Well, Well, SlowOk, SlowOk]));
}
