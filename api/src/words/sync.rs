//! What the words are made of, so that their models can put loom's in its place.

pub(super) use core::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
