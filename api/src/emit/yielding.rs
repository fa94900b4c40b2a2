//! Letting others run.

use core::task::Poll;

/// Lets other tasks of the executor have the thread.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    core::future::poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Who always finds work still lets others run this often.
pub(crate) const ROWS_BETWEEN_YIELDS: usize = 1_000;

/// Who finds an edge empty or full lets others run so often before it goes to sleep. A chunk takes them about as long as
/// one of these turns, and to be woken takes several times that.
pub(crate) const YIELDS_BEFORE_SLEEP: usize = 4;
