//! The heap: `linked_list_allocator` over memory that is filled with zeros when it is first touched.

use super::cell::Cell;
use crate::layout;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::{self, NonNull};
use linked_list_allocator::Heap;

struct Global {
    heap: UnsafeCell<Heap>,
    /// Set while the heap is being changed: an exception handler that allocates then gets nothing, and not a broken heap.
    busy: Cell<bool>,
}

// SAFETY: there is one thread, and `busy` keeps exception handlers out.
unsafe impl Sync for Global {}

#[global_allocator]
static GLOBAL: Global = Global { heap: UnsafeCell::new(Heap::empty()), busy: Cell::new(false) };

impl Global {
    fn with<R>(&self, change: impl FnOnce(&mut Heap) -> R) -> Option<R> {
        if self.busy.get() {
            return None;
        }
        self.busy.set(true);
        // SAFETY: `busy` was off, so no other reference exists.
        let result = change(unsafe { &mut *self.heap.get() });
        self.busy.set(false);
        Some(result)
    }
}

// SAFETY: the allocator's blocks are disjoint and live until they are freed; that is the library's promise.
unsafe impl GlobalAlloc for Global {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.with(|heap| heap.allocate_first_fit(layout).ok()).flatten().map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(block) = NonNull::new(block) {
            // A block freed by a handler while the heap is busy stays allocated.
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
