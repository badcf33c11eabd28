//! The registers of coprocessor 0, by number.

use crate::board::interrupts::LINES;
use core::arch::asm;

/// Defines a function that reads a register, given its number.
macro_rules! read {
    ($(#[$meta:meta])* $name:ident, $number:literal) => {
        $(#[$meta])*
        #[inline]
        pub fn $name() -> u32 {
            let value;
            // SAFETY: reading has no side effect.
            unsafe {
                asm!(
                    ".set push", ".set noat", ".set noreorder",
                    concat!("mfc0 {0}, $", $number),
                    "nop", // hazard: load delay
                    ".set pop",
                    out(reg) value, options(nostack),
                );
            }
            value
        }
    };
}

/// Defines a function that writes a register, given its number. Its effect is sure only after [`hazard`].
macro_rules! write {
    ($(#[$meta:meta])* $name:ident, $number:literal) => {
        $(#[$meta])*
        #[inline]
        pub fn $name(value: u32) {
            // SAFETY: changes no memory by itself. The callers are the TLB's, entry's and exit's own code, which know what
            // the register does.
            unsafe {
                asm!(
                    ".set push", ".set noat", concat!("mtc0 {0}, $", $number), ".set pop",
                    in(reg) value, options(nostack),
                );
            }
        }
    };
}

/// Waits until what was written to coprocessor 0 has taken effect: two instructions.
#[inline]
pub fn hazard() {
    // SAFETY: does nothing.
    unsafe { asm!("nop", "nop", options(nostack)) }
}

read!(/// Index: place in the TLB, in bits 13:8; bit 31: `tlbp` found nothing.
    index, 0);
write!(/// Index.
    set_index, 0);
read!(/// EntryLo: the page's frame and rights.
    entry_lo, 2);
write!(/// EntryLo.
    set_entry_lo, 2);
write!(/// Context: process tag (PTEBase), the highest 11 bits; the rest is the processor's.
    write_context, 4);
read!(/// EntryHi: page and address space identifier.
    entry_hi, 10);
write!(/// EntryHi.
    set_entry_hi, 10);
read!(/// Status.
    status, 12);
write!(/// Status.
    set_status, 12);
write!(/// Cause.
    set_cause, 13);
read!(/// PRId: what processor this is.
    processor_id, 15);

/// Sets the process tag to the high bits of `tag`. (GXemul would keep two low bits too, which are no part of the register.)
pub fn set_context(tag: u32) {
    write_context(tag & <stlb::Native as stlb::Geometry>::TAG_MASK);
}

/// Status of the kernel: kernel mode, interrupts off, vectors in memory, no coprocessor for programs.
const KERNEL_STATUS: u32 = 0;

/// Status to return to a program with: after `rfe`, user mode with interrupts on, those on the lines that the board uses. Whether
/// there are any is for its devices to say.
pub(in crate::cpu) const USER_STATUS: u32 = {
    /// KUp: the mode that `rfe` restores is user mode.
    const PREVIOUS_USER: u32 = 1 << 3;
    /// IEp: it restores interrupts on.
    const PREVIOUS_ENABLED: u32 = 1 << 2;
    PREVIOUS_USER | PREVIOUS_ENABLED | LINES
};

/// Status.CU1: the floating-point unit can be used.
pub(in crate::cpu) const FPU_USABLE: u32 = 1 << 29;

/// Lets the way back from Rust leave Status so: it does not change it, but for what `rfe` does.
pub(in crate::cpu) fn set_returning_status(returning: u32) {
    set_status(status() & !FPU_USABLE | returning & FPU_USABLE);
}

/// Status of the kernel while it waits for an interrupt: kernel mode, interrupts on.
pub(super) const IDLE_STATUS: u32 = 1 << 0 | LINES;

/// Status.IsC, isolate caches, behind the bits that [`USER_STATUS`] takes.
pub(super) const ISOLATE_CACHES: u32 = 1 << 16;
const _: () = assert!(USER_STATUS < ISOLATE_CACHES && FPU_USABLE > ISOLATE_CACHES);

/// Gives the registers that the start code leaves alone a known state.
pub(super) fn init() {
    set_status(KERNEL_STATUS);
    set_cause(0);
    set_context(0);
    set_entry_hi(0);
    hazard();
}
