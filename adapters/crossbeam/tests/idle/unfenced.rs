//! The source with fences that do nothing.

#[path = "../../src/idle.rs"]
#[expect(dead_code, reason = "the models need a part of it")]
pub(crate) mod idle;

mod sync {
    pub(crate) use crate::parking::Unparker;
    pub(crate) use loom::sync::Mutex;
    pub(crate) use loom::sync::atomic::AtomicUsize;

    pub(crate) const fn fence(_: core::sync::atomic::Ordering) {}
}
