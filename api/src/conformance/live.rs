//! The live tree: what it shows, what it leaves out, and that looking disturbs nobody.

use core::convert::Infallible;
use core::future::pending;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::collections::HashSet;
use std::sync::Arc;

use futures_util::future::join;

use super::Difference;
use super::stage::{Stage, polled, sign, until, yield_now};
use crate::live::{LiveTask, LiveTree, WaitsOn};
use crate::prelude::*;
use crate::task::TaskRef;
use crate::{Context, Runtime, TaskBuilder};

/// A tree with a task in each kind of wait.
async fn grown<R: Runtime>(h: &Stage<R>, release: super::stage::Awaited) -> TaskRef {
    let (arrive, arrived) = sign();
    let (told, telling) = async_channel::bounded::<TaskRef>(1);
    let (unit, at_work) = (h.clone(), h.runtime());
    let server = h.to::<(), Infallible>().name("server").timeout(60.seconds());
    let server = server.run(move |cx: Context<R>| async move {
        let fetch = cx.child::<(), &str>().name("fetch");
        let fetch = fetch.retry(Retry::fixed(10.seconds())).run(|| Err("down"));
        let parse = cx
            .child::<(), Infallible>()
            .name("parse")
            .priority(Priority::High);
        let parse = parse.run(|cx: Context<R>| async move {
            cx.waiting_on("the \"disk\"\n<&>", pending::<()>()).await;
        });
        let sleeper = TaskBuilder::<R, (), Infallible>::new(cx.runtime().clone());
        let import = cx.child::<(), Infallible>().name("import");
        let import = import.run(|cx: Context<R>| async move {
            let _ = cx
                .run_child(sleeper, |cx: Context<R>| async move {
                    let _ = cx.sleep(20.seconds()).await;
                })
                .await;
        });
        let last = cx.child::<(), Infallible>().name("told").grace(30.seconds());
        let last = last.run(|cx: Context<R>| async move {
            let last = cx.child::<(), Infallible>().name("last").grace(4.seconds());
            let last = last.run(|cx: Context<R>| async move {
                cx.waiting_on("the end", cx.cancelled()).await;
                cx.waiting_on("nothing", pending::<()>()).await;
            });
            cx.join_children(All, [last]).await;
        });
        fetch.detach();
        parse.detach();
        import.detach();
        told.try_send(last.task_ref()).unwrap();
        last.detach();
        unit.pass(1).await;
        let sum = cx.child::<(), Infallible>().name("sum").run_blocking(move || {
            arrive.give();
            release.given_in_turn(&at_work);
        });
        sum.detach();
    });
    let seen = server.task_ref();
    server.detach();
    arrived.given().await;
    telling.recv().await.unwrap().cancel(Level::Graceful).unwrap();
    seen
}

/// A tree in which everybody has come to where it waits.
async fn settled<R: Runtime>(h: &Stage<R>, top: &TaskRef, tasks: usize) -> LiveTree {
    let look = || LiveTree::of(top, h.runtime().now(), 1_000);
    let mut tree = look();
    until(|| {
        tree = look();
        tree.tasks().len() == tasks
            && tree.tasks().iter().all(|task| {
                let told = task.cancellation().is_some();
                let goes_on =
                    told && matches!(task.waits_on(), Some(WaitsOn::Label(label)) if label == "the end");
                task.waits_on().is_some() && told == task.grace_end().is_some() && !goes_on
            })
    })
    .await;
    tree
}

/// With the places of the tasks instead of their ids; without lengths of time where these are by chance.
fn told<R: Runtime>(h: &Stage<R>, tree: &LiveTree, text: &str) -> String {
    // The clock of an executor begins anywhere.
    let at = format!("\"at_ns\":{}", tree.at().as_nanos());
    let mut text = text.replace(&at, "\"at_ns\":1000000000");
    for (place, task) in tree.tasks().iter().enumerate() {
        let id = task.id();
        let name = if task.name().is_empty() {
            "task"
        } else {
            task.name()
        };
        for (from, to) in [
            (format!("\" {id}:"), format!("\" #{place}:")),
            (format!("task {id}:"), format!("task #{place}:")),
            (format!("task {id},"), format!("task #{place},")),
            (format!("task {id})"), format!("task #{place})")),
            (format!("task {id}\n"), format!("task #{place}\n")),
            (format!("task {id}\""), format!("task #{place}\"")),
            (format!("\"{id}\""), format!("\"#{place}\"")),
            (format!("=\"{name} {id}\\n"), format!("=\"{name} #{place}\\n")),
        ] {
            text = text.replace(&from, &to);
        }
    }
    untimed(h, &text)
}

