//! The live tree: what lives now, who belongs to whom, and what each task waits on.
//!
//! A [`LiveTree`] is taken of one task and all below it, [`Context::live_tree`](crate::Context::live_tree) or
//! [`LiveTree::of`], or of a whole runtime, [`Runtime::live_tree`](crate::Runtime::live_tree). It shows itself as text
//! (`Display`), as JSON ([`LiveTree::to_json`]) and as a graph ([`LiveTree::to_dot`]), and is a list to look through
//! ([`LiveTree::tasks`]). This is a graph that a test compares, drawn by Graphviz:
//!
//! <div>
#![doc = include_str!("tree.svg")]
//! </div>
//!
//! # What is in it
//! - Children are always listed by their parents, so whatever is below a task is found.
//! - Tasks without a parent are only counted, until a program asks for a list of them:
//!   [`Root::list_tasks`](crate::Root::list_tasks). How many are not listed is told.
//! - `limit` bounds the tasks that are looked at, and so the memory: about two hundred bytes each. Those nearest to the top
//!   are kept, and how many were left out is told.
//! - What a task waits on is known where the engine waits for it: to start, for a guard, for the next attempt, for
//!   children, for a closure. In [`run_child`](crate::Context::run_child), [`join_children`](crate::Context::join_children) and
//!   [`sleep`](crate::Context::sleep) tasks say it by themselves, and anywhere else in
//!   [`waiting_on`](crate::Context::waiting_on).
//!
//! # What can be relied on
//! Looking stops nobody: no future is polled, and tasks that enter or leave a scope wait for as long as some hundred
//! references take to be copied. So the tree is not of one moment. Each task is shown as it was when it was looked at: it
//! lived then, its parent is in the tree unless it is at the top, and no task is in it twice. A task that came or went
//! meanwhile may be missing. What a tree holds are references: they keep what is known of a task, not its work.

mod listing;
mod text;
mod tree;
mod wait;

pub(crate) use listing::Listing;
use text::Seconds;
pub(crate) use tree::visit;
pub use tree::{LiveTask, LiveTree};
pub use wait::WaitsOn;
pub(crate) use wait::{Notes, Saying};
