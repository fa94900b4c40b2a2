//! The next delay of an exponential backoff with jitter.

use core::hint::black_box;
use core::time::Duration;

use backon::BackoffBuilder as _;
use sweet_async_core::backoff::{Backoff, Jitter};

use super::calls;
use crate::{Contestant, Figure, Goal, Group};

/// The bench target `backoff`.
pub const GROUP: Group = Group::new("backoff", figures);

const FIRST: Duration = Duration::from_millis(100);
const CAP: Duration = Duration::from_secs(5);

fn figures() -> Vec<Figure> {
    let ours = Backoff::exponential(100).cap(5_000).jitter(Jitter::Full);
    let builder = backon::ExponentialBuilder::new()
        .with_min_delay(FIRST)
        .with_max_delay(CAP);
    let mut backon = builder.with_jitter().without_max_times().build();
    let mut tokio_retry = tokio_retry::strategy::ExponentialBackoff::from_millis(2)
        .factor(50)
        .max_delay(CAP)
        .map(tokio_retry::strategy::jitter);
    let mut exponential = exponential_backoff::Backoff::new(u32::MAX, FIRST, CAP).into_iter();
    let figure = Figure::new("backoff, next delay with jitter", "delay", 20_000)
        .with(Contestant::ours("Backoff, full jitter, fastrand", move |times| {
            calls(times, || {
                black_box(&ours).next(black_box(3), 400, 0, fastrand::u32(..))
            })
        }))
        .goal(Goal::BestPeer(0.30))
        .goal(Goal::NoAllocation)
        .with(Contestant::peer("backon", move |times| {
            calls(times, || backon.next())
        }))
        .with(Contestant::peer("tokio-retry", move |times| {
            calls(times, || tokio_retry.next())
        }))
        .with(Contestant::peer("exponential-backoff", move |times| {
            calls(times, || exponential.next())
        }));
    vec![figure]
}
