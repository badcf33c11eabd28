//! The general exception stub: from the kernel's dispatch to a Rust function and back (thesis 3.4.1).
//!
//! Strategy. The kernel delivers in three registers and a save area; the next exception would overwrite both. So the stub
//! first moves all of it, and every register, to a [`Context`] on the exception stack, which is pinned: until then nothing
//! can raise an exception. If the interrupted code was already on that stack, it continues below it, so exceptions nest.
//! Afterwards the registers are loaded from the context, as the handler left it, and the last steps are those of a window
//! ([`super::context`]).

use super::context::{ARGUMENT_BYTES, CONTEXT_BYTES, ROOM_BYTES, pop_context, push_context};
use super::state::{GENX, SLOT, address_of};
use crate::exceptions::Context;
use crate::layout;
use aegis_abi::calls::Number;
use core::arch::global_asm;
use core::mem::offset_of;

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
    push_context!("{genx}"),
    "lw    $t0, {epc}($zero)",
    "lw    $t1, {badvaddr}($zero)",
    "lw    $t2, {cause}($zero)",
    "sw    $t0, {c_epc}($sp)",
    "sw    $t1, {c_badvaddr}($sp)",
    "sw    $t2, {c_cause}($sp)",
    // The context is complete: from here exceptions may nest.
    "move  $a0, $sp",
    "jal   {dispatch}",                     // dispatch(&mut context)
    " addiu $sp, $sp, -{argument_bytes}",
    "addiu $sp, $sp, {argument_bytes}",

    // Resume. Entry: sp = &context.
    pop_context!("{slot}", "exos_window_exception"),
    ".globl exos_exception_end",
    "exos_exception_end:",

    // The exception stack is full: handlers nested too deeply, or the report of an exception failed. Start the stack
    // anew to say so; if that has been tried before, stop.
    ".globl exos_exception_overflow",
    "exos_exception_overflow:",
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
    "sw    $a0, {status}($zero)",
    "li    $v0, {pid}",
    "syscall",                              // another one ends alone: e_free(pid())
    "move  $a0, $v0",
    "li    $v0, {e_free}",
    "syscall",
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
    status = const address_of!(family.status),
    power_off = const Number::power_off as u32,
    pid = const Number::pid as u32,
    e_free = const Number::e_free as u32,
);

// Immediate operands have 16 bits, of which the sign is one.
const _: () =
    assert!(layout::EXCEPTION_STACK.start as usize + ROOM_BYTES < 0x8000 && layout::EXCEPTION_STACK.end() < 0x1_0000);

unsafe extern "C" {
    /// The general stub, for the environment's context. Not to be called.
    pub fn exos_exception();
}
