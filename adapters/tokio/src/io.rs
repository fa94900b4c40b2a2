//! Tokio's readers and writers, counted for the task that moves bytes through them.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io::Result;

use pin_project_lite::pin_project;
use sweet_async_api::metrics::IoMeter;
use sweet_async_api::task::TaskRecord;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pin_project! {
    /// A reader or writer of Tokio that counts; what [`MeteredIo`](sweet_async_api::metrics::MeteredIo) is for other traits.
    ///
    /// # Cancel safety
    /// As that of what is inside.
    ///
    /// # Examples
    /// ```
    /// use sweet_async_tokio::{MeteredIo, prelude::*};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let task = AsyncTask::to::<u64>().metered().run(|cx: Context| async move {
    ///     let mut from = MeteredIo::new(&b"seven and twenty"[..], &cx);
    ///     tokio::io::copy(&mut from, &mut tokio::io::sink()).await
    /// });
    /// let seen = task.task_ref();
    /// assert_eq!(task.await.ok(), Some(16));
    /// assert_eq!(seen.metrics().io.map(|io| io.read.bytes), Measured::Value(16));
    /// # }
    /// ```
    #[derive(Debug)]
    pub struct MeteredIo<I> {
        #[pin]
        inner: I,
        meter: IoMeter,
    }
}

impl<I> MeteredIo<I> {
    /// Counts for `task`, if it is metered.
    pub fn new(inner: I, task: &TaskRecord) -> Self {
        let meter = task.io_meter();
        Self { inner, meter }
    }

    /// Takes out what is inside.
    pub fn into_inner(self) -> I {
        self.inner
    }
}

impl<I: AsyncRead> AsyncRead for MeteredIo<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let this = self.project();
        let before = buffer.filled().len();
        let read = this.meter.read(|| {
            ready!(this.inner.poll_read(cx, buffer))?;
            Poll::Ready(Ok(buffer.filled().len().saturating_sub(before)))
        });
        read.map_ok(|_| ())
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

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.project().inner.poll_shutdown(cx)
    }
}
