//! Tasks as spans, and what happens to them as events, as a subscriber sees them.

use core::convert::Infallible;
use core::fmt;
use core::future::pending;
use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread::ThreadId;

use ::tracing::dispatcher::{Dispatch, with_default};
use ::tracing::field::{Field, Visit};
use ::tracing::span::{Attributes, Id, Record};
use ::tracing::{Event, Level as Severity, Metadata, Subscriber};

use super::stage::{Stage, quiet_about_planned_panics, until, yield_now};
use crate::prelude::*;
use crate::task::TracingTask;
use crate::{Context, Runtime, TaskId};

/// What a subscriber was told.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Seen {
    Opened {
        span: u64,
        parent: Option<u64>,
        fields: Fields,
    },
    Entered(u64, ThreadId),
    Left(u64, ThreadId),
    Closed(u64),
    Said {
        parent: Option<u64>,
        severity: Severity,
        fields: Fields,
    },
    /// By a task itself.
    AtWork(ThreadId),
}

type Fields = BTreeMap<&'static str, String>;

/// Writes down what it is told, or panics.
#[derive(Clone, Default)]
struct Capture {
    seen: Arc<Mutex<Vec<Seen>>>,
    spans: Arc<AtomicU64>,
    panics: bool,
}

impl Capture {
    fn write(&self, seen: Seen) {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(seen);
        assert!(!self.panics, "planned: this subscriber panics");
    }

    fn all(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn at_work(&self) {
        self.write(Seen::AtWork(std::thread::current().id()));
    }

    fn dispatch(&self) -> Dispatch {
        // While there is one subscriber in a process, `tracing` asks the thread that meets a span first whether anybody
        // wants it: here that may be the thread of a case without a subscriber, and nobody would see the span.
        static OTHERS: LazyLock<[Dispatch; 2]> =
            LazyLock::new(|| [(); 2].map(|()| Dispatch::new(Capture::default())));
        LazyLock::force(&OTHERS);
        Dispatch::new(self.clone())
    }

    /// The span of a task, its parent, and how often it was opened.
    fn span_of(&self, task: impl fmt::Display) -> (u64, Option<u64>) {
        let id = task.to_string();
        let spans: Vec<_> = self
            .all()
            .into_iter()
            .filter_map(|seen| match seen {
                Seen::Opened { span, parent, fields } if fields["id"] == id => Some((span, parent)),
                _ => None,
            })
            .collect();
        assert_eq!(spans.len(), 1, "one span of {id}");
        spans[0]
    }

    /// What was said in a span: how loud, and what.
    fn said_in(&self, span: u64) -> Vec<(Severity, Fields)> {
        let all = self.all().into_iter();
        all.filter_map(|seen| match seen {
            Seen::Said {
                parent,
                severity,
                fields,
            } if parent == Some(span) => Some((severity, fields)),
            _ => None,
        })
        .collect()
    }

    /// A span is left as often as it was entered, by the same threads, and everything at work was inside one.
    fn assert_balanced(&self, span: u64) {
        let mut inside = Vec::new();
        let mut entered = 0;
        for seen in self.all() {
            match seen {
                Seen::Entered(of, thread) if of == span => {
                    inside.push(thread);
                    entered += 1;
                }
                Seen::Left(of, thread) if of == span => {
                    let place = inside.iter().rposition(|inside| *inside == thread);
                    inside.remove(place.unwrap());
                }
                Seen::AtWork(thread) => assert!(inside.contains(&thread), "at work outside of the span"),
                Seen::Closed(of) if of == span => assert!(inside.is_empty(), "closed while entered"),
                _ => {}
            }
        }
        assert!(inside.is_empty() && entered > 0);
    }
}

impl Subscriber for Capture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sweet_async"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let number = self.spans.fetch_add(1, Ordering::Relaxed) + 1;
        let mut fields = Collected::default();
        span.record(&mut fields);
        self.write(Seen::Opened {
            span: number,
            parent: span.parent().map(Id::into_u64),
            fields: fields.0,
        });
        Id::from_u64(number)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Collected::default();
        event.record(&mut fields);
        self.write(Seen::Said {
            parent: event.parent().map(Id::into_u64),
            severity: *event.metadata().level(),
            fields: fields.0,
        });
    }

    fn enter(&self, span: &Id) {
        self.write(Seen::Entered(span.into_u64(), std::thread::current().id()));
    }

    fn exit(&self, span: &Id) {
        self.write(Seen::Left(span.into_u64(), std::thread::current().id()));
    }

    fn try_close(&self, span: Id) -> bool {
        self.write(Seen::Closed(span.into_u64()));
        true
    }
}

