//! Version 1: translated code adds to any word of ours, and an instruction's bytes lie in QEMU's memory.

use super::{ADD_U64, Instruction};
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

unsafe extern "C" {
    fn qemu_plugin_insn_data(instruction: *const Instruction) -> *const c_void;
    fn qemu_plugin_register_vcpu_insn_exec_inline(
        instruction: *mut Instruction,
        operation: c_int,
        counter: *mut c_void,
        operand: u64,
    );
}

/// A count that translated code adds to.
pub struct Count(AtomicU64);

impl Count {
    /// A count of nothing.
    pub fn new() -> Count {
        Count(AtomicU64::new(0))
    }

    /// What has been counted up to now.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Has 1 added whenever `instruction` starts.
    ///
    /// # Safety
    ///
    /// The instruction belongs to the block that is being translated.
    pub unsafe fn add_at(&'static self, instruction: *mut Instruction) {
        // SAFETY: as above; the count stays where it is, and there is one processor, so that nothing else adds meanwhile.
        unsafe { qemu_plugin_register_vcpu_insn_exec_inline(instruction, ADD_U64, self.0.as_ptr().cast(), 1) };
    }
}

/// The first four bytes of an instruction that has as many.
///
/// # Safety
///
/// The instruction belongs to the block that is being translated.
pub unsafe fn copy_word(instruction: *const Instruction) -> [u8; 4] {
    // SAFETY: as above; nothing is said of the bytes' alignment.
    unsafe { qemu_plugin_insn_data(instruction).cast::<[u8; 4]>().read_unaligned() }
}
