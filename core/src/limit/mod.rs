//! How many calls may be in flight at once, learned from how the calls fare.
//!
//! ```text
//!                 try_enter: + 1 in flight (if below the limit)
//!   [ callers ] ------------------------------------------------> [ in flight ]
//!        ^                                                             |
//!        |  leave: - 1 in flight                                       | Ok(latency), Dropped
//!        `-------------------------------------------------------------+----------.
//!                                                                      | Ignored  |
//!                         .--- free: step, new limit ---.              |          v
//!                         v                             |              |    [ BUSY: one caller ]
//!                     [ calm ] <------------------------+--------------'          |
//!                         `-------------- first sample takes BUSY ----------------'
//! ```
//!
//! | bits   | name        | meaning                                                          |
//! |--------|-------------|------------------------------------------------------------------|
//! | 31     | `BUSY`      | one caller works out the next limit                              |
//! | 30     | `DROPPED`   | calls were dropped since it began; it takes them up              |
//! | 15..30 | `LIMIT`     | how many may be in flight                                        |
//! | 0..15  | `IN_FLIGHT` | how many are; more than `LIMIT` after the limit shrank           |
//!
//! - **L1** `LIMIT` stays within the bounds, whatever the policy says.
//! - **L2** Nobody enters unless `IN_FLIGHT` stays within `LIMIT`.
//! - **L3** `IN_FLIGHT` is how many entered less how many left; who leaves without having entered is refused.
//! - **L4** What the policy remembers is written by the caller that holds `BUSY` alone, and the next one sees it.
//! - **L5** A drop is never lost: it is worked in by its own caller or by the one that is `BUSY`.
//! - **L6** Only a call that ended well has a latency: neither a drop nor a call that was ignored enters an estimate.
//! - **L7** A limit at its minimum grows again once calls end well with little queueing.
//!
//! Nobody waits: a call that ends well while another caller is `BUSY` is not sampled, and one that is dropped leaves a
//! note. Entering is one load and one compare-and-swap, leaving with a sample two; who loses an exchange to another pauses
//! for about a microsecond at most. Arithmetic is in whole numbers, with 16 fraction bits. L2 to L5 are proven by the models
//! in `loom-tests/tests/limit.rs`; L7 is shown for each policy by `tests::recovers_from_the_minimum`. Nothing allocates
//! (`core/tests/no_alloc.rs`). `convergence.svg`, which the example `convergence` draws, shows each policy before a server
//! whose capacity changes; `core/tests/converge_limit.rs` asserts what is to be seen there.
//!
//! # Policies
//! | policy        | looks at                            | after                                                       |
//! |---------------|-------------------------------------|-------------------------------------------------------------|
//! | [`Aimd`]      | drops                               | Chiu and Jain 1989; Netflix concurrency-limits, `AIMDLimit` |
//! | [`Vegas`]     | the latency without load, and drops | Brakmo and Peterson 1994; the same, `VegasLimit`            |
//! | [`Gradient2`] | short against long-term latency     | the same, `Gradient2Limit`                                  |
//!
//! What differs from the source is said at each. All share: drops within as many samples as the limit counts are one
//! event and shrink the limit once; a limit of which less than half is used does not grow.

mod aimd;
mod concurrency;
mod gradient2;
mod policy;
mod vegas;

pub use aimd::Aimd;
pub use concurrency::{Bounds, BoundsError, ConcurrencyLimit, Full, NotEntered, Outcome, Permit};
pub use gradient2::Gradient2;
pub use policy::{ONE, Policy, Sample, State};
pub use vegas::Vegas;

#[cfg(test)]
mod tests;
