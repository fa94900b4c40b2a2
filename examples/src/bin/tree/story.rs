//! The program, whatever it runs on.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_lock::Barrier;

use super::adapter::live::{LiveTask, LiveTree};
use super::adapter::prelude::*;
use super::adapter::task::{TaskId, TaskRef};

pub(crate) async fn run(form: Option<&str>) -> Result<(), Box<dyn Error>> {
    if let Some(form) = form {
        let tree = shop().await?;
        match form {
            "json" => println!("{}", tree.to_json()),
            "dot" => print!("{}", tree.to_dot()),
            _ => print!("{tree}"),
        }
        return Ok(());
    }
    println!("1. One child fails: its siblings and all below them are killed.\n");
    let book = Book::default();
    let import = book.note(AsyncTask::to::<u32>().name("import").run({
        let book = book.clone();
        |cx: Context| import(cx, book)
    }));
    match import.await {
        Ok(rows) => println!("imported {rows} rows"),
        Err(error) => println!("\n{error}\n"),
    }
    println!("{book}");

    println!("2. Somebody asks a tree to stop: the request runs down, the leaves end first.\n");
    let (book, at_work) = (Book::default(), Arc::new(Barrier::new(3)));
    let server = book.note(AsyncTask::to::<&str>().name("server").run({
        let (book, at_work) = (book.clone(), Arc::clone(&at_work));
        |cx: Context| serve(cx, book, at_work)
    }));
    at_work.wait().await;
    println!("main: asking the server to stop");
    server.cancel(Level::Graceful)?;
    match server.await {
        Ok(said) => println!("\nthe server says: {said}\n"),
        Err(error) => println!("\n{error}\n"),
    }
    println!("{book}");

    println!("3. What lives now, and what it waits on.\n");
    print!("{}", shop().await?);
    Ok(())
}

/// What lives in a shop once everybody there has come to where it waits.
async fn shop() -> Result<LiveTree, TaskError> {
    let shop = AsyncTask::to::<LiveTree>().name("shop").timeout(60.seconds());
    shop.run(|cx: Context| async move {
        let orders = AsyncTask::to::<u32>().name("orders").priority(Priority::High);
        let orders = cx.spawn_child(orders, |cx: Context| async move {
            cx.waiting_on("the database", endless_feed()).await
        });
        let prices = AsyncTask::to::<u32>()
            .name("prices")
            .retry(Retry::fixed(10.seconds()));
        let prices = cx.spawn_child(prices, || Err::<u32, _>(Unavailable { status: 503 }));
        let stock = AsyncTask::to::<()>().name("stock");
        let stock = cx.spawn_child(stock, |cx: Context| async move {
            let count = AsyncTask::to::<()>().name("count");
            // Told to stop before it is done: there is nothing to count then.
            let _ = cx
                .run_child(count, |cx: Context| async move {
                    let _ = cx.sleep(30.seconds()).await;
                })
                .await;
        });
        orders.detach();
        prices.detach();
        stock.detach();
        loop {
            let tree = cx.live_tree(100);
            let below: Vec<_> = tree
                .tasks()
                .iter()
                .filter(|task| task.task().has_parent())
                .collect();
            let waits = |task: &&LiveTask| task.state() != State::Pending && task.waits_on().is_some();
            if below.len() == 4 && below.iter().all(waits) {
                for task in below {
                    // One that has ended meanwhile needs no telling.
                    let _ = task.task().cancel(Level::Kill);
                }
                return tree;
            }
            futures_lite::future::yield_now().await;
        }
    })
    .await
}

/// Reads three feeds at once and is content only if all of them are read.
async fn import(cx: Context, book: Book) -> Result<u32, TaskError<Unavailable>> {
    // Nobody fails before everybody is at work, so that the story is the same each time.
    let at_work = Arc::new(Barrier::new(4));

    let orders = cx.spawn_child(AsyncTask::to::<u32>().name("orders"), {
        let (book, at_work) = (book.clone(), Arc::clone(&at_work));
        move |cx: Context| async move {
            say_when_cancelled(&cx);
            let shops = ["eu", "us"].map(|shop| {
                let at_work = Arc::clone(&at_work);
                book.note(
                    cx.spawn_child(AsyncTask::to::<u32>().name(shop), |cx: Context| async move {
                        say_when_cancelled(&cx);
                        at_work.wait().await;
                        endless_feed().await
                    }),
                )
            });
            let read = cx.join_children(All, shops).await;
            Ok(read.into_iter().filter_map(|(_, rows)| rows.ok()).sum())
        }
    });
    let customers = cx.spawn_child(AsyncTask::to::<u32>().name("customers"), {
        let at_work = Arc::clone(&at_work);
        |cx: Context| async move {
            say_when_cancelled(&cx);
            // A kill waits for the end of a shielded section; only a hard kill does not.
            let written = cx.shield(async {
                at_work.wait().await;
                cx.cancelled().await;
                println!("customers: told to stop, finishes the row it is writing");
            });
            // The only way to be refused is to open too many sections.
            let _ = written.await;
            Ok(endless_feed().await)
        }
    });
    let prices = cx.spawn_child(AsyncTask::to::<u32>().name("prices"), {
        |cx: Context| async move {
            say_when_cancelled(&cx);
            at_work.wait().await;
            println!("prices: fails");
            Err(Unavailable { status: 503 })
        }
    });

    let feeds = [orders, customers, prices].map(|feed| book.note(feed));
    let rows = cx.join_children(FirstError, feeds).await?;
    Ok(rows.into_iter().map(|(_, rows)| rows).sum())
}

