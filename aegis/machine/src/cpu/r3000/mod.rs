//! R3000 (MIPS I), the processor of the thesis: TLB entries of one page, two vectors at fixed addresses, a stack of three modes
//! in Status, `rfe`.
//!
//! Source: G. Kane, MIPS RISC Architecture; the thesis for what Aegis makes of it.
//!
//! What software must do here and not on MIPS32: leave one instruction between a load (`lw`, `mfc0`) and the use of its
//! result, and two between `mfhi` or `mflo` and the next write to HI or LO. `./x audit` checks both.

mod call;
pub(super) mod cp0;
mod enter;
mod fpu;
mod interrupt;
mod miss;
mod passage;
mod start;
pub mod tlb;
mod transfer;
pub(super) mod vectors;

pub(super) use enter::resume;
pub use enter::{enter, idle};
pub(super) use fpu::with_fpu;
pub use fpu::{clear_fpu, has_fpu};

use super::dispatch;

/// Prepares TLB, dispatch blocks and registers.
pub fn init() {
    cp0::init();
    tlb::init();
    dispatch::init();
}

/// The first entries of the hardware TLB, which `tlbwr` never replaces.
pub const TLB_WIRED: u32 = 8;

/// Entries of the hardware TLB.
pub fn tlb_entries() -> u32 {
    tlb::ENTRIES
}

/// The processor's name, from the register PRId.
pub fn name() -> &'static str {
    match cp0::processor_id() >> 8 & 0xff {
        1 => "MIPS R2000",
        2 => "MIPS R3000",
        _ => "a MIPS I processor",
    }
}

/// Why Aegis does not run on this processor; `None` if it does.
pub fn unfit() -> Option<&'static str> {
    None
}

/// Makes the processor see as instructions what was written to the frame at this physical address as data.
///
/// GXemul has no caches and notices by itself what the kernel writes. (On hardware the frame's lines in the instruction cache
/// would be invalidated here, with the caches isolated and swapped, by Status.IsC and SwC.)
pub fn sync_instructions(_address: u32) {}
