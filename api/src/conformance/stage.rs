//! What the cases share: builders on a harness, time in units, signs, numbers by chance.

use core::future::Future;
use core::ops::Deref;
use core::pin::{Pin, pin};
use core::task::Poll;
use core::time::Duration;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::thread;

use async_channel::TryRecvError;

use super::{Difference, Harness};
use crate::Runtime;
use crate::emit::EmitBuilder;
use crate::task::TaskBuilder;

/// A flavour of an adapter, told apart by values alone: the cases know only the type of the runtime, so that flavours of
/// one runtime share their code.
pub(super) struct Flavour<R: Runtime> {
    pub(super) name: &'static str,
    pub(super) table: &'static str,
    pub(super) differences: &'static [Difference],
    pub(super) threads: &'static str,
    start: fn(usize) -> Stage<R>,
    outside: fn() -> R,
}

/// An executor that was started for a case.
#[derive(Clone)]
pub(super) struct Stage<R: Runtime> {
    pub(super) flavour: Flavour<R>,
    runtime: R,
    executor: Arc<dyn Executor>,
}

/// What a harness does with the executor that it started.
trait Executor: Send + Sync {
    fn run(&self, future: Pin<&mut dyn Future<Output = ()>>);
    fn shut_down(&self);
    fn is_block_on_refused(&self) -> bool;
}

impl<H: Harness> Executor for H {
    fn run(&self, future: Pin<&mut dyn Future<Output = ()>>) {
        Harness::run(self, future);
    }

    fn shut_down(&self) {
        Harness::shut_down(self);
    }

    fn is_block_on_refused(&self) -> bool {
        Harness::is_block_on_refused(self)
    }
}

#[expect(
    clippy::expl_impl_clone_on_copy,
    reason = "what is derived asks for an `R` that is copied"
)]
impl<R: Runtime> Clone for Flavour<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R: Runtime> Copy for Flavour<R> {}

impl<R: Runtime> Flavour<R> {
    pub(super) fn of<H: Harness<Runtime = R>>() -> Self {
        Self {
            name: H::NAME,
            table: H::TABLE,
            differences: H::DIFFERENCES,
            threads: H::THREADS,
            start: |threads| Self::stage(H::start(threads)),
            outside: H::outside,
        }
    }

    /// An executor that was started already.
    pub(super) fn stage<H: Harness<Runtime = R>>(harness: H) -> Stage<R> {
        Stage {
            flavour: Self::of::<H>(),
            runtime: harness.runtime(),
            executor: Arc::new(harness),
        }
    }

    pub(super) fn start(&self, threads: usize) -> Stage<R> {
        (self.start)(threads)
    }

    /// What a program gets that names no executor, where none runs.
    pub(super) fn outside(&self) -> R {
        (self.outside)()
    }

    pub(super) fn differs(&self, difference: Difference) -> bool {
        self.differences.contains(&difference)
    }

    /// So many units of time: long enough to be told apart where time is virtual, short where it is not.
    pub(super) fn units(&self, count: u32) -> Duration {
        let unit = if self.differs(Difference::RealTime) {
            Duration::from_millis(5)
        } else {
            Duration::from_secs(1)
        };
        unit * count
    }

    /// What took `took` was to take so many units.
    #[track_caller]
    pub(super) fn assert_took(&self, took: Duration, units: u32) {
        if self.differs(Difference::RealTime) {
            assert!(took >= self.units(units), "{took:?} is less than {units} units");
        } else {
            assert_eq!(took, self.units(units));
        }
    }
}

impl<R: Runtime> Deref for Stage<R> {
    type Target = Flavour<R>;

    fn deref(&self) -> &Flavour<R> {
        &self.flavour
    }
}

impl<R: Runtime> Stage<R> {
    /// Runs `future` on this thread until it is ready, while the executor runs its tasks.
    pub(super) fn run<F: Future>(&self, future: F) -> F::Output {
        let mut output = None;
        let case = async {
            output = Some(future.await);
        };
        self.executor.run(pin!(case));
        output.unwrap()
    }

    pub(super) fn shut_down(&self) {
        self.executor.shut_down();
    }

    pub(super) fn is_block_on_refused(&self) -> bool {
        self.executor.is_block_on_refused()
    }

    pub(super) fn runtime(&self) -> R {
        self.runtime.clone()
    }

    /// Describes a task that yields a `T`.
    pub(super) fn to<T, E>(&self) -> TaskBuilder<R, T, E> {
        TaskBuilder::new(self.runtime())
    }

    /// Describes a pipeline of events of type `T`.
    pub(super) fn emits<T, E>(&self) -> EmitBuilder<R, T, E> {
        EmitBuilder::new(self.runtime())
    }

