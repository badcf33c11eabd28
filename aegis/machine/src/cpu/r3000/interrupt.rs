//! Interrupts, from the general vector on. They are answered in Rust, and the program goes on where it was, or is called up.
//!
//! For the rules of the assembly see [`super::vectors`].

use super::cp0::{IDLE_STATUS, ISOLATE_CACHES, USER_STATUS};
use super::passage::{FLUSH, back_to_user, empty_cache, enter_rust, leave_rust, look_for_interrupts};
use crate::cpu::dispatch::DISPATCHER;
use crate::cpu::frames::{
    self, InterruptFrame, MissFrame, callee_saved, caller_saved, load_interrupted, save_interrupted,
};
use crate::cpu::operands::*;
use core::arch::global_asm;
use core::mem::offset_of;
use stlb::Word;

/// Always 0.
static ZERO: Word = Word::new(0);

global_asm!(
    ".section .vectors.rest,\"ax\",@progbits",
    ".set push",
    ".set mips1",
    ".set noreorder",
    ".set noat",
    // An interrupt: u64 aegis_interrupt(Cause, &EPC), which gives 0, or handler (v0) and save area (v1) of an upcall. Where another
    // environment is to run, it does not return. It may come between any two instructions of a program, but for a branch and its
    // delay slot, so all caller-saved registers are kept. k0 and k1 are nobody's.
    ".globl vec_interrupt",
    "vec_interrupt:",
    save_interrupted!(),
    callee_saved!("sw   "),                     // which may be lost with the processor
    "mfc0  $t0, $14",                           // t0 = EPC
    "addiu $a1, $sp, {MISS_EPC}",               // the second argument; load delay of t0
    "sw    $t0, {MISS_EPC}($sp)",               // frame.epc = EPC: Rust may put it back to a window's beginning
    "mfc0  $a0, $13",                           // the first argument: Cause; the jump hides the load delay
    enter_rust!("jal", "aegis_interrupt"),
    leave_rust!(),
    "move  $k0, $v0",                           // k0 = handler
    "move  $k1, $v1",                           // k1 = save area
    load_interrupted!(),
    "bnez  $k0, 1f",
    " nop",
    "lui   $k0, %hi(_stack - {MISS_FRAME} + {MISS_EPC})", // k0 = upper half of the address of the frame's EPC
    "lw    $k0, %lo(_stack - {MISS_FRAME} + {MISS_EPC})($k0)", // k0 = frame.epc
    "nop",                                      // hazard: load delay
    back_to_user!("$k0", "$k1"),
    // An upcall, delivered as an exception is, with 0 in place of BadVAddr.
    "1:",
    "sw    $a0, 0($k1)",                        // keep a0 in the save area
    "sw    $a1, 4($k1)",                        // keep a1
    "sw    $a2, 8($k1)",                        // keep a2
    "lui   $a0, %hi(_stack - {MISS_FRAME} + {MISS_EPC})", // a0 = upper half of the address of the frame's EPC
    "lw    $a0, %lo(_stack - {MISS_FRAME} + {MISS_EPC})($a0)", // a0 = frame.epc
    "mfc0  $a2, $13",                           // a2 = Cause; load delay of a0
    "move  $a1, $zero",                         // load delay of a2
    ".if {FLUSH}",
    "srl   $a2, $a2, 8",                        // without the code, which is a call's if the interrupt was found at its end
    "sll   $a2, $a2, 8",
    ".endif",
    back_to_user!("$k0", "$k1"),

    // A program gets its processor back: vec_resume(&InterruptFrame, Status). No stack is needed any more.
    ".globl vec_resume",
    "vec_resume:",
    "move  $sp, $a0",                           // sp = frame
    "mtc0  $a1, $12",                           // Status: user mode after rfe
    leave_rust!(),
    callee_saved!("lw   "),
    "lw    $k0, {MISS_EPC}($sp)",               // k0 = frame.epc
    load_interrupted!(),
    "nop",                                      // hazard: load delay
    back_to_user!("$k0", "$k1"),

    // A transfer after the end of the caller's slice: u32 aegis_late_transfer(number, callee's name), which keeps all registers as the
    // message and does not return, or returns why it is refused. Entry: all registers but k0 and k1 are the program's.
    ".globl vec_late_transfer",
    "vec_late_transfer:",
    save_interrupted!(),
    callee_saved!("sw   "),
    "lw    $a0, {V}($sp)",                      // the arguments: the number
    "lw    $a1, {V} + 4($sp)",                  // and the callee's name; the jump hides the load delay
    enter_rust!("jal", "aegis_late_transfer"),
    leave_rust!(),
    "move  $k1, $v0",                           // k1 = why
    load_interrupted!(),
    "mfc0  $k0, $14",                           // k0 = EPC
    "move  $v0, $zero",                         // no answer; load delay of k0
    "addiu $k0, $k0, 4",                        // k0 = the instruction after syscall
    "move  $v1, $k1",                           // v1 = why
    look_for_interrupts!("vec_interrupt", "$k0", "$k1"),
    back_to_user!("$k0", "$k1"),

    // Nobody runs: wait for an interrupt, on an empty stack, in kernel mode. The kernel's own block is the current one. What the
    // interrupt saves is of no interest: aegis_interrupt finds somebody to run. GXemul knows just this loop, in which a register is
    // compared with 0 that was loaded from memory, and sleeps in it; it must not stand at the beginning of a page.
    ".globl vec_idle",
    "vec_idle:",
    "li    $k1, {IDLE_STATUS}",
    "mtc0  $k1, $12",                           // Status: kernel mode, interrupts on
    "1:",
    "lui   $v0, %hi({ZERO})",
    "lw    $v1, %lo({ZERO})($v0)",
    "nop",                                      // hazard: load delay
    "beq   $v1, $zero, 1b",
    " nop",
    ".set pop",

    DISPATCHER = sym DISPATCHER,
    CURRENT = const CURRENT,
    RESUME = const RESUME,
    FLUSH = const FLUSH,
    ISOLATE_CACHES = const ISOLATE_CACHES,
    USER_STATUS = const USER_STATUS,
    IDLE_STATUS = const IDLE_STATUS,
    ZERO = sym ZERO,
    AT = const frames::AT,
    V = const frames::V,
    A = const frames::A,
    T = const frames::T,
    RA = const frames::RA,
    MISS_FRAME = const size_of::<InterruptFrame>(),
    S = const frames::S,
    GP = const frames::GP,
    FP = const frames::FP,
    MISS_SP = const offset_of!(MissFrame, sp),
    MISS_HI = const offset_of!(MissFrame, hi),
    MISS_LO = const offset_of!(MissFrame, lo),
    MISS_EPC = const offset_of!(MissFrame, epc),
);
