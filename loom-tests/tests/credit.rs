//! Races on the credit word.
#![cfg(sweet_loom)]
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a model fails by panicking"
)]

use loom::sync::Arc;
use loom::sync::atomic::AtomicU32;
use loom::sync::atomic::Ordering::Relaxed;
use loom::thread;

use loom_tests::{Model, check};
use sweet_async_core::credit::{AcquireError, Admission, Close, Credits, Released, Turn};

/// Credits, what their holders did, and a queue of two as a caller would keep it; the first thread does most of the
/// writing, because loom would not reorder a mere read by it with a later exchange of another thread.
struct Edge {
    credits: Credits,
    /// Counted up in two steps, load and store, by whoever holds the only credit; or set by the closer.
    work: AtomicU32,
    /// What each waiter in the queue asks for; zero if it is not in the queue.
    queue: [AtomicU32; 2],
    /// Whether each waiter was woken.
    woken: [AtomicU32; 2],
}

impl Edge {
    fn new(capacity: u32, taken: u32) -> Arc<Self> {
        let credits = Credits::new(capacity).unwrap();
        credits.try_acquire(taken).unwrap();
        Arc::new(Self {
            credits,
            work: AtomicU32::new(0),
            queue: [AtomicU32::new(0), AtomicU32::new(0)],
            woken: [AtomicU32::new(0), AtomicU32::new(0)],
        })
    }

    fn work(&self) {
        self.work.store(self.work.load(Relaxed) + 1, Relaxed);
    }

    /// Rule 1: enqueue, then register.
    fn enter(&self, waiter: usize, wanted: u32) -> Result<Admission, AcquireError> {
        self.queue[waiter].store(wanted, Relaxed);
        let admission = self.credits.try_acquire_or_register(wanted, Turn::Newcomer);
        if admission != Ok(Admission::Registered) {
            self.leave(waiter);
        }
        admission
    }

    /// Rule 2: leave, then pass on.
    fn leave(&self, waiter: usize) {
        self.queue[waiter].store(0, Relaxed);
        self.act(self.credits.pass_on());
    }

    /// Rule 3: look; if the queue is empty, hush and look once more. Answers how many looks found somebody.
    fn act(&self, released: Released) -> Looks {
        let Released::Wake { free } = released else {
            return Looks::None;
        };
        if self.look(free) {
            return Looks::First;
        }
        self.credits.hush();
        if self.look(u32::MAX) {
            Looks::Second
        } else {
            Looks::Empty
        }
    }

    /// Wakes from the front while the wishes fit; answers whether anybody is in the queue.
    fn look(&self, mut free: u32) -> bool {
        let mut found = false;
        for (queue, woken) in self.queue.iter().zip(&self.woken) {
            let wanted = queue.load(Relaxed);
            if wanted == 0 {
                continue;
            }
            found = true;
            if wanted > free {
                break;
            }
            free -= wanted;
            woken.store(1, Relaxed);
        }
        found
    }

    fn is_woken(&self, waiter: usize) -> bool {
        self.woken[waiter].load(Relaxed) == 1
    }
}

/// What came of acting on an outcome.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Looks {
    /// There was no reason to look.
    None,
    /// The first look found somebody.
    First,
    /// Only the second look found somebody.
    Second,
    /// The queue was empty.
    Empty,
}

/// Race: a holder gives two credits back one by one ∥ two others each take one and give it back. Holds: C1, C2.
#[test]
fn conserved() {
    let model = Model {
        name: "credit::conserved",
        holds: "C1, C2",
        threads: 3,
        preemptions: Some(3),
        witnesses: &["both taken", "one taken", "none taken"],
    };
    check(model, |witness| {
        let edge = Edge::new(2, 2);
        let takers = [0, 1].map(|_| {
            let edge = Arc::clone(&edge);
            thread::spawn(move || {
                let taken = edge.credits.try_acquire(1).is_ok();
                if taken {
                    assert!(edge.credits.taken() <= 2, "more taken than there are");
                    assert_eq!(edge.credits.release(1), Ok(Released::Continue));
                }
                taken
            })
        });
        assert_eq!(edge.credits.release(1), Ok(Released::Continue));
        assert_eq!(edge.credits.release(1), Ok(Released::Continue));
        let taken = takers.map(|taker| taker.join().unwrap());
        assert_eq!(edge.credits.taken(), 0, "a credit was lost or made");
        assert!(edge.credits.release(1).is_err());
        witness.saw(match taken {
            [true, true] => "both taken",
            [false, false] => "none taken",
            _ => "one taken",
        });
    });
}

