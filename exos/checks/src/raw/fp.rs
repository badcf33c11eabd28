//! The floating-point unit: moves between its registers and memory, operations, and bare environments that use it. What the compiler makes
//! does not use it.

use super::bare::{CODE, DATA, ENDED, FAILED, GENX, GIVEN, MASK, PARTNER, Pages, SEEN, SLOT, STARTS, WORDS};
use alloc::boxed::Box;
use core::arch::{asm, global_asm};
use exos::abi::calls::Number;
use exos::abi::limits::EXCEPTIONS;
use exos::abi::{Env, Error};

/// Its 32 registers, and the control register.
pub type FpRegisters = [u32; 33];

/// Control register: the bit that enables the exception of an invalid operation.
pub const ENABLE_INVALID: u32 = 1 << 11;
/// That of a division by zero.
pub const ENABLE_DIVISION: u32 = 1 << 10;
/// Its bit that says that the last operation is not implemented.
pub const CAUSE_UNIMPLEMENTED: u32 = 1 << 17;
/// That it was invalid.
pub const CAUSE_INVALID: u32 = 1 << 16;
/// That it divided by zero.
pub const CAUSE_DIVISION: u32 = 1 << 15;

/// Loads all registers.
pub fn load(registers: &FpRegisters) {
    // SAFETY: nothing that the compiler makes uses these registers.
    unsafe {
        asm!(
            ".set push", ".set noat", ".set noreorder", ".set hardfloat",
            "lw    {control}, 4*32({place})",
            ".irp  n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
            "lwc1  $f\\n, 4*\\n({place})",
            ".endr",
            "ctc1  {control}, $31",
            "nop",
            ".set pop",
            place = in(reg) registers, control = out(reg) _, options(nostack)
        );
    }
}

/// Stores all registers.
pub fn store() -> FpRegisters {
    let mut registers = [0; 33];
    // SAFETY: the array has room.
    unsafe {
        asm!(
            ".set push", ".set noat", ".set noreorder", ".set hardfloat",
            "cfc1  {control}, $31",
            ".irp  n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
            "swc1  $f\\n, 4*\\n({place})",
            ".endr",
            "sw    {control}, 4*32({place})",
            ".set pop",
            place = in(reg) &mut registers, control = out(reg) _, options(nostack)
        );
    }
    registers
}

/// Loads the control register alone.
pub fn set_control(control: u32) {
    // SAFETY: as above.
    unsafe {
        asm!(
            ".set push", ".set noat", ".set noreorder", ".set hardfloat", "ctc1 {}, $31", "nop", ".set pop",
            in(reg) control, options(nostack)
        );
    }
}

/// The control register.
pub fn control() -> u32 {
    let control;
    // SAFETY: it is read only.
    unsafe {
        asm!(
            ".set push", ".set noat", ".set noreorder", ".set hardfloat", "cfc1 {}, $31", "nop", ".set pop",
            out(reg) control, options(nostack)
        );
    }
    control
}

