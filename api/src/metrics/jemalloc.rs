//! The totals that jemalloc keeps for each thread.

use tikv_jemalloc_ctl::thread::{ThreadLocal, allocatedp, deallocatedp};

use super::ThreadMemory;

/// What the calling thread has allocated and freed so far, as jemalloc says: for
/// [`install_memory_source`](super::install_memory_source), in a program whose global allocator is `tikv_jemallocator`'s.
/// With the feature `jemalloc`.
///
/// Sizes are those of jemalloc's size classes, which are up to a quarter more than what was asked for. To grow a buffer is
/// to allocate it anew and to free it as it was, also where it stays in its place.
#[must_use]
pub fn jemalloc() -> Option<ThreadMemory> {
    let totals = TOTALS.try_with(|totals| *totals).ok()??;
    Some(ThreadMemory {
        allocated: totals.allocated.get(),
        freed: totals.freed.get(),
    })
}

/// Where jemalloc counts for this thread.
#[derive(Clone, Copy)]
struct Totals {
    allocated: ThreadLocal<u64>,
    freed: ThreadLocal<u64>,
}

impl Totals {
    /// `None` if this jemalloc keeps no statistics.
    fn find() -> Option<Self> {
        Some(Self {
            allocated: allocatedp::read().ok()?,
            freed: deallocatedp::read().ok()?,
        })
    }
}

std::thread_local! {
    static TOTALS: Option<Totals> = Totals::find();
}