#[derive(Default)]
struct Collected(Fields);

impl Visit for Collected {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

pub(super) async fn spans_follow_the_tree_and_the_work_is_inside<R: Runtime>(h: Stage<R>) {
    let capture = Capture::default();
    let inside = capture.clone();
    let task = with_default(&capture.dispatch(), || {
        h.to::<TaskId, Infallible>()
            .name("top")
            .run(move |cx: Context<R>| async move {
                inside.at_work();
                yield_now().await;
                inside.at_work();
                let child = cx
                    .child::<(TaskId, bool), Infallible>()
                    .name("below")
                    .run_blocking(move |cx: Context<R>| (cx.id(), cx.is_tracing_enabled()));
                let (id, traced) = child.await.unwrap();
                assert!(traced && cx.is_tracing_enabled());
                id
            })
    });
    let seen = task.task_ref();
    let top = task.id();
    let child = task.await.unwrap();
    let (span, parent) = capture.span_of(top);
    assert_eq!(parent, None);
    let (below, above) = capture.span_of(child);
    assert_eq!(above, Some(span));
    // The handle resolves inside the last poll; then the span is left and closed.
    until(|| capture.all().contains(&Seen::Closed(span))).await;
    until(|| capture.all().contains(&Seen::Closed(below))).await;
    capture.assert_balanced(span);
    assert!(!seen.is_tracing_enabled());
    let opened = capture.all().into_iter().find_map(|seen| match seen {
        Seen::Opened { span: of, fields, .. } if of == below => Some(fields),
        _ => None,
    });
    assert_eq!(opened.unwrap()["name"], "below");
}

pub(super) async fn a_blocking_closure_runs_inside_the_span<R: Runtime>(h: Stage<R>) {
    let capture = Capture::default();
    let inside = capture.clone();
    let task = with_default(&capture.dispatch(), || {
        h.to::<(), Infallible>().run_blocking(move || inside.at_work())
    });
    let id = task.id();
    task.await.unwrap();
    let (span, _) = capture.span_of(id);
    until(|| capture.all().contains(&Seen::Closed(span))).await;
    capture.assert_balanced(span);
}

pub(super) async fn failures_retries_and_cancellations_are_events<R: Runtime>(h: Stage<R>) {
    let capture = Capture::default();
    let (flaky, stuck) = with_default(&capture.dispatch(), || {
        let flaky = h
            .to::<u16, ItFailed>()
            .name("flaky")
            .retry(Retry::fixed(h.units(1)).attempts(2));
        let flaky = flaky.run(|cx: Context<R>| async move {
            let attempt = cx.attempt();
            if attempt == 1 {
                Err(cx.handle_error(ItFailed))
            } else {
                Ok(attempt)
            }
        });
        let stuck = h.to::<(), Infallible>().name("stuck").run(pending::<()>);
        (flaky, stuck)
    });
    let (id, other) = (flaky.id(), stuck.id());
    stuck.cancel(Level::Kill).unwrap();
    assert!(stuck.await.is_err());
    assert_eq!(flaky.await.unwrap(), 2);

    let (span, _) = capture.span_of(id);
    let said = capture.said_in(span);
    for (_, fields) in &said {
        assert_eq!(
            (&fields["id"], fields["name"].as_str()),
            (&id.to_string(), "flaky")
        );
    }
    let lines: Vec<_> = said
        .iter()
        .map(|(severity, fields)| (*severity, fields["message"].as_str(), fields["attempt"].as_str()))
        .collect();
    assert_eq!(
        lines,
        [
            (Severity::DEBUG, "created", "0"),
            (Severity::DEBUG, "started", "1"),
            (Severity::ERROR, "error", "1"),
            (Severity::WARN, "attempt failed", "1"),
            (Severity::WARN, "waiting for another attempt", "1"),
            (Severity::DEBUG, "another attempt", "2"),
            (Severity::DEBUG, "ended", "2"),
        ]
    );
    assert_eq!(said[2].1["error"], "planned: it failed");
    assert_eq!(said[3].1["failure"], "it returned an error");
    assert_eq!(said[6].1["state"], "completed");

    let (span, _) = capture.span_of(other);
    let told: Vec<_> = capture
        .said_in(span)
        .into_iter()
        .filter(|(severity, _)| *severity == Severity::INFO)
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].1["message"], "told to stop");
    assert!(told[0].1["cancellation"].contains("kill"), "{told:?}");
}

