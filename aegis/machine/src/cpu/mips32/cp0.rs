//! The registers of coprocessor 0, by number and select.

use crate::board::interrupts::LINES;
use core::arch::asm;

/// Defines a function that reads a register, given its number and select.
macro_rules! read {
    ($(#[$meta:meta])* $name:ident, $number:literal, $select:literal) => {
        $(#[$meta])*
        #[inline]
        pub fn $name() -> u32 {
            let value;
            // SAFETY: reading has no side effect.
            unsafe {
                asm!(
                    ".set push", ".set noat",
                    concat!("mfc0 {0}, $", $number, ", ", $select),
                    ".set pop",
                    out(reg) value, options(nostack),
                );
            }
            value
        }
    };
}

/// Waits until what was written to coprocessor 0 has taken effect: an execution hazard barrier.
#[inline]
pub fn hazard() {
    // SAFETY: a barrier.
    unsafe { asm!("ehb", options(nostack)) }
}

/// Defines a function that writes a register, given its number and select. Its effect is sure only after [`hazard`].
macro_rules! write {
    ($(#[$meta:meta])* $name:ident, $number:literal, $select:literal) => {
        $(#[$meta])*
        #[inline]
        pub fn $name(value: u32) {
            // SAFETY: changes no memory by itself. The callers are the TLB's, entry's and exit's own code, which know what
            // the register does.
            unsafe {
                asm!(
                    ".set push", ".set noat",
                    concat!("mtc0 {0}, $", $number, ", ", $select),
                    ".set pop",
                    in(reg) value, options(nostack),
                );
            }
        }
    };
}

read!(/// Index: place in the TLB; bit 31: `tlbp` found nothing.
    index, 0, 0);
write!(/// Index.
    set_index, 0, 0);
#[cfg(feature = "faithful")]
read!(/// Random: the place that `tlbwr` will use.
    random, 1, 0);
read!(/// EntryLo0: the even page.
    entry_lo0, 2, 0);
write!(/// EntryLo0.
    set_entry_lo0, 2, 0);
read!(/// EntryLo1: the odd page.
    entry_lo1, 3, 0);
write!(/// EntryLo1.
    set_entry_lo1, 3, 0);
write!(/// Context: process tag (PTEBase); the rest is the processor's.
    set_context, 4, 0);
write!(/// PageMask: size of the pages.
    set_page_mask, 5, 0);
write!(/// Wired: places that `tlbwr` leaves alone.
    set_wired, 6, 0);
write!(/// HWREna: hardware registers that programs may read.
    set_hwrena, 7, 0);
read!(/// Count: goes up by itself, at half the processor's clock or so.
    count, 9, 0);
read!(/// EntryHi: page pair and address space identifier.
    entry_hi, 10, 0);
write!(/// EntryHi.
    set_entry_hi, 10, 0);
read!(/// Compare: where Count makes the timer ask for an interrupt.
    compare, 11, 0);
write!(/// Compare. Withdraws the timer's request.
    set_compare, 11, 0);
write!(/// Status.
    set_status, 12, 0);
read!(/// Cause.
    cause, 13, 0);
write!(/// Cause.
    set_cause, 13, 0);
read!(/// PRId: what processor this is.
    processor_id, 15, 0);
read!(/// Config.
    config, 16, 0);
write!(/// Config.
    set_config, 16, 0);
read!(/// Config1.
    config1_word, 16, 1);

bitfield::bitfield! {
    /// Config1: what the processor has.
    pub(super) struct Config1(u32);
    /// Entries of the TLB, less 1.
    pub mmu_size, _: 30, 25;
    /// MIPS16e.
    pub has_mips16, _: 2;
    /// Floating point unit.
    pub has_fpu, _: 0;
}

/// The register Config1.
pub(super) fn config1() -> Config1 {
    Config1(config1_word())
}

/// Status of the kernel: kernel mode, exception level off, so that a fault of its own has an EPC of its own, interrupts off,
/// no coprocessor but 0. All zeros, so that `$zero` can be written.
pub(super) const KERNEL_STATUS: u32 = 0;

/// Status to return to a program with: after `eret`, user mode with interrupts on, those on the lines that the board uses.
/// Whether there are any is for its devices to say.
pub(in crate::cpu) const USER_STATUS: u32 = {
    const USER_MODE: u32 = 1 << 4;
    const EXCEPTION_LEVEL: u32 = 1 << 1;
    const ENABLED: u32 = 1 << 0;
    USER_MODE | EXCEPTION_LEVEL | ENABLED | LINES
};

/// Status.CU1: the floating-point unit can be used. (Status.FR is off: its registers have 32 bits.)
pub(in crate::cpu) const FPU_USABLE: u32 = 1 << 29;

/// The way back from Rust takes Status from the block.
pub(in crate::cpu) fn set_returning_status(_status: u32) {}

/// Status of the kernel while it waits for an interrupt.
pub(super) const IDLE_STATUS: u32 = 1 << 0 | LINES;

/// Gives the registers that the start code leaves alone a known state.
pub(super) fn init() {
    /// Config.K0: kseg0 is cached, write-back.
    const KSEG0_CACHED: u32 = 3;
    /// Cause.IV: interrupts have a vector of their own.
    const INTERRUPT_VECTOR: u32 = 1 << 23;
    set_config(config() & !7 | KSEG0_CACHED);
    set_cause(INTERRUPT_VECTOR);
    set_page_mask(0);
    set_wired(super::TLB_WIRED);
    set_hwrena(0);
    set_context(0);
    set_entry_hi(0);
    set_status(KERNEL_STATUS);
    hazard();
}
