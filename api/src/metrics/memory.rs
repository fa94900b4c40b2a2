//! The memory that a task allocates and frees: the totals of the thread, as its allocator keeps them, read around each poll.

use core::error::Error;
use core::fmt;
use core::hint::black_box;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::OnceLock;

use super::Measured;

/// What a thread has allocated and freed since it began, in bytes, as its allocator counts them. Both only grow.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "sources are free to make one")]
pub struct ThreadMemory {
    /// Everything that the thread has allocated.
    pub allocated: u64,
    /// Everything that it has freed, whoever had allocated it.
    pub freed: u64,
}

/// Says what the calling thread has allocated and freed so far; `None` if it cannot.
pub type MemorySource = fn() -> Option<ThreadMemory>;

/// What a task allocated and freed, in bytes as the allocator counts them.
///
/// # What is counted
/// Whatever the thread that polls the task allocates and frees from the beginning of a poll to its end, and the thread of its
/// blocking closure until that returns: the work, its destructor, and what the engine needs for the task meanwhile, such as
/// its timer, or the records of children that it starts. A child counts for itself from its own first poll on.
///
/// Memory is counted where it is freed: a task that hands a buffer to another one has allocated it, the other one frees it,
/// and what [`kept`](Self::kept) says of both is zero together. The future of the task itself is allocated by whoever
/// starts the task, and freed after its last poll; neither is counted for it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct MemoryUsage {
    /// Everything that it allocated.
    pub allocated: u64,
    /// Everything that it freed.
    pub freed: u64,
    /// The most that it [kept](Self::kept), as seen at the end of each poll and at the return of a closure; what it needs in
    /// between and frees within the same poll is not seen. 0 if it never kept anything.
    pub peak: u64,
}

/// The source was not installed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum MemorySourceError {
    /// This process has one already.
    AlreadyInstalled,
    /// It does not see what this thread allocates: the allocator that it asks is not the one of this program, or does not
    /// count.
    CountsNothing,
}

/// Has tasks that ask for it ([`Metrics::memory`](super::Metrics::memory)) measured by what `source` says. Once for the
/// process; tasks that were made before stay without.
///
/// The source is tried before it is taken: an allocator that counts nothing would make every task look frugal. It is called
/// on the thread that is asked about, twice a poll, and should allocate nothing.
///
/// With the feature `jemalloc`, `metrics::jemalloc` is one, for programs whose global allocator is jemalloc. The crates
/// that count around the system's allocator do so for the process (`stats_alloc`, `cap`, `peak_alloc`, `dhat`) or during a
/// call (`allocation-counter`), not as totals of a thread; an allocator of one's own needs two thread-local numbers.
///
/// # Errors
/// [`MemorySourceError`], and nothing is changed.
///
/// # Examples
/// ```
/// use sweet_async_api::metrics::{MemorySourceError, ThreadMemory, install_memory_source};
///
/// // Not what any allocator says.
/// let refused = install_memory_source(|| Some(ThreadMemory { allocated: 7, freed: 3 }));
/// assert_eq!(refused, Err(MemorySourceError::CountsNothing));
/// ```
pub fn install_memory_source(source: MemorySource) -> Result<(), MemorySourceError> {
    if SOURCE.get().is_some() {
        return Err(MemorySourceError::AlreadyInstalled);
    }
    if !counts(source) {
        return Err(MemorySourceError::CountsNothing);
    }
    SOURCE
        .set(source)
        .map_err(|_| MemorySourceError::AlreadyInstalled)
}

/// Whether `source` sees what this thread allocates and frees.
fn counts(source: MemorySource) -> bool {
    let seen = || {
        let before = source()?;
        let trial = black_box(vec![0_u8; TRIAL]);
        let between = source()?;
        drop(black_box(trial));
        let after = source()?;
        let allocated = between.allocated.checked_sub(before.allocated)?;
        let freed = after.freed.checked_sub(between.freed)?;
        Some(allocated.min(freed))
    };
    seen().is_some_and(|seen| seen >= TRIAL as u64)
}

