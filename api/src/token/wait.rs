//! Waiting for a token.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{self, Poll};

use super::CancellationToken;
use super::node::Key;
use crate::task::Cancellation;

/// Becomes the cancellation once the token is cancelled; made by [`CancellationToken::cancelled`].
///
/// # Cancel safety
/// Nothing is lost when it is dropped, and nothing of it stays with the token. Polled again after it was ready, it answers
/// the same.
#[must_use = "futures do nothing unless polled"]
pub struct Cancelled<'a> {
    token: &'a CancellationToken,
    key: Option<Key>,
}

/// The same with the token in it; made by [`CancellationToken::cancelled_owned`].
#[must_use = "futures do nothing unless polled"]
pub struct CancelledOwned {
    token: CancellationToken,
    key: Option<Key>,
}

impl<'a> Cancelled<'a> {
    pub(super) const fn new(token: &'a CancellationToken) -> Self {
        Self { token, key: None }
    }
}

impl CancelledOwned {
    pub(super) const fn new(token: CancellationToken) -> Self {
        Self { token, key: None }
    }
}

impl Future for Cancelled<'_> {
    type Output = Cancellation;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Cancellation> {
        let Self { token, key } = self.get_mut();
        poll(token, key, cx)
    }
}

impl Future for CancelledOwned {
    type Output = Cancellation;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Cancellation> {
        let Self { token, key } = self.get_mut();
        poll(token, key, cx)
    }
}

fn poll(token: &CancellationToken, key: &mut Option<Key>, cx: &task::Context<'_>) -> Poll<Cancellation> {
    if token.cancellation().is_none() {
        token.node.wait(key, cx.waker());
    }
    // Again, after the waker is listed: whoever cancels later finds it.
    token.cancellation().map_or(Poll::Pending, Poll::Ready)
}

impl Drop for Cancelled<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.token.node.forget(key);
        }
    }
}

impl Drop for CancelledOwned {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.token.node.forget(key);
        }
    }
}

impl fmt::Debug for Cancelled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancelled").field(self.token).finish()
    }
}

impl fmt::Debug for CancelledOwned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CancelledOwned").field(&self.token).finish()
    }
}
