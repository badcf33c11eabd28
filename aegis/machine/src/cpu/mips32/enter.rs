//! The way into an environment, with nothing of another's.

use super::cp0::USER_STATUS;
use crate::cpu::dispatch::DISPATCHER;
use crate::cpu::frames::InterruptFrame;
use crate::cpu::operands::CURRENT;
use core::arch::asm;

unsafe extern "C" {
    /// Waits for an interrupt.
    safe fn vec_idle() -> !;
    /// Loads the registers of a program, and lets it run. The frame must be one of the kernel's.
    fn vec_resume(frame: *const InterruptFrame) -> !;
}

/// Lets the environment that was made current run with the registers of a frame, which stays as it is.
pub fn resume(frame: *const InterruptFrame) -> ! {
    // SAFETY: leaves the kernel for good; the frame stands in a table of the kernel's, as the callers, in
    // `suspended`, see to.
    unsafe { vec_resume(frame) }
}

/// Waits for an interrupt, with nobody running. The kernel is entered again through the vectors, on a stack made empty.
pub fn idle() -> ! {
    vec_idle()
}

/// Runs the environment that was made current, at `pc` in user mode, with `a0` and `a1` as given and all other registers 0.
/// The kernel is entered again through the vectors, on a stack made empty.
pub fn enter(pc: u32, a0: u32, a1: u32) -> ! {
    let block = DISPATCHER.resume.get();
    // SAFETY: leaves the kernel for good. From `mtc0 Status` on, exception level protects the sequence; the block becomes the
    // current one only then, and nothing after that can fault.
    unsafe {
        asm!(
            ".set push",
            ".set noreorder",
            ".set noat",
            "mtc0  {status}, $12",      // Status: exception level on
            "ehb",                      // hazard: Status before EPC and eret
            "mtc0  {pc}, $14",          // EPC = pc
            "lui   $k0, %hi({DISPATCHER} + {CURRENT})", // k0 = upper half of the address of CURRENT
            "sw    {block}, %lo({DISPATCHER} + {CURRENT})($k0)", // CURRENT = block
            "mthi  $zero",
            "mtlo  $zero",
            "move  $1, $zero",
            "move  $2, $zero",
            "move  $3, $zero",
            "move  $6, $zero",
            "move  $7, $zero",
            "move  $8, $zero",
            "move  $9, $zero",
            "move  $10, $zero",
            "move  $11, $zero",
            "move  $12, $zero",
            "move  $13, $zero",
            "move  $14, $zero",
            "move  $15, $zero",
            "move  $16, $zero",
            "move  $17, $zero",
            "move  $18, $zero",
            "move  $19, $zero",
            "move  $20, $zero",
            "move  $21, $zero",
            "move  $22, $zero",
            "move  $23, $zero",
            "move  $24, $zero",
            "move  $25, $zero",
            "move  $28, $zero",
            "move  $29, $zero",
            "move  $30, $zero",
            "move  $31, $zero",
            "move  $k0, $zero",
            "move  $k1, $zero",
            "ehb",                      // hazard: EPC before eret
            "eret",
            ".set pop",
            status = in(reg) USER_STATUS,
            pc = in(reg) pc,
            block = in(reg) block,
            DISPATCHER = sym DISPATCHER,
            CURRENT = const CURRENT,
            in("$4") a0,
            in("$5") a1,
            options(noreturn),
        )
    }
}
