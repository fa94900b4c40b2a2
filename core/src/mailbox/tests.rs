//! Every word × every operation on it; every policy with and without room; the cells; the futures, dropped at every poll.

extern crate alloc;

use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::Ordering::Relaxed;
use core::task::{Context, Poll, Waker};

use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use alloc::{format, vec};

use super::cell::Cell;
use super::word::{ClosedMeanwhile, Denied, Word};
use super::{Counts, Mailbox, RecvError, Refused, SendError, TryRecvError};
use crate::pressure::Overflow;
use crate::sync::AtomicU32;

const POLICIES: [Overflow; 5] = [
    Overflow::Block,
    Overflow::Reject,
    Overflow::DropNewest,
    Overflow::DropOldest,
    Overflow::KeepLatest,
];

/// What a word says, in plain fields.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Plain {
    closed: bool,
    order: Vec<u32>,
    /// The slots that are somebody's or hold an item.
    claimed: Vec<bool>,
}

impl Plain {
    /// The word by the table in the documentation.
    fn word(&self) -> Word {
        let mut word = u32::from(self.closed) << 31 | u32::try_from(self.order.len()).unwrap() << 28;
        for (position, slot) in self.order.iter().enumerate() {
            word |= slot << (7 + 3 * position);
        }
        for (slot, claimed) in self.claimed.iter().enumerate() {
            word |= u32::from(*claimed) << slot;
        }
        Word(word)
    }

    fn free(&self) -> Option<u32> {
        let slot = self.claimed.iter().position(|claimed| !claimed)?;
        Some(u32::try_from(slot).unwrap())
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut next = self.clone();
        change(&mut next);
        next
    }

    /// Every state of so many slots.
    fn all(slots: u32) -> Vec<Self> {
        let mut all = vec![Self::default()];
        for slot in 0..slots {
            let mut more = Vec::new();
            for state in all {
                let (free, mut claimed) = (state.with(|next| next.claimed.push(false)), state);
                claimed.claimed.push(true);
                more.extend(
                    (0..=claimed.order.len())
                        .map(|place| claimed.with(|next| next.order.insert(place, slot))),
                );
                more.extend([free, claimed]);
            }
            all = more;
        }
        let closed: Vec<_> = all
            .iter()
            .map(|state| state.with(|next| next.closed = true))
            .collect();
        all.extend(closed);
        all
    }
}

#[test]
fn every_operation_on_every_word_of_three_and_of_seven_slots() {
    for slots in [1, 3, 7] {
        let all = Plain::all(slots);
        assert!(slots != 3 || all.len() == 76);
        for state in all {
            queries(&state, slots);
            for overflow in POLICIES {
                admits(&state, slots, overflow);
                publishes(&state, overflow);
            }
            let popped = state.order.first().map(|slot| {
                (
                    *slot,
                    state.with(|next| next.order = next.order.split_off(1)).word(),
                )
            });
            assert_eq!(state.word().pop(), popped, "{state:?}");
        }
    }
}

fn queries(state: &Plain, slots: u32) {
    let (word, held) = (state.word(), !state.order.is_empty());
    assert_eq!(word.len() as usize, state.order.len());
    assert_eq!(word.is_closed(), state.closed);
    assert_eq!(word.has_room(slots), state.free().is_some());
    assert_eq!(word.serves_receivers(), held || state.closed);
    assert_eq!(word.serves_senders(slots), state.free().is_some() || state.closed);
    assert_eq!(word.nothing() == TryRecvError::Closed, state.closed);
    for (position, slot) in (0..).zip(&state.order) {
        assert_eq!(word.slot_at(position), *slot);
    }
}

fn admits(state: &Plain, slots: u32, overflow: Overflow) {
    let claim = state
        .free()
        .map(|slot| (slot, state.with(|next| next.claimed[slot as usize] = true).word()));
    let evict = state.word().pop();
    let expected = match (state.closed, overflow, claim) {
        (true, ..) => Err(Denied::Closed),
        (false, _, Some(claimed)) => Ok(claimed),
        (false, Overflow::Block, None) => Err(Denied::Wait),
        (false, Overflow::Reject, None) => Err(Denied::Refuse),
        (false, Overflow::DropNewest, None) => Err(Denied::DropNew),
        (false, Overflow::DropOldest | Overflow::KeepLatest, None) => evict.ok_or(Denied::Refuse),
    };
    assert_eq!(
        state.word().admit(slots, overflow),
        expected,
        "{state:?}, {overflow}"
    );
}

