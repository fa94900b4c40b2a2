//! The promises of a pipeline, on both flavours of Tokio.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use common::{Numbers, Seed};
use serde::Deserialize;
use sweet_async_tokio::emit::{AtomicVectorClock, Causality, TickError, VectorClock};
use sweet_async_tokio::emit::{EmitError, ItemError, SourceError, Stats};
use sweet_async_tokio::prelude::*;

/// Runs a test on both flavours.
fn on_both<F: Future>(test: impl Fn() -> F) {
    let single = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    single.block_on(test());
    let several = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(3)
        .enable_all()
        .build()
        .unwrap();
    several.block_on(test());
}

fn balanced(stats: Stats) -> bool {
    stats.taken_in == stats.out + stats.dropped + stats.failed + stats.in_flight
}

/// A file that is gone when the test is.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sweet-async-emit-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn serial_keeps_the_order_and_works_on_one_at_a_time() {
    on_both(|| async {
        let busy = Arc::new(AtomicUsize::new(0));
        let collected = AsyncTask::emits::<u32>()
            .collect_into::<Vec<u32>>()
            .sender(|source| source.of(0..10_000).into_chunks(7.rows()))
            .receiver(ReceiverStrategy::serial(), move |event, collector| {
                assert_eq!(busy.fetch_add(1, Ordering::SeqCst), 0);
                collector.add(event);
                busy.fetch_sub(1, Ordering::SeqCst);
            })
            .await_final_event(LastEvent::into_collected)
            .await
            .unwrap();
        assert!(collected.into_iter().eq(0..10_000));
    });
}

#[test]
fn parallel_workers_see_each_item_once_and_each_its_own_in_order() {
    on_both(|| async {
        let busy = Arc::new(AtomicUsize::new(0));
        let last = AsyncTask::emits::<u32>()
            .collect_into::<BTreeMap<u32, Vec<u32>>>()
            .sender(|source| source.of(0..20_000).into_chunks(10.rows()))
            .receiver(ReceiverStrategy::parallel(3), move |event, collector| {
                assert!(busy.fetch_add(1, Ordering::SeqCst) < 3);
                collector.add((event % 7, vec![event]));
                busy.fetch_sub(1, Ordering::SeqCst);
            })
            .run()
            .await
            .unwrap();
        assert_eq!(last.stats().out, 20_000);
        assert!(!last.is_partial());
        let mut all: Vec<u32> = last.into_collected().into_values().flatten().collect();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..20_000));
    });
}

#[test]
fn sums_do_not_depend_on_the_number_of_workers() {
    on_both(|| async {
        let mut expected: HashMap<u32, u64> = HashMap::new();
        for number in 0..5_000_u32 {
            *expected.entry(number % 13).or_default() += u64::from(number);
        }
        for workers in 1..5 {
            let collected = AsyncTask::emits::<u32>()
                .collect_into::<HashMap<u32, u64>>()
                .sender(|source| source.of(0..5_000).into_chunks(3.rows()))
                .receiver(ReceiverStrategy::parallel(workers), |event, collector| {
                    collector.add((event % 13, u64::from(event)));
                })
                .await_final_event(LastEvent::into_collected)
                .await
                .unwrap();
            assert_eq!(collected, expected);
            let largest = AsyncTask::emits::<u32>()
                .collect_with(|| {
                    Fold::new(
                        0,
                        |most: &mut u32, number: u32| *most = number.max(*most),
                        u32::max,
                    )
                })
                .sender(|source| source.of(0..5_000))
                .receiver(ReceiverStrategy::parallel(workers), |event, collector| {
                    collector.add(event);
                })
                .await_final_event(|last| last.into_collected().into_value())
                .await
                .unwrap();
            assert_eq!(largest, 4_999);
        }
    });
}

