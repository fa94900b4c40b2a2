//! What the sleeping of threads is made of, so that its models can put loom's in their place.

pub(crate) use core::sync::atomic::{AtomicUsize, fence};
pub(crate) use std::sync::Mutex;

pub(crate) use crossbeam_utils::sync::Unparker;
