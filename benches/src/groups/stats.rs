//! Counting events and how values are distributed.

use core::hint::black_box;
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicU32, AtomicUsize};

use metrics_util::storage::AtomicBucket;
use prometheus_client::metrics::histogram::Histogram as ClientHistogram;
use sweet_async_core::stats::{Counter, Gauge, Histogram, ShardedCounter};

use super::{calls, each_thread, threads};
use crate::{Contestant, Figure, Goal, Group};

/// The bench target `stats`.
pub const GROUP: Group = Group::new("stats", figures);

const ADD: &str = "one relaxed fetch_add";
const STORE: &str = "one plain store";

fn figures() -> Vec<Figure> {
    vec![
        counter(),
        counter_two_threads(),
        gauge(),
        histogram(),
        histogram_two_threads(),
    ]
}

fn counter() -> Figure {
    static SHARDED: ShardedCounter<2> = ShardedCounter::new();
    let (ours, word, plain) = (Counter::new(), AtomicU32::new(0), AtomicU32::new(0));
    let mut shard = SHARDED.claim().expect("a cell is free");
    let prometheus = prometheus::IntCounter::new("calls", "calls").expect("a name");
    let client = prometheus_client::metrics::counter::Counter::<u64>::default();
    let mut count = 0;
    Figure::new("counter, one thread", "event", 100_000)
        .with(Contestant::ours("Counter", move |times| {
            calls(times, || black_box(&ours).increment())
        }))
        .goal(Goal::Times(1.10, ADD))
        .goal(Goal::NoAllocation)
        .with(Contestant::ours(
            "ShardedCounter, a claimed shard",
            move |times| calls(times, || black_box(&mut shard).increment()),
        ))
        .goal(Goal::Times(2.0, STORE))
        .goal(Goal::NoAllocation)
        .with(Contestant::peer("prometheus IntCounter", move |times| {
            calls(times, || black_box(&prometheus).inc())
        }))
        .with(Contestant::peer("prometheus-client Counter", move |times| {
            calls(times, || black_box(&client).inc())
        }))
        .with(Contestant::limit(ADD, move |times| {
            calls(times, || black_box(&word).fetch_add(1, Relaxed))
        }))
        .with(Contestant::limit(STORE, move |times| {
            calls(times, || {
                count += 1;
                black_box(&plain).store(count, Relaxed);
            })
        }))
}

fn counter_two_threads() -> Figure {
    static SHARDED: ShardedCounter<2> = ShardedCounter::new();
    let (ours, word) = (Counter::new(), AtomicUsize::new(0));
    let prometheus = prometheus::IntCounter::new("calls", "calls").expect("a name");
    Figure::new("counter, two threads on the same", "event", 50_000)
        .with(Contestant::ours("Counter", move |times| {
            threads(times, &ours, Counter::increment)
        }))
        .goal(Goal::Times(1.10, ADD))
        .with(Contestant::ours(
            "ShardedCounter, a shard for each thread",
            move |times| {
                each_thread(times, || {
                    let mut shard = SHARDED.claim().expect("a cell for each");
                    move || black_box(&mut shard).increment()
                })
            },
        ))
        .goal(Goal::Times(0.25, ADD))
        .with(Contestant::peer("prometheus IntCounter", move |times| {
            threads(times, &prometheus, prometheus::IntCounter::inc)
        }))
        .with(Contestant::limit(ADD, move |times| {
            threads(times, &word, |word| word.fetch_add(1, Relaxed))
        }))
        .with(Contestant::limit(
            "a store of its own for each thread",
            move |times| {
                each_thread(times, || {
                    let (plain, mut count) = (AtomicU32::new(0), 0);
                    move || {
                        count += 1;
                        black_box(&plain).store(count, Relaxed);
                    }
                })
            },
        ))
}