#[test]
fn failed_items_are_counted_the_first_are_kept_and_nothing_stops() {
    on_both(|| async {
        let last = AsyncTask::emits::<u32>()
            .collect_into::<Vec<u32>>()
            .keep_errors(3)
            .sender(|source| source.of(0..100))
            .receiver(ReceiverStrategy::serial(), |event, collector| {
                if event % 10 == 3 {
                    return Err(format!("{event} is unlucky"));
                }
                collector.add(event);
                Ok(())
            })
            .run()
            .await
            .unwrap();
        let Stats {
            taken_in,
            out,
            failed,
            dropped,
            in_flight,
            ..
        } = last.stats();
        assert_eq!((taken_in, out, failed, dropped, in_flight), (100, 90, 10, 0, 0));
        let kept: Vec<String> = last.errors().iter().map(ToString::to_string).collect();
        assert_eq!(kept, ["3 is unlucky", "13 is unlucky", "23 is unlucky"]);
        assert_eq!(last.collected().len(), 90);
    });
}

#[test]
fn a_strict_pipeline_stops_at_the_first_failure_and_drops_the_rest() {
    on_both(|| async {
        let running = AsyncTask::emits::<u32>()
            .stop_on_error()
            .sender(|source| source.of(0..).into_chunks(10.rows()))
            .receiver(ReceiverStrategy::parallel(2), |event, _| {
                if event == 55 { Err("enough") } else { Ok(()) }
            })
            .run();
        let live = running.live_stats();
        let Cause::Failed(EmitError::Item(ItemError::Receiver(error))) =
            running.await.unwrap_err().into_cause()
        else {
            panic!("another cause");
        };
        assert_eq!(error, "enough");
        let stats = live.read();
        assert!(balanced(stats));
        assert_eq!((stats.failed, stats.in_flight), (1, 0));
    });
}

#[test]
fn a_panic_in_a_receiver_is_an_error_and_the_counts_balance() {
    on_both(|| async {
        for workers in [1, 3] {
            let running = AsyncTask::emits::<u32>()
                .sender(|source| source.of(0..).into_chunks(10.rows()))
                .receiver(ReceiverStrategy::parallel(workers), |event, _| {
                    assert_ne!(event, 55, "boom");
                })
                .run();
            let live = running.live_stats();
            let Cause::Failed(EmitError::Receiver(error)) = running.await.unwrap_err().into_cause() else {
                panic!("another cause");
            };
            assert!(error.is_panicked());
            let stats = live.read();
            assert!(balanced(stats));
            assert_eq!((stats.failed, stats.in_flight), (1, 0));
        }
    });
}

#[test]
fn a_panic_in_the_source_is_an_error() {
    on_both(|| async {
        let error = AsyncTask::emits::<u32>()
            .sender(|source| source.of((0..).inspect(|number| assert_ne!(*number, 55, "boom"))))
            .receiver(ReceiverStrategy::parallel(2), |_, _| {})
            .run()
            .await
            .unwrap_err();
        assert!(matches!(error.into_cause(), Cause::Failed(EmitError::Sender(error)) if error.is_panicked()));
    });
}

#[derive(Debug, Deserialize)]
struct Flight {
    origin: String,
    delay: i64,
}

#[derive(Deserialize)]
struct FlightRef<'a> {
    origin: &'a str,
    delay: i64,
}

impl Borrowed for FlightRef<'static> {
    type Of<'a> = FlightRef<'a>;
}

const TABLE: &str = "date,delay,origin\n1,5,LAS\n2,late,DFW\n3,-7,LAS\n4,1\n5,2,DFW\n";

