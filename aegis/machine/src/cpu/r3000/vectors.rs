//! The vectors, and what they lead to: here what ends in a program's handler or in the kernel's own end, in [`super::call`]
//! system calls, in [`super::transfer`] protected control transfers, in [`super::miss`] TLB misses, in [`super::interrupt`]
//! interrupts. This is all the assembly that runs
//! between a program and the kernel's Rust code.
//!
//! Strategy. A TLB refill is answered from the STLB at its vector, by the thesis' sequence in the crate `stlb`. Everything else
//! starts from the current dispatch block: Cause holds the exception code, already scaled by 4, so adding it to the block makes
//! the address of the word that says where to go. A program's handler is entered at once, with three registers in the save area
//! and EPC, BadVAddr (if the exception brings an address, else 0) and Cause in them. A word with the sign bit set is an address in kseg0: code of the kernel's. So calls
//! and the kernel's own faults part from all other exceptions in one instruction. In its delay slot the first register is
//! saved already; where the kernel goes its own way, that is to a scratch word at the start of the block, which k1 then names.
//!
//! Only `k0` and `k1` are free, and of an interrupt just `k1`: a program that loads `k0` and jumps there, to resume without
//! the kernel (DESIGN 5), may be interrupted in between, though no other exception can fall there. An exception pushes kernel
//! mode and interrupts off onto the stack of modes in Status, and `rfe` pops them; nothing interrupts meanwhile. A fault
//! would overwrite EPC: there is none before code that enters Rust has made the kernel's own block the current one.
//!
//! Labels begin with `vec_`. The right column says what an instruction does; delay slots are indented by one space. The result of
//! a load is not there for the next instruction (load delay): something else stands between, or a `nop` that says so.

use super::cp0::{ISOLATE_CACHES, USER_STATUS};
use super::passage::{FLUSH, back_to_user, empty_cache, enter_rust};
use crate::cpu::dispatch::DISPATCHER;
use crate::cpu::fault::{REGISTERS, Registers};
use crate::cpu::frames::LastFrame;
use crate::cpu::operands::*;
use aegis_abi::calls::transfer::SYNCHRONOUS;
use core::arch::global_asm;
use core::mem::offset_of;

unsafe extern "C" {
    fn vec_call();
    fn vec_call_fpu();
    fn vec_call_over();
    fn vec_interrupt();
    fn vec_tlb_invalid();
    fn vec_unhandled();
    fn vec_kernel_fault();
    fn vec_address_1();
    fn vec_address_4();
    fn vec_address_5();
}

/// Where a system call goes.
pub fn call() -> u32 {
    vec_call as *const () as u32
}

/// Where a system call goes while the floating-point unit is on.
pub fn call_fpu() -> u32 {
    vec_call_fpu as *const () as u32
}

/// Where a system call goes after the end of the caller's slice.
pub fn call_over() -> u32 {
    vec_call_over as *const () as u32
}

/// Where an interrupt goes.
pub fn interrupt() -> u32 {
    vec_interrupt as *const () as u32
}

/// Where a reference to a page that stands in the TLB without being valid goes.
pub fn tlb_invalid() -> u32 {
    vec_tlb_invalid as *const () as u32
}

/// Where a reserved instruction goes, if not to the program's handler at once.
pub fn reserved_instruction() -> Option<u32> {
    None
}

/// Where an exception goes for which the environment has no handler or no save area.
pub fn unhandled() -> u32 {
    vec_unhandled as *const () as u32
}

/// Where exceptions of the codes 1, 4 and 5 go, which bring an address, on their way to the program's handler.
pub fn with_address() -> [(usize, u32); 3] {
    [(1, vec_address_1 as *const ()), (4, vec_address_4 as *const ()), (5, vec_address_5 as *const ())]
        .map(|(code, place)| (code, place as u32))
}

/// Where an exception of the kernel's own goes.
pub fn kernel_fault() -> u32 {
    vec_kernel_fault as *const () as u32
}

stlb::r3000_refill!(".vectors.000");

