//! The polls of a task that is watched.

use alloc::sync::Arc;
use core::task::{self, Poll};

use super::super::plan::{Plan, Rescue};
use super::DriverProjection;
use crate::Runtime;
use crate::hooks::Happening;

impl<R, T, E, P, B> DriverProjection<'_, R, T, E, P, B>
where
    R: Runtime,
    T: Send + 'static,
    E: Send + Sync + 'static,
    P: Plan<R, T, E>,
    B: Rescue<T, E>,
{
    /// A poll that is accompanied. It begins when the task starts and ends when the task ends, where it does either.
    #[cold]
    pub(super) fn poll_watched(&mut self, cx: &task::Context<'_>) -> Poll<()> {
        let Some(watching) = self.header().watching() else {
            // Set before the driver was made; the arm keeps the engine total.
            return Poll::Ready(());
        };
        let waker = Arc::clone(watching).waker(cx.waker());
        if let Some(meter) = &watching.watch().meter {
            meter.begin(|| self.runtime().now());
        }
        let traced = watching.watch().is_traced().then(|| Arc::clone(watching));
        let mut cx = task::Context::from_waker(&waker);
        let polled = match traced {
            Some(watching) => watching.watch().inside(|| self.run(&mut cx)),
            None => self.run(&mut cx),
        };
        let Some(watch) = self.header().watch() else {
            return polled;
        };
        if polled.is_ready() {
            watch.close();
        } else if let Some(meter) = &watch.meter {
            meter.end(self.header().started(), |_| self.runtime().now());
        }
        polled
    }

    /// The last poll is over, before whoever waits for the result can ask what the task cost.
    pub(super) fn end_watch(&self) {
        let Some(watch) = self.header().watch() else {
            return;
        };
        if let Some(meter) = &watch.meter {
            // Callbacks may run in polls that begin after the end.
            let ended = |began| self.header().ended().filter(|ended| *ended >= began);
            meter.end(self.header().started(), |began| {
                ended(began).unwrap_or_else(|| self.runtime().now())
            });
        }
        watch.end();
    }

    /// The lifecycle has ended.
    pub(super) fn tell_end(&self) {
        let state = self.header().lifecycle.state();
        self.happened(|| Happening::Ended(state));
    }
}
