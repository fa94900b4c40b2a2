//! The meter by a clock that is moved by hand.

use core::time::Duration;

use sweet_async_core::stats::Counter;

use super::measured::mean;
use super::meter::Meter;
use super::{ExecutionStats, Measured, Metrics, TaskMetrics};
use crate::Moment;

fn read(meter: &Meter) -> TaskMetrics {
    let mut metrics = TaskMetrics::default();
    meter.read(&mut metrics);
    metrics
}

fn at(nanos: u64) -> Moment {
    Moment::from_nanos(nanos)
}

const fn nanos(nanos: u64) -> Measured<Duration> {
    Measured::Value(Duration::from_nanos(nanos))
}

/// One poll from here to there.
fn poll(meter: &Meter, began: u64, ended: u64) {
    meter.begin(|| at(began));
    meter.end(Some(at(began)), |_| at(ended));
}

#[test]
fn busy_idle_and_delayed_time_are_all_the_time_there_was() {
    let meter = Meter::new(Metrics::time());
    meter.begin(|| unreachable!("the first poll begins when the task starts"));
    meter.end(Some(at(100)), |_| at(103));
    meter.woken(|| at(110));
    meter.woken(|| unreachable!("woken already"));
    poll(&meter, 117, 118);
    let seen = read(&meter);
    assert_eq!(seen.polls, Measured::Value(2));
    assert_eq!((seen.busy, seen.longest_poll), (nanos(4), nanos(3)));
    assert_eq!(
        (seen.idle, seen.delayed, seen.longest_delay),
        (nanos(7), nanos(7), nanos(7))
    );
    assert_eq!(seen.mean_poll(), nanos(2));
}

#[test]
fn a_task_that_is_woken_while_it_is_polled_has_waited_since_the_poll_ended() {
    let meter = Meter::new(Metrics::time());
    meter.begin(|| at(0));
    meter.woken(|| at(5));
    meter.end(Some(at(0)), |_| at(10));
    poll(&meter, 14, 14);
    let seen = read(&meter);
    assert_eq!((seen.idle, seen.delayed), (nanos(0), nanos(4)));
}

#[test]
fn a_poll_that_nobody_asked_for_is_no_delay() {
    let meter = Meter::new(Metrics::time());
    poll(&meter, 0, 1);
    poll(&meter, 9, 9);
    let seen = read(&meter);
    assert_eq!((seen.idle, seen.delayed), (nanos(8), nanos(0)));
}

#[test]
fn a_task_that_did_not_start_was_not_polled() {
    let meter = Meter::new(Metrics::time());
    meter.begin(|| at(5));
    meter.end(None, |_| at(9));
    assert_eq!(read(&meter).polls, Measured::Value(0));
}

#[test]
fn a_poll_ends_once() {
    let meter = Meter::new(Metrics::time());
    poll(&meter, 0, 1);
    meter.end(Some(at(0)), |_| at(9));
    assert_eq!(
        (read(&meter).polls, read(&meter).busy),
        (Measured::Value(1), nanos(1))
    );
}

#[test]
fn a_clock_that_goes_back_makes_no_number_wrap() {
    let meter = Meter::new(Metrics::time());
    poll(&meter, 10, 4);
    meter.woken(|| at(3));
    poll(&meter, 2, 1);
    let seen = read(&meter);
    assert_eq!(
        (seen.busy, seen.idle, seen.delayed),
        (nanos(0), nanos(0), nanos(0))
    );
    assert_eq!(seen.polls, Measured::Value(2));
}

#[test]
fn sums_stop_at_the_end() {
    let meter = Meter::new(Metrics::time());
    poll(&meter, 0, u64::MAX - 3);
    meter.begin(|| at(0));
    meter.end(None, |_| at(u64::MAX));
    assert_eq!(read(&meter).busy, nanos(u64::MAX));
}

#[test]
fn a_mean_of_nothing_is_not_instrumented() {
    assert_eq!(mean(nanos(0), Measured::Value(0)), Measured::NotInstrumented);
    assert_eq!(mean(nanos(7), Measured::Value(2)), nanos(3));
    assert_eq!(
        mean(Measured::NotInstrumented, Measured::Value(2)),
        Measured::NotInstrumented
    );
}

#[test]
fn sums_over_tasks_stop_at_the_end() {
    let stats = ExecutionStats::new();
    stats.completed.add(Counter::MAX - 1);
    for _ in 0..3 {
        stats.completed.increment();
        stats.ran(Duration::MAX);
    }
    stats.ran(Duration::from_micros(5));
    stats.failed.add(Counter::MAX);
    let seen = stats.read();
    assert_eq!((seen.completed, seen.failed), (Counter::MAX, Counter::MAX));
    assert_eq!(seen.ended(), u32::MAX);
    assert_eq!(seen.run_time.sum, Duration::from_nanos(u64::MAX));
    assert_eq!(seen.run_time.min, Some(Duration::from_micros(5)));
    assert_eq!(seen.run_time.max, Some(Duration::from_nanos(u64::MAX)));
    assert_eq!(seen.run_time.mean(), Some(Duration::from_nanos(u64::MAX / 4)));
}

#[test]
fn a_line_says_what_was_measured_and_nothing_else() {
    let nothing = TaskMetrics::default();
    assert_eq!(nothing.to_string(), "0 attempts");
    let some = TaskMetrics {
        queued: Some(Duration::from_micros(1_500)),
        attempts: 2,
        polls: Measured::Value(6),
        busy: Measured::Value(Duration::from_millis(64)),
        ..TaskMetrics::default()
    };
    assert_eq!(some.to_string(), "2 attempts, queued 1.5ms, 6 polls, busy 64.0ms");
}
