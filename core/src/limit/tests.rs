//! The policies against a service of known capacity, without any clock: latencies follow from what is in flight.

extern crate std;

use std::collections::VecDeque;
use std::vec::Vec;

use super::{Aimd, Bounds, ConcurrencyLimit, Gradient2, ONE, Outcome, Policy, Sample, State, Vegas};

/// Serves `capacity` calls at once in `latency`; more of them share it. Beyond `queue` calls it drops.
#[derive(Clone, Copy)]
struct Service {
    capacity: u32,
    latency: u32,
    queue: u32,
}

impl Service {
    fn serve(self, in_flight: u32) -> Outcome {
        if in_flight > self.queue {
            return Outcome::Dropped;
        }
        let latency = self.latency * in_flight.max(self.capacity) / self.capacity;
        Outcome::Ok { latency }
    }
}

/// Keeps the limit full for `calls` calls, first in, first out; answers the limits after each.
fn load<P: Policy>(machine: &ConcurrencyLimit<P>, service: Service, calls: u32) -> Vec<u32> {
    let mut flying = VecDeque::new();
    let mut limits = Vec::new();
    for _ in 0..calls {
        while machine.try_enter().is_ok() {
            assert!(flying.len() < 200, "more than the most");
            flying.push_back(service.serve(machine.in_flight()));
        }
        let outcome = flying.pop_front().expect("a minimum of one");
        machine.leave(outcome).expect("it entered");
        limits.push(machine.limit());
    }
    while flying.pop_front().is_some() {
        machine.leave(Outcome::Ignored).expect("it entered");
    }
    limits
}

fn machine<P: Policy>(policy: P, initial: u32) -> ConcurrencyLimit<P> {
    ConcurrencyLimit::new(policy, Bounds::new(1, initial, 200).expect("in bounds"))
}

const SERVICE: Service = Service {
    capacity: 40,
    latency: 1_000,
    queue: 60,
};
const ENDLESS: Service = Service {
    queue: u32::MAX,
    ..SERVICE
};

fn average(limits: &[u32]) -> u32 {
    let sum: u32 = limits.iter().sum();
    sum / u32::try_from(limits.len()).expect("few")
}

#[test]
fn aimd_stays_about_where_calls_are_dropped() {
    let machine = machine(Aimd::new(), 10);
    load(&machine, SERVICE, 5_000);
    let limits = load(&machine, SERVICE, 5_000);
    assert!(limits.iter().all(|limit| (40..=62).contains(limit)), "{limits:?}");
}

#[test]
fn vegas_stays_about_the_capacity_and_does_not_follow_its_queue() {
    let machine = machine(Vegas::new(), 10);
    load(&machine, ENDLESS, 5_000);
    for _ in 0..10 {
        let limits = load(&machine, ENDLESS, 20_000);
        assert!((36..=50).contains(&average(&limits)), "{}", average(&limits));
        assert!(limits.iter().all(|limit| *limit <= 60));
    }
}

#[test]
fn vegas_follows_a_service_that_became_slower_and_back() {
    let machine = machine(Vegas::new(), 10);
    load(&machine, ENDLESS, 5_000);
    for latency in [5_000, 1_000, 100, 20_000] {
        let service = Service { latency, ..ENDLESS };
        load(&machine, service, 5_000);
        let average = average(&load(&machine, service, 5_000));
        assert!((36..=50).contains(&average), "{average} at {latency}");
    }
}

#[test]
fn gradient_shrinks_when_calls_take_longer_and_grows_back() {
    let machine = machine(Gradient2::new(), 40);
    let calm = Service {
        capacity: 200,
        ..ENDLESS
    };
    load(&machine, calm, 40_000);
    assert_eq!(machine.limit(), 200, "nothing queues, so the bound is reached");
    let slow = Service {
        latency: 10_000,
        ..calm
    };
    let limits = load(&machine, slow, 100);
    assert!(limits.last().is_some_and(|limit| *limit < 20), "{limits:?}");
    load(&machine, calm, 40_000);
    assert_eq!(machine.limit(), 200);
}

/// Where the step of a round is smaller than the number of calls in it, each call still has a part of it.
#[test]
fn gradient_grows_from_any_limit_by_any_step() {
    let policy = Gradient2::new().queue(1).smoothing(1);
    for min in [1, 700, Bounds::MAX - 1] {
        let mut state = State {
            limit: min * ONE,
            memory: [0; 3],
        };
        for _ in 0..100 {
            let before = state.limit;
            let sample = Sample::Ok {
                latency: 10,
                in_flight: min,
            };
            let _ = policy.step(&mut state, sample);
            assert!(state.limit > before, "{min} does not grow");
        }
    }
}

