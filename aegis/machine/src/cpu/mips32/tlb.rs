//! The hardware TLB.
//!
//! A pair must never stand in it twice: that is a machine check. So every write looks for it first.

use super::cp0;
use crate::memory::KSEG0;
use aegis_kernel::machine::Live;
use core::arch::asm;
use stlb::{Geometry, Native, Registers};

/// Where `tlbp` says that it found nothing: the sign bit.
const NOT_FOUND: u32 = 1 << 31;
/// Bits of the address space identifier in EntryHi.
const ASID: u32 = 0xff;
/// Bytes that an entry maps.
const PAIR_BYTES: u32 = 0x2000;
/// An entry without a valid half.
const INVALID: Registers = [0; 2];

/// Empties the TLB.
pub(super) fn init() {
    for index in 0..super::tlb_entries() {
        invalidate(index);
    }
}

/// Writes the pair that `context` names for the address space `asid`, over its live entry if there is one.
#[inline]
pub fn write(asid: u32, context: u32, registers: Registers) {
    let entry_hi = cp0::entry_hi();
    if find(asid, context) & NOT_FOUND == 0 {
        write_indexed(registers);
    } else {
        write_random(registers);
    }
    cp0::set_entry_hi(entry_hi);
}

/// Rewrites the live entry of the pair that `context` names, if there is one; removes it if no half is valid.
pub fn update(asid: u32, context: u32, registers: Registers) {
    let entry_hi = cp0::entry_hi();
    let index = find(asid, context);
    if index & NOT_FOUND == 0 {
        if registers == INVALID {
            invalidate(index);
        } else {
            write_indexed(registers);
        }
    }
    cp0::set_entry_hi(entry_hi);
}

/// What stands at place `index`; `None` beyond the last.
pub fn read(index: u32) -> Option<Live> {
    if index >= super::tlb_entries() {
        return None;
    }
    let entry_hi = cp0::entry_hi();
    cp0::set_index(index);
    cp0::hazard();
    // SAFETY: reads the TLB into registers that are set before each use.
    unsafe { asm!("tlbr", options(nostack)) }
    cp0::hazard();
    let (found, registers) = (cp0::entry_hi(), [cp0::entry_lo0(), cp0::entry_lo1()]);
    cp0::set_entry_hi(entry_hi);
    let unused = found >= KSEG0 || registers == INVALID;
    Some(if unused {
        Live::Unused
    } else {
        Live::Pair { asid: found & ASID, context: Native::context(0, found & !ASID), registers }
    })
}

/// Looks for a pair; EntryHi names it then. Returns the register Index.
#[inline]
fn find(asid: u32, context: u32) -> u32 {
    cp0::set_entry_hi(Native::va(context) | asid);
    cp0::hazard();
    // SAFETY: sets Index alone.
    unsafe { asm!("tlbp", options(nostack)) }
    cp0::hazard();
    cp0::index()
}

/// Makes place `index` match nothing: each gets an address of its own that is never translated.
fn invalidate(index: u32) {
    cp0::set_entry_hi(KSEG0 + index * PAIR_BYTES);
    cp0::set_index(index);
    write_indexed(INVALID);
}

#[inline]
fn set_halves([even, odd]: Registers) {
    cp0::set_entry_lo0(even);
    cp0::set_entry_lo1(odd);
    cp0::hazard();
}

/// Writes the entry that EntryHi names to the place that Index names.
#[inline]
fn write_indexed(registers: Registers) {
    set_halves(registers);
    // SAFETY: the kernel runs unmapped, so no translation of its own changes; the kernel has checked what programs may map.
    unsafe { asm!("tlbwi", options(nostack)) }
    cp0::hazard();
}

/// Writes the entry that EntryHi names in place of a random one.
#[inline]
fn write_random(registers: Registers) {
    #[cfg(feature = "faithful")]
    {
        cp0::set_index(cp0::random());
        write_indexed(registers);
    }
    #[cfg(not(feature = "faithful"))]
    {
        set_halves(registers);
        // SAFETY: as in `write_indexed`.
        unsafe { asm!("tlbwr", options(nostack)) }
        cp0::hazard();
    }
}