    /// How many tasks without a parent live.
    pub(super) fn live(&self) -> u64 {
        self.runtime.root().live()
    }

    /// Lets so many units pass.
    pub(super) fn pass(&self, units: u32) -> R::Sleep {
        self.pause(self.units(units))
    }

    pub(super) fn pause(&self, pause: Duration) -> R::Sleep {
        self.runtime.sleep_until(self.runtime.now() + pause)
    }

    /// Lets other tasks run, and time pass that they may wait for.
    pub(super) async fn turn(&self) {
        if self.differs(Difference::RealTime) {
            yield_now().await;
        } else {
            // Where time is virtual it does not pass while somebody is busy.
            self.pause(Duration::from_millis(1)).await;
        }
    }
}

/// A sign that one side gives and the other waits for.
pub(super) fn sign() -> (Sign, Awaited) {
    let (give, take) = async_channel::bounded(1);
    (Sign(give), Awaited(take))
}

#[derive(Clone)]
pub(super) struct Sign(async_channel::Sender<()>);

#[derive(Clone)]
pub(super) struct Awaited(async_channel::Receiver<()>);

impl Sign {
    /// Gives the sign. Again, or where nobody waits any more, it means nothing.
    pub(super) fn give(&self) {
        let _ = self.0.try_send(());
    }
}

impl Awaited {
    /// Waits for the sign; false if it can never come.
    pub(super) async fn given(&self) -> bool {
        self.0.recv().await.is_ok()
    }

    /// The same in the middle of a poll, where other threads run the others.
    pub(super) fn given_blocking(&self) -> bool {
        self.0.recv_blocking().is_ok()
    }

    /// The same in a blocking closure. Where one thread runs all, the others have their turns meanwhile.
    pub(super) fn given_in_turn<R: Runtime>(&self, runtime: &R) -> bool {
        loop {
            match self.0.try_recv() {
                Ok(()) => return true,
                Err(TryRecvError::Closed) => return false,
                Err(TryRecvError::Empty) => {
                    runtime.about_to_run();
                    thread::yield_now();
                }
            }
        }
    }
}

/// Lets other tasks run.
pub(super) async fn yield_now() {
    let mut yielded = false;
    core::future::poll_fn(|cx| {
        if core::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// So many of something, taken and given back.
#[derive(Clone)]
pub(super) struct Permits {
    give: async_channel::Sender<()>,
    take: async_channel::Receiver<()>,
}

/// Gives its permit back as it is dropped.
pub(super) struct Permit(async_channel::Sender<()>);

impl Permits {
    pub(super) fn new(count: usize) -> Self {
        let (give, take) = async_channel::bounded(count);
        for _ in 0..count {
            give.try_send(()).unwrap();
        }
        Self { give, take }
    }

    pub(super) async fn acquire(&self) -> Permit {
        self.take.recv().await.unwrap();
        Permit(self.give.clone())
    }

    pub(super) fn available(&self) -> usize {
        self.take.len()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        // Nobody takes permits any more where this fails.
        let _ = self.0.try_send(());
    }
}

/// Runs a closure as it is dropped.
pub(super) struct OnDrop<F: FnMut()>(pub(super) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A file that is gone when the case is.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new(name: &str, text: &str) -> Self {
        let number = fastrand::u64(..);
        let path = std::env::temp_dir().join(format!("sweet-async-{}-{number}-{name}", std::process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Polls `future` at most `polls` times, each time it is woken, and drops it.
pub(super) async fn polled<F: Future>(future: F, polls: u32) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    core::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        let polled = future.as_mut().poll(context).map(Some);
        if left == 0 && polled.is_pending() {
            return Poll::Ready(None);
        }
        polled
    })
    .await
}

/// Keeps the panics that a case causes on purpose out of its output: those whose text begins with `planned`.
pub(super) fn quiet_about_planned_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let planned = info
                .payload_as_str()
                .is_some_and(|text| text.starts_with("planned"));
            if !planned {
                loud(info);
            }
        }));
    });
}

/// A small generator of numbers (`SplitMix64`, by Sebastiano Vigna), so that a seed is all there is to repeat.
#[derive(Clone, Debug)]
pub(super) struct Numbers(u64);

impl Numbers {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(super) const fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// The seed of this run: from the environment variable, or a new one. Printed if the case fails.
pub(super) struct Seed(pub(super) u64, &'static str);

impl Seed {
    pub(super) fn from_env(variable: &'static str) -> Self {
        let seed = number_from_env(variable).unwrap_or_else(|| RandomState::new().hash_one(variable));
        Self(seed, variable)
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("to run this again, set {}={}", self.1, self.0);
        }
    }
}

pub(super) fn number_from_env(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Lets other tasks run until `is_so`, which no passing of time may be needed for.
pub(super) async fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        yield_now().await;
    }
}