#[test]
fn bad_rows_of_a_file_are_counted_and_told_and_stop_nothing() {
    let file = Scratch::new("bad-rows.csv", TABLE);
    on_both(|| async {
        let told = Arc::new(Mutex::new(Vec::new()));
        let telling = Arc::clone(&told);
        let last = AsyncTask::emits::<Flight>()
            .collect_into::<BTreeMap<String, i64>>()
            .sender(|source| source.of_file(&file.0).csv().into_chunks(1.rows()))
            .receiver(ReceiverStrategy::parallel(2), |flight, collector| {
                collector.add((flight.origin, flight.delay));
            })
            .on_event(move |event| {
                if let StreamingEvent::Error(error) = event {
                    telling.lock().unwrap().push(error.to_string());
                }
            })
            .run()
            .await
            .unwrap();
        assert_eq!(
            (last.stats().taken_in, last.stats().out, last.stats().failed),
            (5, 3, 2)
        );
        assert_eq!(told.lock().unwrap().len(), 2);
        let mut lines: Vec<u64> = last
            .errors()
            .iter()
            .map(|error| match error {
                ItemError::Row(error) => error.line,
                other => panic!("{other:?}"),
            })
            .collect();
        lines.sort_unstable();
        assert_eq!(lines, [3, 5]);
        let expected = BTreeMap::from([("DFW".to_owned(), 2), ("LAS".to_owned(), -2)]);
        assert_eq!(last.into_collected(), expected);
    });
}

#[test]
fn borrowed_rows_and_lines_are_collected_without_being_owned() {
    let file = Scratch::new("borrowed.csv", TABLE);
    on_both(|| async {
        let delays = AsyncTask::emits::<FlightRef<'_>>()
            .collect_into::<BTreeMap<String, i64>>()
            .sender(|source| source.of_file(&file.0).csv_borrowed())
            .receiver(ReceiverStrategy::serial(), |flight, collector| {
                match collector.get_mut(flight.origin) {
                    Some(delay) => *delay += flight.delay,
                    None => collector.add((flight.origin.to_owned(), flight.delay)),
                }
            })
            .await_final_event(LastEvent::into_collected)
            .await
            .unwrap();
        assert_eq!(delays["LAS"], -2);
        let bytes = AsyncTask::emits::<&str>()
            .collect_into::<HashMap<(), usize>>()
            .sender(|source| source.of_file(&file.0).lines())
            .receiver(ReceiverStrategy::serial(), |line, collector| {
                collector.add(((), line.len() + 1));
            })
            .await_final_event(LastEvent::into_collected)
            .await
            .unwrap();
        assert_eq!(bytes[&()], TABLE.len());
    });
}

#[test]
fn sources_that_cannot_be_read_are_typed_errors() {
    let file = Scratch::new("wrong-header.csv", "a,b\n1,2\n");
    on_both(|| async {
        let read = |path: &std::path::Path| {
            let path = path.to_owned();
            AsyncTask::emits::<Flight>()
                .sender(move |source| source.of_file(path).csv())
                .receiver(ReceiverStrategy::serial(), |_, _| {})
                .run()
        };
        let missing = read("no/such/file.csv".as_ref()).await.unwrap_err();
        assert!(
            matches!(
                missing.failure(),
                Some(EmitError::Source(SourceError::Open { .. }))
            ),
            "{missing}"
        );
        let wrong = read(&file.0).await.unwrap_err();
        let Some(EmitError::Source(SourceError::WrongHeader { missing, found, .. })) = wrong.failure() else {
            panic!("{wrong}");
        };
        assert_eq!((*missing, found.len()), ("origin", 2));
    });
}

#[test]
fn cancelled_gracefully_it_works_off_what_is_in_flight_and_says_that_it_is_partial() {
    on_both(|| async {
        let events = Arc::new(Mutex::new(Vec::new()));
        let seeing = Arc::clone(&events);
        let running = AsyncTask::emits::<u64>()
            .collect_into::<u64>()
            .sender(|source| source.of(0..).into_chunks(10.rows()))
            .receiver(ReceiverStrategy::parallel(2), |_, collector| collector.add(()))
            .on_event(move |event| {
                let name = match event {
                    StreamingEvent::Continue(_) => "continue",
                    StreamingEvent::Cancelled(_) => "cancelled",
                    StreamingEvent::Final(_) => "final",
                    _ => "other",
                };
                seeing.lock().unwrap().push(name);
            })
            .run();
        while running.stats().out < 1_000 {
            tokio::task::yield_now().await;
        }
        assert!(!running.is_complete());
        running.cancel(Level::Graceful).unwrap();
        let last = running.await.unwrap();
        assert!(last.is_partial());
        let stats = last.stats();
        assert_eq!(
            (stats.taken_in, stats.dropped, stats.in_flight),
            (stats.out, 0, 0)
        );
        assert_eq!(*last.collected(), stats.out);
        let events = events.lock().unwrap();
        assert_eq!(events.iter().filter(|&&name| name == "final").count(), 1);
        assert_eq!(events.iter().filter(|&&name| name == "cancelled").count(), 1);
        assert_eq!(events.last(), Some(&"final"));
    });
}

