//! MIPS32 release 2 (24Kf and its kin): paired TLB entries, vectors from EBase, Cause.IV, `eret`.
//!
//! Source: MIPS32 Architecture for Programmers, volume III (the privileged resource architecture).

mod call;
pub(super) mod cp0;
mod enter;
mod fpu;
mod interrupt;
mod miss;
mod passage;
pub mod timer;
pub mod tlb;
mod transfer;
pub(super) mod vectors;

pub(super) use enter::resume;
pub use enter::{enter, idle};
pub(super) use fpu::with_fpu;
pub use fpu::{clear_fpu, has_fpu};

use super::dispatch;
use crate::memory;
use aegis_abi::limits::PAGE_BYTES;
use core::arch::asm;
// Start code.
use mips_rt as _;

/// Prepares TLB, dispatch blocks and registers. mips-rt's start code has set EBase and Cause.IV and cleared BEV.
pub fn init() {
    cp0::init();
    tlb::init();
    dispatch::init();
}

/// The first entries of the hardware TLB that `tlbwr` never replaces: the register Wired.
pub const TLB_WIRED: u32 = 0;

/// Entries of the hardware TLB.
pub fn tlb_entries() -> u32 {
    cp0::config1().mmu_size() + 1
}

/// The processor's name, from the register PRId.
pub fn name() -> &'static str {
    match (cp0::processor_id() >> 8 & 0xff, cp0::config1().has_fpu()) {
        (0x80, _) => "MIPS 4Kc",
        (0x90, _) => "MIPS 4KEc",
        (0x93, true) => "MIPS 24Kf",
        (0x93, false) => "MIPS 24Kc",
        (0x95, _) => "MIPS 34Kf",
        (0x96, _) => "MIPS 24KEc",
        (0x97, _) => "MIPS 74Kf",
        (0x9c, _) => "MIPS M14Kc",
        (0xa8, _) => "MIPS P5600",
        _ => "a MIPS32 processor",
    }
}

/// Why Aegis does not run on this processor; `None` if it does.
///
/// One that has no MIPS16e must trap a jump to an odd address before it translates it; QEMU translates first, so that such a
/// jump by a program can abort it. On a processor with MIPS16e the jump is legal.
pub fn unfit() -> Option<&'static str> {
    let reason = "has no MIPS16e: there QEMU aborts when a program jumps to an odd address";
    (!cp0::config1().has_mips16()).then_some(reason)
}

/// Makes the processor see as instructions what was written to the frame at this physical address as data.
pub fn sync_instructions(address: u32) {
    let step: u32;
    // SAFETY: reads the register SYNCI_Step, which the kernel may always do.
    unsafe { asm!(".set push", ".set noat", "rdhwr {}, $1", ".set pop", out(reg) step, options(nomem, nostack)) }
    if step == 0 {
        // No caches to bring in line.
        return;
    }
    let start = memory::KSEG0 + address;
    for line in (start..start + PAGE_BYTES).step_by(step as usize) {
        // SAFETY: changes no memory; the address is in kseg0.
        unsafe { asm!(".set push", ".set noat", "synci 0({})", ".set pop", in(reg) line, options(nostack)) }
    }
    // SAFETY: a barrier.
    unsafe { asm!("sync", "ehb", options(nostack)) }
}
