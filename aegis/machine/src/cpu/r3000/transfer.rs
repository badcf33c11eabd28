//! Protected control transfers (thesis 3.4.2), from the general vector on: to the callee's gate, with its address space and the
//! caller's name, in 29 instructions.
//!
//! Strategy. The callee's name is laid out so that its bits lead to its dispatch block and serve EntryHi and Context. The block holds
//! the name once more, if the environment lives and has a gate, so that one comparison says all. Then the callee's block becomes the
//! current one. That is all: no register is saved, since the caller has done what it wants; and the slice needs no thought, since it
//! is with whoever runs when it ends, unless an asynchronous transfer has noted before who has it.
//!
//! Of the general registers `v0` and `v1` change: number and name on the way in, nothing and the caller's name on the way out.
//!
//! For the rules of the assembly see [`super::vectors`].

use super::cp0::{ISOLATE_CACHES, USER_STATUS};
use super::passage::{FLUSH, back_to_user, empty_cache};
use crate::cpu::dispatch::{BLOCK_SHIFT, BLOCKS, DISPATCHER};
use crate::cpu::operands::*;
use aegis_abi::Error;
use aegis_abi::limits::ENVS;
use core::arch::global_asm;
use stlb::{Geometry, Native};

/// The bits of a name that are the environment's number.
pub(super) const NUMBER_MASK: u32 = (ENVS as u32 - 1) << Native::ASID_SHIFT;
// The lowest bits of a name are 0: GXemul would keep two of them in Context, where the register has none.
const _: () = assert!(Native::ASID_SHIFT >= 2 && BLOCK_SHIFT > Native::ASID_SHIFT);

global_asm!(
    ".section .vectors.rest,\"ax\",@progbits",
    ".set push",
    ".set mips1",
    ".set noreorder",
    ".set noat",

    // Synchronous. Entry: v1 = callee's name, k0 = its bits NUMBER_MASK, k1 = the caller's block; all else is the caller's.
    ".globl vec_transfer",
    "vec_transfer:",
    "lui   $v0, %hi({BLOCKS} + {GATE_PID})",    // v0 = the blocks, which are aligned to 64 KB
    "sll   $k0, $k0, {NUMBER_TO_BLOCK}",        // k0 = offset of the callee's block
    "addu  $k0, $k0, $v0",                      // k0 = the callee's block
    "lw    $v0, %lo({BLOCKS} + {GATE_PID})($k0)", // v0 = its name, if it can be entered
    "lw    $k1, {PID}($k1)",                    // k1 = the caller's name; load delay of v0
    "bne   $v0, $v1, vec_transfer_refused",     // nobody of that name can be entered
    " move $v1, $k1",                           // v1 = the caller's name
    "mtc0  $v0, $10",                           // EntryHi: address space identifier
    "mtc0  $v0, $4",                            // Context: process tag
    "lw    $v0, {GATE}($k0)",                   // v0 = its gate
    "lui   $k1, %hi({DISPATCHER} + {CURRENT})", // k1 = upper half of the address of CURRENT
    "sw    $k0, %lo({DISPATCHER} + {CURRENT})($k1)", // current block = the callee's
    "sw    $k0, %lo({DISPATCHER} + {RESUME})($k1)", // the one to come back to from Rust, too
    back_to_user!("$v0", "$k1"),

    // Asynchronous. Entry: v1 = callee's name, k1 = the caller's block; all else is the caller's.
    ".globl vec_transfer_asynchronous",
    "vec_transfer_asynchronous:",
    "andi  $k0, $v1, {NUMBER_MASK}",            // k0 = the callee's number, where the name has it
    "lui   $v0, %hi({BLOCKS} + {AGATE_PID})",   // v0 = the blocks, which are aligned to 64 KB
    "sll   $k0, $k0, {NUMBER_TO_BLOCK}",        // k0 = offset of the callee's block
    "addu  $k0, $k0, $v0",                      // k0 = the callee's block
    "lw    $v0, %lo({BLOCKS} + {AGATE_PID})($k0)", // v0 = its name, if it can be entered
    "nop",                                      // hazard: load delay
    "bne   $v0, $v1, vec_transfer_refused",     // nobody of that name can be entered
    " lw   $v1, {PID}($k1)",                    // v1 = the caller's name
    "mtc0  $v0, $10",                           // EntryHi: address space identifier
    "mtc0  $v0, $4",                            // Context: process tag
    "lui   $v0, %hi({DISPATCHER} + {CURRENT})", // v0 = upper half of the address of CURRENT
    "sw    $k0, %lo({DISPATCHER} + {CURRENT})($v0)", // current block = the callee's
    "sw    $k0, %lo({DISPATCHER} + {RESUME})($v0)", // the one to come back to from Rust, too
    "lw    $k0, {AGATE}($k0)",                  // k0 = its gate
    "lw    $v0, %lo({DISPATCHER} + {HOLDER})($v0)", // v0 = who has the slice, if not the caller
    "nop",                                      // hazard: load delay
    "bnez  $v0, 1f",                            // the caller had only the rest of the slice itself
    " lui  $v0, %hi({DISPATCHER} + {CURRENT})", // v0 = upper half of the address of CURRENT, again
    "sw    $k1, %lo({DISPATCHER} + {HOLDER})($v0)", // the caller keeps the slice
    "1:",
    back_to_user!("$k0", "$k1"),

    // Refused: behind the syscall, with v1 = why. Entry: k0 = the block that the name leads to, v0 = what the name was compared with.
    "vec_transfer_refused:",
    "lw    $k1, {PID}($k0)",                    // k1 = the name of who lives there
    "lw    $v1, {REFUSAL}($k0)",                // v1 = why its gates are closed, if they are
    "beqz  $k1, 1f",                            // nobody lives there
    " mfc0 $k0, $14",                           // k0 = EPC
    "bne   $v0, $k1, 2f",                       // nobody with a gate lives there
    "1:",
    " nop",
    "li    $v1, {NO_SUCH_ENVIRONMENT}",         // v1 = why
    "2:",
    "move  $v0, $zero",
    "addiu $k0, $k0, 4",                        // k0 = the instruction after syscall
    back_to_user!("$k0", "$k1"),
    ".set pop",

    BLOCKS = sym BLOCKS,
    DISPATCHER = sym DISPATCHER,
    CURRENT = const CURRENT,
    RESUME = const RESUME,
    HOLDER = const HOLDER,
    PID = const PID,
    GATE_PID = const GATE_PID,
    GATE = const GATE,
    AGATE_PID = const AGATE_PID,
    AGATE = const AGATE,
    NUMBER_TO_BLOCK = const BLOCK_SHIFT - Native::ASID_SHIFT,
    NUMBER_MASK = const NUMBER_MASK,
    FLUSH = const FLUSH,
    ISOLATE_CACHES = const ISOLATE_CACHES,
    USER_STATUS = const USER_STATUS,
    NO_SUCH_ENVIRONMENT = const Error::NoSuchEnvironment as u32,
    REFUSAL = const REFUSAL,
);
