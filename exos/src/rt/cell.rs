//! State that exception handlers share with the code they interrupt.

use core::cell::UnsafeCell;

/// A word of state. Every access is volatile, so that it happens where it stands, whatever a handler does in between.
#[derive(Debug)]
#[repr(transparent)]
pub struct Cell<T: Copy>(UnsafeCell<T>);

// SAFETY: a program has one thread, and exceptions interrupt it only between instructions; a word is read or written by
// one instruction, and no reference into the cell ever exists.
unsafe impl<T: Copy> Sync for Cell<T> {}

impl<T: Copy> Cell<T> {
    /// A cell with this value.
    pub const fn new(value: T) -> Self {
        const { assert!(size_of::<T>() <= 4, "more than a word would not be read at once") };
        Cell(UnsafeCell::new(value))
    }

    /// Its value.
    pub fn get(&self) -> T {
        // SAFETY: the cell is valid and aligned; see `Sync` for why nothing writes it meanwhile.
        unsafe { self.0.get().read_volatile() }
    }

    /// Gives it a value.
    pub fn set(&self, value: T) {
        // SAFETY: as in `get`.
        unsafe { self.0.get().write_volatile(value) }
    }
}