/// Race: a holder of the only credit works and gives it back ∥ two others want it. Holds: C2, C7.
#[test]
fn taker_sees_former_holders() {
    let model = Model {
        name: "credit::taker_sees_former_holders",
        holds: "C2, C7",
        threads: 3,
        preemptions: None,
        witnesses: &["both in turn", "one", "none"],
    };
    check(model, |witness| {
        let edge = Edge::new(1, 1);
        let takers = [0, 1].map(|_| {
            let edge = Arc::clone(&edge);
            thread::spawn(move || {
                let taken = edge.credits.try_acquire(1).is_ok();
                if taken {
                    edge.work();
                    assert_eq!(edge.credits.release(1), Ok(Released::Continue));
                }
                u32::from(taken)
            })
        });
        edge.work();
        assert_eq!(edge.credits.release(1), Ok(Released::Continue));
        let taken: u32 = takers.map(|taker| taker.join().unwrap()).iter().sum();
        assert_eq!(
            edge.work.load(Relaxed),
            taken + 1,
            "two held the only credit, or one missed the other's work"
        );
        witness.saw(["none", "one", "both in turn"][taken as usize]);
    });
}

/// Race: two callers close ∥ one takes ∥ one gives back. Holds: C1, C3.
#[test]
fn no_credit_after_close() {
    let model = Model {
        name: "credit::no_credit_after_close",
        holds: "C1, C3",
        threads: 4,
        preemptions: Some(3),
        witnesses: &[
            "taken before",
            "refused as closed",
            "refused as short",
            "first closed",
            "second closed",
        ],
    };
    check(model, |witness| {
        let edge = Edge::new(1, 1);
        let acquirer = thread::spawn({
            let edge = Arc::clone(&edge);
            move || edge.credits.try_acquire(1)
        });
        let second = thread::spawn({
            let edge = Arc::clone(&edge);
            move || edge.credits.close()
        });
        let releaser = thread::spawn({
            let edge = Arc::clone(&edge);
            move || edge.credits.release(1)
        });
        let first = edge.credits.close();
        let at_close = edge.credits.taken();
        let late = edge.credits.try_acquire(1);
        let taken = acquirer.join().unwrap();
        let second = second.join().unwrap();
        assert_eq!(releaser.join().unwrap(), Ok(Released::Continue));

        assert_eq!(late, Err(AcquireError::Closed));
        assert_eq!(edge.credits.taken(), u32::from(taken.is_ok()));
        assert!(edge.credits.taken() <= at_close, "a credit was taken after close");
        assert!(
            (first == Close::Already) != (second == Close::Already),
            "exactly one caller closes"
        );
        witness.saw(if second == Close::Already {
            "first closed"
        } else {
            "second closed"
        });
        witness.saw(match taken {
            Ok(()) => "taken before",
            Err(AcquireError::Closed) => "refused as closed",
            Err(_) => "refused as short",
        });
    });
}

/// Race: a closer writes why and closes ∥ two others want a credit. Holds: C3, C7.
#[test]
fn refused_sees_the_closer() {
    let model = Model {
        name: "credit::refused_sees_the_closer",
        holds: "C3, C7",
        threads: 3,
        preemptions: None,
        witnesses: &["refused", "taken"],
    };
    check(model, |witness| {
        let edge = Edge::new(2, 0);
        let takers = [0, 1].map(|_| {
            let edge = Arc::clone(&edge);
            thread::spawn(move || {
                let answer = edge.credits.try_acquire(1);
                if answer == Err(AcquireError::Closed) {
                    assert_eq!(
                        edge.work.load(Relaxed),
                        1,
                        "the refused missed why the credits closed"
                    );
                }
                answer.is_ok()
            })
        });
        edge.work();
        assert_eq!(edge.credits.close(), Close::Continue);
        for taker in takers {
            witness.saw(if taker.join().unwrap() { "taken" } else { "refused" });
        }
    });
}

/// Race: the capacity shrinks from two to one ∥ two others each take one. Holds: C1, C2.
#[test]
fn shrink_against_takers() {
    let model = Model {
        name: "credit::shrink_against_takers",
        holds: "C1, C2",
        threads: 3,
        preemptions: None,
        witnesses: &["in debt", "within the new capacity"],
    };
    check(model, |witness| {
        let edge = Edge::new(2, 0);
        let takers = [0, 1].map(|_| {
            let edge = Arc::clone(&edge);
            thread::spawn(move || u32::from(edge.credits.try_acquire(1).is_ok()))
        });
        assert_eq!(edge.credits.resize(1), Ok(Released::Continue));
        let at_resize = edge.credits.taken();
        let taken: u32 = takers.map(|taker| taker.join().unwrap()).iter().sum();
        assert_eq!(edge.credits.taken(), taken);
        assert_eq!(edge.credits.capacity(), 1);
        assert!(
            taken <= at_resize.max(1),
            "a credit was taken beyond the new capacity"
        );
        assert_eq!(edge.credits.debt(), taken.saturating_sub(1));
        witness.saw(if taken == 2 {
            "in debt"
        } else {
            "within the new capacity"
        });
    });
}

