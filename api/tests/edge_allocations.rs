//! Counts what an edge allocates.

use sweet_async_api::emit::{Overflow, Sent, edge};

#[test]
fn steady_state_allocates_nothing() {
    let (sender, receiver) = edge::<Vec<u32>>(4, Overflow::Block);
    let (mut full, mut used) = (Vec::new(), Vec::new());
    let mut pass = |rounds: usize| {
        for _ in 0..rounds {
            for _ in 0..4 {
                full.extend(0..100);
                assert_eq!(sender.send_blocking(&mut full), Ok(Sent::Delivered));
            }
            for _ in 0..4 {
                assert_eq!(receiver.recv_blocking(&mut used), Ok(()));
                assert_eq!(used.len(), 100);
            }
        }
    };
    // Buffers are made and grow.
    pass(3);
    let steady = allocation_counter::measure(|| pass(1_000));
    assert_eq!(steady.count_total, 0);
}
