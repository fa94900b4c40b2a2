//! Numbers that many threads write and few read: counts, levels and distributions.
//!
//! ```text
//!   Counter          [ counting ] --add (sum > MAX)--> [ full ]       Gauge     0 <-- lower -- [ LEVEL ] -- raise --> u32::MAX
//!                         ^  ^------------take------------'                      stops at both ends
//!                         `--add, take--'
//!
//!   ShardedCounter   [ free cell ] --claim--> [ one writer: add is a store ] --drop of the shard--> [ free cell ]
//!
//!   Histogram        value --leading zeros, shift--> one of CELLS counters
//! ```
//!
//! | word                            | bits  | name      | meaning                                                    |
//! |---------------------------------|-------|-----------|------------------------------------------------------------|
//! | counter, cell of a histogram    | 31    | `FULL`    | the count reached [`Counter::MAX`]; what follows is nothing |
//! |                                 | 0..31 | `COUNT`   | what was counted, while `FULL` is clear                    |
//! | gauge                           | 0..32 | `LEVEL`   | what was raised less what was lowered                      |
//! | cell of a sharded counter       | 0..32 | `COUNT`   | what its writers counted; stops at `u32::MAX`              |
//! | claims of a sharded counter     | 0..32 | `CLAIMED` | bit `i`: cell `i` has a writer                             |
//!
//! - **S1** A counter reads as what was added less what was taken, up to [`Counter::MAX`]. There it stays, whatever is
//!   added, until it is taken: it saturates and does not wrap. (While fewer than 32,768 callers are between the two
//!   steps of an addition that found it full, each with the largest step.)
//! - **S2** What a counter, a cell or a histogram counted is taken once: all that was taken, plus what it reads in the
//!   end, is what was added. An `absorb` moves counts and makes or loses none, short of saturation.
//! - **S3** A gauge stops at 0 and at `u32::MAX`. In between no change gets lost.
//! - **S4** A cell of a sharded counter has one writer at a time, who continues from what the one before counted.
//! - **S5** A histogram counts each value in one cell, whose bounds contain it. A cell is at most `low >> BITS` wider
//!   than one value: the stated relative error.
//! - **S6** What one thread reads of a counter that nobody takes from, of a sharded counter, or of a cell of a histogram
//!   that nobody takes from, never falls.
//!
//! Adding to a counter and recording into a histogram are one `fetch_add` and a branch, lock-free also at saturation.
//! A sharded counter's addition is one plain store. Nothing waits and nothing allocates (`core/tests/no_alloc.rs`). The
//! models in `loom-tests/tests/stats.rs` prove S1 to S5; that a full counter has room for the crowd of S1 is a test with
//! threads (`tests::many_threads_at_the_end_of_a_counter_do_not_wrap_it`), and S6 the coherence of one atomic word.
//!
//! # Which one
//! Start with a [`Counter`]: 4 bytes. A [`ShardedCounter`] is for counts at every step of every worker; it costs 64
//! bytes a worker and 64 for the claims, and its sum is read cell by cell. A count that may pass [`Counter::MAX`] is taken from time to time
//! and summed in a wider integer by who takes.
//!
//! # Memory ordering
//! The numbers order no memory: who reads a count does not see what was done before it was counted. Only a shard that
//! changes hands does: who claims a cell sees what its former writer did.

mod counter;
mod gauge;
mod histogram;
mod sharded;

pub use counter::Counter;
pub use gauge::Gauge;
pub use histogram::{Bucket, Histogram, Snapshot};
pub use sharded::{AllClaimed, Shard, ShardedCounter};

#[cfg(test)]
mod tests;