/// Race: two holders give back ∥ a newcomer registers for both credits. Holds: C5.
#[test]
fn release_meets_the_waiter() {
    let model = Model {
        name: "credit::release_meets_the_waiter",
        holds: "C5",
        threads: 3,
        preemptions: Some(3),
        witnesses: &["taken", "woken"],
    };
    check(model, |witness| {
        let edge = Edge::new(2, 2);
        let waiter = thread::spawn({
            let edge = Arc::clone(&edge);
            move || edge.enter(0, 2)
        });
        let other = thread::spawn({
            let edge = Arc::clone(&edge);
            move || edge.act(edge.credits.release(1).unwrap())
        });
        edge.act(edge.credits.release(1).unwrap());
        other.join().unwrap();
        if waiter.join().unwrap() == Ok(Admission::Taken) {
            witness.saw("taken");
        } else {
            assert!(edge.is_woken(0), "the waiter sleeps while its credits are free");
            assert_eq!(
                edge.credits.try_acquire_or_register(2, Turn::Head),
                Ok(Admission::Taken)
            );
            witness.saw("woken");
        }
    });
}

/// Race: the capacity grows from none to one ∥ a newcomer registers. Holds: C5.
#[test]
fn grow_meets_the_waiter() {
    let model = Model {
        name: "credit::grow_meets_the_waiter",
        holds: "C5",
        threads: 2,
        preemptions: None,
        witnesses: &["taken", "woken"],
    };
    check(model, |witness| {
        let edge = Edge::new(0, 0);
        let waiter = thread::spawn({
            let edge = Arc::clone(&edge);
            move || edge.enter(0, 1)
        });
        edge.act(edge.credits.resize(1).unwrap());
        if waiter.join().unwrap() == Ok(Admission::Taken) {
            witness.saw("taken");
        } else {
            assert!(edge.is_woken(0), "the waiter sleeps while a credit is free");
            witness.saw("woken");
        }
    });
}

/// Race: the credits close ∥ a holder gives back ∥ a newcomer registers. Holds: C3, C5.
#[test]
fn close_meets_the_waiter() {
    let model = Model {
        name: "credit::close_meets_the_waiter",
        holds: "C3, C5",
        threads: 3,
        preemptions: Some(3),
        witnesses: &["taken", "woken", "refused"],
    };
    check(model, |witness| {
        let edge = Edge::new(1, 1);
        let waiter = thread::spawn({
            let edge = Arc::clone(&edge);
            move || edge.enter(0, 1)
        });
        let releaser = thread::spawn({
            let edge = Arc::clone(&edge);
            move || edge.act(edge.credits.release(1).unwrap())
        });
        if edge.credits.close() == Close::Wake {
            edge.look(u32::MAX);
        }
        releaser.join().unwrap();
        match waiter.join().unwrap() {
            Ok(Admission::Taken) => witness.saw("taken"),
            Ok(Admission::Registered) => {
                assert!(
                    edge.is_woken(0),
                    "the waiter sleeps although the credits are closed"
                );
                witness.saw("woken");
            }
            Err(error) => {
                assert_eq!(error, AcquireError::Closed);
                witness.saw("refused");
            }
        }
    });
}

/// Race: a release ∥ the head of the queue, too large to be served, is cancelled. Holds: C5.
#[test]
fn cancelled_head_passes_on() {
    let model = Model {
        name: "credit::cancelled_head_passes_on",
        holds: "C5",
        threads: 2,
        preemptions: None,
        witnesses: &["release woke the next", "cancelled woke the next"],
    };
    check(model, |witness| {
        let edge = Edge::new(2, 2);
        assert_eq!(edge.enter(0, 2), Ok(Admission::Registered));
        assert_eq!(edge.enter(1, 1), Ok(Admission::Registered));
        let head = thread::spawn({
            let edge = Arc::clone(&edge);
            move || edge.leave(0)
        });
        edge.act(edge.credits.release(1).unwrap());
        let by_release = edge.is_woken(1);
        head.join().unwrap();
        assert!(
            edge.is_woken(1),
            "the next waiter sleeps while its credit is free"
        );
        witness.saw(if by_release {
            "release woke the next"
        } else {
            "cancelled woke the next"
        });
    });
}

