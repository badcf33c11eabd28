//! The floating-point unit, coprocessor 1: the R3010.

use super::cp0;
use core::arch::asm;

/// Has the processor one? There is no DECstation without.
pub fn has_fpu() -> bool {
    true
}

/// Does `body` with the unit turned on for the kernel. It must be there.
#[inline(always)]
pub fn with_fpu<R>(body: impl FnOnce() -> R) -> R {
    let status = cp0::status();
    cp0::set_status(status | cp0::FPU_USABLE);
    cp0::hazard();
    let result = body();
    cp0::set_status(status);
    cp0::hazard();
    result
}

/// Clears all its registers.
pub fn clear_fpu() {
    // SAFETY: the kernel itself has nothing in these registers.
    with_fpu(|| unsafe {
        asm!(
            ".set push",
            ".set hardfloat",
            // The R3010 has no other control registers, but GXemul keeps what is written to any of them but the first.
            ".irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
            "ctc1  $zero, $\\n",
            ".endr",
            ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
            "mtc1  $zero, $f\\n",
            ".endr",
            ".set pop",
            options(nomem, nostack),
        );
    });
}
