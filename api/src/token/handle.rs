//! What programs hold.

use alloc::sync::{Arc, Weak};
use core::error::Error;
use core::fmt;
use core::future::Future;
use core::ops::Deref;
use core::pin::pin;
use core::task::Poll;

use sweet_async_core::lifecycle::{Level, Reason};

use super::node::Node;
use super::{Cancelled, CancelledOwned};
use crate::task::Cancellation;

/// Tells whoever holds it, or a token below it, to stop; once, with a level and a reason.
///
/// A clone is the same token, [`child_token`](Self::child_token) makes one below it. Any number of threads may look,
/// wait and cancel at the same time. The first cancellation of a token stays, level and reason, whether it was its own or
/// one from above; where both happen at the same time, all who ask the same token are told of the same one.
///
/// Dropping a token cancels nobody; [`drop_guard`](Self::drop_guard) does. See [the module](super) for what it costs.
///
/// # Examples
/// ```
/// # use sweet_async_api::token::CancellationToken;
/// let token = CancellationToken::new();
/// let worker = std::thread::spawn({
///     let token = token.child_token();
///     move || {
///         let mut rounds = 0_u64;
///         while !token.is_cancelled() {
///             rounds += 1;
///         }
///         rounds
///     }
/// });
/// assert!(token.cancel());
/// assert!(worker.join().is_ok());
/// ```
#[derive(Clone)]
pub struct CancellationToken {
    pub(super) node: Arc<Node>,
}

/// Cancels its token when it is dropped, at [`Level::Graceful`], with [`Reason::Dropped`]; made by
/// [`CancellationToken::drop_guard`]. Dereferences to the token.
#[must_use = "a guard that is dropped cancels its token"]
pub struct DropGuard {
    token: CancellationToken,
    armed: bool,
}

/// A token that is not kept alive.
pub(crate) struct WeakToken(Weak<Node>);

/// Work was given up because a token was cancelled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct TokenCancelled {
    /// Why, and at which level.
    pub cancellation: Cancellation,
}

impl CancellationToken {
    /// A token with none above it.
    #[must_use]
    pub fn new() -> Self {
        Self {
            node: Arc::new(Node::new(None)),
        }
    }

    /// A token below this one: cancelled when this one is, or before it. One allocation.
    ///
    /// A child of a cancelled token is cancelled.
    #[inline]
    #[must_use]
    pub fn child_token(&self) -> Self {
        Self {
            node: Arc::new(Node::new(Some(Arc::clone(&self.node)))),
        }
    }

    /// Cancels this token and all below it, at [`Level::Graceful`], because [somebody asked](Reason::Requested).
    ///
    /// Answers whether this was the first cancellation; only then does it change anything. When it returns, everybody who
    /// waits has been woken, on the calling thread.
    #[expect(
        clippy::must_use_candidate,
        reason = "it is called for what it does; who was first matters to few"
    )]
    pub fn cancel(&self) -> bool {
        self.cancel_because(Level::Graceful, Reason::Requested)
    }

    /// The same, with a level, which tasks that [obey](crate::task::TaskRef::cancel_with) the token are cancelled at, and a
    /// reason.
    #[expect(clippy::must_use_candidate, reason = "as `cancel`")]
    pub fn cancel_because(&self, level: Level, reason: Reason) -> bool {
        self.node.cancel(level, reason)
    }

    /// Whether this token, or one above it, was cancelled.
    ///
    /// One load for each level up to the first that was. Nothing else may be concluded from the answer; who reads what was
    /// written before the cancellation asks for [`cancellation`](Self::cancellation).
    #[inline]
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.node.is_cancelled()
    }

    /// Why the token was cancelled, and at which level; `None` if it was not. Once it was, the answer stays the same.
    ///
    /// Who is told sees what the canceller did before.
    #[must_use]
    pub fn cancellation(&self) -> Option<Cancellation> {
        self.node.cancellation()
    }

    /// Waits until the token is cancelled.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub const fn cancelled(&self) -> Cancelled<'_> {
        Cancelled::new(self)
    }

    /// The same, as a future that holds the token.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub const fn cancelled_owned(self) -> CancelledOwned {
        CancelledOwned::new(self)
    }

    /// Runs `work` until it is done or the token is cancelled, whichever is first; `work` is asked first.
    ///
    /// # Errors
    /// [`TokenCancelled`] when the token was cancelled first; `work` is dropped.
    ///
    /// # Cancel safety
    /// As that of `work`.
    ///
    /// # Examples
    /// ```
    /// # use sweet_async_api::token::CancellationToken;
    /// # use sweet_async_api::Reason;
    /// # async fn example() {
    /// let token = CancellationToken::new();
    /// token.cancel();
    /// let stopped = token.run_until_cancelled(std::future::pending::<()>()).await;
    /// assert_eq!(stopped.map_err(|error| error.cancellation.reason), Err(Reason::Requested));
    /// # }
    /// # let mut task = std::task::Context::from_waker(std::task::Waker::noop());
    /// # assert!(Future::poll(std::pin::pin!(example()), &mut task).is_ready());
    /// ```
    pub async fn run_until_cancelled<F: Future>(&self, work: F) -> Result<F::Output, TokenCancelled> {
        let mut work = pin!(work);
        let mut cancelled = pin!(self.cancelled());
        core::future::poll_fn(|cx| {
            if let Poll::Ready(output) = work.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            cancelled
                .as_mut()
                .poll(cx)
                .map(|cancellation| Err(TokenCancelled { cancellation }))
        })
        .await
    }

    pub(crate) fn downgrade(&self) -> WeakToken {
        WeakToken(Arc::downgrade(&self.node))
    }

    /// Has the token cancelled when the guard is dropped.
    pub const fn drop_guard(self) -> DropGuard {
        DropGuard {
            token: self,
            armed: true,
        }
    }
}

impl WeakToken {
    /// Why it was cancelled, if it is still there.
    pub(crate) fn cancellation(&self) -> Option<Cancellation> {
        self.0.upgrade()?.cancellation()
    }
}

impl DropGuard {
    /// Gives the token back, which the guard does not cancel any more.
    #[must_use]
    pub fn disarm(mut self) -> CancellationToken {
        self.armed = false;
        self.token.clone()
    }
}

impl Drop for DropGuard {
    fn drop(&mut self) {
        if self.armed {
            self.token.cancel_because(Level::Graceful, Reason::Dropped);
        }
    }
}

impl Deref for DropGuard {
    type Target = CancellationToken;

    fn deref(&self) -> &CancellationToken {
        &self.token
    }
}

impl Default for CancellationToken {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for CancellationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancellationToken")
            .field("cancellation", &self.cancellation())
            .finish()
    }
}

impl fmt::Debug for DropGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DropGuard").field(&self.token).finish()
    }
}

impl fmt::Display for TokenCancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the token {}", self.cancellation)
    }
}

impl Error for TokenCancelled {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cancellation)
    }
}
