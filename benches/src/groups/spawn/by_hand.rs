//! A full task as one puts it together from parts today.

use core::future::Future;
use core::time::Duration;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What such tasks share.
#[derive(Clone)]
pub(super) struct Kit {
    tracker: TaskTracker,
    token: CancellationToken,
}

/// What a task tells: who, when, what.
struct Told {
    name: &'static str,
    created: Instant,
    started: Instant,
    ended: Instant,
    result: Result<u64, Ended>,
}

/// How a task ended without its result.
enum Ended {
    Cancelled,
    TimedOut,
    Panicked,
}

impl Kit {
    pub(super) fn new() -> Self {
        Self {
            tracker: TaskTracker::new(),
            token: CancellationToken::new(),
        }
    }

    pub(super) fn spawn(&self, name: &'static str, number: u64) -> impl Future<Output = u64> + Send + use<> {
        let token = self.token.child_token();
        let mine = token.clone();
        let created = Instant::now();
        let task = self.tracker.spawn(async move {
            let started = Instant::now();
            let work = AssertUnwindSafe(async move { number }).catch_unwind();
            let result = tokio::select! {
                () = token.cancelled() => Err(Ended::Cancelled),
                ended = tokio::time::timeout(Duration::from_secs(30), work) => match ended {
                    Ok(Ok(result)) => Ok(result),
                    Ok(Err(_)) => Err(Ended::Panicked),
                    Err(_) => Err(Ended::TimedOut),
                },
            };
            Told {
                name,
                created,
                started,
                ended: Instant::now(),
                result,
            }
        });
        async move {
            let told = task.await.ok();
            drop(mine);
            told.map_or(0, Told::digest)
        }
    }
}

impl Told {
    /// One number that depends on all that was told.
    fn digest(self) -> u64 {
        let took = (self.ended - self.started).max(self.started - self.created);
        let result = match self.result {
            Ok(result) => result,
            Err(Ended::Cancelled) => 1,
            Err(Ended::TimedOut) => 2,
            Err(Ended::Panicked) => 3,
        };
        result ^ u64::from(took.subsec_nanos()) ^ self.name.len() as u64
    }
}
