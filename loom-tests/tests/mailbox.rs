//! Races on the mailbox.
//!
//! A [`Waiter`] is polled by one thread and then handed to the first, which follows up on the wake-ups.
#![cfg(sweet_loom)]
#![expect(clippy::similar_names, reason = "the sides of a race are called alike")]
#![expect(clippy::unwrap_used, reason = "a model fails by panicking")]

use loom::sync::atomic::AtomicU32;
use loom::sync::atomic::Ordering::Relaxed;
use loom::thread;

use loom_tests::{Model, Waiter, check};
use sweet_async_core::mailbox::{
    Displaced, Mailbox, Receiving, RecvError, Refused, SendError, Sending, TryRecvError,
};
use sweet_async_core::pressure::Overflow;

/// Two may wait at either end.
type Letters<const N: usize> = Mailbox<u32, N, 2>;
type Receiver<const N: usize> = Waiter<Receiving<'static, u32, N, 2>, Result<u32, RecvError>>;
type Sender<const N: usize> = Waiter<Sending<'static, u32, N, 2>, Result<Displaced<u32, N>, SendError<u32>>>;

/// A mailbox that holds these items; leaked, so that futures can change threads.
fn holding<const N: usize>(overflow: Overflow, items: &[u32]) -> &'static Letters<N> {
    let mailbox = Box::leak(Box::new(Letters::with(overflow)));
    for item in items {
        mailbox.try_send(*item).unwrap();
    }
    mailbox
}

/// A receiver that has been polled once.
fn receiver<const N: usize>(mailbox: &'static Letters<N>) -> Receiver<N> {
    Waiter::polled(mailbox.recv())
}

/// A sender that has been polled once.
fn sender<const N: usize>(mailbox: &'static Letters<N>, item: u32) -> Sender<N> {
    Waiter::polled(mailbox.send(item))
}

/// What is left, oldest first; afterwards the balance has to hold.
fn rest<const N: usize>(mailbox: &Letters<N>) -> Vec<u32> {
    let rest = std::iter::from_fn(|| mailbox.try_recv().ok()).collect();
    let counts = mailbox.counts();
    assert_eq!(counts.in_hand(), 0, "unbalanced: {counts:?}");
    rest
}

/// Race: a sender sends two items ∥ a receiver asks twice. Holds: M1, M2, M4.
#[test]
fn item_travels_with_its_slot() {
    let model = Model {
        name: "mailbox::item_travels_with_its_slot",
        holds: "M1, M2, M4",
        threads: 2,
        preemptions: Some(3),
        witnesses: &["none", "one", "both"],
    };
    check(model, |witness| {
        let mailbox = holding::<2>(Overflow::Reject, &[]);
        let receiver = thread::spawn(|| [mailbox.try_recv(), mailbox.try_recv()]);
        mailbox.try_send(1).unwrap();
        mailbox.try_send(2).unwrap();
        let mut received: Vec<_> = receiver.join().unwrap().into_iter().flatten().collect();
        witness.saw(["none", "one", "both"][received.len()]);
        received.extend(rest(mailbox));
        assert_eq!(received, [1, 2]);
    });
}

/// Race: a receiver takes the item out of the only slot ∥ a sender wants the slot. Holds: M1, M3, M4, M6.
#[test]
fn slot_is_used_again() {
    let model = Model {
        name: "mailbox::slot_is_used_again",
        holds: "M1, M3, M4, M6",
        threads: 2,
        preemptions: None,
        witnesses: &["used again", "full"],
    };
    check(model, |witness| {
        let mailbox = holding::<1>(Overflow::Reject, &[1]);
        let sender = thread::spawn(|| mailbox.try_send(2));
        assert_eq!(mailbox.try_recv(), Ok(1));
        match sender.join().unwrap() {
            Ok(displaced) => {
                witness.saw("used again");
                assert!(displaced.is_empty());
                assert_eq!(rest(mailbox), [2]);
            }
            Err(error) => {
                witness.saw("full");
                assert_eq!((error.reason, error.item), (Refused::Full, 2));
                assert_eq!(rest(mailbox), []);
            }
        }
    });
}