fn gauge() -> Figure {
    let (ours, word) = (Gauge::new(), AtomicUsize::new(0));
    let prometheus = prometheus::IntGauge::new("level", "level").expect("a name");
    Figure::new("gauge, up and down, one thread", "pair", 50_000)
        .with(Contestant::ours("Gauge", move |times| {
            calls(times, || {
                let gauge = black_box(&ours);
                gauge.raise(1);
                gauge.lower(1)
            })
        }))
        .goal(Goal::Times(1.20, "two fetch_add"))
        .goal(Goal::NoAllocation)
        .with(Contestant::peer("prometheus IntGauge", move |times| {
            calls(times, || {
                let gauge = black_box(&prometheus);
                gauge.inc();
                gauge.dec();
            })
        }))
        .with(Contestant::limit("two fetch_add", move |times| {
            calls(times, || {
                let word = black_box(&word);
                word.fetch_add(1, Relaxed) + word.fetch_sub(1, Relaxed)
            })
        }))
}

fn histogram() -> Figure {
    let (ours, word) = (<Histogram>::new(), AtomicUsize::new(0));
    let (mut a, mut b, mut c, mut d) = (Values::new(), Values::new(), Values::new(), Values::new());
    let (prometheus, client, mut bucket) = (prometheus(), client(), AtomicBucket::new());
    Figure::new("histogram, one thread", "value", 50_000)
        .with(Contestant::ours("Histogram, 240 cells", move |times| {
            calls(times, || black_box(&ours).record(a.next()))
        }))
        .goal(Goal::Times(1.20, ADD))
        .goal(Goal::BestPeer(0.60))
        .goal(Goal::NoAllocation)
        .with(Contestant::peer("metrics-util AtomicBucket", move |times| {
            let sample = calls(times, || bucket.push(f64::from(b.next())));
            bucket = AtomicBucket::new();
            sample
        }))
        .with(Contestant::peer(
            "prometheus Histogram, 11 buckets",
            move |times| calls(times, || prometheus.observe(f64::from(c.next()))),
        ))
        .with(Contestant::peer(
            "prometheus-client Histogram, 11 buckets",
            move |times| calls(times, || client.observe(f64::from(d.next()))),
        ))
        .with(Contestant::limit(ADD, {
            let mut values = Values::new();
            move |times| {
                calls(times, || {
                    black_box(&word).fetch_add(values.next() as usize, Relaxed)
                })
            }
        }))
}

fn histogram_two_threads() -> Figure {
    let (ours, word) = (<Histogram>::new(), AtomicUsize::new(0));
    let (prometheus, client) = (prometheus(), client());
    Figure::new("histogram, two threads, the same value", "value", 20_000)
        .with(Contestant::ours("Histogram, 240 cells", move |times| {
            threads(times, &ours, |histogram| histogram.record(black_box(5)))
        }))
        .goal(Goal::Times(1.20, ADD))
        .goal(Goal::BestPeer(0.60))
        .with(Contestant::peer(
            "prometheus Histogram, 11 buckets",
            move |times| threads(times, &prometheus, |histogram| histogram.observe(black_box(5.0))),
        ))
        .with(Contestant::peer(
            "prometheus-client Histogram, 11 buckets",
            move |times| threads(times, &client, |histogram| histogram.observe(black_box(5.0))),
        ))
        .with(Contestant::limit(ADD, move |times| {
            threads(times, &word, |word| word.fetch_add(black_box(5), Relaxed))
        }))
}

/// Latencies of all sizes, the same for everybody.
struct Values(u32);

impl Values {
    const fn new() -> Self {
        Self(1)
    }

    fn next(&mut self) -> u32 {
        // Numerical Recipes' generator; its high bits, shifted by its low ones.
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0 >> 16 >> (self.0 & 15)
    }
}

/// Up to 2^16, about as many as by default.
fn bounds() -> impl Iterator<Item = f64> {
    (6..17).map(|power| f64::from(1_u32 << power))
}

fn prometheus() -> prometheus::Histogram {
    let options = prometheus::HistogramOpts::new("latency", "latency").buckets(bounds().collect());
    prometheus::Histogram::with_opts(options).expect("bounds in order")
}

fn client() -> ClientHistogram {
    ClientHistogram::new(bounds())
}
