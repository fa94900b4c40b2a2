//! Six who count, one who takes, under random schedules.
#![cfg(sweet_shuttle)]
#![expect(clippy::similar_names, reason = "the sides of a race are called alike")]

use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::SeqCst;
use std::sync::Arc;

use shuttle::rand::{Rng, thread_rng};
use shuttle::thread;

use loom_tests::{Scenario, explore};
use sweet_async_core::stats::{Counter, Gauge, Histogram, ShardedCounter};

/// Six count, one takes and absorbs; the totals are what was counted. Holds: S2, S3, S4, S5.
#[test]
fn totals_are_conserved() {
    let scenario = Scenario {
        name: "shuttle_stats::totals_are_conserved",
        holds: "S2, S3, S4, S5",
        threads: 8,
        executions: 1_000,
        witnesses: &["taken before the end", "every cell had a writer"],
    };
    explore(scenario, |witness| {
        let (counter, kept) = (Arc::new(Counter::new()), Arc::new(Counter::new()));
        let shards = Arc::new(ShardedCounter::<3>::new());
        let levels = Arc::new(Histogram::<33>::new());
        let gauge = Arc::new(Gauge::new());
        let [counted, sharded] = [(); 2].map(|()| Arc::new(AtomicU32::new(0)));
        let writers = [(); 6].map(|()| {
            let (counter, shards, levels, gauge) = (
                Arc::clone(&counter),
                Arc::clone(&shards),
                Arc::clone(&levels),
                Arc::clone(&gauge),
            );
            let (counted, sharded, witness) = (Arc::clone(&counted), Arc::clone(&sharded), witness.clone());
            thread::spawn(move || {
                for _ in 0..3 {
                    let count = if thread_rng().gen_bool(0.2) {
                        100_000
                    } else {
                        thread_rng().gen_range(1..5)
                    };
                    counted.fetch_add(count, SeqCst);
                    counter.add(count);
                    gauge.raise(count);
                    match shards.claim() {
                        Ok(mut shard) => {
                            for _ in 0..2 {
                                shard.increment();
                            }
                            sharded.fetch_add(2, SeqCst);
                        }
                        Err(_) => witness.saw("every cell had a writer"),
                    }
                    levels.record(count);
                    gauge.lower(count);
                }
            })
        });
        let taker = thread::spawn({
            let (counter, kept) = (Arc::clone(&counter), Arc::clone(&kept));
            move || {
                let mut taken = 0;
                for _ in 0..3 {
                    taken += counter.take();
                    kept.absorb(&counter);
                }
                taken
            }
        });
        for writer in writers {
            writer.join().unwrap();
        }
        let taken = taker.join().unwrap();
        assert_eq!(
            taken + counter.value() + kept.value(),
            counted.load(SeqCst),
            "a count got lost or was taken twice"
        );
        assert_eq!(
            shards.total(),
            u64::from(sharded.load(SeqCst)),
            "a cell had two writers"
        );
        assert_eq!(shards.writers(), 0);
        assert_eq!(levels.snapshot().count(), 18, "each recording counts, once");
        assert_eq!(gauge.value(), 0, "what was raised was lowered");
        if taken + kept.value() > 0 {
            witness.saw("taken before the end");
        }
    });
}
