//! What a boot loader leaves: four registers, and in memory tables and texts, below the kernel, in reserved frames, where nobody
//! changes them.

use crate::memory::{KSEG0, KSEG1};
use aegis_abi::limits::COMMAND_LINE_BYTES;
use core::arch::global_asm;
use core::ffi::CStr;
use stlb::Word;

/// The registers `a0` to `a3` at the kernel's entry; the boards say what they mean. Outside .bss, which the start code clears
/// after they were saved.
#[unsafe(link_section = ".uninit.arguments")]
pub(super) static REGISTERS: [Word; 4] = [const { Word::new(0) }; 4];

// The first instructions of the kernel: the start code drops these registers.
global_asm!(
    ".section .reset.start,\"ax\",@progbits",
    ".set push",
    ".set noreorder",
    ".globl _start",
    "_start:",
    "lui   $t0, %hi({registers})",
    "addiu $t0, $t0, %lo({registers})", // t0 = &REGISTERS
    "sw    $a0, 0($t0)",
    "sw    $a1, 4($t0)",
    "sw    $a2, 8($t0)",
    "j     _reset",                     // go on with the processor's start code, which calls main
    " sw   $a3, 12($t0)",
    ".set pop",
    registers = sym REGISTERS,
);

unsafe extern "C" {
    /// First byte of the kernel's image (linker.ld).
    static __text_start: u8;
}

/// Can the loader have left this many bytes at `address`, of kseg0 or kseg1?
fn is_loaders(address: u32, bytes: u32) -> bool {
    let loaders = &raw const __text_start as u32 - KSEG0;
    [KSEG0, KSEG1].iter().any(|&segment| (segment..=segment + loaders - bytes).contains(&address))
}

/// Word `index` of the table at `table`, `None` if it cannot be the loader's.
pub(super) fn word(table: u32, index: u32) -> Option<u32> {
    let address = table.checked_add(index * 4)?;
    // SAFETY: the word lies in memory, as checked, and is aligned; the loader wrote it before the kernel ran.
    (address.is_multiple_of(4) && is_loaders(address, 4)).then(|| unsafe { *(address as *const u32) })
}

/// The text at `address`, which ends with a zero byte. It is cut where it is too long for a command line or not UTF-8, and empty
/// where it cannot be the loader's.
pub(super) fn text(address: u32) -> &'static str {
    if !is_loaders(address, COMMAND_LINE_BYTES as u32) {
        return "";
    }
    // SAFETY: all of it lies in memory, as checked, and nobody changes it.
    let bytes = unsafe { core::slice::from_raw_parts(address as *const u8, COMMAND_LINE_BYTES) };
    let bytes = CStr::from_bytes_until_nul(bytes).map_or(bytes, CStr::to_bytes);
    match core::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => core::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or(""),
    }
}
