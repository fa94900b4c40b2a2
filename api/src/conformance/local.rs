//! Tasks that stay on one thread.

use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use core::convert::Infallible;
use core::future::{Future, pending};
use core::pin::{Pin, pin};
use std::thread;

use crate::task::{Cause, Context, Retry, TaskBuilder};
use crate::{Level, LocalSpawn, Reason, Runtime};

/// The promises to tasks whose work is not [`Send`], for adapters that implement [`LocalSpawn`]: a function and no group,
/// because such an executor belongs to the thread of the test.
///
/// `start` makes an executor, and `run` lets it work on the calling thread until the future is ready.
///
/// # Panics
/// Where a promise is broken, as a test does.
pub fn local<R, L>(runtime: &R, start: impl Fn() -> L, run: impl Fn(&L, Pin<&mut dyn Future<Output = ()>>))
where
    R: Runtime,
    L: LocalSpawn<R> + 'static,
{
    let executor = Rc::new(start());
    let work = pin!(async {
        it_holds_what_cannot_leave_its_thread(runtime, &*executor).await;
        killed_from_another_thread_it_is_gone_when_the_handle_resolves(runtime, &*executor).await;
        its_children_end_before_it(runtime, &executor).await;
    });
    run(&executor, work);
    resolves_when_its_executor_is_dropped(runtime, start, run);
}

async fn it_holds_what_cannot_leave_its_thread<R: Runtime>(runtime: &R, executor: &impl LocalSpawn<R>) {
    let held = Rc::new(Cell::new(0));
    let shared = Rc::clone(&held);
    let once = TaskBuilder::<R, u32, _>::new(runtime.clone()).run_local(executor, move || async move {
        shared.set(shared.get() + 1);
        shared.get()
    });
    assert_eq!(once.await.unwrap(), 1);

    let shared = Rc::clone(&held);
    let thrice = TaskBuilder::<R, u32, _>::new(runtime.clone())
        .retry(Retry::immediate().attempts(3))
        .run_local(executor, move || {
            let shared = Rc::clone(&shared);
            async move {
                shared.set(shared.get() + 1);
                if shared.get() == 4 { Ok(4) } else { Err("not yet") }
            }
        });
    assert_eq!(thrice.await.unwrap(), 4);
    assert_eq!(Rc::strong_count(&held), 1, "what the work held is gone");
}

async fn killed_from_another_thread_it_is_gone_when_the_handle_resolves<R: Runtime>(
    runtime: &R,
    executor: &impl LocalSpawn<R>,
) {
    let held = Rc::new(());
    let shared = Rc::clone(&held);
    let (begun, has_begun) = async_channel::bounded(1);
    let task = TaskBuilder::<R, (), Infallible>::new(runtime.clone()).run_local(executor, || async move {
        begun.send(()).await.unwrap();
        pending::<()>().await;
        drop(shared);
    });
    has_begun.recv().await.unwrap();
    let reference = task.task_ref();
    let canceller = thread::spawn(move || reference.cancel(Level::Kill));
    let error = task.await.unwrap_err();
    assert!(matches!(error.cause(), Cause::Cancelled { .. }), "{error}");
    assert_eq!(Rc::strong_count(&held), 1);
    assert!(canceller.join().unwrap().is_ok());
}

async fn its_children_end_before_it<R: Runtime, L: LocalSpawn<R> + 'static>(runtime: &R, executor: &Rc<L>) {
    let log = Rc::new(RefCell::new(Vec::new()));
    let (inside, local) = (Rc::clone(&log), Rc::clone(executor));
    let parent = TaskBuilder::<R, (), Infallible>::new(runtime.clone()).run_local(
        &**executor,
        |cx: Context<R>| async move {
            let (begun, has_begun) = async_channel::bounded(1);
            let of_child = Rc::clone(&inside);
            // Detached: the parent waits for it all the same.
            drop(
                cx.child::<(), Infallible>()
                    .run_local(&*local, |cx: Context<R>| async move {
                        begun.send(()).await.unwrap();
                        let _ = cx.cancelled().await;
                        of_child.borrow_mut().push("child");
                    }),
            );
            has_begun.recv().await.unwrap();
            for child in cx.child_tasks() {
                child.cancel(Level::Graceful).unwrap();
            }
            inside.borrow_mut().push("parent");
        },
    );
    parent.await.unwrap();
    assert_eq!(*log.borrow(), ["parent", "child"]);
}

fn resolves_when_its_executor_is_dropped<R: Runtime, L: LocalSpawn<R>>(
    runtime: &R,
    start: impl Fn() -> L,
    run: impl Fn(&L, Pin<&mut dyn Future<Output = ()>>),
) {
    let executor = start();
    let held = Rc::new(());
    let (begun, has_begun) = async_channel::bounded(1);
    let shared = Rc::clone(&held);
    let builder = TaskBuilder::<R, (), Infallible>::new(runtime.clone());
    let running = builder.clone().run_local(&executor, || async move {
        begun.send(()).await.unwrap();
        pending::<()>().await;
        drop(shared);
    });
    run(&executor, pin!(async { has_begun.recv().await.unwrap() }));
    let shared = Rc::clone(&held);
    let waiting = builder.run_local(&executor, || async move { drop(shared) });
    drop(executor);
    assert_eq!(Rc::strong_count(&held), 1, "dropped with the executor");
    let last = pin!(async {
        let error = running.await.unwrap_err();
        let cancelled = matches!(error.cause(), Cause::Cancelled { cancellation, .. } if cancellation.reason == Reason::Stopped);
        assert!(cancelled, "{error}");
        let error = waiting.await.unwrap_err();
        assert!(matches!(error.cause(), Cause::Rejected(_)), "{error}");
    });
    run(&start(), last);
}
