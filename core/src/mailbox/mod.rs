//! A bounded queue between tasks and interrupt handlers, with a policy for what does not fit.
//!
//! ```text
//!   what becomes of a slot:
//!
//!                claim                 publish
//!   [ Free ] -----------> [ A sender's ] ---------> [ Holds an item ]
//!     ^  ^                  |        ^                |           |
//!     |  `------ free ------'        `---- evict -----'           | pop
//!     |     (closed, or evicted                                   v
//!     |      and not needed)                              [ A receiver's ]
//!     `---------------------------- free -------------------------'
//! ```
//!
//! | bits   | name      | meaning                                                                        |
//! |--------|-----------|--------------------------------------------------------------------------------|
//! | 31     | `CLOSED`  | set by the first `close`, never cleared                                        |
//! | 28..31 | `LEN`     | how many items are held                                                        |
//! | 7..28  | `ORDER`   | the slots of the held items, three bits each, oldest first; clear above `LEN`  |
//! | 0..7   | `CLAIMED` | a bit for each slot that is not free                                           |
//!
//! A send is two exchanges of the word: one claims a slot, the other publishes what was put into it. A receive is two as
//! well: one takes the oldest slot out of the order, the other frees it. In between the slot belongs to the caller.
//! Each exchange decides everything at once, so that any number of senders and receivers may run; the price is
//! [`Mailbox::MAX`], seven items. Next to the word lie `N` cells for the items, the three counts, and a
//! [`WaiterSet`](crate::waiters::WaiterSet) for each end.
//!
//! - **M1** A slot is free, or one sender's or receiver's, or holds a published item. Whose it is, is alone with its cell:
//!   no borrow is ever refused, no published slot is empty, no free one holds anything.
//! - **M2** Items are received in the order of their publication, each once; a policy that makes room takes the oldest.
//! - **M3** At most `N` items are held. There is room if a slot is free; what others have in hand takes room as well.
//! - **M4** No item is lost: it is held, or goes to a receiver, or back to a sender, its own or the one it made room for.
//! - **M5** After `close` nothing enters, and what is held may be received. Who is told that the mailbox is closed sees
//!   what the closer did before.
//! - **M6** `sent = received + dropped + held + in hand`, whenever [`Mailbox::counts`] reads: in hand is what others are
//!   in the middle of moving, never less than nothing, and nothing at rest.
//! - **M7** No wake-up is lost: while an item is held, the receiver that waits longest is awake, or somebody who has yet
//!   to wake it; likewise the sender, while there is room. A waiter that is dropped passes the wake-up on.
//! - **M8** Under [`Overflow::KeepLatest`] never more than one item is held.
//!
//! Every operation is lock-free: a retry means that another one took effect in between. Nobody waits for somebody in the
//! middle of an operation, so an interrupt handler may send and receive while it interrupts just that; it finds one slot
//! less. Nothing allocates (`core/tests/no_alloc.rs`). The table test is `mailbox/tests.rs`, which also drops the futures
//! at every poll; the random one `core/tests/model_mailbox.rs`, the models `loom-tests/tests/mailbox.rs`. Only waking runs
//! foreign code: the wakers of the tasks.
//!
//! # No room
//! | policy                    | what becomes of the item                                                           |
//! |---------------------------|------------------------------------------------------------------------------------|
//! | [`Overflow::Block`]       | [`Mailbox::send`] waits for room; [`Mailbox::try_send`] gives it back, uncounted   |
//! | [`Overflow::Reject`]      | goes back as an error, counted as dropped                                          |
//! | [`Overflow::DropNewest`]  | goes back as [`Displaced`], counted as dropped                                     |
//! | [`Overflow::DropOldest`]  | enters; the oldest goes back as [`Displaced`], counted as dropped                  |
//! | [`Overflow::KeepLatest`]  | enters, also when there is room; all others go back as [`Displaced`], counted as dropped |
//!
//! The last two need a slot that is free or holds an item. Where `N` others are in the middle of an operation there is
//! neither, and the item is refused as [`Refused::Full`], counted as dropped. With fewer than `N` others at work at once,
//! interrupted ones included, that does not happen.
//!
//! # Closing down
//! [`Mailbox::close`], then [`Mailbox::try_recv`] or [`Mailbox::recv`] until [`TryRecvError::Closed`]. A mailbox that is
//! dropped drops what it holds.
//!
//! # Fairness
//! Each end is served first come, first served among those that wait; `W` may wait at each, one more is refused. Only
//! [`Mailbox::try_send`] and [`Mailbox::try_recv`] overtake: an interrupt handler cannot queue.
//!
//! # What the models cover
//! The word, the counts, the queues of waiters and the order of all steps between them; not the cells of the wakers, see
//! [`waiters`](crate::waiters#what-the-models-cover). Items lie in cells of the crate
//! `atomic_refcell`, whose own borrow flag is not seen by loom; the models have a mark for each cell instead, read and
//! written like the plain memory behind it (M1). The cell asks for `T: Send + Sync` where the mailbox is shared, although
//! no item is ever borrowed by two.
//!
//! [`Overflow::Block`]: crate::pressure::Overflow::Block
//! [`Overflow::Reject`]: crate::pressure::Overflow::Reject
//! [`Overflow::DropNewest`]: crate::pressure::Overflow::DropNewest
//! [`Overflow::DropOldest`]: crate::pressure::Overflow::DropOldest
//! [`Overflow::KeepLatest`]: crate::pressure::Overflow::KeepLatest

mod cell;
mod displaced;
mod error;
mod machine;
mod receiving;
mod sending;
mod tally;
mod word;

pub use displaced::Displaced;
pub use error::{RecvError, Refused, SendError, TryRecvError};
pub use machine::Mailbox;
pub use receiving::Receiving;
pub use sending::Sending;
pub use tally::Counts;

#[cfg(test)]
mod tests;
