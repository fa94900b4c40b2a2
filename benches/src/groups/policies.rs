//! A call inside a task through retry, breaker and budget, whose first attempt succeeds.

use core::convert::Infallible;
use core::future::{Future, ready};
use core::hint::black_box;
use std::sync::Arc;

use sweet_async_tokio::prelude::*;
use tokio::runtime::{Builder, Runtime as Executor};

use crate::{Contestant, Figure, Goal, Group, Meter, Sample};

/// The bench target `policies`.
pub const GROUP: Group = Group::new("policies", figures);

const DIRECT: &str = "the call itself";

fn figures() -> Vec<Figure> {
    let runtime = Builder::new_current_thread().enable_time().build();
    let runtime = Arc::new(runtime.expect("a tokio runtime"));
    vec![
        Figure::new("a call that succeeds at once, inside a task", "call", 20_000)
            .with(Contestant::ours(
                "Policy::call: retry, breaker, budget",
                through(&runtime, recovering().build()),
            ))
            // The target is 25 ns above the call itself, which takes about 2.
            .goal(Goal::Nanos(27.0))
            .goal(Goal::NoAllocation)
            .with(Contestant::ours(
                "Policy::call: the same, with a concurrency limit and a rate",
                through(&runtime, limited()),
            ))
            .goal(Goal::NoAllocation)
            .with(Contestant::limit(
                DIRECT,
                inside(&runtime, async |_: &Context, times| {
                    for number in 0..times {
                        black_box(call(number).await.unwrap_or_default());
                    }
                }),
            )),
    ]
}

fn recovering() -> sweet_async_tokio::guard::PolicyBuilder {
    let breaker = CircuitBreaker::builder().last_calls(100).failure_rate(50).build();
    let budget = RetryBudget::builder().build();
    Policy::builder()
        .retry(Retry::exponential(100.millis()).attempts(4).jitter(Jitter::Full))
        .circuit_breaker(&breaker.expect("a breaker"))
        .retry_budget(&budget.expect("a budget"))
}

fn limited() -> Result<Policy, sweet_async_tokio::task::Invalid> {
    let limit = ConcurrencyLimit::fixed(100).build();
    let rate = RateLimiter::builder()
        .rate(1_000_000_000, 1.seconds())
        .burst(1_000_000)
        .build();
    recovering()
        .concurrency_limit(&limit.expect("a limit"))
        .rate_limit(&rate.expect("a rate"))
        .build()
}

fn call(number: u64) -> impl Future<Output = Result<u64, Infallible>> {
    ready(Ok(black_box(number)))
}

fn through(
    runtime: &Arc<Executor>,
    policy: Result<Policy, sweet_async_tokio::task::Invalid>,
) -> impl FnMut(u64) -> Sample + 'static {
    let policy = policy.expect("a policy");
    inside(runtime, async move |cx: &Context, times| {
        for number in 0..times {
            black_box(policy.call(cx, || call(number)).await.unwrap_or_default());
        }
    })
}

/// Runs `work` inside a task of ours, as a handler would.
fn inside<W>(runtime: &Arc<Executor>, work: W) -> impl FnMut(u64) -> Sample + 'static
where
    W: AsyncFn(&Context, u64) + 'static,
{
    let runtime = Arc::clone(runtime);
    let work = Arc::new(work);
    move |times| {
        let work = Arc::clone(&work);
        let local = tokio::task::LocalSet::new();
        local
            .block_on(&runtime, async {
                let task = AsyncTask::to::<Sample>().run_local(&local, move |cx: Context| async move {
                    let meter = Meter::start();
                    work(&cx, times).await;
                    meter.stop()
                });
                task.await
            })
            .expect("the measured task does not fail")
    }
}
