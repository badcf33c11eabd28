//! Ends for want of memory.

use alloc::vec::Vec;
use exos::exceptions::{Cause, handle};
use exos::region::Frame;

pub fn use_up_the_heap() -> ! {
    let mut blocks = Vec::new();
    loop {
        blocks.push(alloc::vec![1u8; 1 << 20]);
    }
}

/// The heap's pages are promised. They are touched when no frame is left for them.
pub fn use_up_the_frames() -> ! {
    while let Ok(frame) = Frame::any() {
        core::mem::forget(frame);
    }
    use_up_the_heap()
}

/// The allocator itself touches a page that has no frame: the handler comes in the midst of that.
pub fn allocate_in_an_exception_of_the_heap() -> ! {
    handle(Cause::TlbStore, |_| drop(core::hint::black_box(alloc::vec![1u8; 64])));
    use_up_the_frames()
}