/// Sums up what a task allocates and frees, on one thread after the other and, in a blocking closure, on two at once.
// Relaxed: figures that stand alone.
#[derive(Debug)]
pub(super) struct MemoryMeter {
    source: MemorySource,
    /// What the thread had allocated and freed as the poll under way began; the former is `UNSET` if none is.
    began: [AtomicU64; 2],
    allocated: AtomicU64,
    freed: AtomicU64,
    peak: AtomicU64,
    /// A thread could not say: the sums lack something.
    blind: AtomicBool,
}

impl MemoryMeter {
    /// `None` where no allocator says anything.
    pub(super) fn new() -> Option<Self> {
        SOURCE.get().copied().map(Self::of)
    }

    pub(super) const fn of(source: MemorySource) -> Self {
        Self {
            source,
            began: [AtomicU64::new(UNSET), AtomicU64::new(0)],
            allocated: AtomicU64::new(0),
            freed: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            blind: AtomicBool::new(false),
        }
    }

    /// What this thread has allocated and freed so far.
    pub(super) fn read(&self) -> Option<ThreadMemory> {
        let seen = (self.source)();
        if seen.is_none() {
            self.blind.store(true, Ordering::Relaxed);
        }
        seen
    }

    /// A poll begins on this thread.
    pub(super) fn begin(&self) {
        if let Some(before) = self.read() {
            let [allocated, freed] = &self.began;
            allocated.store(before.allocated.min(UNSET - 1), Ordering::Relaxed);
            freed.store(before.freed, Ordering::Relaxed);
        }
    }

    /// The poll ends, on the same thread.
    pub(super) fn end(&self) {
        let [allocated, freed] = &self.began;
        let allocated = allocated.swap(UNSET, Ordering::Relaxed);
        if allocated != UNSET {
            let freed = freed.load(Ordering::Relaxed);
            self.add(ThreadMemory { allocated, freed });
        }
    }

    /// Adds what this thread has allocated and freed since `before`.
    pub(super) fn add(&self, before: ThreadMemory) {
        let Some(now) = self.read() else { return };
        let add = |sum: &AtomicU64, now: u64, before: u64| {
            let more = now.saturating_sub(before);
            // No process gets as far as 2^64 bytes, and one that did would not be told zero.
            sum.fetch_add(more, Ordering::Relaxed).saturating_add(more)
        };
        let allocated = add(&self.allocated, now.allocated, before.allocated);
        let freed = add(&self.freed, now.freed, before.freed);
        self.peak
            .fetch_max(allocated.saturating_sub(freed), Ordering::Relaxed);
    }

    /// What was counted; nothing is known where a thread could not say.
    pub(super) fn used(&self) -> Measured<MemoryUsage> {
        if self.blind.load(Ordering::Relaxed) {
            return Measured::NotInstrumented;
        }
        Measured::Value(MemoryUsage {
            allocated: self.allocated.load(Ordering::Relaxed),
            freed: self.freed.load(Ordering::Relaxed),
            peak: self.peak.load(Ordering::Relaxed),
        })
    }
}

impl MemoryUsage {
    /// What it allocated and did not free, in bytes; below zero if it freed more, which others had allocated.
    #[must_use]
    pub fn kept(&self) -> i64 {
        let kept = i128::from(self.allocated) - i128::from(self.freed);
        i64::try_from(kept).unwrap_or(if kept < 0 { i64::MIN } else { i64::MAX })
    }
}

impl fmt::Display for MemoryUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "allocated {} bytes, freed {}", self.allocated, self.freed)
    }
}

impl fmt::Display for MemorySourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyInstalled => "this process has a source of memory figures already",
            Self::CountsNothing => "the source does not see what this thread allocates",
        })
    }
}

impl Error for MemorySourceError {}

static SOURCE: OnceLock<MemorySource> = OnceLock::new();

const UNSET: u64 = u64::MAX;

/// How many bytes are allocated to see whether a source notices.
const TRIAL: usize = 4_096;
