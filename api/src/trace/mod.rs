//! Tasks as spans of `tracing`, with the feature of that name.
//!
//! Where a subscriber listens, each task is a span, `task`, with the fields `id` and `name`, at the level INFO and the target
//! `sweet_async`. The span of a child lies in its parent's, also where another thread runs it; that of a task without a
//! parent in whatever span was entered where `run` was called. It is entered for each poll and around a blocking closure, so
//! what the work says is said inside, all attempts in the same span, and closed when the task is over.
//!
//! What happens to the task is an event in its span, with `id`, `name` and `attempt`: failures and what becomes of them at the
//! level WARN, being told to stop at INFO, the rest at DEBUG.
//!
//! [`TaskBuilder::tracing`](crate::TaskBuilder) leaves out a task and everybody below it.
//!
//! A subscriber that panics costs the task nothing but that span or event. Without a subscriber, a task costs one relaxed
//! load more, where it is made; without the feature, nothing.

#[cfg(not(feature = "tracing"))]
mod off;
#[cfg(feature = "tracing")]
mod on;

#[cfg(not(feature = "tracing"))]
pub(crate) use off::{Trace, is_on};
#[cfg(feature = "tracing")]
pub(crate) use on::{Trace, is_on};
