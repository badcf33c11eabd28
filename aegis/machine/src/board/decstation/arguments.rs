//! What the boot loader passes: the four registers of a TURBOchannel PROM, which GXemul imitates.

use super::prom;
use crate::board::arguments::{self, REGISTERS};
use aegis_abi::limits::{FRAMES, PAGE_BYTES};
use stlb::Word;

// The registers.
/// Number of arguments.
const ARGC: usize = 0;
/// The arguments: file of the kernel, how it was booted, command line.
const ARGV: usize = 1;
/// `MAGIC_NUMBER`, if the other three are what they should be.
const MAGIC: usize = 2;
/// The PROM's call-back vector.
const CALLBACKS: usize = 3;

/// The magic number of a PROM with a call-back vector.
const MAGIC_NUMBER: u32 = 0x3046_4354;

/// Bytes of memory, as the PROM says.
static MEMORY: Word = Word::new(0);

/// Asks the PROM for what it knows.
pub(super) fn init() {
    MEMORY.set(prom::frames().min(FRAMES as u32) * PAGE_BYTES);
}

/// The PROM's call-back vector, if a PROM that has one started the kernel.
pub(super) fn callbacks() -> Option<u32> {
    (REGISTERS[MAGIC].get() == MAGIC_NUMBER).then(|| REGISTERS[CALLBACKS].get())
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
    if REGISTERS[MAGIC].get() != MAGIC_NUMBER || REGISTERS[ARGC].get() <= COMMAND_LINE {
        return "";
    }
    let text = arguments::word(REGISTERS[ARGV].get(), COMMAND_LINE).map_or("", arguments::text);
    if text == AUTOMATIC { "" } else { text }
}