fn untimed<R: Runtime>(h: &Stage<R>, text: &str) -> String {
    if !h.differs(Difference::RealTime) {
        return text.to_owned();
    }
    let is_time = |word: &str| word.len() > 4 && word.chars().all(|it| it.is_ascii_digit() || it == '.');
    let nanos = |word: &str| word.split_once("_ns\":").is_some();
    text.split_inclusive([' ', ','])
        .map(|word| match word {
            word if is_time(word.trim_end()) => "T ".to_owned(),
            word if nanos(word) => word.chars().filter(|it| !it.is_ascii_digit()).collect(),
            word => word.to_owned(),
        })
        .collect()
}

pub(super) async fn it_shows_itself_as_text_json_and_a_graph<R: Runtime>(h: Stage<R>) {
    let (release, gate) = sign();
    let server = grown(&h, gate).await;
    let tree = settled(&h, &server, 8).await;
    assert_eq!(told(&h, &tree, &tree.to_string()), untimed(&h, TEXT));
    assert_eq!(told(&h, &tree, &tree.to_json()), untimed(&h, JSON.trim_end()));
    assert_eq!(told(&h, &tree, &tree.to_dot()), untimed(&h, DOT));
    server.cancel(Level::KillHard).unwrap();
    release.give();
    until(|| h.live() == 0 && h.runtime().root().abandoned() == 0).await;
}

const TEXT: &str = include_str!("golden/live.txt");
const JSON: &str = include_str!("golden/live.json");
const DOT: &str = include_str!("golden/live.dot");

/// Tasks without a parent are counted, and listed if somebody asks; the list forgets them as they end.
pub(super) async fn tasks_without_a_parent_are_listed_on_demand<R: Runtime>(h: Stage<R>) {
    let runtime = h.runtime();
    let held = Arc::new(());
    let start = |name: &'static str| {
        let held = Arc::clone(&held);
        h.to::<(), Infallible>().name(name).run(move || async move {
            pending::<()>().await;
            drop(held);
        })
    };
    let before = start("before");
    let always = h.differs(Difference::ListsTasks);
    assert_eq!(
        (
            runtime.live_tree(9).tasks().len(),
            runtime.live_tree(9).unlisted()
        ),
        if always { (1, 0) } else { (0, 1) }
    );
    if always {
        assert!(!runtime.root().list_tasks(2));
        before.cancel(Level::Kill).unwrap();
        until(|| h.live() == 0).await;
        assert_eq!(runtime.live_tree(9).tasks().len(), 0);
        return;
    }
    assert!(runtime.root().list_tasks(2));
    assert!(!runtime.root().list_tasks(100));
    let (first, second, beyond) = (start("first"), start("second"), start("beyond"));
    let names = |tree: &LiveTree| {
        tree.tops()
            .iter()
            .map(|task| task.name().to_owned())
            .collect::<Vec<_>>()
    };
    let tree = runtime.live_tree(9);
    assert_eq!(
        (names(&tree), tree.unlisted(), tree.left_out()),
        (vec!["first".into(), "second".into()], 2, 0)
    );
    assert!(
        tree.to_string()
            .ends_with("2 tasks without a parent unlisted (see Root::list_tasks)\n"),
        "{tree}"
    );
    let tree = runtime.live_tree(1);
    assert_eq!((tree.tasks().len(), tree.left_out(), tree.unlisted()), (1, 1, 2));
    for task in [&before, &first, &beyond] {
        task.cancel(Level::Kill).unwrap();
    }
    until(|| h.live() == 1).await;
    // There is room again.
    let third = start("third");
    let tree = runtime.live_tree(9);
    assert_eq!(
        (names(&tree), tree.unlisted()),
        (vec!["second".into(), "third".into()], 0)
    );
    for task in [second, third] {
        task.cancel(Level::Kill).unwrap();
        task.await.unwrap_err();
    }
    until(|| h.live() == 0).await;
    // The tree holds references to what has ended, and none to its work.
    assert_eq!((tree.tasks().len(), runtime.live_tree(9).tasks().len()), (2, 0));
    assert_eq!(Arc::strong_count(&held), 1);
}

