//! Bare environments: without a library, a page of code and a page of data, both under guaranteed mappings. The test that makes one
//! has the data mapped too, and so sees all of it.
//!
//! The code is one for all: entries are chosen from it. It names its data by offsets from `$zero`, so that no register is needed for
//! that, and all can be looked at.

use super::calls::{address_of, call};
use crate::markers::Span;
use alloc::boxed::Box;
use core::arch::global_asm;
use core::ops::Range;
use exos::abi::calls::transfer::{ASYNCHRONOUS, SYNCHRONOUS};
use exos::abi::calls::{ANY, Number};
use exos::abi::limits::{ENV_DATA_BYTES, EXCEPTIONS, PAGE_BYTES, PAGE_SHIFT, RESERVED_FRAMES, RESUME_WINDOW_BYTES};
use exos::abi::{Env, Error, InterruptQueue, Lo, Mapping, Pid};
use exos::exposed::Tables;
use exos::page_table::Rights;
use exos::region::{Frame, Region};
use exos::rt::call::with_pointer;
use exos::rt::state::State;
use exos::{layout, schedule};

/// Where the page of the library's state is mapped, or another guest, if one is.
pub const LIBRARY: u32 = 0x1000;
/// Where the data is mapped.
pub(super) const DATA: u32 = 0x2000;
/// Where the code is mapped: with the data it makes a pair, since it resumes without the kernel.
pub(super) const CODE: u32 = 0x3000;

// What the page of data holds, by offset.
const TLBX: u32 = 0x10;
pub(super) const GENX: u32 = 0x20;
const INTX: u32 = 0x30;
/// Where it goes on: what its epilogue or its handler was told.
pub const SLOT: u32 = 0x40;
/// Where its handler for exceptions goes on.
const EXCEPTION_SLOT: u32 = 0x44;
/// The interrupt queue.
pub const QUEUE: u32 = 0x80;
/// Its word that says how often the environment was switched by hand.
pub const CUTS: u32 = QUEUE + core::mem::offset_of!(InterruptQueue, cuts) as u32;
/// Its word that says whether the slice is over.
pub const ENDED: u32 = QUEUE + core::mem::offset_of!(InterruptQueue, ended) as u32;
/// Its mask.
pub const MASK: u32 = QUEUE + core::mem::offset_of!(InterruptQueue, mask) as u32;
/// What the epilogue has saved.
const SAVED: u32 = 0x300;
/// The registers as the environment found them at its gate, by number, then HI and LO.
pub const FOUND: u32 = 0x400;
/// The registers as it found them where a slice begins, alike.
pub const SEEN: u32 = 0x700;
/// What it loads into them, alike.
pub const GIVEN: u32 = 0x500;
/// Words for anything: what the tests agree on with the code.
pub const WORDS: u32 = 0x600;

/// Words at [`WORDS`]: turns of a loop, or requests served.
pub const COUNT: u32 = WORDS;
/// How often the environment was at its prologue.
pub const STARTS: u32 = WORDS + 4;
/// How often its slice was over.
pub const ENDS: u32 = WORDS + 8;
/// The name of another environment.
pub const PARTNER: u32 = WORDS + 12;
/// How often something is to be done, at most.
pub const LIMIT: u32 = WORDS + 16;
/// The last error of a call.
pub const FAILED: u32 = WORDS + 20;
/// Where the next environment's delay starts anew: see [`Entry::Delay`].
pub const FROM: u32 = WORDS + 28;
/// BadVAddr as the handler for exceptions got it.
pub const BAD_VADDR: u32 = WORDS + 24;

/// What the guard watches besides its registers, with [`GUARDED`] words each: where its pages are, what their words sum up to, and what it
/// binds those to that are under no guaranteed mapping. (Where the hits of the prologue's restore do not reach.)
pub const PLACES: u32 = 0xe00;
/// See [`PLACES`].
pub const SUMS: u32 = PLACES + 4 * GUARDED;
/// See [`PLACES`].
pub const BINDINGS: u32 = SUMS + 4 * GUARDED;
/// Turns that are left to the guard in this slice.
pub const LEFT: u32 = BINDINGS + 4 * GUARDED;
/// How often it found a wrong sum.
pub const WRONG: u32 = LEFT + 4;
/// Pages that the guard watches.
pub const GUARDED: u32 = 4;

/// Where it came: a word for each instruction of the prologue's restore, or a byte for each of the core of a library's pinned text.
pub const HITS: u32 = 0x800;

const _: () = assert!(FAILED < SEEN && BAD_VADDR < SEEN && QUEUE + size_of::<InterruptQueue>() as u32 <= SAVED);

