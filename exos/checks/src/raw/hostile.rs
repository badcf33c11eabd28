//! Hostile environments: without a library, a page of code that carries out a script, which the director of the run writes again and
//! again, and pages of data. What happens is drawn by the director; what is here only does it, and notes what came of it.
//!
//! All data are named by offsets from `$zero`, so that no register is needed, whatever a step has left in them.

use crate::raw::calls::load;
use core::arch::global_asm;
use core::mem::offset_of;
use exos::abi::InterruptQueue;
use exos::abi::calls::Number;
use exos::abi::calls::transfer::SYNCHRONOUS;
use exos::abi::limits::PAGE_BYTES;

/// Where the code is mapped.
pub const CODE: u32 = 0x1000;
/// Where save areas, queue, and words of the code's own are mapped.
pub const DATA: u32 = 0x2000;
/// Where the script is mapped.
pub const SCRIPT: u32 = 0x3000;
/// Where contexts for new environments are mapped. Nothing is mapped behind it.
pub const CONTEXTS: u32 = 0x4000;
/// Where random instructions are mapped. Nothing is mapped behind it.
pub const SCRATCH: u32 = 0x6000;

// What the page of data holds, by offset.
/// The save areas.
pub const TLBX: u32 = 0x10;
/// For exceptions, and for misses as well, as handlers know one only.
pub const GENX: u32 = 0x20;
/// For interrupts.
pub const INTX: u32 = 0x30;
/// Where a step jumps to.
const TARGET: u32 = 0x40;
/// The next step of the script.
pub const CURSOR: u32 = 0x44;
/// Exceptions of this step behind which it may yet go on.
const BUDGET: u32 = 0x48;
/// Where it goes on behind one.
const RESUME: u32 = 0x4c;
/// The interrupt queue.
pub const QUEUE: u32 = 0x80;
/// The registers that a step starts with, by number, then HI and LO.
pub const REGISTERS: u32 = 0x200;
/// Exceptions by their code, a word each.
pub const CAUSES: u32 = 0x300;
/// Upcalls for interrupts.
pub const UPCALLS: u32 = 0x380;
/// Who has begun each step, a word each; where several have, or one has twice, the sum of their names. (Environments that hostile ones make
/// can do the same script, and what is random can set [`CURSOR`] back.)
pub const WHO: u32 = 0x400;

/// The repossession vector.
pub const VECTOR: u32 = 0x600;

/// Steps of a script.
pub const STEPS: u32 = PAGE_BYTES / STEP_BYTES;
/// Bytes of a step: kind, four arguments, number of the call, its result, its [`NOTE`].
pub const STEP_BYTES: u32 = 32;
/// Offset of a step's result.
pub const RESULT: u32 = 24;
/// Offset of the word to which, when the step has been done, 1 and its error code are added.
pub const NOTE: u32 = 28;

/// Exceptions in a step, behind which it goes on.
const PATIENCE: u32 = 8;

/// What a step does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Kind {
    /// A call, or a transfer to the environment that the first argument names.
    Call = 0,
    /// Loads a word from where the first argument says.
    Load = 1,
    /// Stores the second argument there.
    Store = 2,
    /// Jumps there.
    Jump = 3,
    /// Loads a word from there, and adds it to the note, too; 0 if that is an exception.
    Reveal = 4,
    /// Loads all registers, and jumps there.
    JumpLoaded = 5,
}

const _: () =
    assert!(QUEUE + size_of::<InterruptQueue>() as u32 <= REGISTERS && STEP_BYTES == 32 && WHO + 4 * STEPS <= VECTOR);

