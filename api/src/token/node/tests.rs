//! What stays in the lists, which nobody sees from outside.

use alloc::sync::Arc;
use core::future::Future;
use core::pin::pin;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};
use std::task::Wake;

use super::Node;
use crate::task::Cancellation;
use crate::token::CancellationToken;
use crate::{Level, Reason};

fn poll<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Counts how often it was woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// How many each of them lists.
fn entries(tokens: &[&CancellationToken]) -> Vec<usize> {
    let of = |node: &Node| {
        let waiting = node.waiting();
        usize::from(waiting.first.is_some()) + waiting.more.as_ref().map_or(0, |more| more.len())
    };
    tokens.iter().map(|token| of(&token.node)).collect()
}

#[test]
fn a_token_is_listed_once_and_a_waiter_until_it_gives_up() {
    let root = CancellationToken::new();
    let middle = root.child_token();
    let leaf = middle.child_token();
    let tokens = [&root, &middle, &leaf];
    assert_eq!(entries(&tokens), [0, 0, 0]);
    for _ in 0..3 {
        let (mut first, mut second) = (leaf.cancelled(), leaf.cancelled());
        for _ in 0..2 {
            assert!(poll(&mut first).is_pending() && poll(&mut second).is_pending());
        }
        assert_eq!(entries(&tokens), [1, 1, 2]);
        drop(first);
        assert_eq!(entries(&tokens), [1, 1, 1]);
        // In the place of the one that left.
        assert!(poll(middle.cancelled()).is_pending());
        drop(second);
        assert_eq!(entries(&tokens), [1, 1, 0]);
    }
    drop(leaf);
    assert_eq!(entries(&[&root, &middle]), [1, 0]);
    drop(middle);
    assert_eq!(entries(&[&root]), [0]);
}

#[test]
fn a_cancelled_token_lists_nobody() {
    let root = CancellationToken::new();
    let leaf = root.child_token();
    let mut waiting = leaf.cancelled();
    assert!(poll(&mut waiting).is_pending());
    root.cancel();
    assert_eq!(entries(&[&root, &leaf]), [0, 0]);
    assert!(poll(&mut waiting).is_ready() && poll(&mut waiting).is_ready());
    assert!(poll(leaf.child_token().cancelled()).is_ready());
    assert_eq!(entries(&[&root, &leaf]), [0, 0]);
}

/// One that was only looked at knows, and still wakes those who wait for it.
#[test]
fn a_word_that_was_written_down_keeps_no_waiter_asleep() {
    let root = CancellationToken::new();
    let leaf = root.child_token().child_token();
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let mut waiting = pin!(leaf.cancelled());
    assert!(
        waiting
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    // As if between the word and the lists of a canceller.
    let (level, reason, by) = (Level::Graceful, Reason::Requested, None);
    assert!(leaf.node.raise(Cancellation { level, reason, by }));
    assert!(leaf.is_cancelled());
    root.cancel();
    assert_eq!(bell.0.load(Ordering::Relaxed), 1);
}