/// Race: a receiver takes what it saw in the word ∥ meanwhile another item came into the same slot, and the word is the
/// same again. Holds: M1, M2, M4.
#[test]
fn same_word_may_mean_another_item() {
    let model = Model {
        name: "mailbox::same_word_may_mean_another_item",
        holds: "M1, M2, M4",
        threads: 2,
        preemptions: None,
        witnesses: &["the first", "the second", "none"],
    };
    check(model, |witness| {
        let mailbox = holding::<1>(Overflow::DropOldest, &[1]);
        let receiver = thread::spawn(|| mailbox.try_recv().ok());
        let displaced = mailbox.try_send(2);
        let received = receiver.join().unwrap();
        let rest = rest(mailbox);
        witness.saw(match received {
            Some(1) => "the first",
            Some(_) => "the second",
            None => "none",
        });
        match received {
            Some(2) => assert_eq!((displaced.unwrap().collect(), rest), (vec![1], vec![])),
            Some(_) => assert!(displaced.map_or_else(|_| rest.is_empty(), |_| rest == [2])),
            None => assert_eq!((displaced.unwrap().collect(), rest), (vec![1], vec![2])),
        }
    });
}

/// Race: two senders ∥ a receiver; there is a slot for each sender. Holds: M1, M2, M4.
#[test]
fn senders_have_slots_of_their_own() {
    let model = Model {
        name: "mailbox::senders_have_slots_of_their_own",
        holds: "M1, M2, M4",
        threads: 3,
        preemptions: Some(2),
        witnesses: &["none received", "first received", "second received"],
    };
    check(model, |witness| {
        let mailbox = holding::<2>(Overflow::Reject, &[]);
        let receiver = thread::spawn(|| mailbox.try_recv().ok());
        let sender = thread::spawn(|| mailbox.try_send(1).is_ok());
        let sent = mailbox.try_send(2).is_ok();
        let received = receiver.join().unwrap();
        assert!(
            sent && sender.join().unwrap(),
            "a sender found no slot, though there are two"
        );
        witness.saw(match received {
            None => "none received",
            Some(1) => "first received",
            Some(_) => "second received",
        });
        let mut items: Vec<_> = received.into_iter().chain(rest(mailbox)).collect();
        items.sort_unstable();
        assert_eq!(items, [1, 2]);
    });
}

/// Race: a receiver takes the only item ∥ a sender makes room by taking it. Holds: M1, M2, M3, M4, M6.
#[test]
fn drop_oldest_meets_the_receiver() {
    let model = Model {
        name: "mailbox::drop_oldest_meets_the_receiver",
        holds: "M1, M2, M3, M4, M6",
        threads: 2,
        preemptions: None,
        witnesses: &["room was there", "room was made", "the receiver had the slot"],
    };
    check(model, |witness| {
        let mailbox = holding::<1>(Overflow::DropOldest, &[1]);
        let receiver = thread::spawn(|| mailbox.try_recv());
        let sent = mailbox.try_send(2);
        let received = receiver.join().unwrap();
        let mut items: Vec<_> = received.into_iter().collect();
        match sent {
            Ok(displaced) if displaced.is_empty() => witness.saw("room was there"),
            Ok(displaced) => {
                witness.saw("room was made");
                items.extend(displaced);
            }
            Err(error) => {
                witness.saw("the receiver had the slot");
                assert_eq!((error.reason, received), (Refused::Full, Ok(1)));
                items.push(error.item);
            }
        }
        items.extend(rest(mailbox));
        items.sort_unstable();
        assert_eq!(items, [1, 2], "each item is somewhere, once");
    });
}

/// Race: two senders, each of which keeps only its own. Holds: M1, M4, M6, M8.
#[test]
fn one_of_the_latest_stays() {
    let model = Model {
        name: "mailbox::one_of_the_latest_stays",
        holds: "M1, M4, M6, M8",
        threads: 2,
        preemptions: Some(3),
        witnesses: &["2 stays", "3 stays"],
    };
    check(model, |witness| {
        let mailbox = holding::<2>(Overflow::KeepLatest, &[1]);
        let other = thread::spawn(|| (mailbox.try_send(2), mailbox.len()));
        let sent = mailbox.try_send(3);
        let len = mailbox.len();
        let (others, seen) = other.join().unwrap();
        assert!(len <= 1 && seen <= 1, "two are held");
        let mut items: Vec<_> = [sent, others].into_iter().flat_map(Result::unwrap).collect();
        let rest = rest(mailbox);
        assert_eq!(rest.len(), 1);
        witness.saw(if rest == [2] { "2 stays" } else { "3 stays" });
        items.extend(rest);
        items.sort_unstable();
        assert_eq!(items, [1, 2, 3], "each item is somewhere, once");
    });
}

