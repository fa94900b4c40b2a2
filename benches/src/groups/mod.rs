//! What is measured, group by group.

pub mod cancel;
pub mod spawn;

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use crate::{Group, Meter, Sample};

/// All groups, in the order in which they are reported.
pub const ALL: &[Group] = &[spawn::GROUP, cancel::GROUP];

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
    let ready = Barrier::new(3);
    let each = || {
        ready.wait();
        let begun = Instant::now();
        for _ in 0..times {
            black_box(work(shared));
        }
        begun.elapsed()
    };
    thread::scope(|scope| {
        let both = [scope.spawn(each), scope.spawn(each)];
        let meter = Meter::start();
        ready.wait();
        let took = both.map(|one| one.join().expect("a measured thread does not panic"));
        let mut sample = meter.stop();
        // Without the time that a thread needs to wake up and to end.
        sample.nanos = took.map(|took| took.as_secs_f64() * 1e9).iter().sum::<f64>() / 2.0;
        sample
    })
}
