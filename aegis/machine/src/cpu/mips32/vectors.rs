//! The vectors, and what they lead to: here what ends in a program's handler or in the kernel's own end, in [`super::call`]
//! system calls, in [`super::transfer`] protected control transfers, in [`super::miss`] TLB misses, in [`super::interrupt`]
//! interrupts. This is all the assembly that runs
//! between a program and the kernel's Rust code.
//!
//! Strategy. A TLB refill is answered from the STLB at its vector, by the sequence in the crate `stlb`. Everything else
//! starts from the current dispatch block: Cause holds the exception code, already scaled by 4, so one `ins` makes the
//! address of the word that says where to go. A program's handler is entered at once, with three registers in the save area
//! and EPC, BadVAddr (if the exception brings an address, else 0) and Cause in them. A word with the sign bit set is an address in kseg0: code of the kernel's. So calls,
//! TLB misses and the kernel's own faults part from all other exceptions in one instruction.
//!
//! Only `k0` and `k1` are free. Exception level (Status.EXL) is on throughout, so nothing interrupts, and a fault would not
//! overwrite EPC; code that enters Rust turns it off, after making the kernel's own block the current one.
//!
//! Labels begin with `vec_`. The right column says what an instruction does; delay slots are indented by one space.

use super::passage::enter_rust;
use crate::cpu::dispatch::{DISPATCHER, code};
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
    fn vec_tlb_invalid();
    fn vec_reserved();
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

/// Where an interrupt goes from the general vector: it has a vector of its own, so this is none.
pub fn interrupt() -> u32 {
    kernel_fault()
}

/// Where a reference to the invalid half of a live TLB entry goes.
pub fn tlb_invalid() -> u32 {
    vec_tlb_invalid as *const () as u32
}

