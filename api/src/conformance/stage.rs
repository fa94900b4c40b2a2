//! What the cases share: builders on a harness, time in units, signs, numbers by chance.

use core::future::Future;
use core::task::Poll;
use core::time::Duration;

use super::{Difference, Harness};
use crate::task::TaskBuilder;
use crate::{Context, Runtime};

/// A task of a harness, seen from inside.
pub(super) type Cx<H> = Context<<H as Harness>::Runtime>;

/// What the cases ask of a harness.
pub(super) trait Stage: Harness {
    /// Describes a task that yields a `T`.
    fn to<T, E>(&self) -> TaskBuilder<Self::Runtime, T, E> {
        TaskBuilder::new(self.runtime())
    }

    fn differs(difference: Difference) -> bool {
        Self::DIFFERENCES.contains(&difference)
    }

    /// So many units of time: long enough to be told apart where time is virtual, short where it is not.
    fn units(count: u32) -> Duration {
        let unit = if Self::differs(Difference::RealTime) {
            Duration::from_millis(5)
        } else {
            Duration::from_secs(1)
        };
        unit * count
    }

    /// Lets so many units pass.
    fn pass(&self, units: u32) -> impl Future<Output = ()> + Send {
        let runtime = self.runtime();
        runtime.sleep_until(runtime.now() + Self::units(units))
    }

    /// What took `took` was to take so many units.
    #[track_caller]
    fn assert_took(took: Duration, units: u32) {
        if Self::differs(Difference::RealTime) {
            assert!(took >= Self::units(units), "{took:?} is less than {units} units");
        } else {
            assert_eq!(took, Self::units(units));
        }
    }
}

impl<H: Harness> Stage for H {}

/// A sign that one side gives and the other waits for.
pub(super) fn sign() -> (Sign, Awaited) {
    let (give, take) = async_channel::bounded(1);
    (Sign(give), Awaited(take))
}

#[derive(Clone)]
pub(super) struct Sign(async_channel::Sender<()>);

#[derive(Clone)]
pub(super) struct Awaited(async_channel::Receiver<()>);

impl Sign {
    /// Gives the sign. Again, or where nobody waits any more, it means nothing.
    pub(super) fn give(&self) {
        let _ = self.0.try_send(());
    }
}

impl Awaited {
    /// Waits for the sign; false if it can never come.
    pub(super) async fn given(&self) -> bool {
        self.0.recv().await.is_ok()
    }
}

/// Lets other tasks run.
pub(super) async fn yield_now() {
    let mut yielded = false;
    core::future::poll_fn(|cx| {
        if core::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Lets other tasks run until `is_so`, which no passing of time may be needed for.
pub(super) async fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        yield_now().await;
    }
}
