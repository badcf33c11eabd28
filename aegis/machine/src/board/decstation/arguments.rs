//! What the boot loader passes: the four registers of a TURBOchannel PROM, which GXemul imitates.

use super::prom;
use crate::board::arguments;
use aegis_abi::limits::{FRAMES, PAGE_BYTES};
use core::arch::global_asm;
use stlb::Word;

/// The registers at entry.
#[repr(C)]
struct Arguments {
    /// Number of arguments.
    argc: Word,
    /// The arguments: file of the kernel, how it was booted, command line.
    argv: Word,
    /// `MAGIC`, if the other three are what they should be.
    magic: Word,
    /// The PROM's call-back vector.
    callbacks: Word,
}

/// The magic number of a PROM with a call-back vector.
const MAGIC: u32 = 0x3046_4354;

/// Outside .bss, which the start code clears after they were saved.
#[unsafe(link_section = ".uninit.arguments")]
static ARGUMENTS: Arguments =
    Arguments { argc: Word::new(0), argv: Word::new(0), magic: Word::new(0), callbacks: Word::new(0) };

// The first instructions of the kernel.
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
    "sw    $a2, {magic}($t0)",
    "j     _reset",                     // go on with the processor's start code, which calls main
    " sw   $a3, {callbacks}($t0)",
    ".set pop",
    arguments = sym ARGUMENTS,
    argc = const core::mem::offset_of!(Arguments, argc),
    argv = const core::mem::offset_of!(Arguments, argv),
    magic = const core::mem::offset_of!(Arguments, magic),
    callbacks = const core::mem::offset_of!(Arguments, callbacks),
);

/// Bytes of memory, as the PROM says.
static MEMORY: Word = Word::new(0);

/// Asks the PROM for what it knows.
pub(super) fn init() {
    MEMORY.set(prom::frames().min(FRAMES as u32) * PAGE_BYTES);
}

/// The PROM's call-back vector, if a PROM that has one started the kernel.
pub(super) fn callbacks() -> Option<u32> {
    (ARGUMENTS.magic.get() == MAGIC).then(|| ARGUMENTS.callbacks.get())
}

/// Bytes of memory that the kernel manages: without a hole from address 0 on, as far as the frame table reaches.
pub fn memory_bytes() -> u32 {
    MEMORY.get()
}

/// The command line, empty if there is none.
pub fn command_line() -> &'static str {
    /// Its place among the arguments.
    const COMMAND_LINE: u32 = 2;
    /// What a PROM passes that starts by itself, without having been given a command line.
    const AUTOMATIC: &str = "-a";
    if ARGUMENTS.magic.get() != MAGIC || ARGUMENTS.argc.get() <= COMMAND_LINE {
        return "";
    }
    let text = arguments::word(ARGUMENTS.argv.get(), COMMAND_LINE).map_or("", arguments::text);
    if text == AUTOMATIC { "" } else { text }
}