global_asm!(
    ".section .text.exos_checks_bare, \"ax\", @progbits",
    ".set push",
    ".set noreorder",
    ".set noat",
    ".balign 32",
    ".globl exos_checks_bare",
    "exos_checks_bare:",

    ".macro COUNT_UP word",
    "lw    $t0, \\word($zero)",
    "nop",
    "addiu $t0, $t0, 1",
    "sw    $t0, \\word($zero)",
    ".endm",
    ".macro ALL_REGISTERS move, place",
    ".irp  n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,28,29,30,31",
    "\\move $\\n, \\place+4*\\n($zero)",
    ".endr",
    ".endm",
    ".macro STORE_HI_LO place",
    "mfhi  $t0",
    "mflo  $t1",
    "sw    $t0, \\place+4*32($zero)",
    "sw    $t1, \\place+4*33($zero)",
    ".endm",
    ".macro LOAD_HI_LO place",
    "lw    $t0, \\place+4*32($zero)",
    "lw    $t1, \\place+4*33($zero)",
    "mthi  $t0",
    "mtlo  $t1",
    ".endm",
    ".macro CALL number",
    "li    $v0, \\number",
    "syscall",
    ".endm",

    // Counts, for ever.
    ".globl exos_checks_bare_count",
    "exos_checks_bare_count:",
    "COUNT_UP {count}",
    "b     exos_checks_bare_count",
    " nop",

    // Does nothing, for ever.
    ".globl exos_checks_bare_turn",
    "exos_checks_bare_turn:",
    "b     exos_checks_bare_turn",
    " nop",

    // The epilogue: saves all registers, unless it comes in the middle of loading them, and yields.
    ".globl exos_checks_bare_epilogue",
    "exos_checks_bare_epilogue:",
    "addiu $a1, $a0, -({code} + exos_checks_bare_restore - exos_checks_bare)",
    "sltiu $a2, $a1, exos_checks_bare_restore_end - exos_checks_bare_restore",
    "beqz  $a2, 2f",
    " nop",
    "b     1f",
    " sw   $a2, {hits}($a1)",               // it was here
    "2:",
    "sw    $a0, {slot}($zero)",
    ".irp  n, 1,2,3,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,28,29,30,31",
    "sw    $\\n, {saved}+4*\\n($zero)",
    ".endr",
    "lw    $t0, {intx}+0($zero)",
    "lw    $t1, {intx}+4($zero)",
    "lw    $t2, {intx}+8($zero)",
    "sw    $t0, {saved}+16($zero)",
    "sw    $t1, {saved}+20($zero)",
    "sw    $t2, {saved}+24($zero)",
    "STORE_HI_LO {saved}",
    "1:",
    "COUNT_UP {ends}",
    "move  $a0, $zero",
    "CALL  {yield}",
    "b     1b",
    " nop",

    // The prologue: notes what it finds in the registers, and goes on with what the epilogue has saved.
    ".globl exos_checks_bare_prologue",
    "exos_checks_bare_prologue:",
    ".globl exos_checks_bare_restore",
    "exos_checks_bare_restore:",
    "ALL_REGISTERS sw, {seen}",
    "STORE_HI_LO {seen}",
    "COUNT_UP {starts}",
    "li    $t0, -1",
    "sw    $t0, {queue_mask}($zero)",
    ".globl exos_checks_bare_unmasked",
    "exos_checks_bare_unmasked:",
    "lw    $t0, {queue_ended}($zero)",
    "nop",
    "bnez  $t0, 1b",                        // over while that was masked: yield
    " nop",
    "LOAD_HI_LO {saved}",
    "ALL_REGISTERS lw, {saved}",
    ".balign 32",
    ".globl exos_checks_bare_windows",
    "exos_checks_bare_windows:",
    "lw    $k0, {slot}($zero)",
    "nop",
    "jr    $k0",
    " nop",
    ".balign 32",
    ".globl exos_checks_bare_restore_end",
    "exos_checks_bare_restore_end:",
    // The windows of the epilogue that goes on, and of the handler for exceptions.
    "2:",
    "lw    $k0, {slot}($zero)",
    "nop",
    "jr    $k0",
    " nop",
    ".balign 32",
    "3:",
    "lw    $k0, {exception_slot}($zero)",
    "nop",
    "jr    $k0",
    " nop",
    ".balign 32",
    ".globl exos_checks_bare_windows_end",
    "exos_checks_bare_windows_end:",

    // An epilogue that goes on as if nothing had happened.
    ".globl exos_checks_bare_ignore",
    "exos_checks_bare_ignore:",
    "sw    $a0, {slot}($zero)",
    "lw    $a0, {ends}($zero)",
    "li    $a1, -1",
    "addiu $a0, $a0, 1",
    "sw    $a0, {ends}($zero)",
    "sw    $a1, {queue_mask}($zero)",
    "lw    $a0, {intx}+0($zero)",
    "b     2b",
    " lw   $a1, {intx}+4($zero)",

    // An epilogue that saves nothing.
    ".globl exos_checks_bare_leave",
    "exos_checks_bare_leave:",
    "move  $a0, $zero",
    "CALL  {yield}",
    "b     exos_checks_bare_leave",
    " nop",

    // A prologue, or beginning, that notes what it finds in the registers, takes a breakpoint, and yields.
    ".globl exos_checks_bare_look",
    "exos_checks_bare_look:",
    "ALL_REGISTERS sw, {seen}",
    "STORE_HI_LO {seen}",
    "COUNT_UP {starts}",
    "break",
    "move  $a0, $zero",
    "CALL  {yield}",
    "b     exos_checks_bare_leave",
    " nop",

    // A handler for exceptions: notes BadVAddr, and goes on behind the instruction.
    ".globl exos_checks_bare_exception",
    "exos_checks_bare_exception:",
    "addiu $a0, $a0, 4",
    "sw    $a1, {bad_vaddr}($zero)",
    "sw    $a0, {exception_slot}($zero)",
    "lw    $a0, {genx}+0($zero)",
    "lw    $a1, {genx}+4($zero)",
    "b     3b",
    " lw   $a2, {genx}+8($zero)",

    // Beginnings, with what is given in all registers: looks at a secret address, and then turns for ever; yields to the partner; donates its
    // slice to it; transfers to it; destroys itself.
    ".macro FULL_OF_SECRETS",
    "lw    $t0, {given}+4*31($zero)",
    "nop",
    "lw    $t0, 0($t0)",                    // an address that is not mapped
    "LOAD_HI_LO {given}",
    "ALL_REGISTERS lw, {given}",
    "nop",
    ".endm",
    ".globl exos_checks_bare_secret_turn",
    "exos_checks_bare_secret_turn:",
    "FULL_OF_SECRETS",
    "1:",
    "b     1b",
    " nop",
    ".globl exos_checks_bare_secret_yield",
    "exos_checks_bare_secret_yield:",
    "FULL_OF_SECRETS",
    "lw    $a0, {partner}($zero)",
    "CALL  {yield}",
    "b     exos_checks_bare_leave",
    " nop",
    ".globl exos_checks_bare_secret_next",
    "exos_checks_bare_secret_next:",
    "FULL_OF_SECRETS",
    "b     exos_checks_bare_leave",
    " nop",
    ".globl exos_checks_bare_secret_donate",
    "exos_checks_bare_secret_donate:",
    "FULL_OF_SECRETS",
    "lw    $a0, {partner}($zero)",
    "CALL  {donate}",
    "b     exos_checks_bare_leave",
    " nop",
    ".globl exos_checks_bare_secret_die",
    "exos_checks_bare_secret_die:",
    "FULL_OF_SECRETS",
    "lw    $a0, {partner}($zero)",          // its own name
    "CALL  {e_free}",
    "b     exos_checks_bare_leave",
    " nop",

    // Beginning and prologue: gives the rest of the slice to the partner, by an asynchronous transfer.
    ".globl exos_checks_bare_give",
    "exos_checks_bare_give:",
    "COUNT_UP {starts}",
    "lw    $v1, {partner}($zero)",
    "CALL  {asynchronous}",
    "sw    $v1, {failed}($zero)",
    "b     exos_checks_bare_leave",
    " nop",

    // Beginning and prologue: transfers to the partner, with what is given in all registers, `$v0` the
    // number of the transfer included.
    ".globl exos_checks_bare_intrude",
    "exos_checks_bare_intrude:",
    "COUNT_UP {count}",
    "LOAD_HI_LO {given}",
    "ALL_REGISTERS lw, {given}",
    "lw    $v1, {partner}($zero)",
    "nop",
    "syscall",
    "sw    $v1, {failed}($zero)",
    "b     exos_checks_bare_leave",
    " nop",

    // A gate that notes all registers, and yields.
    ".globl exos_checks_bare_note",
    "exos_checks_bare_note:",
    "ALL_REGISTERS sw, {found}",
    "STORE_HI_LO {found}",
    "COUNT_UP {starts}",
    "b     exos_checks_bare_leave",
    " nop",

    // Beginning and prologue: takes frames until it has what is reserved for it, and yields.
    ".globl exos_checks_bare_hungry",
    "exos_checks_bare_hungry:",
    "lw    $t0, {count}($zero)",
    "nop",
    "sltiu $t0, $t0, {lack}",
    "beqz  $t0, exos_checks_bare_leave",
    " nop",
    "li    $a0, -1",
    "CALL  {p_alloc}",
    "li    $t0, {again}",
    "beq   $v1, $t0, exos_checks_bare_hungry", // a part is done
    " nop",
    "sw    $v1, {failed}($zero)",
    "bnez  $v1, exos_checks_bare_leave",
    " nop",
    "COUNT_UP {count}",
    "b     exos_checks_bare_hungry",
    " nop",

    // Beginning and prologue: reads the word at `GUEST`, and yields.
    ".globl exos_checks_bare_guest",
    "exos_checks_bare_guest:",
    "lw    $t1, {guest}($zero)",
    "COUNT_UP {count}",
    "b     exos_checks_bare_leave",
    " nop",

    // Gates that only send back: the first instruction closes the span.
    ".globl exos_checks_bare_bounce",
    "exos_checks_bare_bounce:",
    ".word {close_synchronous}",
    ".globl exos_checks_bare_send_back",
    "exos_checks_bare_send_back:",
    "CALL  {synchronous}",
    "b     exos_checks_bare_leave",
    " nop",
    ".globl exos_checks_bare_bounce_asynchronous",
    "exos_checks_bare_bounce_asynchronous:",
    ".word {close_asynchronous}",
    "CALL  {synchronous}",
    "b     exos_checks_bare_leave",
    " nop",

    // A gate that notes all registers, and sends back what is given, in `$v0` the number of the transfer.
    ".globl exos_checks_bare_exchange",
    "exos_checks_bare_exchange:",
    "ALL_REGISTERS sw, {found}",
    "STORE_HI_LO {found}",
    "COUNT_UP {count}",
    "LOAD_HI_LO {given}",
    "ALL_REGISTERS lw, {given}",
    "lw    $v1, {found}+4*3($zero)",        // back to where it came from
    "syscall",
    "sw    $v1, {failed}($zero)",
    "b     exos_checks_bare_leave",
    " nop",

    // Ping-pong: a gate that adds 1 to a0 and sends it back; at the limit it destroys itself before that.
    ".globl exos_checks_bare_pong",
    "exos_checks_bare_pong:",
    "lw    $t0, {count}($zero)",
    "lw    $t1, {limit}($zero)",
    "addiu $t0, $t0, 1",
    "sw    $t0, {count}($zero)",
    "beq   $t0, $t1, 1f",
    " addiu $a0, $a0, 1",
    "li    $t8, 3",                         // an answer, for ExOS
    "CALL  {synchronous}",
    "sw    $v1, {failed}($zero)",
    "b     exos_checks_bare_leave",
    " nop",
    "1:",
    "lw    $a0, {partner}($zero)",          // its own name
    "CALL  {e_free}",
    "b     exos_checks_bare_leave",
    " nop",

    // Waits for a while, destroys the partner, and turns for ever.
    ".globl exos_checks_bare_killer",
    "exos_checks_bare_killer:",
    "lw    $t0, {limit}($zero)",
    "nop",
    "1:",
    "bnez  $t0, 1b",
    " addiu $t0, $t0, -1",
    "2:",
    "lw    $a0, {partner}($zero)",
    "CALL  {e_free}",
    "li    $t0, {again}",
    "beq   $v1, $t0, 2b",                   // a part of it is left
    " nop",
    "sw    $v1, {failed}($zero)",
    "COUNT_UP {count}",
    "b     exos_checks_bare_turn",
    " nop",

    // Beginning and prologue: notes where the library was interrupted last, waits for a while, which is shorter each time, by an
    // instruction, and yields.
    ".globl exos_checks_bare_delay",
    "exos_checks_bare_delay:",
    "lw    $t1, {interrupted}($zero)",
    "ori   $t2, $zero, {core}",
    "subu  $t1, $t1, $t2",
    "sltiu $t2, $t1, 0x1000",
    "beqz  $t2, 1f",
    " srl  $t1, $t1, 2",
    "li    $t2, 1",
    "sb    $t2, {hits}($t1)",
    "1:",
    "lw    $t0, {limit}($zero)",
    "nop",
    "addiu $t0, $t0, -1",
    "bgtz  $t0, 2f",
    " nop",
    "lw    $t0, {from}($zero)",
    "nop",
    "2:",
    "sw    $t0, {limit}($zero)",
    "COUNT_UP {count}",
    "lw    $t0, {limit}($zero)",
    "nop",
    "andi  $t1, $t0, 1",
    "bnez  $t1, 3f",
    " srl  $t0, $t0, 1",
    "nop",
    "3:",
    "bnez  $t0, 3b",
    " addiu $t0, $t0, -1",
    "lw    $a0, {partner}($zero)",
    "nop",
    "CALL  {yield}",
    "b     exos_checks_bare_delay",
    " nop",

    // Holds what is given in all registers, for a few instructions, and counts those that have changed, over and over.
    ".globl exos_checks_bare_hold",
    "exos_checks_bare_hold:",
    "LOAD_HI_LO {given}",
    "ALL_REGISTERS lw, {given}",
    ".rept 32",
    "nop",
    ".endr",
    "ALL_REGISTERS sw, {found}",
    "STORE_HI_LO {found}",
    "move  $t0, $zero",
    "1:",
    "lw    $t1, {given}($t0)",
    "lw    $t2, {found}($t0)",
    "lw    $t3, {failed}($zero)",
    "beq   $t1, $t2, 2f",
    " addiu $t0, $t0, 4",
    "addiu $t3, $t3, 1",
    "sw    $t3, {failed}($zero)",
    "2:",
    "sltiu $t1, $t0, 4 * 34",
    "bnez  $t1, 1b",
    " nop",
    "COUNT_UP {count}",
    "b     exos_checks_bare_hold",
    " nop",

    // The guard: as `hold`, and sums up a page of its own in each turn. After as many turns as LIMIT says it yields, unless its slice is
    // over before.
    ".globl exos_checks_bare_guard",
    "exos_checks_bare_guard:",
    "LOAD_HI_LO {given}",
    "ALL_REGISTERS lw, {given}",
    ".rept 32",
    "nop",
    ".endr",
    "ALL_REGISTERS sw, {found}",
    "STORE_HI_LO {found}",
    "move  $t0, $zero",
    "1:",
    "lw    $t1, {given}($t0)",
    "lw    $t2, {found}($t0)",
    "lw    $t3, {failed}($zero)",
    "beq   $t1, $t2, 2f",
    " addiu $t0, $t0, 4",
    "addiu $t3, $t3, 1",
    "sw    $t3, {failed}($zero)",
    "2:",
    "sltiu $t1, $t0, 4 * 34",
    "bnez  $t1, 1b",
    " nop",
    "lw    $t0, {count}($zero)",
    "nop",
    "andi  $s0, $t0, {guarded} - 1",
    "sll   $s0, $s0, 2",                    // s0 = the page's number, as an offset
    "lw    $s1, {places}($s0)",             // s1 = where
    "move  $s2, $zero",                     // s2 = sum
    "li    $s5, {page_bytes}",              // s5 = bytes left
    "3:",
    "lw    $s3, 0($s1)",                    // a miss here loses what a call may change: see `insert`
    "addiu $s1, $s1, 4",
    "addu  $s2, $s2, $s3",
    "addiu $s5, $s5, -4",
    "bnez  $s5, 3b",
    " nop",
    "lw    $t0, {sums}($s0)",
    "lw    $t1, {wrong}($zero)",
    "beq   $t0, $s2, 4f",
    " addiu $t1, $t1, 1",
    "sw    $t1, {wrong}($zero)",
    "4:",
    "COUNT_UP {count}",
    "lw    $t0, {left}($zero)",
    "nop",
    "addiu $t0, $t0, -1",
    "bgtz  $t0, exos_checks_bare_guard",
    " sw   $t0, {left}($zero)",
    "lw    $t0, {limit}($zero)",
    "sw    $zero, {queue_mask}($zero)",     // no epilogue in what follows
    "sw    $t0, {left}($zero)",
    "addiu $t0, $zero, {code} + exos_checks_bare_guard - exos_checks_bare",
    "sw    $t0, {slot}($zero)",
    "move  $a0, $zero",
    "CALL  {yield}",
    "b     exos_checks_bare_leave",
    " nop",

    // The guard's handler for exceptions, which are misses: binds the page, and repeats the access.
    ".globl exos_checks_bare_insert",
    "exos_checks_bare_insert:",
    "move  $s4, $a0",
    "move  $a0, $a1",
    "lw    $a1, {bindings}($s0)",
    "CALL  {tlbwr}",
    "jr    $s4",
    " nop",

    // An epilogue that comes late, once: as LIMIT says, two instructions a turn.
    ".globl exos_checks_bare_late",
    "exos_checks_bare_late:",
    "lw    $a1, {limit}($zero)",
    "sw    $zero, {limit}($zero)",
    "1:",
    "bnez  $a1, 1b",
    " addiu $a1, $a1, -1",
    "b     exos_checks_bare_epilogue",
    " nop",

    // Beginning and prologue: turns `limit` times, and yields.
    ".globl exos_checks_bare_thief",
    "exos_checks_bare_thief:",
    "COUNT_UP {starts}",
    "lw    $a1, {limit}($zero)",
    "nop",
    "1:",
    "bnez  $a1, 1b",
    " addiu $a1, $a1, -1",
    "b     exos_checks_bare_leave",
    " nop",

    // Arms the timer again and again, after waits of different lengths. (GXemul looks for interrupts every 8,191 instructions only, and a
    // loop of calls alone can be in the kernel each time.)
    ".globl exos_checks_bare_timer",
    "exos_checks_bare_timer:",
    "li    $a0, 1",
    "CALL  {timer}",
    "COUNT_UP {count}",
    "andi  $t0, $t0, 0x7f",
    "1:",
    "bnez  $t0, 1b",
    " addiu $t0, $t0, -1",
    "b     exos_checks_bare_timer",
    " nop",

    // Writes garbage over its own queue, all the time.
    ".globl exos_checks_bare_garbage",
    "exos_checks_bare_garbage:",
    "li    $a0, 1",
    "CALL  {timer}",
    "lui   $t4, 0x9e37",
    "ori   $t4, $t4, 0x79b9",
    "lw    $t5, {count}($zero)",
    "nop",
    "1:",
    "move  $t6, $zero",
    "2:",
    "addu  $t5, $t5, $t4",
    "sw    $t5, {queue}($t6)",
    "addiu $t6, $t6, 4",
    "sltiu $t7, $t6, {queue_bytes}",
    "bnez  $t7, 2b",
    " nop",
    "COUNT_UP {count}",
    "b     exos_checks_bare_garbage",
    " nop",

    ".globl exos_checks_bare_end",
    "exos_checks_bare_end:",
    ".purgem FULL_OF_SECRETS",
    ".purgem CALL",
    ".purgem LOAD_HI_LO",
    ".purgem STORE_HI_LO",
    ".purgem ALL_REGISTERS",
    ".purgem COUNT_UP",
    ".set pop",
    guarded = const GUARDED,
    places = const DATA + PLACES,
    sums = const DATA + SUMS,
    bindings = const DATA + BINDINGS,
    left = const DATA + LEFT,
    wrong = const DATA + WRONG,
    page_bytes = const PAGE_BYTES,
    tlbwr = const Number::tlbwr as u32,
    code = const CODE,
    slot = const DATA + SLOT,
    exception_slot = const DATA + EXCEPTION_SLOT,
    intx = const DATA + INTX,
    genx = const DATA + GENX,
    saved = const DATA + SAVED,
    found = const DATA + FOUND,
    seen = const DATA + SEEN,
    given = const DATA + GIVEN,
    queue_mask = const DATA + MASK,
    queue_ended = const DATA + ENDED,
    queue = const DATA + QUEUE,
    queue_bytes = const size_of::<InterruptQueue>(),
    hits = const DATA + HITS,
    interrupted = const LIBRARY + core::mem::offset_of!(State, interrupted) as u32,
    core = const layout::PINNED_TEXT.start,
    from = const DATA + FROM,
    timer = const Number::timer as u32,
    p_alloc = const Number::p_alloc as u32,
    again = const Error::Again as u32,
    guest = const LIBRARY,
    lack = const RESERVED_FRAMES as u32 - PAGES,
    count = const DATA + COUNT,
    starts = const DATA + STARTS,
    ends = const DATA + ENDS,
    partner = const DATA + PARTNER,
    limit = const DATA + LIMIT,
    failed = const DATA + FAILED,
    bad_vaddr = const DATA + BAD_VADDR,
    yield = const Number::r#yield as u32,
    donate = const Number::donate as u32,
    e_free = const Number::e_free as u32,
    asynchronous = const ASYNCHRONOUS,
    synchronous = const SYNCHRONOUS,
    close_synchronous = const Span::Transfer.close(),
    close_asynchronous = const Span::AsynchronousTransfer.close(),
);

