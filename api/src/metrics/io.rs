//! Bytes that a task moves: readers and writers that count.

use alloc::sync::Arc;
use core::fmt;
use core::pin::Pin;
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::io::{Read, Result, Write};

use futures_io::{AsyncRead, AsyncWrite};
use pin_project_lite::pin_project;

use crate::Moment;
#[cfg(doc)]
use crate::task::TaskRecord;
use crate::task::Watching;

/// What a task read and wrote through its counting readers and writers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct IoUsage {
    /// What was read.
    pub read: Moved,
    /// What was written.
    pub written: Moved,
}

/// One direction.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Moved {
    /// How many bytes.
    pub bytes: u64,
    /// In how many calls that succeeded; the one that finds the end is one.
    pub calls: u64,
    /// How many calls failed; those that found nothing ready are not among them.
    pub failed: u64,
    /// From the beginning of each call to its success or failure, all together.
    pub waited: Duration,
}

/// Counts for one task. Readers and writers of an executor's own traits are made of it.
///
/// Made by [`TaskRecord::io_meter`]. Of a task that is not metered it counts nothing, and asks no clock.
pub struct IoMeter {
    task: Option<Arc<dyn Watching>>,
    reading: Option<Moment>,
    writing: Option<Moment>,
}

pin_project! {
    /// A reader or writer that counts what a task moves through it. Made by [`TaskRecord::metered_io`].
    ///
    /// `std::io::{Read, Write}` and `futures_io::{AsyncRead, AsyncWrite}`, as what is inside is; the adapter for Tokio has one
    /// for Tokio's traits.
    ///
    /// # Cancel safety
    /// As that of what is inside.
    #[derive(Debug)]
    pub struct MeteredIo<I> {
        #[pin]
        inner: I,
        meter: IoMeter,
    }
}

/// What was moved so far.
// Relaxed: figures that stand alone. A task may read on one thread and write on another.
#[derive(Debug, Default)]
pub(crate) struct IoSums {
    read: Sums,
    written: Sums,
}

#[derive(Debug, Default)]
struct Sums {
    bytes: AtomicU64,
    calls: AtomicU64,
    failed: AtomicU64,
    nanos: AtomicU64,
}

impl IoMeter {
    pub(crate) const fn new(task: Option<Arc<dyn Watching>>) -> Self {
        Self {
            task,
            reading: None,
            writing: None,
        }
    }

    /// Counts what one call to read does: how many bytes, or that it failed. One that is pending is counted when it is
    /// called again and is ready.
    pub fn read(&mut self, call: impl FnOnce() -> Poll<Result<usize>>) -> Poll<Result<usize>> {
        measure(self.task.as_deref(), &mut self.reading, |sums| &sums.read, call)
    }

    /// The same of one call to write.
    pub fn write(&mut self, call: impl FnOnce() -> Poll<Result<usize>>) -> Poll<Result<usize>> {
        measure(
            self.task.as_deref(),
            &mut self.writing,
            |sums| &sums.written,
            call,
        )
    }

    fn reads(&mut self, call: impl FnOnce() -> Result<usize>) -> Result<usize> {
        at_once(self.read(|| Poll::Ready(call())))
    }

    fn writes(&mut self, call: impl FnOnce() -> Result<usize>) -> Result<usize> {
        at_once(self.write(|| Poll::Ready(call())))
    }
}

/// A call that blocks is never pending.
fn at_once(polled: Poll<Result<usize>>) -> Result<usize> {
    match polled {
        Poll::Ready(result) => result,
        Poll::Pending => Err(std::io::ErrorKind::WouldBlock.into()),
    }
}

fn measure(
    task: Option<&dyn Watching>,
    since: &mut Option<Moment>,
    direction: impl FnOnce(&IoSums) -> &Sums,
    call: impl FnOnce() -> Poll<Result<usize>>,
) -> Poll<Result<usize>> {
    let Some((task, sums)) = task.and_then(|task| Some((task, task.watch().meter.as_ref()?.io()))) else {
        return call();
    };
    let began = *since.get_or_insert_with(|| task.now());
    let result = ready!(call());
    *since = None;
    let sums = direction(sums);
    let add = |sum: &AtomicU64, more: u64| sum.fetch_add(more, Ordering::Relaxed);
    match &result {
        Ok(bytes) => {
            add(&sums.bytes, *bytes as u64);
            add(&sums.calls, 1);
        }
        Err(_) => {
            add(&sums.failed, 1);
        }
    }
    let waited = task.now().as_nanos().saturating_sub(began.as_nanos());
    add(&sums.nanos, waited);
    Poll::Ready(result)
}

impl IoSums {
    pub(crate) fn usage(&self) -> IoUsage {
        IoUsage {
            read: self.read.moved(),
            written: self.written.moved(),
        }
    }
}

impl Sums {
    fn moved(&self) -> Moved {
        let value = |sum: &AtomicU64| sum.load(Ordering::Relaxed);
        Moved {
            bytes: value(&self.bytes),
            calls: value(&self.calls),
            failed: value(&self.failed),
            waited: Duration::from_nanos(value(&self.nanos)),
        }
    }
}

impl<I> MeteredIo<I> {
    pub(crate) const fn new(inner: I, meter: IoMeter) -> Self {
        Self { inner, meter }
    }

    /// What is inside.
    pub const fn get_ref(&self) -> &I {
        &self.inner
    }

    /// What is inside; what is moved through it directly is not counted.
    pub const fn get_mut(&mut self) -> &mut I {
        &mut self.inner
    }

    /// Takes out what is inside.
    pub fn into_inner(self) -> I {
        self.inner
    }
}

impl<I: Read> Read for MeteredIo<I> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let Self { inner, meter } = self;
        meter.reads(|| inner.read(buffer))
    }
}

impl<I: Write> Write for MeteredIo<I> {
    fn write(&mut self, buffer: &[u8]) -> Result<usize> {
        let Self { inner, meter } = self;
        meter.writes(|| inner.write(buffer))
    }

    fn flush(&mut self) -> Result<()> {
        self.inner.flush()
    }
}

impl<I: AsyncRead> AsyncRead for MeteredIo<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize>> {
        let this = self.project();
        this.meter.read(|| this.inner.poll_read(cx, buffer))
    }
}

impl<I: AsyncWrite> AsyncWrite for MeteredIo<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<Result<usize>> {
        let this = self.project();
        this.meter.write(|| this.inner.poll_write(cx, buffer))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.project().inner.poll_close(cx)
    }
}

impl fmt::Debug for IoMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IoMeter")
            .field("counts", &self.task.is_some())
            .finish_non_exhaustive()
    }
}