macro_rules! operation {
    ($(#[$doc:meta])* $name:ident $instruction:literal) => {
        $(#[$doc])*
        pub fn $name(a: f32, b: f32) -> f32 {
            let result: u32;
            // SAFETY: nothing that the compiler makes uses these registers.
            unsafe {
                asm!(
                    ".set push", ".set noat", ".set noreorder", ".set hardfloat",
                    "mtc1  {a}, $f2",
                    "mtc1  {b}, $f4",
                    "mtc1  $zero, $f6",
                    "nop",
                    concat!($instruction, " $f6, $f2, $f4"),
                    "mfc1  {result}, $f6",
                    "nop",
                    ".set pop",
                    a = in(reg) a.to_bits(), b = in(reg) b.to_bits(), result = out(reg) result, options(nostack)
                );
            }
            f32::from_bits(result)
        }
    };
}

operation!(/// Sum, of single precision.
    add "add.s");
operation!(/// Product.
    multiply "mul.s");
operation!(/// Quotient; 0 where an exception is skipped.
    divide "div.s");

/// The product of two numbers of double precision, each in two registers.
pub fn multiply_double(a: f64, b: f64) -> f64 {
    let (a, b) = (a.to_bits(), b.to_bits());
    let (low, high): (u32, u32);
    // SAFETY: as above.
    unsafe {
        asm!(
            ".set push", ".set noat", ".set noreorder", ".set hardfloat",
            "mtc1  {a0}, $f2",
            "mtc1  {a1}, $f3",
            "mtc1  {b0}, $f4",
            "mtc1  {b1}, $f5",
            "nop",
            "mul.d $f6, $f2, $f4",
            "mfc1  {low}, $f6",
            "mfc1  {high}, $f7",
            "nop",
            ".set pop",
            a0 = in(reg) a as u32, a1 = in(reg) (a >> 32) as u32, b0 = in(reg) b as u32, b1 = in(reg) (b >> 32) as u32,
            low = out(reg) low, high = out(reg) high, options(nostack)
        );
    }
    f64::from_bits(u64::from(high) << 32 | u64::from(low))
}

/// The first floating-point instruction in the delay slot of a branch: what is in `$f0` is `value` then, and the result 2, as the branch
/// is carried out.
pub fn in_delay_slot(value: u32) -> u32 {
    let result: u32;
    // SAFETY: as above.
    unsafe {
        asm!(
            ".set push", ".set noat", ".set noreorder", ".set hardfloat",
            "li    {result}, 2",
            "beq   $zero, $zero, 1f",
            " mtc1 {value}, $f0",
            "li    {result}, 1",
            "1:",
            ".set pop",
            value = in(reg) value, result = out(reg) result, options(nostack)
        );
    }
    result
}

/// Words of a bare environment's data: the number of the call or transfer with which it gives up the processor, 0: it does not, and turns
/// for ever.
pub const ACTION: u32 = WORDS + 32;
/// To whom a transfer goes. [`look`] puts its own caller's name there.
pub const RECEIVER: u32 = WORDS + 36;
/// How many exceptions it has had.
pub const FAULTS: u32 = WORDS + 40;
/// Cause of the last.
pub const CAUSE: u32 = WORDS + 44;

const _: () = assert!(CAUSE < SEEN);

global_asm!(
    ".section .text.exos_checks_fp, \"ax\", @progbits",
    ".set push",
    ".set noreorder",
    ".set noat",
    ".set hardfloat",
    ".balign 32",
    ".globl exos_checks_fp",
    "exos_checks_fp:",
    ".macro ALL_FP move, place",
    ".irp  n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
    "\\move $f\\n, \\place+4*\\n($zero)",
    ".endr",
    ".endm",
    ".macro FPU_ON",
    "li    $a0, 1",
    "li    $v0, {fpu}",
    "syscall",
    "sw    $v1, {failed}($zero)",
    ".endm",
    ".macro STARTED",
    "lw    $t0, {starts}($zero)",
    "nop",
    "addiu $t0, $t0, 1",
    "sw    $t0, {starts}($zero)",
    ".endm",

    // Beginning or prologue: loads what is given into all registers, and gives up the processor, or not.
    ".globl exos_checks_fp_secret",
    "exos_checks_fp_secret:",
    "li    $t0, -1",
    "sw    $t0, {mask}($zero)",             // the end of its last slice has cleared it
    "FPU_ON",
    "ALL_FP lwc1, {given}",
    "lw    $t0, {given}+4*32($zero)",
    "nop",
    "ctc1  $t0, $31",
    "nop",
    "nop",
    "STARTED",
    "exos_checks_fp_act:",
    "lw    $v0, {action}($zero)",
    "lw    $v1, {receiver}($zero)",
    "lw    $a0, {partner}($zero)",
    "beqz  $v0, exos_checks_fp_turn",
    " nop",
    "syscall",
    "sw    $v1, {failed}($zero)",
    ".globl exos_checks_fp_leave",
    "exos_checks_fp_leave:",
    "move  $a0, $zero",
    "li    $v0, {yield}",
    "syscall",
    "b     exos_checks_fp_leave",
    " nop",
    // The slice may have ended while that was masked.
    "exos_checks_fp_turn:",
    "lw    $t0, {ended}($zero)",
    "nop",
    "beqz  $t0, exos_checks_fp_turn",
    " nop",
    "b     exos_checks_fp_leave",
    " nop",

    // Beginning, prologue or gate: looks into the registers, first as it comes, which must be an exception; then with the unit on.
    ".globl exos_checks_fp_look",
    "exos_checks_fp_look:",
    "swc1  $f0, {seen}($zero)",
    "sw    $v1, {receiver}($zero)",
    "FPU_ON",
    "cfc1  $t0, $31",
    "ALL_FP swc1, {seen}",
    "sw    $t0, {seen}+4*32($zero)",
    "STARTED",
    "b     exos_checks_fp_act",
    " nop",

    // Handler: notes the cause, and goes on behind the instruction.
    ".globl exos_checks_fp_exception",
    "exos_checks_fp_exception:",
    "addiu $a0, $a0, 4",
    "sw    $a0, {slot}($zero)",
    "sw    $a2, {cause}($zero)",
    "lw    $a1, {faults}($zero)",
    "lw    $a0, {genx}+0($zero)",
    "addiu $a1, $a1, 1",
    "sw    $a1, {faults}($zero)",
    "lw    $a1, {genx}+4($zero)",
    "lw    $a2, {genx}+8($zero)",
    ".balign 32",
    ".globl exos_checks_fp_window",
    "exos_checks_fp_window:",
    "lw    $k0, {slot}($zero)",
    "nop",
    "jr    $k0",
    " nop",
    ".balign 32",
    ".globl exos_checks_fp_end",
    "exos_checks_fp_end:",
    ".purgem STARTED",
    ".purgem FPU_ON",
    ".purgem ALL_FP",
    ".set pop",
    fpu = const Number::fpu as u32,
    yield = const Number::r#yield as u32,
    given = const DATA + GIVEN,
    seen = const DATA + SEEN,
    starts = const DATA + STARTS,
    failed = const DATA + FAILED,
    partner = const DATA + PARTNER,
    action = const DATA + ACTION,
    receiver = const DATA + RECEIVER,
    faults = const DATA + FAULTS,
    cause = const DATA + CAUSE,
    slot = const DATA + SLOT,
    mask = const DATA + MASK,
    ended = const DATA + ENDED,
    genx = const DATA + GENX,
);

unsafe extern "C" {
    static exos_checks_fp: u32;
    static exos_checks_fp_secret: u32;
    static exos_checks_fp_look: u32;
    static exos_checks_fp_leave: u32;
    static exos_checks_fp_exception: u32;
    static exos_checks_fp_window: u32;
    static exos_checks_fp_end: u32;
}

fn entry(place: *const u32) -> u32 {
    CODE + (place.addr() - (&raw const exos_checks_fp).addr()) as u32
}

/// Pages of a bare environment with this code.
///
/// # Errors
/// As for [`Pages::new`].
pub fn pages() -> Result<Pages, Error> {
    Pages::holding((&raw const exos_checks_fp).addr()..(&raw const exos_checks_fp_end).addr())
}

fn env(pages: &Pages, start: u32) -> Box<Env> {
    let mut env = pages.env(Default::default());
    env.xh = [entry(&raw const exos_checks_fp_exception); EXCEPTIONS];
    (env.init, env.pro) = (start, start);
    (env.resume_start, env.resume_windows) = (entry(&raw const exos_checks_fp_window), 1);
    env
}

/// One that fills the registers with what is given, whenever it starts, and then does as [`ACTION`] says, with [`PARTNER`] as the first
/// argument. At the end of its slice it just yields.
pub fn secret(pages: &Pages) -> Box<Env> {
    let mut env = env(pages, entry(&raw const exos_checks_fp_secret));
    env.epi = entry(&raw const exos_checks_fp_leave);
    env
}

/// One that notes what it finds in the registers where it starts and at its gates, and then does as [`ACTION`] says.
pub fn look(pages: &Pages) -> Box<Env> {
    let look = entry(&raw const exos_checks_fp_look);
    let mut env = env(pages, look);
    (env.gate, env.agate) = (look, look);
    env
}
