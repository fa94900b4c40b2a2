//! Four words, the oldest dropped when full: send and receive without waiting.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use footprint::{hidden, input, output, rest};
use sweet_async_core::{Mailbox, Overflow};

static QUEUE: Mailbox<u32, 4> = Mailbox::with(Overflow::DropOldest);

#[entry]
fn main() -> ! {
    let queue = hidden(&QUEUE);
    output(queue.try_send(input()).is_ok());
    output(queue.try_recv());
    rest()
}
