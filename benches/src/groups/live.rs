//! What it takes to look at the live tree of 100,000 tasks.
//!
//! They wait below one parent. The limit is to copy a reference to each of them, which is where every look begins.

use core::future::pending;
use core::hint::black_box;
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, mpsc};

use sweet_async_tokio::live::LiveTree;
use sweet_async_tokio::prelude::*;
use sweet_async_tokio::task::TaskRef;
use tokio::runtime::{Builder, Runtime as Executor};

use crate::{Contestant, Figure, Goal, Group, Meter, Sample};

/// The bench target `live`.
pub const GROUP: Group = Group::new("live", figures);

const TASKS: usize = 100_000;
/// Of one core, in nanoseconds.
const BUDGET: f64 = 50e6;
const REFERENCES: &str = "a reference to each task";

fn figures() -> Vec<Figure> {
    let crowd = Arc::new(Crowd::gather());
    vec![
        figure("live tree of 100,000 tasks that wait", &crowd, false),
        figure("live tree of 100,000 tasks, others come and go", &crowd, true),
    ]
}

/// Tasks that wait, and one that starts and ends others beside them while it is told to.
struct Crowd {
    top: TaskRef,
    busy: Arc<AtomicBool>,
    executor: Executor,
}

impl Crowd {
    fn gather() -> Self {
        let executor = Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .expect("a tokio runtime");
        let busy = Arc::new(AtomicBool::new(false));
        let (there, all) = mpsc::channel();
        let is_busy = Arc::clone(&busy);
        let top = {
            let _inside = executor.enter();
            AsyncTask::to::<()>()
                .name("crowd")
                .run(move |cx: Context| async move {
                    for _ in 0..TASKS {
                        cx.child::<(), core::convert::Infallible>()
                            .name("one")
                            .run(pending::<()>)
                            .detach();
                    }
                    let _ = there.send(());
                    while !cx.is_cancelled() {
                        while is_busy.load(Relaxed) {
                            let child = cx.child::<(), core::convert::Infallible>().name("other");
                            let _ = child.run(|| async {}).await;
                        }
                        tokio::task::yield_now().await;
                        std::thread::yield_now();
                    }
                })
        };
        let _ = all.recv();
        let seen = top.task_ref();
        top.detach();
        Self {
            top: seen,
            busy,
            executor,
        }
    }

    fn look<T>(&self, times: u64, busy: bool, mut work: impl FnMut(&TaskRef) -> T) -> Sample {
        self.busy.store(busy, Relaxed);
        let sample = Meter::measure(|| {
            for _ in 0..times {
                black_box(work(&self.top));
            }
        });
        self.busy.store(false, Relaxed);
        sample
    }

    fn tree(&self) -> LiveTree {
        let _inside = self.executor.enter();
        LiveTree::of(&self.top, Tokio::current().now(), 2 * TASKS)
    }
}

fn figure(name: &'static str, crowd: &Arc<Crowd>, busy: bool) -> Figure {
    let [all, text, references] = [(); 3].map(|()| Arc::clone(crowd));
    Figure::new(name, "look", 2)
        .few_turns()
        .with(Contestant::ours("LiveTree::of", move |times| {
            all.look(times, busy, |_| all.tree())
        }))
        .goal(Goal::Nanos(BUDGET))
        .with(Contestant::ours("LiveTree::of, and its text", move |times| {
            text.look(times, busy, |_| text.tree().to_string())
        }))
        .with(Contestant::limit(REFERENCES, move |times| {
            references.look(times, busy, |top| top.child_tasks())
        }))
}