#[derive(Debug)]
struct ItFailed;

impl fmt::Display for ItFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("planned: it failed")
    }
}

impl core::error::Error for ItFailed {}

pub(super) async fn a_subscriber_that_panics_costs_the_task_nothing<R: Runtime>(h: Stage<R>) {
    quiet_about_planned_panics();
    let broken = Capture {
        panics: true,
        ..Capture::default()
    };
    // One that panics at everything never has a span; one that begins to panic later meets all the rest.
    for from_the_start in [true, false] {
        let late = Capture::default();
        let dispatch = if from_the_start {
            broken.dispatch()
        } else {
            Dispatch::new(Later(late.clone()))
        };
        let task = with_default(&dispatch, || {
            h.to::<u16, &str>()
                .retry(Retry::immediate().attempts(2))
                .run(|cx: Context<R>| async move {
                    cx.record_error(&ItFailed);
                    yield_now().await;
                    if cx.attempt() == 1 {
                        Err("planned")
                    } else {
                        Ok(cx.attempt())
                    }
                })
        });
        assert_eq!(task.await.unwrap(), 2);
        let task = with_default(&dispatch, || h.to::<u32, Infallible>().run_blocking(|| 7));
        assert_eq!(task.await.unwrap(), 7);
        let met = if from_the_start { broken.all() } else { late.all() };
        assert!(met.len() >= 2, "{met:?}");
    }
}

/// Opens spans, and panics at everything else.
struct Later(Capture);

impl Subscriber for Later {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.0.new_span(span)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.0.event(event);
        panic!("planned: this subscriber panics");
    }

    fn enter(&self, span: &Id) {
        self.0.enter(span);
        panic!("planned: this subscriber panics");
    }

    fn exit(&self, span: &Id) {
        self.0.exit(span);
        panic!("planned: this subscriber panics");
    }

    fn try_close(&self, span: Id) -> bool {
        self.0.try_close(span);
        panic!("planned: this subscriber panics");
    }
}

pub(super) async fn a_task_that_is_not_traced_has_no_span_nor_has_anybody_below<R: Runtime>(h: Stage<R>) {
    let capture = Capture::default();
    let dispatch = capture.dispatch();
    let here = dispatch.clone();
    let work = move |cx: Context<R>| async move {
        let below = cx.child::<(TaskId, bool), Infallible>();
        let below = below.run(|cx: Context<R>| (cx.id(), cx.is_tracing_enabled()));
        let seen = cx.child::<(TaskId, bool), Infallible>().tracing(true);
        let seen = with_default(&here, || {
            seen.run(|cx: Context<R>| (cx.id(), cx.is_tracing_enabled()))
        });
        (cx.is_tracing_enabled(), below.await.unwrap(), seen.await.unwrap())
    };
    let (plain, quiet) = with_default(&dispatch, || {
        let to = || h.to::<_, Infallible>();
        // One that is accompanied all the same is no span either.
        let quiet = [to().tracing(false), to().tracing(false).metered()];
        let quiet = quiet.map(|builder| builder.run(work.clone()));
        (to().run(work), quiet)
    });
    let id = plain.id();
    let (inside, below, asked) = plain.await.unwrap();
    let (span, _) = capture.span_of(id);
    assert!(inside);
    for (child, heard) in [below, asked] {
        assert!(heard);
        assert_eq!(capture.span_of(child).1, Some(span));
    }
    for task in quiet {
        let id = task.id();
        let (inside, (below, heard), (asked, heard_of)) = task.await.unwrap();
        assert!(!inside && !heard && heard_of);
        assert_eq!(capture.span_of(asked).1, None);
        let silent = [id, below].map(|id| id.to_string());
        for seen in capture.all() {
            if let Seen::Opened { fields, .. } | Seen::Said { fields, .. } = seen {
                assert!(!silent.contains(&fields["id"]), "{fields:?}");
            }
        }
    }
}

pub(super) async fn without_a_subscriber_nothing_is_traced<R: Runtime>(h: Stage<R>) {
    let task = h.to::<bool, Infallible>().run(|cx: Context<R>| async move {
        cx.record_error(&ItFailed);
        cx.is_tracing_enabled()
    });
    let seen = task.task_ref();
    assert!(!task.await.unwrap());
    assert!(!seen.is_tracing_enabled());
    assert!(!seen.metrics().polls.is_measured());
}
