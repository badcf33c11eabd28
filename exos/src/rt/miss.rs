//! The TLB miss handler (thesis 3.1.1, step 2 to 4): looks the page up in the page table and inserts it, or gives it a
//! frame of zeros first. Where there is no mapping, it goes to the handlers for other exceptions.
//!
//! Strategy. The table is an array in virtual memory, so reading an entry may miss in turn. That second miss comes to the
//! same address with BadVAddr in the window; it is looked up in the directory, which is pinned, and so cannot miss.
//! Two levels are the most there can be: each has a frame of its own, in pinned memory, for the registers that the
//! kernel's calls may change. No stack is needed, so a miss on a stack is nothing special.
//!
//! `$k0` may be changed by any exception, so it is used only as the last register, in a window ([`super::context`]).

use super::state::{DIRECTORY, MISS, MissFrame, TABLE_MISS, TLBX, address_of};
use crate::layout;
use crate::page_table::{ANONYMOUS, TABLE_ENTRIES};
use aegis_abi::Lo;
use aegis_abi::calls::{ANY, Number};
use aegis_abi::limits::PAGE_SHIFT;
use core::arch::global_asm;
use core::mem::offset_of;

global_asm!(
    ".section .pinned.text, \"ax\", @progbits",
    ".set push",
    ".set noreorder",
    ".set noat",

    // Saves what a system call may change, and moves the kernel's save area out of the way of a nested miss.
    // Entry: a0 = EPC, a1 = BadVAddr, a2 = Cause; their old values in the save area. Leaves a1 = BadVAddr; a0, a2 and
    // t0-t2 are free.
    ".macro MISS_SAVE frame",
    "sw    $t0, \\frame+{t}+0($zero)",
    "sw    $t1, \\frame+{t}+4($zero)",
    "sw    $t2, \\frame+{t}+8($zero)",
    "lw    $t0, {tlbx}+0($zero)",           // t0, t1, t2 = the program's a0, a1, a2
    "lw    $t1, {tlbx}+4($zero)",
    "lw    $t2, {tlbx}+8($zero)",
    "sw    $t0, \\frame+{a}+0($zero)",
    "sw    $t1, \\frame+{a}+4($zero)",
    "sw    $t2, \\frame+{a}+8($zero)",
    "sw    $a0, \\frame+{epc}($zero)",
    "sw    $a1, \\frame+{badvaddr}($zero)",
    "sw    $a2, \\frame+{cause}($zero)",
    "sw    $at, \\frame+{at}($zero)",
    "sw    $v0, \\frame+{v}+0($zero)",
    "sw    $v1, \\frame+{v}+4($zero)",
    "sw    $a3, \\frame+{a}+12($zero)",
    "sw    $t3, \\frame+{t}+12($zero)",
    "sw    $t4, \\frame+{t}+16($zero)",
    "sw    $t5, \\frame+{t}+20($zero)",
    "sw    $t6, \\frame+{t}+24($zero)",
    "sw    $t7, \\frame+{t}+28($zero)",
    "sw    $t8, \\frame+{t}+32($zero)",
    "sw    $t9, \\frame+{t}+36($zero)",
    "mfhi  $t0",
    "mflo  $t1",
    "sw    $t0, \\frame+{hi}($zero)",
    "sw    $t1, \\frame+{lo}($zero)",
    ".endm",

    // Restores what MISS_SAVE saved, but for a0, a1, a2.
    ".macro MISS_RESTORE frame",
    "lw    $t0, \\frame+{hi}($zero)",
    "lw    $t1, \\frame+{lo}($zero)",
    "mthi  $t0",
    "mtlo  $t1",
    "lw    $at, \\frame+{at}($zero)",
    "lw    $v0, \\frame+{v}+0($zero)",
    "lw    $v1, \\frame+{v}+4($zero)",
    "lw    $a3, \\frame+{a}+12($zero)",
    "lw    $t0, \\frame+{t}+0($zero)",
    "lw    $t1, \\frame+{t}+4($zero)",
    "lw    $t2, \\frame+{t}+8($zero)",
    "lw    $t3, \\frame+{t}+12($zero)",
    "lw    $t4, \\frame+{t}+16($zero)",
    "lw    $t5, \\frame+{t}+20($zero)",
    "lw    $t6, \\frame+{t}+24($zero)",
    "lw    $t7, \\frame+{t}+28($zero)",
    "lw    $t8, \\frame+{t}+32($zero)",
    "lw    $t9, \\frame+{t}+36($zero)",
    ".endm",

    // Counts an event; changes t0.
    ".macro MISS_COUNT counter",
    "lw    $t0, \\counter($zero)",
    "nop",                                  // hazard: load delay (MIPS I)
    "addiu $t0, $t0, 1",
    "sw    $t0, \\counter($zero)",
    ".endm",

    // Puts everything as the kernel delivered it, but to the other save area, and goes to the general stub.
    // Entry: v1 = error code of the kernel, or 0; the frame holds all that has to be restored.
    ".macro MISS_REFUSE frame",
    "sw    $v1, {miss_error}($zero)",
    "lw    $t0, \\frame+{a}+0($zero)",
    "lw    $t1, \\frame+{a}+4($zero)",
    "lw    $t2, \\frame+{a}+8($zero)",
    "sw    $t0, {genx}+0($zero)",
    "sw    $t1, {genx}+4($zero)",
    "sw    $t2, {genx}+8($zero)",
    "MISS_RESTORE \\frame",
    "lw    $a0, \\frame+{epc}($zero)",
    "lw    $a1, \\frame+{badvaddr}($zero)",
    "lw    $a2, \\frame+{cause}($zero)",
    "j     exos_exception",
    " nop",
    ".endm",

    // Inserts the page whose entry is at t0 and resumes the program. Where it is not to be mapped, goes on behind with
    // v1 = error code of the kernel, or 0.
    // Entry: t0 = &entry; the frame holds all that has to be restored.
    ".macro MISS_INSERT frame window",
    "lw    $a1, 0($t0)",                    // a1 = entry; in the window, this may be the nested miss
    "sw    $t0, \\frame+{entry}($zero)",
    "andi  $t1, $a1, {valid}",
    "bnez  $t1, 2f",                        // valid: insert it
    " andi $t1, $a1, {anonymous}",
    "beqz  $t1, 3f",                        // no mapping
    " li   $v0, {p_alloc}",                 // first touch: v0, v1 = p_alloc(any)
    "li    $a0, {any_frame}",
    "syscall",
    "bnez  $v1, 4f",                        // no frame to be had
    " lw   $t0, \\frame+{entry}($zero)",
    "sll   $v0, $v0, {pfn_shift}",
    "lw    $a1, 0($t0)",
    "ori   $v0, $v0, {valid}",
    "or    $a1, $a1, $v0",                  // entry |= frame, valid
    "sw    $a1, 0($t0)",
    "MISS_COUNT {zero_fills}",
    "2:",
    "lw    $a0, \\frame+{badvaddr}($zero)",
    "li    $v0, {tlbwr}",
    "syscall",                              // v1 = tlbwr(BadVAddr, entry)
    "bnez  $v1, 4f",                        // the kernel refused
    " nop",
    "MISS_RESTORE \\frame",
    "lw    $a0, \\frame+{a}+0($zero)",
    "lw    $a1, \\frame+{a}+4($zero)",
    "j     \\window",
    " lw   $a2, \\frame+{a}+8($zero)",      // its load delay falls into the window, which does not use it
    "3:",
    "move  $v1, $zero",
    "4:",
    ".endm",

    // Handler for TLB misses. Entry as at every handler: a0 = EPC, a1 = BadVAddr, a2 = Cause, the program's a0-a2 in the
    // save area, all other registers the program's.
    ".globl exos_miss",
    "exos_miss:",
    "sw    $a2, {miss_a2}($zero)",
    "lui   $a2, {window_hi}",
    "xor   $a2, $a2, $a1",
    "srl   $a2, $a2, {window_shift}",
    "beqz  $a2, 5f",                        // BadVAddr in the window: a page of the page table
    " lw   $a2, {miss_a2}($zero)",

    "MISS_SAVE {miss}",
    "MISS_COUNT {misses}",
    "srl   $t0, $a1, {table_shift}",
    "sll   $t0, $t0, 2",
    "lw    $t1, %lo({directory})($t0)",     // t1 = directory[BadVAddr >> 22]; the directory lies below 0x8000
    "srl   $t0, $a1, {page_shift}",
    "sll   $t0, $t0, 2",
    "beqz  $t1, 3f",                        // no page of entries: no mapping; 3 is in MISS_INSERT
    " lui  $t1, {window_hi}",
    "addu  $t0, $t0, $t1",                  // t0 = &window[BadVAddr >> 12]
    "MISS_INSERT {miss} exos_window_miss",
    "MISS_REFUSE {miss}",

    "5:",
    "MISS_SAVE {table_miss}",
    "MISS_COUNT {table_misses}",
    "lui   $t1, {window_hi}",
    "subu  $t0, $a1, $t1",
    "srl   $t0, $t0, {page_shift}",
    "sll   $t0, $t0, 2",
    "addiu $t0, $t0, %lo({directory})",     // t0 = &directory[page of the window]
    "MISS_INSERT {table_miss} exos_window_table_miss",
    // The page of the page table cannot be had. If it was wanted above, for a miss of the program's, it is that one which
    // fails: what it has saved must not be left behind, as the next miss would overwrite it.
    "lw    $t0, {table_miss}+{epc}($zero)",
    "lui   $t1, %hi(exos_miss)",
    "addiu $t1, $t1, %lo(exos_miss)",
    "subu  $t0, $t0, $t1",
    "sltiu $t0, $t0, exos_miss_end - exos_miss",
    "beqz  $t0, 6f",
    " nop",
    "MISS_REFUSE {miss}",
    "6:",
    "MISS_REFUSE {table_miss}",
    "exos_miss_end:",
    ".purgem MISS_REFUSE",
    ".purgem MISS_SAVE",
    ".purgem MISS_RESTORE",
    ".purgem MISS_COUNT",
    ".purgem MISS_INSERT",
    ".set pop",
    tlbx = const TLBX,
    genx = const super::state::GENX,
    miss = const MISS,
    table_miss = const TABLE_MISS,
    at = const offset_of!(MissFrame, at),
    v = const offset_of!(MissFrame, v),
    a = const offset_of!(MissFrame, a),
    t = const offset_of!(MissFrame, t),
    hi = const offset_of!(MissFrame, hi),
    lo = const offset_of!(MissFrame, lo),
    epc = const offset_of!(MissFrame, epc),
    badvaddr = const offset_of!(MissFrame, badvaddr),
    cause = const offset_of!(MissFrame, cause),
    entry = const offset_of!(MissFrame, entry),
    miss_a2 = const address_of!(miss_a2),
    misses = const address_of!(counts.misses),
    table_misses = const address_of!(counts.table_misses),
    zero_fills = const address_of!(counts.zero_fills),
    miss_error = const address_of!(miss_error),
    directory = sym DIRECTORY,
    window_hi = const layout::WINDOW.start >> 16,
    window_shift = const (layout::WINDOW.pages * layout::PAGE_BYTES).trailing_zeros(),
    table_shift = const PAGE_SHIFT + TABLE_ENTRIES.trailing_zeros(),
    page_shift = const PAGE_SHIFT,
    pfn_shift = const PAGE_SHIFT,
    valid = const Lo::V,
    anonymous = const ANONYMOUS,
    any_frame = const ANY as i32,
    p_alloc = const Number::p_alloc as u32,
    tlbwr = const Number::tlbwr as u32,
);

unsafe extern "C" {
    /// The miss handler, for the environment's context. Not to be called.
    pub fn exos_miss();
}