pub(super) async fn what_a_task_says_that_it_waits_on_nests<R: Runtime>(h: Stage<R>) {
    let waits = |cx: &Context<R>| match cx.waits_on() {
        Some(WaitsOn::Label(label)) => label.into_owned(),
        other => format!("{other:?}"),
    };
    let task = h.to::<(), Infallible>().run(move |cx: Context<R>| async move {
        assert_eq!(cx.waits_on(), None);
        cx.waiting_on("outer", async {
            assert_eq!(waits(&cx), "outer");
            cx.waiting_on(String::from("inner"), async { assert_eq!(waits(&cx), "inner") })
                .await;
            assert_eq!(waits(&cx), "outer");
            // Two at once, of which the first is over first.
            let short = cx.waiting_on("short", yield_now());
            let long = cx.waiting_on("long", async {
                yield_now().await;
                yield_now().await;
                yield_now().await;
                assert_eq!(waits(&cx), "long");
            });
            join(short, long).await;
            // One that is dropped half-way.
            polled(cx.waiting_on("dropped", pending::<()>()), 1).await;
            assert_eq!(waits(&cx), "outer");
        })
        .await;
        assert_eq!(cx.waits_on(), None);
    });
    task.await.unwrap();
}

pub(super) async fn whoever_waits_for_a_guard_or_runs_its_callbacks_says_so<R: Runtime>(h: Stage<R>) {
    let limit = ConcurrencyLimit::fixed(1).build().unwrap();
    let limited = || h.to::<(), Infallible>().with_concurrency_limit(&limit);
    let (arrive, arrived) = sign();
    let first = limited().run(move || async move {
        arrive.give();
        pending::<()>().await;
    });
    arrived.given().await;
    let second = limited().run(pending::<()>);
    until(|| second.waits_on() == Some(WaitsOn::Guard)).await;
    second.on_cancel(|_| pending()).unwrap();
    first.cancel(Level::Kill).unwrap();
    drop(first.await);
    until(|| second.waits_on().is_none()).await;
    second.cancel(Level::Kill).unwrap();
    until(|| second.waits_on() == Some(WaitsOn::Callbacks)).await;
    let tree = LiveTree::of(&second.task_ref(), h.runtime().now(), 1);
    assert_eq!(tree.tops().first().map(LiveTask::state), Some(State::Cancelled));
    h.shut_down();
}

pub(super) async fn a_pipeline_is_in_it_with_all_its_tasks<R: Runtime>(h: Stage<R>) {
    let running = h
        .emits::<u64, _>()
        .name("counting")
        .collect_into::<u64>()
        .sender(|source| source.of(0..))
        .receiver(ReceiverStrategy::parallel(2), |_, collector| collector.add(()))
        .run();
    let top = running.task_ref();
    let mut names = Vec::new();
    until(|| {
        let tree = LiveTree::of(&top, h.runtime().now(), 100);
        names = tree.tasks().iter().map(|task| task.name().to_owned()).collect();
        names.len() == 4
    })
    .await;
    assert_eq!(names, ["counting", "receiver", "receiver", "sender"]);
    running.cancel(Level::Kill).unwrap();
    drop(running.await);
}

fn stack<R: Runtime>(cx: &Context<R>, left: u32, deepest: super::stage::Sign) {
    let child = cx.child::<(), Infallible>();
    let work = move |cx: Context<R>| async move {
        if left > 1 {
            stack::<R>(&cx, left - 1, deepest);
        } else {
            deepest.give();
        }
        pending::<()>().await;
    };
    child.run(work).detach();
}

