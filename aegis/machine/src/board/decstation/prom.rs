//! The PROM's services, through its call-back vector. None that reads or prints is used: the console's driver has the serial
//! line to itself.
//!
//! Source: TURBOchannel Firmware Specification, the functions of REX.

use super::arguments::callbacks;
use crate::board::arguments::word;
use crate::memory::KSEG0;

/// Byte offsets of functions in the call-back vector.
mod offset {
    pub const GET_BITMAP: u32 = 0x84;
    pub const HALT: u32 = 0x9c;
}

/// Where the PROM is to put its map of memory, up to 15 KB: between its own data and the kernel.
const BITMAP: u32 = KSEG0 + 0x2_0000;

/// Bytes of memory from address 0 to the first page that is missing or bad.
pub(super) fn memory_bytes() -> u32 {
    // int getbitmap(map): the map holds the bytes of a page, then a bit for each page, 1 for a good one. Returns the bytes of
    // the bits.
    let words = call(offset::GET_BITMAP, BITMAP).unwrap_or(0) / 4;
    let mut pages = 0;
    for n in 1..=words {
        let good = word(BITMAP, n).unwrap_or(0).trailing_ones();
        pages += good;
        if good < u32::BITS {
            break;
        }
    }
    pages.saturating_mul(word(BITMAP, 0).unwrap_or(0))
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
