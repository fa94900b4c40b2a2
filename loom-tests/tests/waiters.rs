//! Races on the queue of waiters.
//!
//! Each [`Waiter`] is polled by one thread and then handed to the first, which follows up on the wake-ups.
#![cfg(sweet_loom)]
#![expect(clippy::unwrap_used, reason = "a model fails by panicking")]

use loom::thread;

use loom_tests::{Model, Waiter, check};
use sweet_async_core::credit::Credits;
use sweet_async_core::lifecycle::{Level, Lifecycle, Reason, Snapshot};
use sweet_async_core::waiters::{Acquire, Cancelled, Full, Permit, WaitError, WaiterSet};

/// What the threads of one execution share; leaked, so that futures and permits can change threads.
struct Edge<const N: usize> {
    credits: Credits,
    task: Lifecycle,
    set: WaiterSet<N>,
}

impl<const N: usize> Edge<N> {
    fn new(capacity: u32, taken: u32) -> &'static Self {
        let credits = Credits::new(capacity).unwrap();
        credits.try_acquire(taken).unwrap();
        Box::leak(Box::new(Self {
            credits,
            task: Lifecycle::new(),
            set: WaiterSet::new(),
        }))
    }

    /// A waiter that has been polled once.
    fn ask(&'static self, wanted: u32) -> Asks<N> {
        Waiter::polled(self.set.acquire(&self.credits, wanted))
    }
}

type Asks<const N: usize> = Waiter<Acquire<'static, N>, Result<Permit<'static, N>, WaitError>>;
type Hears<const N: usize> = Waiter<Cancelled<'static, N>, Result<Snapshot, Full>>;

/// Race: a holder gives two credits back at once ∥ two waiters enter, each for one of them. Holds: W3, W5.
#[test]
fn release_meets_two_waiters() {
    let model = Model {
        name: "waiters::release_meets_two_waiters",
        holds: "W3, W5",
        threads: 3,
        preemptions: Some(3),
        witnesses: &["both at once", "one was woken", "both were woken"],
    };
    check(model, |witness| {
        let edge = Edge::<2>::new(2, 2);
        let [first, second] = [(); 2].map(|()| thread::spawn(|| edge.ask(1)));
        edge.set.release(&edge.credits, 2).unwrap();
        let (mut first, mut second) = (first.join().unwrap(), second.join().unwrap());
        let at_once = [&first, &second].map(Waiter::is_ready);
        while first.follow_up() || second.follow_up() {}
        assert!(
            first.is_ready() && second.is_ready(),
            "a waiter sleeps while its credit is free"
        );
        assert_eq!(edge.credits.taken(), 2);
        witness.saw(match at_once {
            [true, true] => "both at once",
            [false, false] => "both were woken",
            _ => "one was woken",
        });
    });
}

/// Race: a holder gives a credit back ∥ the head of the queue is dropped, perhaps after it was woken. Holds: W2, W3, W4.
#[test]
fn dropped_head_passes_on() {
    let model = Model {
        name: "waiters::dropped_head_passes_on",
        holds: "W2, W3, W4",
        threads: 2,
        preemptions: None,
        witnesses: &["wake swallowed", "head gone before"],
    };
    check(model, |witness| {
        let edge = Edge::<2>::new(1, 1);
        let (head, mut next) = (edge.ask(1), edge.ask(1));
        let bell = head.bell();
        let dropper = thread::spawn(move || drop(head));
        edge.set.release(&edge.credits, 1).unwrap();
        dropper.join().unwrap();
        while next.follow_up() {}
        assert!(next.is_ready(), "the next waiter sleeps while its credit is free");
        witness.saw(if bell.rang() {
            "wake swallowed"
        } else {
            "head gone before"
        });
    });
}

/// Race: the head of the queue is served ∥ a newcomer enters behind it, although more is free. Holds: W3, W5.
#[test]
fn served_head_wakes_the_next() {
    let model = Model {
        name: "waiters::served_head_wakes_the_next",
        holds: "W3, W5",
        threads: 2,
        preemptions: Some(3),
        witnesses: &["newcomer at once", "newcomer woken"],
    };
    check(model, |witness| {
        let edge = Edge::<2>::new(2, 2);
        let mut head = edge.ask(1);
        edge.set.release(&edge.credits, 2).unwrap();
        let newcomer = thread::spawn(|| edge.ask(1));
        assert!(head.follow_up() && head.is_ready(), "the woken head is served");
        let mut newcomer = newcomer.join().unwrap();
        witness.saw(if newcomer.is_ready() {
            "newcomer at once"
        } else {
            "newcomer woken"
        });
        while newcomer.follow_up() {}
        assert!(
            newcomer.is_ready(),
            "the newcomer sleeps while its credit is free"
        );
    });
}

