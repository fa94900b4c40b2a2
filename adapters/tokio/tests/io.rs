//! Bytes that tasks move, against what the system says that the process moved: a process of its own, with one test.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{Read, Write};

use sweet_async_tokio::metrics::IoUsage;
use sweet_async_tokio::prelude::*;
use sweet_async_tokio::{MeteredIo, Task};
use tokio::net::{TcpListener, TcpStream};

const BYTES: usize = 5 << 20;

/// What the process read and wrote so far; `None` where the system does not say.
fn of_the_process() -> Option<[u64; 2]> {
    let text = std::fs::read_to_string("/proc/self/io").ok()?;
    let number = |key| {
        text.lines()
            .find_map(|line| line.strip_prefix(key))?
            .trim()
            .parse()
            .ok()
    };
    Some([number("rchar:")?, number("wchar:")?])
}

async fn usage(task: Task<(), std::io::Error>) -> IoUsage {
    let seen = task.task_ref();
    task.await.unwrap();
    seen.metrics().io.value().unwrap()
}

#[tokio::test]
async fn what_tasks_moved_is_what_the_process_moved() {
    let bytes = u64::try_from(BYTES).unwrap();
    let mut from = tempfile::tempfile().unwrap();
    from.write_all(&vec![7; BYTES]).unwrap();
    std::io::Seek::rewind(&mut from).unwrap();
    let to = tempfile::tempfile().unwrap();
    let before = of_the_process();

    let copied = usage(AsyncTask::to::<()>().metered().run_blocking(move |cx: Context| {
        let (mut from, mut to) = (cx.metered_io(from), cx.metered_io(to));
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = from.read(&mut buffer)?;
            if read == 0 {
                return Ok(());
            }
            to.write_all(buffer.get(..read).unwrap_or_default())?;
        }
    }))
    .await;
    assert_eq!((copied.read.bytes, copied.written.bytes), (bytes, bytes));
    assert_eq!((copied.read.calls, copied.written.calls), (81, 80));

    // The same through the network: one task sends, another receives.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let sender = AsyncTask::to::<()>()
        .metered()
        .run(move |cx: Context| async move {
            let mut to = MeteredIo::new(TcpStream::connect(address).await?, &cx);
            tokio::io::copy(
                &mut tokio::io::AsyncReadExt::take(tokio::io::repeat(7), bytes),
                &mut to,
            )
            .await?;
            tokio::io::AsyncWriteExt::shutdown(&mut to).await
        });
    let receiver = AsyncTask::to::<()>()
        .metered()
        .run(move |cx: Context| async move {
            let (stream, _) = listener.accept().await?;
            let mut from = MeteredIo::new(stream, &cx);
            tokio::io::copy(&mut from, &mut tokio::io::sink()).await?;
            Ok(())
        });
    let (sent, arrived) = (usage(sender).await, usage(receiver).await);
    assert_eq!((sent.read.bytes, sent.written.bytes), (0, bytes));
    assert_eq!((arrived.read.bytes, arrived.written.bytes), (bytes, 0));

    // Sockets of this kind are not in these figures of the system; of files, what is more is its own talk and the report.
    if let (Some(before), Some(after)) = (before, of_the_process()) {
        for (before, after) in before.into_iter().zip(after) {
            let moved = after - before;
            assert!((bytes..bytes + (64 << 10)).contains(&moved), "{moved} of {bytes}");
        }
    }
}