pub(super) async fn neither_depth_nor_width_is_a_limit_and_what_is_left_out_is_told<R: Runtime>(h: Stage<R>) {
    const MANY: u32 = 100_000;
    const DEEP: u32 = 1_000;
    let (arrive, arrived) = sign();
    let top = h.to::<(), Infallible>().run(move |cx: Context<R>| async move {
        for _ in 0..MANY {
            cx.child::<(), Infallible>().run(pending::<()>).detach();
        }
        stack::<R>(&cx, DEEP, arrive);
        pending::<()>().await;
    });
    arrived.given().await;
    let (seen, now) = (top.task_ref(), h.runtime().now());
    let all = (1 + MANY + DEEP) as usize;
    let tree = LiveTree::of(&seen, now, 1_000_000);
    assert_eq!(
        (tree.tasks().len(), tree.left_out(), tree.tops().len()),
        (all, 0, 1)
    );
    assert_eq!(tree.to_string().lines().count(), all + 1);
    assert!(tree.to_string().contains("1000 deep: task "));
    let json: serde_json::Value = serde_json::from_str(&tree.to_json()).unwrap();
    assert_eq!(json["tasks"].as_array().unwrap().len(), all);
    assert_eq!(
        tree.to_dot().lines().filter(|line| line.contains("->")).count(),
        all - 1
    );
    assert_eq!(tree.children(&tree.tops()[0]).len(), (MANY + 1) as usize);
    for limit in [0, 1, 1_000] {
        let tree = LiveTree::of(&seen, now, limit);
        let below = if limit == 0 {
            1
        } else {
            (MANY + 1) as usize + 1 - limit
        };
        assert_eq!((tree.tasks().len(), tree.left_out()), (limit, below));
        assert!(
            tree.to_string()
                .contains(&format!("those below them are left out: the limit was {limit}"))
        );
    }
    top.cancel(Level::KillHard).unwrap();
    drop(top.await);
    until(|| h.live() == 0).await;
}

/// Tasks come and go, in trees, while somebody looks again and again: whoever is there has its parent there, and is there
/// once.
pub(super) async fn whoever_looks_while_tasks_come_and_go_finds_a_tree<R: Runtime>(h: Stage<R>) {
    const TREES: u32 = 500;
    h.runtime().root().list_tasks(10_000);
    let (over, left) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(TREES)));
    let (seen, looked) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let looking = {
        let (h, over, seen, looked) = (
            h.clone(),
            Arc::clone(&over),
            Arc::clone(&seen),
            Arc::clone(&looked),
        );
        h.to::<(), Infallible>()
            .name("who looks")
            .run(move || async move {
                while !over.load(Ordering::Relaxed) {
                    let tree = h.runtime().live_tree(300);
                    assert!(tree.tasks().len() <= 300);
                    let mut ids = HashSet::new();
                    for task in tree.tasks() {
                        let above = task.task().parent().map(|parent| parent.id());
                        // Parents come first.
                        assert!(above.is_none_or(|above| ids.contains(&above)), "{tree}");
                        assert_eq!(above, tree.parent(task).map(LiveTask::id));
                        assert!(ids.insert(task.id()), "{tree}");
                        seen.fetch_add(u32::from(above.is_some()), Ordering::Relaxed);
                    }
                    assert!(tree.to_string().lines().count() > ids.len());
                    looked.fetch_add(1, Ordering::Relaxed);
                    yield_now().await;
                }
            })
    };
    let owners: Vec<_> = (0..4)
        .map(|_| {
            let (h, left) = (h.clone(), Arc::clone(&left));
            h.clone().to::<(), Infallible>().run(move || async move {
                let more = |left: u32| left.checked_sub(1);
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
                    .is_ok()
                {
                    let tree = h.to::<(), Infallible>().run(|cx: Context<R>| async move {
                        for _ in 0..3 {
                            let child = cx.child::<(), Infallible>().run(|cx: Context<R>| async move {
                                for _ in 0..5 {
                                    cx.child::<(), Infallible>().run(yield_now).detach();
                                }
                                yield_now().await;
                            });
                            child.detach();
                            yield_now().await;
                        }
                    });
                    tree.await.unwrap();
                }
            })
        })
        .collect();
    for owner in owners {
        owner.await.unwrap();
    }
    until(|| looked.load(Ordering::Relaxed) != 0).await;
    over.store(true, Ordering::Relaxed);
    looking.await.unwrap();
    assert!(seen.load(Ordering::Relaxed) > 0, "no child was ever met");
}
