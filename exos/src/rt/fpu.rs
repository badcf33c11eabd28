//! The floating-point unit, which a program gets when it first uses it.
//!
//! It is off when a program starts and wherever it has had to give up the processor, so the next floating-point instruction is an exception,
//! "coprocessor 1 unusable". The library takes that one itself ([`turn_on`]), before the program's own handler: it calls the kernel's
//! `fpu`, loads the registers if there are any to be loaded, and has the instruction repeated. So who does not use the unit pays a look at
//! [`Fpu::on`] for giving up the processor, and nothing else.
//!
//! Before the processor is given up, by `yield` or a transfer, the registers are saved if the unit is on ([`put_away`]). It cannot be lost
//! otherwise, as the kernel takes the processor from nobody. An upcall must come neither between saving and giving up, nor between
//! `fpu` and the last load: the mask is clear meanwhile.
//!
//! There is one set of registers for the program and all that interrupts it: exceptions' and interrupts' handlers and the functions
//! that answer requests. What these change, they have to put back. (What the compiler makes does not use the unit.)

use super::call;
use super::state::{STATE, address_of};
use crate::interrupts::masked;
use aegis_abi::Error;
use core::arch::global_asm;

global_asm!(
    ".section .text.exos_fpu, \"ax\", @progbits",
    ".set push",
    ".set noreorder",
    ".set noat",
    ".set hardfloat",

    // void exos_fpu_save(): saves the registers, and notes that the unit is off. The mask is clear. Changes v0 alone, and leaves 0 there.
    ".globl exos_fpu_save",
    "exos_fpu_save:",
    ".irp  n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
    "swc1  $f\\n, {registers}+4*\\n($zero)",
    ".endr",
    "cfc1  $v0, $31",
    "sw    $zero, {on}($zero)",             // load delay of v0 (MIPS I)
    "sw    $v0, {control}($zero)",
    "li    $v0, 1",
    "sw    $v0, {saved}($zero)",
    "jr    $ra",
    " move $v0, $zero",

    // void exos_fpu_load(control): loads them, with this control register. The unit is on, and the mask clear.
    ".globl exos_fpu_load",
    "exos_fpu_load:",
    ".irp  n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
    "lwc1  $f\\n, {registers}+4*\\n($zero)",
    ".endr",
    "ctc1  $a0, $31",
    "nop",                                  // hazard: control register before the next instruction of the unit (MIPS I)
    "jr    $ra",
    " nop",
    ".set pop",
    on = const address_of!(fpu.on),
    saved = const address_of!(fpu.saved),
    control = const address_of!(fpu.control),
    registers = const address_of!(fpu.registers),
);

unsafe extern "C" {
    safe fn exos_fpu_save();
    safe fn exos_fpu_load(control: u32);
}

/// Saves the registers, if the unit is on. The mask must be clear, until the processor is given up. (A transfer turns the unit off even if
/// it is refused.)
#[inline(always)]
pub fn put_away() -> bool {
    let is_on = STATE.fpu.on.get() != 0;
    if is_on {
        exos_fpu_save();
    }
    is_on
}

/// The unit, which was on when the registers were [`put_away`], still is: the processor was not given up.
pub fn stayed_on() {
    STATE.fpu.on.set(1);
}

/// Turns the unit on, with the registers as they were.
///
/// # Errors
/// `BadStatus`, where the processor has none.
pub fn turn_on() -> Result<(), Error> {
    masked(|| {
        // SAFETY: what was in the registers is saved.
        unsafe { call::fpu(1)? }
        let fpu = &STATE.fpu;
        if fpu.saved.get() != 0 {
            exos_fpu_load(without_raised(fpu.control.get()));
        }
        fpu.on.set(1);
        Ok(())
    })
}

/// The control register without the causes of an exception that was raised already: loaded as they are, they would raise it once more.
fn without_raised(control: u32) -> u32 {
    /// Causes, of which the highest, an operation that is not implemented, has no bit to enable it.
    const CAUSES: u32 = 12;
    const ENABLES: u32 = 7;
    const UNIMPLEMENTED: u32 = 1 << 5;
    let raised = (control >> ENABLES & 0x1f | UNIMPLEMENTED) & control >> CAUSES;
    control & !(raised << CAUSES)
}
