//! Interrupts, from the general vector on. They are answered in Rust, and the program goes on where it was.
//!
//! For the rules of the assembly see [`super::vectors`].

use super::cp0::{ISOLATE_CACHES, USER_STATUS};
use super::passage::{FLUSH, empty_cache, enter_rust, leave_rust};
use crate::cpu::dispatch::DISPATCHER;
use crate::cpu::frames::{self, MissFrame, caller_saved, load_interrupted, save_interrupted};
use crate::cpu::operands::*;
use core::arch::global_asm;
use core::mem::offset_of;

global_asm!(
    ".section .vectors.rest,\"ax\",@progbits",
    ".set push",
    ".set mips1",
    ".set noreorder",
    ".set noat",
    // An interrupt: void aegis_interrupt(Cause). It may come between any two instructions of a program, but for a branch and its
    // delay slot, so all caller-saved registers are kept, and k0, which the general vector has put away. k1 alone is nobody's.
    ".globl vec_interrupt",
    "vec_interrupt:",
    save_interrupted!(),
    "mfc0  $a0, $13",                           // the argument: Cause; the jump hides the load delay
    enter_rust!("jal", "aegis_interrupt"),
    leave_rust!(),
    load_interrupted!(),
    "lui   $k1, %hi({DISPATCHER} + {K0})",
    "lw    $k0, %lo({DISPATCHER} + {K0})($k1)",
    empty_cache!("$k1"),
    "mfc0  $k1, $14",                           // k1 = the interrupted instruction, or the branch before it
    "nop",                                      // hazard: load delay
    "jr    $k1",
    " .word 0x42000010",                        // rfe
    ".set pop",

    DISPATCHER = sym DISPATCHER,
    CURRENT = const CURRENT,
    RESUME = const RESUME,
    K0 = const K0,
    FLUSH = const FLUSH,
    ISOLATE_CACHES = const ISOLATE_CACHES,
    USER_STATUS = const USER_STATUS,
    AT = const frames::AT,
    V = const frames::V,
    A = const frames::A,
    T = const frames::T,
    RA = const frames::RA,
    MISS_FRAME = const size_of::<MissFrame>(),
    MISS_SP = const offset_of!(MissFrame, sp),
    MISS_HI = const offset_of!(MissFrame, hi),
    MISS_LO = const offset_of!(MissFrame, lo),
);
