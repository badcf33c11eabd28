//! The vectors and what they lead to. This is all the assembly that runs between a program and the kernel's Rust code.
//!
//! Strategy. A TLB refill is answered from the STLB at its vector, by the sequence in the crate `stlb`. Everything else
//! starts from the current dispatch block: Cause holds the exception code, already scaled by 4, so one `ins` makes the
//! address of the word that says where to go. A program's handler is entered at once, with three registers in the save area
//! and EPC, BadVAddr and Cause in them. A word with the sign bit set is an address in kseg0: code of the kernel's. So calls,
//! TLB misses and the kernel's own faults part from all other exceptions in one instruction.
//!
//! Only `k0` and `k1` are free. Exception level (Status.EXL) is on throughout, so nothing interrupts, and a fault would not
//! overwrite EPC; code that enters Rust turns it off, after making the kernel's own block the current one.
//!
//! Labels begin with `vec_`. The right column says what an instruction does; delay slots are indented by one space.

use super::cp0::USER_STATUS;
use super::dispatch::DISPATCHER;
use super::fault::{REGISTERS, Registers};
use super::operands::*;
use crate::info::INFO;
use aegis_abi::calls;
use aegis_abi::limits::CALLS;
use core::arch::global_asm;
use core::mem::offset_of;

unsafe extern "C" {
    fn vec_call();
    fn vec_tlb_invalid();
    fn vec_reserved();
    fn vec_unhandled();
    fn vec_kernel_fault();
}

/// Where a system call goes.
pub(super) fn call() -> u32 {
    vec_call as *const () as u32
}

/// Where a reference to the invalid half of a live TLB entry goes.
pub(super) fn tlb_invalid() -> u32 {
    vec_tlb_invalid as *const () as u32
}

/// Where a reserved instruction goes.
pub(super) fn reserved_instruction() -> u32 {
    vec_reserved as *const () as u32
}

/// Where an exception goes for which the environment has no handler or no save area.
pub(super) fn unhandled() -> u32 {
    vec_unhandled as *const () as u32
}

/// Where an exception of the kernel's own goes.
pub(super) fn kernel_fault() -> u32 {
    vec_kernel_fault as *const () as u32
}

// The null call's number is compared with $zero.
const _: () = assert!(calls::Number::pid as u32 == 0);
// The overflow buffer is found by its upper half alone.
const _: () = assert!(stlb::operands::TABLE.is_multiple_of(1 << 16) && stlb::OVERFLOW == 8);

stlb::mips32_refill!(".vectors.refill");

