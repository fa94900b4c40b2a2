//! The promises of this crate as tests that know no executor, for whoever writes an adapter.
//!
//! An adapter's tests implement [`Harness`], which starts an executor and says where it differs, and expand the suite
//! once for each flavour; every case is a test of its own, `flavour::group::case`:
//!
//! ```text
//! #[derive(Clone)]
//! struct OneThread(Arc<..>);
//!
//! impl Harness for OneThread { .. }
//!
//! sweet_async_api::conformance!(one_thread: OneThread);
//! ```
//!
//! # Rules of the cases
//! - A case says nothing about the order in which tasks are polled that a program could not say: it waits for a sign
//!   from the task, never for a number of turns.
//! - Lengths of time are counted in units of the suite: a second where time is virtual, a few milliseconds where it is
//!   not. A length is compared exactly where time is virtual, and is at least as long as stated elsewhere. Nothing is
//!   asserted to be quick, and whatever must not pass during a case is a minute or more away.
//! - A case that cannot hold somewhere has another branch, under a [`Difference`] that the harness declares.
//!
//! # Differences
//! A test of each flavour compares its column with what its harness declares.
//!
#![doc = include_str!("differences.md")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are tests, and one that cannot go on fails"
)]

mod differences;
mod stage;
mod work;

use core::future::Future;

pub use differences::{Difference, TABLE};

use crate::Runtime;

/// How the suite gets an executor, and what it may expect of it.
///
/// A clone speaks of the same executor. The executor may go away with the last clone, and has to go away with
/// [`shut_down`](Self::shut_down).
pub trait Harness: Clone + Send + Sync + 'static {
    /// What the adapter is.
    type Runtime: Runtime;

    /// The heading of this flavour's column in [`TABLE`](Self::TABLE).
    const NAME: &'static str;

    /// Where the flavour does not do as the others do.
    const DIFFERENCES: &'static [Difference];

    /// The text that tells users of the differences, in the form of [`TABLE`], which is the one of the adapters here.
    const TABLE: &'static str = TABLE;

    /// What the names of the threads that run tasks begin with. Asked for unless
    /// [`ForeignThreads`](Difference::ForeignThreads) is declared.
    const THREADS: &'static str = "";

    /// Starts an executor with so many threads on which nothing else runs. One that is
    /// [`OneThread`](Difference::OneThread) takes no notice of the number.
    fn start(threads: usize) -> Self;

    /// The executor, as tasks are given it.
    fn runtime(&self) -> Self::Runtime;

    /// What a program gets that names no executor, here where none runs: the `Default` of most adapters.
    fn outside() -> Self::Runtime;

    /// Runs `future` on the calling thread until it is ready, while the executor runs its tasks.
    ///
    /// Called by one thread at a time, never inside a task, and also after [`shut_down`](Self::shut_down), when
    /// `future` waits for nothing that only an executor can do.
    fn run<F: Future>(&self, future: F) -> F::Output;

    /// Shuts the executor down and drops its tasks, without waiting for work that blocks a thread.
    fn shut_down(&self);

    /// Calls the adapter's `block_on` where it is called, which is inside a task, and answers whether it was refused.
    /// Called unless [`NoBlockOn`](Difference::NoBlockOn) is declared.
    fn is_block_on_refused(&self) -> bool {
        false
    }
}

/// Expands to the suite: a module of tests for one flavour of an adapter, `conformance!(flavour: Harness)`.
#[macro_export]
macro_rules! conformance {
    ($flavour:ident: $harness:ident) => {
        mod $flavour {
            use super::$harness;

            $crate::conformance! { @list @tests $harness }
        }
    };
    // Every case. `inside`: an async function that the harness runs; `outside`: one that starts executors by itself.
    (@list $($to:tt)*) => {
        $crate::conformance! { $($to)*
            differences {
                outside the_table_says_what_the_harness_declares
            }
            work {
                inside every_form_of_work_yields_its_value
                inside an_error_keeps_its_type_and_names_the_task
                inside a_panic_becomes_an_error_with_its_payload
                inside a_builder_is_a_value_and_serves_twice
                inside settings_that_make_no_sense_are_refused
                inside timestamps_are_as_stated_and_unset_ones_are_none
                inside a_dropped_handle_detaches_unless_told_otherwise
                inside a_handle_gives_its_result_once
                outside a_task_where_nothing_runs_is_rejected_and_does_not_panic
                outside a_runtime_that_shuts_down_resolves_its_tasks
                outside threads_go_by_their_names
                outside block_on_inside_a_task_is_refused
            }
        }
    };
    (@tests $harness:ident $($group:ident { $($place:ident $case:ident)* })*) => {$(
        mod $group {
            use super::$harness;

            $(
                #[test]
                fn $case() {
                    $crate::conformance::cases::$group::$case::<$harness>();
                }
            )*
        }
    )*};
    (@declare $($group:ident { $($place:ident $case:ident)* })*) => {
        /// The cases, each with an executor of its own. The macro calls them; a case that is not in its list is unused
        /// code.
        #[doc(hidden)]
        pub mod cases {
            $(pub mod $group {
                $($crate::conformance! { @case $place $group $case })*
            })*
        }
    };
    (@case inside $group:ident $case:ident) => {
        pub fn $case<H: $crate::conformance::Harness>() {
            let harness = H::start($crate::conformance::THREADS);
            harness.run($crate::conformance::$group::$case(harness.clone()));
            // Also lets go of tasks that hold the harness.
            harness.shut_down();
        }
    };
    (@case outside $group:ident $case:ident) => {
        pub fn $case<H: $crate::conformance::Harness>() {
            $crate::conformance::$group::$case::<H>();
        }
    };
}

crate::conformance! { @list @declare }

/// How many threads an executor has on which a case runs.
const THREADS: usize = 2;