#[test]
fn killed_it_drops_what_is_in_flight_and_counts_it() {
    on_both(|| async {
        let running = AsyncTask::emits::<u64>()
            .sender(|source| source.of(0..).into_chunks(10.rows()))
            .receiver(ReceiverStrategy::parallel(2), |_, _| {})
            .run();
        let live = running.live_stats();
        while live.read().out < 1_000 {
            tokio::task::yield_now().await;
        }
        running.cancel(Level::Kill).unwrap();
        assert!(running.await.unwrap_err().is_cancelled());
        let stats = live.read();
        assert!(balanced(stats));
        assert_eq!(stats.in_flight, 0);
        assert_eq!(live.read(), stats);
    });
}

#[test]
fn a_timeout_ends_it() {
    on_both(|| async {
        let error = AsyncTask::emits::<u64>()
            .name("endless")
            .timeout(5.millis())
            .sender(|source| source.of(0..))
            .receiver(ReceiverStrategy::serial(), |_, _| {})
            .run()
            .await
            .unwrap_err();
        assert!(error.is_timed_out());
        assert_eq!(error.name(), "endless");
    });
}

#[test]
fn counts_balance_whenever_they_are_read() {
    let several = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    several.block_on(async {
        let running = AsyncTask::emits::<u64>()
            .edge_capacity(4)
            .sender(|source| source.of(0..200_000).into_chunks(5.rows()))
            .receiver(ReceiverStrategy::parallel(2), |event, _| {
                if event % 3 == 0 { Err(()) } else { Ok(()) }
            })
            .run();
        let live = running.live_stats();
        let watcher = std::thread::spawn(move || {
            let mut before = Stats::default();
            while before.out + before.failed < 200_000 {
                let now = live.read();
                assert!(balanced(now));
                assert!(
                    now.taken_in >= before.taken_in && now.out >= before.out && now.failed >= before.failed
                );
                before = now;
            }
            before
        });
        let last = running.await.unwrap();
        assert_eq!(watcher.join().unwrap(), last.stats());
        assert_eq!((last.stats().out, last.stats().failed), (133_333, 66_667));
    });
}

#[test]
fn a_slow_receiver_holds_the_source_back() {
    on_both(|| async {
        let most = Arc::new(AtomicUsize::new(0));
        let made = Arc::new(AtomicUsize::new(0));
        let (seen, making) = (Arc::clone(&most), Arc::clone(&made));
        let last = AsyncTask::emits::<usize>()
            .collect_into::<u64>()
            .edge_capacity(3)
            .sender(move |source| {
                source
                    .of((0..1_000).inspect(move |_| _ = making.fetch_add(1, Ordering::SeqCst)))
                    .into_chunks(2.rows())
            })
            .receiver(ReceiverStrategy::serial(), move |event, collector| {
                seen.fetch_max(made.load(Ordering::SeqCst) - event, Ordering::SeqCst);
                collector.add(());
            })
            .run()
            .await
            .unwrap();
        assert_eq!(*last.collected(), 1_000);
        // Three chunks on the edge, one at the receiver, one in the sender's hand.
        assert!(most.load(Ordering::SeqCst) <= 10, "{most:?}");
    });
}

