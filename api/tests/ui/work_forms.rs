//! Every form of work, with no type annotation beyond the task's own value and the context of a closure that uses it.

use std::num::ParseIntError;

use sweet_async_api::task::{Retry, TaskBuilder};
use sweet_async_api::{Context, Runtime, Task};

fn to<R: Runtime, E>(runtime: &R) -> TaskBuilder<R, u32, E> {
    TaskBuilder::new(runtime.clone())
}

async fn parse(text: &str) -> Result<u32, ParseIntError> {
    text.parse()
}

pub fn forms<R: Runtime>(runtime: &R) {
    // With and without the context; a value, a result, and a future of either.
    drop(to(runtime).run(|| 1));
    drop(to(runtime).run(|| "1".parse::<u32>()));
    drop(to(runtime).run(|| async { 1 }));
    drop(to(runtime).run(|| parse("1")));
    drop(to(runtime).run(|_: Context<R>| 1));
    drop(to(runtime).run(|_: Context<R>| "1".parse::<u32>()));
    drop(to(runtime).run(|cx: Context<R>| async move { u32::from(cx.attempt()) }));
    drop(to(runtime).run(|_: Context<R>| parse("1")));
    // An async closure, a function, and one that is consumed.
    drop(to(runtime).run(async || 1));
    drop(to(runtime).run(one));
    let owned = String::from("1");
    drop(to(runtime).run(move || async move { owned.parse::<u32>() }));
    // Blocking.
    drop(to(runtime).run_blocking(|| 1));
    drop(to(runtime).run_blocking(|cx: Context<R>| cx.checkpoint().map(|()| 1)));
    // More than once.
    let shared = String::from("1");
    drop(to(runtime).retry(Retry::immediate()).run(move || {
        let text = shared.clone();
        async move { parse(&text).await }
    }));
    // What a fallback may return follows the work.
    drop(to(runtime).fallback(|_| 2).run(|| 1));
    drop(to(runtime).fallback(|_| async { Ok(2) }).run(|| parse("1")));
    let _error_is_inferred: Task<R, u32, ParseIntError> = to(runtime).run(|| parse("1"));
}

fn one() -> u32 {
    1
}

fn main() {}
