//! Speed against the limit and against the best peer, measured in one run.
//!
//! A *figure* is one thing that a user waits for: a task, a call, an item. Its *contestants* do the same work in turns:
//! ours, the best peers, and the *limit*, which is the least work that could do it. Turns are short and many, and each
//! turn starts with another contestant, so that a machine that slows down for a moment slows all of them alike. What
//! is printed is the median of each and the median of the ratios within a turn.
//!
//! Time is noisy where other programs run, so allocations are counted beside it (in a process of its own, because a
//! counting allocator costs time), and instructions too when asked for, under valgrind.
//!
//! ```text
//! cargo bench -p sweet-async-benches --bench spawn                      one group
//! cargo bench -p sweet-async-benches --bench spawn -- --instructions    and its instructions
//! cargo bench -p sweet-async-benches --bench all -- --write             all groups, into benches/RESULTS.md
//! cargo bench -p sweet-async-benches --bench breaker -- closed          the figures whose name holds a word
//! cargo bench -p sweet-async-benches --bench breaker -- --quick         a few turns only, to see that it runs
//! ```
#![expect(
    clippy::expect_used,
    reason = "a contestant that cannot be set up has no figure; the run ends and says why"
)]

pub mod contest;
pub mod counted;
pub mod groups;
pub mod meter;
pub mod report;
pub mod run;

pub use contest::{Contestant, Figure, Goal, Group, Role, Table};
pub use meter::{Meter, Sample};
pub use run::main;