fn publishes(state: &Plain, overflow: Overflow) {
    for (slot, claimed) in (0..).zip(&state.claimed) {
        if !claimed || state.order.contains(&slot) {
            continue;
        }
        let expected = match (state.closed, overflow) {
            (true, _) => Err(ClosedMeanwhile),
            (false, Overflow::KeepLatest) => {
                Ok((state.word(), state.with(|next| next.order = vec![slot]).word()))
            }
            (false, _) => Ok((Word::EMPTY, state.with(|next| next.order.push(slot)).word())),
        };
        assert_eq!(
            state.word().publish(slot, overflow),
            expected,
            "{state:?}, {overflow}"
        );
    }
}

/// Two slots of which both are held, and one that waits at either end.
fn full(overflow: Overflow) -> Mailbox<u32, 2, 1> {
    let mailbox = Mailbox::with(overflow);
    for item in [1, 2] {
        assert!(mailbox.try_send(item).is_ok_and(|displaced| displaced.is_empty()) || item == 2);
    }
    mailbox
}

/// What is left, oldest first; the balance holds before and after.
fn rest<const N: usize, const W: usize>(mailbox: &Mailbox<u32, N, W>) -> Vec<u32> {
    assert_eq!(mailbox.counts().in_hand(), 0, "{:?}", mailbox.counts());
    let rest = core::iter::from_fn(|| mailbox.try_recv().ok()).collect();
    assert_eq!((mailbox.counts().in_hand(), mailbox.counts().held), (0, 0));
    rest
}

fn counts<const N: usize, const W: usize>(mailbox: &Mailbox<u32, N, W>) -> (u32, u32, u32, u32) {
    let Counts {
        sent,
        received,
        dropped,
        held,
    } = mailbox.counts();
    (sent, received, dropped, held)
}

#[test]
fn every_policy_without_room() {
    for overflow in POLICIES {
        let mailbox = full(overflow);
        let sent = mailbox.try_send(3).map(Iterator::collect::<Vec<_>>);
        let refused = Err(SendError {
            item: 3,
            reason: Refused::Full,
            displaced: None,
        });
        let (answer, counted, left) = match overflow {
            Overflow::Block => (refused, (2, 0, 0, 2), vec![1, 2]),
            Overflow::Reject => (refused, (3, 0, 1, 2), vec![1, 2]),
            Overflow::DropNewest => (Ok(vec![3]), (3, 0, 1, 2), vec![1, 2]),
            Overflow::DropOldest => (Ok(vec![1]), (3, 0, 1, 2), vec![2, 3]),
            Overflow::KeepLatest => (Ok(vec![2]), (3, 0, 2, 1), vec![3]),
        };
        assert_eq!(sent, answer, "{overflow}");
        assert_eq!(counts(&mailbox), counted, "{overflow}");
        assert_eq!(rest(&mailbox), left, "{overflow}");
    }
}

#[test]
fn every_policy_with_every_slot_in_the_hands_of_others() {
    for overflow in POLICIES {
        let mailbox: Mailbox<u32, 2, 1> = Mailbox::with(overflow);
        // An interrupted sender, and an interrupted receiver.
        let claimed = mailbox.transition(|word| word.admit(2, overflow)).unwrap();
        mailbox.try_send(1).unwrap();
        let popped = mailbox.transition(|word| word.pop().ok_or(())).unwrap();
        assert_eq!((claimed, popped), (0, 1));
        let sent = mailbox.try_send(3);
        if overflow == Overflow::DropNewest {
            assert_eq!(sent.map(Iterator::collect), Ok(vec![3]));
        } else {
            let error = sent.unwrap_err();
            assert_eq!((error.item, error.reason), (3, Refused::Full), "{overflow}");
        }
        // They go on: nobody waited for them, and they disturb nobody.
        assert_eq!(mailbox.take(popped), Some(1));
        mailbox.tally.received();
        mailbox.free(1 << popped);
        mailbox.try_send(4).unwrap();
        assert_eq!(mailbox.put(claimed, 5), Ok(None));
        mailbox.tally.sent();
        let evicted = mailbox
            .transition(|word| word.publish(claimed, overflow))
            .unwrap();
        if overflow == Overflow::KeepLatest {
            assert_eq!((evicted.len(), mailbox.take(evicted.slot_at(0))), (1, Some(4)));
            mailbox.tally.dropped(1);
            assert_eq!(rest(&mailbox), [5]);
        } else {
            assert_eq!(rest(&mailbox), [4, 5], "{overflow}");
        }
    }
}

