//! The end: with semihosting, QEMU takes over the exit status; without, the machine says it and stands still.

use super::arguments::has_semihosting;
use core::arch::asm;

/// Number of the operation `exit` of MIPS' semihosting interface (UHI).
const UHI_EXIT: u32 = 1;

/// Stops the machine.
pub fn power_off(status: u8) -> ! {
    if has_semihosting() {
        // SAFETY: ends the emulation; `sdbbp 1` with the operation in t9 and its argument in a0 is UHI's call.
        unsafe { asm!("sdbbp 1", in("$25") UHI_EXIT, in("$4") u32::from(status)) }
    }
    crate::board::say_stopped(status);
    loop {
        // SAFETY: waits for an interrupt; with interrupts off, for ever.
        unsafe { asm!("wait") }
    }
}
