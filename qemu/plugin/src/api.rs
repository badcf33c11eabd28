//! The part of QEMU's plugin interface, version 1 (QEMU 4.2 to 8.2), that counting needs.

use std::ffi::{c_char, c_int, c_uint, c_void};

/// Version of the interface that we speak; QEMU looks this symbol up before it installs us.
pub const VERSION: c_int = 1;
/// The callback looks at no guest register.
pub const NO_REGISTERS: c_int = 0;
/// The inline operation: add to a 64-bit word.
pub const ADD_U64: c_int = 0;

/// A block of guest code that is being translated.
#[repr(C)]
pub struct Block {
    _opaque: [u8; 0],
}

/// One instruction of a [`Block`].
#[repr(C)]
pub struct Instruction {
    _opaque: [u8; 0],
}

pub type PluginId = u64;
pub type OnTranslate = extern "C" fn(PluginId, *mut Block);
pub type OnExecute = extern "C" fn(c_uint, *mut c_void);
pub type OnExit = extern "C" fn(PluginId, *mut c_void);
/// The arguments of the command line, as C strings.
pub type Arguments = *const *const c_char;

unsafe extern "C" {
    pub fn qemu_plugin_register_vcpu_tb_trans_cb(id: PluginId, callback: OnTranslate);
    pub fn qemu_plugin_register_atexit_cb(id: PluginId, callback: OnExit, data: *mut c_void);
    pub fn qemu_plugin_tb_n_insns(block: *const Block) -> usize;
    pub fn qemu_plugin_tb_get_insn(block: *const Block, index: usize) -> *mut Instruction;
    pub fn qemu_plugin_insn_vaddr(instruction: *const Instruction) -> u64;
    pub fn qemu_plugin_insn_size(instruction: *const Instruction) -> usize;
    pub fn qemu_plugin_insn_data(instruction: *const Instruction) -> *const c_void;
    pub fn qemu_plugin_register_vcpu_insn_exec_cb(
        instruction: *mut Instruction,
        callback: OnExecute,
        flags: c_int,
        data: *mut c_void,
    );
    pub fn qemu_plugin_register_vcpu_insn_exec_inline(
        instruction: *mut Instruction,
        operation: c_int,
        counter: *mut c_void,
        operand: u64,
    );
}
