//! TLB misses that the STLB's table cannot answer: overflow buffer, guaranteed mapping, application, in this order (thesis
//! 3.1.1).
//!
//! For the rules of the assembly see [`super::vectors`].

use super::cp0::{ISOLATE_CACHES, USER_STATUS};
use super::passage::{FLUSH, back_to_user, empty_cache, enter_rust, leave_rust};
use crate::cpu::dispatch::DISPATCHER;
use crate::cpu::frames::{self, MissFrame, caller_saved, load_interrupted, save_interrupted};
use crate::cpu::operands::*;
use crate::info::INFO;
use core::arch::global_asm;
use core::mem::offset_of;
use stlb::operands::r3000 as table;

// The overflow buffer is found by one upper half: no offset of 16 bits ends within it.
const _: () = {
    assert!(stlb::OVERFLOW <= 8);
    assert!(table::TABLE.is_multiple_of(8 * table::ENTRY) && (1usize << 15).is_multiple_of(8 * table::ENTRY));
};

global_asm!(
    ".section .vectors.rest,\"ax\",@progbits",
    ".set push",
    ".set mips1",
    ".set noreorder",
    ".set noat",

    // A refill that the STLB's table cannot answer. Entry: k0 = Context; all registers but k0 and k1 are the program's, and
    // so is its save area: it may hold an exception that its handler, whose own page may miss now, has yet to read.
    // Next is the overflow buffer: its tags are compared with Context in turn. The upper half of all its addresses is
    // the same, so it is in k1 wherever a comparison leads.
    ".globl stlb_miss",
    "stlb_miss:",
    "lui   $k1, %hi(stlb_table + {TABLE})",     // k1 = overflow buffer, upper half
    ".irp n, 0,1,2,3,4,5,6,7",
    ".if \\n < {OVERFLOW}",
    "lw    $k1, %lo(stlb_table + {TABLE} + \\n * {ENTRY} + {TAG})($k1)", // k1 = overflow[n].tag
    "nop",                                      // hazard: load delay
    "beq   $k1, $k0, vec_overflow_\\n",         // it is this one
    " lui  $k1, %hi(stlb_table + {TABLE})",     // k1 = overflow buffer, upper half, again
    ".endif",
    ".endr",
    // In neither. What is left is a guaranteed mapping, which can only be in the guaranteed segment, or the application. (The
    // general vector leads here too, with a reference to a page that stands in the TLB without being valid. There is none.)
    ".globl vec_tlb_invalid",
    "vec_tlb_invalid:",
    "mfc0  $k0, $8",                            // k0 = BadVAddr
    "nop",                                      // hazard: load delay
    "srl   $k0, $k0, {GUARANTEED_SHIFT}",       // k0 = 0 in the guaranteed segment
    "beqz  $k0, vec_guaranteed",                // there a mapping may be guaranteed
    " lui  $k0, %hi({INFO} + {COUNT_UPCALLS})", // k0 = upper half of the counter's address
    // To the application.
    "vec_upcall:",
    "lw    $k1, %lo({INFO} + {COUNT_UPCALLS})($k0)", // k1 = how many upcalls there were
    "nop",                                      // hazard: load delay
    "addiu $k1, $k1, 1",                        // one more
    "sw    $k1, %lo({INFO} + {COUNT_UPCALLS})($k0)", // count it
    "lui   $k1, %hi({DISPATCHER} + {CURRENT})", // k1 = upper half of the address of CURRENT
    "lw    $k1, %lo({DISPATCHER} + {CURRENT})($k1)",           // k1 = the current block
    "mfc0  $k0, $13",                           // k0 = Cause
    "nop",                                      // hazard: load delay
    "andi  $k0, $k0, {CODE_MASK}",              // k0 = code * 4
    "addu  $k0, $k0, $k1",                      // k0 = block + code * 4
    "lw    $k0, {USER}($k0)",                   // k0 = block.user[code]
    "lw    $k1, {TLBX}($k1)",                   // k1 = save area
    "bgez  $k0, vec_deliver_address",           // a handler of the program's
    " sw   $a0, 0($k1)",                        // keep a0 in the save area, or in the block's scratch word
    "jr    $k0",                                // there is no handler, or the kernel itself missed
    " nop",

    // A hit in the overflow buffer. k1 = upper half of its address.
    ".irp n, 0,1,2,3,4,5,6,7",
    ".if \\n < {OVERFLOW}",
    "vec_overflow_\\n:",
    "b     vec_overflow",                       // the rest is the same for all
    " lw   $k0, %lo(stlb_table + {TABLE} + \\n * {ENTRY} + {LO})($k1)", // k0 = overflow[n].lo
    ".endif",
    ".endr",
    "vec_overflow:",
    "lui   $k1, %hi({INFO} + {COUNT_OVERFLOW})", // hazard: load delay
    "mtc0  $k0, $2",                            // EntryLo = overflow[n].lo
    "lw    $k0, %lo({INFO} + {COUNT_OVERFLOW})($k1)", // k0 = how many such hits there were
    "nop",                                      // hazard: load delay
    "addiu $k0, $k0, 1",                        // one more
    "sw    $k0, %lo({INFO} + {COUNT_OVERFLOW})($k1)", // count it
    "mfc0  $k0, $14",                           // k0 = EPC
    "tlbwr",                                    // load the page in place of a random one
    back_to_user!("$k0", "$k1"),

    // A miss in the guaranteed segment, answered in Rust: bool aegis_miss(BadVAddr, &EPC), true if the application must handle it.
    // It may happen between any two instructions, so all caller-saved registers are kept.
    "vec_guaranteed:",
    "mfc0  $k0, $14",                           // k0 = EPC
    "nop",                                      // hazard: load delay
    "bltz  $k0, vec_kernel_fault",              // it was the kernel's own reference
    " nop",
    save_interrupted!(),
    "mfc0  $t0, $14",                           // t0 = EPC
    "addiu $a1, $sp, {MISS_EPC}",               // the second argument; load delay of t0
    "sw    $t0, {MISS_EPC}($sp)",               // frame.epc = EPC: Rust may put it back to a window's beginning
    "mfc0  $a0, $8",                            // the first argument: BadVAddr; the jump hides the load delay
    enter_rust!("jal", "aegis_miss"),
    leave_rust!(),
    "move  $k0, $v0",                           // k0 = to the application?
    load_interrupted!(),
    "bnez  $k0, vec_upcall",                    // EPC, Cause and BadVAddr are as they were
    " lui  $k0, %hi({INFO} + {COUNT_UPCALLS})", // k0 = upper half of the counter's address
    "lui   $k0, %hi(_stack - {MISS_FRAME} + {MISS_EPC})", // refilled; k0 = upper half of the address of the frame's EPC
    "lw    $k0, %lo(_stack - {MISS_FRAME} + {MISS_EPC})($k0)", // k0 = frame.epc: repeat the access
    "nop",                                      // hazard: load delay
    back_to_user!("$k0", "$k1"),
    ".set pop",

    DISPATCHER = sym DISPATCHER,
    CURRENT = const CURRENT,
    RESUME = const RESUME,
    INFO = sym INFO,
    TLBX = const TLBX,
    USER = const USER,
    CODE_MASK = const CODE_MASK,
    FLUSH = const FLUSH,
    ISOLATE_CACHES = const ISOLATE_CACHES,
    USER_STATUS = const USER_STATUS,
    GUARANTEED_SHIFT = const GUARANTEED_SHIFT,
    COUNT_OVERFLOW = const COUNT_OVERFLOW,
    COUNT_UPCALLS = const COUNT_UPCALLS,
    TABLE = const table::TABLE,
    ENTRY = const table::ENTRY,
    OVERFLOW = const stlb::OVERFLOW,
    TAG = const table::TAG,
    LO = const table::LO,
    AT = const frames::AT,
    V = const frames::V,
    A = const frames::A,
    T = const frames::T,
    RA = const frames::RA,
    MISS_FRAME = const size_of::<MissFrame>(),
    MISS_SP = const offset_of!(MissFrame, sp),
    MISS_HI = const offset_of!(MissFrame, hi),
    MISS_LO = const offset_of!(MissFrame, lo),
    MISS_EPC = const offset_of!(MissFrame, epc),
);
