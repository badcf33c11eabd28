//! Interrupts, from their own vector on. They are answered in Rust, and the program goes on where it was, or is called up.
//!
//! For the rules of the assembly see [`super::vectors`].

use super::cp0::IDLE_STATUS;
use super::passage::{enter_rust, leave_rust};
use crate::cpu::dispatch::DISPATCHER;
use crate::cpu::frames::{
    self, InterruptFrame, MissFrame, callee_saved, caller_saved, load_interrupted, save_interrupted,
};
use crate::cpu::operands::*;
use core::arch::global_asm;
use core::mem::offset_of;

global_asm!(
    ".set push",
    ".set mips32r2",
    ".set noreorder",
    ".set noat",

    // 0x80000200. An interrupt may come between any two instructions of a program, but for a branch and its delay slot, so all
    // caller-saved registers are kept. k0 and k1 are nobody's.
    ".section .vectors.200,\"ax\",@progbits",
    "vec_interrupt:",
    "j     vec_interrupted",
    " nop",
    ".org  vec_interrupt + 0x80",

    // u64 aegis_interrupt(Cause, &EPC): 0, or handler (v0) and save area (v1) of an upcall. Where another environment is to run, it does
    // not return.
    ".section .vectors.rest,\"ax\",@progbits",
    "vec_interrupted:",
    save_interrupted!(),
    callee_saved!("sw   "),                     // which may be lost with the processor
    "mfc0  $t0, $14",                           // t0 = EPC
    "sw    $t0, {MISS_EPC}($sp)",               // frame.epc = EPC
    "mfc0  $a0, $13",                           // the arguments: Cause,
    "addiu $a1, $sp, {MISS_EPC}",               // and where it goes on, which may be put back to a window's beginning
    enter_rust!("jal", "aegis_interrupt"),
    leave_rust!(),
    "lw    $t0, {MISS_EPC}($sp)",               // t0 = frame.epc
    "mtc0  $t0, $14",                           // EPC = frame.epc
    "move  $k0, $v0",                           // k0 = handler
    "move  $k1, $v1",                           // k1 = save area
    load_interrupted!(),
    "bnez  $k0, 1f",
    " ehb",                                     // hazard: EPC and Status before eret
    "eret",
    // An upcall, delivered as an exception is, with 0 in place of BadVAddr.
    "1:",
    "sw    $a0, 0($k1)",                        // keep a0 in the save area
    "sw    $a1, 4($k1)",                        // keep a1
    "sw    $a2, 8($k1)",                        // keep a2
    "mfc0  $a0, $14",                           // a0 = EPC
    "move  $a1, $zero",
    "mfc0  $a2, $13",                           // a2 = Cause
    "mtc0  $k0, $14",                           // EPC = handler
    "ehb",                                      // hazard: EPC and Status before eret
    "eret",

    // A program gets its processor back: vec_resume(&InterruptFrame). No stack is needed any more.
    ".globl vec_resume",
    "vec_resume:",
    "move  $sp, $a0",                           // sp = frame
    leave_rust!(),
    "lw    $t0, {MISS_EPC}($sp)",               // t0 = frame.epc
    "mtc0  $t0, $14",                           // EPC = frame.epc
    callee_saved!("lw   "),
    load_interrupted!(),
    "move  $k0, $zero",
    "ehb",                                      // hazard: EPC and Status before eret
    "eret",

    // A transfer after the end of the caller's slice: u32 aegis_late_transfer(number, callee's name), which keeps all registers as the
    // message and does not return, or returns why it is refused. Entry: all registers but k0 and k1 are the program's.
    ".globl vec_late_transfer",
    "vec_late_transfer:",
    save_interrupted!(),
    callee_saved!("sw   "),
    "lw    $a0, {V}($sp)",                      // the arguments: the number
    "lw    $a1, {V} + 4($sp)",                  // and the callee's name
    enter_rust!("jal", "aegis_late_transfer"),
    leave_rust!(),
    "move  $k0, $v0",                           // k0 = why
    "mfc0  $k1, $14",                           // k1 = EPC
    "addiu $k1, $k1, 4",                        // k1 = the instruction behind it
    "mtc0  $k1, $14",                           // EPC = the instruction after syscall
    load_interrupted!(),
    "move  $v0, $zero",                         // no answer
    "move  $v1, $k0",                           // v1 = why
    "ehb",                                      // hazard: EPC and Status before eret
    "eret",                                     // go on there, in user mode

    // Nobody runs: wait for an interrupt, on an empty stack, in kernel mode. The kernel's own block is the current one. What the
    // interrupt saves is of no interest: aegis_interrupt finds somebody to run.
    ".globl vec_idle",
    "vec_idle:",
    "li    $k1, {IDLE_STATUS}",
    "mtc0  $k1, $12",                           // Status: kernel mode, interrupts on
    "ehb",                                      // hazard: Status before wait
    "1:",
    "wait",
    "b     1b",
    " nop",
    ".set pop",

    DISPATCHER = sym DISPATCHER,
    CURRENT = const CURRENT,
    RESUME = const RESUME,
    STATUS = const STATUS,
    IDLE_STATUS = const IDLE_STATUS,
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