#[test]
fn what_overflow_displaces_is_counted_as_dropped() {
    on_both(|| async {
        for overflow in [
            Overflow::Reject,
            Overflow::DropNewest,
            Overflow::DropOldest,
            Overflow::KeepLatest,
        ] {
            let last = AsyncTask::emits::<u32>()
                .collect_into::<Vec<u32>>()
                .edge_capacity(2)
                .overflow(overflow)
                .sender(|source| source.of(0..50_000).into_chunks(10.rows()))
                .receiver(ReceiverStrategy::serial(), |event, collector| {
                    collector.add(event);
                })
                .run()
                .await
                .unwrap();
            let stats = last.stats();
            assert_eq!(stats.taken_in, 50_000, "{overflow:?}");
            assert_eq!(stats.out + stats.dropped, 50_000, "{overflow:?}");
            assert_eq!(last.collected().len() as u64, stats.out);
            assert!(last.collected().is_sorted());
            if matches!(overflow, Overflow::DropOldest | Overflow::KeepLatest) {
                assert_eq!(last.collected().last(), Some(&49_999), "{overflow:?}");
            }
        }
    });
}

#[test]
fn a_pipeline_is_part_of_the_tree_of_its_parent() {
    on_both(|| async {
        let partial = AsyncTask::to::<bool>()
            .run(|cx: Context| async move {
                let running = AsyncTask::emits::<u64>()
                    .parent(&cx)
                    .sender(|source| source.of(0..))
                    .receiver(ReceiverStrategy::serial(), |_, _| {})
                    .run();
                assert_eq!(cx.child_count(), 1);
                while running.stats().out == 0 {
                    tokio::task::yield_now().await;
                }
                cx.cancel(Level::Graceful).unwrap();
                running.await.unwrap().is_partial()
            })
            .await
            .unwrap();
        assert!(partial);
    });
}

#[test]
fn stamps_order_chunks_receivers_and_whole_pipelines() {
    on_both(|| async {
        let nodes = Arc::new(AtomicVectorClock::<3>::new());
        let run = |workers| {
            let remote = VectorClock::from_counts([0, 0, 7]);
            AsyncTask::emits::<u32>()
                .collect_into::<Vec<u32>>()
                .with_vector_clock(1, &nodes)
                .sender(|source| source.of(0..40).into_chunks(10.rows()))
                .receiver(ReceiverStrategy::parallel(workers), move |event, collector| {
                    let count = collector.stamp().counts()[1];
                    collector.add(count);
                    if event == 5 {
                        collector.observe(&remote);
                    }
                })
                .run()
        };
        let first = run(1).await.unwrap();
        // Four chunks of ten, each an event of node 1, then the final event.
        let expected: Vec<u32> = (0..40).map(|event| event / 10 + 1).collect();
        assert_eq!(first.collected(), &expected);
        assert_eq!(first.stamp().counts(), &[0, 5, 7]);
        let second = run(3).await.unwrap();
        assert_eq!(second.stamp().counts(), &[0, 10, 7]);
        assert_eq!(first.stamp().compare(second.stamp()), Causality::Before);
        assert_eq!(nodes.snapshot(), *second.stamp());
    });
}

#[test]
fn a_clock_that_does_not_know_the_node_is_an_error() {
    on_both(|| async {
        let error = AsyncTask::emits::<u32>()
            .with_vector_clock(3, &Arc::new(AtomicVectorClock::<3>::new()))
            .sender(|source| source.of(0..40))
            .receiver(ReceiverStrategy::serial(), |_, _| {})
            .run()
            .await
            .unwrap_err();
        assert!(matches!(
            error.failure(),
            Some(EmitError::Clock(TickError::UnknownNode { nodes: 3 }))
        ));
    });
}

