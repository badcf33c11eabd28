//! The boards: memory map, console, exit. One is compiled in; all offer the same names.

mod malta;

pub(crate) use malta::end_line;
pub use malta::{Console, NAME, command_line, console_write, init, memory_bytes, power_off};
