//! Four slots, and the credits: wait for credits, give them back, close.
#![no_std]
#![no_main]

use core::pin::pin;
use core::task::{Context, Poll, Waker};

use cortex_m_rt::entry;
use footprint::{hidden, input, output, rest};
use sweet_async_core::{Credits, WaiterSet};

static CREDITS: Credits = Credits::of::<1>();
static SET: WaiterSet<4> = WaiterSet::new();

#[entry]
fn main() -> ! {
    let credits = hidden(&CREDITS);
    let set = hidden(&SET);
    let context = &mut Context::from_waker(core::hint::black_box(Waker::noop()));
    {
        let mut waiting = pin!(set.acquire(credits, input()));
        match waiting.as_mut().poll(context) {
            Poll::Ready(Ok(permit)) => drop(permit),
            Poll::Ready(Err(error)) => output(error),
            Poll::Pending => output(set.release(credits, input())),
        }
    }
    output(set.close(credits));
    rest()
}