global_asm!(
    ".set push",
    ".set mips1",
    ".set noreorder",
    ".set noat",

    // ---------------------------------------------------------------------------------------------------------------
    // General exceptions, 0x80000080. Entry: all registers are the program's. 16 instructions to a program's handler.
    ".section .vectors.080,\"ax\",@progbits",
    "vec_general:",
    "lui   $k1, %hi({DISPATCHER} + {CURRENT})", // k1 = upper half of the address of CURRENT
    "mfc0  $k0, $13",                           // k0 = Cause
    "lw    $k1, %lo({DISPATCHER} + {CURRENT})($k1)", // k1 = the current block; load delay of k0
    "andi  $k0, $k0, {CODE_MASK}",              // k0 = code * 4; load delay of k1
    "addu  $k1, $k1, $k0",                      // k1 = &block.dispatch[code]
    "lw    $k0, {DISPATCH}($k1)",               // k0 = where to go
    "lw    $k1, {SAVE}($k1)",                   // k1 = save area
    "bltz  $k0, vec_kernel",                    // the kernel's own
    " sw   $a0, 0($k1)",                        // keep a0 in the save area, or in the block's scratch word
    // Entry: k0 = handler, k1 = save area, with a0 already in it.
    ".globl vec_deliver",
    "vec_deliver:",
    "sw    $a1, 4($k1)",                        // keep a1
    "sw    $a2, 8($k1)",                        // keep a2
    "mfc0  $a0, $14",                           // a0 = EPC
    "move  $a1, $zero",                         // a1 = 0: BadVAddr may be another's
    "mfc0  $a2, $13",                           // a2 = Cause; the way back hides the load delay
    back_to_user!("$k0", "$k1"),
    // Entry: k0 = code of the kernel's, k1 = the current block.
    "vec_kernel:",
    "jr    $k0",                                // go there
    " addiu $k0, $v0, -{SYNCHRONOUS}",          // for vec_call: is it a synchronous transfer?
    ".org  vec_general + 0x80",

    // ---------------------------------------------------------------------------------------------------------------
    // Exceptions that bring an address, misses aside: 21 instructions to a program's handler. Entry: k1 = the current block.
    ".section .vectors.rest,\"ax\",@progbits",
    ".irp  code, 1,4,5",
    ".globl vec_address_\\code",
    "vec_address_\\code:",
    "lw    $k0, {GENX}($k1)",                   // k0 = save area
    "lw    $k1, {USER} + 4 * \\code($k1)",       // k1 = handler; load delay of k0
    "sw    $a0, 0($k0)",                        // keep a0 in the save area; load delay of k1
    "sw    $a1, 4($k0)",                        // keep a1
    "sw    $a2, 8($k0)",                        // keep a2
    "mfc0  $a0, $14",                           // a0 = EPC
    "mfc0  $a1, $8",                            // a1 = BadVAddr
    "mfc0  $a2, $13",                           // a2 = Cause; the way back hides the load delay
    back_to_user!("$k1", "$k0"),
    ".endr",

    // Misses. Entry: k0 = handler, k1 = save area, with a0 already in it.
    ".globl vec_deliver_address",
    "vec_deliver_address:",
    "sw    $a1, 4($k1)",                        // keep a1
    "sw    $a2, 8($k1)",                        // keep a2
    "mfc0  $a0, $14",                           // a0 = EPC
    "mfc0  $a1, $8",                            // a1 = BadVAddr
    "mfc0  $a2, $13",                           // a2 = Cause; the way back hides the load delay
    back_to_user!("$k0", "$k1"),

    // ---------------------------------------------------------------------------------------------------------------
    ".section .vectors.rest,\"ax\",@progbits",
    // An exception that the environment does not handle: void aegis_unhandled(Cause, EPC, BadVAddr), which ends it.
    ".globl vec_unhandled",
    "vec_unhandled:",
    "lui   $sp, %hi(_stack - {LAST_FRAME})",
    "addiu $sp, $sp, %lo(_stack - {LAST_FRAME})",
    "mfc0  $a0, $13",
    "mfc0  $a1, $14",
    "mfc0  $a2, $8",
    enter_rust!("j", "aegis_unhandled"),

    // ---------------------------------------------------------------------------------------------------------------
    // A fault of the kernel's own: void aegis_kernel_fault(), with all registers in REGISTERS, on a stack of its own.
    ".globl vec_kernel_fault",
    "vec_kernel_fault:",
    "lui   $k0, %hi({REGISTERS})",
    "addiu $k0, $k0, %lo({REGISTERS})",         // k0 = &REGISTERS
    ".irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,28,29,30,31",
    "sw    $\\n, {R0} + 4 * \\n($k0)",
    ".endr",
    "mfhi  $a0",
    "mflo  $a1",
    "mfc0  $a2, $14",
    "mfc0  $a3, $13",
    "mfc0  $t0, $8",
    "mfc0  $t1, $12",
    "sw    $a0, {HI}($k0)",
    "sw    $a1, {LO}($k0)",
    "sw    $a2, {EPC}($k0)",
    "sw    $a3, {CAUSE}($k0)",
    "sw    $t0, {BAD_VADDR}($k0)",
    "sw    $t1, {STATUS}($k0)",
    "lui   $sp, %hi(__crash_stack - {LAST_FRAME})",
    "addiu $sp, $sp, %lo(__crash_stack - {LAST_FRAME})",
    enter_rust!("j", "aegis_kernel_fault"),
    ".set pop",
    DISPATCHER = sym DISPATCHER,
    CURRENT = const CURRENT,
    REGISTERS = sym REGISTERS,
    DISPATCH = const DISPATCH,
    SAVE = const SAVE,
    GENX = const GENX,
    USER = const USER,
    CODE_MASK = const CODE_MASK,
    SYNCHRONOUS = const SYNCHRONOUS,
    FLUSH = const FLUSH,
    ISOLATE_CACHES = const ISOLATE_CACHES,
    USER_STATUS = const USER_STATUS,
    LAST_FRAME = const size_of::<LastFrame>(),
    R0 = const register(0),
    HI = const offset_of!(Registers, hi),
    LO = const offset_of!(Registers, lo),
    EPC = const offset_of!(Registers, epc),
    CAUSE = const offset_of!(Registers, cause),
    BAD_VADDR = const offset_of!(Registers, bad_vaddr),
    STATUS = const offset_of!(Registers, status),
);
