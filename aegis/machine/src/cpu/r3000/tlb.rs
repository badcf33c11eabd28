//! The hardware TLB: 64 entries of one page each. `tlbwr` leaves the first eight alone.
//!
//! A page must never stand in it twice: on hardware that shuts the TLB down. So every write looks for it first.

use super::cp0;
use crate::memory::KSEG0;
use aegis_abi::limits::PAGE_BYTES;
use aegis_kernel::machine::Live;
use core::arch::asm;
use stlb::{Geometry, Lo, Native, Registers};

/// Entries.
pub(super) const ENTRIES: u32 = 64;

/// Where `tlbp` says that it found nothing: the sign bit.
const NOT_FOUND: u32 = 1 << 31;
/// Position of the place in the register Index.
const INDEX_SHIFT: u32 = 8;
/// Bits of the address space identifier in EntryHi.
const ASID: u32 = 0x3f << Native::ASID_SHIFT;

/// Empties the TLB.
pub(super) fn init() {
    for index in 0..ENTRIES {
        invalidate(index << INDEX_SHIFT);
    }
}

/// Writes the page that `context` names for the address space `asid`, over its live entry if there is one.
#[inline]
pub fn write(asid: u32, context: u32, registers: Registers) {
    let entry_hi = cp0::entry_hi();
    let found = find(asid, context) & NOT_FOUND == 0;
    set_entry_lo(registers);
    if found {
        write_indexed();
    } else {
        // SAFETY: as in `write_indexed`.
        unsafe { asm!("tlbwr", options(nostack)) }
    }
    cp0::set_entry_hi(entry_hi);
}

/// Rewrites the live entry of the page that `context` names, if there is one; removes it if it is not valid.
pub fn update(asid: u32, context: u32, registers: Registers) {
    let entry_hi = cp0::entry_hi();
    let index = find(asid, context);
    if index & NOT_FOUND == 0 {
        if registers[0] & Lo::V == 0 {
            invalidate(index);
        } else {
            set_entry_lo(registers);
            write_indexed();
        }
    }
    cp0::set_entry_hi(entry_hi);
}

/// What stands at place `index`; `None` beyond the last.
pub fn read(index: u32) -> Option<Live> {
    if index >= ENTRIES {
        return None;
    }
    let entry_hi = cp0::entry_hi();
    cp0::set_index(index << INDEX_SHIFT);
    cp0::hazard();
    // SAFETY: reads the TLB into registers that are set before each use.
    unsafe { asm!("tlbr", options(nostack)) }
    cp0::hazard();
    let (found, entry_lo) = (cp0::entry_hi(), cp0::entry_lo());
    cp0::set_entry_hi(entry_hi);
    let unused = found >= KSEG0 || entry_lo & Lo::V == 0;
    Some(if unused {
        Live::Unused
    } else {
        Live::Pair { asid: found & ASID, context: Native::context(0, found), registers: [entry_lo, 0] }
    })
}

/// Looks for a page; EntryHi names it then. Returns the register Index.
#[inline]
fn find(asid: u32, context: u32) -> u32 {
    cp0::set_entry_hi(Native::va(context) | asid);
    cp0::hazard();
    // SAFETY: sets Index alone.
    unsafe { asm!("tlbp", options(nostack)) }
    cp0::hazard();
    cp0::index()
}

/// Makes the place that `index`, a value for the register Index, names match nothing: each gets an address of its own that is
/// never translated.
fn invalidate(index: u32) {
    cp0::set_entry_hi(KSEG0 + (index >> INDEX_SHIFT) * PAGE_BYTES);
    cp0::set_index(index);
    set_entry_lo([0; 2]);
    write_indexed();
}

#[inline]
fn set_entry_lo(registers: Registers) {
    cp0::set_entry_lo(registers[0]);
    cp0::hazard();
}

/// Writes the entry that EntryHi and EntryLo describe to the place that Index names.
#[inline]
fn write_indexed() {
    // SAFETY: the kernel runs unmapped, so no translation of its own changes; the kernel has checked what programs may map.
    unsafe { asm!("tlbwi", options(nostack)) }
}
