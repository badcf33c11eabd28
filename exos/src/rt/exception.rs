//! The general exception stub: from the kernel's dispatch to a Rust function and back (thesis 3.4.1).
//!
//! Strategy. The kernel delivers in three registers and a save area; the next exception would overwrite both. So the stub
//! first moves all of it, and every register, to a [`Context`] on the exception stack, which is pinned: until then nothing
//! can raise an exception. If the interrupted code was already on that stack, it continues below it, so exceptions nest.
//! Afterwards the registers are loaded from the context, as the handler left it, and the last steps are the resume
//! sequence (DESIGN 5): load `$k0` from the slot, jump. A refill in it, which may change `$k0`, can only fall before the
//! load has happened, since all of it lies in one page.

use super::state::{GENX, SLOT, address_of};
use crate::exceptions::Context;
use crate::layout;
use core::arch::global_asm;
use core::mem::offset_of;

/// Bytes of a context on the stack, and of the room for arguments that the o32 convention asks for below it.
const CONTEXT_BYTES: usize = size_of::<Context>().next_multiple_of(8);
const ARGUMENT_BYTES: usize = 16;
/// Room for a handler that there must be below a context at least, so that the report of an overflow is not its cause.
const ROOM_BYTES: usize = 256;

global_asm!(
    ".section .pinned.text, \"ax\", @progbits",
    ".set push",
    ".set noreorder",
    ".set noat",

    // Entry: a0 = EPC, a1 = BadVAddr, a2 = Cause, the program's a0-a2 in the save area; all else is the program's.
    ".globl exos_exception",
    "exos_exception:",
    "sw    $a0, {epc}($zero)",
    "sw    $a1, {badvaddr}($zero)",
    "sw    $a2, {cause}($zero)",            // a0, a1, a2 are free
    // Which stack? sp is on the exception stack if it lies from its guard page to its end, inclusive.
    "srl   $a0, $sp, 3",
    "sll   $a0, $a0, 3",                    // a0 = sp, aligned whatever the program did to it
    "addiu $a1, $sp, -{guard}",
    "sltiu $a1, $a1, {guard_to_end}+1",
    "bnez  $a1, 1f",                        // on it: continue below
    " nop",
    "ori   $a0, $zero, {stack_end}",        // else start at its end
    "1:",
    "addiu $a0, $a0, -{context_bytes}",     // a0 = &context
    "sltiu $a1, $a0, {lowest}",
    "bnez  $a1, 3f",                        // no room above the guard page
    " nop",
    "2:",
    "sw    $sp, {r}+4*29($a0)",
    "move  $sp, $a0",                       // from here, a nested exception would continue below the context
    "sw    $zero, {r}+4*0($sp)",
    "sw    $at, {r}+4*1($sp)",
    "sw    $v0, {r}+4*2($sp)",
    "sw    $v1, {r}+4*3($sp)",
    "sw    $a3, {r}+4*7($sp)",
    "sw    $t0, {r}+4*8($sp)",
    "sw    $t1, {r}+4*9($sp)",
    "sw    $t2, {r}+4*10($sp)",
    "sw    $t3, {r}+4*11($sp)",
    "sw    $t4, {r}+4*12($sp)",
    "sw    $t5, {r}+4*13($sp)",
    "sw    $t6, {r}+4*14($sp)",
    "sw    $t7, {r}+4*15($sp)",
    "sw    $s0, {r}+4*16($sp)",
    "sw    $s1, {r}+4*17($sp)",
    "sw    $s2, {r}+4*18($sp)",
    "sw    $s3, {r}+4*19($sp)",
    "sw    $s4, {r}+4*20($sp)",
    "sw    $s5, {r}+4*21($sp)",
    "sw    $s6, {r}+4*22($sp)",
    "sw    $s7, {r}+4*23($sp)",
    "sw    $t8, {r}+4*24($sp)",
    "sw    $t9, {r}+4*25($sp)",
    "sw    $zero, {r}+4*26($sp)",           // k0, k1: nobody's
    "sw    $zero, {r}+4*27($sp)",
    "sw    $gp, {r}+4*28($sp)",
    "sw    $fp, {r}+4*30($sp)",
    "sw    $ra, {r}+4*31($sp)",
    "lw    $t0, {genx}+0($zero)",           // context.a0-a2 = the save area
    "lw    $t1, {genx}+4($zero)",
    "lw    $t2, {genx}+8($zero)",
    "sw    $t0, {r}+4*4($sp)",
    "sw    $t1, {r}+4*5($sp)",
    "sw    $t2, {r}+4*6($sp)",
    "lw    $t0, {epc}($zero)",
    "lw    $t1, {badvaddr}($zero)",
    "lw    $t2, {cause}($zero)",
    "sw    $t0, {c_epc}($sp)",
    "sw    $t1, {c_badvaddr}($sp)",
    "sw    $t2, {c_cause}($sp)",
    "mfhi  $t0",
    "mflo  $t1",
    "sw    $t0, {c_hi}($sp)",
    "sw    $t1, {c_lo}($sp)",
    // The context is complete: from here exceptions may nest.
    "move  $a0, $sp",
    "jal   {dispatch}",                     // dispatch(&mut context)
    " addiu $sp, $sp, -{argument_bytes}",
    "addiu $sp, $sp, {argument_bytes}",

    // Resume. Entry: sp = &context.
    "lw    $t0, {c_epc}($sp)",
    "lw    $t1, {c_hi}($sp)",
    "lw    $t2, {c_lo}($sp)",
    "sw    $t0, {slot}($zero)",             // nothing below can raise an exception that would reach us
    "mthi  $t1",
    "mtlo  $t2",
    "lw    $at, {r}+4*1($sp)",
    "lw    $v0, {r}+4*2($sp)",
    "lw    $v1, {r}+4*3($sp)",
    "lw    $a0, {r}+4*4($sp)",
    "lw    $a1, {r}+4*5($sp)",
    "lw    $a2, {r}+4*6($sp)",
    "lw    $a3, {r}+4*7($sp)",
    "lw    $t0, {r}+4*8($sp)",
    "lw    $t1, {r}+4*9($sp)",
    "lw    $t2, {r}+4*10($sp)",
    "lw    $t3, {r}+4*11($sp)",
    "lw    $t4, {r}+4*12($sp)",
    "lw    $t5, {r}+4*13($sp)",
    "lw    $t6, {r}+4*14($sp)",
    "lw    $t7, {r}+4*15($sp)",
    "lw    $s0, {r}+4*16($sp)",
    "lw    $s1, {r}+4*17($sp)",
    "lw    $s2, {r}+4*18($sp)",
    "lw    $s3, {r}+4*19($sp)",
    "lw    $s4, {r}+4*20($sp)",
    "lw    $s5, {r}+4*21($sp)",
    "lw    $s6, {r}+4*22($sp)",
    "lw    $s7, {r}+4*23($sp)",
    "lw    $t8, {r}+4*24($sp)",
    "lw    $t9, {r}+4*25($sp)",
    "lw    $gp, {r}+4*28($sp)",
    "lw    $fp, {r}+4*30($sp)",
    "lw    $ra, {r}+4*31($sp)",
    "lw    $sp, {r}+4*29($sp)",
    "lw    $k0, {slot}($zero)",             // the resume sequence
    "nop",
    "jr    $k0",
    " nop",

    // The exception stack is full: handlers nested too deeply, or the report of an exception failed. Start the stack
    // anew to say so; if that has been tried before, stop.
    "3:",
    "lw    $a1, {dying}($zero)",
    "ori   $a0, $zero, {stack_end}",
    "sltiu $a2, $a1, {overflow}",
    "beqz  $a2, 4f",
    " addiu $a2, $zero, {overflow}",
    "sw    $a2, {dying}($zero)",            // dying = overflow: the dispatcher then reports and never returns
    "b     2b",
    " addiu $a0, $a0, -{context_bytes}",
    "4:",
    "li    $a0, {overflow_status}",
    "li    $v0, {power_off}",
    "syscall",                              // power_off(overflow_status); granted to the first environment
    "b     4b",
    " nop",
    ".set pop",
    epc = const address_of!(epc),
    badvaddr = const address_of!(badvaddr),
    cause = const address_of!(cause),
    dying = const address_of!(dying),
    genx = const GENX,
    slot = const SLOT,
    guard = const layout::EXCEPTION_STACK_GUARD.start,
    guard_to_end = const layout::EXCEPTION_STACK.end() - layout::EXCEPTION_STACK_GUARD.start,
    stack_end = const layout::EXCEPTION_STACK.end(),
    context_bytes = const CONTEXT_BYTES,
    argument_bytes = const ARGUMENT_BYTES,
    lowest = const layout::EXCEPTION_STACK.start as usize + ROOM_BYTES,
    r = const offset_of!(Context, registers),
    c_hi = const offset_of!(Context, hi),
    c_lo = const offset_of!(Context, lo),
    c_epc = const offset_of!(Context, epc),
    c_badvaddr = const offset_of!(Context, badvaddr),
    c_cause = const offset_of!(Context, cause),
    dispatch = sym super::dispatch::dispatch,
    overflow = const crate::report::DYING_STACK_OVERFLOW,
    overflow_status = const crate::status::STACK_OVERFLOW,
    power_off = const aegis_abi::calls::Number::power_off as u32,
);

// Immediate operands have 16 bits, of which the sign is one.
const _: () =
    assert!(layout::EXCEPTION_STACK.start as usize + ROOM_BYTES < 0x8000 && layout::EXCEPTION_STACK.end() < 0x1_0000);

unsafe extern "C" {
    /// The general stub, for the environment's context. Not to be called.
    pub fn exos_exception();
}