#[test]
fn cancelled_gracefully_at_any_moment_it_ends_with_a_final_event_or_never_begins() {
    let file = Scratch::new("any-moment.csv", TABLE);
    on_both(|| async {
        for pauses in 0..60 {
            let running = AsyncTask::emits::<Flight>()
                .collect_into::<u64>()
                .grace(60.seconds())
                .sender(|source| source.of_file(&file.0).csv().into_chunks(1.rows()))
                .receiver(ReceiverStrategy::parallel(2), |_, collector| collector.add(()))
                .run();
            let live = running.live_stats();
            for _ in 0..pauses {
                tokio::task::yield_now().await;
            }
            let _ = running.cancel(Level::Graceful);
            match running.await {
                Ok(last) => {
                    let stats = last.stats();
                    assert!(last.is_partial() || stats.taken_in == 5);
                    assert_eq!((stats.in_flight, *last.collected()), (0, stats.out));
                }
                Err(error) => assert!(error.is_cancelled() && live.read() == Stats::default(), "{error}"),
            }
        }
    });
}

/// Random pipelines, cancelled at random moments, or not at all: one final event at most, after all others, and with it
/// just what the counts say; whoever looks at the counts finds them balanced, under every overflow policy.
#[test]
fn any_pipeline_cancelled_at_any_moment_ends_with_one_final_event_after_all_data() {
    let seed = Seed::from_env("SWEET_EMIT_SEED");
    let numbers = Mutex::new(Numbers::new(seed.0));
    let ends = Mutex::new(BTreeMap::<&str, u32>::new());
    on_both(|| async {
        for _ in 0..150 {
            let mut draw = numbers.lock().unwrap().clone();
            let end = one_pipeline(&mut draw).await;
            *ends.lock().unwrap().entry(end).or_default() += 1;
            *numbers.lock().unwrap() = draw;
        }
    });
    let ends = ends.into_inner().unwrap();
    assert_eq!(ends.len(), 3, "{ends:?}");
}

/// What an observer and a receiver saw.
#[derive(Default)]
struct Seen {
    items: u64,
    failed: u64,
    finals: Vec<Stats>,
    after_final: u32,
    unbalanced: u32,
}

async fn one_pipeline(draw: &mut Numbers) -> &'static str {
    let overflows = [
        Overflow::Block,
        Overflow::Reject,
        Overflow::DropNewest,
        Overflow::DropOldest,
        Overflow::KeepLatest,
    ];
    let overflow = *overflows.get(usize::try_from(draw.below(5)).unwrap()).unwrap();
    let items = draw.below(30_000);
    let chunk = u32::try_from(1 + draw.below(40)).unwrap();
    let bad = 2 + draw.below(10);
    let seen = Arc::new(Mutex::new(Seen::default()));
    let (at_work, observing) = (Arc::clone(&seen), Arc::clone(&seen));
    let running = AsyncTask::emits::<u64>()
        .collect_into::<u64>()
        .edge_capacity(usize::try_from(1 + draw.below(4)).unwrap())
        .overflow(overflow)
        .grace(60.seconds())
        .sender(move |source| source.of(0..items).into_chunks(chunk.rows()))
        .receiver(
            ReceiverStrategy::parallel(usize::try_from(1 + draw.below(3)).unwrap()),
            move |item, count| {
                let mut seen = at_work.lock().unwrap();
                seen.after_final += u32::from(!seen.finals.is_empty());
                seen.items += 1;
                if item % bad == 0 {
                    return Err(item);
                }
                count.add(());
                Ok(())
            },
        )
        .on_event(move |event| {
            let mut seen = observing.lock().unwrap();
            seen.after_final += u32::from(!seen.finals.is_empty());
            let stats = match event {
                StreamingEvent::Error(_) => {
                    seen.failed += 1;
                    return;
                }
                StreamingEvent::Final(stats) => {
                    seen.finals.push(*stats);
                    *stats
                }
                StreamingEvent::Continue(stats) | StreamingEvent::Cancelled(stats) => *stats,
                _ => return,
            };
            seen.unbalanced += u32::from(!balanced(stats));
        })
        .run();
    let live = running.live_stats();
    let level = match draw.below(4) {
        0 => Some(Level::Graceful),
        1 => Some(Level::Kill),
        2 => Some(Level::KillHard),
        _ => None,
    };
    let longest = 1 << draw.below(6);
    for _ in 0..draw.below(longest) {
        tokio::task::yield_now().await;
        assert!(balanced(live.read()), "{overflow:?}");
    }
    if let Some(level) = level {
        // Refused if the pipeline has ended: then it has a final event.
        let _ = running.cancel(level);
    }
    let ended = running.await;
    let seen = seen.lock().unwrap();
    assert_eq!(
        (seen.after_final, seen.unbalanced),
        (0, 0),
        "{overflow:?} {level:?}"
    );
    match ended {
        Ok(last) => {
            let stats = last.stats();
            assert_eq!(seen.finals, [stats], "{overflow:?} {level:?}");
            assert_eq!(
                (stats.out, stats.failed, stats.out + stats.failed),
                (*last.collected(), seen.failed, seen.items)
            );
            assert!(balanced(stats) && stats.in_flight == 0);
            assert!(last.is_partial() || stats.taken_in == items);
            if last.is_partial() { "partial" } else { "whole" }
        }
        Err(error) => {
            assert!(error.is_cancelled() && level.is_some(), "{error}");
            assert!(seen.finals.len() <= 1 && balanced(live.read()));
            // Told to stop gracefully, only one that never began has no final event.
            assert!(level != Some(Level::Graceful) || live.read() == Stats::default());
            "cancelled"
        }
    }
}

