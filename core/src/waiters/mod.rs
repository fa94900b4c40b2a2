//! Sleeping in a queue until credits are free or a task is cancelled, without an allocator.
//!
//! ```text
//!            enter                 enter                        enter
//!        .-----------.         .-----------.                .-----------.
//!        |           v         |           v                |           v
//!   [ Empty ]     [ 1 waits: head ]     [ 2 wait ]  ...  [ N - 1 wait ]  [ N wait ] --enter--> Full
//!        ^           |         ^           |                ^           |
//!        `-----------'         `-----------'                `-----------'
//!         leave (head)          leave (any)                  leave (any)
//! ```
//!
//! | bits   | name    | meaning                                                                          |
//! |--------|---------|----------------------------------------------------------------------------------|
//! | 28..32 |         | always clear                                                                     |
//! | 24..28 | `LEN`   | how many wait                                                                    |
//! | 0..24  | `ORDER` | the eight slots, three bits each: first those that wait, oldest first, then the free |
//!
//! The queue is a permutation in one word, so that entering, leaving from the middle and being first are each decided
//! by one compare-and-swap. The price is [`WaiterSet::MAX`], eight waiters. Next to the word lie `N` cells, each for
//! the waker of one slot.
//!
//! - **W1** A slot belongs to at most one waiter. At most `N` wait; one more is refused and changes nothing.
//! - **W2** Waiters are ordered by their entry. Who leaves, from wherever, changes nothing in the order of the rest.
//! - **W3** No wake-up is lost: a waiter that answered `Pending` is woken once what it waits for is there, or somebody
//!   before it in the queue is awake.
//! - **W4** A waiter that is dropped, woken or not, passes the wake-up on to the next.
//! - **W5** Nobody takes a credit while an earlier waiter sleeps: only the head of the queue takes, and a newcomer
//!   only if the queue is empty.
//! - **W6** A future that is dropped at any time has taken nothing; a [`Permit`] that is dropped gives back.
//!
//! Every operation on the queue is lock-free: a retry means that another thread entered or left. Nothing allocates
//! (`core/tests/no_alloc.rs`). The table test is `waiters/tests.rs`, which also drops the futures at every poll; the
//! random one `core/tests/model_waiters.rs`, the models `loom-tests/tests/waiters.rs`. Only waking runs foreign code: the
//! wakers of the tasks.
//!
//! # What the models cover
//! The word, the credits, the lifecycle and the order of all steps between them. In place of the cells, which come from
//! the crate `atomic-waker`, the models run loom's own waker cell, which offers the same: a wake-up that follows a
//! registration wakes it, and one that meets a registration wakes the registering task. That `atomic-waker` keeps this
//! promise is not proven here. Nor is it that who enters a slot finds its former owner gone from the cell; that
//! is the Release and Acquire of the exchange, and loom's cell, being in order by itself, cannot show its absence.
//!
//! # One set, one thing
//! A set serves the waiters of one [`Credits`], or of any number of lifecycles; never both. A wake-up for credits goes
//! to the head alone, and a head that waits for something else would not pass it on before it leaves. A mailbox has a
//! set of its own for each end.
//!
//! # Fairness
//! First come, first served (W5): a large wish at the head is not overtaken by a small one behind it. Everybody who is
//! served wakes the next, so several credits given back at once reach as many waiters, one after the other.
//!
//! [`Credits`]: crate::credit::Credits

mod acquire;
mod cancelled;
mod cell;
mod permit;
#[cfg(feature = "mailbox")]
mod place;
mod set;

pub use acquire::{Acquire, WaitError};
pub use cancelled::Cancelled;
pub use permit::Permit;
#[cfg(feature = "mailbox")]
pub(crate) use place::Place;
pub use set::{Full, WaiterSet};

#[cfg(test)]
mod tests;