/// Race: the mailbox is closed ∥ a sender makes room and enters. Holds: M4, M5, M6.
#[test]
fn close_meets_the_sender() {
    let model = Model {
        name: "mailbox::close_meets_the_sender",
        holds: "M4, M5, M6",
        threads: 2,
        preemptions: None,
        witnesses: &["entered", "refused", "refused in the middle"],
    };
    check(model, |witness| {
        let mailbox = holding::<1>(Overflow::DropOldest, &[1]);
        let sender = thread::spawn(|| mailbox.try_send(2));
        assert!(mailbox.close());
        let held = mailbox.len();
        let sent = sender.join().unwrap();
        assert!(mailbox.len() <= held, "an item entered after close");
        let rest = rest(mailbox);
        match sent {
            Ok(displaced) => {
                witness.saw("entered");
                assert_eq!((displaced.collect(), rest), (vec![1], vec![2]));
            }
            Err(SendError {
                item: 2,
                reason: Refused::Closed,
                displaced: None,
                ..
            }) => {
                witness.saw("refused");
                assert_eq!(rest, [1]);
            }
            Err(error) => {
                witness.saw("refused in the middle");
                assert_eq!(
                    (error.item, error.reason, error.displaced),
                    (2, Refused::Closed, Some(1))
                );
                assert_eq!(rest, []);
            }
        }
        assert_eq!(mailbox.try_recv(), Err(TryRecvError::Closed));
    });
}

/// Race: somebody writes and closes the mailbox ∥ a sender ∥ a receiver. Holds: M5.
#[test]
fn refused_sees_the_closer() {
    let model = Model {
        name: "mailbox::refused_sees_the_closer",
        holds: "M5",
        threads: 3,
        preemptions: Some(3),
        witnesses: &["sender refused", "sent", "receiver refused", "received or empty"],
    };
    check(model, |witness| {
        let mailbox = holding::<1>(Overflow::Reject, &[]);
        let payload: &'static AtomicU32 = Box::leak(Box::new(AtomicU32::new(0)));
        let sender = thread::spawn(move || {
            let sent = mailbox.try_send(1);
            (sent, payload.load(Relaxed))
        });
        let receiver = thread::spawn(move || {
            let received = mailbox.try_recv();
            (received, payload.load(Relaxed))
        });
        payload.store(1, Relaxed);
        mailbox.close();
        let (sent, seen_by_sender) = sender.join().unwrap();
        let (received, seen_by_receiver) = receiver.join().unwrap();
        if sent.is_err() {
            assert_eq!(seen_by_sender, 1, "the sender does not see what the closer did");
        }
        if received == Err(TryRecvError::Closed) {
            assert_eq!(
                seen_by_receiver, 1,
                "the receiver does not see what the closer did"
            );
            witness.saw("receiver refused");
        } else {
            witness.saw("received or empty");
        }
        witness.saw(if sent.is_err() { "sender refused" } else { "sent" });
    });
}

/// Race: the counts are read ∥ an item makes room ∥ a receiver. Holds: M6.
#[test]
fn counts_never_exceed() {
    let model = Model {
        name: "mailbox::counts_never_exceed",
        holds: "M6",
        threads: 3,
        preemptions: Some(2),
        witnesses: &["balanced", "in hand"],
    };
    check(model, |witness| {
        let mailbox = holding::<2>(Overflow::DropOldest, &[1, 2]);
        let reader = thread::spawn(|| mailbox.counts());
        let sender = thread::spawn(|| mailbox.try_send(3).is_ok());
        let received = mailbox.try_recv();
        let counts = reader.join().unwrap();
        assert!(sender.join().unwrap());
        assert!(received.is_ok());
        assert!(
            counts.in_hand() <= 3,
            "more gone and held than were sent: {counts:?}"
        );
        witness.saw(if counts.in_hand() == 0 {
            "balanced"
        } else {
            "in hand"
        });
        let rest = rest(mailbox).len();
        let dropped = mailbox.counts().dropped as usize;
        assert_eq!(rest + dropped, 2);
    });
}

