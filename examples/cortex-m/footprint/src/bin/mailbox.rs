//! Four words, four waiters at each end: send, receive, wait for either, close.
#![no_std]
#![no_main]

use core::pin::pin;
use core::task::{Context, Waker};

use cortex_m_rt::entry;
use footprint::{hidden, input, output, rest};
use sweet_async_core::Mailbox;

static QUEUE: Mailbox<u32, 4> = Mailbox::new();

#[entry]
fn main() -> ! {
    let queue = hidden(&QUEUE);
    let context = &mut Context::from_waker(core::hint::black_box(Waker::noop()));
    output(queue.try_send(input()).is_ok());
    output(queue.try_recv());
    output(pin!(queue.send(input())).poll(context).is_ready());
    output(pin!(queue.recv()).poll(context));
    output((queue.close(), queue.len()));
    rest()
}
