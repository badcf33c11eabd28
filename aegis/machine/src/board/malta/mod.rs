//! MIPS Malta, as QEMU's `-M malta` has it: GT64120 bridge, PIIX4, 16550 console, YAMON's way of passing arguments.

mod arguments;
mod console;
mod i8259;
pub mod interrupts;
mod power;

pub use arguments::{command_line, memory_bytes};
pub use console::{listen, receive, transmit};
pub use power::power_off;

/// The board's name.
pub const NAME: &str = "MIPS Malta";

/// Prepares the console, and turns interrupts off.
pub fn init() {
    console::init();
    interrupts::init();
}