global_asm!(
    ".section .text.exos_checks_hostile, \"ax\", @progbits",
    ".set push",
    ".set noreorder",
    ".set noat",
    ".globl exos_checks_hostile",
    "exos_checks_hostile:",

    // The next step: beginning, prologue, gate, and handler of what abandons a step.
    ".globl exos_checks_hostile_next",
    "exos_checks_hostile_next:",
    "li    $t0, -1",
    "sw    $t0, {mask}($zero)",
    "lw    $t0, {cursor}($zero)",
    "li    $t1, {patience}",
    "sw    $t1, {budget}($zero)",
    "sltiu $t1, $t0, {steps}",
    "beqz  $t1, exos_checks_hostile_yield", // the script is over
    " addiu $t1, $t0, 1",
    "sw    $t1, {cursor}($zero)",
    "sll   $t0, $t0, 5",
    "addiu $s0, $t0, {script}",             // s0 = the step
    "li    $v0, {pid}",
    "syscall",                              // v0 = who does it
    "addiu $t0, $s0, -{script}",
    "srl   $t0, $t0, 3",
    "lw    $t1, {who}($t0)",
    "nop",
    "addu  $v0, $v0, $t1",
    "sw    $v0, {who}($t0)",
    "lw    $t0, 0($s0)",
    "lw    $a0, 4($s0)",
    "lw    $a1, 8($s0)",
    "lw    $a2, 12($s0)",
    "lw    $a3, 16($s0)",
    "beqz  $t0, 10f",
    " addiu $t0, $t0, -{kind_load}",
    "beqz  $t0, 11f",
    " addiu $t0, $t0, {kind_load} - {kind_store}",
    "beqz  $t0, 12f",
    " addiu $t0, $t0, {kind_store} - {kind_jump}",
    "beqz  $t0, 13f",
    " sw   $a0, {target}($zero)",
    "addiu $t0, $t0, {kind_jump} - {kind_reveal}",
    "beqz  $t0, 16f",
    " nop",
    // Jumps with all registers loaded.
    "lw    $t0, {registers}+4*32($zero)",
    "lw    $t1, {registers}+4*33($zero)",
    "mthi  $t0",
    "mtlo  $t1",
    ".irp  n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,28,29,30,31",
    "lw    $\\n, {registers}+4*\\n($zero)",
    ".endr",
    "lw    $k0, {target}($zero)",
    "nop",
    "jalr  $k0",
    " nop",
    "b     exos_checks_hostile_next",
    " nop",
    "13:",
    "jalr  $a0",
    " nop",
    "b     exos_checks_hostile_next",
    " nop",
    "16:",
    "move  $v0, $zero",
    "lw    $v0, 0($a0)",
    "b     14f",
    " move $v1, $v0",
    "12:",
    "b     15f",
    " sw   $a1, 0($a0)",
    "11:",
    "lw    $v0, 0($a0)",
    "15:",
    "lw    $v1, {budget}($zero)",           // v1 = exceptions behind which it went on
    "li    $t1, {patience}",
    "b     14f",
    " subu $v1, $t1, $v1",
    "10:",
    "lw    $v0, 20($s0)",
    "move  $v1, $a0",
    "syscall",
    "14:",
    "lw    $t0, {note}($s0)",
    "sw    $v0, {result}($s0)",
    "addiu $v1, $v1, 1",
    "addu  $t0, $t0, $v1",
    "b     exos_checks_hostile_next",
    " sw   $t0, {note}($s0)",

    // An epilogue that gives up the processor.
    ".globl exos_checks_hostile_yield",
    "exos_checks_hostile_yield:",
    "move  $a0, $zero",
    "li    $v0, {yield}",
    "syscall",
    "b     exos_checks_hostile_next",
    " nop",

    // A gate that sends back.
    ".globl exos_checks_hostile_bounce",
    "exos_checks_hostile_bounce:",
    "li    $v0, {synchronous}",
    "syscall",
    "b     exos_checks_hostile_next",
    " nop",

    // A handler for interrupts.
    ".globl exos_checks_hostile_upcall",
    "exos_checks_hostile_upcall:",
    "lw    $a0, {upcalls}($zero)",
    "nop",
    "addiu $a0, $a0, 1",
    "b     exos_checks_hostile_next",
    " sw   $a0, {upcalls}($zero)",

    // A handler for exceptions that abandons the step.
    ".globl exos_checks_hostile_abandon",
    "exos_checks_hostile_abandon:",
    "andi  $a2, $a2, 0x7c",
    "lw    $a1, {causes}($a2)",
    "nop",
    "addiu $a1, $a1, 1",
    "b     exos_checks_hostile_next",
    " sw   $a1, {causes}($a2)",

    // One that goes on behind the instruction, a few times.
    ".globl exos_checks_hostile_behind",
    "exos_checks_hostile_behind:",
    "andi  $a2, $a2, 0x7c",
    "lw    $a1, {causes}($a2)",
    "nop",
    "addiu $a1, $a1, 1",
    "sw    $a1, {causes}($a2)",
    "lw    $a1, {budget}($zero)",
    "addiu $a0, $a0, 4",
    "blez  $a1, exos_checks_hostile_next",
    " addiu $a1, $a1, -1",
    "sw    $a1, {budget}($zero)",
    "sw    $a0, {resume}($zero)",
    "lw    $a0, {genx}+0($zero)",
    "lw    $a1, {genx}+4($zero)",
    "lw    $a2, {genx}+8($zero)",
    "lw    $k0, {resume}($zero)",
    "nop",
    "jr    $k0",
    " nop",

    ".globl exos_checks_hostile_end",
    "exos_checks_hostile_end:",
    ".set pop",
    mask = const DATA + QUEUE + offset_of!(InterruptQueue, mask) as u32,
    pid = const Number::pid as u32,
    who = const DATA + WHO,
    cursor = const DATA + CURSOR,
    patience = const PATIENCE,
    budget = const DATA + BUDGET,
    resume = const DATA + RESUME,
    target = const DATA + TARGET,
    genx = const DATA + GENX,
    registers = const DATA + REGISTERS,
    causes = const DATA + CAUSES,
    upcalls = const DATA + UPCALLS,
    steps = const STEPS,
    script = const SCRIPT,
    note = const NOTE,
    result = const RESULT,
    kind_load = const Kind::Load as u32,
    kind_store = const Kind::Store as u32,
    kind_reveal = const Kind::Reveal as u32,
    kind_jump = const Kind::Jump as u32,
    yield = const Number::r#yield as u32,
    synchronous = const SYNCHRONOUS,
);

