//! The floating-point unit, coprocessor 1.

use super::cp0;
use crate::cpu::suspended::FloatRegisters;
use core::arch::asm;

/// Has the processor one?
pub fn has_fpu() -> bool {
    cp0::config1().has_fpu()
}

/// What all its registers hold, the control register 31 last. It must be there.
pub fn save_fpu() -> FloatRegisters {
    let mut registers = [0; 33];
    cp0::set_status(cp0::KERNEL_STATUS | cp0::FPU_USABLE);
    cp0::hazard();
    // SAFETY: stores 33 words, for which there is room.
    unsafe {
        asm!(
            ".set push",
            ".set hardfloat",
            ".set noat",
            ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
            "swc1  $f\\n, 4*\\n({to})",
            ".endr",
            "cfc1  {control}, $31",
            ".set pop",
            to = in(reg) registers.as_mut_ptr(),
            control = out(reg) registers[32],
            options(nostack),
        );
    }
    cp0::set_status(cp0::KERNEL_STATUS);
    cp0::hazard();
    registers
}

/// Loads all its registers; what is loaded raises no exception.
pub fn load_fpu(registers: &FloatRegisters) {
    cp0::set_status(cp0::KERNEL_STATUS | cp0::FPU_USABLE);
    cp0::hazard();
    // SAFETY: the kernel itself has nothing in these registers.
    unsafe {
        asm!(
            ".set push",
            ".set hardfloat",
            ".set noat",
            "ctc1  {control}, $31",
            ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
            "lwc1  $f\\n, 4*\\n({from})",
            ".endr",
            ".set pop",
            from = in(reg) registers.as_ptr(),
            control = in(reg) registers[32],
            options(nostack, readonly),
        );
    }
    cp0::set_status(cp0::KERNEL_STATUS);
    cp0::hazard();
}

/// Clears all its registers. It must be there.
pub fn clear_fpu() {
    cp0::set_status(cp0::KERNEL_STATUS | cp0::FPU_USABLE);
    cp0::hazard();
    // SAFETY: the kernel itself has nothing in these registers.
    unsafe {
        asm!(
            ".set push",
            ".set hardfloat",
            "ctc1  $zero, $31",
            ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
            "mtc1  $zero, $f\\n",
            ".endr",
            ".set pop",
            options(nomem, nostack),
        );
    }
    cp0::set_status(cp0::KERNEL_STATUS);
    cp0::hazard();
}
