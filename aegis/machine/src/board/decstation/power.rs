//! The end: the PROM halts the machine. GXemul's exit status says nothing, so the kernel does.

use super::prom;

/// Stops the machine.
pub fn power_off(status: u8) -> ! {
    crate::board::say_stopped(status);
    prom::halt();
    // A PROM that does not: stand still.
    loop {
        core::hint::spin_loop();
    }
}