#[test]
fn gradient_creeps_up_under_a_load_without_pause() {
    let machine = machine(Gradient2::new(), 40);
    load(&machine, ENDLESS, 200_000);
    let average = average(&load(&machine, ENDLESS, 20_000));
    assert!(
        (80..=200).contains(&average),
        "its documentation says so: {average}"
    );
}

#[test]
fn recovers_from_the_minimum() {
    fn recovers<P: Policy + core::fmt::Debug>(policy: P) {
        let machine = machine(policy, 100);
        let broken = Service { queue: 0, ..ENDLESS };
        load(&machine, broken, 20_000);
        assert_eq!(machine.limit(), 1, "{policy:?}: everything is dropped");
        load(&machine, ENDLESS, 5_000);
        assert!(machine.limit() >= 19, "{policy:?}: stuck at {}", machine.limit());
    }
    recovers(Aimd::new());
    recovers(Vegas::new());
    recovers(Gradient2::new());
}

#[test]
fn recovers_from_a_minimum_reached_by_latency() {
    fn recovers<P: Policy + core::fmt::Debug>(policy: P) {
        let machine = machine(policy, 100);
        load(&machine, ENDLESS, 5_000);
        let slow = Service {
            capacity: 1,
            latency: 50_000,
            ..ENDLESS
        };
        load(&machine, slow, 5_000);
        load(&machine, ENDLESS, 5_000);
        let average = average(&load(&machine, ENDLESS, 5_000));
        assert!(average >= 36, "{policy:?}: stuck at {average}");
    }
    recovers(Vegas::new());
    recovers(Gradient2::new());
}

#[test]
fn an_idle_limit_does_not_grow() {
    fn stays<P: Policy + core::fmt::Debug>(policy: P) {
        let machine = machine(policy, 100);
        for _ in 0..1_000 {
            machine.try_acquire().expect("idle").ok(10);
        }
        assert!(machine.limit() <= 100, "{policy:?}: {}", machine.limit());
    }
    stays(Aimd::new());
    stays(Vegas::new());
    stays(Gradient2::new());
}

#[test]
fn a_drop_touches_no_latency() {
    fn untouched<P: Policy + core::fmt::Debug>(policy: P) {
        let memory = [7, 8, 9];
        let mut state = State {
            limit: 50 * ONE,
            memory,
        };
        let limit = policy.step(&mut state, Sample::Dropped);
        assert_eq!(state.memory, memory, "{policy:?}");
        assert!(limit < 50);
    }
    untouched(Aimd::new());
    untouched(Vegas::new());
    untouched(Gradient2::new());
}

#[test]
fn extremes_saturate() {
    fn steps<P: Policy>(policy: P) {
        for limit in [0, 1, ONE, u32::MAX] {
            for memory in [[0; 3], [u32::MAX; 3], [1, u32::MAX, 0]] {
                for latency in [0, 1, u32::MAX] {
                    for in_flight in [1, u32::MAX] {
                        let mut state = State { limit, memory };
                        let _ = policy.step(&mut state, Sample::Ok { latency, in_flight });
                        let _ = policy.step(&mut state, Sample::Dropped);
                    }
                }
            }
        }
    }
    steps(Aimd::new().backoff(0));
    steps(Vegas::new());
    steps(
        Gradient2::new()
            .window(u32::MAX)
            .queue(u32::MAX)
            .tolerance(u32::MAX),
    );
    steps(Gradient2::new().window(0).queue(0).tolerance(0).smoothing(0));
}

#[test]
fn inverse_agrees_with_the_wider_division() {
    use super::policy::{inverse, ratio};

    let powers = (0..32).map(|bit| 1 << bit);
    let values = powers
        .flat_map(|power: u32| [power - 1, power, power + 1])
        .chain([3_000_000_000, u32::MAX]);
    for value in values {
        assert_eq!(inverse(value), ratio(u64::from(ONE), u64::from(value)), "{value}");
    }
}

/// A limit of 128, so that latencies of whole units are queues of whole calls.
const EVEN: u32 = 128;

fn vegas(memory: [u32; 3], sample: Sample) -> (u32, State) {
    let mut state = State {
        limit: EVEN * ONE,
        memory,
    };
    let answer = Vegas::new().step(&mut state, sample);
    (answer, state)
}

