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
    /// When it is lent already.
    pub fn with<R>(&self, body: impl FnOnce(&mut T) -> R) -> R {
        assert!(!self.lent.replace(true), "lent twice");
        // SAFETY: `lent` was false, so there is no other reference to the value.
        let result = body(unsafe { &mut *self.value.get() });
        self.lent.set(false);
        result
    }
}

/// Is the kernel's state lent to an entry of the kernel's?
struct InKernel(Cell<bool>);

// SAFETY: as for `Owned`.
unsafe impl Sync for InKernel {}

static IN_KERNEL: InKernel = InKernel(Cell::new(false));

/// The kernel's state, of which there is one, lent to each entry from the vectors. The entry may leave the kernel without
/// returning: nothing of it runs again then, as the next entry finds the stack empty.
#[repr(C)]
pub struct KernelState<T>(UnsafeCell<T>);

// SAFETY: as for `Owned`.
unsafe impl<T: Send> Sync for KernelState<T> {}

impl<T> KernelState<T> {
    /// Unlent state.
    pub const fn new(value: T) -> KernelState<T> {
        KernelState(UnsafeCell::new(value))
    }

    /// Lends the state to `entry`.
    ///
    /// # Panics
    /// When the kernel has been entered twice.
    pub fn with<R>(&self, entry: impl FnOnce(&mut T) -> R) -> R {
        assert!(!IN_KERNEL.0.replace(true), "the kernel was entered twice");
        // SAFETY: no other entry is under way, so there is no other reference to the state that will be used again.
        let result = entry(unsafe { &mut *self.0.get() });
        left_kernel();
        result
    }
}

/// The kernel is left: who borrowed its state will not run again.
pub(crate) fn left_kernel() {
    IN_KERNEL.0.set(false);
}
