//! The part of QEMU's plugin interface that counting needs, in three versions of the interface (QEMU's `qemu-plugin.h` lists
//! what each changed, up to 4 in QEMU 10.0):
//!
//! | version | in QEMU | what changed for us |
//! |---|---|---|
//! | 1 | 7.2 to 8.2 | |
//! | 3 | 9.1 to 11.0 | translated code adds to scoreboards only, and an instruction's bytes are copied out |
//! | 7 | from 11.1 | callbacks at translation and at the end have other parameters (seen in QEMU 11.1.2) |
//!
//! QEMU refuses a plugin whose version it does not speak. Version 2, in QEMU 9.0 alone, is left out.

#[cfg_attr(not(feature = "interface-3"), path = "api/direct.rs")]
#[cfg_attr(feature = "interface-3", path = "api/scoreboard.rs")]
mod access;
#[cfg_attr(not(feature = "interface-7"), path = "api/events_with_id.rs")]
#[cfg_attr(feature = "interface-7", path = "api/events_with_data.rs")]
mod events;

pub use access::{Count, copy_word};
pub use events::listen;

use std::ffi::{c_char, c_int, c_uint, c_void};

/// Version of the interface that we speak; QEMU looks this symbol up before it installs us.
pub const VERSION: c_int = match (cfg!(feature = "interface-3"), cfg!(feature = "interface-7")) {
    (_, true) => 7,
    (true, false) => 3,
    (false, false) => 1,
};
/// The callback looks at no guest register.
pub const NO_REGISTERS: c_int = 0;
/// The inline operation: add to a 64-bit word.
const ADD_U64: c_int = 0;

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
pub type OnExecute = extern "C" fn(c_uint, *mut c_void);
/// The arguments of the command line, as C strings.
pub type Arguments = *const *const c_char;

/// What QEMU tells a plugin, apart from instructions being executed.
pub trait Listener {
    /// QEMU translates a block, which is valid during this call.
    fn translated(block: *mut Block);
    /// QEMU ends.
    fn ended();
}

unsafe extern "C" {
    /// Writes a C string to QEMU's log, if that takes what plugins say (`-d plugin`).
    pub fn qemu_plugin_outs(text: *const c_char);
    pub fn qemu_plugin_tb_n_insns(block: *const Block) -> usize;
    pub fn qemu_plugin_tb_get_insn(block: *const Block, index: usize) -> *mut Instruction;
    pub fn qemu_plugin_insn_vaddr(instruction: *const Instruction) -> u64;
    pub fn qemu_plugin_insn_size(instruction: *const Instruction) -> usize;
    pub fn qemu_plugin_register_vcpu_insn_exec_cb(
        instruction: *mut Instruction,
        callback: OnExecute,
        flags: c_int,
        data: *mut c_void,
    );
}