#[test]
fn the_oldest_goes_also_while_a_sender_is_interrupted() {
    let mailbox: Mailbox<u32, 2, 1> = Mailbox::with(Overflow::DropOldest);
    mailbox
        .transition(|word| word.admit(2, Overflow::DropOldest))
        .unwrap();
    for item in 1..10 {
        assert_eq!(
            mailbox.try_send(item).unwrap().next(),
            item.checked_sub(1).filter(|last| *last > 0)
        );
    }
    assert_eq!(rest(&mailbox), [9]);
}

#[test]
fn items_come_out_in_the_order_in_which_they_went_in() {
    let mailbox: Mailbox<u32, 7> = Mailbox::default();
    for start in (0..35).step_by(5) {
        for item in start..start + 5 {
            mailbox.try_send(item).unwrap();
        }
        assert_eq!((mailbox.len(), mailbox.is_empty()), (5, false));
        assert_eq!(rest(&mailbox), (start..start + 5).collect::<Vec<_>>());
    }
}

#[test]
fn close_refuses_what_comes_and_keeps_what_is_held() {
    for overflow in POLICIES {
        let mailbox = full(overflow);
        let held = mailbox.len();
        assert_eq!((mailbox.close(), mailbox.close()), (true, false));
        assert_eq!((mailbox.is_closed(), mailbox.len()), (true, held));
        let error = mailbox.try_send(3).unwrap_err();
        assert_eq!(
            (error.item, error.reason, error.displaced),
            (3, Refused::Closed, None)
        );
        assert_eq!(rest(&mailbox).len(), held);
        assert_eq!(mailbox.try_recv(), Err(TryRecvError::Closed));
    }
}

#[test]
fn a_sender_that_had_made_room_when_the_mailbox_was_closed_gets_both_back() {
    let mailbox = full(Overflow::DropOldest);
    let slot = mailbox
        .transition(|word| word.admit(2, Overflow::DropOldest))
        .unwrap();
    let mut displaced = super::Displaced::none();
    displaced.push(mailbox.put(slot, 3).unwrap());
    mailbox.tally.sent();
    mailbox.close();
    let error = mailbox.withdraw(slot, displaced).unwrap_err();
    assert_eq!(
        (error.item, error.reason, error.displaced),
        (3, Refused::Closed, Some(1))
    );
    assert_eq!(counts(&mailbox), (2, 0, 1, 1));
    assert_eq!(rest(&mailbox), [2]);
}

#[test]
fn a_dropped_mailbox_drops_what_it_holds() {
    let item = Arc::new(());
    let mailbox: Mailbox<_, 3> = Mailbox::new();
    mailbox.try_send(Arc::clone(&item)).unwrap();
    mailbox.try_send(Arc::clone(&item)).unwrap();
    assert_eq!(Arc::strong_count(&item), 3);
    drop(mailbox);
    assert_eq!(Arc::strong_count(&item), 1);
}

#[test]
fn displaced_items_are_the_callers() {
    let item = Arc::new(());
    let mailbox: Mailbox<_, 2> = Mailbox::with(Overflow::KeepLatest);
    mailbox.try_send(Arc::clone(&item)).unwrap();
    let displaced = mailbox.try_send(Arc::clone(&item)).unwrap();
    assert_eq!((displaced.len(), displaced.size_hint()), (1, (1, Some(1))));
    assert_eq!(Arc::strong_count(&item), 3);
    drop(displaced);
    assert_eq!(Arc::strong_count(&item), 2);
}

#[test]
fn counts_wrap_together() {
    let counts = Counts {
        sent: 1,
        received: u32::MAX - 1,
        dropped: 1,
        held: 1,
    };
    assert_eq!(counts.in_hand(), 1);
}

#[test]
fn a_cell_in_use_refuses_and_keeps_its_item() {
    let cell = Cell::new();
    assert_eq!((cell.put(1), cell.put(2)), (Ok(None), Ok(Some(1))));
    let borrowed = cell.open();
    assert!(borrowed.is_some());
    assert_eq!((cell.put(3), cell.take()), (Err(3), None));
    drop(borrowed);
    assert_eq!((cell.take(), cell.take()), (Some(2), None));
}

#[test]
fn states_that_are_not_reached_lose_no_item() {
    let mailbox: Mailbox<u32, 1> = Mailbox::with(Overflow::Reject);
    // Somebody is at the cell of a free slot, then leaves an item there.
    let [cell] = &mailbox.cells;
    let borrowed = cell.open();
    assert_eq!(mailbox.try_send(1).map_err(|error| error.item), Err(1));
    drop(borrowed);
    assert_eq!(cell.put(2), Ok(None));
    assert_eq!(mailbox.try_send(3).map(Iterator::collect), Ok(vec![2]));
    // Somebody empties the cell of a held slot.
    assert_eq!(
        (cell.take(), mailbox.try_recv()),
        (Some(3), Err(TryRecvError::Empty))
    );
    assert_eq!(mailbox.try_send(4).map(|displaced| displaced.len()), Ok(0));
    assert_eq!((mailbox.put(7, 5), mailbox.take(7)), (Err(5), None));
}

