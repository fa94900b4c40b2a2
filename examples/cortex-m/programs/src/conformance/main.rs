//! Asks every machine of the core, and compares its answers with those that its documentation promises.
//!
//! Prints a line for each machine and ends the emulator with 0, or with 1 if any answer was wrong.
#![no_std]
#![no_main]

mod calls;
mod load;
mod order;
mod tasks;

use cortex_m_rt::entry;
use programs::Verdict;

const CHECKS: &[(&str, fn() -> Verdict)] = &[
    ("backoff", calls::backoff),
    ("breaker, in a row", calls::breaker_in_a_row),
    ("breaker, last calls", calls::breaker_last_calls),
    ("breaker, slow calls", calls::breaker_slow_calls),
    ("breaker, last time", calls::breaker_last_time),
    ("breaker, any window", calls::breaker_any_window),
    ("breaker, forced and restored", calls::breaker_forced_and_restored),
    ("budget", calls::budget),
    ("rate", calls::rate),
    ("limit, aimd", calls::limit_aimd),
    ("limit, vegas", calls::limit_vegas),
    ("limit, gradient2", calls::limit_gradient2),
    ("what is kept over a restart", calls::kept),
    ("lifecycle", tasks::lifecycle),
    ("lifecycle, its counts", tasks::lifecycle_counts),
    ("group", tasks::group),
    ("credit", tasks::credit),
    ("waiters, for credits", tasks::waiters_for_credits),
    ("waiters, for the end", tasks::waiters_for_the_end),
    ("mailbox", tasks::mailbox),
    ("mailbox, overflow", tasks::mailbox_overflow),
    ("id", order::id),
    ("vector_clock", order::vector_clock),
    ("vector_clock, shared", order::vector_clock_shared),
    ("hybrid_clock", order::hybrid_clock),
    ("priority", order::priority),
    ("pressure", load::pressure),
    ("pressure, overflow", load::overflow),
    ("scaler", load::scaler),
    ("stats, counter", load::counter),
    ("stats, gauge", load::gauge),
    ("stats, histogram", load::histogram),
    ("stats, sharded counter", load::sharded_counter),
];

#[entry]
fn main() -> ! {
    programs::run(CHECKS)
}
