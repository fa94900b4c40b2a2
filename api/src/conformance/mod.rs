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
//! - A blocking closure waits in a loop that gives its turn back, for an executor may run everything on one thread.
//! - A case that cannot hold somewhere has another branch, under a [`Difference`] that the harness declares.
//!
//! # Differences
//! A test of each flavour compares its column with what its harness declares.
//!
#![doc = include_str!("differences.md")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests, and one that cannot go on fails"
)]

mod blocking;
mod breaker;
mod callbacks;
mod cancel;
mod cleanup;
mod combine;
mod deadline;
mod differences;
mod errors;
mod forest;
mod guard;
mod hedge;
mod hooks;
mod join;
mod live;
mod local;
mod mail;
mod metrics;
mod pipeline;
mod policy;
mod retry;
mod scope;
mod shutdown;
mod stage;
mod stress;
mod threads;
mod token;
mod tracing;
mod traits;
mod tree;
mod work;

use core::future::Future;

use self::stage::Flavour;
pub use differences::{Difference, TABLE};
pub use forest::random_tree;
pub use local::local;
pub use stress::faults;
pub use threads::threads;

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
                outside threads_go_by_their_names
                outside block_on_inside_a_task_is_refused
            }
            errors {
                inside each_cause_comes_out_as_itself
                outside an_error_is_one_word_and_may_go_anywhere
                inside an_error_passes_through_the_question_mark
            }
            traits {
                inside one_function_serves_handles_contexts_and_references
                inside a_task_between_attempts_is_recovering
                inside a_task_says_how_it_is_recovered
                inside the_rules_of_a_house_hold_for_pipelines_too
                inside one_function_serves_all_pipelines
                inside the_rules_of_a_house_are_those_of_the_pipeline
            }
            cancel {
                inside every_level_in_every_place
                outside every_level_before_the_start
                outside a_task_cancelled_before_it_starts_never_starts
                inside a_kill_drops_the_work_before_the_handle_resolves
                inside grace_ends_in_a_kill
                inside graceful_work_may_finish_and_its_value_counts
                inside graceful_work_that_fails_ends_as_cancelled_and_keeps_its_error
                inside cancelling_a_finished_task_is_refused
                inside a_shield_postpones_a_kill_but_not_a_hard_one
                inside a_shield_opened_elsewhere_postpones_the_end_no_longer_than_it_is_open
                inside a_handle_cut_off_by_a_hard_kill_resolves_once
                inside grace_also_ends_the_wait_for_children
                inside a_grace_period_shorter_than_the_clock_ticks_is_not_none
                inside a_cancelled_task_is_told_by_whom_and_why
                inside graceful_work_writes_what_it_holds_before_it_ends
            }
            callbacks {
                inside they_run_once_in_order_also_when_registered_late
                inside one_is_handed_back_by_a_plain_task_that_has_ended
                inside one_that_panics_as_it_is_dropped_costs_nobody_anything
                inside one_may_ask_its_task_as_it_is_dropped
            }
            deadline {
                inside a_timeout_is_not_a_cancellation_and_names_its_deadline
                inside work_that_is_ready_at_its_deadline_counts
                inside one_from_another_process_only_comes_nearer
                inside a_child_that_ends_at_its_parents_deadline_names_the_parent
                inside a_child_of_a_parent_that_times_out_learns_that_it_was_the_deadline
                inside a_link_of_a_chain_ends_at_the_deadline_of_the_first
                inside nothing_begins_after_a_deadline_that_has_passed
            }
            retry {
                inside it_waits_the_stated_delays
                inside a_classifier_gives_up_or_sets_the_delay
                inside an_attempt_has_its_own_limit
                inside no_backoff_outlasts_the_deadline
                inside no_attempt_begins_after_the_total_time_whoever_sets_the_delay
                inside without_delay_it_lets_others_run
                inside cancelled_between_attempts_it_ends_at_once
                inside attempts_are_counted_past_what_the_word_holds
                inside a_classifier_that_panics_ends_the_task_as_panicked
                inside a_fallback_replaces_a_failure_and_both_errors_are_kept
                inside a_fallback_also_serves_a_timeout_and_a_panic
                inside a_fallback_that_panics_at_once_keeps_the_first_error
                inside a_fallback_that_outlasts_the_inherited_deadline_keeps_both_errors
                inside what_work_and_fallback_captured_is_gone_when_the_handle_resolves
            }
            breaker {
                inside it_keeps_calls_away
                inside a_refusal_says_when_to_come_back
                inside retry_waits_as_long_as_it_says
                inside a_probe_that_is_cancelled_or_dropped_gives_its_place_back
                inside a_probe_that_hangs_gives_its_place_back_when_its_lease_ends
                inside a_panic_a_timeout_and_slowness_count
                inside the_window_slides_however_many_successes_came_before
                outside settings_that_cannot_be_followed_are_refused
            }
            guard {
                inside a_rate_lets_so_many_through_and_the_others_wait_their_turn
                inside whoever_may_not_wait_is_told_when_to_come_back
                inside retry_comes_back_when_the_rate_says
                inside a_refused_attempt_is_one_of_those_that_are_allowed
                inside nobody_waits_past_a_deadline_or_longer_than_allowed
                inside who_leaves_the_line_lets_the_next_one_try
                inside a_place_is_free_again_whatever_the_end
                inside never_more_run_at_once_and_all_places_come_back
                inside the_breaker_is_asked_first_and_nothing_is_taken_for_nothing
                inside whoever_has_waited_asks_the_breaker_again
                inside a_limit_learns_from_overload_and_not_from_other_failures
                inside a_budget_bounds_retries_when_everything_fails
                inside trying_again_after_a_guard_refused_draws_nothing
                inside the_floor_of_a_budget_comes_back_in_each_period
                inside an_error_says_why_it_was_not_tried_again
                outside settings_that_cannot_be_followed_are_refused
            }
            hedge {
                inside a_second_try_starts_when_the_first_is_slow_and_the_loser_is_gone
                inside the_first_may_win_all_the_same
                inside a_fast_attempt_and_one_that_fails_have_no_hedge
                inside both_errors_are_kept_and_the_strictest_verdict_counts
                inside hedges_and_retries_share_a_budget
                inside no_hedge_starts_after_a_cancellation_or_where_a_guard_refuses
                inside guards_are_told_of_each_try
                inside the_delay_is_what_most_first_tries_take
                outside settings_that_cannot_be_followed_are_refused
            }
            policy {
                inside tasks_and_calls_are_treated_alike
                inside a_policy_serves_several_tasks_and_keeps_what_they_had
                inside a_call_classifies_and_limits_its_attempts
                inside a_policy_with_a_hedge_starts_a_second_try
                inside a_hedged_call_that_is_cut_off_or_fails_gives_everything_back
                inside no_wait_of_a_call_outlasts_the_deadline
                inside a_call_that_is_cut_off_gives_everything_back
                inside a_call_in_a_task_that_was_told_to_stop_is_made_once
                inside what_a_call_panics_with_ends_the_task_and_is_a_failure
            }
            tree {
                inside children_end_before_their_parent
                inside cancelling_reaches_all_below_and_nobody_beside
                inside a_child_of_a_cancelled_parent_never_starts
                inside a_failing_parent_cancels_its_children
                inside joiners_all_first_error_any
                inside a_task_that_would_wait_for_itself_is_told_the_circle
                inside a_task_that_has_ended_takes_no_child
                inside a_child_that_enters_as_its_parent_fails_is_refused_or_told
                inside a_scope_outlives_what_a_hard_kill_left_in_the_middle_of_a_poll
                inside a_thousand_deep_all_are_told_and_all_end_before_the_top
                inside a_hundred_thousand_wide_all_are_told_and_all_end_before_the_top
                inside a_reference_to_the_deepest_of_100_000_may_be_the_last
                inside a_chain_goes_on_with_the_value_and_stops_with_the_error
                inside cancelling_the_end_of_a_chain_cancels_its_beginning
                inside a_chain_that_is_cancelled_in_its_middle_does_not_go_on
                inside a_chain_may_be_100_000_links_long
                outside no_child_outlives_its_scope_and_everything_comes_back
            }
            token {
                outside those_below_are_told_and_nobody_beside
                outside the_first_reason_stays
                inside whoever_waits_is_woken_once_and_who_gave_up_is_not
                inside work_that_is_ready_counts
                outside a_guard_cancels_unless_it_is_disarmed
                inside whoever_begins_to_wait_as_it_is_cancelled_is_told
                inside a_token_never_changes_its_answer
                inside neither_depth_nor_width_is_a_limit_for_tokens
                inside a_task_obeys_a_token
                inside tasks_that_obey_each_other_may_be_a_long_chain
                inside the_token_of_a_task_is_cancelled_with_it
            }
            combine {
                inside results_that_are_on_their_way_obey_the_laws_of_results
                inside what_map_gives_is_the_same_task
                inside every_error_of_the_work_is_mapped_wherever_it_is
                inside cancelling_a_link_cancels_what_it_waits_for
                inside a_link_recovers_from_what_is_no_timeout
                inside a_result_can_be_looked_at_and_taken_without_waiting
                inside one_function_serves_every_handle
            }
            join {
                inside so_many_values_are_enough
                inside a_panic_is_a_failure_to_each_joiner
                inside when_time_is_up_there_is_what_there_is
                inside results_come_as_tasks_end_and_tasks_come_from_elsewhere
                inside who_fails_starts_again_and_takes_along_whom_the_rule_says
                inside a_child_that_always_fails_is_given_up_and_does_not_spin
                inside restarts_that_are_long_ago_count_no_more
                inside who_was_cancelled_is_not_started_again
            }
            scope {
                inside those_inside_are_joined_before_it_is
                inside dropped_it_kills_and_the_task_around_it_waits
                inside closed_it_tells_and_waits
                inside a_failure_takes_the_others_along_if_asked
                inside a_full_scope_hands_back_or_waits_for_a_place
                inside never_more_than_the_limit_live_at_once
                inside its_deadline_is_that_of_those_inside
            }
            mail {
                inside each_way_has_its_type_its_order_and_its_sender
                inside what_has_no_room_is_handed_back_or_waits
                inside each_end_may_go_at_any_time
                inside an_answer_goes_to_who_asked
                inside a_child_that_gives_no_sign_of_life_is_reported
                inside asked_to_stop_a_child_acknowledges_and_is_cancelled
            }
            blocking {
                inside it_sees_checkpoints_and_is_fenced_when_killed_hard
                inside it_passes_no_checkpoint_after_it_was_told
                inside a_deadline_does_not_wait_for_it
                inside after_a_failure_it_runs_again
                inside an_attempt_that_takes_too_long_is_abandoned_and_the_next_begins
            }
            cleanup {
                inside files_and_permits_are_back_after_10_000_cancellations_at_each_level
                inside an_await_of_a_handle_dropped_at_each_poll_loses_no_result
                inside waiting_inside_dropped_at_each_poll_misses_nothing
                inside joining_dropped_at_each_poll_leaves_the_children_to_their_parent
                inside a_waiter_that_is_dropped_after_it_was_woken_takes_nobody_elses_wake_up
                inside a_value_that_panics_as_it_is_dropped_costs_no_thread
            }
            live {
                inside it_shows_itself_as_text_json_and_a_graph
                inside tasks_without_a_parent_are_listed_on_demand
                inside what_a_task_says_that_it_waits_on_nests
                inside whoever_waits_for_a_guard_or_runs_its_callbacks_says_so
                inside a_pipeline_is_in_it_with_all_its_tasks
                inside neither_depth_nor_width_is_a_limit_and_what_is_left_out_is_told
                inside whoever_looks_while_tasks_come_and_go_finds_a_tree
            }
            shutdown {
                outside tasks_resolve
                outside it_rejects_and_gives_back
                outside a_callback_that_panics_as_it_is_dropped_costs_nobody_anything
                outside in_the_middle_of_the_callbacks_the_value_stays
                outside a_blocking_closure_is_abandoned_until_it_returns
                inside in_order_what_ends_by_itself_is_waited_for
                inside in_order_who_listens_may_finish_and_who_does_not_is_killed
                inside in_order_a_closure_that_goes_on_is_counted_and_named
                inside in_order_who_does_not_come_back_is_named
            }
            pipeline {
                inside serial_keeps_the_order_and_works_on_one_at_a_time
                inside parallel_workers_see_each_item_once_and_each_its_own_in_order
                inside sums_do_not_depend_on_the_number_of_workers
                inside failed_items_are_counted_the_first_are_kept_and_nothing_stops
                inside a_strict_pipeline_stops_at_the_first_failure_and_drops_the_rest
                inside a_panic_in_a_receiver_is_an_error_and_the_counts_balance
                inside a_panic_in_the_source_is_an_error
                inside bad_rows_of_a_file_are_counted_and_told_and_stop_nothing
                inside borrowed_rows_and_lines_are_collected_without_being_owned
                inside sources_that_cannot_be_read_are_typed_errors
                inside cancelled_gracefully_it_works_off_what_is_in_flight_and_says_that_it_is_partial
                inside killed_it_drops_what_is_in_flight_and_counts_it
                inside a_timeout_ends_it
                inside counts_balance_whenever_they_are_read
                inside a_slow_receiver_holds_the_source_back
                inside what_overflow_displaces_is_counted_as_dropped
                inside a_pipeline_is_part_of_the_tree_of_its_parent
                inside stamps_order_chunks_receivers_and_whole_pipelines
                inside a_clock_that_does_not_know_the_node_is_an_error
                inside cancelled_gracefully_at_any_moment_it_ends_with_a_final_event_or_never_begins
                inside any_pipeline_cancelled_at_any_moment_ends_with_one_final_event_after_all_data
                inside a_breaker_keeps_items_from_a_receiver_that_fails
                inside cancelled_while_it_waits_for_a_header_it_ends_at_once_and_leaves_the_reader_behind
            }
            hooks {
                inside a_life_with_failures_is_told_in_its_order
                inside every_end_is_told_and_why_the_attempt_failed
                inside each_level_of_a_cancellation_is_told
                inside a_wait_for_a_guard_is_told_and_how_it_ended
                inside hooks_hold_for_everybody_below_and_nobody_else
                inside a_recorder_remembers_the_last_and_counts_the_rest
                inside a_hook_that_panics_costs_nobody_anything
                inside what_lives_is_pending_or_running
                outside sums_over_the_parts_are_the_sum_over_all
            }
            tracing {
                inside spans_follow_the_tree_and_the_work_is_inside
                inside a_blocking_closure_runs_inside_the_span
                inside failures_retries_and_cancellations_are_events
                inside a_subscriber_that_panics_costs_the_task_nothing
                inside a_task_that_is_not_traced_has_no_span_nor_has_anybody_below
                inside without_a_subscriber_nothing_is_traced
            }
            metrics {
                inside a_task_that_is_not_metered_says_so
                inside polls_are_those_that_the_work_saw
                inside busy_idle_and_delayed_time_add_up
                inside children_are_measured_if_the_parent_asked
                inside attempts_and_the_waits_between_them_are_measured
                inside a_task_that_never_ran_was_polled_never
                inside the_time_of_a_blocking_closure_is_told_apart
                inside a_metered_task_misses_no_wake_up
                inside the_processors_time_goes_to_whoever_used_it
                inside bytes_are_counted_for_the_task_that_moved_them
                inside memory_is_no_figure_where_no_allocator_says_so
            }
            stress {
                outside each_task_ends_once_and_the_books_balance
                inside it_lives_through_ten_thousand_panics
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
            let stage = $crate::conformance::Flavour::of::<H>().start($crate::conformance::THREADS);
            stage.run($crate::conformance::$group::$case(stage.clone()));
            // Also lets go of tasks that hold the executor.
            stage.shut_down();
        }
    };
    (@case outside $group:ident $case:ident) => {
        pub fn $case<H: $crate::conformance::Harness>() {
            $crate::conformance::$group::$case($crate::conformance::Flavour::of::<H>());
        }
    };
}

crate::conformance! { @list @declare }

/// How many threads an executor has on which a case runs.
const THREADS: usize = 2;