/// Race: a holder gives the only credit back ∥ a newcomer asks for it while another waits. Holds: W2, W5.
#[test]
fn newcomer_does_not_overtake() {
    let model = Model {
        name: "waiters::newcomer_does_not_overtake",
        holds: "W2, W5",
        threads: 2,
        preemptions: None,
        witnesses: &["asked while none was free", "asked while one was free"],
    };
    check(model, |witness| {
        let edge = Edge::<2>::new(1, 1);
        let mut head = edge.ask(1);
        let newcomer = thread::spawn(|| {
            let free = edge.credits.free();
            (edge.ask(1), free)
        });
        edge.set.release(&edge.credits, 1).unwrap();
        let (mut newcomer, free) = newcomer.join().unwrap();
        assert!(!newcomer.is_ready(), "the newcomer overtook");
        // Woken or not: a waiter may be polled at any time.
        newcomer.poll();
        assert!(!newcomer.is_ready(), "the newcomer overtook when polled again");
        assert!(
            head.follow_up() && head.is_ready(),
            "the head is woken and served"
        );
        let _ = head.take();
        while newcomer.follow_up() {}
        assert!(
            newcomer.is_ready(),
            "the newcomer sleeps while its credit is free"
        );
        witness.saw(if free == 0 {
            "asked while none was free"
        } else {
            "asked while one was free"
        });
    });
}

/// Race: a release finds the queue empty and clears the mark ∥ two waiters enter, and the first, too large to be served,
/// is dropped. Holds: W3, W4.
#[test]
fn hush_meets_two_waiters() {
    let model = Model {
        name: "waiters::hush_meets_two_waiters",
        holds: "W3, W4",
        threads: 2,
        preemptions: Some(3),
        witnesses: &["head was woken", "head was not woken"],
    };
    check(model, |witness| {
        let edge = Edge::<2>::new(2, 2);
        // A waiter that was cancelled: the mark stays behind.
        drop(edge.ask(1));
        let waiters = thread::spawn(|| {
            let head = edge.ask(2);
            let next = edge.ask(1);
            let bell = head.bell();
            drop(head);
            (next, bell)
        });
        edge.set.release(&edge.credits, 1).unwrap();
        let (mut next, bell) = waiters.join().unwrap();
        witness.saw(if bell.rang() {
            "head was woken"
        } else {
            "head was not woken"
        });
        while next.follow_up() {}
        assert!(next.is_ready(), "a waiter sleeps while its credit is free");
    });
}

/// Race: a task is cancelled and everybody woken ∥ two wait for that. Holds: W3.
#[test]
fn cancel_meets_the_waiter() {
    let model = Model {
        name: "waiters::cancel_meets_the_waiter",
        holds: "W3",
        threads: 3,
        preemptions: Some(3),
        witnesses: &["at once", "woken"],
    };
    check(model, |witness| {
        let edge = Edge::<2>::new(0, 0);
        let waiters = [(); 2]
            .map(|()| thread::spawn(|| -> Hears<2> { Waiter::polled(edge.set.cancelled(&edge.task)) }));
        let _ = edge.task.cancel(Level::Graceful, Reason::Requested);
        edge.set.wake_all();
        for waiter in waiters {
            let mut waiter = waiter.join().unwrap();
            witness.saw(if waiter.is_ready() { "at once" } else { "woken" });
            while waiter.follow_up() {}
            assert!(
                waiter.is_ready(),
                "the waiter sleeps although the task is cancelled"
            );
        }
    });
}

/// Race: the credits are closed ∥ a waiter enters behind another. Holds: W3.
#[test]
fn close_meets_the_waiter() {
    let model = Model {
        name: "waiters::close_meets_the_waiter",
        holds: "W3",
        threads: 2,
        preemptions: None,
        witnesses: &["at once", "woken"],
    };
    check(model, |witness| {
        let edge = Edge::<2>::new(1, 1);
        let mut head = edge.ask(1);
        let newcomer = thread::spawn(|| edge.ask(1));
        assert!(edge.set.close(&edge.credits));
        let mut newcomer = newcomer.join().unwrap();
        witness.saw(if newcomer.is_ready() { "at once" } else { "woken" });
        while head.follow_up() || newcomer.follow_up() {}
        for waiter in [head, newcomer] {
            assert!(
                matches!(waiter.answer(), Some(Err(WaitError::Closed))),
                "a waiter sleeps although the credits are closed"
            );
        }
    });
}

/// Race: the only slot is left ∥ two others want it. Holds: W1.
#[test]
fn slots_are_not_shared() {
    let model = Model {
        name: "waiters::slots_are_not_shared",
        holds: "W1",
        threads: 3,
        preemptions: Some(3),
        witnesses: &["one got it", "none got it"],
    };
    check(model, |witness| {
        let edge = Edge::<1>::new(0, 0);
        let leaver: Hears<1> = Waiter::polled(edge.set.cancelled(&edge.task));
        let others = [(); 2]
            .map(|()| thread::spawn(|| -> Hears<1> { Waiter::polled(edge.set.cancelled(&edge.task)) }));
        drop(leaver);
        let others = others.map(|other| other.join().unwrap());
        let mut entered = 0;
        for waiter in &others {
            if waiter.is_ready() {
                assert!(matches!(waiter.answer(), Some(Err(Full { .. }))));
            } else {
                entered += 1;
            }
        }
        assert!(entered <= 1, "two waiters share a slot");
        assert_eq!(edge.set.len(), entered);
        witness.saw(["none got it", "one got it"][entered]);
    });
}
