//! What is measured, group by group.

pub mod backoff;
pub mod breaker;
pub mod cancel;
pub mod children;
pub mod credit;
pub mod edge;
pub mod failures;
pub mod flights;
pub mod live;
pub mod metrics;
pub mod pipeline;
pub mod policies;
pub mod priorities;
pub mod rate;
pub mod sim;
pub mod smol;
pub mod spawn;
pub mod stats;
pub mod threads;
pub mod vector_clock;

use core::hint::black_box;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Instant;

use crate::{Group, Meter, Sample};

/// All groups, in the order in which they are reported.
pub const ALL: &[Group] = &[
    spawn::GROUP,
    metrics::GROUP,
    live::GROUP,
    cancel::GROUP,
    children::GROUP,
    breaker::GROUP,
    policies::GROUP,
    edge::GROUP,
    pipeline::GROUP,
    flights::GROUP,
    credit::GROUP,
    rate::GROUP,
    backoff::GROUP,
    stats::GROUP,
    vector_clock::GROUP,
    failures::GROUP,
    sim::GROUP,
    threads::GROUP,
    priorities::GROUP,
    smol::GROUP,
];

/// Has one thread call `work` so many times.
pub(crate) fn calls<T>(times: u64, mut work: impl FnMut() -> T) -> Sample {
    Meter::measure(|| {
        for _ in 0..times {
            black_box(work());
        }
    })
}

/// Has two threads call `work` so many times each, on the same thing at the same time. One time is one call of each.
pub(crate) fn threads<T: Sync, R>(times: u64, shared: &T, work: impl Fn(&T) -> R + Sync) -> Sample {
    each_thread(times, || || work(shared))
}

/// The same, of work that each thread begins with something of its own.
pub(crate) fn each_thread<R, W: FnMut() -> R>(times: u64, make: impl Fn() -> W + Sync) -> Sample {
    let ready = AtomicUsize::new(0);
    let each = || {
        let mut work = make();
        ready.fetch_add(1, Relaxed);
        // A barrier that sleeps would let one finish before the other wakes.
        while ready.load(Relaxed) < 2 {
            thread::yield_now();
        }
        let begun = Instant::now();
        for _ in 0..times {
            black_box(work());
        }
        (begun, Instant::now())
    };
    let meter = Meter::start();
    let [mine, other] = thread::scope(|scope| {
        let other = scope.spawn(each);
        [each(), other.join().expect("a measured thread does not panic")]
    });
    let mut sample = meter.stop();
    let seconds = |(begun, ended): (Instant, Instant)| (ended - begun).as_secs_f64();
    // Without the time that a thread needs to start and to end.
    sample.nanos = f64::midpoint(seconds(mine), seconds(other)) * 1e9;
    let both = mine.1.min(other.1).saturating_duration_since(mine.0.max(other.0));
    sample.together = both.as_secs_f64() / seconds(mine).max(seconds(other));
    sample
}