/// Counts how often it was woken.
#[derive(Default)]
struct Bell(AtomicU32);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// A future, polled by a waker of its own.
struct Sleeper<F> {
    future: F,
    bell: Arc<Bell>,
}

impl<F: Future + Unpin> Sleeper<F> {
    fn new(future: F) -> Self {
        Self {
            future,
            bell: Arc::default(),
        }
    }

    /// One that has been polled once, and waits.
    fn waiting(future: F) -> Self {
        let mut sleeper = Self::new(future);
        assert!(sleeper.poll().is_pending());
        sleeper
    }

    fn poll(&mut self) -> Poll<F::Output> {
        let waker = Waker::from(Arc::clone(&self.bell));
        Pin::new(&mut self.future).poll(&mut Context::from_waker(&waker))
    }

    /// How often it was woken since the last question.
    fn rings(&self) -> u32 {
        self.bell.0.swap(0, Relaxed)
    }
}

#[test]
fn receivers_are_served_in_the_order_of_their_entry() {
    let mailbox: Mailbox<u32, 2, 2> = Mailbox::new();
    let (mut first, mut second) = (Sleeper::waiting(mailbox.recv()), Sleeper::waiting(mailbox.recv()));
    mailbox.try_send(1).unwrap();
    mailbox.try_send(2).unwrap();
    assert!(second.poll().is_pending());
    assert_eq!((first.rings(), second.rings()), (1, 0));
    assert_eq!(first.poll(), Poll::Ready(Ok(1)));
    assert_eq!(second.rings(), 1);
    assert_eq!(second.poll(), Poll::Ready(Ok(2)));
    assert!(mailbox.receivers().is_empty());
}

#[test]
fn senders_are_served_in_the_order_of_their_entry() {
    let mailbox: Mailbox<u32, 1, 2> = Mailbox::new();
    assert!(Sleeper::new(mailbox.send(0)).poll().is_ready());
    let (mut first, mut second) = (
        Sleeper::waiting(mailbox.send(1)),
        Sleeper::waiting(mailbox.send(2)),
    );
    assert_eq!(mailbox.try_recv(), Ok(0));
    assert!(second.poll().is_pending());
    assert_eq!((first.rings(), second.rings()), (1, 0));
    assert!(matches!(first.poll(), Poll::Ready(Ok(_))));
    assert!(first.poll().is_pending(), "there is nothing left to send");
    assert_eq!(mailbox.try_recv(), Ok(1));
    assert_eq!(second.rings(), 1);
    assert!(matches!(second.poll(), Poll::Ready(Ok(_))));
    assert_eq!(rest(&mailbox), [2]);
}

#[test]
fn one_more_than_may_wait_is_refused() {
    let mailbox: Mailbox<u32, 1, 1> = Mailbox::new();
    let waiting = Sleeper::waiting(mailbox.recv());
    assert_eq!(
        Sleeper::new(mailbox.recv()).poll(),
        Poll::Ready(Err(RecvError::Crowded))
    );
    drop(waiting);
    mailbox.try_send(1).unwrap();
    let _waiting = Sleeper::waiting(mailbox.send(2));
    let Poll::Ready(Err(error)) = Sleeper::new(mailbox.send(3)).poll() else {
        panic!("it waits, or was sent");
    };
    assert_eq!((error.item, error.reason), (3, Refused::Crowded));
}

#[test]
fn only_a_policy_that_blocks_waits() {
    for overflow in POLICIES {
        let mailbox = full(overflow);
        let pending = Sleeper::new(mailbox.send(3)).poll().is_pending();
        assert_eq!(pending, overflow == Overflow::Block);
    }
}

