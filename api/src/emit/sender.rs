//! The sender's side: fills chunks from the source and sends them.

use alloc::sync::Arc;
use core::mem;

use sweet_async_core::vector_clock::TickError;

use crate::emit::Chunk;
use crate::emit::chunk::Dated;
use crate::emit::clock::Dating;
use crate::emit::edge::{EventSender, SendError, Sent};
use crate::emit::event::Ledger;
use crate::emit::source::{Feed, SourceError};
use crate::emit::yielding::{ROWS_BETWEEN_YIELDS, yield_now};
use crate::task::TaskError;
use crate::{Context, Level, Runtime};

/// How the sender ended.
pub(crate) enum Pumped {
    /// The source has ended.
    Whole,
    /// The sender was told to stop before, or no receiver was left.
    Partial,
    /// The source cannot be read further.
    Broken(SourceError),
    /// A chunk cannot be stamped.
    Undatable(TickError),
    /// The task that read ended badly.
    Failed(TaskError),
}

/// Sends what `feed` yields until it ends, or the task is told to stop, or nobody receives.
pub(crate) async fn pump<R: Runtime, F: Feed, K: Dating>(
    cx: Context<R>,
    mut feed: F,
    sender: EventSender<Dated<F::Chunk, K::Stamp>>,
    ledger: Arc<Ledger>,
    clock: K,
) -> Pumped {
    let mut hand = Hand {
        ledger: &ledger,
        rows: 0,
        displaced: 0,
    };
    let mut chunks = Vec::new();
    let mut since_yield = 0;
    loop {
        let end;
        (feed, chunks, end) = match fill(&cx, feed, chunks).await {
            Ok(filled) => filled,
            Err(pumped) => return pumped,
        };
        for chunk in &mut chunks {
            if chunk.rows() == 0 {
                break;
            }
            if cx.is_cancelled() {
                return Pumped::Partial;
            }
            since_yield += chunk.rows();
            if since_yield >= ROWS_BETWEEN_YIELDS {
                since_yield = 0;
                yield_now().await;
            }
            chunk.stamp = match clock.date() {
                Ok(stamp) => stamp,
                Err(error) => return Pumped::Undatable(error),
            };
            hand.take(chunk.rows());
            let answer = sender.send(chunk).await;
            hand.sent(answer, sender.displaced());
            if answer == Err(SendError::Closed) {
                return Pumped::Partial;
            }
            chunk.clear();
        }
        match end {
            End::NotYet => {}
            End::Whole => return Pumped::Whole,
            End::Broken(error) => return Pumped::Broken(error),
        }
    }
}

/// The chunk being sent: whatever does not get onto the edge is counted as dropped, also if the sender itself is.
struct Hand<'a> {
    ledger: &'a Ledger,
    rows: usize,
    /// Rows that the edge had displaced when it was last asked.
    displaced: u64,
}

impl Hand<'_> {
    fn take(&mut self, rows: usize) {
        self.ledger.take_in(rows);
        self.rows = rows;
    }

    fn sent(&mut self, answer: Result<Sent, SendError>, displaced: u64) {
        let rows = mem::take(&mut self.rows);
        if answer.is_err() {
            self.ledger.drop_rows(rows as u64);
        }
        self.ledger
            .drop_rows(displaced - mem::replace(&mut self.displaced, displaced));
    }
}

impl Drop for Hand<'_> {
    fn drop(&mut self) {
        self.ledger.drop_rows(self.rows as u64);
    }
}

enum End {
    NotYet,
    Whole,
    Broken(SourceError),
}

type Filled<F, S> = (F, Vec<Dated<<F as Feed>::Chunk, S>>, End);

/// Fills some chunks, on a thread that may block if the feed may.
async fn fill<R: Runtime, F: Feed, S: Default + Send + 'static>(
    cx: &Context<R>,
    feed: F,
    chunks: Vec<Dated<F::Chunk, S>>,
) -> Result<Filled<F, S>, Pumped> {
    if !F::BLOCKS {
        return Ok(fill_ready(feed, chunks, 1));
    }
    let mut read = cx
        .child()
        .name("read")
        .run_blocking(move || fill_ready(feed, chunks, AT_ONCE));
    match cx.until_cancelled(&mut read).await {
        Ok(Ok(filled)) => Ok(filled),
        Ok(Err(error)) if error.is_cancelled() => Err(Pumped::Partial),
        Ok(Err(error)) => Err(Pumped::Failed(error)),
        Err(_stopped) => {
            // A read that waits for input that may never come is left behind: what it reads is not counted.
            let _ = read.cancel(Level::KillHard);
            Err(Pumped::Partial)
        }
    }
}

/// Fills chunks for as long as the feed need not wait, at least one and at most `most`. The unused ones stay empty.
fn fill_ready<F: Feed, S: Default + Send + 'static>(
    mut feed: F,
    mut chunks: Vec<Dated<F::Chunk, S>>,
    most: usize,
) -> Filled<F, S> {
    chunks.resize_with(most, Dated::default);
    for (number, chunk) in chunks.iter_mut().enumerate() {
        if number > 0 && !feed.is_ready() {
            break;
        }
        match feed.fill(&mut chunk.rows) {
            Ok(true) => {}
            Ok(false) => return (feed, chunks, End::Whole),
            Err(error) => {
                chunk.clear();
                return (feed, chunks, End::Broken(error));
            }
        }
    }
    (feed, chunks, End::NotYet)
}

/// Chunks that one visit to a blocking thread fills at most.
const AT_ONCE: usize = 8;
