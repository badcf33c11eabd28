//! What the boot loader passes: YAMON's four registers, which QEMU's boot stub imitates.

use crate::board::arguments;
use aegis_abi::limits::{FRAMES, PAGE_BYTES};
use core::arch::global_asm;
use stlb::Word;

/// The registers at entry.
#[repr(C)]
struct Arguments {
    /// Number of arguments, or `SEMIHOSTING`.
    argc: Word,
    /// The arguments: file of the kernel, command line.
    argv: Word,
    /// The environment: names and values.
    envp: Word,
    /// Bytes of low memory.
    memory: Word,
}

/// The value of `argc` with which QEMU says that semihosting is on.
const SEMIHOSTING: u32 = u32::MAX;

/// Outside .bss, which the start code clears after they were saved.
#[unsafe(link_section = ".uninit.arguments")]
static ARGUMENTS: Arguments =
    Arguments { argc: Word::new(0), argv: Word::new(0), envp: Word::new(0), memory: Word::new(0) };

// The first instructions of the kernel: mips-rt's start code drops these registers.
global_asm!(
    ".section .reset.start,\"ax\",@progbits",
    ".set push",
    ".set noreorder",
    ".globl _start",
    "_start:",
    "lui   $t0, %hi({arguments})",
    "addiu $t0, $t0, %lo({arguments})", // t0 = &ARGUMENTS
    "sw    $a0, {argc}($t0)",
    "sw    $a1, {argv}($t0)",
    "sw    $a2, {envp}($t0)",
    "j     _reset",                     // go on with mips-rt's start code, which calls main
    " sw   $a3, {memory}($t0)",
    ".set pop",
    arguments = sym ARGUMENTS,
    argc = const core::mem::offset_of!(Arguments, argc),
    argv = const core::mem::offset_of!(Arguments, argv),
    envp = const core::mem::offset_of!(Arguments, envp),
    memory = const core::mem::offset_of!(Arguments, memory),
);

/// Does the emulator answer semihosting calls?
pub(crate) fn has_semihosting() -> bool {
    ARGUMENTS.argc.get() == SEMIHOSTING
}

/// Bytes of memory that the kernel manages: low memory, as far as the frame table reaches.
pub fn memory_bytes() -> u32 {
    ARGUMENTS.memory.get().min(FRAMES as u32 * PAGE_BYTES)
}

/// The command line, empty if there is none.
pub fn command_line() -> &'static str {
    arguments::word(ARGUMENTS.argv.get(), 1).map_or("", arguments::text)
}
