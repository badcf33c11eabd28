//! The heap: `linked_list_allocator` over memory that is filled with zeros when it is first touched.
//!
//! Interrupts are masked while it is changed, so their handlers may allocate. An exception cannot
//! be masked: it comes in the midst of a change where the heap's memory cannot be touched. A
//! handler for it that allocates, or frees, is refused with a panic.

use super::cell::Cell;
use crate::interrupts::masked;
use crate::layout;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::{self, NonNull};
use linked_list_allocator::Heap;

struct Global {
    heap: UnsafeCell<Heap>,
    /// Set while the heap is being changed.
    busy: Cell<bool>,
}

// SAFETY: there is one thread; the mask keeps interrupt handlers out, and `busy` exception
// handlers.
unsafe impl Sync for Global {}

#[global_allocator]
static GLOBAL: Global = Global { heap: UnsafeCell::new(Heap::empty()), busy: Cell::new(false) };

impl Global {
    fn with<R>(&self, change: impl FnOnce(&mut Heap) -> R) -> R {
        masked(|| {
            if self.busy.get() {
                refuse();
            }
            self.busy.set(true);
            // SAFETY: `busy` was off, so no other reference exists.
            let result = change(unsafe { &mut *self.heap.get() });
            self.busy.set(false);
            result
        })
    }
}

#[cold]
fn refuse() -> ! {
    panic!(
        "an exception handler allocates or frees, and the exception came while the heap was being changed: \
         a handler for faults in the heap's own memory must do without the heap"
    )
}

// SAFETY: the allocator's blocks are disjoint and live until they are freed; that is the library's promise.
unsafe impl GlobalAlloc for Global {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.with(|heap| heap.allocate_first_fit(layout).map_or(ptr::null_mut(), NonNull::as_ptr))
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(block) = NonNull::new(block) {
            // SAFETY: the caller passes a block of this allocator.
            self.with(|heap| unsafe { heap.deallocate(block, layout) });
        }
    }
}

/// Gives the heap its memory, which must be mapped.
///
/// # Safety
/// To be called once, by the start code.
pub unsafe fn start() {
    let start = ptr::with_exposed_provenance_mut(layout::HEAP.start as usize);
    let bytes = layout::HEAP.pages as usize * layout::PAGE_BYTES as usize;
    // SAFETY: the area is the heap's alone.
    GLOBAL.with(|heap| unsafe { heap.init(start, bytes) });
}
