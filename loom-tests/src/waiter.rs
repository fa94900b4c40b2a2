//! A future that is polled by hand, and whether it was woken.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::atomic::AtomicU32;
use loom::sync::atomic::Ordering::Relaxed;

/// A future with its waker and, once it is ready, its answer.
///
/// It is polled by one thread and then handed to another, which follows up on the wake-ups: as long as one that is not
/// ready was woken, it is polled again. Who is asleep after that sleeps for ever.
#[derive(Debug)]
pub struct Waiter<F, A> {
    future: F,
    bell: Bell,
    answer: Option<A>,
}

/// Notes that it was woken.
#[derive(Clone, Debug)]
pub struct Bell(Arc<Rung>);

#[derive(Debug)]
struct Rung(AtomicU32);

impl<F: Future<Output = A> + Unpin, A> Waiter<F, A> {
    /// A waiter that has been polled once.
    pub fn polled(future: F) -> Self {
        let mut waiter = Self {
            future,
            bell: Bell(Arc::new(Rung(AtomicU32::new(0)))),
            answer: None,
        };
        waiter.poll();
        waiter
    }

    /// Polls, woken or not.
    pub fn poll(&mut self) {
        let waker = Waker::from(Arc::clone(&self.bell.0));
        if let Poll::Ready(answer) = Pin::new(&mut self.future).poll(&mut Context::from_waker(&waker)) {
            self.answer = Some(answer);
        }
    }

    /// Polls again if it waits and was woken; answers whether it did.
    pub fn follow_up(&mut self) -> bool {
        let again = !self.is_ready() && self.bell.rang();
        if again {
            self.bell.0.0.store(0, Relaxed);
            self.poll();
        }
        again
    }

    /// Whether it has its answer.
    pub const fn is_ready(&self) -> bool {
        self.answer.is_some()
    }

    /// The answer, if it is ready.
    pub const fn answer(&self) -> Option<&A> {
        self.answer.as_ref()
    }

    /// Takes the answer out.
    pub const fn take(&mut self) -> Option<A> {
        self.answer.take()
    }

    /// What tells, after the waiter was dropped, whether it had been woken.
    pub fn bell(&self) -> Bell {
        self.bell.clone()
    }
}

impl Bell {
    /// Whether the waiter was woken, and not polled since.
    #[must_use]
    pub fn rang(&self) -> bool {
        self.0.0.load(Relaxed) == 1
    }
}

impl Wake for Rung {
    fn wake(self: Arc<Self>) {
        self.0.store(1, Relaxed);
    }
}
