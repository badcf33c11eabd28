//! DECstation 5000/200 (KN02), as GXemul's `-E dec -e 5000/200` has it: PROM with REX, KN02 system module.
//!
//! Source: DECstation 5000/200 KN02 System Module Functional Specification; TURBOchannel Firmware Specification (REX).

mod arguments;
mod console;
mod csr;
pub mod interrupts;
mod lance_timer;
mod power;
mod prom;
mod rtc;

pub use arguments::{command_line, memory_bytes};
pub use console::{listen, receive, transmit};
pub use power::power_off;

/// The board's name.
pub const NAME: &str = "DECstation 5000/200";

/// Prepares the console, turns interrupts off, and asks the PROM for what it knows.
pub fn init() {
    console::init();
    interrupts::init();
    arguments::init();
}