const fn full(latency: u32) -> Sample {
    Sample::Ok {
        latency,
        in_flight: EVEN,
    }
}

#[test]
fn vegas_steps_by_its_thresholds() {
    // The decimal logarithm of the limit is 2, and a call's part of a step is a 128th of that.
    let part = 2 * ONE / EVEN;
    let unchanged = EVEN * ONE;
    for (queue, limit) in [
        (0, unchanged + 6 * part),
        (2, unchanged + 6 * part),
        (3, unchanged + part),
        (5, unchanged + part),
        (6, unchanged),
        (12, unchanged),
        (13, unchanged - part),
        (100, unchanged - part),
    ] {
        let (answer, state) = vegas([EVEN - queue, 0, 5], full(EVEN));
        assert_eq!((state.limit, answer), (limit, limit / ONE), "a queue of {queue}");
        assert_eq!(state.memory, [EVEN - queue, 0, 6]);
    }
    let half = |in_flight| Sample::Ok {
        latency: EVEN,
        in_flight,
    };
    assert_eq!(vegas([EVEN, 0, 5], half(EVEN / 2 - 1)).1.limit, unchanged, "idle");
    assert_eq!(vegas([EVEN, 0, 5], half(EVEN / 2)).1.limit, unchanged + 6 * part);
    assert_eq!(vegas([EVEN, 0, 5], Sample::Dropped).1.limit, unchanged - 2 * ONE);
}

#[test]
fn vegas_takes_the_lowest_latency_of_a_probe() {
    let (rounds, probed) = (30 * EVEN, 32 * EVEN);
    // The first latency, and a lower one, are the baseline at once, and nothing is judged by them.
    assert_eq!(vegas([0, 0, 0], full(7)).1.memory, [7, 0, 1]);
    assert_eq!(vegas([0, 0, 0], full(0)).1.memory, [1, 0, 1]);
    let (answer, state) = vegas([8, 0, 0], full(7));
    assert_eq!((answer, state.limit, state.memory), (EVEN, EVEN * ONE, [7, 0, 1]));
    let (answer, state) = vegas([8, 0, 0], full(8));
    assert!(answer == EVEN && state.limit > EVEN * ONE);
    for (before, latency, answer, after) in [
        ([8, 0, rounds - 1], 8, EVEN, [8, 0, rounds]),
        ([8, 0, rounds], 9, EVEN / 2, [8, 9, rounds + 1]),
        ([8, 9, rounds + 1], 11, EVEN / 2, [8, 9, rounds + 2]),
        ([8, 9, rounds + 1], 7, EVEN / 2, [8, 7, rounds + 2]),
        ([8, 9, probed - 1], 12, EVEN / 2, [8, 9, probed]),
        ([8, 9, probed], 12, EVEN, [9, 0, 0]),
    ] {
        let (answered, state) = vegas(before, full(latency));
        assert_eq!((answered, state.memory), (answer, after), "{before:?} {latency}");
    }
}

#[test]
fn vegas_steps_grow_with_the_logarithm_of_the_limit() {
    for (limit, step) in [
        (1, 1),
        (99, 1),
        (100, 2),
        (999, 2),
        (1_000, 3),
        (9_999, 3),
        (10_000, 4),
        (32_767, 4),
    ] {
        let mut state = State {
            limit: limit * ONE,
            memory: [0; 3],
        };
        let _ = Vegas::new().step(&mut state, Sample::Dropped);
        assert_eq!(state.limit, (limit - step) * ONE, "{limit}");
    }
}