/// Where a reserved instruction goes, if not to the program's handler at once.
pub fn reserved_instruction() -> Option<u32> {
    Some(vec_reserved as *const () as u32)
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

stlb::mips32_refill!(".vectors.000");

global_asm!(
    ".set push",
    ".set mips32r2",
    ".set noreorder",
    ".set noat",

    // ---------------------------------------------------------------------------------------------------------------
    // General exceptions, 0x80000180. Entry: all registers are the program's. 16 instructions to a program's handler.
    ".section .vectors.180,\"ax\",@progbits",
    "vec_general:",
    "mfc0  $k0, $13",                           // k0 = Cause
    "lui   $k1, %hi({DISPATCHER} + {CURRENT})", // k1 = upper half of the address of CURRENT
    "lw    $k1, %lo({DISPATCHER} + {CURRENT})($k1)",           // k1 = the current block
    "ins   $k1, $k0, 0, 7",                     // k1 = &block.dispatch[code]
    "lw    $k0, {DISPATCH}($k1)",               // k0 = where to go
    "bltz  $k0, vec_kernel",                    // the kernel's own
    " lw   $k1, {SAVE}($k1)",                   // k1 = save area
    // Entry: k0 = handler, k1 = save area.
    ".globl vec_deliver",
    "vec_deliver:",
    "sw    $a0, 0($k1)",                        // keep a0 in the save area
    "sw    $a1, 4($k1)",                        // keep a1
    "sw    $a2, 8($k1)",                        // keep a2
    "mfc0  $a0, $14",                           // a0 = EPC
    "move  $a1, $zero",                         // a1 = 0: BadVAddr may be another's
    "mfc0  $a2, $13",                           // a2 = Cause
    "mtc0  $k0, $14",                           // EPC = handler
    "ehb",                                      // hazard: EPC before eret
    "eret",                                     // go on there, in user mode
    // Entry: k0 = code of the kernel's, k1 = the current block.
    ".globl vec_kernel",
    "vec_kernel:",
    "jr    $k0",                                // go there
    " addiu $k0, $v0, -{SYNCHRONOUS}",          // for vec_call: is it a synchronous transfer?
    ".org  vec_general + 0x80",                 // the interrupts' vector follows

    // ---------------------------------------------------------------------------------------------------------------
    // Exceptions that bring an address, misses aside: 20 instructions to a program's handler. Entry: k1 = the current block.
    ".section .vectors.rest,\"ax\",@progbits",
    ".irp  code, 1,4",
    ".globl vec_address_\\code",
    "vec_address_\\code:",
    "lw    $k0, {USER} + 4 * \\code($k1)",       // k0 = handler
    "lw    $k1, {GENX}($k1)",                   // k1 = save area
    "sw    $a0, 0($k1)",                        // keep a0 in the save area
    "sw    $a1, 4($k1)",                        // keep a1
    "sw    $a2, 8($k1)",                        // keep a2
    "mfc0  $a0, $14",                           // a0 = EPC
    "mfc0  $a1, $8",                            // a1 = BadVAddr
    "mfc0  $a2, $13",                           // a2 = Cause
    "mtc0  $k0, $14",                           // EPC = handler
    "ehb",                                      // hazard: EPC before eret
    "eret",                                     // go on there, in user mode
    ".endr",
    ".globl vec_address_5",
    "vec_address_5:",
    "lw    $k0, {USER} + 4 * 5($k1)",           // k0 = handler
    "lw    $k1, {GENX}($k1)",                   // k1 = save area
    // Misses come here. Entry: k0 = handler, k1 = save area.
    ".globl vec_deliver_address",
    "vec_deliver_address:",
    "sw    $a0, 0($k1)",                        // keep a0 in the save area
    "sw    $a1, 4($k1)",                        // keep a1
    "sw    $a2, 8($k1)",                        // keep a2
    "mfc0  $a0, $14",                           // a0 = EPC
    "mfc0  $a1, $8",                            // a1 = BadVAddr
    "mfc0  $a2, $13",                           // a2 = Cause
    "mtc0  $k0, $14",                           // EPC = handler
    "ehb",                                      // hazard: EPC before eret
    "eret",                                     // go on there, in user mode

    // ---------------------------------------------------------------------------------------------------------------
    // Cache errors, 0x80000100: none can come.
    ".section .vectors.100,\"ax\",@progbits",
    "vec_cache_error:",
    "j     vec_kernel_fault",
    " nop",
    ".org  vec_cache_error + 0x80",

    // ---------------------------------------------------------------------------------------------------------------
    ".section .vectors.rest,\"ax\",@progbits",
    // Reserved instruction. Under QEMU a program's `sdbbp` ends here too: it enters debug mode, in which
    // user code would run with the kernel's rights, and runs from the debug vector into a word that is no instruction.
    // `deret` ends debug mode; the program's PC is in DEPC: of a `sdbbp` in a delay slot the branch's, but QEMU leaves
    // Debug.DBD off, so that Cause.BD cannot be set for the program.
    ".globl vec_reserved",
    "vec_reserved:",
    "mfc0  $k0, $23",                           // k0 = Debug
    "sll   $k0, $k0, 1",
    "bgez  $k0, 2f",                            // Debug.DM, bit 30, is off
    " lui  $k0, %hi(1f)",
    "addiu $k0, $k0, %lo(1f)",
    "mfc0  $k1, $24",                           // k1 = DEPC
    "mtc0  $k0, $24",
    "ehb",                                      // hazard: DEPC before deret
    "deret",                                    // leave debug mode, to the next instruction
    "1:",
    "mtc0  $k1, $14",                           // EPC = the sdbbp, or the branch before it
    "2:",
    "lui   $k0, %hi({DISPATCHER} + {CURRENT})", // k0 = upper half of the address of CURRENT
    "lw    $k0, %lo({DISPATCHER} + {CURRENT})($k0)", // k0 = the current block
    "lw    $k1, {GENX}($k0)",                   // k1 = save area
    "lw    $k0, {USER} + {RESERVED}($k0)",      // k0 = handler
    "bgez  $k0, vec_deliver",                   // a handler of the program's
    " ehb",                                     // hazard: EPC before mfc0
    "jr    $k0",                                // there is none
    " nop",

    // ---------------------------------------------------------------------------------------------------------------
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
    "sw    $a0, {HI}($k0)",
    "mflo  $a0",
    "sw    $a0, {LO}($k0)",
    "mfc0  $a0, $14",
    "sw    $a0, {EPC}($k0)",
    "mfc0  $a0, $13",
    "sw    $a0, {CAUSE}($k0)",
    "mfc0  $a0, $8",
    "sw    $a0, {BAD_VADDR}($k0)",
    "mfc0  $a0, $12",
    "sw    $a0, {STATUS}($k0)",
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
    RESERVED = const code::RESERVED_INSTRUCTION * WORD,
    SYNCHRONOUS = const SYNCHRONOUS,
    LAST_FRAME = const size_of::<LastFrame>(),
    R0 = const register(0),
    HI = const offset_of!(Registers, hi),
    LO = const offset_of!(Registers, lo),
    EPC = const offset_of!(Registers, epc),
    CAUSE = const offset_of!(Registers, cause),
    BAD_VADDR = const offset_of!(Registers, bad_vaddr),
    STATUS = const offset_of!(Registers, status),
);
