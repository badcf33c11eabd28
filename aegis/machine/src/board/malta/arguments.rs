//! What the boot loader passes: YAMON's four registers, which QEMU's boot stub imitates.

use crate::board::arguments::{self, REGISTERS};
use aegis_abi::limits::{FRAMES, PAGE_BYTES};

// The registers. (The third, the environment's names and values, is not used.)
/// Number of arguments, or `SEMIHOSTING`.
const ARGC: usize = 0;
/// The arguments: file of the kernel, command line.
const ARGV: usize = 1;
/// Bytes of low memory.
const MEMORY: usize = 3;

/// The value of `argc` with which QEMU says that semihosting is on.
const SEMIHOSTING: u32 = u32::MAX;

/// Does the emulator answer semihosting calls?
pub(crate) fn has_semihosting() -> bool {
    REGISTERS[ARGC].get() == SEMIHOSTING
}

/// Bytes of memory that the kernel manages: low memory, as far as the frame table reaches.
pub fn memory_bytes() -> u32 {
    REGISTERS[MEMORY].get().min(FRAMES as u32 * PAGE_BYTES)
}

/// The command line, empty if there is none.
pub fn command_line() -> &'static str {
    arguments::word(REGISTERS[ARGV].get(), 1).map_or("", arguments::text)
}
