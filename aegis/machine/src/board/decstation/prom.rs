//! The PROM's services, through its call-back vector. None that reads or prints is used: the console's driver has the serial
//! line to itself.
//!
//! Source: TURBOchannel Firmware Specification, the functions of REX.

use super::arguments::callbacks;
use crate::board::arguments::word;
use crate::memory::KSEG0;
use aegis_abi::limits::PAGE_BYTES;

/// Byte offsets of functions in the call-back vector.
mod offset {
    pub const GET_BITMAP: u32 = 0x84;
    pub const HALT: u32 = 0x9c;
}

/// Where the PROM is to put its map of memory, up to 15 KB: between its own data and the kernel.
const BITMAP: u32 = KSEG0 + 0x2_0000;

/// Frames of memory from address 0 to the first that is missing or bad. None where the PROM counts in other pages.
pub(super) fn frames() -> u32 {
    // int getbitmap(map): the map holds the bytes of a page, then a bit for each page, 1 for a good one. Returns the bytes of
    // the bits.
    let words = call(offset::GET_BITMAP, BITMAP).unwrap_or(0) / 4;
    if word(BITMAP, 0) != Some(PAGE_BYTES) {
        return 0;
    }
    let mut frames = 0;
    for n in 1..=words {
        let good = word(BITMAP, n).unwrap_or(0).trailing_ones();
        frames += good;
        if good < u32::BITS {
            break;
        }
    }
    frames
}

/// Halts the machine. Where there is no such PROM, does nothing.
pub(super) fn halt() {
    call(offset::HALT, 0);
}

/// Calls the function at `offset` of the call-back vector with one argument.
fn call(offset: u32, argument: u32) -> Option<u32> {
    // SAFETY: `callbacks` is what the PROM passed with its magic number: a table of functions, which follow the O32 calling
    // convention, as this `extern "C"` does. They change memory only where the argument says and below the kernel.
    unsafe {
        let function = *((callbacks()? + offset) as *const extern "C" fn(u32) -> u32);
        Some(function(argument))
    }
}
