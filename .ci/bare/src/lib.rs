//! Builds only if the core brings neither std, which has a panic handler of its own, nor alloc, which needs an
//! allocator that this crate does not have.
#![no_std]
#![forbid(unsafe_code)]

use core::panic::PanicInfo;

use sweet_async_core as _;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
