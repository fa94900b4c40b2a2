//! What tasks cost: measured where it was asked for, and told apart from zero where it was not.

use core::convert::Infallible;
use core::future::Future;
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::Arc;

use futures_io::{AsyncRead, AsyncWrite};

use super::Difference;
use super::stage::{Scratch, Stage, sign, yield_now};
use crate::metrics::{CpuUsage, TaskMetrics};
use crate::prelude::*;
use crate::task::{MetricsEnabledTask, TimedTask};
use crate::{Context, Runtime};

/// Counts how often it is polled.
async fn counted<F: Future>(future: F, polls: Arc<AtomicU64>) -> F::Output {
    let mut future = pin!(future);
    core::future::poll_fn(|cx| {
        polls.fetch_add(1, Ordering::Relaxed);
        future.as_mut().poll(cx)
    })
    .await
}

/// The time from the first poll to the end, in its three parts.
fn parts<A: MetricsEnabledTask>(task: &A) -> Option<Duration> {
    let TaskMetrics {
        busy, idle, delayed, ..
    } = task.metrics();
    Some(busy.value()? + idle.value()? + delayed.value()?)
}

pub(super) async fn a_task_that_is_not_metered_says_so<R: Runtime>(h: Stage<R>) {
    let task = h.to::<(), Infallible>().run(|| async {});
    let seen = task.task_ref();
    task.await.unwrap();
    let metrics = seen.metrics();
    let known = TaskMetrics {
        queued: Some(seen.started_at().unwrap().since(seen.created_at())),
        attempts: 1,
        ..TaskMetrics::default()
    };
    assert_eq!(metrics, known);
    assert_eq!(metrics.polls, Measured::NotInstrumented);
    assert_eq!(metrics.mean_poll(), Measured::NotInstrumented);
}

/// Nobody has installed a source here.
pub(super) async fn memory_is_no_figure_where_no_allocator_says_so<R: Runtime>(h: Stage<R>) {
    for metrics in [Metrics::time(), Metrics::time().memory()] {
        let tasks = [
            h.to::<Vec<u8>, Infallible>()
                .metrics(metrics)
                .run(|| async { vec![1; 10_000] }),
            h.to::<Vec<u8>, Infallible>()
                .metrics(metrics)
                .run_blocking(|| vec![1; 10_000]),
        ];
        for task in tasks {
            let seen = task.task_ref();
            assert_eq!(task.await.unwrap().len(), 10_000);
            let metrics = seen.metrics();
            assert_eq!(metrics.memory, Measured::NotInstrumented);
            assert!(metrics.polls.is_measured() && !metrics.to_string().contains("allocated"));
        }
    }
}

pub(super) async fn polls_are_those_that_the_work_saw<R: Runtime>(h: Stage<R>) {
    let polls = Arc::new(AtomicU64::new(0));
    let (go, gone) = sign();
    let work = {
        let h = h.clone();
        async move {
            for _ in 0..7 {
                yield_now().await;
            }
            gone.given().await;
            h.pass(1).await;
        }
    };
    let work = counted(work, Arc::clone(&polls));
    let task = h.to::<(), Infallible>().metered().run(move || work);
    let seen = task.task_ref();
    assert_eq!(seen.metrics().attempts, u16::from(seen.started_at().is_some()));
    go.give();
    task.await.unwrap();
    let polls = polls.load(Ordering::Relaxed);
    assert!(polls >= 9, "{polls} polls");
    assert_eq!(seen.metrics().polls, Measured::Value(polls));
}

pub(super) async fn busy_idle_and_delayed_time_add_up<R: Runtime>(h: Stage<R>) {
    let at_work = h.clone();
    let task = h
        .to::<(), Infallible>()
        .metered()
        .run(move |cx: Context<R>| async move {
            at_work.pass(3).await;
            yield_now().await;
            // Inside, what was measured reaches up to the poll before.
            assert!(cx.metrics().polls.value().is_some_and(|polls| polls >= 2));
            at_work.pass(2).await;
        });
    let seen = task.task_ref();
    task.await.unwrap();
    let metrics = seen.metrics();
    assert_eq!(parts(&seen), TimedTask::ran_for(&seen));
    let idle = metrics.idle.value().unwrap();
    if h.differs(Difference::RealTime) {
        // A timer may have passed before it was first looked at.
        assert!(idle <= TimedTask::ran_for(&seen).unwrap());
    } else {
        assert_eq!(idle, h.units(5));
        assert_eq!(metrics.busy, Measured::Value(Duration::ZERO));
        assert_eq!(metrics.longest_delay, Measured::Value(Duration::ZERO));
    }
    assert!(metrics.longest_poll.value() <= metrics.busy.value());
    assert!(metrics.longest_delay.value() <= metrics.delayed.value());
    assert!(metrics.mean_poll().value() <= metrics.longest_poll.value());
}

