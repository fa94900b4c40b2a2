//! Closures that borrow, on threads that end before what they borrow.

use core::any::Any;
use core::error::Error;
use core::fmt;
use core::future::Future;
use core::panic::AssertUnwindSafe;
use core::pin::pin;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::Relaxed;
use core::task::Poll;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crossbeam_deque::{Steal, Stealer, Worker};
use event_listener::Event;
use sweet_async_core::Tick;
use sweet_async_core::group::{Exit, Group};
use sweet_async_core::lifecycle::{Level, Lifecycle, Reason};
use sweet_async_core::scaler::{Decision, Scale, Scaler};

use crate::crew::Bed;
use crate::here;
use crate::idle::Idle;
use crate::pool::Shared;
use crate::wait::block;

/// Starts closures that may borrow whatever outlives the scope.
///
/// ```
/// use sweet_async_crossbeam::ThreadPool;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = ThreadPool::new()?;
/// let words = ["stolen", "borrowed", "blue"];
/// let mut lengths = [0; 3];
/// pool.scope(|scope| {
///     for (word, length) in words.iter().zip(&mut lengths) {
///         scope.spawn(|_| *length = word.len());
///     }
/// })?;
/// assert_eq!(lengths, [6, 8, 4]);
/// # Ok(())
/// # }
/// ```
///
/// The thread that opens the scope works along. Others are started when there is more than one closure, and end with the
/// scope: without unsafe code a borrow cannot be handed to a thread that outlives it, so they are not the pool's workers,
/// though as many at most. Closures that are there begin on some thread as soon as one is free; each thread begins with
/// what it spawned last and takes the oldest of others.
///
/// When one unwinds, the scope is cancelled: closures that have not begun are dropped, those that run are told through
/// [`checkpoint`](Self::checkpoint) and [`wait`](Self::wait), and all threads are joined.
pub struct Scope<'a, 'env> {
    board: &'a Board<'env>,
    own: &'a Worker<Work<'env>>,
    start: &'a dyn Fn(),
}

/// A closure of a scope unwound.
pub struct Panicked {
    payload: Mutex<Box<dyn Any + Send>>,
}

/// The scope was cancelled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Cancelled;

impl<'env> Scope<'_, 'env> {
    /// Starts a closure. It is given a scope in its turn, to start others.
    pub fn spawn(&self, work: impl FnOnce(&Scope<'_, 'env>) + Send + 'env) {
        let board = self.board;
        if self.is_cancelled() || board.group.try_enter().is_err() {
            return;
        }
        self.own.push(Box::new(work));
        if !board.idle.wake_one() && board.scaler.workers() < board.most {
            (self.start)();
        }
    }

    /// Whether to go on: one load.
    ///
    /// # Errors
    /// [`Cancelled`] after a closure unwound or somebody called [`cancel`](Self::cancel).
    #[inline]
    pub fn checkpoint(&self) -> Result<(), Cancelled> {
        if self.is_cancelled() {
            Err(Cancelled)
        } else {
            Ok(())
        }
    }

    /// Whether the scope was cancelled.
    #[inline]
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.board.word.is_cancelled()
    }

    /// Tells all closures to stop, and drops those that have not begun.
    pub fn cancel(&self) {
        self.board.cancel(Reason::Requested);
    }

    /// Blocks this thread until `future` is ready or the scope is cancelled, whichever is first.
    ///
    /// # Errors
    /// [`Cancelled`]; the future is dropped.
    pub fn wait<F: Future>(&self, future: F) -> Result<F::Output, Cancelled> {
        let mut future = pin!(future);
        let mut told = pin!(self.board.told.listen());
        block(core::future::poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            // The listener is made, then the word is read; who cancels writes the word, then notifies.
            if self.is_cancelled() {
                return Poll::Ready(Err(Cancelled));
            }
            told.as_mut().poll(cx).map(|()| Err(Cancelled))
        }))
    }
}

type Work<'env> = Box<dyn FnOnce(&Scope<'_, 'env>) + Send + 'env>;

/// What the threads of a scope share. Group and lifecycle decide when it is over and whether it was cancelled.
struct Board<'env> {
    group: Group,
    word: Lifecycle,
    told: Event,
    idle: Idle,
    scaler: Scaler,
    /// How many threads besides the one that opened the scope.
    most: u32,
    stealers: Box<[Stealer<Work<'env>>]>,
    spare: Mutex<Vec<Worker<Work<'env>>>>,
    numbers: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

pub(crate) fn run<'env, T>(
    pool: &Arc<Shared>,
    work: impl FnOnce(&Scope<'_, 'env>) -> T,
) -> Result<T, Panicked> {
    let board = Board::new(pool.settings.workers.1.saturating_sub(1));
    let own = Worker::new_lifo();
    let stealer = own.stealer();
    let board = Board {
        stealers: board.stealers.into_iter().chain([stealer]).collect(),
        ..board
    };
    // A scope runs as soon as it is made; its word takes part in nothing but its cancellation.
    let _ = board.word.start();
    let result = thread::scope(|threads| {
        let start = || start(pool, threads, &board);
        let scope = Scope {
            board: &board,
            own: &own,
            start: &start,
        };
        let result = catch_unwind(AssertUnwindSafe(|| work(&scope)));
        if result.is_err() {
            board.cancel(Reason::Sibling);
        }
        scope.work(|| board.group.is_empty());
        // Nobody is left who could start another one.
        let _ = board.group.close();
        let _ = board.idle.wake(usize::MAX);
        result
    });
    let panic = board.panic.into_inner().unwrap_or_else(PoisonError::into_inner);
    match (result, panic) {
        // The caller's own panic is the caller's.
        (Err(payload), _) => resume_unwind(payload),
        (Ok(_), Some(payload)) => Err(Panicked {
            payload: Mutex::new(payload),
        }),
        (Ok(value), None) => Ok(value),
    }
}