/// The same pipeline with and without a breaker: without one, each item reaches the closure.
#[test]
fn a_breaker_keeps_items_from_a_receiver_that_fails() {
    on_both(|| async {
        for guarded in [false, true] {
            let breaker = CircuitBreaker::builder().consecutive_failures(5).build().unwrap();
            let called = Arc::new(AtomicUsize::new(0));
            let pipeline = AsyncTask::emits::<u32>();
            let pipeline = if guarded {
                pipeline.with_circuit_breaker(&breaker)
            } else {
                pipeline
            };
            let last = pipeline
                .collect_into::<Vec<u32>>()
                .sender(|source| source.of(0..1_000).into_chunks(10.rows()))
                .receiver(ReceiverStrategy::serial(), {
                    let called = Arc::clone(&called);
                    move |item, collector| {
                        called.fetch_add(1, Ordering::Relaxed);
                        if item >= 100 {
                            return Err("down");
                        }
                        collector.add(item);
                        Ok(())
                    }
                })
                .run()
                .await
                .unwrap();
            let stats = last.stats();
            assert!(balanced(stats), "{stats:?}");
            let expected = if guarded { (100, 5, 895) } else { (100, 900, 0) };
            assert_eq!((stats.out, stats.failed, stats.dropped), expected);
            assert_eq!(called.load(Ordering::Relaxed) as u64, stats.out + stats.failed);
        }
    });
}

/// Says that it is read from, and yields nothing before it is let go.
struct Waiting {
    read: Option<tokio::sync::oneshot::Sender<()>>,
    let_go: std::sync::mpsc::Receiver<()>,
}

impl std::io::Read for Waiting {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        if let Some(read) = self.read.take() {
            read.send(()).unwrap();
        }
        // Let go by the other end's drop.
        let _ = self.let_go.recv();
        Ok(0)
    }
}

#[test]
fn cancelled_while_it_waits_for_a_header_it_ends_at_once_and_leaves_the_reader_behind() {
    on_both(|| async {
        let (read, is_read) = tokio::sync::oneshot::channel();
        let (hold, let_go) = std::sync::mpsc::channel();
        let reader = Waiting {
            read: Some(read),
            let_go,
        };
        let running = AsyncTask::emits::<Flight>()
            .collect_into::<u64>()
            .sender(|source| source.of_reader("nothing yet", reader).csv())
            .receiver(ReceiverStrategy::serial(), |_, collector| collector.add(()))
            .run();
        is_read.await.unwrap();
        running.cancel(Level::Graceful).unwrap();
        // The reader still waits when the pipeline ends.
        let last = running.await.unwrap();
        assert!(last.is_partial());
        assert_eq!(last.stats(), Stats::default());
        drop(hold);
    });
}
