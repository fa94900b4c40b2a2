//! The last things that happened, for whoever looks afterwards.

use alloc::borrow::Cow;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Happening, Hook};
use crate::task::{Invalid, TaskId, TaskRecord};
use crate::{Moment, Runtime};

/// A [`Hook`] that remembers the last things that happened, so many and no more.
///
/// What comes when it is full takes the place of the oldest, and is counted. All room is taken when the recorder is made, so
/// that a program which runs for long holds no more at its end; only names that are not `&'static str` are copied. A clone
/// is the same recorder.
///
/// Tasks that share one recorder meet at a lock, which is held for a few moves. Entries are in the order in which the
/// recorder was told, and their moments may differ from that by as much as threads meet there.
///
/// # Examples
/// ```
/// use sweet_async_api::hooks::FlightRecorder;
/// use sweet_async_api::{Runtime, TaskBuilder, task::Invalid};
///
/// async fn watched<R: Runtime>(runtime: R) -> Result<(), Invalid> {
///     let recorder = FlightRecorder::new(runtime.clone(), 1_000)?;
///     let builder = TaskBuilder::<R, u32, String>::new(runtime).name("sum");
///     if builder.hook(recorder.clone()).run(|| Err(String::from("no numbers"))).await.is_err() {
///         eprint!("{recorder}");
///     }
///     Ok(())
/// }
/// ```
pub struct FlightRecorder<R> {
    runtime: R,
    tape: Arc<Mutex<Tape>>,
}

/// One thing that happened.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// When the recorder was told.
    pub at: Moment,
    /// To which task.
    pub task: TaskId,
    /// Its name.
    pub name: Cow<'static, str>,
    /// What happened.
    pub what: Happening,
}

struct Tape {
    entries: VecDeque<Entry>,
    capacity: usize,
    overwritten: u64,
}

impl<R: Runtime> FlightRecorder<R> {
    /// A recorder of the last `capacity` things, which reads the clock of `runtime`.
    ///
    /// # Errors
    /// [`Invalid::ZeroCapacity`].
    pub fn new(runtime: R, capacity: usize) -> Result<Self, Invalid> {
        if capacity == 0 {
            return Err(Invalid::ZeroCapacity);
        }
        let tape = Tape {
            entries: VecDeque::with_capacity(capacity),
            capacity,
            overwritten: 0,
        };
        let tape = Arc::new(Mutex::new(tape));
        Ok(Self { runtime, tape })
    }
}

impl<R> FlightRecorder<R> {
    /// What is remembered, the oldest first.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.tape().entries.iter().cloned().collect()
    }

    /// How much was forgotten for want of room.
    #[must_use]
    pub fn overwritten(&self) -> u64 {
        self.tape().overwritten
    }

    /// Forgets everything, and that something was forgotten.
    pub fn clear(&self) {
        let mut tape = self.tape();
        tape.entries.clear();
        tape.overwritten = 0;
    }

    fn tape(&self) -> MutexGuard<'_, Tape> {
        self.tape.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Runtime> Hook for FlightRecorder<R> {
    fn happened(&self, task: &TaskRecord, what: Happening) {
        let entry = Entry {
            at: self.runtime.now(),
            task: task.id(),
            name: task.header().name_to_keep(),
            what,
        };
        let mut tape = self.tape();
        let oldest = if tape.entries.len() < tape.capacity {
            None
        } else {
            tape.overwritten = tape.overwritten.saturating_add(1);
            tape.entries.pop_front()
        };
        tape.entries.push_back(entry);
        drop(tape);
        drop(oldest);
    }
}

impl<R: Clone> Clone for FlightRecorder<R> {
    fn clone(&self) -> Self {
        Self {
            runtime: self.runtime.clone(),
            tape: Arc::clone(&self.tape),
        }
    }
}

impl<R> fmt::Debug for FlightRecorder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tape = self.tape();
        f.debug_struct("FlightRecorder")
            .field("entries", &tape.entries.len())
            .field("capacity", &tape.capacity)
            .field("overwritten", &tape.overwritten)
            .finish_non_exhaustive()
    }
}

/// A line for each entry, and one before them if something was forgotten.
impl<R> fmt::Display for FlightRecorder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (entries, overwritten) = {
            let tape = self.tape();
            (Vec::from(tape.entries.clone()), tape.overwritten)
        };
        if overwritten > 0 {
            writeln!(f, "({overwritten} before these were forgotten)")?;
        }
        for entry in entries {
            writeln!(f, "{entry}")?;
        }
        Ok(())
    }
}

/// `0.002000s  17 fetch: attempt 1 failed: it returned an error`.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, task, name, what } = self;
        let at = at.since(Moment::START);
        write!(f, "{}.{:06}s  {task} ", at.as_secs(), at.subsec_micros())?;
        if !name.is_empty() {
            write!(f, "{name}: ")?;
        }
        write!(f, "{what}")
    }
}