pub(super) async fn children_are_measured_if_the_parent_asked<R: Runtime>(h: Stage<R>) {
    for (metrics, measured) in [
        (Metrics::time(), [false, false, true]),
        (Metrics::time().and_children(), [true, true, true]),
    ] {
        let seen = h
            .to::<[bool; 3], Infallible>()
            .metrics(metrics)
            .run(|cx: Context<R>| async move {
                let child = cx.child::<bool, Infallible>().run(|cx: Context<R>| async move {
                    let grandchild = cx.child::<(), Infallible>().run(|| async {});
                    let seen = grandchild.task_ref();
                    grandchild.await.unwrap();
                    seen.metrics().polls.is_measured()
                });
                let one = child.task_ref();
                let grandchild = child.await.unwrap();
                let own = cx.child::<(), Infallible>().metered().run(|| async {});
                let asked = own.task_ref();
                own.await.unwrap();
                [
                    one.metrics().polls.is_measured(),
                    grandchild,
                    asked.metrics().polls.is_measured(),
                ]
            })
            .await
            .unwrap();
        assert_eq!(seen, measured);
    }
}

pub(super) async fn attempts_and_the_waits_between_them_are_measured<R: Runtime>(h: Stage<R>) {
    let task = h
        .to::<u16, &str>()
        .metered()
        .retry(Retry::fixed(h.units(2)).attempts(3))
        .run(|cx: Context<R>| async move {
            if cx.attempt() < 3 {
                Err("again")
            } else {
                Ok(cx.attempt())
            }
        });
    let seen = task.task_ref();
    assert_eq!(task.await.unwrap(), 3);
    let metrics = seen.metrics();
    assert_eq!(metrics.attempts, 3);
    assert_eq!(parts(&seen), TimedTask::ran_for(&seen));
    if !h.differs(Difference::RealTime) {
        assert_eq!(
            (metrics.idle, metrics.polls),
            (Measured::Value(h.units(4)), Measured::Value(3))
        );
    }
}

pub(super) async fn a_task_that_never_ran_was_polled_never<R: Runtime>(h: Stage<R>) {
    let task = h
        .to::<(), Infallible>()
        .metered()
        .timeout(Duration::ZERO)
        .run(|| async {});
    let seen = task.task_ref();
    assert!(task.await.is_err());
    let metrics = seen.metrics();
    assert_eq!((metrics.queued, metrics.attempts), (None, 0));
    // Metered, so these are true zeros.
    assert_eq!(metrics.polls, Measured::Value(0));
    assert_eq!(metrics.busy, Measured::Value(Duration::ZERO));
}

pub(super) async fn the_time_of_a_blocking_closure_is_told_apart<R: Runtime>(h: Stage<R>) {
    let at_work = h.clone();
    let task = h
        .to::<Duration, Infallible>()
        .metered()
        .run_blocking(move |cx: Context<R>| {
            let begun = cx.runtime().now();
            let stop = begun + at_work.units(1);
            while at_work.differs(Difference::RealTime) && cx.runtime().now() < stop {
                let _ = cx.checkpoint();
            }
            cx.runtime().now().since(begun)
        });
    let seen = task.task_ref();
    let took = task.await.unwrap();
    let in_closure = seen.metrics().in_closure.value().unwrap();
    assert!(in_closure >= took, "{in_closure:?} is less than {took:?}");
    assert!(took >= h.units(u32::from(h.differs(Difference::RealTime))));
    assert_eq!(parts(&seen), TimedTask::ran_for(&seen));
}

/// Wakers of many threads meet polls: none is lost, although each goes through the meter.
pub(super) async fn a_metered_task_misses_no_wake_up<R: Runtime>(h: Stage<R>) {
    let (give, take) = async_channel::bounded::<u64>(1);
    let senders: Vec<_> = (0..4)
        .map(|_| {
            let give = give.clone();
            h.to::<(), Infallible>().metered().run(move || async move {
                for number in 0..250 {
                    give.send(number).await.unwrap();
                }
            })
        })
        .collect();
    drop(give);
    let receiver = h.to::<u64, Infallible>().metered().run(move || async move {
        let mut sum = 0;
        while let Ok(number) = take.recv().await {
            sum += number;
        }
        sum
    });
    let seen = receiver.task_ref();
    assert_eq!(receiver.await.unwrap(), 4 * (0..250).sum::<u64>());
    for sender in senders {
        sender.await.unwrap();
    }
    assert!(seen.metrics().polls.value().is_some_and(|polls| polls >= 1));
    assert_eq!(parts(&seen), TimedTask::ran_for(&seen));
}