/// Race: an item is sent ∥ a receiver begins to wait. Holds: M7.
#[test]
fn send_meets_the_receiver() {
    let model = Model {
        name: "mailbox::send_meets_the_receiver",
        holds: "M7",
        threads: 2,
        preemptions: Some(4),
        witnesses: &["at once", "woken"],
    };
    check(model, |witness| {
        let mailbox = holding::<1>(Overflow::Reject, &[]);
        let waiting = thread::spawn(|| receiver(mailbox));
        mailbox.try_send(1).unwrap();
        let mut waiting = waiting.join().unwrap();
        witness.saw(if waiting.is_ready() { "at once" } else { "woken" });
        while waiting.follow_up() {}
        assert_eq!(
            waiting.take(),
            Some(Ok(1)),
            "the receiver sleeps while an item is held"
        );
    });
}

/// Race: the only item is received ∥ a sender begins to wait for room. Holds: M7.
#[test]
fn room_meets_the_sender() {
    let model = Model {
        name: "mailbox::room_meets_the_sender",
        holds: "M7",
        threads: 2,
        preemptions: Some(4),
        witnesses: &["at once", "woken"],
    };
    check(model, |witness| {
        let mailbox = holding::<1>(Overflow::Block, &[1]);
        let waiting = thread::spawn(|| sender(mailbox, 2));
        assert_eq!(mailbox.try_recv(), Ok(1));
        let mut waiting = waiting.join().unwrap();
        witness.saw(if waiting.is_ready() { "at once" } else { "woken" });
        while waiting.follow_up() {}
        assert!(
            matches!(waiting.take(), Some(Ok(_))),
            "the sender sleeps while there is room"
        );
        assert_eq!(rest(mailbox), [2]);
    });
}

/// Race: an item is sent ∥ the receiver that waits longest is dropped, perhaps after it was woken. Holds: M4, M7.
#[test]
fn dropped_receiver_passes_on() {
    let model = Model {
        name: "mailbox::dropped_receiver_passes_on",
        holds: "M4, M7",
        threads: 2,
        preemptions: None,
        witnesses: &["wake swallowed", "head gone before"],
    };
    check(model, |witness| {
        let mailbox = holding::<1>(Overflow::Reject, &[]);
        let (head, mut next) = (receiver(mailbox), receiver(mailbox));
        let bell = head.bell();
        let dropper = thread::spawn(move || drop(head));
        mailbox.try_send(1).unwrap();
        dropper.join().unwrap();
        while next.follow_up() {}
        assert_eq!(
            next.take(),
            Some(Ok(1)),
            "the next receiver sleeps while an item is held"
        );
        witness.saw(if bell.rang() {
            "wake swallowed"
        } else {
            "head gone before"
        });
    });
}

/// Race: the only item is received ∥ the sender that waits longest is dropped, perhaps after it was woken.
/// Holds: M4, M7.
#[test]
fn dropped_sender_passes_on() {
    let model = Model {
        name: "mailbox::dropped_sender_passes_on",
        holds: "M4, M7",
        threads: 2,
        preemptions: None,
        witnesses: &["wake swallowed", "head gone before"],
    };
    check(model, |witness| {
        let mailbox = holding::<1>(Overflow::Block, &[1]);
        let (head, mut next) = (sender(mailbox, 2), sender(mailbox, 3));
        let bell = head.bell();
        let dropper = thread::spawn(move || drop(head));
        assert_eq!(mailbox.try_recv(), Ok(1));
        dropper.join().unwrap();
        while next.follow_up() {}
        assert!(
            matches!(next.take(), Some(Ok(_))),
            "the next sender sleeps while there is room"
        );
        witness.saw(if bell.rang() {
            "wake swallowed"
        } else {
            "head gone before"
        });
        assert_eq!(rest(mailbox), [3]);
    });
}

