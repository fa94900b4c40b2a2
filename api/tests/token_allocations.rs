//! Counts what a token allocates.

use std::pin::pin;
use std::task::{Context, Waker};

use sweet_async_api::token::CancellationToken;

fn wait_in_vain(token: &CancellationToken) {
    let mut task = Context::from_waker(Waker::noop());
    assert!(pin!(token.cancelled()).poll(&mut task).is_pending());
}

#[test]
fn a_child_is_one_allocation_and_looking_is_none() {
    let root = CancellationToken::new();
    let made = allocation_counter::measure(|| drop(root.child_token().child_token()));
    assert_eq!((made.count_total, made.count_current), (2, 0));
    let leaf = root.child_token().child_token().child_token();
    let looks =
        || allocation_counter::measure(|| assert_eq!(leaf.is_cancelled(), leaf.cancellation().is_some()));
    assert_eq!(looks().count_total, 0);
    let cancel = allocation_counter::measure(|| assert!(root.cancel()));
    assert_eq!(cancel.count_total, 0);
    assert_eq!(looks().count_total, 0);
}

#[test]
fn waiting_allocates_once_for_a_token_and_leaves_nothing() {
    let root = CancellationToken::new();
    // The list of the root grows once.
    wait_in_vain(&root.child_token());
    let waits = allocation_counter::measure(|| {
        for _ in 0..1_000 {
            let child = root.child_token();
            wait_in_vain(&child);
            wait_in_vain(&child);
        }
    });
    assert_eq!((waits.count_total, waits.count_current), (1_000, 0));
}
