//! Executors that are built with threads of their own.

use core::convert::Infallible;
use core::hint::black_box;
use std::collections::BTreeSet;
use std::thread;

use async_channel::bounded;

use crate::task::TaskBuilder;
use crate::{RuntimeBuilder, RuntimeOwner};

/// The promises to programs that build an executor by [`RuntimeBuilder`]: so many threads, with these names and this much
/// stack, and nobody waits inside one.
///
/// # Panics
/// Where a promise is broken, as a test does.
pub fn threads<B: RuntimeBuilder>(builder: impl Fn() -> B) {
    const STACK: usize = 16 << 20;
    let owner = builder()
        .worker_threads(3)
        .thread_name("built")
        .thread_stack_size(STACK)
        .build()
        .unwrap();
    let runtime = owner.runtime();

    // Three that hold a thread each are three threads; a fourth would not begin.
    let (here, arrived) = bounded(3);
    let (go, gone) = bounded::<()>(1);
    let tasks: Vec<_> = (0..3)
        .map(|_| {
            let (here, gone) = (here.clone(), gone.clone());
            TaskBuilder::<_, (), Infallible>::new(runtime.clone()).run(move || {
                here.send_blocking(thread::current().name().map(str::to_owned))
                    .unwrap();
                let _ = gone.recv_blocking();
            })
        })
        .collect();
    let names: BTreeSet<_> = (0..3).map(|_| arrived.recv_blocking().unwrap()).collect();
    assert!(
        names
            .iter()
            .all(|name| name.as_ref().is_some_and(|name| name.starts_with("built"))),
        "{names:?}"
    );
    drop(go);
    for task in tasks {
        owner.block_on(task).unwrap().unwrap();
    }

    // More than the stack that a thread has without being asked, 2 MiB.
    let deep = TaskBuilder::<_, usize, Infallible>::new(runtime.clone()).run(|| deep(STACK / 4));
    assert!(owner.block_on(deep).unwrap().unwrap() > 0);

    let (tell, told) = bounded(1);
    let inside = owner.block_on(async {
        // The owner stays outside, so what is asked from inside is an executor built there.
        let other = builder().worker_threads(1).build().unwrap();
        let refused = TaskBuilder::<_, bool, Infallible>::new(runtime)
            .run(move || {
                let refused = other.block_on(async {}).is_err();
                tell.send_blocking(other).unwrap();
                refused
            })
            .await;
        drop(told.recv().await);
        refused
    });
    assert!(inside.unwrap().unwrap(), "waited inside a task");
    assert!(builder().worker_threads(0).build().is_err());
    assert!(builder().thread_name("a\0b").build().is_err());
}

/// Uses so many bytes of the stack, and more without optimizations.
fn deep(bytes: usize) -> usize {
    let frame = [1_u8; 16 << 10];
    black_box(&frame);
    match bytes.checked_sub(frame.len()) {
        Some(left) => deep(left) + usize::from(frame[left % frame.len()]),
        None => 0,
    }
}
