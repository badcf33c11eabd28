//! The way into an environment, with nothing of another's.

use super::cp0::USER_STATUS;
use super::passage::{back_to_user, empty_cache};
use crate::cpu::dispatch::{self, DISPATCHER};
use crate::cpu::frames::InterruptFrame;
use crate::cpu::operands::CURRENT;

use core::arch::asm;

unsafe extern "C" {
    /// Waits for an interrupt.
    safe fn vec_idle() -> !;
    /// Loads the registers of a program, and lets it run. The frame must be one of the kernel's.
    fn vec_resume(frame: *const InterruptFrame, status: u32) -> !;
}

/// Lets the environment that was made current run with the registers of a frame, which stays as it is.
pub fn resume(frame: *const InterruptFrame) -> ! {
    // SAFETY: leaves the kernel for good; the frame stands in a table of the kernel's, as the callers, in
    // `suspended`, see to.
    unsafe { vec_resume(frame, dispatch::status()) }
}

/// Waits for an interrupt, with nobody running. The kernel is entered again through the vectors, on a stack made empty.
pub fn idle() -> ! {
    vec_idle()
}

/// Runs the environment that was made current, at `pc` in user mode, with `a0` and `a1` as given and all other registers 0.
/// The kernel is entered again through the vectors, on a stack made empty.
///
/// Not quite all: `k1` holds `pc`, since `jr` needs a register.
pub fn enter(pc: u32, a0: u32, a1: u32) -> ! {
    let block = DISPATCHER.resume.get();
    // SAFETY: leaves the kernel for good. Nothing after the block became the current one can fault.
    unsafe {
        asm!(
            ".set push",
            ".set noreorder",
            ".set noat",
            "mtc0  {status}, $12",      // Status: user mode after rfe
            "lui   $k0, %hi({DISPATCHER} + {CURRENT})", // k0 = upper half of the address of CURRENT
            "sw    {block}, %lo({DISPATCHER} + {CURRENT})($k0)", // CURRENT = block
            "move  $k1, {pc}",
            ".irp n, 1,2,3,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,28,29,30,31",
            "move  $\\n, $zero",
            ".endr",
            "mthi  $zero",
            "mtlo  $zero",
            back_to_user!("$k1", "$k0"),
            ".set pop",
            status = in(reg) USER_STATUS,
            pc = in(reg) pc,
            block = in(reg) block,
            DISPATCHER = sym DISPATCHER,
            CURRENT = const CURRENT,
            FLUSH = const super::passage::FLUSH,
            ISOLATE_CACHES = const super::cp0::ISOLATE_CACHES,
            USER_STATUS = const USER_STATUS,
            in("$4") a0,
            in("$5") a1,
            options(noreturn),
        )
    }
}
