//! How urgent a task is, and which class runs next.
//!
//! [`Priority`] is the class of a task. [`Aging`] decides from which class the next one is taken: the most urgent that
//! waits, unless another was passed over too often.
//!
//! ```text
//!   each class:
//!                       a decision whose set has it, for another class: AGE + 1
//!                                         .----------.
//!                                         |          v
//!   [ AGE = 0 ] --passed over--> [ waiting, AGE < patience ] --passed over--> [ due, AGE >= patience ] --.
//!        ^                                |                                         |      ^            | passed over
//!        |                                | chosen: none is due and it is the       |      `------------' for one that
//!        |                                | most urgent                             |                     is due longer
//!        `---- chosen, or not in the set -'-----------------------------------------' chosen: due for longest
//! ```
//!
//! | bits   | name         | meaning                                                                     |
//! |--------|--------------|-----------------------------------------------------------------------------|
//! | 30..32 |              | zero                                                                        |
//! | 24..30 | `CRITICAL`   | `AGE` of the class: how many decisions in a row had it waiting and chose another |
//! | 18..24 | `HIGH`       | likewise                                                                    |
//! | 12..18 | `NORMAL`     | likewise                                                                    |
//! | 6..12  | `LOW`        | likewise                                                                    |
//! | 0..6   | `BACKGROUND` | likewise                                                                    |
//!
//! - **P1** Only a class that waits is chosen, and one is if any waits.
//! - **P2** While none is due, the most urgent class that waits is chosen.
//! - **P3** A class is passed over at most `patience + 4` times in a row, whatever the others do: starvation is bounded
//!   for every class, the most urgent included.
//! - **P4** Each decision counts: none of two at the same time gets lost.
//! - **P5** A class that does not wait has no age: it cannot save up.
//!
//! Why P3 holds: a class is due after `patience` decisions. Among those due the one that is due longest is chosen, of
//! equals the most urgent. Who was chosen starts from 0 and can never again be due for longer than who was due before.
//! So each of the four others goes ahead at most once more. That is also why an age fits into its 6 bits.
//!
//! A decision is one read and one compare-and-swap when nobody interferes (none while only one class waits), and
//! lock-free. The models in `loom-tests/tests/priority.rs` prove P1 to P5, the random test in
//! `core/tests/model_priority.rs` holds P3 for random patience and sets. Nothing allocates (`core/tests/no_alloc.rs`).
//!
//! # Memory ordering
//! `Relaxed`: a decision names a class and hands over no task. The queue that the task is taken from does.

mod aging;
mod class;

pub use aging::{Aging, Patience, PatienceError};
pub use class::{Classes, Priority};

#[cfg(test)]
mod tests;
