//! Races on the mailbox.
//!
//! Futures are polled by one thread and then handed to the first, which follows up on the wake-ups: as long as one that
//! is not ready was woken, it is polled again. Who is asleep after that sleeps for ever.
#![cfg(sweet_loom)]
#![expect(clippy::unwrap_used, reason = "a model fails by panicking")]

use loom::thread;

use loom_tests::{Model, check};
use sweet_async_core::mailbox::Mailbox;
use sweet_async_core::pressure::Overflow;

type Box<const N: usize> = Mailbox<u32, N, 2>;

/// A mailbox that holds these items; leaked, so that futures can change threads.
fn holding<const N: usize>(overflow: Overflow, items: impl IntoIterator<Item = u32>) -> &'static Box<N> {
    let mailbox = std::boxed::Box::leak(std::boxed::Box::new(Box::with(overflow)));
    for item in items {
        mailbox.try_send(item).unwrap();
    }
    mailbox
}

/// What is left, oldest first; afterwards the balance has to hold.
fn rest<const N: usize>(mailbox: &Box<N>) -> Vec<u32> {
    let rest = std::iter::from_fn(|| mailbox.try_recv().ok()).collect();
    assert_eq!(
        mailbox.counts().in_hand(),
        0,
        "unbalanced: {:?}",
        mailbox.counts()
    );
    rest
}

/// Race: a sender sends two items ∥ a receiver asks twice. Holds: M1, M2, M4.
#[test]
fn item_travels_with_its_slot() {
    let model = Model {
        name: "mailbox::item_travels_with_its_slot",
        holds: "M1, M2, M4",
        threads: 2,
        preemptions: Some(4),
        witnesses: &["none", "one", "both"],
    };
    check(model, |witness| {
        let mailbox = holding::<2>(Overflow::Reject, []);
        let receiver = thread::spawn(|| [mailbox.try_recv(), mailbox.try_recv()]);
        mailbox.try_send(1).unwrap();
        mailbox.try_send(2).unwrap();
        let mut received: Vec<_> = receiver.join().unwrap().into_iter().flatten().collect();
        witness.saw(["none", "one", "both"][received.len()]);
        received.extend(rest(mailbox));
        assert_eq!(received, [1, 2]);
    });
}
