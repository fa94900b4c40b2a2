//! Words in which two sides find each other without a lock: what the engine and the guards decide with atomic operations
//! of their own, each in a file that the models of `loom-tests` compile on loom's atomics.

pub(crate) mod across;
pub(crate) mod line;
pub(crate) mod seal;
mod sync;

#[cfg(test)]
mod tests;
