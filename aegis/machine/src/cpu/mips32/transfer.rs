//! Protected control transfers (thesis 3.4.2), from the general vector on: to the callee's gate, with its address space and the
//! caller's name, in 25 instructions.
//!
//! Strategy. The callee's name is laid out so that its bits lead to its dispatch block and serve EntryHi and Context. The block holds
//! the name once more, if the environment lives and has a gate, so that one comparison says all. Then the callee's block becomes the
//! current one. That is all: no register is saved, since the caller has done what it wants; and the slice needs no thought, since it
//! is with whoever runs when it ends, unless an asynchronous transfer has noted before who has it.
//!
//! Of the general registers `v0` and `v1` change: number and name on the way in, nothing and the caller's name on the way out.
//!
//! For the rules of the assembly see [`super::vectors`].

use crate::cpu::dispatch::{BLOCK_SHIFT, BLOCKS, DISPATCHER};
use crate::cpu::operands::*;
use aegis_abi::Error;
use aegis_abi::limits::ENVS;
use core::arch::global_asm;
use stlb::{Geometry, Native};

// A name holds the number in its lowest bits, where `ins` takes it from.
const _: () = assert!(Native::ASID_SHIFT == 0);

global_asm!(
    ".section .vectors.rest,\"ax\",@progbits",
    ".set push",
    ".set mips32r2",
    ".set noreorder",
    ".set noat",

    // Synchronous. Entry: v1 = callee's name, k1 = the caller's block; all else is the caller's.
    ".globl vec_transfer",
    "vec_transfer:",
    "lui   $k0, %hi({BLOCKS} + {GATE_PID})",    // k0 = the blocks, which are aligned to 64 KB
    "ins   $k0, $v1, {BLOCK_SHIFT}, {NUMBER_BITS}", // k0 = the callee's block
    "lw    $v0, %lo({BLOCKS} + {GATE_PID})($k0)", // v0 = its name, if it can be entered
    "bne   $v0, $v1, vec_transfer_refused",     // nobody of that name can be entered
    " lw   $v1, {PID}($k1)",                    // v1 = the caller's name
    "mtc0  $v0, $10",                           // EntryHi: address space identifier
    "mtc0  $v0, $4",                            // Context: process tag
    "lui   $k1, %hi({DISPATCHER} + {CURRENT})", // k1 = upper half of the address of CURRENT
    "sw    $k0, %lo({DISPATCHER} + {CURRENT})($k1)", // current block = the callee's
    "sw    $k0, %lo({DISPATCHER} + {RESUME})($k1)", // the one to come back to from Rust, too
    "lw    $k0, {GATE}($k0)",                   // k0 = its gate
    "mtc0  $k0, $14",                           // EPC = its gate
    "ehb",                                      // hazard: EntryHi, Context, EPC before eret
    "eret",                                     // go on there, in user mode

    // Asynchronous. Entry alike.
    ".globl vec_transfer_asynchronous",
    "vec_transfer_asynchronous:",
    "lui   $k0, %hi({BLOCKS} + {AGATE_PID})",   // k0 = the blocks, which are aligned to 64 KB
    "ins   $k0, $v1, {BLOCK_SHIFT}, {NUMBER_BITS}", // k0 = the callee's block
    "lw    $v0, %lo({BLOCKS} + {AGATE_PID})($k0)", // v0 = its name, if it can be entered
    "bne   $v0, $v1, vec_transfer_refused",     // nobody of that name can be entered
    " lw   $v1, {PID}($k1)",                    // v1 = the caller's name
    "mtc0  $v0, $10",                           // EntryHi: address space identifier
    "mtc0  $v0, $4",                            // Context: process tag
    "lui   $v0, %hi({DISPATCHER} + {CURRENT})", // v0 = upper half of the address of CURRENT
    "sw    $k0, %lo({DISPATCHER} + {CURRENT})($v0)", // current block = the callee's
    "sw    $k0, %lo({DISPATCHER} + {RESUME})($v0)", // the one to come back to from Rust, too
    "lw    $k0, {AGATE}($k0)",                  // k0 = its gate
    "mtc0  $k0, $14",                           // EPC = its gate
    "lw    $k0, %lo({DISPATCHER} + {HOLDER})($v0)", // k0 = who has the slice, if not the caller
    "bnez  $k0, 1f",                            // the caller had only the rest of the slice itself
    " ehb",                                     // hazard: EntryHi, Context, EPC before eret
    "sw    $k1, %lo({DISPATCHER} + {HOLDER})($v0)", // the caller keeps the slice
    "1:",
    "eret",                                     // go on there, in user mode

    // Refused: behind the syscall, with v1 = why. Entry: k0 = the block that the name leads to, v0 = what the name was compared with.
    "vec_transfer_refused:",
    "lw    $k1, {PID}($k0)",                    // k1 = the name of who lives there
    "beqz  $k1, 2f",                            // nobody lives there
    " li   $v1, {NO_SUCH_ENVIRONMENT}",         // v1 = why
    "beq   $v0, $k1, 2f",                       // somebody with a gate lives there, under another name
    " nop",
    "lw    $v1, {REFUSAL}($k0)",                // v1 = why its gates are closed
    "2:",
    "mfc0  $k0, $14",                           // k0 = EPC
    "addiu $k0, $k0, 4",                        // k0 = the instruction behind it
    "mtc0  $k0, $14",                           // EPC = the instruction after syscall
    "move  $v0, $zero",                         // no answer
    "ehb",                                      // hazard: EPC before eret
    "eret",                                     // go on there, in user mode
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
    BLOCK_SHIFT = const BLOCK_SHIFT,
    NUMBER_BITS = const ENVS.trailing_zeros(),
    NO_SUCH_ENVIRONMENT = const Error::NoSuchEnvironment as u32,
    REFUSAL = const REFUSAL,
);
