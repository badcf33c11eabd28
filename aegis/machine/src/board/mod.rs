//! The boards: memory map, arguments, console, exit. One is compiled in; all offer the same names. What they have in common
//! stands here.

mod arguments;
mod console;
pub mod interrupts;

#[cfg(not(target_vendor = "dec"))]
mod malta;
#[cfg(not(target_vendor = "dec"))]
use malta as this;

#[cfg(target_vendor = "dec")]
mod decstation;
#[cfg(target_vendor = "dec")]
use decstation as this;

pub(crate) use console::end_line;
pub use console::{Console, console_write};
pub use this::{NAME, command_line, init, listen, memory_bytes, power_off, receive};

use crate::memory::KSEG1;
use core::fmt::Write;

/// Says that the machine stops, where it cannot hand the status to the emulator: the host tool reads it there.
fn say_stopped(status: u8) {
    end_line();
    let _ = writeln!(Console, "aegis: stopped, exit status {status}");
}

/// The registers of the device at a physical address.
///
/// # Safety
/// They stand there, laid out as `T` says.
unsafe fn device<T>(address: u32) -> &'static T {
    // SAFETY: by contract; kseg1 shows them, uncached, for ever.
    unsafe { &*((KSEG1 + address) as *const T) }
}