/// Has the number of threads follow the number of closures.
fn start<'scope, 'env: 'scope>(
    pool: &'scope Arc<Shared>,
    threads: &'scope thread::Scope<'scope, '_>,
    board: &'scope Board<'env>,
) {
    let Decision::Grow(more) = board.scaler.observe(board.group.live(), Tick::new(0)) else {
        return;
    };
    for _ in 0..more {
        // Relaxed: a number for the name.
        let number = board.numbers.fetch_add(1, Relaxed);
        let mut builder = thread::Builder::new().name(format!("{}-s{number}", pool.settings.prefix));
        if let Some(bytes) = pool.settings.stack_size {
            builder = builder.stack_size(bytes);
        }
        // Where the system starts none, the others do the work.
        let _ = builder.spawn_scoped(threads, move || {
            let Some(own) = board.take() else { return };
            let _entered = here::enter(Arc::clone(pool));
            let start = || start(pool, threads, board);
            let scope = Scope {
                board,
                own: &own,
                start: &start,
            };
            scope.work(|| board.group.is_over());
        });
    }
}

impl<'env> Scope<'_, 'env> {
    /// Runs what there is until it is over.
    fn work(&self, is_over: impl Fn() -> bool) {
        let board = self.board;
        let bed = Bed::new();
        // Any number that no other thread of the scope has.
        let number = board.numbers.fetch_add(1, Relaxed);
        loop {
            if let Some(work) = self.next() {
                self.run(work);
                continue;
            }
            if is_over() {
                return;
            }
            board.idle.lie_down(number, &bed.unparker);
            if is_over() || !self.own.is_empty() || board.stealers.iter().any(|other| !other.is_empty()) {
                bed.get_up(&board.idle, number);
            } else {
                bed.parker.park();
            }
        }
    }

    fn run(&self, work: Work<'env>) {
        let cancelled = self.is_cancelled();
        let ran = catch_unwind(AssertUnwindSafe(|| {
            // One that is dropped may unwind as well as one that runs.
            if cancelled { drop(work) } else { work(self) }
        }));
        if let Err(payload) = ran {
            let mut first = self.board.panic.lock().unwrap_or_else(PoisonError::into_inner);
            let later = if first.is_some() {
                Some(payload)
            } else {
                first.replace(payload)
            };
            drop(first);
            self.board.cancel(Reason::Sibling);
            // What it unwound with may unwind in its turn, when it is dropped.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(later))).map_err(core::mem::forget);
        }
        if !matches!(self.board.group.leave(), Ok(Exit::Continue)) {
            let _ = self.board.idle.wake(usize::MAX);
        }
    }

    fn next(&self) -> Option<Work<'env>> {
        self.own.pop().or_else(|| {
            self.board.stealers.iter().find_map(|other| {
                loop {
                    match other.steal_batch_and_pop(self.own) {
                        Steal::Success(work) => return Some(work),
                        Steal::Empty => return None,
                        Steal::Retry => core::hint::spin_loop(),
                    }
                }
            })
        })
    }
}

impl Board<'_> {
    fn new(most: u32) -> Self {
        let spare: Vec<_> = (0..most).map(|_| Worker::new_lifo()).collect();
        // One thread for each closure; bounds that the pool was built with are kept.
        let scale = Scale::new(0, most.max(1)).unwrap_or(ONE);
        Self {
            group: Group::new(),
            word: Lifecycle::new(),
            told: Event::new(),
            idle: Idle::new(),
            scaler: Scaler::new(scale),
            most,
            stealers: spare.iter().map(Worker::stealer).collect(),
            spare: Mutex::new(spare),
            numbers: AtomicUsize::new(1),
            panic: Mutex::new(None),
        }
    }

    fn cancel(&self, reason: Reason) {
        let _ = self.word.cancel(Level::Kill, reason);
        self.told.notify(usize::MAX);
    }
}

impl<'env> Board<'env> {
    fn take(&self) -> Option<Worker<Work<'env>>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

const ONE: Scale = match Scale::new(0, 1) {
    Ok(scale) => scale,
    Err(_) => panic!("one is within the bounds"),
};

impl Panicked {
    /// What the closure unwound with.
    #[must_use]
    pub fn into_payload(self) -> Box<dyn Any + Send> {
        self.payload.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// The message, if it was one.
    #[must_use]
    pub fn message(&self) -> Option<String> {
        let payload = self.payload.lock().unwrap_or_else(PoisonError::into_inner);
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| payload.downcast_ref::<String>().cloned())
    }
}

impl fmt::Debug for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Panicked")
            .field("message", &self.message())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message() {
            Some(message) => write!(f, "a closure of the scope panicked: {message}"),
            None => f.write_str("a closure of the scope panicked"),
        }
    }
}

impl Error for Panicked {}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the scope was cancelled")
    }
}

impl Error for Cancelled {}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("group", &self.board.group)
            .field("cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}