#[test]
fn gradient_goes_a_share_of_the_way() {
    let long = |units: u64, calls| {
        let average = units * u64::from(ONE);
        let (high, low) = (average >> 32, average & u64::from(u32::MAX));
        [u32::try_from(high).unwrap(), u32::try_from(low).unwrap(), calls]
    };
    let step = |policy: Gradient2, memory, latency, in_flight| {
        let mut state = State {
            limit: 100 * ONE,
            memory,
        };
        let answer = policy.step(&mut state, Sample::Ok { latency, in_flight });
        assert_eq!(answer, state.whole());
        (state.limit, state.memory)
    };
    // A window of 99 gives each call two hundredths of the average.
    let policy = Gradient2::new().window(99).smoothing(50).tolerance(100).queue(10);
    // As fast as ever: 10 more to go, half of that in a round of 100 calls.
    let (limit, memory) = step(policy, long(1_000, 50), 1_000, 100);
    assert_eq!(
        (limit, memory),
        (100 * ONE + (5 * ONE).div_ceil(100), long(1_000, 51))
    );
    // Twice as long: half of the limit and the queue, and half of the way there at once.
    let (limit, memory) = step(policy, long(1_000, 50), 3_000, 100);
    assert_eq!((limit, memory), (100 * ONE - 20 * ONE, long(1_040, 51)));
    // As much is tolerated as was said.
    let tolerant = policy.tolerance(300);
    let (limit, _) = step(tolerant, long(1_000, 50), 3_000, 100);
    assert_eq!(limit, 100 * ONE + (5 * ONE).div_ceil(100));
    assert_eq!(policy.tolerance(99), policy, "less than 100 counts as 100");
    assert_ne!(policy.tolerance(101), policy);
    // Less than half of the limit is used: it stays, and the latency counts.
    assert_eq!(
        step(policy, long(1_000, 50), 3_000, 49),
        (100 * ONE, long(1_040, 51))
    );
    assert!(step(policy, long(1_000, 50), 1_000, 50).0 > 100 * ONE);
    let mut state = State {
        limit: 100 * ONE,
        memory: [7, 8, 9],
    };
    assert_eq!(policy.step(&mut state, Sample::Dropped), 75);
    assert_eq!(state.memory, [7, 8, 9]);

    // Faster calls lower the average by as much; one that is more than twice as long by a twentieth more.
    assert_eq!(step(policy, long(1_000, 50), 500, 49).1, long(990, 51));
    assert_eq!(step(policy, long(1_000, 50), 495, 49).1[2], 51);
    let fallen = step(policy, long(10_000, 50), 0, 49).1;
    let before = (10_000 * u64::from(ONE)) - (9_999 * u64::from(ONE)) / 100 * 2;
    let after = before - before / 20;
    assert_eq!(u64::from(fallen[0]) << 32 | u64::from(fallen[1]), after);
    // The first ten are averaged evenly, whatever the window.
    assert_eq!(step(policy, [0; 3], 1_000, 49).1, long(1_000, 1));
    assert_eq!(step(policy, long(1_000, 9), 2_000, 49).1, long(1_100, 10));
    assert_eq!(step(policy, long(1_000, 10), 2_000, 49).1, long(1_020, 11));
}

#[test]
fn settings_out_of_range_count_as_the_nearer_end() {
    let policy = Gradient2::new();
    assert_eq!(policy, Gradient2::default());
    assert_eq!(policy.queue(0), policy.queue(1));
    assert_ne!(policy.queue(2), policy.queue(1));
    assert_ne!(policy.queue(999), policy.queue(1_000));
    assert_eq!(policy.queue(1_001), policy.queue(1_000));
    assert_eq!(policy.smoothing(0), policy.smoothing(1));
    assert_ne!(policy.smoothing(2), policy.smoothing(1));
    assert_ne!(policy.smoothing(99), policy.smoothing(100));
    assert_eq!(policy.smoothing(101), policy.smoothing(100));
    assert_eq!(policy.window(0), policy.window(1));
    assert_ne!(policy.window(2), policy.window(1));
    assert_eq!(Aimd::new(), Aimd::default());
    assert_eq!(Aimd::new(), Aimd::new().backoff(90));
    assert_eq!(Aimd::new().backoff(101), Aimd::new().backoff(100));
    let settings = policy.smoothing(7).queue(9).window(11).tolerance(130);
    assert_eq!(
        std::format!("{settings:?} {:?}", Aimd::new().backoff(33)),
        "Gradient2 { tolerance_percent: 130, queue: 9, smoothing_percent: 7, window: 11 } Aimd { backoff_percent: 33 }"
    );
}

#[test]
fn aimd_grows_by_one_in_a_round() {
    let step = |sample| {
        let mut state = State {
            limit: 64 * ONE,
            memory: [0; 3],
        };
        let _ = Aimd::new().backoff(50).step(&mut state, sample);
        state.limit
    };
    let well = |in_flight| Sample::Ok {
        latency: 1,
        in_flight,
    };
    assert_eq!(step(well(31)), 64 * ONE);
    assert_eq!(step(well(32)), 64 * ONE + ONE / 64);
    assert_eq!(step(well(64)), 64 * ONE + ONE / 64);
    assert_eq!(step(Sample::Dropped), 32 * ONE);
}
