//! The interrupt stub: from the kernel's upcall, for an interrupt or the end of a slice, to a Rust function and back.
//!
//! Strategy. As with exceptions, the registers go to a [`Context`] on the exception stack, and come back from there. But an upcall may
//! fall between any two instructions, also of the stubs and of the miss handler, whose frames and slots it would overwrite if it took
//! its course. These lie together, in the core of the pinned text. So an upcall there is only noted, and made up for at the end: each way out
//! of the core is a window ([`super::context`]), which looks whether there is something to make up for.
//!
//! The kernel has cleared the mask, so no other upcall comes before the mask is set again: an upcall that is noted leaves it clear.

use super::context::{ARGUMENT_BYTES, CONTEXT_BYTES, ROOM_BYTES, WINDOW_BYTES, WINDOWS, pop_context, push_context};
use super::state::{INTX, MISS, MissFrame, SLOT, TABLE_MISS, address_of};
use crate::exceptions::Context;
use crate::interrupts;
use crate::layout;
use core::arch::global_asm;
use core::mem::offset_of;

global_asm!(
    // The windows stand at the beginning of the core, one behind the other.
    ".section .pinned.windows, \"ax\", @progbits",
    ".set push",
    ".set noreorder",
    ".set noat",
    ".macro WINDOW name slot",
    ".globl exos_window_\\name",
    "exos_window_\\name:",
    "lw    $k0, {deferred}($zero)",
    "nop",                                  // hazard: load delay (MIPS I)
    "bnez  $k0, exos_make_up_\\name",
    " nop",
    "lw    $k0, \\slot($zero)",             // the resume sequence
    "nop",                                  // hazard: load delay (MIPS I)
    "jr    $k0",
    " nop",
    ".endm",
    "WINDOW exception {slot}",
    "WINDOW miss {miss}+{epc}",
    "WINDOW table_miss {table_miss}+{epc}",
    "WINDOW interrupt {interrupt_slot}",
    ".purgem WINDOW",
    // The last leads back to where an upcall fell that is deferred. The mask is clear, so that there is nothing to look for.
    "exos_window_deferred:",
    "lw    $a0, {intx}+0($zero)",
    "lw    $a1, {intx}+4($zero)",
    "lw    $a2, {intx}+8($zero)",
    "lw    $k0, {deferred_epc}($zero)",     // the resume sequence
    "nop",                                  // hazard: load delay (MIPS I)
    "jr    $k0",
    " nop",
    ".org  exos_window_exception + {windows_bytes}",

    // Making up for an upcall: as if it came now, where the window leads.
    ".macro MAKE_UP name slot",
    "exos_make_up_\\name:",
    "sw    $a0, {intx}+0($zero)",
    "sw    $a1, {intx}+4($zero)",
    "sw    $a2, {intx}+8($zero)",
    "sw    $zero, {deferred}($zero)",
    "j     exos_interrupt_made_up",
    " lw   $a0, \\slot($zero)",             // a0 = EPC
    ".endm",
    "MAKE_UP exception {slot}",
    "MAKE_UP miss {miss}+{epc}",
    "MAKE_UP table_miss {table_miss}+{epc}",
    "MAKE_UP interrupt {interrupt_slot}",
    ".purgem MAKE_UP",

    // Entry: a0 = EPC, the program's a0-a2 in the save area; all else is the program's. The mask is clear.
    ".globl exos_interrupt",
    "exos_interrupt:",
    "sw    $a0, {interrupted}($zero)",
    "exos_interrupt_made_up:",
    "ori   $a1, $zero, {core}",
    "subu  $a1, $a0, $a1",                  // a1 = place in the core
    "sltiu $a2, $a1, %lo(__pinned_text_core_end - {core})",
    "beqz  $a2, 4f",
    " li   $a1, 1",
    // In the core; of a window, at its beginning.
    "sw    $a1, {deferred}($zero)",
    "j     exos_window_deferred",
    " sw   $a0, {deferred_epc}($zero)",

    "4:",
    "sw    $a0, {interrupt_slot}($zero)",
    push_context!("{intx}"),
    "lw    $t0, {interrupt_slot}($zero)",
    "sw    $zero, {c_badvaddr}($sp)",
    "sw    $t0, {c_epc}($sp)",
    "sw    $zero, {c_cause}($sp)",
    // The context is complete.
    "jal   {handle}",                       // handle(), which sets the mask in the end
    " addiu $sp, $sp, -{argument_bytes}",
    "addiu $sp, $sp, {argument_bytes}",
    ".globl exos_interrupt_resume",
    "exos_interrupt_resume:",
    pop_context!("{interrupt_slot}", "exos_window_interrupt"),
    ".globl exos_interrupt_end",
    "exos_interrupt_end:",

    // The exception stack is full.
    "3:",
    "lw    $a0, {interrupt_slot}($zero)",
    "sw    $zero, {badvaddr}($zero)",
    "sw    $zero, {cause}($zero)",
    "j     exos_exception_overflow",
    " sw   $a0, {epc_word}($zero)",
    ".set pop",

    core = const layout::PINNED_TEXT.start,
    windows_bytes = const WINDOWS * WINDOW_BYTES,
    interrupted = const address_of!(interrupted),
    deferred = const address_of!(deferred),
    deferred_epc = const address_of!(deferred_epc),
    interrupt_slot = const address_of!(interrupt_slot),
    epc_word = const address_of!(epc),
    badvaddr = const address_of!(badvaddr),
    cause = const address_of!(cause),
    intx = const INTX,
    slot = const SLOT,
    miss = const MISS,
    table_miss = const TABLE_MISS,
    epc = const offset_of!(MissFrame, epc),
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
    handle = sym handle,
);

/// Called by the stub, on the exception stack, with the mask clear.
extern "C" fn handle() {
    interrupts::take();
    interrupts::unmask();
}

unsafe extern "C" {
    /// The interrupt stub, for the environment's context. Not to be called.
    pub fn exos_interrupt();
}