/// Keeps the processor busy until its thread's own clock says so.
fn burn(time: Duration) {
    let used = || CpuUsage::of_this_thread().value().map(|usage| usage.total);
    let end = used().map(|used| used + time);
    let mut number = 1_u64;
    while used() < end {
        for _ in 0..1_000 {
            number = core::hint::black_box(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        }
    }
}

/// Compares times of the processor with each other and with no clock: how long they took is nobody's promise.
pub(super) async fn the_processors_time_goes_to_whoever_used_it<R: Runtime>(h: Stage<R>) {
    if !cfg!(target_os = "linux") {
        let task = h
            .to::<(), Infallible>()
            .metrics(Metrics::time().cpu())
            .run(|| async {});
        let seen = task.task_ref();
        task.await.unwrap();
        assert_eq!(seen.metrics().cpu, Measured::NotInstrumented);
        return;
    }
    let metrics = Metrics::time().cpu_user_and_system();
    let at_work = h.clone();
    let idle = h.to::<(), Infallible>().metrics(metrics).run(move || async move {
        for _ in 0..3 {
            at_work.pass(1).await;
        }
    });
    let busy = h.to::<(), Infallible>().metrics(metrics).run(|| async {
        for _ in 0..3 {
            burn(Duration::from_millis(10));
            yield_now().await;
        }
    });
    let blocking = h
        .to::<(), Infallible>()
        .metrics(metrics)
        .run_blocking(|| burn(Duration::from_millis(30)));
    let plain = h
        .to::<(), Infallible>()
        .metered()
        .run(|| async { burn(Duration::from_millis(1)) });
    let seen = [
        idle.task_ref(),
        busy.task_ref(),
        blocking.task_ref(),
        plain.task_ref(),
    ];
    for task in [idle, busy, blocking, plain] {
        task.await.unwrap();
    }
    let [idle, busy, blocking, plain] = seen.map(|task| task.metrics());
    assert_eq!(
        (plain.cpu, plain.utilisation()),
        (Measured::NotInstrumented, Measured::NotInstrumented)
    );
    let [idle, busy, blocking] = [idle, busy, blocking].map(|metrics| metrics.cpu.value().unwrap());
    for worked in [busy, blocking] {
        assert!(worked.total >= Duration::from_millis(30), "{worked:?}");
        assert!(idle.total * 3 < worked.total, "{idle:?} and {worked:?}");
        // Told apart by the microsecond, and each reading cuts off what is less.
        let split = worked.user.value().unwrap() + worked.system.value().unwrap();
        assert!(
            worked.total.abs_diff(split) < Duration::from_millis(1),
            "{worked:?}"
        );
    }
}

/// Copies as `std::io::copy` does, through the traits that name no executor.
async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> std::io::Result<()> {
    let mut buffer = [0; 1_000];
    loop {
        let read = core::future::poll_fn(|cx| Pin::new(&mut from).poll_read(cx, &mut buffer)).await?;
        let mut left = &buffer[..read];
        if left.is_empty() {
            return core::future::poll_fn(|cx| Pin::new(&mut to).poll_close(cx)).await;
        }
        while !left.is_empty() {
            let written = core::future::poll_fn(|cx| Pin::new(&mut to).poll_write(cx, left)).await?;
            left = &left[written..];
        }
    }
}

pub(super) async fn bytes_are_counted_for_the_task_that_moved_them<R: Runtime>(h: Stage<R>) {
    let text = "0123456789".repeat(1_234);
    let file = Arc::new(Scratch::new("io", &text));
    let bytes = text.len() as u64;
    let copied = |name: &'static str, metered: bool| {
        let (text, file) = (text.clone(), Arc::clone(&file));
        let task = h.to::<(), Infallible>().name(name);
        let task = if metered { task.metered() } else { task };
        task.run(move |cx: Context<R>| async move {
            let before = cx.metrics().io;
            assert_eq!(before, Measured::NotInstrumented);
            let (from, mut to) = (cx.metered_io(text.as_bytes()), cx.metered_io(Vec::new()));
            copy(from, &mut to).await.unwrap();
            assert_eq!(to.into_inner(), text.as_bytes());
            // The same once more from a file, where it may block.
            let mut from = cx.metered_io(std::fs::File::open(file.path()).unwrap());
            assert_eq!(
                std::io::copy(&mut from, &mut std::io::sink()).unwrap(),
                text.len() as u64
            );
            let mut closed = cx.metered_io(std::fs::File::open(file.path()).unwrap());
            assert!(std::io::Write::write(&mut closed, b"refused").is_err());
        })
    };
    let (one, other, plain) = (copied("one", true), copied("other", true), copied("plain", false));
    let seen = [one.task_ref(), other.task_ref(), plain.task_ref()];
    for task in [one, other, plain] {
        task.await.unwrap();
    }
    let [one, other, plain] = seen.map(|task| task.metrics().io);
    assert_eq!(plain, Measured::NotInstrumented);
    for usage in [one, other] {
        let usage = usage.value().unwrap();
        assert_eq!((usage.read.bytes, usage.written.bytes), (2 * bytes, bytes));
        // 13 pieces of at most 1,000 bytes each way, and the end; the file in at least one piece, and its end.
        assert_eq!((usage.written.calls, usage.written.failed), (13, 1));
        assert!(usage.read.calls >= 14 + 2 && usage.read.failed == 0, "{usage:?}");
    }
}