global_asm!(
    ".set push",
    ".set mips32r2",
    ".set noreorder",
    ".set noat",

    // ---------------------------------------------------------------------------------------------------------------
    // General exceptions, 0x80000180. Entry: all registers are the program's. 16 instructions to a program's handler.
    ".section .vectors.general,\"ax\",@progbits",
    "vec_general:",
    "mfc0  $k0, $13",                           // k0 = Cause
    "lui   $k1, %hi({DISPATCHER} + {CURRENT})",
    "lw    $k1, %lo({DISPATCHER} + {CURRENT})($k1)",           // k1 = the current block
    "ins   $k1, $k0, 0, 7",                     // k1 = &block.dispatch[code]
    "lw    $k0, 0($k1)",                        // k0 = where to go
    "bltz  $k0, vec_kernel",                    // the kernel's own
    " lw   $k1, {SAVE}($k1)",                   // k1 = save area
    // Entry: k0 = handler, k1 = save area.
    "vec_deliver:",
    "sw    $a0, 0($k1)",
    "sw    $a1, 4($k1)",
    "sw    $a2, 8($k1)",
    "mfc0  $a0, $14",                           // a0 = EPC
    "mfc0  $a1, $8",                            // a1 = BadVAddr
    "mfc0  $a2, $13",                           // a2 = Cause
    "mtc0  $k0, $14",                           // EPC = handler
    "ehb",                                      // hazard: EPC before eret
    "eret",
    // Entry: k0 = code of the kernel's, k1 = save area.
    "vec_kernel:",
    "jr    $k0",
    " sltiu $k0, $v0, {CALLS}",                 // for vec_call: is the number one of Aegis'?
    ".org  vec_general + 0x80",                 // the interrupts' vector follows

    // ---------------------------------------------------------------------------------------------------------------
    // Interrupts, 0x80000200, and cache errors, 0x80000100: none is enabled, none can come.
    ".section .vectors.interrupt,\"ax\",@progbits",
    "vec_interrupt:",
    "j     vec_kernel_fault",
    " nop",
    ".org  vec_interrupt + 0x80",
    ".section .vectors.cache_error,\"ax\",@progbits",
    "vec_cache_error:",
    "j     vec_kernel_fault",
    " nop",
    ".org  vec_cache_error + 0x80",

    // ---------------------------------------------------------------------------------------------------------------
    // System calls. Entry: all registers but k0 and k1 are the program's; k1 = save area for `syscall`.
    ".section .vectors.rest,\"ax\",@progbits",
    ".globl vec_call",
    "vec_call:",                                // k0 = is it one of Aegis' numbers? (from the delay slot)
    "beqz  $v0, vec_call_pid",
    " lui  $k1, %hi({DISPATCHER} + {CURRENT})",
    "bnez  $k0, vec_call_rust",
    " lw   $k1, %lo({DISPATCHER} + {CURRENT})($k1)", // k1 = the current block
    // Another system's number: to the program's own handler.
    "lw    $k0, {USER} + {SYSCALL}($k1)",       // k0 = block.user[syscall]
    "bgez  $k0, vec_deliver",
    " lw   $k1, {SAVE} + {SYSCALL}($k1)",       // k1 = save area
    "jr    $k0",                                // there is none
    " nop",

    // The null call: the name of the running environment.
    "vec_call_pid:",
    "lw    $k1, %lo({DISPATCHER} + {CURRENT})($k1)", // k1 = the current block
    "lw    $v0, {PID}($k1)",                    // v0 = block.pid
    "mfc0  $k0, $14",
    "addiu $k0, $k0, 4",
    "mtc0  $k0, $14",                           // EPC = the instruction after syscall
    "move  $v1, $zero",                         // v1 = no error
    "ehb",                                      // hazard: EPC before eret
    "eret",

    // Calls answered in Rust: u64 aegis_call(a0, a1, a2, a3, number), the answer being v0 and v1 as they go back.
    // Only what a call must preserve and the compiler does not is saved: sp and ra. s0-s7, gp and fp are the callee's to keep.
    "vec_call_rust:",
    "lui   $k0, %hi(_stack - {CALL_FRAME})",
    "sw    $sp, %lo(_stack - {CALL_FRAME} + {CALL_SP})($k0)",
    "addiu $sp, $k0, %lo(_stack - {CALL_FRAME})", // sp = frame on the kernel's stack, whose top is aligned to a page
    "sw    $ra, {CALL_RA}($sp)",
    "sw    $v0, {CALL_NUMBER}($sp)",            // the fifth argument
    "mfc0  $k1, $14",
    "addiu $k1, $k1, 4",
    "sw    $k1, {CALL_EPC}($sp)",               // frame.epc = the instruction after syscall
    "lui   $k1, %hi({DISPATCHER})",
    "addiu $k1, $k1, %lo({DISPATCHER})",        // k1 = the kernel's own block
    "sw    $k1, {CURRENT}($k1)",                // current block = the kernel's: from here on a fault is the kernel's
    "mtc0  $zero, $12",                         // Status: kernel mode, exception level off
    "jal   aegis_call",
    " ehb",                                     // hazard: Status before the callee's first instruction
    // v0, v1: the answer. All other caller-saved registers may hold something of the kernel's: they are cleared.
    "li    $k1, {USER_STATUS}",
    "mtc0  $k1, $12",                           // Status: exception level on
    "lui   $k1, %hi({DISPATCHER})",
    "addiu $k1, $k1, %lo({DISPATCHER})",
    "lw    $k0, {RESUME}($k1)",
    "sw    $k0, {CURRENT}($k1)",                // current block = the one to resume
    "lw    $k1, {CALL_EPC}($sp)",
    "lw    $ra, {CALL_RA}($sp)",
    "lw    $sp, {CALL_SP}($sp)",
    "mtc0  $k1, $14",                           // EPC = frame.epc
    "move  $at, $zero",
    "move  $a0, $zero",
    "move  $a1, $zero",
    "move  $a2, $zero",
    "move  $a3, $zero",
    "move  $t0, $zero",
    "move  $t1, $zero",
    "move  $t2, $zero",
    "move  $t3, $zero",
    "move  $t4, $zero",
    "move  $t5, $zero",
    "move  $t6, $zero",
    "move  $t7, $zero",
    "move  $t8, $zero",
    "move  $t9, $zero",
    "mthi  $zero",
    "mtlo  $zero",
    "ehb",                                      // hazard: EPC and Status before eret
    "eret",

    // ---------------------------------------------------------------------------------------------------------------
    // A refill that the STLB's table cannot answer. Entry: k0 = Context; all registers but k0 and k1 are the program's, and
    // so is its save area: it may hold an exception that its handler, whose own page may miss now, has yet to read.
    // Next is the overflow buffer: its eight tags are compared with Context in turn. The upper half of all its addresses is
    // the same, so it is in k1 wherever a comparison leads.
    ".globl stlb_miss",
    "stlb_miss:",
    "lui   $k1, %hi(stlb_table + {TABLE})",
    ".irp n, 0,1,2,3,4,5,6,7",
    "lw    $k1, %lo(stlb_table + {TABLE} + \\n * {ENTRY} + {TAG})($k1)", // k1 = overflow[n].tag
    "beq   $k1, $k0, vec_overflow_\\n",
    " lui  $k1, %hi(stlb_table + {TABLE})",
    ".endr",
    // In neither. What is left is a guaranteed mapping, which can only be in the guaranteed segment, or the application. The
    // same holds for a reference to the invalid half of a live entry, which comes from the general vector: a live entry
    // and the STLB's line for its pair are equal, so the STLB cannot have that half either.
    ".globl vec_tlb_invalid",
    "vec_tlb_invalid:",
    "mfc0  $k0, $8",                            // k0 = BadVAddr
    "srl   $k0, $k0, {GUARANTEED_SHIFT}",
    "beqz  $k0, vec_guaranteed",
    " lui  $k0, %hi({INFO} + {COUNT_UPCALLS})",
    // To the application.
    "vec_upcall:",
    "lw    $k1, %lo({INFO} + {COUNT_UPCALLS})($k0)",
    "addiu $k1, $k1, 1",
    "sw    $k1, %lo({INFO} + {COUNT_UPCALLS})($k0)", // count it
    "lui   $k1, %hi({DISPATCHER} + {CURRENT})",
    "lw    $k1, %lo({DISPATCHER} + {CURRENT})($k1)",           // k1 = the current block
    "mfc0  $k0, $13",                           // k0 = Cause
    "ins   $k1, $k0, 0, 7",
    "lw    $k0, {USER}($k1)",                   // k0 = block.user[code]
    "bgez  $k0, vec_deliver",
    " lw   $k1, {SAVE}($k1)",                   // k1 = save area
    "jr    $k0",                                // there is no handler, or the kernel itself missed
    " nop",

    // A hit in the overflow buffer. k1 = upper half of its address.
    ".irp n, 0,1,2,3,4,5,6,7",
    "vec_overflow_\\n:",
    "lw    $k0, %lo(stlb_table + {TABLE} + \\n * {ENTRY} + {LO0})($k1)",
    "lw    $k1, %lo(stlb_table + {TABLE} + \\n * {ENTRY} + {LO1})($k1)",
    "b     vec_overflow",
    " mtc0 $k0, $2",                            // EntryLo0 = overflow[n].lo0
    ".endr",
    "vec_overflow:",
    "mtc0  $k1, $3",                            // EntryLo1 = overflow[n].lo1
    "lui   $k0, %hi({INFO} + {COUNT_OVERFLOW})",
    "lw    $k1, %lo({INFO} + {COUNT_OVERFLOW})($k0)",
    "addiu $k1, $k1, 1",
    "sw    $k1, %lo({INFO} + {COUNT_OVERFLOW})($k0)", // count it
    ".if {FAITHFUL}",
    "mfc0  $k0, $1",
    "mtc0  $k0, $0",                            // Index = Random
    "ehb",                                      // hazard: Index, EntryLo0, EntryLo1 before tlbwi
    "tlbwi",
    ".else",
    "ehb",                                      // hazard: EntryLo0, EntryLo1 before tlbwr
    "tlbwr",
    ".endif",
    "eret",

    // A miss in the guaranteed segment, answered in Rust: bool aegis_miss(BadVAddr), true if the application must handle it.
    // It may happen between any two instructions, so all caller-saved registers are kept.
    "vec_guaranteed:",
    "mfc0  $k0, $14",                           // k0 = EPC
    "bltz  $k0, vec_kernel_fault",              // it was the kernel's own reference
    " lui  $k0, %hi(_stack - {MISS_FRAME})",
    "addiu $k0, $k0, %lo(_stack - {MISS_FRAME})", // k0 = frame on the kernel's stack
    "sw    $sp, {MISS_SP}($k0)",
    "move  $sp, $k0",
    "sw    $at, {MISS_AT}($sp)",
    "sw    $v0, {MISS_V} + 0($sp)",
    "sw    $v1, {MISS_V} + 4($sp)",
    "sw    $a0, {MISS_A} + 0($sp)",
    "sw    $a1, {MISS_A} + 4($sp)",
    "sw    $a2, {MISS_A} + 8($sp)",
    "sw    $a3, {MISS_A} + 12($sp)",
    "sw    $t0, {MISS_T} + 0($sp)",
    "sw    $t1, {MISS_T} + 4($sp)",
    "sw    $t2, {MISS_T} + 8($sp)",
    "sw    $t3, {MISS_T} + 12($sp)",
    "sw    $t4, {MISS_T} + 16($sp)",
    "sw    $t5, {MISS_T} + 20($sp)",
    "sw    $t6, {MISS_T} + 24($sp)",
    "sw    $t7, {MISS_T} + 28($sp)",
    "sw    $t8, {MISS_T} + 32($sp)",
    "sw    $t9, {MISS_T} + 36($sp)",
    "sw    $ra, {MISS_RA}($sp)",
    "mfhi  $t0",
    "mflo  $t1",
    "sw    $t0, {MISS_HI}($sp)",
    "sw    $t1, {MISS_LO}($sp)",
    "mfc0  $t0, $14",
    "sw    $t0, {MISS_EPC}($sp)",
    "mfc0  $a0, $8",                            // the argument: BadVAddr
    "lui   $k1, %hi({DISPATCHER})",
    "addiu $k1, $k1, %lo({DISPATCHER})",        // k1 = the kernel's own block
    "sw    $k1, {CURRENT}($k1)",                // current block = the kernel's
    "mtc0  $zero, $12",                         // Status: kernel mode, exception level off
    "jal   aegis_miss",
    " ehb",                                     // hazard: Status before the callee's first instruction
    "li    $k1, {USER_STATUS}",
    "mtc0  $k1, $12",                           // Status: exception level on
    "lui   $k1, %hi({DISPATCHER})",
    "addiu $k1, $k1, %lo({DISPATCHER})",
    "lw    $k0, {RESUME}($k1)",
    "sw    $k0, {CURRENT}($k1)",                // current block = the one to resume
    "lw    $t0, {MISS_EPC}($sp)",
    "mtc0  $t0, $14",                           // EPC = frame.epc
    "move  $k0, $v0",                           // k0 = to the application?
    "lw    $t0, {MISS_HI}($sp)",
    "lw    $t1, {MISS_LO}($sp)",
    "mthi  $t0",
    "mtlo  $t1",
    "lw    $at, {MISS_AT}($sp)",
    "lw    $v0, {MISS_V} + 0($sp)",
    "lw    $v1, {MISS_V} + 4($sp)",
    "lw    $a0, {MISS_A} + 0($sp)",
    "lw    $a1, {MISS_A} + 4($sp)",
    "lw    $a2, {MISS_A} + 8($sp)",
    "lw    $a3, {MISS_A} + 12($sp)",
    "lw    $t0, {MISS_T} + 0($sp)",
    "lw    $t1, {MISS_T} + 4($sp)",
    "lw    $t2, {MISS_T} + 8($sp)",
    "lw    $t3, {MISS_T} + 12($sp)",
    "lw    $t4, {MISS_T} + 16($sp)",
    "lw    $t5, {MISS_T} + 20($sp)",
    "lw    $t6, {MISS_T} + 24($sp)",
    "lw    $t7, {MISS_T} + 28($sp)",
    "lw    $t8, {MISS_T} + 32($sp)",
    "lw    $t9, {MISS_T} + 36($sp)",
    "lw    $ra, {MISS_RA}($sp)",
    "lw    $sp, {MISS_SP}($sp)",
    "bnez  $k0, vec_upcall",                    // Cause and BadVAddr are as they were
    " lui  $k0, %hi({INFO} + {COUNT_UPCALLS})",
    "ehb",                                      // hazard: EPC and Status before eret
    "eret",                                     // refilled: repeat the access

    // ---------------------------------------------------------------------------------------------------------------
    // Reserved instruction. k1 = save area. Under QEMU a program's `sdbbp` ends here too: it enters debug mode, in which
    // user code would run with the kernel's rights, and runs from the debug vector into a word that is no instruction.
    // `deret` ends debug mode; the program's PC is in DEPC.
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
    "mtc0  $k1, $14",                           // EPC = the sdbbp
    "2:",
    "lui   $k0, %hi({DISPATCHER} + {CURRENT})",
    "lw    $k0, %lo({DISPATCHER} + {CURRENT})($k0)",
    "lw    $k1, {SAVE} + {RESERVED}($k0)",      // k1 = save area
    "lw    $k0, {USER} + {RESERVED}($k0)",      // k0 = handler
    "bgez  $k0, vec_deliver",
    " ehb",                                     // hazard: EPC before mfc0
    "jr    $k0",                                // there is none
    " nop",

    // ---------------------------------------------------------------------------------------------------------------
    // An exception that the environment does not handle: void aegis_unhandled(Cause, EPC, BadVAddr), which ends it.
    ".globl vec_unhandled",
    "vec_unhandled:",
    "lui   $sp, %hi(_stack - {LAST_FRAME})",
    "addiu $sp, $sp, %lo(_stack - {LAST_FRAME})",
    "lui   $k1, %hi({DISPATCHER})",
    "addiu $k1, $k1, %lo({DISPATCHER})",        // k1 = the kernel's own block
    "sw    $k1, {CURRENT}($k1)",                // current block = the kernel's
    "mfc0  $a0, $13",
    "mfc0  $a1, $14",
    "mfc0  $a2, $8",
    "mtc0  $zero, $12",                         // Status: kernel mode, exception level off
    "j     aegis_unhandled",
    " ehb",                                     // hazard: Status before the callee's first instruction

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
    "lui   $k1, %hi({DISPATCHER})",
    "addiu $k1, $k1, %lo({DISPATCHER})",        // k1 = the kernel's own block
    "sw    $k1, {CURRENT}($k1)",                // current block = the kernel's, if it was not
    "mtc0  $zero, $12",                         // Status: kernel mode, exception level off
    "j     aegis_kernel_fault",
    " ehb",                                     // hazard: Status before the callee's first instruction
    ".set pop",

    DISPATCHER = sym DISPATCHER,
    CURRENT = const CURRENT,
    RESUME = const RESUME,
    INFO = sym INFO,
    REGISTERS = sym REGISTERS,
    SAVE = const SAVE,
    USER = const USER,
    PID = const PID,
    SYSCALL = const SYSCALL,
    RESERVED = const RESERVED,
    CALLS = const CALLS,
    USER_STATUS = const USER_STATUS,
    GUARANTEED_SHIFT = const GUARANTEED_SHIFT,
    COUNT_OVERFLOW = const COUNT_OVERFLOW,
    COUNT_UPCALLS = const COUNT_UPCALLS,
    TABLE = const stlb::operands::TABLE,
    ENTRY = const stlb::operands::ENTRY,
    TAG = const stlb::operands::TAG,
    LO0 = const stlb::operands::LO0,
    LO1 = const stlb::operands::LO1,
    FAITHFUL = const stlb::operands::FAITHFUL,
    CALL_FRAME = const size_of::<CallFrame>(),
    CALL_NUMBER = const offset_of!(CallFrame, number),
    CALL_SP = const offset_of!(CallFrame, sp),
    CALL_RA = const offset_of!(CallFrame, ra),
    CALL_EPC = const offset_of!(CallFrame, epc),
    MISS_FRAME = const size_of::<MissFrame>(),
    MISS_AT = const offset_of!(MissFrame, at),
    MISS_V = const offset_of!(MissFrame, v),
    MISS_A = const offset_of!(MissFrame, a),
    MISS_T = const offset_of!(MissFrame, t),
    MISS_RA = const offset_of!(MissFrame, ra),
    MISS_SP = const offset_of!(MissFrame, sp),
    MISS_HI = const offset_of!(MissFrame, hi),
    MISS_LO = const offset_of!(MissFrame, lo),
    MISS_EPC = const offset_of!(MissFrame, epc),
    LAST_FRAME = const size_of::<LastFrame>(),
    R0 = const register(0),
    HI = const offset_of!(Registers, hi),
    LO = const offset_of!(Registers, lo),
    EPC = const offset_of!(Registers, epc),
    CAUSE = const offset_of!(Registers, cause),
    BAD_VADDR = const offset_of!(Registers, bad_vaddr),
    STATUS = const offset_of!(Registers, status),
);
