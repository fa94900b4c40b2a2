//! Keeps calls away from something that fails, and lets a few through to find out when it works again.
//!
//! ```text
//!                       a threshold is reached                 open time over, first probe
//!   new ---> [ Closed ] -----------------------> [ Open ] -----------------------------------> [ HalfOpen ]
//!               ^                                   ^                                            |  |
//!               |                                   `------------------ a probe failed ----------'  |
//!               `------------------------------------ enough probes went well ----------------------'
//!
//!   any ---force_open---> [ ForcedOpen ]     any ---force_closed---> [ ForcedClosed ]
//!   any ---metrics_only---> [ MetricsOnly ]  these three ---auto---> [ Closed ]
//! ```
//!
//! The gate, one word; each state keeps in it what it needs and nothing else:
//!
//! | bits   | Closed, `MetricsOnly`, `ForcedClosed` | `HalfOpen`                          | Open                    |
//! |--------|---------------------------------------|-------------------------------------|-------------------------|
//! | 29..32 | state                                 | state                               | state                   |
//! | 18..29 | generation                            | generation                          | 26..29: streak          |
//! | 15..18 | 0..16: failures in a row              | streak of failed probes             | 0..26: end of open time |
//! | 12..15 |                                       | probes in flight                    |                         |
//! | 9..12  |                                       | probes that went well               |                         |
//! | 0..9   |                                       | when the last probe was admitted    |                         |
//!
//! A second word only gives out numbers for generations: each is given once, so nothing has to agree with the gate.
//! The [window](Window) has words of its own that belong to one generation at a time, and takes over a newer one when its
//! first result comes; an opening decided by it takes effect only while the gate is in that generation.
//!
//! - **B1** The window slides: after any number of successes, as many failures as the threshold asks for open a closed
//!   breaker.
//! - **B2** At most `probes` calls whose lease lasts are in flight while half-open, whoever races for them.
//! - **B3** A probe that is dropped, cancelled or ignored gives its place back at once; one that is lost gives it back
//!   when its lease is over. So a half-open breaker always admits again.
//! - **B4** A result, or a place given back, of a generation that is over changes nothing.
//! - **B5** Each change of state is told to exactly one caller: the one whose result or admission made it.
//! - **B6** A window counts each result once, whoever races to record.
//! - **B7** A cancelled or ignored call is no failure and no success. A success is never the reason to open.
//! - **B8** Who is let through or refused sees what the one did who closed or opened before.
//! - **B9** A forced state stays until [`CircuitBreaker::auto`] or another forced state, whatever is recorded.
//!
//! With [`Consecutive`] every operation is linearizable. A window of words of its own cannot be noted and judged in one
//! step: there, a result that is recorded while another opens the breaker may be answered [`Recorded::Unchanged`] though
//! it is late; everything else is linearizable (`core/tests/linear_breaker.rs`).
//!
//! The models of `loom-tests/tests/breaker.rs` prove the invariants. Every operation is lock-free: a retry means that another
//! thread's exchange took effect. Nothing allocates, in a crate without an allocator.
//!
//! # Time
//! Ticks come from the caller. The end of an open time is exact, and recognised for twice the longest open time from the
//! settings, so callers may lag behind each other by as much as one. It is kept modulo 67,108,864 ticks (18 hours
//! in milliseconds): a breaker that was left open without a call for a multiple of it may refuse for twice the longest
//! open time once more. The lease is measured in quanta of a 16th to an 8th of it, modulo 512: after a silence of a
//! multiple of that, it may seem to have just begun. In both cases the refusal says when to come back, and who comes
//! then is let through, if a place is free.
//!
//! # Costs
//! A call through a closed breaker is two loads with [`Consecutive`], and one compare-and-swap more with the other windows;
//! a refusal while open is one load. A breaker with a window of 64 calls takes 28 bytes; the settings are the caller's
//! and may be a constant. See [`Settings`].

mod gate;
mod machine;
mod outcome;
mod permit;
mod settings;
mod snapshot;
mod window;

pub use machine::CircuitBreaker;
pub use outcome::{Counts, Outcome, Recorded, Refused, State, Ticket};
pub use permit::Permit;
pub use settings::{Rules, Settings, SettingsError};
pub use snapshot::SnapshotError;
pub use window::{AnyWindow, Consecutive, LastCalls, LastTime, Window};

/// What a firmware relies on; it holds on every target, because the words have 32 bits on each.
#[cfg(not(any(sweet_loom, sweet_shuttle)))]
const _: () = {
    assert!(size_of::<CircuitBreaker<Consecutive>>() == 8);
    assert!(size_of::<CircuitBreaker<LastCalls<4>>>() <= 32);
    assert!(LastCalls::<4>::CAPACITY >= 64);
    assert!(size_of::<Ticket>() == 4);
};

#[cfg(test)]
mod tests;
