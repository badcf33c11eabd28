//! System calls, from the general vector on. The null call is answered here, the others in Rust; transfers part here, and what is
//! another system's goes to the program's own handler.
//!
//! For the rules of the assembly see [`super::vectors`].

use super::cp0::USER_STATUS;
use super::passage::{enter_rust, leave_rust};
use crate::cpu::dispatch::DISPATCHER;
use crate::cpu::frames::{CallFrame, clear_caller_saved};
use crate::cpu::operands::*;
use aegis_abi::calls;
use aegis_abi::calls::transfer::{ASYNCHRONOUS, SYNCHRONOUS};
use aegis_abi::limits::CALLS;
use core::arch::global_asm;
use core::mem::offset_of;

// What `ori` loads, and how the transfers are told apart from other calls.
const _: () = assert!(USER_STATUS < 1 << 16 && SYNCHRONOUS == ASYNCHRONOUS + 1);
// The null call's number is compared with $zero, and what is below SYNCHRONOUS is not answered in Rust.
const _: () = assert!(calls::Number::pid as u32 == 0 && ASYNCHRONOUS == 1 && SYNCHRONOUS == 2);

global_asm!(
    ".section .vectors.rest,\"ax\",@progbits",
    ".set push",
    ".set mips32r2",
    ".set noreorder",
    ".set noat",

    // System calls. Entry: all registers but k0 and k1 are the program's; k0 = number - SYNCHRONOUS, from the delay slot; k1 = the
    // current block.
    ".globl vec_call",
    "vec_call:",
    "beqz  $k0, vec_transfer",                  // a synchronous transfer
    " sltiu $k0, $k0, {CALLS} - {SYNCHRONOUS}", // is it one that is answered in Rust?
    "bnez  $k0, vec_call_rust",                 // answered in Rust
    " lui  $k0, %hi(_stack - {CALL_FRAME})",    // k0 = upper half of the address of the kernel's frame
    "beqz  $v0, vec_call_pid",                  // the call `pid`
    " addiu $k0, $v0, -{ASYNCHRONOUS}",         // is it an asynchronous transfer?
    "beqz  $k0, vec_transfer_asynchronous",     // it is
    // Another system's number: to the program's own handler.
    " lw   $k0, {USER} + {SYSCALL}($k1)",       // k0 = block.user[syscall]
    "bgez  $k0, vec_deliver",                   // a handler of the program's
    " lw   $k1, {GENX}($k1)",                   // k1 = save area
    "jr    $k0",                                // there is none
    " nop",

    // The null call: the name of the running environment.
    "vec_call_pid:",
    "lw    $v0, {PID}($k1)",                    // v0 = block.pid
    "mfc0  $k0, $14",                           // k0 = EPC
    "addiu $k0, $k0, 4",                        // k0 = the instruction behind it
    "mtc0  $k0, $14",                           // EPC = the instruction after syscall
    "move  $v1, $zero",                         // v1 = no error
    "ehb",                                      // hazard: EPC before eret
    "eret",                                     // go on there, in user mode

    // System calls while the floating-point unit is on. Entry alike. A transfer turns it off first, so that the callee does not find the
    // caller's registers; and with it this.
    ".globl vec_call_fpu",
    "vec_call_fpu:",
    "addiu $k0, $k0, {SYNCHRONOUS} - {ASYNCHRONOUS}",
    "sltiu $k0, $k0, 2",                        // is it one of the two transfers?
    "beqz  $k0, vec_call",
    " addiu $k0, $v0, -{SYNCHRONOUS}",          // for vec_call
    "lui   $k0, %hi(vec_call)",
    "addiu $k0, $k0, %lo(vec_call)",
    "sw    $k0, {DISPATCH} + {SYSCALL}($k1)",   // block.dispatch[syscall] = vec_call
    "ori   $k0, $zero, {USER_STATUS}",
    "sw    $k0, {STATUS}($k1)",                 // block.status = without it
    "mtc0  $k0, $12",                           // Status, too; the way to the callee has an ehb
    "j     vec_call",
    " addiu $k0, $v0, -{SYNCHRONOUS}",          // for vec_call

    // System calls of a program whose slice is over. Entry alike. A transfer waits until the slice begins again.
    ".globl vec_call_over",
    "vec_call_over:",
    "addiu $k0, $k0, {SYNCHRONOUS} - {ASYNCHRONOUS}",
    "sltiu $k0, $k0, 2",                        // is it one of the two transfers?
    "bnez  $k0, vec_late_transfer",
    " nop",
    "j     vec_call",
    " addiu $k0, $v0, -{SYNCHRONOUS}",          // for vec_call

    // Calls answered in Rust: u64 aegis_call(a0, a1, a2, a3, number), the answer being v0 and v1 as they go back.
    // Only what a call must preserve and the compiler does not is saved: sp and ra. s0-s7, gp and fp are the callee's to keep.
    // EPC keeps its value: nothing but a fault, which ends all, changes it.
    "vec_call_rust:",                           // k0 = upper half of the frame, from the delay slot
    "sw    $sp, %lo(_stack - {CALL_FRAME} + {CALL_SP})($k0)",
    "addiu $sp, $k0, %lo(_stack - {CALL_FRAME})", // sp = frame on the kernel's stack, whose top is aligned to a page
    "sw    $ra, {CALL_RA}($sp)",
    "sw    $v0, {CALL_NUMBER}($sp)",            // the fifth argument
    enter_rust!("jal", "aegis_call"),
    // v0, v1: the answer. All other caller-saved registers may hold something of the kernel's: they are cleared.
    leave_rust!(),
    "mfc0  $k1, $14",                           // k1 = EPC
    "addiu $k1, $k1, 4",                        // k1 = the instruction behind it
    "lw    $ra, {CALL_RA}($sp)",
    "lw    $sp, {CALL_SP}($sp)",
    "mtc0  $k1, $14",                           // EPC = the instruction after syscall
    clear_caller_saved!(),
    "ehb",                                      // hazard: EPC and Status before eret
    "eret",                                     // go on there, in user mode
    ".set pop",

    DISPATCHER = sym DISPATCHER,
    CURRENT = const CURRENT,
    RESUME = const RESUME,
    GENX = const GENX,
    USER = const USER,
    PID = const PID,
    SYSCALL = const SYSCALL,
    STATUS = const STATUS,
    USER_STATUS = const USER_STATUS,
    DISPATCH = const DISPATCH,
    CALLS = const CALLS,
    SYNCHRONOUS = const SYNCHRONOUS,
    ASYNCHRONOUS = const ASYNCHRONOUS,
    CALL_FRAME = const size_of::<CallFrame>(),
    CALL_NUMBER = const offset_of!(CallFrame, number),
    CALL_SP = const offset_of!(CallFrame, sp),
    CALL_RA = const offset_of!(CallFrame, ra),
);