macro_rules! entries {
    ($($(#[$doc:meta])* $name:ident = $symbol:ident;)*) => {
        unsafe extern "C" {
            static exos_checks_bare: u32;
            static exos_checks_bare_end: u32;
            static exos_checks_bare_restore: u32;
            static exos_checks_bare_unmasked: u32;
            static exos_checks_bare_windows: u32;
            static exos_checks_bare_windows_end: u32;
            $(static $symbol: u32;)*
        }

        /// A place in the code of bare environments.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Entry { $($(#[$doc])* $name,)* }

        impl Entry {
            /// The instructions of the prologue's restore at which it can be called up: number, and address in this program.
            pub fn restore() -> impl Iterator<Item = (u32, u32)> {
                let address = |place: *const u32| place.addr() as u32;
                let start = address(&raw const exos_checks_bare_restore);
                let unmasked = address(&raw const exos_checks_bare_unmasked);
                // A window is begun again.
                let end = address(&raw const exos_checks_bare_windows) + 4;
                (unmasked..end).step_by(4).map(move |place| ((place - start) / 4, place))
            }

            /// The windows there in which it resumes.
            fn windows() -> Range<u32> {
                let address = |place: *const u32| CODE + (place.addr() - (&raw const exos_checks_bare).addr()) as u32;
                address(&raw const exos_checks_bare_windows)..address(&raw const exos_checks_bare_windows_end)
            }

            /// Its address there.
            pub fn address(self) -> u32 {
                let start = (&raw const exos_checks_bare).addr();
                let place = match self { $(Entry::$name => (&raw const $symbol).addr(),)* };
                CODE + (place - start) as u32
            }
        }
    };
}

entries! {
    /// Counts, for ever.
    Count = exos_checks_bare_count;
    /// Does nothing, for ever.
    Turn = exos_checks_bare_turn;
    /// Epilogue that saves all registers.
    Epilogue = exos_checks_bare_epilogue;
    /// Prologue that loads what that has saved, and notes in [`SEEN`] what it finds before.
    Prologue = exos_checks_bare_prologue;
    /// Epilogue that goes on.
    Ignore = exos_checks_bare_ignore;
    /// Anything that just yields.
    Leave = exos_checks_bare_leave;
    /// Prologue or beginning that notes in [`SEEN`] what it finds.
    Look = exos_checks_bare_look;
    /// Handler for exceptions.
    Exception = exos_checks_bare_exception;
    /// Beginning that turns for ever, with what is given in its registers.
    SecretTurn = exos_checks_bare_secret_turn;
    /// That yields to the partner.
    SecretYield = exos_checks_bare_secret_yield;
    /// That yields to whoever is next.
    SecretNext = exos_checks_bare_secret_next;
    /// That donates its slice to the partner.
    SecretDonate = exos_checks_bare_secret_donate;
    /// That destroys itself: the partner must be its own name.
    SecretDie = exos_checks_bare_secret_die;
    /// Gate that sends back, and closes the span of a transfer.
    Bounce = exos_checks_bare_bounce;
    /// Gate that only sends back.
    SendBack = exos_checks_bare_send_back;
    /// As `Bounce`, for asynchronous transfers.
    BounceAsynchronous = exos_checks_bare_bounce_asynchronous;
    /// Gate that exchanges all registers; what is given for `$v0` is the number of the transfer back.
    Exchange = exos_checks_bare_exchange;
    /// Gate of a partner in ping-pong.
    Pong = exos_checks_bare_pong;
    /// Beginning and prologue that yields after a while, shorter each time: from [`FROM`] down. It notes in [`HITS`] where the library whose
    /// state is mapped was interrupted last: see [`Pages::with_library`].
    Delay = exos_checks_bare_delay;
    /// Beginning that holds what is given in all registers, and counts in [`FAILED`] what has changed.
    Hold = exos_checks_bare_hold;
    /// Beginning and prologue that gives the rest of the slice to the partner, by an asynchronous transfer.
    Give = exos_checks_bare_give;
    /// Beginning and prologue that transfers to the partner, with what is given in all registers, and
    /// counts in [`COUNT`]; what is given for `$v0` is the number of the transfer.
    Intrude = exos_checks_bare_intrude;
    /// Gate that notes in [`FOUND`] what arrives, counts in [`STARTS`], and yields.
    Note = exos_checks_bare_note;
    /// Beginning and prologue that takes frames until it has what is reserved for it, counts them, and yields. [`FAILED`] has the last error.
    Hungry = exos_checks_bare_hungry;
    /// Beginning and prologue that reads the page of [`Pages::with_guest`], and yields.
    Guest = exos_checks_bare_guest;
    /// Beginning of the guard, which holds what is given in all registers, and sums up its pages: see [`PLACES`].
    Guard = exos_checks_bare_guard;
    /// The guard's handler for misses.
    Insert = exos_checks_bare_insert;
    /// Epilogue that comes late, once: by [`LIMIT`] turns of two instructions.
    Late = exos_checks_bare_late;
    /// Beginning and prologue that turn so many times, and yield.
    Thief = exos_checks_bare_thief;
    /// Beginning that arms the timer again and again.
    Timer = exos_checks_bare_timer;
    /// Beginning that writes garbage over its own queue, and arms the timer.
    Garbage = exos_checks_bare_garbage;
    /// Beginning that destroys the partner after a while.
    Killer = exos_checks_bare_killer;
}

/// What a bare environment does, each if there is one.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs, reason = "as in `Env`")]
pub struct Entries {
    pub init: Option<Entry>,
    pub pro: Option<Entry>,
    pub epi: Option<Entry>,
    pub gate: Option<Entry>,
    pub agate: Option<Entry>,
}

/// The code and the data of a bare environment, which need not live.
pub struct Pages {
    code: Frame,
    data: Frame,
    /// Their mappings here: code, data.
    region: Region,
}

impl Pages {
    /// Pages with the code in them.
    ///
    /// # Errors
    /// `NoMemory`, or no room in the address space, which is then `TooLong`.
    pub fn new() -> Result<Pages, Error> {
        let place = |place: *const u32| place.addr();
        Pages::holding(place(&raw const exos_checks_bare)..place(&raw const exos_checks_bare_end))
    }

    /// Pages with this code of the program's in them. It may not depend on its place, but for that in 32 bytes.
    ///
    /// # Errors
    /// As for [`Pages::new`].
    pub(super) fn holding(place: Range<usize>) -> Result<Pages, Error> {
        let (code, data) = (Frame::any()?, Frame::any()?);
        let region = Region::reserve(2).map_err(|_| Error::TooLong)?;
        region.map(0, &code, Rights::ReadWrite).map_err(|_| Error::TooLong)?;
        region.map(1, &data, Rights::ReadWrite).map_err(|_| Error::TooLong)?;
        let (start, bytes) = (place.start, place.len());
        assert!(bytes <= PAGE_BYTES as usize, "the code of bare environments is longer than a page");
        for offset in (0..bytes as u32).step_by(4) {
            region.store(offset, super::calls::load(start as u32 + offset));
        }
        Ok(Pages { code, data, region })
    }

    /// A word of the data.
    pub fn load(&self, offset: u32) -> u32 {
        self.region.load(PAGE_BYTES + offset)
    }

    /// Sets a word of the data.
    pub fn store(&self, offset: u32, value: u32) {
        self.region.store(PAGE_BYTES + offset, value);
    }

    /// The frame of the data.
    pub fn data_frame(&self) -> u32 {
        self.data.get()
    }

    /// The context of an environment with these pages.
    pub fn env(&self, entries: Entries) -> Box<Env> {
        let address = |entry: Option<Entry>| entry.map_or(0, Entry::address);
        let data = self.data.get() << PAGE_SHIFT;
        let mut env = Box::new(Env {
            tlbx_save_area: data + TLBX,
            genx_save_area: data + GENX,
            intx_save_area: data + INTX,
            iq: data + QUEUE,
            xh: [Entry::Exception.address(); EXCEPTIONS],
            epi: address(entries.epi),
            pro: address(entries.pro),
            init: address(entries.init),
            gate: address(entries.gate),
            agate: address(entries.agate),
            resume_start: Entry::windows().start,
            resume_windows: Entry::windows().len() as u32 / RESUME_WINDOW_BYTES,
            ..Env::EMPTY
        });
        // Misses of what is not guaranteed are exceptions like others, but for the save area.
        env.tlbx_save_area = data + GENX;
        env.xl[0] = Mapping { va: CODE, lo: Lo::read_only(self.code.get()).0 };
        env.xl[1] = Mapping { va: DATA, lo: Lo::writable(self.data.get()).0 };
        env
    }

    /// The same, with the state of this program's library mapped, to be read.
    pub fn with_library(&self, entries: Entries) -> Box<Env> {
        let state = exos::machine::mapping(layout::STATE.start).map_or(0, |lo| lo.pfn());
        self.with_guest(entries, state)
    }

    /// The same, with another frame under a guaranteed mapping, to be read.
    pub fn with_guest(&self, entries: Entries, frame: u32) -> Box<Env> {
        let mut env = self.env(entries);
        env.xl[2] = Mapping { va: LIBRARY, lo: Lo::read_only(frame).0 };
        env
    }

    /// An environment with these pages, without a slice, its interrupts not masked.
    ///
    /// # Errors
    /// Those of the kernel's call `e_alloc`.
    pub fn start(&self, entries: Entries) -> Result<Pid, Error> {
        self.start_under(&self.env(entries))
    }

    /// One that has started, and left at once: its gates are open.
    ///
    /// # Errors
    /// Those of the kernel's calls `e_alloc` and `yield`, and no room in the address space, which is then `TooLong`.
    pub fn open(&self, entries: Entries) -> Result<Pid, Error> {
        let pid = self.start(Entries { init: Some(Entry::Leave), ..entries })?;
        // At the end of a slice the yield is to somebody else.
        until_started(pid, || schedule::yield_to(pid))?;
        self.store(MASK, u32::MAX);
        Ok(pid)
    }

    /// The same as [`Pages::start`] under a context.
    ///
    /// # Errors
    /// Those of the kernel's call `e_alloc`.
    pub fn start_under(&self, env: &Env) -> Result<Pid, Error> {
        self.store(MASK, u32::MAX);
        make(env)
    }
}

/// Does something until an environment has started, and its gates are open.
///
/// # Errors
/// Those of what is done, and no room in the address space, which is then `TooLong`.
pub fn until_started(pid: Pid, mut act: impl FnMut() -> Result<(), Error>) -> Result<(), Error> {
    let tables = Tables::map().map_err(|_| Error::TooLong)?;
    while !tables.environments.iter().any(|record| record.pid == pid.0 && record.started != 0) {
        act()?;
    }
    Ok(())
}

/// Pages of a bare environment.
pub const PAGES: u32 = 2;

/// Makes an environment, which makes none itself.
///
/// # Errors
/// Those of the kernel's call `e_alloc`.
pub fn make(env: &Env) -> Result<Pid, Error> {
    make_with(env, 0)
}

/// Makes an environment, which draws on the account that the argument of `e_alloc` names.
///
/// # Errors
/// Those of the kernel's call `e_alloc`.
pub fn make_with(env: &Env, account: u32) -> Result<Pid, Error> {
    with_pointer(env, |_| call(Number::e_alloc, [ANY, address_of(env), account, 0]).map(Pid))
}

/// Destroys an environment. The name of one that has ended by itself is given up.
///
/// # Errors
/// Those of the kernel's call `e_free`.
pub fn free(pid: Pid) -> Result<(), Error> {
    let result = call(Number::e_free, [pid.0, 0, 0, 0]).map(drop);
    if result == Err(Error::NoSuchEnvironment) {
        let _ = call(Number::e_unref, [pid.0, 0, 0, 0]);
    }
    result
}

/// An environment that is destroyed when this goes, if it has not ended before.
#[derive(Debug)]
pub struct Alive(pub Pid);

impl Drop for Alive {
    fn drop(&mut self) {
        let _ = free(self.0);
    }
}

/// Gives an environment a slice: its number.
///
/// # Errors
/// Those of the kernel's call `s_alloc`.
pub fn give_slice(pid: Pid, n: u32) -> Result<u32, Error> {
    call(Number::s_alloc, [pid.0, n, 0, 0])
}

/// Words of an environment's data, which everybody can read.
pub const DATA_WORDS: usize = ENV_DATA_BYTES / 4;

/// Writes an environment's data.
///
/// # Errors
/// Those of the kernel's call `e_write`.
pub fn write_data(pid: Pid, words: &[u32; DATA_WORDS]) -> Result<(), Error> {
    with_pointer(words, |_| call(Number::e_write, [pid.0, 0, address_of(words), ENV_DATA_BYTES as u32]).map(drop))
}
