//! Registers of the floating-point unit, saved and loaded; the same on both processor families.

use super::family::with_fpu;
use core::arch::asm;

/// Registers of the unit: 32, and the control register 31.
pub type FloatRegisters = [u32; 33];

/// Bits of the control register that raise an exception, where the enable bits below them are set
/// too.
const CAUSE_BITS: u32 = 0x3f << 12;

/// Saves all registers, but for the cause bits: to load these would raise the exception again, in
/// the kernel.
pub fn save() -> FloatRegisters {
    let mut registers = [0; 33];
    // SAFETY: stores 33 words, for which there is room.
    with_fpu(|| unsafe {
        asm!(
            ".set push",
            ".set hardfloat",
            ".set noat",
            ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
            "swc1  $f\\n, 4*\\n({to})",
            ".endr",
            "cfc1  {control}, $31",
            "nop", // hazard: load delay (MIPS I)
            ".set pop",
            to = in(reg) registers.as_mut_ptr(),
            control = out(reg) registers[32],
            options(nostack),
        );
    });
    registers[32] &= !CAUSE_BITS;
    registers
}

/// Loads all registers that [`save`] has saved.
pub fn load(registers: &FloatRegisters) {
    // SAFETY: the kernel itself has nothing in these registers.
    with_fpu(|| unsafe {
        asm!(
            ".set push",
            ".set hardfloat",
            ".set noat",
            "ctc1  {control}, $31",
            ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
            "lwc1  $f\\n, 4*\\n({from})",
            ".endr",
            "nop", // hazard: load delay (MIPS I)
            ".set pop",
            from = in(reg) registers.as_ptr(),
            control = in(reg) registers[32],
            options(nostack, readonly),
        );
    });
}
