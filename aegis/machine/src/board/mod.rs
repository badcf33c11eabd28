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

pub use console::{Console, console_write};
pub(crate) use console::{console_write_some, end_line};
pub use this::{NAME, command_line, init, listen, memory_bytes, power_off, receive};

use crate::memory::KSEG1;
use core::fmt::Write;

/// Word at the front of the command line that begins so: what ends the kernel's last line. Programs
/// never see it, so none of them can write that line.
pub const NONCE_OPTION: &str = "aegis.nonce=";

/// Writes the exit status where it cannot be handed to the emulator, and with it the nonce, if
/// there is one. The nonce stays where the boot loader left it, and is copied as it is: its value
/// changes no number of instructions.
fn say_stopped(status: u8) {
    end_line();
    let _ = write!(Console, "aegis: stopped, exit status {status}");
    let first = command_line().split(' ').next().and_then(|word| word.strip_prefix(NONCE_OPTION));
    let _ = match first {
        Some(nonce) => writeln!(Console, ", {nonce}"),
        None => writeln!(Console),
    };
}

/// The registers of the device at a physical address.
///
/// # Safety
/// They stand there, laid out as `T` says.
unsafe fn device<T>(address: u32) -> &'static T {
    // SAFETY: by contract; kseg1 shows them, uncached, for ever.
    unsafe { &*((KSEG1 + address) as *const T) }
}
