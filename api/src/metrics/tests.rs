//! The meter by a clock, and by an allocator's totals, that are moved by hand.

use core::cell::Cell;
use core::time::Duration;

use sweet_async_core::stats::Counter;

use super::measured::mean;
use super::memory::MemoryMeter;
use super::meter::Meter;
use super::{ExecutionStats, Measured, MemoryUsage, Metrics, TaskMetrics, ThreadMemory};
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

std::thread_local! {
    static TOTALS: Cell<Option<ThreadMemory>> = const { Cell::new(None) };
}

/// The thread has allocated and freed so much in all.
fn total(allocated: u64, freed: u64) {
    TOTALS.set(Some(ThreadMemory { allocated, freed }));
}

#[test]
fn what_is_allocated_between_two_polls_is_somebody_elses() {
    let meter = MemoryMeter::of(|| TOTALS.get());
    total(100, 40);
    meter.begin();
    total(160, 45);
    meter.end();
    total(900, 800);
    meter.begin();
    total(910, 870);
    meter.end();
    // Ended already.
    total(999, 999);
    meter.end();
    let used = meter.used().value().unwrap();
    let expected = MemoryUsage {
        allocated: 70,
        freed: 75,
        peak: 55,
    };
    assert_eq!((used, used.kept()), (expected, -5));
    assert_eq!(used.to_string(), "allocated 70 bytes, freed 75");
}

#[test]
fn sums_that_lack_something_are_none() {
    let meter = MemoryMeter::of(|| TOTALS.get());
    assert_eq!(meter.used(), Measured::Value(MemoryUsage::default()));
    total(1, 0);
    meter.begin();
    TOTALS.set(None);
    meter.end();
    total(2, 0);
    meter.begin();
    meter.end();
    assert_eq!(meter.used(), Measured::NotInstrumented);
}

#[test]
fn what_is_kept_stops_at_either_end() {
    let usage = |allocated, freed| MemoryUsage {
        allocated,
        freed,
        peak: 0,
    };
    assert_eq!(usage(u64::MAX, 0).kept(), i64::MAX);
    assert_eq!(usage(0, u64::MAX).kept(), i64::MIN);
    assert_eq!(usage(u64::MAX, u64::MAX - 1).kept(), 1);
}
