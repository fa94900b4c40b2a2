//! A timer that is made when it is first needed.

use core::pin::Pin;
use core::task::{self, Poll};

use pin_project_lite::pin_project;

use crate::{Moment, Runtime, Sleep};

pin_project! {
    /// One timer for several waits in turn.
    pub(super) struct Alarm<S> {
        #[pin]
        sleep: Option<S>,
        armed: Moment,
    }
}

impl<S: Sleep> Alarm<S> {
    pub(super) const fn new() -> Self {
        Self {
            sleep: None,
            armed: Moment::NEVER,
        }
    }

    /// Ready once it is `until`; never costs nothing.
    pub(super) fn poll<R>(
        self: Pin<&mut Self>,
        until: Moment,
        runtime: &R,
        cx: &mut task::Context<'_>,
    ) -> Poll<()>
    where
        R: Runtime<Sleep = S>,
    {
        if until == Moment::NEVER {
            return Poll::Pending;
        }
        let mut this = self.project();
        if let Some(sleep) = this.sleep.as_mut().as_pin_mut() {
            if *this.armed != until {
                sleep.reset(until);
            }
        } else {
            this.sleep.set(Some(runtime.sleep_until(until)));
        }
        *this.armed = until;
        let Some(sleep) = this.sleep.as_mut().as_pin_mut() else {
            return Poll::Pending;
        };
        core::task::ready!(sleep.poll(cx));
        // Fired: whatever comes next is armed anew.
        *this.armed = Moment::NEVER;
        Poll::Ready(())
    }
}
