//! Pipelines of events.

use core::convert::Infallible;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use serde::Deserialize;

use super::Difference;
use super::stage::{Awaited, Numbers, Scratch, Seed, Sign, Stage, sign, until, yield_now};
use crate::emit::{
    AtomicVectorClock, Causality, EmitError, ItemError, SourceError, Stats, TickError, VectorClock,
};
use crate::prelude::*;
use crate::{Context, Runtime};

fn balanced(stats: Stats) -> bool {
    stats.taken_in == stats.out + stats.dropped + stats.failed + stats.in_flight
}

pub(super) async fn serial_keeps_the_order_and_works_on_one_at_a_time<R: Runtime>(h: Stage<R>) {
    let busy = Arc::new(AtomicUsize::new(0));
    let collected = h
        .emits::<u32, _>()
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
}

pub(super) async fn parallel_workers_see_each_item_once_and_each_its_own_in_order<R: Runtime>(h: Stage<R>) {
    let busy = Arc::new(AtomicUsize::new(0));
    let last = h
        .emits::<u32, _>()
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
}

pub(super) async fn sums_do_not_depend_on_the_number_of_workers<R: Runtime>(h: Stage<R>) {
    let mut expected: HashMap<u32, u64> = HashMap::new();
    for number in 0..5_000_u32 {
        *expected.entry(number % 13).or_default() += u64::from(number);
    }
    for workers in 1..5 {
        let collected = h
            .emits::<u32, _>()
            .collect_into::<HashMap<u32, u64>>()
            .sender(|source| source.of(0..5_000).into_chunks(3.rows()))
            .receiver(ReceiverStrategy::parallel(workers), |event, collector| {
                collector.add((event % 13, u64::from(event)));
            })
            .await_final_event(LastEvent::into_collected)
            .await
            .unwrap();
        assert_eq!(collected, expected);
        let largest = h
            .emits::<u32, _>()
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
}

pub(super) async fn failed_items_are_counted_the_first_are_kept_and_nothing_stops<R: Runtime>(h: Stage<R>) {
    let last = h
        .emits::<u32, _>()
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
}

pub(super) async fn a_strict_pipeline_stops_at_the_first_failure_and_drops_the_rest<R: Runtime>(h: Stage<R>) {
    let running = h
        .emits::<u32, _>()
        .stop_on_error()
        .sender(|source| source.of(0..).into_chunks(10.rows()))
        .receiver(ReceiverStrategy::parallel(2), |event, _| {
            if event == 55 { Err("enough") } else { Ok(()) }
        })
        .run();
    let live = running.live_stats();
    let Cause::Failed(EmitError::Item(ItemError::Receiver(error))) = running.await.unwrap_err().into_cause()
    else {
        panic!("another cause");
    };
    assert_eq!(error, "enough");
    let stats = live.read();
    assert!(balanced(stats));
    assert_eq!((stats.failed, stats.in_flight), (1, 0));
}

pub(super) async fn a_panic_in_a_receiver_is_an_error_and_the_counts_balance<R: Runtime>(h: Stage<R>) {
    for workers in [1, 3] {
        let running = h
            .emits::<u32, _>()
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
}

pub(super) async fn a_panic_in_the_source_is_an_error<R: Runtime>(h: Stage<R>) {
    let error = h
        .emits::<u32, _>()
        .sender(|source| source.of((0..).inspect(|number| assert_ne!(*number, 55, "boom"))))
        .receiver(ReceiverStrategy::parallel(2), |_, _| {})
        .run()
        .await
        .unwrap_err();
    assert!(matches!(error.into_cause(), Cause::Failed(EmitError::Sender(error)) if error.is_panicked()));
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

pub(super) async fn bad_rows_of_a_file_are_counted_and_told_and_stop_nothing<R: Runtime>(h: Stage<R>) {
    let file = Scratch::new("bad-rows.csv", TABLE);
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = Arc::clone(&told);
    let last = h
        .emits::<Flight, _>()
        .collect_into::<BTreeMap<String, i64>>()
        .sender(|source| source.of_file(file.path()).csv().into_chunks(1.rows()))
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
}

pub(super) async fn borrowed_rows_and_lines_are_collected_without_being_owned<R: Runtime>(h: Stage<R>) {
    let file = Scratch::new("borrowed.csv", TABLE);
    let delays = h
        .emits::<FlightRef<'_>, _>()
        .collect_into::<BTreeMap<String, i64>>()
        .sender(|source| source.of_file(file.path()).csv_borrowed())
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
    let bytes = h
        .emits::<&str, _>()
        .collect_into::<HashMap<(), usize>>()
        .sender(|source| source.of_file(file.path()).lines())
        .receiver(ReceiverStrategy::serial(), |line, collector| {
            collector.add(((), line.len() + 1));
        })
        .await_final_event(LastEvent::into_collected)
        .await
        .unwrap();
    assert_eq!(bytes[&()], TABLE.len());
}

pub(super) async fn sources_that_cannot_be_read_are_typed_errors<R: Runtime>(h: Stage<R>) {
    let file = Scratch::new("wrong-header.csv", "a,b\n1,2\n");
    let read = |path: &Path| {
        let path = path.to_owned();
        h.emits::<Flight, _>()
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
    let wrong = read(file.path()).await.unwrap_err();
    let Some(EmitError::Source(SourceError::WrongHeader { missing, found, .. })) = wrong.failure() else {
        panic!("{wrong}");
    };
    assert_eq!((&**missing, found.len()), ("origin", 2));
}

pub(super) async fn cancelled_gracefully_it_works_off_what_is_in_flight_and_says_that_it_is_partial<
    R: Runtime,
>(
    h: Stage<R>,
) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let seeing = Arc::clone(&events);
    let running = h
        .emits::<u64, _>()
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
        yield_now().await;
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
}

pub(super) async fn killed_it_drops_what_is_in_flight_and_counts_it<R: Runtime>(h: Stage<R>) {
    let running = h
        .emits::<u64, _>()
        .sender(|source| source.of(0..).into_chunks(10.rows()))
        .receiver(ReceiverStrategy::parallel(2), |_, _| {})
        .run();
    let live = running.live_stats();
    while live.read().out < 1_000 {
        yield_now().await;
    }
    running.cancel(Level::Kill).unwrap();
    assert!(running.await.unwrap_err().is_cancelled());
    let stats = live.read();
    assert!(balanced(stats));
    assert_eq!(stats.in_flight, 0);
    assert_eq!(live.read(), stats);
}

pub(super) async fn a_timeout_ends_it<R: Runtime>(h: Stage<R>) {
    if !h.differs(Difference::RealTime) {
        // Virtual time does not pass while somebody is busy, and this one always is.
        return;
    }
    let error = h
        .emits::<u64, _>()
        .name("endless")
        .timeout(5.millis())
        .sender(|source| source.of(0..))
        .receiver(ReceiverStrategy::serial(), |_, _| {})
        .run()
        .await
        .unwrap_err();
    assert!(error.is_timed_out());
    assert_eq!(error.name(), "endless");
}

pub(super) async fn counts_balance_whenever_they_are_read<R: Runtime>(h: Stage<R>) {
    let running = h
        .emits::<u64, _>()
        .edge_capacity(4)
        .sender(|source| source.of(0..200_000).into_chunks(5.rows()))
        .receiver(ReceiverStrategy::parallel(2), |event, _| {
            if event % 3 == 0 { Err(()) } else { Ok(()) }
        })
        .run();
    let live = running.live_stats();
    let watcher = thread::spawn(move || {
        let mut before = Stats::default();
        while before.out + before.failed < 200_000 {
            let now = live.read();
            assert!(balanced(now));
            assert!(now.taken_in >= before.taken_in && now.out >= before.out && now.failed >= before.failed);
            before = now;
        }
        before
    });
    let last = running.await.unwrap();
    assert_eq!(watcher.join().unwrap(), last.stats());
    assert_eq!((last.stats().out, last.stats().failed), (133_333, 66_667));
}

pub(super) async fn a_slow_receiver_holds_the_source_back<R: Runtime>(h: Stage<R>) {
    let most = Arc::new(AtomicUsize::new(0));
    let made = Arc::new(AtomicUsize::new(0));
    let (seen, making) = (Arc::clone(&most), Arc::clone(&made));
    let last = h
        .emits::<usize, _>()
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
}

pub(super) async fn what_overflow_displaces_is_counted_as_dropped<R: Runtime>(h: Stage<R>) {
    for overflow in [
        Overflow::Reject,
        Overflow::DropNewest,
        Overflow::DropOldest,
        Overflow::KeepLatest,
    ] {
        let last = h
            .emits::<u32, _>()
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
}

pub(super) async fn a_pipeline_is_part_of_the_tree_of_its_parent<R: Runtime>(h: Stage<R>) {
    let at_work = h.clone();
    let partial = h
        .to::<bool, Infallible>()
        .run(move |cx: Context<R>| async move {
            let h = at_work;
            let running = h
                .emits::<u64, _>()
                .parent(&cx)
                .sender(|source| source.of(0..))
                .receiver(ReceiverStrategy::serial(), |_, _| {})
                .run();
            assert_eq!(cx.child_count(), 1);
            while running.stats().out == 0 {
                yield_now().await;
            }
            cx.cancel(Level::Graceful).unwrap();
            running.await.unwrap().is_partial()
        })
        .await
        .unwrap();
    assert!(partial);
}

pub(super) async fn stamps_order_chunks_receivers_and_whole_pipelines<R: Runtime>(h: Stage<R>) {
    let nodes = Arc::new(AtomicVectorClock::<3>::new());
    let run = |workers| {
        let remote = VectorClock::from_counts([0, 0, 7]);
        h.emits::<u32, _>()
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
}

pub(super) async fn a_clock_that_does_not_know_the_node_is_an_error<R: Runtime>(h: Stage<R>) {
    let error = h
        .emits::<u32, _>()
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
}

pub(super) async fn cancelled_gracefully_at_any_moment_it_ends_with_a_final_event_or_never_begins<
    R: Runtime,
>(
    h: Stage<R>,
) {
    let file = Scratch::new("any-moment.csv", TABLE);
    for pauses in 0..60 {
        let running = h
            .emits::<Flight, _>()
            .collect_into::<u64>()
            .grace(1_000.seconds())
            .sender(|source| source.of_file(file.path()).csv().into_chunks(1.rows()))
            .receiver(ReceiverStrategy::parallel(2), |_, collector| collector.add(()))
            .run();
        let live = running.live_stats();
        for _ in 0..pauses {
            yield_now().await;
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
}

/// Random pipelines, cancelled at random moments, or not at all: one final event at most, after all others, and with it
/// just what the counts say; whoever looks at the counts finds them balanced, under every overflow policy.
pub(super) async fn any_pipeline_cancelled_at_any_moment_ends_with_one_final_event_after_all_data<
    R: Runtime,
>(
    h: Stage<R>,
) {
    let seed = Seed::from_env("SWEET_EMIT_SEED");
    let mut numbers = Numbers::new(seed.0);
    let mut ends = BTreeMap::<&str, u32>::new();
    for _ in 0..200 {
        let end = one_pipeline(&h, &mut numbers).await;
        *ends.entry(end).or_default() += 1;
    }
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

async fn one_pipeline<R: Runtime>(h: &Stage<R>, draw: &mut Numbers) -> &'static str {
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
    let running = h
        .emits::<u64, _>()
        .collect_into::<u64>()
        .edge_capacity(usize::try_from(1 + draw.below(4)).unwrap())
        .overflow(overflow)
        .grace(1_000.seconds())
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
    // Before the first item, or at whichever.
    let moment = draw.below(3).min(1) * draw.below(items + 1);
    until(|| {
        let now = live.read();
        assert!(balanced(now), "{overflow:?}");
        now.taken_in >= moment || running.is_complete()
    })
    .await;
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
pub(super) async fn a_breaker_keeps_items_from_a_receiver_that_fails<R: Runtime>(h: Stage<R>) {
    for guarded in [false, true] {
        let breaker = CircuitBreaker::builder().consecutive_failures(5).build().unwrap();
        let called = Arc::new(AtomicUsize::new(0));
        let pipeline = h.emits::<u32, _>();
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
}

/// Says that it is read from, and yields nothing before it is let go.
struct Waiting<R> {
    read: Sign,
    let_go: Awaited,
    at_work: R,
}

impl<R: Runtime> Read for Waiting<R> {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.read.give();
        // Let go by the other end's drop.
        self.let_go.given_in_turn(&self.at_work);
        Ok(0)
    }
}

pub(super) async fn cancelled_while_it_waits_for_a_header_it_ends_at_once_and_leaves_the_reader_behind<
    R: Runtime,
>(
    h: Stage<R>,
) {
    let (read, is_read) = sign();
    let (hold, let_go) = sign();
    let reader = Waiting {
        read,
        let_go,
        at_work: h.runtime(),
    };
    let running = h
        .emits::<Flight, _>()
        .collect_into::<u64>()
        .sender(|source| source.of_reader("nothing yet", reader).csv())
        .receiver(ReceiverStrategy::serial(), |_, collector| collector.add(()))
        .run();
    is_read.given().await;
    running.cancel(Level::Graceful).unwrap();
    // The reader still waits when the pipeline ends.
    let last = running.await.unwrap();
    assert!(last.is_partial());
    assert_eq!(last.stats(), Stats::default());
    drop(hold);
}
