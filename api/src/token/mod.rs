//! Cancellation without a task: a tree of tokens, each of which is cancelled once and tells all below it.
//!
//! A [`CancellationToken`] is for whatever has to stop and is no task of this crate: a loop on a thread, a connection, a
//! future that somebody else spawned. Tasks have one too, [`token`](crate::task::TaskRecord::token), which is
//! cancelled when the task is told to stop; and a task obeys a token after
//! [`TaskRef::cancel_with`](crate::task::TaskRef::cancel_with).
//!
//! ```
//! use sweet_async_api::token::CancellationToken;
//! use sweet_async_api::{Level, Reason};
//!
//! let server = CancellationToken::new();
//! let connection = server.child_token();
//! let request = connection.child_token();
//!
//! request.cancel();
//! assert!(!connection.is_cancelled());
//!
//! server.cancel_because(Level::Graceful, Reason::Shutdown);
//! assert_eq!(connection.cancellation().map(|told| told.reason), Some(Reason::Shutdown));
//! // The first reason stays.
//! assert_eq!(request.cancellation().map(|told| told.reason), Some(Reason::Requested));
//! ```
//!
//! # What it costs
//! A child is one allocation that knows its parent; the parent does not know the child. So cancelling is one exchange,
//! however many are below, and [`is_cancelled`](CancellationToken::is_cancelled) looks at the token's own word and then
//! at those above it, one load for each level until one is cancelled. What it finds further up than its parent it writes
//! down in the words on the way, so that this way is gone once. Nothing there locks or allocates.
//!
//! Only who waits is listed. The first wait for a token, [`cancelled`](CancellationToken::cancelled) and what is made of
//! it, lists it with its parent, the parent with its own, and so on, once in a token's life; later ones leave their waker
//! with the token alone. `cancel` wakes exactly those. The lists have short locks, under which no foreign code runs, and
//! which making, looking and cloning do not touch.
//!
//! Neither the depth of a tree nor its width is a limit.
//!
//! # Coming from `tokio-util`
//! Names are the same where the meaning is. Different are: what is cancelled has a [`Level`](crate::Level) and a
//! [`Reason`](crate::Reason); `run_until_cancelled` polls the work first and says why it was stopped; a token that is
//! dropped cancels nobody, which a [`DropGuard`] does there as well.

mod handle;
mod node;
mod wait;

pub(crate) use handle::WeakToken;
pub use handle::{CancellationToken, DropGuard, TokenCancelled};
pub use wait::{Cancelled, CancelledOwned};
