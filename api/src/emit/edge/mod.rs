//! A bounded edge: chunks go from senders to receivers, and their buffers come back.
//!
//! ```text
//!            full chunks, at most `capacity`
//!  sender  ------------------------------->  receiver
//!          <-------------------------------
//!            emptied buffers
//! ```
//!
//! Both ends pass a chunk by exchange: [`EventSender::send`] takes the rows out of the caller's chunk and leaves an
//! emptied buffer in its place, [`EventReceiver::recv`] takes the caller's used buffer and leaves the rows. So nothing
//! can be lost with a future that is dropped while it waits, a refusal has nothing to hand back, and once every buffer
//! has grown to its size the edge allocates nothing (test: `steady_state_allocates_nothing`).
//!
//! - **E1** At most `capacity` chunks wait on the edge.
//! - **E2** Every chunk sent is received once, in the order sent, or displaced once, or drained once after a close.
//! - **E3** Whoever waits is woken: a receiver by a chunk or the close, a sender by room or the close. One kind of delay
//!   is deliberate: a waiting sender is left asleep until half of the capacity is free, so that it finds room for a
//!   while when it wakes; meanwhile no other sender overtakes it.
//! - **E4** When the last sender is gone, receivers take what is left and then see [`Closed`]. When the last receiver is
//!   gone, senders see [`Closed`] at once.

mod error;
mod half;
mod shared;

pub use error::{Closed, SendError, TryRecvError};
pub use half::{EventReceiver, EventSender, edge};
pub use shared::{Overflow, Sent};

#[cfg(test)]
mod tests;