#[test]
fn close_wakes_both_ends() {
    let mailbox: Mailbox<u32, 1, 2> = Mailbox::new();
    let mut receivers = [(); 2].map(|()| Sleeper::waiting(mailbox.recv()));
    mailbox.close();
    for receiver in &mut receivers {
        assert_eq!(
            (receiver.rings(), receiver.poll()),
            (1, Poll::Ready(Err(RecvError::Closed)))
        );
    }
    let mailbox: Mailbox<u32, 1, 2> = Mailbox::new();
    mailbox.try_send(0).unwrap();
    let mut senders = [1, 2].map(|item| Sleeper::waiting(mailbox.send(item)));
    mailbox.close();
    for (sender, item) in senders.iter_mut().zip([1, 2]) {
        assert_eq!(sender.rings(), 1);
        let Poll::Ready(Err(error)) = sender.poll() else {
            panic!("it waits, or was sent")
        };
        assert_eq!((error.item, error.reason), (item, Refused::Closed));
    }
}

#[test]
fn a_cancelled_send_gives_its_item_back() {
    let mailbox: Mailbox<u32, 1> = Mailbox::new();
    mailbox.try_send(0).unwrap();
    let (head, next) = (
        Sleeper::waiting(mailbox.send(1)),
        Sleeper::waiting(mailbox.send(2)),
    );
    assert_eq!(mailbox.try_recv(), Ok(0));
    assert_eq!((head.rings(), next.rings()), (1, 0));
    assert_eq!(head.future.cancel(), Some(1));
    assert_eq!(next.rings(), 1);
    let mut sent = mailbox.send(3);
    assert!(
        Pin::new(&mut sent)
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    drop(next);
    assert!(
        Pin::new(&mut sent)
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    );
    assert_eq!(sent.cancel(), None);
    assert_eq!(rest(&mailbox), [3]);
}

/// The head is dropped before its first poll, while it waits, woken, and after it was served; the next is served always.
#[test]
fn dropped_at_every_poll() {
    for polls in 0..3 {
        let mailbox: Mailbox<u32, 1, 2> = Mailbox::new();
        let mut head = Sleeper::new(mailbox.recv());
        if polls > 0 {
            assert!(head.poll().is_pending());
        }
        let mut next = Sleeper::waiting(mailbox.recv());
        mailbox.try_send(1).unwrap();
        let served = polls > 1 && head.poll() == Poll::Ready(Ok(1));
        drop(head);
        assert_eq!(served, polls > 1);
        if served {
            assert!(next.poll().is_pending());
            mailbox.try_send(2).unwrap();
        }
        assert!(next.rings() > 0, "the next receiver sleeps, {polls}");
        assert_eq!(next.poll(), Poll::Ready(Ok(1 + u32::from(served))));
        assert!(mailbox.receivers().is_empty());
    }
    for polls in 0..3 {
        let mailbox: Mailbox<u32, 1, 2> = Mailbox::new();
        mailbox.try_send(0).unwrap();
        let mut head = Sleeper::new(mailbox.send(1));
        if polls > 0 {
            assert!(head.poll().is_pending());
        }
        let mut next = Sleeper::waiting(mailbox.send(2));
        assert_eq!(mailbox.try_recv(), Ok(0));
        let served = polls > 1 && head.poll().is_ready();
        drop(head);
        assert_eq!(served, polls > 1);
        if served {
            assert!(next.poll().is_pending());
            assert_eq!(mailbox.try_recv(), Ok(1));
        }
        assert!(next.rings() > 0, "the next sender sleeps, {polls}");
        assert!(next.poll().is_ready());
        assert!(mailbox.senders().is_empty());
        assert_eq!(rest(&mailbox), [2]);
    }
}

#[test]
fn errors_and_debug_say_what_to_do() {
    let refused = [Refused::Closed, Refused::Full, Refused::Crowded]
        .map(|reason| SendError::new(reason, 1).to_string());
    let unserved = [TryRecvError::Closed.to_string(), TryRecvError::Empty.to_string()];
    let unheard = [RecvError::Closed.to_string(), RecvError::Crowded.to_string()];
    for text in refused.iter().chain(&unserved).chain(&unheard) {
        assert!(text.contains([';', ',']) && !text.ends_with('.'), "{text}");
    }
    assert_eq!(
        format!("{:?}", SendError::new(Refused::Full, 1)),
        "SendError { reason: Full, displaced: false, .. }"
    );
    let mailbox = full(Overflow::Block);
    let text = format!("{mailbox:?} {:?} {:?}", mailbox.recv(), mailbox.send(3));
    assert!(text.contains("held: 2, closed: false, overflow: Block"), "{text}");
}

#[test]
fn can_be_shared_and_is_small() {
    static BOX: Mailbox<u32, 4> = Mailbox::new();
    const fn shared<T: Send + Sync>() {}
    const { shared::<Mailbox<u32, 4>>() }
    assert_eq!(size_of_val(&BOX.tally), 12);
    assert_eq!(Mailbox::<u32, 4, 4>::MAX, 7);
}