/// Race: a release wakes the head of the queue ∥ the head is cancelled, perhaps after it was woken. Holds: C5.
#[test]
fn swallowed_wake_passes_on() {
    let model = Model {
        name: "credit::swallowed_wake_passes_on",
        holds: "C5",
        threads: 2,
        preemptions: None,
        witnesses: &["wake swallowed", "head gone before"],
    };
    check(model, |witness| {
        let edge = Edge::new(1, 1);
        assert_eq!(edge.enter(0, 1), Ok(Admission::Registered));
        assert_eq!(edge.enter(1, 1), Ok(Admission::Registered));
        let head = thread::spawn({
            let edge = Arc::clone(&edge);
            move || edge.leave(0)
        });
        edge.act(edge.credits.release(1).unwrap());
        head.join().unwrap();
        assert!(
            edge.is_woken(1),
            "the next waiter sleeps while its credit is free"
        );
        witness.saw(if edge.is_woken(0) {
            "wake swallowed"
        } else {
            "head gone before"
        });
    });
}

/// Race: a release frees the credit that the head of the queue waits for ∥ the head takes it ∥ a newcomer wants it.
/// Holds: C2, C6.
#[test]
fn newcomer_does_not_overtake() {
    let model = Model {
        name: "credit::newcomer_does_not_overtake",
        holds: "C2, C6",
        threads: 3,
        preemptions: None,
        witnesses: &["queued", "short", "head taken", "head registered"],
    };
    check(model, |witness| {
        let edge = Edge::new(1, 1);
        assert_eq!(edge.enter(0, 1), Ok(Admission::Registered));
        let newcomer = thread::spawn({
            let edge = Arc::clone(&edge);
            move || edge.credits.try_acquire(1)
        });
        let head = thread::spawn({
            let edge = Arc::clone(&edge);
            move || edge.credits.try_acquire_or_register(1, Turn::Head)
        });
        assert_eq!(edge.credits.release(1), Ok(Released::Wake { free: 1 }));
        witness.saw(match newcomer.join().unwrap() {
            Err(AcquireError::Queued) => "queued",
            Err(AcquireError::Short { free: 0 }) => "short",
            answer => panic!("the newcomer overtook the head: {answer:?}"),
        });
        if head.join().unwrap() == Ok(Admission::Taken) {
            witness.saw("head taken");
        } else {
            assert_eq!(edge.credits.free(), 1);
            witness.saw("head registered");
        }
    });
}

/// Race: the head of the queue is served ∥ a newcomer registers behind it although more is free. Holds: C5, C6.
#[test]
fn served_head_passes_on() {
    let model = Model {
        name: "credit::served_head_passes_on",
        holds: "C5, C6",
        threads: 2,
        preemptions: None,
        witnesses: &["newcomer taken", "newcomer woken"],
    };
    check(model, |witness| {
        let edge = Edge::new(2, 2);
        assert_eq!(edge.enter(0, 1), Ok(Admission::Registered));
        edge.act(edge.credits.release(2).unwrap());
        assert!(edge.is_woken(0));
        let newcomer = thread::spawn({
            let edge = Arc::clone(&edge);
            move || edge.enter(1, 1)
        });
        assert_eq!(
            edge.credits.try_acquire_or_register(1, Turn::Head),
            Ok(Admission::Taken)
        );
        edge.leave(0);
        if newcomer.join().unwrap() == Ok(Admission::Taken) {
            witness.saw("newcomer taken");
        } else {
            assert!(edge.is_woken(1), "the newcomer sleeps while its credit is free");
            witness.saw("newcomer woken");
        }
    });
}

/// Race: a release finds the queue empty and clears the bit ∥ a newcomer enters the queue. Holds: C5.
#[test]
fn hush_meets_the_newcomer() {
    let model = Model {
        name: "credit::hush_meets_the_newcomer",
        holds: "C5",
        threads: 2,
        preemptions: None,
        witnesses: &["taken", "first look", "second look"],
    };
    check(model, |witness| {
        let edge = Edge::new(1, 1);
        // A waiter that was cancelled: the bit stays behind.
        assert_eq!(edge.enter(0, 1), Ok(Admission::Registered));
        edge.leave(0);
        let newcomer = thread::spawn({
            let edge = Arc::clone(&edge);
            move || edge.enter(1, 1)
        });
        let looks = edge.act(edge.credits.release(1).unwrap());
        if newcomer.join().unwrap() == Ok(Admission::Taken) {
            witness.saw("taken");
        } else {
            assert!(edge.is_woken(1), "the newcomer sleeps while a credit is free");
            match looks {
                Looks::First => witness.saw("first look"),
                Looks::Second => witness.saw("second look"),
                Looks::None | Looks::Empty => {}
            }
        }
    });
}