/// Race: two items are sent at once ∥ the receiver that was there gets one ∥ a newcomer. Holds: M2, M7.
#[test]
fn served_receiver_wakes_the_next() {
    let model = Model {
        name: "mailbox::served_receiver_wakes_the_next",
        holds: "M2, M7",
        threads: 2,
        preemptions: Some(3),
        witnesses: &["newcomer at once", "newcomer woken"],
    };
    check(model, |witness| {
        let mailbox = holding::<2>(Overflow::Reject, &[]);
        let mut head = receiver(mailbox);
        mailbox.try_send(1).unwrap();
        mailbox.try_send(2).unwrap();
        let newcomer = thread::spawn(|| receiver(mailbox));
        assert!(head.follow_up(), "the head was not woken");
        assert!(matches!(head.take(), Some(Ok(_))), "the woken head is served");
        let mut newcomer = newcomer.join().unwrap();
        witness.saw(if newcomer.is_ready() {
            "newcomer at once"
        } else {
            "newcomer woken"
        });
        while newcomer.follow_up() {}
        assert!(newcomer.is_ready(), "the newcomer sleeps while an item is held");
    });
}

/// Race: an item is sent ∥ a newcomer asks for it while another waits. Holds: M7.
#[test]
fn newcomer_does_not_overtake() {
    let model = Model {
        name: "mailbox::newcomer_does_not_overtake",
        holds: "M7",
        threads: 2,
        preemptions: Some(4),
        witnesses: &["asked while none was held", "asked while one was held"],
    };
    check(model, |witness| {
        let mailbox = holding::<1>(Overflow::Reject, &[]);
        let mut head = receiver(mailbox);
        let newcomer = thread::spawn(|| {
            let held = mailbox.len();
            (receiver(mailbox), held)
        });
        mailbox.try_send(1).unwrap();
        let (mut newcomer, held) = newcomer.join().unwrap();
        // Woken or not: a waiter may be polled at any time.
        newcomer.poll();
        assert!(!newcomer.is_ready(), "the newcomer overtook");
        assert!(head.follow_up(), "the head was not woken");
        assert_eq!(head.take(), Some(Ok(1)));
        witness.saw(["asked while none was held", "asked while one was held"][held]);
    });
}

/// Race: the last item is sent and the mailbox closed ∥ two receivers begin to wait. Holds: M5, M7.
#[test]
fn close_meets_two_receivers() {
    let model = Model {
        name: "mailbox::close_meets_two_receivers",
        holds: "M5, M7",
        threads: 2,
        preemptions: Some(3),
        witnesses: &["at once", "woken"],
    };
    check(model, |witness| {
        let mailbox = holding::<1>(Overflow::Reject, &[]);
        let receivers = thread::spawn(|| [(); 2].map(|()| receiver(mailbox)));
        mailbox.try_send(1).unwrap();
        mailbox.close();
        let [mut first, mut second] = receivers.join().unwrap();
        witness.saw(if second.is_ready() { "at once" } else { "woken" });
        while first.follow_up() || second.follow_up() {}
        assert_eq!(first.take(), Some(Ok(1)));
        assert_eq!(second.take(), Some(Err(RecvError::Closed)));
    });
}

/// Race: the mailbox is closed ∥ a sender begins to wait for room behind another. Holds: M4, M5, M7.
#[test]
fn close_meets_two_senders() {
    let model = Model {
        name: "mailbox::close_meets_two_senders",
        holds: "M4, M5, M7",
        threads: 2,
        preemptions: Some(3),
        witnesses: &["at once", "woken"],
    };
    check(model, |witness| {
        let mailbox = holding::<1>(Overflow::Block, &[1]);
        let head = sender(mailbox, 2);
        let newcomer = thread::spawn(|| sender(mailbox, 3));
        mailbox.close();
        let newcomer = newcomer.join().unwrap();
        witness.saw(if newcomer.is_ready() { "at once" } else { "woken" });
        let mut senders = [head, newcomer];
        while senders.iter_mut().any(Waiter::follow_up) {}
        let back = senders.map(|mut sender| sender.take().unwrap().unwrap_err());
        assert_eq!(
            back.map(|error| (error.item, error.reason)),
            [2, 3].map(|item| (item, Refused::Closed))
        );
        assert_eq!(rest(mailbox), [1]);
    });
}