macro_rules! entries {
    ($($(#[$doc:meta])* $name:ident = $symbol:ident;)*) => {
        unsafe extern "C" {
            static exos_checks_hostile: u32;
            static exos_checks_hostile_end: u32;
            $(static $symbol: u32;)*
        }

        /// A place in the code.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Entry { $($(#[$doc])* $name,)* }

        impl Entry {
            /// All of them.
            pub const ALL: &[Entry] = &[$(Entry::$name),*];

            /// Its address there.
            pub fn address(self) -> u32 {
                let start = (&raw const exos_checks_hostile).addr();
                let place = match self { $(Entry::$name => (&raw const $symbol).addr(),)* };
                CODE + (place - start) as u32
            }
        }
    };
}

entries! {
    /// The next step.
    Next = exos_checks_hostile_next;
    /// Yields to whoever is next.
    Yield = exos_checks_hostile_yield;
    /// Gate that sends back.
    Bounce = exos_checks_hostile_bounce;
    /// Handler for interrupts.
    Upcall = exos_checks_hostile_upcall;
    /// Handler for exceptions that abandons the step.
    Abandon = exos_checks_hostile_abandon;
    /// Handler for exceptions that goes on behind the instruction.
    Behind = exos_checks_hostile_behind;
}

impl Entry {
    /// Those that lead neither to the kernel at once, again and again, nor to where a register says.
    pub const HARMLESS: &[Entry] = &[Entry::Next, Entry::Yield, Entry::Upcall, Entry::Abandon];
}

/// The words of the code, from the start of its page.
pub fn code() -> impl Iterator<Item = u32> {
    let start = (&raw const exos_checks_hostile).addr() as u32;
    let end = (&raw const exos_checks_hostile_end).addr() as u32;
    (start..end).step_by(4).map(load)
}