/// Serves until it is told to stop.
async fn serve(cx: Context, book: Book, at_work: Arc<Barrier>) -> &'static str {
    say_when_cancelled(&cx);
    let polite = cx.spawn_child(AsyncTask::to::<()>().name("polite"), {
        let at_work = Arc::clone(&at_work);
        |cx: Context| async move {
            at_work.wait().await;
            let why = cx.cancelled().await;
            println!(
                "polite: told to stop ({}, {}), puts its things away",
                why.level, why.reason
            );
        }
    });
    // It does not listen, so it is killed when its grace period ends.
    let stubborn = cx.spawn_child(
        AsyncTask::to::<u32>().name("stubborn").grace(20.millis()),
        || async move {
            at_work.wait().await;
            endless_feed().await
        },
    );
    let (polite, stubborn) = (book.note(polite), book.note(stubborn));
    let put_away = polite.await.is_ok();
    let killed = stubborn.await.is_err_and(|error| error.is_cancelled());
    match (put_away, killed) {
        (true, true) => "one child put its things away, the other was killed after its grace period",
        _ => "not everything went as planned",
    }
}

/// Something that never ends by itself.
async fn endless_feed() -> u32 {
    std::future::pending().await
}

fn say_when_cancelled(cx: &Context) {
    let name = cx.name().to_owned();
    let registered = cx.on_cancel(|why| async move {
        println!("{name}: cancelled, {}", why.reason);
    });
    // Refused only after the end of the task.
    debug_assert!(registered.is_ok(), "a running task takes callbacks");
}

/// A feed that cannot be read.
#[derive(Clone, Copy, Debug)]
struct Unavailable {
    status: u16,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the feed answered {}", self.status)
    }
}

impl Error for Unavailable {}

/// References to all tasks of a tree. A reference keeps no task running, and outlives it.
#[derive(Clone, Default)]
struct Book {
    tasks: Arc<Mutex<Vec<TaskRef>>>,
}

impl Book {
    /// Writes a task down and hands it on.
    fn note<T: Send, E: Send + Sync>(&self, task: Task<T, E>) -> Task<T, E> {
        self.tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(task.task_ref());
        task
    }

    fn tasks(&self) -> Vec<TaskRef> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The tree, one task a line: name, how it ended, and who cancelled it.
impl fmt::Display for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tasks = self.tasks();
        for root in tasks.iter().filter(|task| !task.has_parent()) {
            line(f, &tasks, root, "")?;
            below(f, &tasks, root.id(), "")?;
        }
        Ok(())
    }
}

fn below(f: &mut fmt::Formatter<'_>, tasks: &[TaskRef], above: TaskId, indent: &str) -> fmt::Result {
    let is_child = |task: &&TaskRef| task.parent().is_some_and(|parent| parent.id() == above);
    let mut children = tasks.iter().filter(is_child).peekable();
    while let Some(child) = children.next() {
        let (branch, deeper) = match children.peek() {
            Some(_) => ("├─ ", "│  "),
            None => ("└─ ", "   "),
        };
        line(f, tasks, child, &format!("{indent}{branch}"))?;
        below(f, tasks, child.id(), &format!("{indent}{deeper}"))?;
    }
    Ok(())
}

fn line(f: &mut fmt::Formatter<'_>, tasks: &[TaskRef], task: &TaskRef, indent: &str) -> fmt::Result {
    let label = format!("{indent}{}", task.name());
    write!(f, "  {label:<16}{:<10}", task.status().to_string())?;
    if let Some(why) = task.cancellation() {
        write!(f, " {}, {}", why.level, why.reason)?;
        let by = tasks.iter().find(|task| Some(task.id()) == why.by);
        if let Some(by) = by {
            write!(f, " (by {})", by.name())?;
        }
    }
    writeln!(f)
}
