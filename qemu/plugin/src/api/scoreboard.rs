//! From version 3 on: translated code adds to a scoreboard, which has a word for each processor, and an instruction's bytes are
//! copied out.

use super::{ADD_U64, Instruction};
use std::ffi::{c_int, c_void};

/// A word for each processor.
#[repr(C)]
struct Scoreboard {
    _opaque: [u8; 0],
}

/// QEMU's `qemu_plugin_u64`: a 64-bit word in each element of a scoreboard.
#[derive(Clone, Copy)]
#[repr(C)]
struct Word {
    scoreboard: &'static Scoreboard,
    offset: usize,
}

unsafe extern "C" {
    fn qemu_plugin_insn_data(instruction: *const Instruction, bytes: *mut c_void, length: usize) -> usize;
    fn qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(
        instruction: *mut Instruction,
        operation: c_int,
        counter: Word,
        operand: u64,
    );
    fn qemu_plugin_scoreboard_new(element_bytes: usize) -> &'static Scoreboard;
    fn qemu_plugin_u64_sum(word: Word) -> u64;
}

/// A count that translated code adds to.
pub struct Count(Word);

impl Count {
    /// A count of nothing.
    pub fn new() -> Count {
        // SAFETY: it answers with a scoreboard of zeros, or ends QEMU. It is never freed.
        let scoreboard = unsafe { qemu_plugin_scoreboard_new(size_of::<u64>()) };
        Count(Word { scoreboard, offset: 0 })
    }

    /// What has been counted up to now.
    pub fn get(&self) -> u64 {
        // SAFETY: the scoreboard has this word.
        unsafe { qemu_plugin_u64_sum(self.0) }
    }

    /// Has 1 added whenever `instruction` starts.
    ///
    /// # Safety
    ///
    /// The instruction belongs to the block that is being translated.
    pub unsafe fn add_at(&'static self, instruction: *mut Instruction) {
        // SAFETY: as above; the scoreboard has this word.
        unsafe { qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(instruction, ADD_U64, self.0, 1) };
    }
}

/// The first four bytes of an instruction that has as many.
///
/// # Safety
///
/// The instruction belongs to the block that is being translated.
pub unsafe fn copy_word(instruction: *const Instruction) -> [u8; 4] {
    let mut bytes = [0; 4];
    // SAFETY: as above; there is room for as many bytes as are asked for.
    let copied = unsafe { qemu_plugin_insn_data(instruction, bytes.as_mut_ptr().cast(), bytes.len()) };
    assert_eq!(copied, bytes.len(), "QEMU cannot say what the instruction is that it translates");
    bytes
}
