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
