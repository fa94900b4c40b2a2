//! Where a program enters: `AsyncTask::to` and `AsyncTask::emits`.

use core::fmt;
use core::marker::PhantomData;

use crate::Runtime;
use crate::emit::EmitBuilder;
use crate::task::TaskBuilder;

/// The entry of an adapter, which names it `AsyncTask`.
///
/// `E` is the error type of the task's own work. `run` infers it from what the work
/// returns; work that uses `?` says it once, at its end: `Ok::<_, io::Error>(value)`.
pub struct Entry<R, E>(PhantomData<fn() -> (R, E)>);

impl<R: Runtime + Default, E> Entry<R, E> {
    /// Describes a task that yields a `T`, on the executor that is running here.
    pub fn to<T>() -> TaskBuilder<R, T, E> {
        TaskBuilder::new(R::default())
    }

    /// Describes a pipeline of events of type `T`, on the executor that is running here.
    ///
    /// `E` is the error type of the receiver's closure, and inferred from it.
    pub fn emits<T>() -> EmitBuilder<R, T, E> {
        EmitBuilder::new(R::default())
    }
}

impl<R, E> fmt::Debug for Entry<R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entry")
    }
}
