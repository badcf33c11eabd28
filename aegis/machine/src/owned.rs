//! State with one owner, lent once at a time.

use core::cell::{Cell, UnsafeCell};

/// A static value that is lent to one borrower at a time.
#[repr(C)]
pub struct Owned<T> {
    lent: Cell<bool>,
    value: UnsafeCell<T>,
}

// SAFETY: one processor; the kernel runs with interrupts disabled from entry to exit.
unsafe impl<T: Send> Sync for Owned<T> {}

impl<T> Owned<T> {
    /// An unlent value.
    pub const fn new(value: T) -> Owned<T> {
        Owned { lent: Cell::new(false), value: UnsafeCell::new(value) }
    }

    /// Lends the value to `body`.
    ///
    /// # Panics
    /// When it is lent already: the kernel has been entered twice.
    pub fn with<R>(&self, body: impl FnOnce(&mut T) -> R) -> R {
        assert!(!self.lent.replace(true), "the kernel was entered twice");
        // SAFETY: `lent` was false, so there is no other reference to the value.
        let result = body(unsafe { &mut *self.value.get() });
        self.lent.set(false);
        result
    }
}
