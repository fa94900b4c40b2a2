//! What several of these tests share.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// The text of panics that a test plans.
pub(crate) const PLANNED: &str = "planned";

/// Unwinds, as planned, and so without a word on the terminal.
pub(crate) fn plan() {
    std::panic::resume_unwind(Box::new(PLANNED.to_owned()));
}

/// Waits, with a thread that could do nothing else, until something is so.
pub(crate) fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        std::thread::yield_now();
    }
}

/// Holds whoever passes it until it is opened, by a message or by being dropped.
pub(crate) struct Gate(SyncSender<()>);

pub(crate) fn gate() -> (Gate, Receiver<()>) {
    let (open, wait) = sync_channel(0);
    (Gate(open), wait)
}

/// The names of the threads of this process that begin with `prefix`, from the system's own tables.
pub(crate) fn threads(prefix: &str) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir("/proc/self/task")
        .unwrap()
        // A thread may end while the folder is read.
        .filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok())
        .map(|name| name.trim_end().to_owned())
        .filter(|name| name.starts_with(prefix))
        .collect();
    names.sort();
    names
}
